/* SPDX-License-Identifier: MIT */
/* What the public API says of one type: its name, size, members. */
#include <string.h>

#include "base/checked.h"
#include "base/util.h"
#include "symbols/btf.h"
#include "symbols/types.h"

static const enum mvmi_type_kind types_kinds[BTF_KIND_END] = {
	[BTF_INT] = MVMI_TYPE_INT,
	[BTF_PTR] = MVMI_TYPE_POINTER,
	[BTF_ARRAY] = MVMI_TYPE_ARRAY,
	[BTF_STRUCT] = MVMI_TYPE_STRUCT,
	[BTF_UNION] = MVMI_TYPE_UNION,
	[BTF_ENUM] = MVMI_TYPE_ENUM,
	[BTF_FWD] = MVMI_TYPE_FORWARD,
	[BTF_TYPEDEF] = MVMI_TYPE_TYPEDEF,
	[BTF_VOLATILE] = MVMI_TYPE_VOLATILE,
	[BTF_CONST] = MVMI_TYPE_CONST,
	[BTF_RESTRICT] = MVMI_TYPE_RESTRICT,
	[BTF_FUNC] = MVMI_TYPE_OTHER,
	[BTF_FUNC_PROTO] = MVMI_TYPE_FUNCTION,
	[BTF_VAR] = MVMI_TYPE_OTHER,
	[BTF_DATASEC] = MVMI_TYPE_OTHER,
	[BTF_FLOAT] = MVMI_TYPE_FLOAT,
	[BTF_DECL_TAG] = MVMI_TYPE_OTHER,
	[BTF_TYPE_TAG] = MVMI_TYPE_OTHER,
	[BTF_ENUM64] = MVMI_TYPE_ENUM,
};

uint32_t mvmi_types_count(const struct mvmi_types *types)
{
	return types->count;
}

uint32_t mvmi_types_resolve(const struct mvmi_types *types, uint32_t id)
{
	if (id >= types->count)
		return 0;
	for (unsigned steps = 0; id != 0 && steps < BTF_CHAIN_MAX; steps++) {
		struct btf_record r = btf_record(types, id);

		if (!btf_is_modifier(r.kind))
			return id;
		id = r.size;
	}
	return 0;
}

uint64_t types_size(const struct mvmi_types *types, uint32_t id)
{
	uint64_t elements = 1;

	for (unsigned steps = 0; steps < BTF_CHAIN_MAX; steps++) {
		struct btf_record r;
		uint64_t size;

		id = mvmi_types_resolve(types, id);
		if (id == 0)
			return 0;
		r = btf_record(types, id);
		switch (r.kind) {
		case BTF_ARRAY:
			id = load_le32(r.tail);
			if (ckd_mul(&elements, elements, load_le32(r.tail + 8)))
				return 0;
			continue;
		case BTF_INT:
		case BTF_STRUCT:
		case BTF_UNION:
		case BTF_ENUM:
		case BTF_ENUM64:
		case BTF_FLOAT:
		case BTF_DATASEC:
			size = r.size;
			break;
		case BTF_PTR:
			size = 8;
			break;
		case BTF_VAR:
			id = r.size;
			continue;
		default:
			return 0;
		}
		return ckd_mul(&size, size, elements) ? 0 : size;
	}
	return 0;
}

/** As a base type: its encoding. Characters are hardly ever marked as such. */
static void
types_describe_int(const struct btf_record *r, struct mvmi_type *ret)
{
	uint32_t encoding = load_le32(r->tail) >> 24;

	ret->is_signed = encoding & BTF_INT_SIGNED;
	ret->is_bool = encoding & BTF_INT_BOOL;
	ret->is_char =
		(encoding & BTF_INT_CHAR) || strcmp(r->name, "char") == 0;
}

bool mvmi_types_get(const struct mvmi_types *types, uint32_t id,
		    struct mvmi_type *ret)
{
	struct mvmi_type type = { .name = "", .id = id };
	struct btf_record r;

	if (id >= types->count)
		return false;
	if (id == 0) {
		*ret = type;
		return true;
	}
	r = btf_record(types, id);
	type.name = r.name;
	type.kind = types_kinds[r.kind];
	type.size = types_size(types, id);
	switch (r.kind) {
	case BTF_INT:
		types_describe_int(&r, &type);
		break;
	case BTF_ARRAY:
		type.target = load_le32(r.tail);
		type.count = load_le32(r.tail + 8);
		break;
	case BTF_ENUM:
	case BTF_ENUM64:
		type.is_signed = r.kflag;
		type.count = r.vlen;
		break;
	case BTF_STRUCT:
	case BTF_UNION:
		type.count = r.vlen;
		break;
	case BTF_FWD:
		type.is_union = r.kflag;
		break;
	case BTF_FUNC_PROTO:
		type.target = r.size;
		type.count = r.vlen;
		break;
	case BTF_FLOAT:
	case BTF_DATASEC:
		break;
	default:
		type.target = r.size;
		break;
	}
	*ret = type;
	return true;
}

