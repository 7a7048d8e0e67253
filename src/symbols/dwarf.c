/* SPDX-License-Identifier: MIT */
#include "symbols/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "symbols/btf_builder.h"
#include "symbols/idmap.h"

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

/** A type that has an id and is to be described. */
struct dwarf_job {
	Dwarf_Die die;
	uint32_t id;
};

/** A type that is declared, and perhaps defined later. */
struct dwarf_declared {
	const char *name; /**< borrowed from libdw */
	uint32_t id;
	bool is_union;
	bool is_defined;
};

/** A member or parameter whose type has its id already. */
struct dwarf_part {
	const char *name;
	uint32_t type;
	uint64_t bit_offset;
	uint64_t bit_size;
};

struct dwarf_reader {
	struct btf_builder *out;
	struct dwarf_part *parts; /**< owned; of the type being described */
	size_t part_count;
	size_t part_room;
	struct idmap ids;
	struct dwarf_job *jobs; /**< owned; a stack, instead of recursion */
	size_t job_count;
	size_t job_room;
	struct dwarf_declared *declared; /**< owned */
	size_t declared_count;
	size_t declared_room;
	bool no_memory;
};

static const char *dwarf_name(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return name ? name : "";
}

static uint64_t
dwarf_unsigned(Dwarf_Die *die, unsigned attribute, uint64_t absent)
{
	Dwarf_Attribute attr;
	Dwarf_Word word;

	if (!dwarf_attr_integrate(die, attribute, &attr) ||
	    dwarf_formudata(&attr, &word) != 0)
		return absent;
	return word;
}

/** The type that a DIE refers to. @return false  None: void. */
static bool dwarf_find_target(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) &&
	       dwarf_formref_die(&attr, ret);
}

static void
dwarf_remember(struct dwarf_reader *r, const struct idmap_key *key, uint32_t id)
{
	if (id && !idmap_put(&r->ids, key, id))
		r->no_memory = true;
}

/** Room for one more element at the end of a growing array. */
static bool dwarf_grow(struct dwarf_reader *r, void **array, size_t count,
		       size_t *room, size_t each)
{
	size_t more = *room ? *room * 2 : 256;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, more * each);
	if (!grown) {
		r->no_memory = true;
		return false;
	}
	*array = grown;
	*room = more;
	return true;
}

/** Give a type an id now and describe it later. */
static uint32_t dwarf_queue(struct dwarf_reader *r, Dwarf_Die *die, uint32_t id)
{
	void *jobs = r->jobs;

	if (!dwarf_grow(r, &jobs, r->job_count, &r->job_room, sizeof(*r->jobs)))
		return 0;
	r->jobs = jobs;
	if (!id)
		id = btf_builder_reserve(r->out);
	r->jobs[r->job_count++] = (struct dwarf_job){ *die, id };
	return id;
}

/** Look for what was declared by this name; NULL if nothing was. */
static struct dwarf_declared *
dwarf_find_declared(struct dwarf_reader *r, const char *name, int tag)
{
	struct idmap_key key = { name, (uint64_t)tag, DWARF_KEY_DECLARED };
	uint32_t place = idmap_find(&r->ids, &key);

	return r->declared && place ? &r->declared[place - 1] : NULL;
}

static struct dwarf_declared *
dwarf_declare(struct dwarf_reader *r, const char *name, int tag, uint32_t id)
{
	struct idmap_key key = { name, (uint64_t)tag, DWARF_KEY_DECLARED };
	void *declared = r->declared;

	if (!dwarf_grow(r, &declared, r->declared_count, &r->declared_room,
			sizeof(*r->declared)))
		return NULL;
	r->declared = declared;
	r->declared[r->declared_count++] = (struct dwarf_declared){
		.name = name,
		.id = id,
		.is_union = tag == DW_TAG_union_type,
	};
	dwarf_remember(r, &key, (uint32_t)r->declared_count);
	return &r->declared[r->declared_count - 1];
}

