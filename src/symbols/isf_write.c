/* SPDX-License-Identifier: MIT */
/*
 * Writing an ISF as Volatility 3 wants it for Linux: schema 6.2.0, with the
 * kernel's banner, and types for the variables that its plugins begin with.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "symbols/btf.h"
#include "symbols/idmap.h"
#include "symbols/index.h"
#include "symbols/isf.h"

/* Pointers to arrays of pointers... of one member. */
#define ISF_CHAIN_MAX  32

#define ISF_BUFFER_LEN ((size_t)32 << 10)

/* Of the banner; the kernel's own limit is less. */
#define ISF_BANNER_MAX	1024

#define ISF_POINTER_LEN UINT64_C(8)

struct isf_writer {
	const struct mvmi_symbols *symbols;
	const struct mvmi_types *types;
	uint64_t bias;
	const char *banner; /**< may be NULL */
	mvmi_write_fn fn;
	void *arg;
	bool ended;	  /**< fn wanted no more */
	bool has_element; /**< the object being written isn't empty */
	/** By id: what a type without a name of its own is called; or NULL. */
	const char **aliases; /**< owned */
	size_t len;
	char buffer[ISF_BUFFER_LEN];
};

static void isf_flush(struct isf_writer *w)
{
	struct mvmi_bytes text = { (const uint8_t *)w->buffer, w->len };

	if (!w->ended && w->len && !w->fn(text, w->arg))
		w->ended = true;
	w->len = 0;
}

static void isf_put_bytes(struct isf_writer *w, const char *text, size_t len)
{
	while (len) {
		size_t n = MIN(len, sizeof(w->buffer) - w->len);

		memcpy(w->buffer + w->len, text, n);
		w->len += n;
		text += n;
		len -= n;
		if (w->len == sizeof(w->buffer))
			isf_flush(w);
	}
}

static void isf_put(struct isf_writer *w, const char *text)
{
	isf_put_bytes(w, text, strlen(text));
}

MVMI_PRINTF(2, 3)
static void isf_putf(struct isf_writer *w, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	isf_put(w, text);
}

/** A string; what is not ASCII is taken for Latin-1, which is always JSON. */
static void isf_put_string(struct isf_writer *w, const char *text)
{
	isf_put(w, "\"");
	while (*text) {
		size_t plain = 0;

		while (text[plain] >= ' ' && text[plain] < 0x7f &&
		       text[plain] != '"' && text[plain] != '\\')
			plain++;
		isf_put_bytes(w, text, plain);
		text += plain;
		if (*text)
			isf_putf(w, "\\u%04x", (unsigned)(uint8_t)*text++);
	}
	isf_put(w, "\"");
}

/** Begin the next element of an object. */
static void isf_put_key(struct isf_writer *w, const char *key)
{
	isf_put(w, w->has_element ? ",\n" : "\n");
	w->has_element = true;
	isf_put_string(w, key);
	isf_put(w, ":");
}

static void isf_begin_table(struct isf_writer *w, const char *name)
{
	isf_put(w, ",\n");
	isf_put_string(w, name);
	isf_put(w, ":{");
	w->has_element = false;
}

static bool isf_is_compound(enum mvmi_type_kind kind)
{
	return kind == MVMI_TYPE_STRUCT || kind == MVMI_TYPE_UNION;
}

static const char *isf_kind_name(const struct mvmi_type *type)
{
	if (type->kind == MVMI_TYPE_UNION ||
	    (type->kind == MVMI_TYPE_FORWARD && type->is_union))
		return "union";
	return type->kind == MVMI_TYPE_ENUM ? "enum" : "struct";
}

/** What is found by a name with its kind's word before it. */
static bool isf_find_tag(const struct isf_writer *w, const char *kind,
			 const char *name, struct mvmi_type *ret)
{
	char tag[512];
	int len = snprintf(tag, sizeof(tag), "%s %s", kind, name);

	return len > 0 && (size_t)len < sizeof(tag) &&
	       mvmi_types_find(w->types, tag, ret);
}

/**
 * Whether a type is the one that goes by its name. Structs and unions share
 * their names in an ISF, and some names have several definitions.
 */
static bool
isf_owns_name(const struct isf_writer *w, const struct mvmi_type *type)
{
	struct mvmi_type found;

	if (type->name[0] == '\0')
		return false;
	if (type->kind == MVMI_TYPE_ENUM)
		return isf_find_tag(w, "enum", type->name, &found) &&
		       found.id == type->id;
	if (isf_find_tag(w, "struct", type->name, &found) &&
	    found.kind == MVMI_TYPE_STRUCT)
		return found.id == type->id;
	return isf_find_tag(w, "union", type->name, &found) &&
	       found.id == type->id;
}

