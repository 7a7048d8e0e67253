/* SPDX-License-Identifier: MIT */
/*
 * Records are appended as they come, and found by id; finishing writes them in
 * the order of ids.
 */
#include "symbols/btf_builder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define BUILDER_VLEN_MAX 0xffff
/* Bit offsets share their word with a width in structs with bit-fields. */
#define BUILDER_KFLAG_BITS_MAX 0xffffff
/* Of everything: what btf_parse() takes. */
#define BUILDER_LEN_MAX ((size_t)256 << 20)
/* Steps among names of like hashes; honest ones take a dozen at most. */
#define BUILDER_PROBE_MAX 256
#define BUILDER_KFLAG	  (UINT32_C(1) << 31)
#define BUILDER_NO_OFFSET UINT32_MAX

struct builder_bytes {
	uint8_t *ptr; /**< owned */
	size_t len;
	size_t room;
};

struct btf_builder {
	struct builder_bytes records; /**< in the order of adding */
	struct builder_bytes strings;
	uint32_t *offsets; /**< owned; by id: in records */
	uint32_t count;	   /**< of ids, with 0 */
	uint32_t room;	   /**< of offsets */
	uint32_t *slots;   /**< owned; strings by hash; 0 is empty */
	uint32_t slot_mask;
	uint32_t slots_used;
	uint32_t open_id;      /**< the type added last */
	uint32_t subscript_id; /**< the type of subscripts; 0: no array yet */
	enum mvmi_status failed;
	const char *why;    /**< it failed */
	uint32_t failed_id; /**< adding to this type; 0: none in particular */
};

/** Fail, unless something failed before. @return 0, which is no id */
static uint32_t
builder_fail(struct btf_builder *b, enum mvmi_status status, const char *why)
{
	if (b->failed == MVMI_OK) {
		b->failed = status;
		b->why = why;
		b->failed_id = b->open_id;
	}
	return 0;
}

static bool builder_ok(const struct btf_builder *b)
{
	return b && b->failed == MVMI_OK;
}

/** Append zeros. @return where, or NULL */
static uint8_t *
builder_extend(struct btf_builder *b, struct builder_bytes *bytes, size_t len)
{
	uint8_t *at;

	if (len > BUILDER_LEN_MAX - bytes->len) {
		builder_fail(b, MVMI_ERR_LIMIT, "there are too many types");
		return NULL;
	}
	if (len > bytes->room - bytes->len) {
		size_t room = bytes->room * 2 + len + 4096;

		at = realloc(bytes->ptr, room);
		if (!at) {
			builder_fail(b, MVMI_ERR_NOMEM, "no memory");
			return NULL;
		}
		bytes->ptr = at;
		bytes->room = room;
	}
	at = bytes->ptr + bytes->len;
	memset(at, 0, len);
	bytes->len += len;
	return at;
}