/** A declaration stands for the first definition of its name. */
static uint32_t
dwarf_declaration(struct dwarf_reader *r, const char *name, int tag)
{
	struct dwarf_declared *d = dwarf_find_declared(r, name, tag);

	if (!d)
		d = dwarf_declare(r, name, tag, btf_builder_reserve(r->out));
	return d ? d->id : 0;
}

/** One tag for what differs in C++ only. */
static int dwarf_plain_tag(int tag)
{
	return tag == DW_TAG_class_type ? DW_TAG_structure_type : tag;
}

/** What tells an anonymous enum from others: its first constant. */
static const char *dwarf_first_enumerator(Dwarf_Die *die)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child) != 0)
		return "";
	return dwarf_name(&child);
}

/** A struct, union, enum or prototype: it gets an id and waits. */
static uint32_t dwarf_compound(struct dwarf_reader *r, Dwarf_Die *die, int tag)
{
	const char *name = dwarf_name(die);
	struct idmap_key key = {
		.name = name,
		.number = dwarf_unsigned(die, DW_AT_byte_size, 0),
		.kind = (uint32_t)tag,
	};
	struct dwarf_declared *d;
	uint32_t id;

	/* Static ones of two files may share name and size, not the line. */
	key.number ^= dwarf_unsigned(die, DW_AT_decl_line, 0) << 40;

	if (*name == '\0') {
		if (tag != DW_TAG_enumeration_type)
			return dwarf_queue(r, die, 0);
		key.name = dwarf_first_enumerator(die);
		key.kind |= 0x8000;
	} else if (dwarf_hasattr(die, DW_AT_declaration)) {
		return dwarf_declaration(r, name, tag);
	}
	id = idmap_find(&r->ids, &key);
	if (id)
		return id;
	d = *name ? dwarf_find_declared(r, name, tag) : NULL;
	id = dwarf_queue(r, die, d && !d->is_defined ? d->id : 0);
	if (*name && !d)
		d = dwarf_declare(r, name, tag, id);
	if (d)
		d->is_defined = true;
	dwarf_remember(r, &key, id);
	return id;
}