static void
isf_put_type_name(struct isf_writer *w, const struct mvmi_type *type)
{
	if (type->kind == MVMI_TYPE_FORWARD || isf_owns_name(w, type)) {
		isf_put_string(w, type->name);
	} else if (w->aliases[type->id]) {
		isf_put_string(w, w->aliases[type->id]);
	} else {
		isf_putf(w, "\"" ISF_UNNAMED "%" PRIx32 "\"", type->id);
	}
}

/** "typedef struct {...} name": the name is as good as the struct's own. */
static void isf_collect_aliases(struct isf_writer *w)
{
	for (uint32_t id = 1; id < mvmi_types_count(w->types); id++) {
		struct mvmi_type type, target, other;
		const char *kind;

		if (!mvmi_types_get(w->types, id, &type) ||
		    type.kind != MVMI_TYPE_TYPEDEF ||
		    !mvmi_types_get(w->types, type.target, &target) ||
		    target.name[0] || w->aliases[target.id])
			continue;
		if (!isf_is_compound(target.kind) &&
		    target.kind != MVMI_TYPE_ENUM)
			continue;
		kind = isf_kind_name(&target);
		if (isf_find_tag(w, kind, type.name, &other) ||
		    (isf_is_compound(target.kind) &&
		     isf_find_tag(w, kind[0] == 's' ? "union" : "struct",
				  type.name, &other)))
			continue;
		if (mvmi_types_find(w->types, type.name, &other) &&
		    other.id == id)
			w->aliases[target.id] = type.name;
	}
}

/** A type that is not made of another. */
static void isf_put_leaf(struct isf_writer *w, const struct mvmi_type *type)
{
	switch (type->kind) {
	case MVMI_TYPE_INT:
	case MVMI_TYPE_FLOAT:
		isf_put(w, "{\"kind\":\"base\",\"name\":");
		isf_put_string(w, type->name);
		break;
	case MVMI_TYPE_STRUCT:
	case MVMI_TYPE_UNION:
	case MVMI_TYPE_FORWARD:
	case MVMI_TYPE_ENUM:
		isf_putf(w, "{\"kind\":\"%s\",\"name\":", isf_kind_name(type));
		isf_put_type_name(w, type);
		break;
	case MVMI_TYPE_FUNCTION:
		isf_put(w, "{\"kind\":\"function\"");
		break;
	case MVMI_TYPE_VOID:
	case MVMI_TYPE_POINTER:
	case MVMI_TYPE_ARRAY:
	case MVMI_TYPE_TYPEDEF:
	case MVMI_TYPE_CONST:
	case MVMI_TYPE_VOLATILE:
	case MVMI_TYPE_RESTRICT:
	case MVMI_TYPE_OTHER:
		isf_put(w, "{\"kind\":\"base\",\"name\":\"void\"");
		break;
	}
	isf_put(w, "}");
}

static void isf_put_type(struct isf_writer *w, uint32_t id)
{
	struct mvmi_type type = { .name = "" };
	size_t open = 0;

	for (;;) {
		id = mvmi_types_resolve(w->types, id);
		if (!mvmi_types_get(w->types, id, &type))
			type.kind = MVMI_TYPE_VOID;
		if (open == ISF_CHAIN_MAX)
			break;
		if (type.kind == MVMI_TYPE_POINTER)
			isf_put(w, "{\"kind\":\"pointer\",\"subtype\":");
		else if (type.kind == MVMI_TYPE_ARRAY)
			isf_putf(w,
				 "{\"kind\":\"array\",\"count\":%" PRIu32
				 ",\"subtype\":",
				 type.count);
		else
			break;
		id = type.target;
		open++;
	}
	isf_put_leaf(w, &type);
	while (open-- > 0)
		isf_put(w, "}");
}

static void isf_put_metadata(struct isf_writer *w)
{
	isf_put(w, "{\"metadata\":{\n"
		   "\"linux\":{\"symbols\":[{\"name\":\"kallsyms\"}],"
		   "\"types\":[{\"name\":\"BTF\"}]},\n"
		   "\"producer\":{\"name\":\"microvmi\","
		   "\"version\":\"" MVMI_VERSION "\"},\n"
		   "\"format\":\"6.2.0\"}");
}

