/* SPDX-License-Identifier: MIT */
#include "symbols/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"
#include "symbols/btf_builder.h"
#include "symbols/dwarf_die.h"
#include "symbols/dwarf_ids.h"

/** A member or parameter whose type has its id already. */
struct dwarf_part {
	const char *name;
	uint32_t type;
	uint64_t bit_offset;
	uint64_t bit_size;
};

struct dwarf_reader {
	struct btf_builder *out; /**< borrowed */
	struct dwarf_ids ids;
	struct dwarf_part *parts; /**< owned; of the type being described */
	size_t part_count;
	size_t part_room;
	bool no_memory; /**< for parts */
};

static bool dwarf_lacks_memory(const struct dwarf_reader *r)
{
	return r->no_memory || r->ids.no_memory;
}

/** A member or parameter of the type that is about to be described. */
static void dwarf_add_part(struct dwarf_reader *r, Dwarf_Die *die)
{
	uint64_t bit_size = die_unsigned(die, DW_AT_bit_size, 0);
	struct dwarf_part part = {
		.name = die_name(die),
		.type = dwarf_ids_target(&r->ids, die),
		.bit_size = bit_size,
	};
	void *parts = r->parts;

	if (dwarf_tag(die) != DW_TAG_formal_parameter)
		part.bit_offset = die_bit_offset(die, bit_size);
	if (!array_grow(&parts, r->part_count, &r->part_room,
			sizeof(*r->parts))) {
		r->no_memory = true;
		return;
	}
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

static void dwarf_describe_enum(struct dwarf_reader *r, struct dwarf_job *job)
{
	uint64_t size = die_unsigned(&job->die, DW_AT_byte_size, 4);
	bool is_signed = false;
	bool is_negative;
	uint64_t value;
	Dwarf_Die child;
	int more;

	/* One negative constant makes all of it signed, as in C. */
	for (more = dwarf_child(&job->die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		if (die_find_constant(&child, &value, &is_negative))
			is_signed |= is_negative;
	}
	btf_builder_enum(r->out, job->id, die_name(&job->die), size, is_signed);
	for (more = dwarf_child(&job->die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		if (die_find_constant(&child, &value, &is_negative))
			btf_builder_enumerator(r->out, die_name(&child), value);
	}
}

static void dwarf_describe_struct(struct dwarf_reader *r, struct dwarf_job *job)
{
	uint64_t size = die_unsigned(&job->die, DW_AT_byte_size, 0);
	const char *name = die_name(&job->die);

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
	uint32_t returns = dwarf_ids_target(&r->ids, &job->die);

	dwarf_collect_parts(r, &job->die);
	btf_builder_prototype(r->out, job->id, returns);
	for (size_t i = 0; i < r->part_count; i++)
		btf_builder_parameter(r->out, r->parts[i].name,
				      r->parts[i].type);
	if (die_is_variadic(&job->die))
		btf_builder_parameter(r->out, "", 0);
}

/** Describe all that got an id so far, and what that leads to. */
static void dwarf_drain(struct dwarf_reader *r)
{
	struct dwarf_job job;

	while (!dwarf_lacks_memory(r) && dwarf_ids_take(&r->ids, &job)) {
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

	for (more = dwarf_child(unit, &child);
	     more == 0 && !dwarf_lacks_memory(r);
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_is_named_type(&child)) {
			(void)dwarf_ids_of(&r->ids, &child);
			dwarf_drain(r);
		}
	}
}

static enum mvmi_status
dwarf_read(Dwarf *dwarf, struct mvmi_types **ret, struct mvmi_error *err)
{
	struct btf_builder *out = btf_builder_create();
	struct dwarf_reader r = { .out = out, .ids = { .out = out } };
	Dwarf_CU *unit = NULL;
	enum mvmi_status status;
	Dwarf_Die die;
	uint8_t kind;
	int more;

	while ((more = dwarf_get_units(dwarf, unit, &unit, NULL, &kind, &die,
				       NULL)) == 0)
		dwarf_read_unit(&r, &die);
	dwarf_ids_finish(&r.ids);
	if (more < 0)
		status = fail(err, MVMI_ERR_CORRUPT, "DWARF: %s",
			      dwarf_errmsg(-1));
	else if (dwarf_lacks_memory(&r))
		status = fail(err, MVMI_ERR_NOMEM, "no memory for types");
	else
		status = btf_builder_finish(out, ret, err);
	free(r.parts);
	dwarf_ids_fini(&r.ids);
	btf_builder_destroy(out);
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
