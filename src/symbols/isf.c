/* SPDX-License-Identifier: MIT */
#include "symbols/isf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "symbols/btf_builder.h"
#include "symbols/idmap.h"
#include "symbols/jsonpull.h"
#include "symbols/table.h"

/* Pointers to arrays of pointers... of one member. */
#define ISF_CHAIN_MAX 32

/** What keys of the map are about. */
enum isf_key {
	ISF_BASE,
	ISF_COMPOUND, /**< struct, union or class: they share their names */
	ISF_ENUM,
	ISF_POINTER, /**< number: what to */
	ISF_ARRAY,   /**< number: of what, and how many */
	ISF_FUNCTION,
};

/** A type that was named somewhere; defined, or perhaps later. */
struct isf_named {
	const char *name;
	enum isf_key kind;
	uint32_t id;
	bool is_union;
	bool is_defined;
};

struct isf_part {
	const char *name;
	uint32_t type;
	uint64_t bit_offset;
	uint64_t bit_size;
	size_t order; /**< in the file */
};

struct isf_symbol {
	const char *name;
	uint64_t addr;
	bool is_function;
};

/** Elements of one kind, growing. */
struct isf_list {
	void *items; /**< owned */
	size_t count;
	size_t room;
};

struct isf_reader {
	struct json j;
	struct btf_builder *out;
	struct idmap ids;      /**< to a place in named, or an id */
	struct isf_list named; /**< struct isf_named */
	struct isf_list parts; /**< struct isf_part, of one type */
	bool no_memory;
	const char *unsupported; /**< what about it; NULL: nothing */
};

/** A type as a member or symbol tells it: one object of JSON in another. */
struct isf_frame {
	const char *kind;
	const char *name;
	uint64_t count;
	uint64_t bit_position;
	uint64_t bit_length;
	uint32_t inner; /**< id of the type in it */
};

/** What came of such a description. */
struct isf_type {
	uint32_t id;
	uint64_t bit_position;
	uint64_t bit_size; /**< 0: no bit-field */
	bool is_function;
};

bool isf_is(struct mvmi_bytes head)
{
	size_t i = 0;

	while (i < head.len && (head.ptr[i] == ' ' || head.ptr[i] == '\n' ||
				head.ptr[i] == '\r' || head.ptr[i] == '\t'))
		i++;
	return i < head.len && head.ptr[i] == '{';
}

/** Room for one more; NULL if there is none. */
static void *isf_add(struct isf_list *list, size_t each)
{
	size_t room = list->room ? list->room * 2 : 256;
	void *grown = list->items;

	if (list->count == list->room) {
		grown = realloc(list->items, room * each);
		if (!grown)
			return NULL;
		list->items = grown;
		list->room = room;
	}
	return (char *)grown + each * list->count++;
}

/** The one type of a kind and name, which gets its id when it is first met. */
static struct isf_named *
isf_name(struct isf_reader *r, enum isf_key kind, const char *name)
{
	struct idmap_key key = { .name = name, .kind = kind };
	uint32_t place = idmap_find(&r->ids, &key);
	struct isf_named *named = r->named.items;

	if (named && place)
		return &named[place - 1];
	named = isf_add(&r->named, sizeof(*named));
	if (!named || !idmap_put(&r->ids, &key, (uint32_t)r->named.count)) {
		r->no_memory = true;
		return NULL;
	}
	*named = (struct isf_named){
		.name = name,
		.kind = kind,
		.id = btf_builder_reserve(r->out),
	};
	return named;
}

static uint32_t isf_named_id(struct isf_reader *r, enum isf_key kind,
			     const char *name, bool is_union)
{
	struct isf_named *named = isf_name(r, kind, name);

	if (!named)
		return 0;
	if (!named->is_defined)
		named->is_union = is_union;
	return named->id;
}

/** Begin a definition. @return 0 if there is one already, or no memory. */
static uint32_t
isf_define(struct isf_reader *r, enum isf_key kind, const char *name)
{
	struct isf_named *named = isf_name(r, kind, name);

	if (!named || named->is_defined)
		return 0;
	named->is_defined = true;
	return named->id;
}

