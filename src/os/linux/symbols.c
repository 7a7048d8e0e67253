/* SPDX-License-Identifier: MIT */
/*
 * All symbols of the running kernel, in the order of its own /proc/kallsyms:
 * the kernel's, each module's, then what was made at run time.  Left out is one
 * thing that it shows: functions of modules' freed beginnings, which it keeps
 * only while they are traced.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/member.h"
#include "os/linux/modules.h"
#include "os/linux/tasks.h"
#include "os/linux/text.h"
#include "os/linux/walk/links.h"
#include "symbols/table.h"

/** Symbols of one module; more is a guest that is broken or lies. */
#define SYMBOLS_MAX ((uint64_t)1 << 20)
/** Of all modules together. */
#define VISITED_MAX ((uint64_t)1 << 22)
/** Symbols that one module exports. */
#define EXPORTS_MAX ((uint64_t)1 << 16)
/** Exported names of one address that are looked at. */
#define ALIASES_MAX 16
/** Bytes of one record of either table, as the guest's types say. */
#define RECORD_LEN_MAX 64
/** KSYM_NAME_LEN: names have at most this many bytes, with the NUL. */
#define NAME_LEN_MAX 512

enum {
	TABLE_SYMBOLS,
	TABLE_COUNT,
	TABLE_STRINGS,
	TABLE_LETTERS,
	TABLE_FIELDS
};

static const char *const table_paths[TABLE_FIELDS] = {
	[TABLE_SYMBOLS] = "symtab",
	[TABLE_COUNT] = "num_symtab",
	[TABLE_STRINGS] = "strtab",
	[TABLE_LETTERS] = "?typetab", /* since 5.2 */
};

static const struct shape_spec table_spec = { "mod_kallsyms", table_paths,
					      TABLE_FIELDS };

enum {
	SYM_NAME,
	SYM_INFO,
	SYM_VALUE,
	SYM_SIZE,
	SYM_FIELDS
};

static const char *const sym_paths[SYM_FIELDS] = {
	[SYM_NAME] = "st_name",
	[SYM_INFO] = "st_info",
	[SYM_VALUE] = "st_value",
	[SYM_SIZE] = "st_size",
};

static const struct shape_spec sym_spec = { "elf64_sym", sym_paths,
					    SYM_FIELDS };

/** Since 4.19 both are offsets from where they lie themselves. */
enum {
	EXPORT_VALUE_OFFSET,
	EXPORT_NAME_OFFSET,
	EXPORT_VALUE,
	EXPORT_NAME,
	EXPORT_FIELDS,
};

static const char *const export_paths[EXPORT_FIELDS] = {
	[EXPORT_VALUE_OFFSET] = "?value_offset",
	[EXPORT_NAME_OFFSET] = "?name_offset",
	[EXPORT_VALUE] = "?value",
	[EXPORT_NAME] = "?name",
};

static const struct shape_spec export_spec = { "kernel_symbol", export_paths,
					       EXPORT_FIELDS };

/** What a module exports to all: those symbols get capital letters. */
struct export
{
	uint64_t value;
	mvmi_gva name;
};

/** One module's symbols on their way into the table. */
struct module_symbols {
	struct linux_os *guest;
	struct symbols_builder *builder;
	size_t name_len;	/**< where the guest cuts names off, with NUL */
	uint64_t *visited;	/**< by all modules */
	struct object table;	/**< struct mod_kallsyms */
	struct export *exports; /**< owned; by value */
	size_t export_count;
};

static int compare_exports(const void *a, const void *b)
{
	uint64_t x = ((const struct export *)a)->value;
	uint64_t y = ((const struct export *)b)->value;

	return (x > y) - (x < y);
}

/** Whether a module exports this name with this value. */
static bool
is_exported(const struct module_symbols *m, const char *name, uint64_t value)
{
	char other[NAME_LEN_MAX];
	size_t low = 0;
	size_t high = m->export_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->exports[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	high = MIN(low + ALIASES_MAX, m->export_count);
	for (; low < high && m->exports[low].value == value; low++)
		if (text_read(m->guest->os.space, m->exports[low].name, other,
			      sizeof(other), NULL) == MVMI_OK &&
		    strcmp(name, other) == 0)
			return true;
	return false;
}

static struct mvmi_bytes bytes_of(const char *s)
{
	return (struct mvmi_bytes){ (const uint8_t *)s, strlen(s) };
}

/** Fetch bytes into memory of their own. @param ret  Release with free(). */
static enum mvmi_status
read_bytes(struct linux_os *guest, mvmi_gva gva, size_t len, uint8_t **ret,
	   struct mvmi_error *err)
{
	uint8_t *bytes = malloc(len + 1);
	enum mvmi_status status;

	if (!bytes)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu bytes",
			    len);
	status = mvmi_space_read(guest->os.space, gva,
				 (struct mvmi_span){ bytes, len }, err);
	if (status != MVMI_OK) {
		free(bytes);
		return status;
	}
	*ret = bytes;
	return MVMI_OK;
}

