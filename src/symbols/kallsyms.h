/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Linux's kallsyms: the names and addresses that a kernel carries of itself.
 *
 * All works on one private copy of the kernel's image: nothing reads the guest.
 * Layouts differ from 4.x to 7.x and distributions port changes back, so each
 * is told apart by its data, never by a version.
 */
#ifndef MICROVMI_SYMBOLS_KALLSYMS_H
#define MICROVMI_SYMBOLS_KALLSYMS_H

#include <microvmi/symbols.h>

#define kallsyms_find_tokens mvmi__kallsyms_find_tokens
#define kallsyms_parse	     mvmi__kallsyms_parse

/** More than any kernel has, by a factor of ten. */
#define KALLSYMS_MAX_COUNT ((size_t)1 << 22)

/** KSYM_NAME_LEN, with its NUL, and the type letter's room to spare. */
#define KALLSYMS_MAX_NAME 512

/** Where the address of symbol i comes from. */
enum kallsyms_rule {
	KALLSYMS_ABSOLUTE, /**< before 4.6: an array of u64 */
	/** From 4.6: s32, absolute if >= 0, else relative_base - 1 - it. */
	KALLSYMS_PERCPU,
	KALLSYMS_BASE,	/**< from 6.15: relative_base + u32 */
	KALLSYMS_PLACE, /**< from 7.0: &offsets[i] + s32 */
};

/** What is searched: a copy of memory that holds a whole kernel image. */
struct kallsyms_image {
	struct mvmi_bytes bytes;
	/** Where bytes.ptr[0] is in the kernel's own addresses; 0: unknown. */
	uint64_t gva;
};

/** Where the tables are: offsets into the image's bytes. */
struct kallsyms_layout {
	enum kallsyms_rule rule;
	bool wide; /**< markers are u64 (before 4.20) */
	/**
	 * Addresses count from the image's first byte, whose own was unknown:
	 * symbols_rebase() them by it once it is found.
	 */
	bool relative;
	size_t count; /**< symbols */
	size_t names;
	size_t names_end; /**< behind the last name */
	size_t markers;
	size_t tokens; /**< token_table */
	size_t token_index;
	size_t offsets; /**< of rule ABSOLUTE: addresses */
	/** Value of kallsyms_relative_base; 0 where the rule has none. */
	uint64_t base;
};

/**
 * Find a kernel's token table in raw memory, which may be all of a guest's.
 *
 * What only looks like one (keyboard maps, compressed kernels) is passed over.
 *
 * @param from  Offset where the search begins.
 * @param ret   Offset of the table's first byte. Search on from ret + 1.
 */
bool kallsyms_find_tokens(struct mvmi_bytes memory, size_t from, size_t *ret);

/**
 * Read all symbols, in /proc/kallsyms' order.
 *
 * @param tokens  Offset of the token table, by kallsyms_find_tokens() or by
 *                the guest's word: it is checked here.
 * @param ret     Release with mvmi_symbols_destroy().
 *
 * @retval MVMI_ERR_CORRUPT  There is no kallsyms around this token table, or
 *                           it contradicts itself; the message tells where.
 * @retval MVMI_ERR_LIMIT    It claims more names than KALLSYMS_MAX_COUNT.
 */
enum mvmi_status
kallsyms_parse(const struct kallsyms_image *image, size_t tokens,
	       struct mvmi_symbols **ret, struct kallsyms_layout *ret_layout,
	       struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_KALLSYMS_H */
