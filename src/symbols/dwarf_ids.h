/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The id in BTF of each type in DWARF: one for all that are equal.
 *
 * What stands for itself is made at once. A struct, union, enum or prototype
 * gets an id and waits to be described, for what it is made of may lead back
 * to it: take each with dwarf_ids_take() until none is left.
 */
#ifndef MICROVMI_SYMBOLS_DWARF_IDS_H
#define MICROVMI_SYMBOLS_DWARF_IDS_H

#include <elfutils/libdw.h>

#include "symbols/btf_builder.h"
#include "symbols/idmap.h"

#define dwarf_ids_of	 mvmi__dwarf_ids_of
#define dwarf_ids_target mvmi__dwarf_ids_target
#define dwarf_ids_take	 mvmi__dwarf_ids_take
#define dwarf_ids_finish mvmi__dwarf_ids_finish
#define dwarf_ids_fini	 mvmi__dwarf_ids_fini

/** A type that has an id and is to be described. */
struct dwarf_job {
	Dwarf_Die die;
	uint32_t id;
};

/** Zeroed but for out, it is empty. */
struct dwarf_ids {
	struct btf_builder *out; /**< borrowed */
	struct idmap map;
	struct dwarf_job *jobs; /**< owned; a stack, instead of recursion */
	size_t job_count;
	size_t job_room;
	struct dwarf_declared *declared; /**< owned */
	size_t declared_count;
	size_t declared_room;
	bool no_memory; /**< then some are missing */
};

/** The id of the type at a DIE; it is made if it isn't known. */
uint32_t dwarf_ids_of(struct dwarf_ids *ids, const Dwarf_Die *die);

/** The id of the type that a DIE refers to; void where it names none. */
uint32_t dwarf_ids_target(struct dwarf_ids *ids, Dwarf_Die *die);

/** Take what is to be described next. @return false  Nothing waits. */
bool dwarf_ids_take(struct dwarf_ids *ids, struct dwarf_job *ret);

/** After the last unit: what was declared only stays a declaration. */
void dwarf_ids_finish(struct dwarf_ids *ids);

void dwarf_ids_fini(struct dwarf_ids *ids);

#endif /* MICROVMI_SYMBOLS_DWARF_IDS_H */