static void builder_put(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/** The slot of a name, or the one where it belongs; NULL: it has no place. */
static uint32_t *builder_slot(const struct btf_builder *b, const char *name)
{
	uint32_t i = btf_hash(name) & b->slot_mask;

	for (unsigned steps = 0; steps < BUILDER_PROBE_MAX; steps++) {
		uint32_t off = b->slots[i];

		if (off == 0 ||
		    strcmp((const char *)b->strings.ptr + off, name) == 0)
			return &b->slots[i];
		i = (i + 1) & b->slot_mask;
	}
	return NULL;
}

/** Keep the table at most half full. */
static bool builder_grow_slots(struct btf_builder *b)
{
	uint32_t *old = b->slots;
	uint32_t old_room = old ? b->slot_mask + 1 : 0;
	uint32_t room = old_room ? old_room * 2 : 1024;

	if (b->slots_used < old_room / 2)
		return true;
	b->slots = calloc(room, sizeof(*b->slots));
	if (!b->slots) {
		b->slots = old;
		builder_fail(b, MVMI_ERR_NOMEM, "no memory");
		return false;
	}
	b->slot_mask = room - 1;
	for (uint32_t i = 0; i < old_room; i++) {
		const char *name = (const char *)b->strings.ptr + old[i];
		uint32_t *slot = old[i] ? builder_slot(b, name) : NULL;

		if (slot)
			*slot = old[i];
	}
	free(old);
	return true;
}

/**
 * The offset of a name among the strings, where each is once, but for names
 * that were made to collide. What is too long for BTF stays without a name.
 */
static uint32_t builder_string(struct btf_builder *b, const char *name)
{
	uint32_t *slot;
	uint32_t off;
	uint8_t *at;
	size_t len;

	if (!name || !name[0] || !builder_grow_slots(b))
		return 0;
	len = strnlen(name, BTF_NAME_MAX) + 1;
	if (len > BTF_NAME_MAX)
		return 0;
	slot = builder_slot(b, name);
	off = slot ? *slot : 0;
	if (off)
		return off;
	off = (uint32_t)b->strings.len;
	at = builder_extend(b, &b->strings, len);
	if (!at)
		return 0;
	memcpy(at, name, len);
	if (slot) {
		b->slots_used++;
		*slot = off;
	}
	return off;
}

struct btf_builder *btf_builder_create(void)
{
	struct btf_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->count = 1;
	(void)builder_extend(b, &b->strings, 1); /* the empty string */
	return b;
}

void btf_builder_destroy(struct btf_builder *b)
{
	if (!b)
		return;
	free(b->records.ptr);
	free(b->strings.ptr);
	free(b->offsets);
	free(b->slots);
	free(b);
}

uint32_t btf_builder_reserve(struct btf_builder *b)
{
	if (!builder_ok(b))
		return 0;
	if (b->count >= b->room) {
		uint32_t room = b->room * 2 + 1024;
		uint32_t *offsets;

		if (room > BUILDER_LEN_MAX / sizeof(*offsets))
			return builder_fail(b, MVMI_ERR_LIMIT,
					    "there are too many types");
		offsets = realloc(b->offsets, room * sizeof(*offsets));
		if (!offsets)
			return builder_fail(b, MVMI_ERR_NOMEM, "no memory");
		b->offsets = offsets;
		b->room = room;
	}
	b->offsets[b->count] = BUILDER_NO_OFFSET;
	return b->count++;
}

/** What the fixed part of a record says. */
struct builder_record {
	enum btf_kind kind;
	const char *name;
	uint64_t size; /**< or a target */
	bool kflag;
	size_t tail_len;
};

/** Add a record. @param tail  What follows it; on success only. */
static uint32_t builder_add(struct btf_builder *b, uint32_t id,
			    struct builder_record r, uint8_t **tail)
{
	uint32_t name;
	uint8_t *at;

	if (!builder_ok(b))
		return 0;
	if (id == 0)
		id = btf_builder_reserve(b);
	b->open_id = id;
	if (id == 0 || id >= b->count || b->offsets[id] != BUILDER_NO_OFFSET)
		return builder_fail(b, MVMI_ERR_CORRUPT,
				    "it is defined twice, or not reserved");
	if (r.size > UINT32_MAX)
		return builder_fail(b, MVMI_ERR_LIMIT,
				    "it is larger than BTF can say");
	name = builder_string(b, r.name);
	at = builder_extend(b, &b->records, 12 + r.tail_len);
	if (!at || !builder_ok(b))
		return 0;
	b->offsets[id] = (uint32_t)(at - b->records.ptr);
	builder_put(at, name);
	builder_put(at + 4,
		    (uint32_t)r.kind << 24 | (r.kflag ? BUILDER_KFLAG : 0));
	builder_put(at + 8, (uint32_t)r.size);
	if (tail)
		*tail = at + 12;
	return id;
}

/** The record that was added last, if it is of one of two kinds. */
static uint8_t *
builder_opened(struct btf_builder *b, enum btf_kind kind, enum btf_kind other)
{
	uint8_t *at;
	uint32_t is;

	if (!builder_ok(b))
		return NULL;
	assert(b->open_id);
	at = b->records.ptr + b->offsets[b->open_id];
	is = load_le32(at + 4) >> 24 & 0x1f;
	assert(is == (uint32_t)kind || is == (uint32_t)other);
	(void)is;
	(void)kind;
	(void)other;
	return at;
}

/**
 * Append an entry to the record that was added last.
 *
 * @param words  The entry; the first word is replaced by the name.
 */
static void builder_append(struct btf_builder *b, const char *name,
			   uint32_t *words, size_t count)
{
	uint8_t *record;
	uint8_t *at;
	uint32_t info;

	words[0] = builder_string(b, name);
	at = builder_extend(b, &b->records, count * 4);
	if (!at || !builder_ok(b))
		return;
	for (size_t i = 0; i < count; i++)
		builder_put(at + i * 4, words[i]);
	record = b->records.ptr + b->offsets[b->open_id];
	info = load_le32(record + 4);
	if ((info & BUILDER_VLEN_MAX) == BUILDER_VLEN_MAX) {
		builder_fail(b, MVMI_ERR_LIMIT,
			     "it has more parts than BTF can say");
		return;
	}
	builder_put(record + 4, info + 1);
}

uint32_t btf_builder_int(struct btf_builder *b, uint32_t id, const char *name,
			 uint64_t size, unsigned encoding)
{
	uint8_t *tail = NULL;

	if (builder_ok(b) && (size == 0 || size > 16))
		return builder_fail(b, MVMI_ERR_CORRUPT,
				    "there is an integer of no sensible size");
	id = builder_add(b, id,
			 (struct builder_record){ .kind = BTF_INT,
						  .name = name,
						  .size = size,
						  .tail_len = 4 },
			 &tail);
	if (id)
		builder_put(tail,
			    (uint32_t)encoding << 24 | (uint32_t)size * 8);
	return id;
}

uint32_t btf_builder_float(struct btf_builder *b, uint32_t id, const char *name,
			   uint64_t size)
{
	return builder_add(b, id,
			   (struct builder_record){ .kind = BTF_FLOAT,
						    .name = name,
						    .size = size },
			   NULL);
}

uint32_t
btf_builder_pointer(struct btf_builder *b, uint32_t id, uint32_t target)
{
	return builder_add(
		b, id,
		(struct builder_record){ .kind = BTF_PTR, .size = target },
		NULL);
}

uint32_t btf_builder_array(struct btf_builder *b, uint32_t id, uint32_t element,
			   uint64_t count)
{
	uint8_t *tail = NULL;

	if (builder_ok(b) && !b->subscript_id)
		b->subscript_id =
			btf_builder_int(b, 0, "__ARRAY_SIZE_TYPE__", 8, 0);
	id = builder_add(
		b, id,
		(struct builder_record){ .kind = BTF_ARRAY, .tail_len = 12 },
		&tail);
	if (id == 0)
		return 0;
	if (count > UINT32_MAX)
		return builder_fail(b, MVMI_ERR_LIMIT,
				    "it is larger than BTF can say");
	builder_put(tail, element);
	builder_put(tail + 4, b->subscript_id);
	builder_put(tail + 8, (uint32_t)count);
	return id;
}

uint32_t btf_builder_struct(struct btf_builder *b, uint32_t id,
			    const char *name, uint64_t size)
{
	return builder_add(b, id,
			   (struct builder_record){ .kind = BTF_STRUCT,
						    .name = name,
						    .size = size },
			   NULL);
}

uint32_t btf_builder_union(struct btf_builder *b, uint32_t id, const char *name,
			   uint64_t size)
{
	return builder_add(b, id,
			   (struct builder_record){ .kind = BTF_UNION,
						    .name = name,
						    .size = size },
			   NULL);
}

/** Let a struct have bit-fields: offsets of its members take 24 bits. */
static void builder_set_kflag(struct btf_builder *b, uint8_t *record)
{
	uint32_t info = load_le32(record + 4);

	for (uint32_t i = 0; i < (info & BUILDER_VLEN_MAX); i++) {
		if (load_le32(record + 12 + (size_t)i * 12 + 8) >
		    BUILDER_KFLAG_BITS_MAX)
			builder_fail(b, MVMI_ERR_LIMIT,
				     "it has bit-fields and is larger than BTF "
				     "can say");
	}
	builder_put(record + 4, info | BUILDER_KFLAG);
}

void btf_builder_member(struct btf_builder *b, const char *name, uint32_t type,
			uint64_t bit_offset, uint64_t bit_size)
{
	uint8_t *record = builder_opened(b, BTF_STRUCT, BTF_UNION);
	uint64_t max = UINT32_MAX;
	uint32_t words[3];

	if (!record)
		return;
	if (bit_size && !(load_le32(record + 4) & BUILDER_KFLAG))
		builder_set_kflag(b, record);
	if (load_le32(record + 4) & BUILDER_KFLAG)
		max = BUILDER_KFLAG_BITS_MAX;
	if (bit_offset > max || bit_size > 0xff) {
		builder_fail(b, MVMI_ERR_LIMIT,
			     "a member is farther out or wider than BTF can "
			     "say");
		return;
	}
	words[1] = type;
	words[2] = (uint32_t)bit_offset | (uint32_t)bit_size << 24;
	builder_append(b, name, words, 3);
}

uint32_t btf_builder_enum(struct btf_builder *b, uint32_t id, const char *name,
			  uint64_t size, bool is_signed)
{
	return builder_add(b, id,
			   (struct builder_record){
				   .kind = size > 4 ? BTF_ENUM64 : BTF_ENUM,
				   .name = name,
				   .size = size,
				   .kflag = is_signed,
			   },
			   NULL);
}

void btf_builder_enumerator(struct btf_builder *b, const char *name,
			    uint64_t value)
{
	uint8_t *record = builder_opened(b, BTF_ENUM, BTF_ENUM64);
	uint32_t words[3] = { 0, (uint32_t)value, (uint32_t)(value >> 32) };

	if (!record)
		return;
	if ((load_le32(record + 4) >> 24 & 0x1f) == BTF_ENUM)
		builder_append(b, name, words, 2);
	else
		builder_append(b, name, words, 3);
}

uint32_t btf_builder_forward(struct btf_builder *b, uint32_t id,
			     const char *name, bool is_union)
{
	return builder_add(b, id,
			   (struct builder_record){ .kind = BTF_FWD,
						    .name = name,
						    .kflag = is_union },
			   NULL);
}

uint32_t
btf_builder_modifier(struct btf_builder *b, uint32_t id, enum btf_kind kind,
		     const char *name, uint32_t target)
{
	assert(btf_is_modifier((uint8_t)kind));
	return builder_add(b, id,
			   (struct builder_record){
				   .kind = kind, .name = name, .size = target },
			   NULL);
}

uint32_t
btf_builder_prototype(struct btf_builder *b, uint32_t id, uint32_t returns)
{
	return builder_add(b, id,
			   (struct builder_record){ .kind = BTF_FUNC_PROTO,
						    .size = returns },
			   NULL);
}

void btf_builder_parameter(struct btf_builder *b, const char *name,
			   uint32_t type)
{
	uint32_t words[2] = { 0, type };

	if (builder_opened(b, BTF_FUNC_PROTO, BTF_FUNC_PROTO))
		builder_append(b, name, words, 2);
}

/** Bytes of the record at an offset: up to its last entry. */
static size_t builder_record_len(const uint8_t *record)
{
	uint32_t info = load_le32(record + 4);
	size_t vlen = info & BUILDER_VLEN_MAX;

	switch (info >> 24 & 0x1f) {
	case BTF_INT:
		return 12 + 4;
	case BTF_ARRAY:
		return 12 + 12;
	case BTF_STRUCT:
	case BTF_UNION:
	case BTF_ENUM64:
		return 12 + vlen * 12;
	case BTF_ENUM:
	case BTF_FUNC_PROTO:
		return 12 + vlen * 8;
	default:
		return 12;
	}
}

/** Write all as a blob of BTF. */
static enum mvmi_status
builder_write(const struct btf_builder *b, struct mvmi_span blob,
	      struct mvmi_error *err)
{
	uint8_t *at = blob.ptr + BTF_HEADER_LEN;

	builder_put(blob.ptr, 0x0001eb9f); /* magic, version, no flags */
	builder_put(blob.ptr + 4, BTF_HEADER_LEN);
	builder_put(blob.ptr + 8, 0);
	builder_put(blob.ptr + 12, (uint32_t)b->records.len);
	builder_put(blob.ptr + 16, (uint32_t)b->records.len);
	builder_put(blob.ptr + 20, (uint32_t)b->strings.len);
	for (uint32_t id = 1; id < b->count; id++) {
		const uint8_t *record;
		size_t len;

		if (b->offsets[id] == BUILDER_NO_OFFSET)
			return fail(err, MVMI_ERR_CORRUPT,
				    "type %u is referred to, but never defined",
				    id);
		record = b->records.ptr + b->offsets[id];
		len = builder_record_len(record);
		memcpy(at, record, len);
		at += len;
	}
	memcpy(at, b->strings.ptr, b->strings.len);
	return MVMI_OK;
}

enum mvmi_status
btf_builder_finish(struct btf_builder *b, struct mvmi_types **ret,
		   struct mvmi_error *err)
{
	struct mvmi_span blob = { NULL, 0 };
	enum mvmi_status status;

	if (!b)
		return fail(err, MVMI_ERR_NOMEM, "no memory for types");
	if (b->failed != MVMI_OK)
		return fail(err, b->failed, "type %u: %s", b->failed_id,
			    b->why);
	blob.len = BTF_HEADER_LEN + b->records.len + b->strings.len;
	blob.ptr = calloc(1, blob.len);
	if (!blob.ptr)
		return fail(err, MVMI_ERR_NOMEM, "no memory for types");
	status = builder_write(b, blob, err);
	if (status != MVMI_OK) {
		free(blob.ptr);
		return status;
	}
	return btf_adopt(blob, ret, err);
}
