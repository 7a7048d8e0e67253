/* SPDX-License-Identifier: MIT */
/** @file Members of a struct with all that anonymous ones in it hold. */
#ifndef MICROVMI_TOOL_FIELDS_H
#define MICROVMI_TOOL_FIELDS_H

#include <microvmi/symbols.h>

/** How deep anonymous structs are opened. */
#define FIELDS_DEPTH_MAX 16

enum fields_step {
	FIELDS_MEMBER,
	FIELDS_ENTER, /**< a member that is an anonymous struct or union */
	FIELDS_LEAVE, /**< its end */
	FIELDS_END,   /**< of the outermost; only its hole means something */
};

struct field {
	enum fields_step step;
	unsigned depth; /**< 0: of the struct itself */
	const char *name;
	/** C, e.g. "struct list_head *next"; "struct {...} x" to enter. */
	char declaration[512];
	uint64_t bit_offset; /**< from the outermost struct */
	uint64_t bit_size;   /**< 0: not a bit-field */
	uint64_t size;	     /**< bytes */
	/** Bits that no member has, before it; to leave: at the end. */
	uint64_t hole;
};

typedef void (*fields_fn)(const struct field *field, void *arg);

/**
 * Call fn for each member, in their order.
 *
 * @param id  A struct or union.
 * @return false if there were more than any program has: the rest is left out.
 */
bool fields_walk(const struct mvmi_types *types, uint32_t id, fields_fn fn,
		 void *arg);

#endif /* MICROVMI_TOOL_FIELDS_H */