static const char *isf_base_kind(const struct mvmi_type *type)
{
	if (type->kind == MVMI_TYPE_FLOAT)
		return "float";
	if (type->is_bool)
		return "bool";
	return type->size == 1 && strstr(type->name, "char") ? "char" : "int";
}

/** @return false  No memory. */
static bool isf_put_base_types(struct isf_writer *w)
{
	struct idmap seen = { 0 };
	bool ok = true;

	isf_begin_table(w, "base_types");
	isf_put_key(w, "void");
	isf_put(w, "{\"size\":0,\"signed\":false,\"kind\":\"void\","
		   "\"endian\":\"little\"}");
	isf_put_key(w, "pointer");
	isf_putf(w,
		 "{\"size\":%" PRIu64 ",\"signed\":false,\"kind\":\"int\","
		 "\"endian\":\"little\"}",
		 ISF_POINTER_LEN);
	for (uint32_t id = 1; ok && id < mvmi_types_count(w->types); id++) {
		struct idmap_key key = { 0 };
		struct mvmi_type type;

		if (!mvmi_types_get(w->types, id, &type) ||
		    (type.kind != MVMI_TYPE_INT &&
		     type.kind != MVMI_TYPE_FLOAT))
			continue;
		key.name = type.name;
		if (idmap_find(&seen, &key) || !type.name[0] ||
		    strcmp(type.name, "void") == 0 ||
		    strcmp(type.name, "pointer") == 0)
			continue;
		ok = idmap_put(&seen, &key, id);
		isf_put_key(w, type.name);
		isf_putf(w,
			 "{\"size\":%" PRIu64 ",\"signed\":%s,\"kind\":\"%s\","
			 "\"endian\":\"little\"}",
			 type.size,
			 type.is_signed || type.kind == MVMI_TYPE_FLOAT
				 ? "true"
				 : "false",
			 isf_base_kind(&type));
	}
	isf_put(w, "}");
	idmap_fini(&seen);
	return ok;
}

/**
 * A bit-field lies in a unit as large as its type, aligned as such; that of a
 * packed struct may reach over the end of one, and begins at its own byte.
 */
static void isf_put_bits(struct isf_writer *w, const struct mvmi_member *member)
{
	uint64_t unit = ISF_POINTER_LEN * 8;
	struct mvmi_type type;
	uint64_t start;

	if (mvmi_types_get(w->types, member->type, &type) && type.size)
		unit = type.size * 8;
	start = member->bit_offset / unit * unit;
	if (member->bit_offset - start + member->bit_size > unit)
		start = member->bit_offset / 8 * 8;
	isf_putf(w,
		 "{\"offset\":%" PRIu64 ",\"type\":{\"kind\":\"bitfield\","
		 "\"bit_position\":%" PRIu64 ",\"bit_length\":%" PRIu32
		 ",\"type\":",
		 start / 8, member->bit_offset - start, member->bit_size);
	isf_put_type(w, member->type);
	isf_put(w, "}}");
}

static void isf_put_member(struct isf_writer *w, uint32_t index,
			   const struct mvmi_member *member)
{
	char unnamed[32];

	(void)snprintf(unnamed, sizeof(unnamed), "unnamed_field_%" PRIx32,
		       index);
	isf_put_key(w, member->name[0] ? member->name : unnamed);
	if (member->bit_size) {
		isf_put_bits(w, member);
		return;
	}
	isf_putf(w, "{\"offset\":%" PRIu64 ",", member->bit_offset / 8);
	if (!member->name[0])
		isf_put(w, "\"anonymous\":true,");
	isf_put(w, "\"type\":");
	isf_put_type(w, member->type);
	isf_put(w, "}");
}

/** Begin an element that is named after a type. */
static void isf_put_type_key(struct isf_writer *w, const struct mvmi_type *type)
{
	isf_put(w, w->has_element ? ",\n" : "\n");
	isf_put_type_name(w, type);
	isf_put(w, ":");
}

static void isf_put_user_types(struct isf_writer *w)
{
	isf_begin_table(w, "user_types");
	for (uint32_t id = 1; !w->ended && id < mvmi_types_count(w->types);
	     id++) {
		struct mvmi_member member;
		struct mvmi_type type;

		if (!mvmi_types_get(w->types, id, &type) ||
		    !isf_is_compound(type.kind))
			continue;
		isf_put_type_key(w, &type);
		isf_putf(w,
			 "{\"size\":%" PRIu64 ",\"kind\":\"%s\",\"fields\":{",
			 type.size, isf_kind_name(&type));
		w->has_element = false;
		for (uint32_t i = 0; i < type.count; i++) {
			if (mvmi_types_member(w->types, id, i, &member))
				isf_put_member(w, i, &member);
		}
		isf_put(w, "}}");
		w->has_element = true;
	}
	isf_put(w, "}");
}

