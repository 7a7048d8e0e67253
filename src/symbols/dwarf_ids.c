/* SPDX-License-Identifier: MIT */
#include "symbols/dwarf_ids.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "symbols/dwarf_die.h"

/* Pointers to pointers and typedefs of typedefs; C needs a few. */
#define DWARF_CHAIN_MAX 64

/* Dimensions of one array. */
#define DWARF_DIMENSIONS_MAX 16

/** What keys of the map are about, beside DW_TAG_* of whole definitions. */
enum dwarf_key {
	DWARF_KEY_DIE = 0x10000, /**< number: where in memory a DIE is */
	DWARF_KEY_DECLARED,	 /**< name, and number: a tag */
	DWARF_KEY_TARGET,	 /**< number: a tag and an id */
	DWARF_KEY_ARRAY,	 /**< number: an id and a count */
};

/** A type that is declared, and perhaps defined later. */
struct dwarf_declared {
	const char *name; /**< borrowed from libdw */
	uint32_t id;
	bool is_union;
	bool is_defined;
};

static void
dwarf_remember(struct dwarf_ids *ids, const struct idmap_key *key, uint32_t id)
{
	if (id && !idmap_put(&ids->map, key, id))
		ids->no_memory = true;
}

/** Give a type an id now and describe it later. */
static uint32_t dwarf_queue(struct dwarf_ids *ids, Dwarf_Die *die, uint32_t id)
{
	void *jobs = ids->jobs;

	if (!array_grow(&jobs, ids->job_count, &ids->job_room,
			sizeof(*ids->jobs))) {
		ids->no_memory = true;
		return 0;
	}
	ids->jobs = jobs;
	if (!id)
		id = btf_builder_reserve(ids->out);
	ids->jobs[ids->job_count++] = (struct dwarf_job){ *die, id };
	return id;
}

/** Look for what was declared by this name; NULL if nothing was. */
static struct dwarf_declared *
dwarf_find_declared(struct dwarf_ids *ids, const char *name, int tag)
{
	struct idmap_key key = { name, (uint64_t)tag, DWARF_KEY_DECLARED };
	uint32_t place = idmap_find(&ids->map, &key);

	return ids->declared && place ? &ids->declared[place - 1] : NULL;
}

static struct dwarf_declared *
dwarf_declare(struct dwarf_ids *ids, const char *name, int tag, uint32_t id)
{
	struct idmap_key key = { name, (uint64_t)tag, DWARF_KEY_DECLARED };
	void *declared = ids->declared;

	if (!array_grow(&declared, ids->declared_count, &ids->declared_room,
			sizeof(*ids->declared))) {
		ids->no_memory = true;
		return NULL;
	}
	ids->declared = declared;
	ids->declared[ids->declared_count++] = (struct dwarf_declared){
		.name = name,
		.id = id,
		.is_union = tag == DW_TAG_union_type,
	};
	dwarf_remember(ids, &key, (uint32_t)ids->declared_count);
	return &ids->declared[ids->declared_count - 1];
}

/** A declaration stands for the first definition of its name. */
static uint32_t
dwarf_declaration(struct dwarf_ids *ids, const char *name, int tag)
{
	struct dwarf_declared *d = dwarf_find_declared(ids, name, tag);

	if (!d)
		d = dwarf_declare(ids, name, tag,
				  btf_builder_reserve(ids->out));
	return d ? d->id : 0;
}

/** One tag for what differs in C++ only. */
static int dwarf_plain_tag(int tag)
{
	return tag == DW_TAG_class_type ? DW_TAG_structure_type : tag;
}

/** A struct, union, enum or prototype: it gets an id and waits. */
static uint32_t dwarf_compound(struct dwarf_ids *ids, Dwarf_Die *die, int tag)
{
	const char *name = die_name(die);
	struct idmap_key key = {
		.name = name,
		.number = die_unsigned(die, DW_AT_byte_size, 0),
		.kind = (uint32_t)tag,
	};
	struct dwarf_declared *d;
	uint32_t id;

	/* Static ones of two files may share name and size, not the line. */
	key.number ^= die_unsigned(die, DW_AT_decl_line, 0) << 40;

	if (*name == '\0') {
		if (tag != DW_TAG_enumeration_type)
			return dwarf_queue(ids, die, 0);
		key.name = die_first_enumerator(die);
		key.kind |= 0x8000;
	} else if (dwarf_hasattr(die, DW_AT_declaration)) {
		return dwarf_declaration(ids, name, tag);
	}
	id = idmap_find(&ids->map, &key);
	if (id)
		return id;
	d = *name ? dwarf_find_declared(ids, name, tag) : NULL;
	id = dwarf_queue(ids, die, d && !d->is_defined ? d->id : 0);
	if (*name && !d)
		d = dwarf_declare(ids, name, tag, id);
	if (d)
		d->is_defined = true;
	dwarf_remember(ids, &key, id);
	return id;
}