/** A type that has no name: one for each of what it is made of. */
static uint32_t isf_derived(struct isf_reader *r, enum isf_key kind,
			    uint32_t inner, uint64_t count)
{
	struct idmap_key key = {
		.kind = kind,
		.number = (uint64_t)inner << 32 | (count & UINT32_MAX),
	};
	uint32_t id = idmap_find(&r->ids, &key);

	if (id)
		return id;
	if (count > UINT32_MAX)
		json_fail(&r->j, "an array of more than 2^32 elements");
	else if (kind == ISF_ARRAY)
		id = btf_builder_array(r->out, 0, inner, count);
	else if (kind == ISF_POINTER)
		id = btf_builder_pointer(r->out, 0, inner);
	else
		id = btf_builder_prototype(r->out, 0, inner);
	if (id && !idmap_put(&r->ids, &key, id))
		r->no_memory = true;
	return id;
}

static bool isf_equals(const char *text, const char *expected)
{
	return text && strcmp(text, expected) == 0;
}

/** The type that a whole description stands for. */
static uint32_t isf_make(struct isf_reader *r, const struct isf_frame *frame)
{
	const char *kind = frame->kind;

	if (isf_equals(kind, "pointer"))
		return isf_derived(r, ISF_POINTER, frame->inner, 0);
	if (isf_equals(kind, "array"))
		return isf_derived(r, ISF_ARRAY, frame->inner, frame->count);
	if (isf_equals(kind, "function"))
		return isf_derived(r, ISF_FUNCTION, 0, 0);
	if (isf_equals(kind, "bitfield"))
		return frame->inner;
	if (!frame->name) {
		json_fail(&r->j, "a type without a name, or of unknown kind");
		return 0;
	}
	if (isf_equals(kind, "base"))
		return strcmp(frame->name, "void") == 0
			       ? 0
			       : isf_named_id(r, ISF_BASE, frame->name, false);
	if (isf_equals(kind, "enum"))
		return isf_named_id(r, ISF_ENUM, frame->name, false);
	if (isf_equals(kind, "struct") || isf_equals(kind, "union") ||
	    isf_equals(kind, "class"))
		return isf_named_id(r, ISF_COMPOUND, frame->name,
				    kind[0] == 'u');
	json_fail(&r->j, "a type of unknown kind");
	return 0;
}

/** What isn't negative, as sizes and offsets. */
static uint64_t isf_unsigned(struct json *j)
{
	struct json_number number = json_integer(j);

	if (number.is_negative)
		json_fail(j, "a size or offset is negative");
	return number.value;
}

static void
isf_read_scalar(struct isf_reader *r, struct isf_frame *frame, const char *key)
{
	if (strcmp(key, "kind") == 0)
		frame->kind = json_string(&r->j);
	else if (strcmp(key, "name") == 0)
		frame->name = json_string(&r->j);
	else if (strcmp(key, "count") == 0)
		frame->count = isf_unsigned(&r->j);
	else if (strcmp(key, "bit_position") == 0)
		frame->bit_position = isf_unsigned(&r->j);
	else if (strcmp(key, "bit_length") == 0)
		frame->bit_length = isf_unsigned(&r->j);
	else
		json_skip(&r->j);
}

/** Read a description, however deep its objects are in one another. */
static struct isf_type isf_read_type(struct isf_reader *r)
{
	struct isf_frame frames[ISF_CHAIN_MAX] = { 0 };
	struct isf_type type = { 0 };
	size_t depth = 0;
	const char *key;

	if (!json_enter(&r->j))
		return type;
	for (;;) {
		struct isf_frame *frame = &frames[depth];
		uint32_t id;

		key = json_key(&r->j);
		if (key &&
		    (strcmp(key, "subtype") == 0 || strcmp(key, "type") == 0)) {
			if (depth + 1 == ISF_CHAIN_MAX)
				json_fail(&r->j, "types too deep in types");
			else if (json_enter(&r->j))
				frames[++depth] = (struct isf_frame){ 0 };
			continue;
		}
		if (key) {
			isf_read_scalar(r, frame, key);
			continue;
		}
		if (r->j.failed)
			return type;
		id = isf_make(r, frame);
		if (depth == 0) {
			type.id = id;
			type.bit_position = frame->bit_position;
			if (isf_equals(frame->kind, "bitfield"))
				type.bit_size = frame->bit_length;
			type.is_function = isf_equals(frame->kind, "function");
			return type;
		}
		frames[--depth].inner = id;
	}
}