/** Fetch an array of structs; count and their size were checked. */
static enum mvmi_status
read_array(struct linux_os *guest, const struct shape *shape, mvmi_gva gva,
	   uint64_t count, uint8_t **ret, struct mvmi_error *err)
{
	return read_bytes(guest, gva, (size_t)(count * shape->size), ret, err);
}

/** A pointer of a struct that lies at gva, or an offset from its own place. */
static uint64_t
record_pointer(const struct shape *shape, const uint8_t *record, uint64_t gva,
	       size_t offset_member, size_t pointer_member)
{
	if (!shape_has(shape, offset_member))
		return member_u64(shape, record, pointer_member);
	return gva + shape_offset(shape, offset_member) +
	       (uint64_t)(int32_t)member_u64(shape, record, offset_member);
}

static enum mvmi_status
read_exports(struct module_symbols *m, const struct object *module,
	     struct mvmi_error *err)
{
	const struct shape *shape = &m->guest->shapes.kernel_symbol;
	uint64_t count = object_u64(module, MODULE_SYMS_COUNT);
	uint64_t at = object_u64(module, MODULE_SYMS);
	uint8_t *bytes = NULL;
	enum mvmi_status status;

	if (count == 0)
		return MVMI_OK;
	if (count > EXPORTS_MAX || shape->size > RECORD_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "it claims to export %" PRIu64 " symbols", count);
	status = read_array(m->guest, shape, mvmi_gva_at(at), count, &bytes,
			    err);
	if (status != MVMI_OK)
		return fail_context(err, status, "exported symbols");
	m->exports = calloc((size_t)count, sizeof(*m->exports));
	if (!m->exports) {
		free(bytes);
		return fail(err, MVMI_ERR_NOMEM, "no memory for exports");
	}
	for (size_t i = 0; i < count; i++, at += shape->size) {
		const uint8_t *record = bytes + i * shape->size;

		m->exports[i].value = record_pointer(
			shape, record, at, EXPORT_VALUE_OFFSET, EXPORT_VALUE);
		m->exports[i].name = mvmi_gva_at(record_pointer(
			shape, record, at, EXPORT_NAME_OFFSET, EXPORT_NAME));
	}
	free(bytes);
	m->export_count = (size_t)count;
	qsort(m->exports, m->export_count, sizeof(*m->exports),
	      compare_exports);
	return MVMI_OK;
}