static unsigned dwarf_encoding(Dwarf_Die *die, const char *name)
{
	uint64_t encoding = die_unsigned(die, DW_AT_encoding, 0);

	switch (encoding) {
	case DW_ATE_boolean:
		return BTF_INT_BOOL;
	case DW_ATE_signed:
		return BTF_INT_SIGNED;
	case DW_ATE_signed_char:
	case DW_ATE_unsigned_char:
		/* unsigned char is how kernels spell a byte. */
		return (encoding == DW_ATE_signed_char ? BTF_INT_SIGNED : 0) |
		       (strcmp(name, "char") == 0 ? BTF_INT_CHAR : 0);
	default:
		return 0;
	}
}

static uint32_t dwarf_base(struct dwarf_ids *ids, Dwarf_Die *die)
{
	const char *name = die_name(die);
	uint64_t size = die_unsigned(die, DW_AT_byte_size, 0);
	uint64_t encoding = die_unsigned(die, DW_AT_encoding, 0);
	struct idmap_key key = { name, size, DW_TAG_base_type };
	uint32_t id = idmap_find(&ids->map, &key);
	bool is_float = encoding == DW_ATE_float &&
			(size == 2 || size == 4 || size == 8 || size == 12 ||
			 size == 16);

	if (id)
		return id;
	if (is_float)
		id = btf_builder_float(ids->out, 0, name, size);
	else if (encoding == DW_ATE_float || encoding == DW_ATE_complex_float ||
		 size == 0 || size > 16)
		/* BTF has no word for it: something of that size. */
		id = btf_builder_struct(ids->out, 0, name, size);
	else
		id = btf_builder_int(ids->out, 0, name, size,
				     dwarf_encoding(die, name));
	dwarf_remember(ids, &key, id);
	return id;
}

/** A pointer or a qualifier: one for each target. */
static uint32_t
dwarf_derived(struct dwarf_ids *ids, enum btf_kind kind, uint32_t target)
{
	struct idmap_key key = {
		.number = (uint64_t)kind << 32 | target,
		.kind = DWARF_KEY_TARGET,
	};
	uint32_t id = idmap_find(&ids->map, &key);

	if (id)
		return id;
	if (kind == BTF_PTR)
		id = btf_builder_pointer(ids->out, 0, target);
	else
		id = btf_builder_modifier(ids->out, 0, kind, NULL, target);
	dwarf_remember(ids, &key, id);
	return id;
}

/** Typedefs of one name may differ between files: by size we see it. */
static struct idmap_key dwarf_typedef_key(Dwarf_Die *die)
{
	struct idmap_key key = {
		.name = die_name(die),
		.kind = DW_TAG_typedef,
	};
	Dwarf_Word size;

	if (dwarf_aggregate_size(die, &size) == 0)
		key.number = size;
	return key;
}

static uint32_t
dwarf_typedef(struct dwarf_ids *ids, Dwarf_Die *die, uint32_t target)
{
	struct idmap_key key = dwarf_typedef_key(die);
	uint32_t id = btf_builder_modifier(ids->out, 0, BTF_TYPEDEF, key.name,
					   target);

	dwarf_remember(ids, &key, id);
	return id;
}

static uint32_t dwarf_array(struct dwarf_ids *ids, Dwarf_Die *die, uint32_t id)
{
	uint64_t counts[DWARF_DIMENSIONS_MAX] = { 0 };
	size_t count = 0;
	Dwarf_Die child;
	int more;

	for (more = dwarf_child(die, &child);
	     more == 0 && count < DWARF_DIMENSIONS_MAX;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_tag(&child) == DW_TAG_subrange_type)
			counts[count++] = die_dimension(&child);
	}
	if (count == 0)
		count = 1;
	while (count > 0) {
		uint64_t n = counts[--count];
		struct idmap_key key = {
			.number = (uint64_t)id << 32 | (n & UINT32_MAX),
			.kind = DWARF_KEY_ARRAY,
		};
		uint32_t element = id;

		if (n > UINT32_MAX)
			n = 0;
		id = idmap_find(&ids->map, &key);
		if (id)
			continue;
		id = btf_builder_array(ids->out, 0, element, n);
		dwarf_remember(ids, &key, id);
	}
	return id;
}