static unsigned dwarf_encoding(Dwarf_Die *die, const char *name)
{
	uint64_t encoding = dwarf_unsigned(die, DW_AT_encoding, 0);

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

static uint32_t dwarf_base(struct dwarf_reader *r, Dwarf_Die *die)
{
	const char *name = dwarf_name(die);
	uint64_t size = dwarf_unsigned(die, DW_AT_byte_size, 0);
	uint64_t encoding = dwarf_unsigned(die, DW_AT_encoding, 0);
	struct idmap_key key = { name, size, DW_TAG_base_type };
	uint32_t id = idmap_find(&r->ids, &key);
	bool is_float = encoding == DW_ATE_float &&
			(size == 2 || size == 4 || size == 8 || size == 12 ||
			 size == 16);

	if (id)
		return id;
	if (is_float)
		id = btf_builder_float(r->out, 0, name, size);
	else if (encoding == DW_ATE_float || encoding == DW_ATE_complex_float ||
		 size == 0 || size > 16)
		/* BTF has no word for it: something of that size. */
		id = btf_builder_struct(r->out, 0, name, size);
	else
		id = btf_builder_int(r->out, 0, name, size,
				     dwarf_encoding(die, name));
	dwarf_remember(r, &key, id);
	return id;
}

/** A pointer or a qualifier: one for each target. */
static uint32_t
dwarf_derived(struct dwarf_reader *r, enum btf_kind kind, uint32_t target)
{
	struct idmap_key key = {
		.number = (uint64_t)kind << 32 | target,
		.kind = DWARF_KEY_TARGET,
	};
	uint32_t id = idmap_find(&r->ids, &key);

	if (id)
		return id;
	if (kind == BTF_PTR)
		id = btf_builder_pointer(r->out, 0, target);
	else
		id = btf_builder_modifier(r->out, 0, kind, NULL, target);
	dwarf_remember(r, &key, id);
	return id;
}

/** Typedefs of one name may differ between files: by size we see it. */
static struct idmap_key dwarf_typedef_key(Dwarf_Die *die)
{
	struct idmap_key key = {
		.name = dwarf_name(die),
		.kind = DW_TAG_typedef,
	};
	Dwarf_Word size;

	if (dwarf_aggregate_size(die, &size) == 0)
		key.number = size;
	return key;
}

static uint32_t
dwarf_typedef(struct dwarf_reader *r, Dwarf_Die *die, uint32_t target)
{
	struct idmap_key key = dwarf_typedef_key(die);
	uint32_t id =
		btf_builder_modifier(r->out, 0, BTF_TYPEDEF, key.name, target);

	dwarf_remember(r, &key, id);
	return id;
}

static uint64_t dwarf_dimension(Dwarf_Die *range)
{
	uint64_t count = dwarf_unsigned(range, DW_AT_count, UINT64_MAX);

	if (count != UINT64_MAX)
		return count;
	/* Of an array without a size it is missing, or -1. */
	return dwarf_unsigned(range, DW_AT_upper_bound, UINT64_MAX) + 1;
}

static uint32_t dwarf_array(struct dwarf_reader *r, Dwarf_Die *die, uint32_t id)
{
	uint64_t counts[DWARF_DIMENSIONS_MAX] = { 0 };
	size_t count = 0;
	Dwarf_Die child;
	int more;

	for (more = dwarf_child(die, &child);
	     more == 0 && count < DWARF_DIMENSIONS_MAX;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_tag(&child) == DW_TAG_subrange_type)
			counts[count++] = dwarf_dimension(&child);
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
		id = idmap_find(&r->ids, &key);
		if (id)
			continue;
		id = btf_builder_array(r->out, 0, element, n);
		dwarf_remember(r, &key, id);
	}
	return id;
}

/** Make a type that needs no other to exist. */
static uint32_t dwarf_make(struct dwarf_reader *r, Dwarf_Die *die)
{
	int tag = dwarf_plain_tag(dwarf_tag(die));

	switch (tag) {
	case DW_TAG_base_type:
		return dwarf_base(r, die);
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_subroutine_type:
		return dwarf_compound(r, die, tag);
	case DW_TAG_unspecified_type:
		return 0;
	default:
		/* Of other languages: its name, but not what is in it. */
		return btf_builder_forward(r->out, 0, dwarf_name(die), false);
	}
}

/** Make a type that another one is part of. */
static uint32_t
dwarf_derive(struct dwarf_reader *r, Dwarf_Die *die, uint32_t target)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_const_type:
		return dwarf_derived(r, BTF_CONST, target);
	case DW_TAG_volatile_type:
		return dwarf_derived(r, BTF_VOLATILE, target);
	case DW_TAG_restrict_type:
		return dwarf_derived(r, BTF_RESTRICT, target);
	case DW_TAG_typedef:
		return dwarf_typedef(r, die, target);
	case DW_TAG_array_type:
		return dwarf_array(r, die, target);
	case DW_TAG_atomic_type:
		return target;
	default:
		return dwarf_derived(r, BTF_PTR, target);
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
static uint32_t dwarf_known(struct dwarf_reader *r, Dwarf_Die *die)
{
	struct idmap_key key = dwarf_die_key(die);
	uint32_t id = idmap_find(&r->ids, &key);

	if (!id && dwarf_tag(die) == DW_TAG_typedef) {
		key = dwarf_typedef_key(die);
		id = idmap_find(&r->ids, &key);
	}
	return id;
}

/**
 * The id of the type at a DIE: follow it to what is known or stands alone, and
 * come back making each on the way.
 */