static void isf_read_base(struct isf_reader *r, const char *name)
{
	uint64_t size = 0;
	unsigned encoding = 0;
	const char *kind = NULL;
	const char *key;
	uint32_t id;

	if (!json_enter(&r->j))
		return;
	while ((key = json_key(&r->j)) != NULL) {
		if (strcmp(key, "size") == 0)
			size = isf_unsigned(&r->j);
		else if (strcmp(key, "kind") == 0)
			kind = json_string(&r->j);
		else if (strcmp(key, "signed") == 0)
			encoding = json_bool(&r->j) ? BTF_INT_SIGNED : 0;
		else if (strcmp(key, "endian") != 0)
			json_skip(&r->j);
		else if (isf_equals(json_string(&r->j), "big"))
			r->unsupported = "big-endian";
	}
	if (strcmp(name, "pointer") == 0) {
		/* No type of C, but what Volatility makes pointers of. */
		if (size != 8)
			r->unsupported = "not 64-bit";
		return;
	}
	id = strcmp(name, "void") == 0 ? 0 : isf_define(r, ISF_BASE, name);
	if (!id || r->j.failed)
		return;
	if (isf_equals(kind, "char") && strcmp(name, "char") == 0)
		encoding |= BTF_INT_CHAR;
	if (isf_equals(kind, "bool"))
		encoding = BTF_INT_BOOL;
	if (isf_equals(kind, "void"))
		(void)btf_builder_modifier(r->out, id, BTF_TYPEDEF, name, 0);
	else if (size == 0 || size > 16)
		(void)btf_builder_struct(r->out, id, name, size);
	else if (isf_equals(kind, "float") && size >= 2 && size != 10)
		(void)btf_builder_float(r->out, id, name, size);
	else
		(void)btf_builder_int(r->out, id, name, size, encoding);
}

/** Names that only stand for having none. */
static const char *isf_plain_name(const char *name)
{
	return strncmp(name, ISF_UNNAMED, sizeof(ISF_UNNAMED) - 1) == 0 ? ""
									: name;
}

static void isf_read_constants(struct isf_reader *r, bool *is_signed)
{
	const char *name;

	if (!json_enter(&r->j))
		return;
	while (!r->no_memory && (name = json_key(&r->j)) != NULL) {
		struct json_number number = json_integer(&r->j);
		struct isf_part *part = isf_add(&r->parts, sizeof(*part));

		*is_signed |= number.is_negative;
		if (part)
			*part = (struct isf_part){
				.name = name,
				.bit_offset = number.value,
			};
		else
			r->no_memory = true;
	}
}

static void isf_read_enum(struct isf_reader *r, const char *name)
{
	const struct isf_part *parts;
	bool is_signed = false;
	uint64_t size = 4;
	const char *key;
	uint32_t id;

	r->parts.count = 0;
	if (!json_enter(&r->j))
		return;
	while ((key = json_key(&r->j)) != NULL) {
		if (strcmp(key, "size") == 0)
			size = isf_unsigned(&r->j);
		else if (strcmp(key, "constants") == 0)
			isf_read_constants(r, &is_signed);
		else
			json_skip(&r->j);
	}
	id = isf_define(r, ISF_ENUM, name);
	if (!id || r->j.failed)
		return;
	(void)btf_builder_enum(r->out, id, isf_plain_name(name), size,
			       is_signed);
	parts = r->parts.items;
	for (size_t i = 0; parts && i < r->parts.count; i++)
		btf_builder_enumerator(r->out, parts[i].name,
				       parts[i].bit_offset);
}