struct mvmi_member types_member(const struct mvmi_types *types,
				const struct btf_record *r, uint32_t index)
{
	const uint8_t *at = r->tail + (size_t)index * 12;
	uint32_t where = load_le32(at + 8);
	struct mvmi_member member = {
		.name = btf_string(types, load_le32(at)),
		.type = load_le32(at + 4),
		.bit_offset = where,
	};
	struct btf_record type;
	uint32_t id;

	if (r->kflag) {
		member.bit_offset = where & 0xffffff;
		member.bit_size = where >> 24;
		return member;
	}
	/* Before Linux 5.1 the width was that of a special integer. */
	id = mvmi_types_resolve(types, member.type);
	if (id == 0)
		return member;
	type = btf_record(types, id);
	if (type.kind == BTF_INT) {
		uint32_t data = load_le32(type.tail);

		if ((data & 0xff) != type.size * 8) {
			member.bit_offset += data >> 16 & 0xff;
			member.bit_size = data & 0xff;
		}
	}
	return member;
}

bool mvmi_types_member(const struct mvmi_types *types, uint32_t id,
		       uint32_t index, struct mvmi_member *ret)
{
	struct btf_record r;

	if (id == 0 || id >= types->count)
		return false;
	r = btf_record(types, id);
	if (index >= r.vlen)
		return false;
	if (r.kind == BTF_STRUCT || r.kind == BTF_UNION) {
		*ret = types_member(types, &r, index);
		return true;
	}
	if (r.kind == BTF_FUNC_PROTO) {
		const uint8_t *at = r.tail + (size_t)index * 8;

		*ret = (struct mvmi_member){
			.name = btf_string(types, load_le32(at)),
			.type = load_le32(at + 4),
		};
		return true;
	}
	return false;
}

bool mvmi_types_enumerator(const struct mvmi_types *types, uint32_t id,
			   uint32_t index, struct mvmi_enumerator *ret)
{
	const uint8_t *at;
	struct btf_record r;
	uint64_t value;

	if (id == 0 || id >= types->count)
		return false;
	r = btf_record(types, id);
	if (index >= r.vlen)
		return false;
	if (r.kind == BTF_ENUM) {
		at = r.tail + (size_t)index * 8;
		value = load_le32(at + 4);
		if (r.kflag && value >> 31)
			value |= ~(uint64_t)UINT32_MAX;
	} else if (r.kind == BTF_ENUM64) {
		at = r.tail + (size_t)index * 12;
		value = load_le64(at + 4);
	} else {
		return false;
	}
	ret->name = btf_string(types, load_le32(at));
	ret->value = value;
	return true;
}

/** What "struct x", "union x", "enum x" or "x" asks for. */
struct types_query {
	const char *name;
	uint32_t hash;
	uint8_t kind;	/**< BTF_STRUCT, BTF_UNION, BTF_ENUM; 0: any */
	uint32_t empty; /**< the first match that has no members; 0: none */
};

static struct types_query types_query_of(const char *name)
{
	static const struct {
		const char *prefix;
		uint8_t kind;
	} tags[] = {
		{ "struct ", BTF_STRUCT },
		{ "union ", BTF_UNION },
		{ "enum ", BTF_ENUM },
	};
	struct types_query q = { .name = name };

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		size_t len = strlen(tags[i].prefix);

		if (strncmp(name, tags[i].prefix, len) == 0) {
			q.name = name + len;
			q.kind = tags[i].kind;
		}
	}
	q.hash = btf_hash(q.name);
	return q;
}

static bool types_is_wanted(const struct btf_record *r, uint8_t kind)
{
	switch (r->kind) {
	case BTF_FWD:
		return kind == 0 || kind == (r->kflag ? BTF_UNION : BTF_STRUCT);
	case BTF_ENUM64:
		return kind == 0 || kind == BTF_ENUM;
	default:
		return kind == 0 || kind == r->kind;
	}
}

/** @return the first match with members, else 0 */
static uint32_t
types_search(const struct mvmi_types *types, struct types_query *q)
{
	size_t count;
	const struct btf_entry *entries =
		btf_index_bucket(&types->names, q->hash, &count);

	for (size_t i = 0; i < count; i++) {
		struct btf_record r;

		if (entries[i].hash != q->hash)
			continue;
		r = btf_record(types, entries[i].id);
		if (!types_is_wanted(&r, q->kind) ||
		    strcmp(r.name, q->name) != 0)
			continue;
		if (r.vlen)
			return entries[i].id;
		if (q->empty == 0 ||
		    btf_record(types, q->empty).kind == BTF_FWD)
			q->empty = entries[i].id;
	}
	return 0;
}

bool mvmi_types_find(const struct mvmi_types *types, const char *name,
		     struct mvmi_type *ret)
{
	struct types_query q = types_query_of(name);
	uint32_t id = 0;

	if (types->base)
		id = types_search(types->base, &q);
	if (id == 0)
		id = types_search(types, &q);
	if (id == 0)
		id = q.empty;
	return id != 0 && mvmi_types_get(types, id, ret);
}

static bool types_search_enumerator(const struct mvmi_types *types,
				    const char *name, uint64_t *ret)
{
	uint32_t hash = btf_hash(name);
	size_t count;
	const struct btf_entry *entries =
		btf_index_bucket(&types->enumerators, hash, &count);

	for (size_t i = 0; i < count; i++) {
		struct mvmi_enumerator e;

		if (entries[i].hash == hash &&
		    mvmi_types_enumerator(types, entries[i].id,
					  entries[i].index, &e) &&
		    strcmp(e.name, name) == 0) {
			*ret = e.value;
			return true;
		}
	}
	return false;
}

bool mvmi_types_find_enumerator(const struct mvmi_types *types,
				const char *name, uint64_t *ret)
{
	return (types->base &&
		types_search_enumerator(types->base, name, ret)) ||
	       types_search_enumerator(types, name, ret);
}