static bool is_letter(uint64_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/**
 * The letter of nm(1), lower case. Before 5.2 it was written over a field of
 * the symbol: st_info, in 5.0 and 5.1 st_size. No true st_info is a letter.
 */
static char letter_of(const uint8_t *record, const struct shape *shape,
		      const uint8_t *letters, size_t i)
{
	uint64_t info = member_u64(shape, record, SYM_INFO);
	uint64_t letter = letters ? letters[i]
			  : is_letter(info)
				  ? info
				  : member_u64(shape, record, SYM_SIZE);

	/* Some are no letters, e.g. '?'; the kernel shows those as they are. */
	if (letter <= ' ' || letter >= 0x7f)
		return '?';
	if (letter >= 'A' && letter <= 'Z')
		letter += 'a' - 'A';
	return (char)letter;
}

/** Add one symbol, if it has a name: debugging ones may have none. */
static enum mvmi_status
add_symbol(struct module_symbols *m, const uint8_t *record, char letter,
	   struct mvmi_error *err)
{
	const struct shape *shape = &m->guest->shapes.elf_sym;
	struct symbols_new symbol = {
		.addr = member_u64(shape, record, SYM_VALUE),
		.type = letter,
		.absolute = letter == 'a' || letter == 'u',
	};
	char name[NAME_LEN_MAX];
	enum mvmi_status status =
		text_read(m->guest->os.space,
			  mvmi_gva_at(object_u64(&m->table, TABLE_STRINGS) +
				      member_u64(shape, record, SYM_NAME)),
			  name, m->name_len, err);

	if (status != MVMI_OK || !name[0])
		return status;
	symbol.name = bytes_of(name);
	if (letter >= 'a' && letter <= 'z' && is_exported(m, name, symbol.addr))
		symbol.type = (char)(letter - 'a' + 'A');
	/* Else it may hold the letter. */
	if (shape_has(m->table.shape, TABLE_LETTERS))
		symbol.size = member_u64(shape, record, SYM_SIZE);
	return symbols_builder_add(m->builder, &symbol, err);
}

static enum mvmi_status
read_symbols(struct module_symbols *m, const struct object *module,
	     struct mvmi_error *err)
{
	struct linux_os *guest = m->guest;
	const struct shape *shape = &guest->shapes.elf_sym;
	mvmi_gva kallsyms = object_gva(module, MODULE_KALLSYMS);
	uint8_t *records = NULL;
	uint8_t *letters = NULL;
	uint64_t count;
	enum mvmi_status status;

	if (!kallsyms.val)
		return MVMI_OK;
	status = object_read(&m->table, guest->os.space,
			     &guest->shapes.mod_kallsyms, kallsyms, err);
	if (status != MVMI_OK)
		return status;
	count = object_u64(&m->table, TABLE_COUNT);
	if (count > SYMBOLS_MAX || shape->size > RECORD_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "it claims to have %" PRIu64 " symbols", count);
	*m->visited += count;
	if (*m->visited > VISITED_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "modules claim to have over %" PRIu64 " symbols",
			    VISITED_MAX);
	status = read_exports(m, module, err);
	if (status == MVMI_OK)
		status = read_array(guest, shape,
				    object_gva(&m->table, TABLE_SYMBOLS), count,
				    &records, err);
	if (status == MVMI_OK && shape_has(m->table.shape, TABLE_LETTERS))
		status = read_bytes(guest, object_gva(&m->table, TABLE_LETTERS),
				    (size_t)count, &letters, err);
	if (status == MVMI_OK)
		for (size_t i = 0; i < count && status == MVMI_OK; i++) {
			const uint8_t *record = records + i * shape->size;

			status = add_symbol(
				m, record, letter_of(record, shape, letters, i),
				err);
		}
	free(letters);
	free(records);
	free(m->exports);
	return status;
}

/** What all modules share while their symbols are read. */
struct gathering {
	struct linux_os *guest;
	struct symbols_builder builder;
	size_t name_len;
	uint64_t visited; /**< symbols, those without a name, too */
};

static enum mvmi_status
add_module(const struct object *module, void *arg, struct mvmi_error *err)
{
	struct gathering *g = arg;
	struct module_symbols m = { .guest = g->guest,
				    .builder = &g->builder,
				    .name_len = g->name_len,
				    .visited = &g->visited };
	char name[MODULE_NAME_MAX];
	enum mvmi_status status;

	module_name(module, name);
	status = symbols_builder_module(&g->builder, bytes_of(name), err);
	if (status == MVMI_OK)
		status = read_symbols(&m, module, err);
	return fail_context(err, status, "module at 0x%" PRIx64,
			    module->gva.val);
}

/** Code that was made at run time, which kallsyms lists one by one. */
struct made {
	const char *symbol; /**< of what holds the list */
	const char *holder; /**< its type; "": it is the list itself */
	const char *head;   /**< the list in it */
	const char *type;   /**< of the members */
	const char *link;
	const char *value;
	const char *name; /**< a member's; NULL: all are called fixed */
	const char *fixed;
	const char *module;
};

/** In the order of kallsyms. A kernel that lacks one has none of it. */
static const struct made all_made[] = {
	{ "ftrace_ops_trampoline_list", "", "", "ftrace_ops", "list",
	  "trampoline", NULL, "ftrace_trampoline", "__builtin__ftrace" },
	{ "bpf_kallsyms", "", "", "bpf_ksym", "lnode", "start", "name", "",
	  "bpf" },
	{ "kprobe_insn_slots", "kprobe_insn_cache", "pages", "kprobe_insn_page",
	  "list", "insns", NULL, "kprobe_insn_page", "__builtin__kprobes" },
	{ "kprobe_optinsn_slots", "kprobe_insn_cache", "pages",
	  "kprobe_insn_page", "list", "insns", NULL, "kprobe_optinsn_page",
	  "__builtin__kprobes" },
};

/** One list of them on its way into the table. */
struct made_walk {
	struct gathering *g;
	const struct made *made;
	struct mvmi_field link, value, name;
};

static enum mvmi_status
add_made(mvmi_gva link, void *arg, struct mvmi_error *err)
{
	const struct made_walk *walk = arg;
	struct gathering *g = walk->g;
	uint64_t at = link.val - walk->link.offset;
	char name[NAME_LEN_MAX];
	uint64_t value;
	enum mvmi_status status = mvmi_space_read_u64(
		g->guest->os.space, mvmi_gva_at(at + walk->value.offset),
		&value, err);

	(void)snprintf(name, sizeof(name), "%s", walk->made->fixed);
	if (status == MVMI_OK && walk->made->name)
		status = text_read(g->guest->os.space,
				   mvmi_gva_at(at + walk->name.offset), name,
				   g->name_len, err);
	if (status != MVMI_OK)
		return status;
	return symbols_builder_add(&g->builder,
				   &(struct symbols_new){
					   .name = bytes_of(name),
					   .addr = value,
					   .type = 't',
				   },
				   err);
}

/** Find head and members. @return false: the kernel has none of it. */
static bool prepare_made(struct made_walk *walk, mvmi_gva *head)
{
	const struct made *made = walk->made;
	const struct mvmi_types *types = walk->g->guest->os.types;
	struct mvmi_field field = { 0 };

	if (linux_symbol(walk->g->guest, made->symbol, head, NULL) != MVMI_OK)
		return false;
	if (made->holder[0] && mvmi_types_field(types, made->holder, made->head,
						&field, NULL) != MVMI_OK)
		return false;
	head->val += field.offset;
	if (made->name && mvmi_types_field(types, made->type, made->name,
					   &walk->name, NULL) != MVMI_OK)
		return false;
	return mvmi_types_field(types, made->type, made->link, &walk->link,
				NULL) == MVMI_OK &&
	       mvmi_types_field(types, made->type, made->value, &walk->value,
				NULL) == MVMI_OK;
}

/** An int by its symbol; 0 where there is none. */
static uint32_t read_setting(const struct linux_os *guest, const char *name)
{
	uint8_t bytes[4] = { 0 };
	mvmi_gva at;

	if (linux_symbol(guest, name, &at, NULL) != MVMI_OK ||
	    mvmi_space_read(guest->os.space, at,
			    (struct mvmi_span){ bytes, sizeof(bytes) },
			    NULL) != MVMI_OK)
		return 0;
	return load_le32(bytes);
}

/** bpf_jit_kallsyms_enabled(): whether the guest shows BPF programs. */
static bool shows_bpf(const struct linux_os *guest)
{
	return read_setting(guest, "bpf_jit_harden") == 0 &&
	       read_setting(guest, "bpf_jit_kallsyms") == 1;
}

static enum mvmi_status gather_made(struct gathering *g, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	for (size_t i = 0; i < ARRAY_LEN(all_made) && status == MVMI_OK; i++) {
		struct made_walk walk = { .g = g, .made = &all_made[i] };
		mvmi_gva head;

		if (strcmp(all_made[i].module, "bpf") == 0 &&
		    !shows_bpf(g->guest))
			continue;
		if (!prepare_made(&walk, &head))
			continue;
		status = symbols_builder_module(
			&g->builder, bytes_of(all_made[i].module), err);
		if (status == MVMI_OK)
			status = links_walk(g->guest->os.space, head, add_made,
					    &walk, err);
	}
	return status;
}

/** Names are as long as a struct that holds a whole one says. */
static size_t find_name_len(const struct linux_os *guest)
{
	struct mvmi_field field;

	if (mvmi_types_field(guest->os.types, "bpf_ksym", "name", &field,
			     NULL) != MVMI_OK ||
	    field.size < 2 || field.size > NAME_LEN_MAX)
		return NAME_LEN_MAX;
	return (size_t)field.size;
}

static enum mvmi_status gather(struct gathering *g, struct mvmi_error *err)
{
	struct linux_os *guest = g->guest;
	const struct mvmi_types *types = guest->os.types;
	enum mvmi_status status = shape_resolve(&guest->shapes.mod_kallsyms,
						&table_spec, types, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.elf_sym, &sym_spec, types,
				       err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.kernel_symbol,
				       &export_spec, types, err);
	if (status == MVMI_OK)
		status = symbols_builder_append(&g->builder, guest->os.symbols,
						err);
	if (status == MVMI_OK)
		status = modules_walk(guest, add_module, g, err);
	return status == MVMI_OK ? gather_made(g, err) : status;
}

enum mvmi_status linux_symbols(struct mvmi_os *os, struct mvmi_symbols **ret,
			       struct mvmi_error *err)
{
	struct gathering g = { .guest = linux_of(os) };
	enum mvmi_status status = MVMI_OK;

	if (!os->types)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "symbols of modules need the kernel's types, and "
			    "it has no BTF; give its types by a file");
	g.name_len = find_name_len(g.guest);
	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		symbols_builder_fini(&g.builder);
		g.visited = 0;
		status = gather(&g, err);
		if (!tasks_torn(status) || !linux_is_running(g.guest))
			break;
	}
	if (status == MVMI_OK)
		status = symbols_builder_finish(&g.builder, ret, err);
	symbols_builder_fini(&g.builder);
	return status;
}