static void isf_read_field(struct isf_reader *r, const char *name)
{
	struct isf_type type = { 0 };
	struct isf_part *part;
	uint64_t offset = 0;
	const char *key;

	if (!json_enter(&r->j))
		return;
	while ((key = json_key(&r->j)) != NULL) {
		if (strcmp(key, "type") == 0)
			type = isf_read_type(r);
		else if (strcmp(key, "offset") == 0)
			offset = isf_unsigned(&r->j);
		else if (strcmp(key, "anonymous") != 0)
			json_skip(&r->j);
		else if (json_bool(&r->j))
			name = "";
	}
	if (offset > UINT32_MAX || type.bit_position > UINT32_MAX)
		json_fail(&r->j, "an offset of more than 4 GiB");
	part = isf_add(&r->parts, sizeof(*part));
	if (!part) {
		r->no_memory = true;
		return;
	}
	*part = (struct isf_part){
		.name = name,
		.type = type.id,
		.bit_offset = offset * 8 + type.bit_position,
		.bit_size = type.bit_size,
		.order = r->parts.count,
	};
}

/** JSON has no order of members; memory has. */
static int isf_compare_parts(const void *a, const void *b)
{
	const struct isf_part *pa = a;
	const struct isf_part *pb = b;

	if (pa->bit_offset != pb->bit_offset)
		return pa->bit_offset < pb->bit_offset ? -1 : 1;
	return pa->order < pb->order ? -1 : 1;
}

static void isf_read_compound(struct isf_reader *r, const char *name)
{
	const char *kind = NULL;
	struct isf_part *parts;
	uint64_t size = 0;
	const char *key;
	uint32_t id;

	r->parts.count = 0;
	if (!json_enter(&r->j))
		return;
	while ((key = json_key(&r->j)) != NULL) {
		if (strcmp(key, "size") == 0)
			size = isf_unsigned(&r->j);
		else if (strcmp(key, "kind") == 0)
			kind = json_string(&r->j);
		else if (strcmp(key, "fields") != 0)
			json_skip(&r->j);
		else if (json_enter(&r->j))
			while ((key = json_key(&r->j)) != NULL)
				isf_read_field(r, key);
	}
	id = isf_define(r, ISF_COMPOUND, name);
	if (!id || r->j.failed)
		return;
	parts = r->parts.items;
	if (parts)
		qsort(parts, r->parts.count, sizeof(*parts), isf_compare_parts);
	if (isf_equals(kind, "union"))
		(void)btf_builder_union(r->out, id, isf_plain_name(name), size);
	else
		(void)btf_builder_struct(r->out, id, isf_plain_name(name),
					 size);
	for (size_t i = 0; parts && i < r->parts.count; i++)
		btf_builder_member(r->out, parts[i].name, parts[i].type,
				   parts[i].bit_offset, parts[i].bit_size);
}

/** Read one of the file's tables: an object of definitions by name. */
static void isf_read_table(struct isf_reader *r,
			   void (*read)(struct isf_reader *r, const char *name))
{
	const char *name;

	if (!json_enter(&r->j))
		return;
	while (!r->no_memory && (name = json_key(&r->j)) != NULL)
		read(r, name);
}

/** What was named and never defined, as far as it can be. */
static void isf_finish_named(struct isf_reader *r)
{
	const struct isf_named *named = r->named.items;

	for (size_t i = 0; i < r->named.count; i++) {
		if (named[i].is_defined)
			continue;
		if (named[i].kind == ISF_ENUM)
			(void)btf_builder_enum(r->out, named[i].id,
					       named[i].name, 4, false);
		else
			(void)btf_builder_forward(r->out, named[i].id,
						  named[i].name,
						  named[i].is_union);
	}
}

enum mvmi_status isf_load_types(struct mvmi_span text, struct mvmi_types **ret,
				struct mvmi_error *err)
{
	struct isf_reader r = { .j = json_begin(text) };
	enum mvmi_status status;
	const char *key;