static uint32_t dwarf_type(struct dwarf_reader *r, const Dwarf_Die *die)
{
	Dwarf_Die chain[DWARF_CHAIN_MAX];
	Dwarf_Die at = *die;
	struct idmap_key key;
	size_t count = 0;
	uint32_t id;

	while (!(id = dwarf_known(r, &at)) &&
	       dwarf_is_derived(dwarf_tag(&at)) && count < DWARF_CHAIN_MAX) {
		chain[count++] = at;
		if (!dwarf_find_target(&at, &at))
			break;
	}
	if (!id && !dwarf_is_derived(dwarf_tag(&at))) {
		id = dwarf_make(r, &at);
		key = dwarf_die_key(&at);
		dwarf_remember(r, &key, id);
	}
	while (count > 0) {
		id = dwarf_derive(r, &chain[--count], id);
		key = dwarf_die_key(&chain[count]);
		dwarf_remember(r, &key, id);
	}
	return id;
}

/** The id of the type that a DIE refers to; void where it names none. */
static uint32_t dwarf_target(struct dwarf_reader *r, Dwarf_Die *die)
{
	Dwarf_Die target;

	return dwarf_find_target(die, &target) ? dwarf_type(r, &target) : 0;
}

/** Bytes from the beginning of the struct. */
static uint64_t dwarf_byte_offset(Dwarf_Die *member)
{
	Dwarf_Attribute attr;
	Dwarf_Word bytes;
	Dwarf_Op *expr;
	size_t count;

	if (!dwarf_attr(member, DW_AT_data_member_location, &attr))
		return 0;
	if (dwarf_formudata(&attr, &bytes) == 0)
		return bytes;
	/* DWARF 2 has an expression here, of one operation. */
	if (dwarf_getlocation(&attr, &expr, &count) == 0 && count == 1 &&
	    expr[0].atom == DW_OP_plus_uconst)
		return expr[0].number;
	return 0;
}

/** Bytes of the type of a member. */
static uint64_t dwarf_member_size(Dwarf_Die *member)
{
	Dwarf_Attribute attr;
	Dwarf_Die type;
	Dwarf_Word size;

	if (!dwarf_attr(member, DW_AT_type, &attr) ||
	    !dwarf_formref_die(&attr, &type) ||
	    dwarf_aggregate_size(&type, &size) != 0)
		return 0;
	return size;
}

/** Bits from the beginning of the struct. DWARF 5, 5.7.6 and DWARF 3, 5.6.6. */
static uint64_t dwarf_bit_offset(Dwarf_Die *member, uint64_t bit_size)
{
	uint64_t bits =
		dwarf_unsigned(member, DW_AT_data_bit_offset, UINT64_MAX);
	uint64_t start = dwarf_byte_offset(member) * 8;
	uint64_t from_top;
	uint64_t storage;

	if (bits != UINT64_MAX)
		return bits;
	from_top = dwarf_unsigned(member, DW_AT_bit_offset, UINT64_MAX);
	if (from_top == UINT64_MAX)
		return start;
	/* Old producers count from the storage unit's most significant bit. */
	storage = dwarf_unsigned(member, DW_AT_byte_size, 0);
	if (!storage)
		storage = dwarf_member_size(member);
	return start + storage * 8 - from_top - bit_size;
}

/** A member or parameter of the type that is about to be described. */
static void dwarf_add_part(struct dwarf_reader *r, Dwarf_Die *die)
{
	uint64_t bit_size = dwarf_unsigned(die, DW_AT_bit_size, 0);
	struct dwarf_part part = {
		.name = dwarf_name(die),
		.type = dwarf_target(r, die),
		.bit_size = bit_size,
	};
	void *parts = r->parts;

	if (dwarf_tag(die) != DW_TAG_formal_parameter)
		part.bit_offset = dwarf_bit_offset(die, bit_size);
	if (!dwarf_grow(r, &parts, r->part_count, &r->part_room,
			sizeof(*r->parts)))
		return;
	r->parts = parts;
	r->parts[r->part_count++] = part;
}

/**
 * Resolve what a type consists of first: the builder takes the parts of one
 * type in a row, and resolving may add others.
 */
