/* SPDX-License-Identifier: MIT */
/*
 * Finding BTF and checking it. Linux: Documentation/bpf/btf.rst and
 * include/uapi/linux/btf.h.
 */
#include "symbols/btf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cursor.h"
#include "base/error.h"

#define BTF_MAGIC	  0xeb9f
#define BTF_MAGIC_SWAPPED 0x9feb
#define BTF_VERSION	  1
#define BTF_RECORD_LEN	  12

/* Kernels have 5 MiB; those with everything built in have some 20. */
#define BTF_LEN_MAX ((size_t)256 << 20)

struct btf_header {
	uint32_t len;
	uint32_t records_off;
	uint32_t records_len;
	uint32_t strings_off;
	uint32_t strings_len;
	size_t blob_len; /**< of all three */
};

enum btf_shape_flags {
	SHAPE_TARGET = 1, /**< the record's third word is a type */
	SHAPE_NAMES = 2,  /**< each entry begins with a name */
	SHAPE_TYPES = 4,  /**< each has a type: after the name if any */
};

/** What follows the fixed part of a record. */
struct btf_shape {
	uint8_t fixed; /**< bytes */
	uint8_t each;  /**< bytes, vlen times */
	uint8_t flags;
};

static const struct btf_shape btf_shapes[BTF_KIND_END] = {
	[BTF_INT] = { 4, 0, 0 },
	[BTF_PTR] = { 0, 0, SHAPE_TARGET },
	[BTF_ARRAY] = { 12, 0, 0 },
	[BTF_STRUCT] = { 0, 12, SHAPE_NAMES | SHAPE_TYPES },
	[BTF_UNION] = { 0, 12, SHAPE_NAMES | SHAPE_TYPES },
	[BTF_ENUM] = { 0, 8, SHAPE_NAMES },
	[BTF_FWD] = { 0, 0, 0 },
	[BTF_TYPEDEF] = { 0, 0, SHAPE_TARGET },
	[BTF_VOLATILE] = { 0, 0, SHAPE_TARGET },
	[BTF_CONST] = { 0, 0, SHAPE_TARGET },
	[BTF_RESTRICT] = { 0, 0, SHAPE_TARGET },
	[BTF_FUNC] = { 0, 0, SHAPE_TARGET },
	[BTF_FUNC_PROTO] = { 0, 8, SHAPE_TARGET | SHAPE_NAMES | SHAPE_TYPES },
	[BTF_VAR] = { 4, 0, SHAPE_TARGET },
	[BTF_DATASEC] = { 0, 12, SHAPE_TYPES },
	[BTF_FLOAT] = { 0, 0, 0 },
	[BTF_DECL_TAG] = { 4, 0, SHAPE_TARGET },
	[BTF_TYPE_TAG] = { 0, 0, SHAPE_TARGET },
	[BTF_ENUM64] = { 0, 12, SHAPE_NAMES },
};

bool btf_has_magic(struct mvmi_bytes bytes)
{
	struct cursor c = cursor_of(bytes);

	return cursor_u16le(&c) == BTF_MAGIC;
}

static enum mvmi_status
btf_read_header(struct mvmi_bytes src, struct btf_header *hdr,
		struct mvmi_error *err)
{
	struct cursor c = cursor_of(src);
	uint16_t magic = cursor_u16le(&c);
	uint8_t version = cursor_u8(&c);
	size_t body;

	(void)cursor_u8(&c); /* flags: none are defined */
	hdr->len = cursor_u32le(&c);
	hdr->records_off = cursor_u32le(&c);
	hdr->records_len = cursor_u32le(&c);
	hdr->strings_off = cursor_u32le(&c);
	hdr->strings_len = cursor_u32le(&c);
	if (magic == BTF_MAGIC_SWAPPED)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "BTF of a big-endian machine");
	if (magic != BTF_MAGIC)
		return fail(err, MVMI_ERR_UNSUPPORTED, "not BTF");
	if (!cursor_ok(&c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the BTF ends within its header");
	if (version != BTF_VERSION)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "BTF of version %u; %u can be read", version,
			    BTF_VERSION);
	if (hdr->len < BTF_HEADER_LEN || hdr->len > src.len)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a BTF header of %u bytes in %zu", hdr->len,
			    src.len);
	body = src.len - hdr->len;
	if (hdr->records_off > body ||
	    hdr->records_len > body - hdr->records_off ||
	    hdr->strings_off > body ||
	    hdr->strings_len > body - hdr->strings_off)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the BTF's types or strings end past its %zu bytes",
			    src.len);
	hdr->blob_len = hdr->len + (size_t)hdr->strings_off + hdr->strings_len;
	body = hdr->len + (size_t)hdr->records_off + hdr->records_len;
	if (hdr->blob_len < body)
		hdr->blob_len = body;
	if (hdr->blob_len > BTF_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT, "BTF of %zu bytes",
			    hdr->blob_len);
	return MVMI_OK;
}