	r.out = btf_builder_create();
	if (json_enter(&r.j)) {
		while (!r.no_memory && (key = json_key(&r.j)) != NULL) {
			if (strcmp(key, "base_types") == 0)
				isf_read_table(&r, isf_read_base);
			else if (strcmp(key, "user_types") == 0)
				isf_read_table(&r, isf_read_compound);
			else if (strcmp(key, "enums") == 0)
				isf_read_table(&r, isf_read_enum);
			else
				json_skip(&r.j);
		}
	}
	isf_finish_named(&r);
	if (r.no_memory)
		status = fail(err, MVMI_ERR_NOMEM, "no memory for types");
	else
		status = json_end(&r.j, err);
	if (status == MVMI_OK && r.unsupported)
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "an ISF of a program that is %s", r.unsupported);
	if (status == MVMI_OK)
		status = btf_builder_finish(r.out, ret, err);
	btf_builder_destroy(r.out);
	idmap_fini(&r.ids);
	free(r.named.items);
	free(r.parts.items);
	return fail_context(err, status, "ISF");
}

static void isf_read_symbol(struct json *j, struct isf_symbol *ret)
{
	const char *key;

	if (!json_enter(j))
		return;
	while ((key = json_key(j)) != NULL) {
		if (strcmp(key, "address") == 0) {
			ret->addr = json_integer(j).value;
		} else if (strcmp(key, "type") == 0 && json_peek(j) == '{') {
			if (!json_enter(j))
				return;
			while ((key = json_key(j)) != NULL) {
				if (strcmp(key, "kind") != 0)
					json_skip(j);
				else
					ret->is_function = isf_equals(
						json_string(j), "function");
			}
		} else {
			json_skip(j);
		}
	}
}

static bool isf_read_symbols(struct json *j, struct isf_list *list)
{
	const char *name;

	if (!json_enter(j))
		return true;
	while ((name = json_key(j)) != NULL) {
		struct isf_symbol *symbol = isf_add(list, sizeof(*symbol));

		if (!symbol)
			return false;
		*symbol = (struct isf_symbol){ .name = name };
		isf_read_symbol(j, symbol);
	}
	return true;
}

static enum mvmi_status
isf_add_symbols(const struct isf_list *list, uint64_t bias,
		struct mvmi_symbols **ret, struct mvmi_error *err)
{
	const struct isf_symbol *symbols = list->items;
	struct symbols_builder b = { 0 };
	enum mvmi_status status = MVMI_OK;
	bool is_upper = false;

	for (size_t i = 0; i < list->count; i++)
		is_upper |= symbols[i].addr >> 63;
	for (size_t i = 0; status == MVMI_OK && i < list->count; i++) {
		struct symbols_new symbol = {
			.name = { (const uint8_t *)symbols[i].name,
				  strlen(symbols[i].name) },
			.addr = symbols[i].addr,
			.type = symbols[i].is_function ? 'T' : '?',
			.absolute = is_upper && symbols[i].addr <= UINT32_MAX,
		};

		if (symbol.absolute)
			symbol.type = 'A';
		else
			symbol.addr += bias;
		if (symbol.name.len)
			status = symbols_builder_add(&b, &symbol, err);
	}
	if (status == MVMI_OK)
		status = symbols_builder_finish(&b, ret, err);
	symbols_builder_fini(&b);
	return status;
}

enum mvmi_status
isf_load_symbols(struct mvmi_span text, uint64_t bias,
		 struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct json j = json_begin(text);
	struct isf_list list = { 0 };
	enum mvmi_status status;
	bool has_memory = true;
	const char *key;

	if (json_enter(&j)) {
		while (has_memory && (key = json_key(&j)) != NULL) {
			if (strcmp(key, "symbols") == 0)
				has_memory = isf_read_symbols(&j, &list);
			else
				json_skip(&j);
		}
	}
	status = has_memory
			 ? json_end(&j, err)
			 : fail(err, MVMI_ERR_NOMEM, "no memory for symbols");
	if (status == MVMI_OK && list.count == 0)
		status = fail(err, MVMI_ERR_UNSUPPORTED, "it has no symbols");
	if (status == MVMI_OK)
		status = isf_add_symbols(&list, bias, ret, err);
	free(list.items);
	return fail_context(err, status, "ISF");
}