static void dwarf_collect_parts(struct dwarf_reader *r, Dwarf_Die *die)
{
	Dwarf_Die child;
	int more;

	r->part_count = 0;
	for (more = dwarf_child(die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		switch (dwarf_tag(&child)) {
		case DW_TAG_member:
			/* Static ones of C++ are elsewhere. */
			if (!dwarf_hasattr(&child, DW_AT_declaration))
				dwarf_add_part(r, &child);
			break;
		case DW_TAG_inheritance:
		case DW_TAG_formal_parameter:
			dwarf_add_part(r, &child);
			break;
		default:
			break;
		}
	}
}

static bool dwarf_is_variadic(Dwarf_Die *die)
{
	Dwarf_Die child;
	int more;

	for (more = dwarf_child(die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
			return true;
	}
	return false;
}

/** An enumerator's value; of fixed-size forms only the producer knows signs. */
static bool
dwarf_constant(Dwarf_Die *die, uint64_t *ret_value, bool *ret_negative)
{
	Dwarf_Attribute attr;
	Dwarf_Sword number;
	Dwarf_Word word;

	*ret_negative = false;
	if (dwarf_tag(die) != DW_TAG_enumerator ||
	    !dwarf_attr(die, DW_AT_const_value, &attr))
		return false;
	if (attr.form == DW_FORM_sdata || attr.form == DW_FORM_implicit_const) {
		if (dwarf_formsdata(&attr, &number) != 0)
			return false;
		*ret_value = (uint64_t)number;
		*ret_negative = number < 0;
		return true;
	}
	if (dwarf_formudata(&attr, &word) != 0)
		return false;
	*ret_value = word;
	return true;
}

static void dwarf_describe_enum(struct dwarf_reader *r, struct dwarf_job *job)
{
	uint64_t size = dwarf_unsigned(&job->die, DW_AT_byte_size, 4);
	bool is_signed = false;
	bool is_negative;
	uint64_t value;
	Dwarf_Die child;
	int more;

	/* One negative constant makes all of it signed, as in C. */
	for (more = dwarf_child(&job->die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_constant(&child, &value, &is_negative))
			is_signed |= is_negative;
	}
	btf_builder_enum(r->out, job->id, dwarf_name(&job->die), size,
			 is_signed);
	for (more = dwarf_child(&job->die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_constant(&child, &value, &is_negative))
			btf_builder_enumerator(r->out, dwarf_name(&child),
					       value);
	}
}

static void dwarf_describe_struct(struct dwarf_reader *r, struct dwarf_job *job)
{
	uint64_t size = dwarf_unsigned(&job->die, DW_AT_byte_size, 0);
	const char *name = dwarf_name(&job->die);

	dwarf_collect_parts(r, &job->die);
	if (dwarf_tag(&job->die) == DW_TAG_union_type)
		btf_builder_union(r->out, job->id, name, size);
	else
		btf_builder_struct(r->out, job->id, name, size);
	for (size_t i = 0; i < r->part_count; i++) {
		const struct dwarf_part *part = &r->parts[i];

		btf_builder_member(r->out, part->name, part->type,
				   part->bit_offset, part->bit_size);
	}
}

static void
dwarf_describe_prototype(struct dwarf_reader *r, struct dwarf_job *job)
{
	uint32_t returns = dwarf_target(r, &job->die);

	dwarf_collect_parts(r, &job->die);
	btf_builder_prototype(r->out, job->id, returns);
	for (size_t i = 0; i < r->part_count; i++)
		btf_builder_parameter(r->out, r->parts[i].name,
				      r->parts[i].type);
	if (dwarf_is_variadic(&job->die))
		btf_builder_parameter(r->out, "", 0);
}

/** Describe all that got an id so far, and what that leads to. */
static void dwarf_drain(struct dwarf_reader *r)
{
	while (r->job_count > 0 && !r->no_memory) {
		struct dwarf_job job = r->jobs[--r->job_count];

		switch (dwarf_tag(&job.die)) {
		case DW_TAG_enumeration_type:
			dwarf_describe_enum(r, &job);
			break;
		case DW_TAG_subroutine_type:
			dwarf_describe_prototype(r, &job);
			break;
		default:
			dwarf_describe_struct(r, &job);
			break;
		}
	}
}

static bool dwarf_is_named_type(Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_typedef:
		return dwarf_diename(die) != NULL;
	case DW_TAG_enumeration_type:
		/* Constants have names where enums have none. */
		return true;
	default:
		return false;
	}
}

static void dwarf_read_unit(struct dwarf_reader *r, Dwarf_Die *unit)
{
	Dwarf_Die child;
	int more;

	for (more = dwarf_child(unit, &child); more == 0 && !r->no_memory;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_is_named_type(&child)) {
			(void)dwarf_type(r, &child);
			dwarf_drain(r);
		}
	}
}