/** Consume one record. @return its kind, 0 if it is none */
static uint8_t btf_skip_record(struct cursor *c)
{
	uint32_t info;
	uint8_t kind;

	(void)cursor_u32le(c);
	info = cursor_u32le(c);
	(void)cursor_u32le(c);
	kind = info >> 24 & 0x1f;
	if (kind == 0 || kind >= BTF_KIND_END)
		return 0;
	(void)cursor_take(c, btf_shapes[kind].fixed +
				     (size_t)btf_shapes[kind].each *
					     (info & 0xffff));
	return kind;
}

/** Note where each record is. */
static enum mvmi_status
btf_list_records(struct mvmi_types *types, struct mvmi_error *err)
{
	struct cursor c = cursor_of(types->records);
	uint32_t room = (uint32_t)(types->records.len / BTF_RECORD_LEN);
	uint32_t n = 0;
	uint32_t *fitting;

	types->offsets = calloc((size_t)room + 1, sizeof(*types->offsets));
	if (!types->offsets)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %u BTF types",
			    room);
	while (c.rest.len) {
		size_t off = types->records.len - c.rest.len;
		uint8_t kind = btf_skip_record(&c);

		if (!cursor_ok(&c))
			return fail(err, MVMI_ERR_CORRUPT,
				    "BTF type %u ends past the last",
				    types->first_id + n);
		if (kind == 0)
			return fail(err, MVMI_ERR_UNSUPPORTED,
				    "BTF type %u is of an unknown kind, %u",
				    types->first_id + n,
				    types->records.ptr[off + 7] & 0x1f);
		types->offsets[n++] = (uint32_t)off;
	}
	if (ckd_add(&types->count, types->first_id, n))
		return fail(err, MVMI_ERR_LIMIT, "too many BTF types");
	fitting = realloc(types->offsets,
			  ((size_t)n + 1) * sizeof(*types->offsets));
	if (fitting)
		types->offsets = fitting;
	return MVMI_OK;
}

static bool btf_is_name(const struct mvmi_types *types, const uint8_t *at)
{
	uint32_t off = load_le32(at);

	return off < types->strings_from ||
	       off - types->strings_from < types->strings.len;
}

static bool btf_is_id(const struct mvmi_types *types, const uint8_t *at)
{
	return load_le32(at) < types->count;
}

/** Check all names and types that a record refers to. */
static bool btf_check_record(const struct mvmi_types *types, const uint8_t *at)
{
	uint32_t info = load_le32(at + 4);
	uint8_t kind = info >> 24 & 0x1f;
	const struct btf_shape *shape = &btf_shapes[kind];
	size_t type_at = shape->flags & SHAPE_NAMES ? 4 : 0;

	if (!btf_is_name(types, at))
		return false;
	if ((shape->flags & SHAPE_TARGET) && !btf_is_id(types, at + 8))
		return false;
	at += BTF_RECORD_LEN;
	if (kind == BTF_ARRAY)
		return btf_is_id(types, at) && btf_is_id(types, at + 4);
	if (shape->each == 0)
		return true;
	for (uint32_t i = 0; i < (info & 0xffff); i++, at += shape->each) {
		if ((shape->flags & SHAPE_NAMES) && !btf_is_name(types, at))
			return false;
		if ((shape->flags & SHAPE_TYPES) &&
		    !btf_is_id(types, at + type_at))
			return false;
	}
	return true;
}

/** Whether no name is of twice BTF_NAME_MAX; few bytes need a look for that. */
static bool btf_names_end(struct mvmi_bytes strings)
{
	for (; strings.len >= BTF_NAME_MAX; strings.len -= BTF_NAME_MAX) {
		if (!memchr(strings.ptr, '\0', BTF_NAME_MAX))
			return false;
		strings.ptr += BTF_NAME_MAX;
	}
	return true;
}

