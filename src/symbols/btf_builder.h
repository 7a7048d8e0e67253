/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Types into BTF, for every format that is not BTF.
 *
 * A builder fails once and stays failed: then every further call is a no-op
 * that returns 0, and btf_builder_finish() says what was wrong. So a converter
 * adds a whole file and asks once. Names and ids may come from a guest; names
 * of BTF_NAME_MAX and more are left out.
 *
 * Each function that adds a type takes the id that it shall have: 0 for the
 * next one, or one from btf_builder_reserve(), so that types may refer to one
 * another in any order. Id 0 as a target is void.
 *
 *	uint32_t node = btf_builder_reserve(b);
 *	uint32_t next = btf_builder_pointer(b, 0, node);
 *
 *	btf_builder_struct(b, node, "node", 8);
 *	btf_builder_member(b, "next", next, 0, 0);
 */
#ifndef MICROVMI_SYMBOLS_BTF_BUILDER_H
#define MICROVMI_SYMBOLS_BTF_BUILDER_H

#include "symbols/btf.h"

#define btf_builder_create     mvmi__btf_builder_create
#define btf_builder_destroy    mvmi__btf_builder_destroy
#define btf_builder_finish     mvmi__btf_builder_finish
#define btf_builder_reserve    mvmi__btf_builder_reserve
#define btf_builder_int	       mvmi__btf_builder_int
#define btf_builder_float      mvmi__btf_builder_float
#define btf_builder_pointer    mvmi__btf_builder_pointer
#define btf_builder_array      mvmi__btf_builder_array
#define btf_builder_struct     mvmi__btf_builder_struct
#define btf_builder_union      mvmi__btf_builder_union
#define btf_builder_member     mvmi__btf_builder_member
#define btf_builder_enum       mvmi__btf_builder_enum
#define btf_builder_enumerator mvmi__btf_builder_enumerator
#define btf_builder_forward    mvmi__btf_builder_forward
#define btf_builder_modifier   mvmi__btf_builder_modifier
#define btf_builder_prototype  mvmi__btf_builder_prototype
#define btf_builder_parameter  mvmi__btf_builder_parameter

struct btf_builder;

/** @return NULL if there is no memory; every function accepts that */
struct btf_builder *btf_builder_create(void);
/** NULL is a no-op. */
void btf_builder_destroy(struct btf_builder *b);

/**
 * Make the types. The builder has still to be destroyed.
 *
 * @param ret  Release with mvmi_types_destroy().
 *
 * @retval MVMI_ERR_LIMIT    BTF can't express it: over 65535 members, a struct
 *                           of 4 GiB.
 * @retval MVMI_ERR_CORRUPT  A reserved id was never defined, an id is unknown.
 */
enum mvmi_status
btf_builder_finish(struct btf_builder *b, struct mvmi_types **ret,
		   struct mvmi_error *err);

/** An id for a type that is added later, once. */
uint32_t btf_builder_reserve(struct btf_builder *b);

/** @param size  Bytes: 1 to 16. @param encoding  Of enum btf_int_encoding. */
uint32_t btf_builder_int(struct btf_builder *b, uint32_t id, const char *name,
			 uint64_t size, unsigned encoding);
uint32_t btf_builder_float(struct btf_builder *b, uint32_t id, const char *name,
			   uint64_t size);
uint32_t
btf_builder_pointer(struct btf_builder *b, uint32_t id, uint32_t target);
/** Of several dimensions: an array of arrays. A flexible one has count 0. */
uint32_t btf_builder_array(struct btf_builder *b, uint32_t id, uint32_t element,
			   uint64_t count);

/** @param name  "" or NULL: anonymous. Its members follow at once. */
uint32_t btf_builder_struct(struct btf_builder *b, uint32_t id,
			    const char *name, uint64_t size);
uint32_t btf_builder_union(struct btf_builder *b, uint32_t id, const char *name,
			   uint64_t size);
/**
 * Add a member to the struct or union that was added last.
 *
 * @param bit_offset  From its beginning.
 * @param bit_size    Of a bit-field; else 0.
 */
void btf_builder_member(struct btf_builder *b, const char *name, uint32_t type,
			uint64_t bit_offset, uint64_t bit_size);

/** @param size  Bytes: 1, 2, 4 or 8. Its enumerators follow at once. */
uint32_t btf_builder_enum(struct btf_builder *b, uint32_t id, const char *name,
			  uint64_t size, bool is_signed);
/** Add a constant to the enum that was added last. */
void btf_builder_enumerator(struct btf_builder *b, const char *name,
			    uint64_t value);

uint32_t btf_builder_forward(struct btf_builder *b, uint32_t id,
			     const char *name, bool is_union);
/**
 * Add a typedef or a qualified type.
 *
 * @param kind  BTF_TYPEDEF, which takes a name, or BTF_CONST, BTF_VOLATILE,
 *              BTF_RESTRICT, which take none.
 */
uint32_t
btf_builder_modifier(struct btf_builder *b, uint32_t id, enum btf_kind kind,
		     const char *name, uint32_t target);

/** The type of a function. Its parameters follow at once. */
uint32_t
btf_builder_prototype(struct btf_builder *b, uint32_t id, uint32_t returns);
/** A type of 0 is "..." and comes last. */
void btf_builder_parameter(struct btf_builder *b, const char *name,
			   uint32_t type);

#endif /* MICROVMI_SYMBOLS_BTF_BUILDER_H */