static void dwarf_define_declared(struct dwarf_reader *r)
{
	for (size_t i = 0; i < r->declared_count; i++) {
		const struct dwarf_declared *d = &r->declared[i];

		if (!d->is_defined)
			btf_builder_forward(r->out, d->id, d->name,
					    d->is_union);
	}
}

static enum mvmi_status
dwarf_read(Dwarf *dwarf, struct mvmi_types **ret, struct mvmi_error *err)
{
	struct dwarf_reader r = { .out = btf_builder_create() };
	Dwarf_CU *unit = NULL;
	enum mvmi_status status;
	Dwarf_Die die;
	uint8_t kind;
	int more;

	while ((more = dwarf_get_units(dwarf, unit, &unit, NULL, &kind, &die,
				       NULL)) == 0)
		dwarf_read_unit(&r, &die);
	dwarf_define_declared(&r);
	if (more < 0)
		status = fail(err, MVMI_ERR_CORRUPT, "DWARF: %s",
			      dwarf_errmsg(-1));
	else if (r.no_memory)
		status = fail(err, MVMI_ERR_NOMEM, "no memory for types");
	else
		status = btf_builder_finish(r.out, ret, err);
	btf_builder_destroy(r.out);
	idmap_fini(&r.ids);
	free(r.parts);
	free(r.jobs);
	free(r.declared);
	return status;
}

/** The library hunts for no files: what is not in the image is missing. */
/* NOLINTBEGIN(readability-function-size): libdw says what it passes. */
static int
dwarf_find_nothing(Dwfl_Module *module, void **data, const char *name,
		   Dwarf_Addr base, const char *file, const char *link,
		   GElf_Word crc, char **ret)
{
	(void)module, (void)data, (void)name, (void)base;
	(void)file, (void)link, (void)crc, (void)ret;
	return -1;
}
/* NOLINTEND(readability-function-size) */

enum mvmi_status
dwarf_load_types(struct mvmi_span image, struct mvmi_types **ret,
		 struct mvmi_error *err)
{
	static const Dwfl_Callbacks callbacks = {
		.find_debuginfo = dwarf_find_nothing,
		.section_address = dwfl_offline_section_address,
	};
	Dwfl *dwfl = dwfl_begin(&callbacks);
	enum mvmi_status status;
	Dwfl_Module *module;
	Dwarf *dwarf;
	Dwarf_Addr bias;

	if (!dwfl)
		return fail(err, MVMI_ERR_NOMEM, "no memory for libdw");
	module = dwfl_report_offline_memory(dwfl, "", "", (char *)image.ptr,
					    image.len);
	if (!module)
		status = fail(err, MVMI_ERR_CORRUPT, "libdw: %s",
			      dwfl_errmsg(-1));
	else if (!(dwarf = dwfl_module_getdwarf(module, &bias)))
		status =
			fail(err, MVMI_ERR_UNSUPPORTED,
			     "the ELF image has no DWARF: %s", dwfl_errmsg(-1));
	else
		status = dwarf_read(dwarf, ret, err);
	dwfl_end(dwfl);
	return status;
}