static enum mvmi_status
btf_check(struct mvmi_types *types, struct mvmi_error *err)
{
	struct mvmi_bytes strings = types->strings;
	enum mvmi_status status;

	if (strings.len == 0 && !types->base)
		return fail(err, MVMI_ERR_CORRUPT, "BTF without strings");
	if (strings.len && strings.ptr[strings.len - 1] != '\0')
		return fail(err, MVMI_ERR_CORRUPT,
			    "the BTF's last string has no end");
	if (!types->base && strings.ptr[0] != '\0')
		return fail(err, MVMI_ERR_CORRUPT,
			    "the BTF's first string is not empty");
	if (!btf_names_end(strings))
		return fail(err, MVMI_ERR_LIMIT,
			    "the BTF has a name of over %u characters",
			    BTF_NAME_MAX);
	status = btf_list_records(types, err);
	if (status != MVMI_OK)
		return status;
	for (uint32_t i = 0; i < types->count - types->first_id; i++) {
		if (!btf_check_record(types,
				      types->records.ptr + types->offsets[i]))
			return fail(err, MVMI_ERR_CORRUPT,
				    "BTF type %u refers to a type or name that "
				    "is not there",
				    types->first_id + i);
	}
	return btf_index_build(types, err);
}

/** Make a table of a blob, which is the table's from here on. */
static enum mvmi_status
btf_open(struct mvmi_span blob, const struct mvmi_types *base,
	 struct mvmi_types **ret, struct mvmi_error *err)
{
	struct mvmi_types *types = calloc(1, sizeof(*types));
	struct mvmi_bytes src = { blob.ptr, blob.len };
	enum mvmi_status status;
	struct btf_header hdr;

	if (!types) {
		free(blob.ptr);
		return fail(err, MVMI_ERR_NOMEM, "no memory for BTF");
	}
	types->blob = blob.ptr;
	types->base = base;
	types->first_id = base ? base->count : 1;
	types->strings_from = base ? (uint32_t)base->strings.len : 0;
	status = btf_read_header(src, &hdr, err);
	if (status == MVMI_OK) {
		src.ptr += hdr.len;
		types->blob_len = hdr.blob_len;
		types->records = (struct mvmi_bytes){
			src.ptr + hdr.records_off,
			hdr.records_len,
		};
		types->strings = (struct mvmi_bytes){
			src.ptr + hdr.strings_off,
			hdr.strings_len,
		};
		status = btf_check(types, err);
	}
	if (status != MVMI_OK) {
		mvmi_types_destroy(types);
		return status;
	}
	*ret = types;
	return MVMI_OK;
}

static enum mvmi_status
btf_copy(struct mvmi_bytes src, const struct mvmi_types *base,
	 struct mvmi_types **ret, struct mvmi_error *err)
{
	struct mvmi_span blob = { NULL, 0 };
	struct btf_header hdr;
	enum mvmi_status status;

	/* The header decides how much is copied; the copy's own is then used,
	 * for src may be changing. */
	status = btf_read_header(src, &hdr, err);
	if (status != MVMI_OK)
		return status;
	blob.len = hdr.blob_len;
	blob.ptr = malloc(blob.len);
	if (!blob.ptr)
		return fail(err, MVMI_ERR_NOMEM, "no memory for BTF");
	memcpy(blob.ptr, src.ptr, blob.len);
	return btf_open(blob, base, ret, err);
}

enum mvmi_status btf_parse(struct mvmi_bytes src, struct mvmi_types **ret,
			   struct mvmi_error *err)
{
	return btf_copy(src, NULL, ret, err);
}

enum mvmi_status
btf_parse_split(struct mvmi_bytes src, const struct mvmi_types *base,
		struct mvmi_types **ret, struct mvmi_error *err)
{
	assert(base && !base->base);
	return btf_copy(src, base, ret, err);
}

enum mvmi_status btf_adopt(struct mvmi_span blob, struct mvmi_types **ret,
			   struct mvmi_error *err)
{
	return btf_open(blob, NULL, ret, err);
}

struct mvmi_bytes btf_blob(const struct mvmi_types *types)
{
	return (struct mvmi_bytes){ types->blob, types->blob_len };
}

void mvmi_types_destroy(struct mvmi_types *types)
{
	if (!types)
		return;
	if (!types->map) {
		btf_index_fini(&types->names);
		btf_index_fini(&types->enumerators);
		free(types->offsets);
		free(types->blob);
	}
	map_unref(types->map);
	free(types);
}