/** The integer that an enum is stored as. */
static const char *
isf_enum_base(const struct isf_writer *w, const struct mvmi_type *of)
{
	for (uint32_t id = 1; id < mvmi_types_count(w->types); id++) {
		struct mvmi_type type;

		if (mvmi_types_get(w->types, id, &type) &&
		    type.kind == MVMI_TYPE_INT && type.size == of->size &&
		    type.is_signed == of->is_signed && !type.is_bool)
			return type.name;
	}
	return "void";
}

static void isf_put_enums(struct isf_writer *w)
{
	isf_begin_table(w, "enums");
	for (uint32_t id = 1; !w->ended && id < mvmi_types_count(w->types);
	     id++) {
		struct mvmi_enumerator constant;
		struct mvmi_type type;

		if (!mvmi_types_get(w->types, id, &type) ||
		    type.kind != MVMI_TYPE_ENUM)
			continue;
		isf_put_type_key(w, &type);
		isf_putf(w, "{\"size\":%" PRIu64 ",\"base\":", type.size);
		isf_put_string(w, isf_enum_base(w, &type));
		isf_put(w, ",\"constants\":{");
		w->has_element = false;
		for (uint32_t i = 0; i < type.count; i++) {
			if (!mvmi_types_enumerator(w->types, id, i, &constant))
				continue;
			isf_put_key(w, constant.name);
			if (type.is_signed)
				isf_putf(w, "%" PRId64,
					 (int64_t)constant.value);
			else
				isf_putf(w, "%" PRIu64, constant.value);
		}
		isf_put(w, "}}");
		w->has_element = true;
	}
	isf_put(w, "}");
}

/**
 * The types of variables, which BTF doesn't tell: those that Volatility 3's
 * plugins for Linux read without being told a type.
 */
static const struct isf_variable {
	const char *name;
	const char *type; /**< for mvmi_types_find() */
	bool is_pointer;
} isf_variables[] = {
	{ "file_systems", "struct file_system_type", true },
	{ "ftrace_ops_list", "struct ftrace_ops", true },
	{ "init_cred", "struct cred", false },
	{ "init_files", "struct files_struct", false },
	{ "init_fs", "struct fs_struct", false },
	{ "init_mm", "struct mm_struct", false },
	{ "init_net", "struct net", false },
	{ "init_nsproxy", "struct nsproxy", false },
	{ "init_pid_ns", "struct pid_namespace", false },
	{ "init_task", "struct task_struct", false },
	{ "init_user_ns", "struct user_namespace", false },
	{ "init_uts_ns", "struct uts_namespace", false },
	{ "iomem_resource", "struct resource", false },
	{ "keyboard_notifier_list", "struct atomic_notifier_head", false },
	{ "link_idr", "struct idr", false },
	{ "log_buf", "char", true },
	{ "log_buf_len", "unsigned int", false },
	{ "log_first_idx", "unsigned int", false },
	{ "log_next_idx", "unsigned int", false },
	{ "map_idr", "struct idr", false },
	{ "mod_tree", "struct mod_tree_root", false },
	{ "module_kset", "struct kset", true },
	{ "modules", "struct list_head", false },
	{ "net_namespace_list", "struct list_head", false },
	{ "page_offset_base", "long unsigned int", false },
	{ "phys_base", "long unsigned int", false },
	{ "prb", "struct printk_ringbuffer", true },
	{ "prog_idr", "struct idr", false },
	{ "socket_file_ops", "struct file_operations", false },
	{ "sockfs_dentry_operations", "struct dentry_operations", false },
	{ "super_blocks", "struct list_head", false },
	{ "tty_drivers", "struct list_head", false },
	{ "vmalloc_base", "long unsigned int", false },
	{ "vmemmap_base", "long unsigned int", false },
};

static int isf_compare_variable(const void *name, const void *variable)
{
	const struct isf_variable *v = variable;

	return strcmp(name, v->name);
}