/** Make a type that needs no other to exist. */
static uint32_t dwarf_make(struct dwarf_ids *ids, Dwarf_Die *die)
{
	int tag = dwarf_plain_tag(dwarf_tag(die));

	switch (tag) {
	case DW_TAG_base_type:
		return dwarf_base(ids, die);
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_subroutine_type:
		return dwarf_compound(ids, die, tag);
	case DW_TAG_unspecified_type:
		return 0;
	default:
		/* Of other languages: its name, but not what is in it. */
		return btf_builder_forward(ids->out, 0, die_name(die), false);
	}
}

/** Make a type that another one is part of. */
static uint32_t
dwarf_derive(struct dwarf_ids *ids, Dwarf_Die *die, uint32_t target)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_const_type:
		return dwarf_derived(ids, BTF_CONST, target);
	case DW_TAG_volatile_type:
		return dwarf_derived(ids, BTF_VOLATILE, target);
	case DW_TAG_restrict_type:
		return dwarf_derived(ids, BTF_RESTRICT, target);
	case DW_TAG_typedef:
		return dwarf_typedef(ids, die, target);
	case DW_TAG_array_type:
		return dwarf_array(ids, die, target);
	case DW_TAG_atomic_type:
		return target;
	default:
		return dwarf_derived(ids, BTF_PTR, target);
	}
}

static bool dwarf_is_derived(int tag)
{
	switch (tag) {
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
	case DW_TAG_const_type:
	case DW_TAG_volatile_type:
	case DW_TAG_restrict_type:
	case DW_TAG_typedef:
	case DW_TAG_array_type:
	case DW_TAG_atomic_type:
		return true;
	default:
		return false;
	}
}

static struct idmap_key dwarf_die_key(const Dwarf_Die *die)
{
	return (struct idmap_key){
		.number = (uintptr_t)die->addr,
		.kind = DWARF_KEY_DIE,
	};
}

/** The id that a type has already; 0 if none. */
static uint32_t dwarf_known(struct dwarf_ids *ids, Dwarf_Die *die)
{
	struct idmap_key key = dwarf_die_key(die);
	uint32_t id = idmap_find(&ids->map, &key);

	if (!id && dwarf_tag(die) == DW_TAG_typedef) {
		key = dwarf_typedef_key(die);
		id = idmap_find(&ids->map, &key);
	}
	return id;
}

/**
 * The id of the type at a DIE: follow it to what is known or stands alone, and
 * come back making each on the way.
 */
uint32_t dwarf_ids_of(struct dwarf_ids *ids, const Dwarf_Die *die)
{
	Dwarf_Die chain[DWARF_CHAIN_MAX];
	Dwarf_Die at = *die;
	struct idmap_key key;
	size_t count = 0;
	uint32_t id;

	while (!(id = dwarf_known(ids, &at)) &&
	       dwarf_is_derived(dwarf_tag(&at)) && count < DWARF_CHAIN_MAX) {
		chain[count++] = at;
		if (!die_find_target(&at, &at))
			break;
	}
	if (!id && !dwarf_is_derived(dwarf_tag(&at))) {
		id = dwarf_make(ids, &at);
		key = dwarf_die_key(&at);
		dwarf_remember(ids, &key, id);
	}
	while (count > 0) {
		id = dwarf_derive(ids, &chain[--count], id);
		key = dwarf_die_key(&chain[count]);
		dwarf_remember(ids, &key, id);
	}
	return id;
}

uint32_t dwarf_ids_target(struct dwarf_ids *ids, Dwarf_Die *die)
{
	Dwarf_Die target;

	return die_find_target(die, &target) ? dwarf_ids_of(ids, &target) : 0;
}

bool dwarf_ids_take(struct dwarf_ids *ids, struct dwarf_job *ret)
{
	if (ids->job_count == 0)
		return false;
	*ret = ids->jobs[--ids->job_count];
	return true;
}

void dwarf_ids_finish(struct dwarf_ids *ids)
{
	for (size_t i = 0; i < ids->declared_count; i++) {
		const struct dwarf_declared *d = &ids->declared[i];

		if (!d->is_defined)
			btf_builder_forward(ids->out, d->id, d->name,
					    d->is_union);
	}
}

void dwarf_ids_fini(struct dwarf_ids *ids)
{
	idmap_fini(&ids->map);
	free(ids->jobs);
	free(ids->declared);
	*ids = (struct dwarf_ids){ .out = NULL };
}