static void
isf_put_symbol_type(struct isf_writer *w, const struct mvmi_symbol *symbol)
{
	const struct isf_variable *v =
		bsearch(symbol->name, isf_variables, ARRAY_LEN(isf_variables),
			sizeof(*isf_variables), isf_compare_variable);
	struct mvmi_type type = { .name = "" };
	char letter = symbol->type;

	if (letter == 'T' || letter == 't' || letter == 'W') {
		isf_put(w, "{\"kind\":\"function\"}");
		return;
	}
	if (!v || !mvmi_types_find(w->types, v->type, &type)) {
		isf_put_leaf(w, &type);
		return;
	}
	if (v->is_pointer)
		isf_put(w, "{\"kind\":\"pointer\",\"subtype\":");
	isf_put_leaf(w, &type);
	if (v->is_pointer)
		isf_put(w, "}");
}

static void isf_put_base64(struct isf_writer *w, struct mvmi_bytes bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = MIN(bytes.len - i, 3);
		uint32_t group = (uint32_t)bytes.ptr[i] << 16;
		char text[5] = "====";

		if (n > 1)
			group |= (uint32_t)bytes.ptr[i + 1] << 8;
		if (n > 2)
			group |= bytes.ptr[i + 2];
		for (size_t k = 0; k <= n; k++)
			text[k] = digits[group >> (18 - 6 * k) & 63];
		isf_put(w, text);
	}
}

/** The banner as it is in memory: with a newline and a NUL. */
static void isf_put_banner(struct isf_writer *w)
{
	char banner[ISF_BANNER_MAX];
	size_t len = strcspn(w->banner, "\n");

	len = MIN(len, sizeof(banner) - 2);
	memcpy(banner, w->banner, len);
	banner[len++] = '\n';
	banner[len++] = '\0';
	isf_putf(w,
		 "{\"kind\":\"array\",\"count\":%zu,\"subtype\":"
		 "{\"kind\":\"base\",\"name\":\"char\"}},\"constant_data\":\"",
		 len);
	isf_put_base64(w, (struct mvmi_bytes){ (uint8_t *)banner, len });
	isf_put(w, "\"");
}

static void isf_put_symbols(struct isf_writer *w)
{
	isf_begin_table(w, "symbols");
	for (size_t i = 0; !w->ended && i < mvmi_symbols_count(w->symbols);
	     i++) {
		struct mvmi_symbol symbol, first;

		/* Of several by one name an ISF has room for one. */
		if (!mvmi_symbols_get(w->symbols, i, &symbol) ||
		    !mvmi_symbols_find(w->symbols, symbol.name, &first) ||
		    first.index != i)
			continue;
		if (!w->symbols->entries[i].absolute)
			symbol.addr -= w->bias;
		isf_put_key(w, symbol.name);
		isf_putf(w, "{\"address\":%" PRIu64 ",\"type\":", symbol.addr);
		if (w->banner && strcmp(symbol.name, "linux_banner") == 0)
			isf_put_banner(w);
		else
			isf_put_symbol_type(w, &symbol);
		isf_put(w, "}");
	}
	isf_put(w, "}}\n");
}

/* NOLINTBEGIN(readability-function-size): the API has one more parameter. */
enum mvmi_status mvmi_isf_write(const struct mvmi_symbols *symbols,
				const struct mvmi_types *types, uint64_t bias,
				const char *banner, mvmi_write_fn fn, void *arg,
				struct mvmi_error *err)
{
	struct isf_writer *w = malloc(sizeof(*w));
	enum mvmi_status status = MVMI_OK;
	bool has_memory;

	if (!w)
		return fail(err, MVMI_ERR_NOMEM, "no memory to write an ISF");
	w->symbols = symbols;
	w->types = types;
	w->bias = bias;
	w->banner = banner;
	w->fn = fn;
	w->arg = arg;
	w->ended = false;
	w->len = 0;
	w->aliases = calloc((size_t)mvmi_types_count(types) + 1,
			    sizeof(*w->aliases));
	has_memory = w->aliases != NULL;
	if (has_memory) {
		isf_collect_aliases(w);
		isf_put_metadata(w);
		has_memory = isf_put_base_types(w);
		isf_put_user_types(w);
		isf_put_enums(w);
		isf_put_symbols(w);
		isf_flush(w);
	}
	if (!has_memory)
		status = fail(err, MVMI_ERR_NOMEM, "no memory to write an ISF");
	else if (w->ended)
		status = fail(err, MVMI_ERR_SYSTEM,
			      "writing an ISF was ended by its receiver");
	free(w->aliases);
	free(w);
	return status;
}
/* NOLINTEND(readability-function-size) */
