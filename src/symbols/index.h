/* SPDX-License-Identifier: MIT */
/** @file How a table's symbols are found: by name and by address. */
#ifndef MICROVMI_SYMBOLS_INDEX_H
#define MICROVMI_SYMBOLS_INDEX_H

#include <stdatomic.h>

#include "symbols/table.h"

#define symbols_names_destroy mvmi__symbols_names_destroy
#define symbols_order_destroy mvmi__symbols_order_destroy
#define symbols_describe      mvmi__symbols_describe
#define symbols_extent	      mvmi__symbols_extent

struct symbols_names;
struct symbols_order;

/**
 * A finished table. The indices are made by the first lookup that wants them:
 * whoever makes one offers it by compare-and-exchange, and the loser of a race
 * drops his, so that threads may share a table without a lock.
 */
struct mvmi_symbols {
	struct symbols_entry *entries; /**< owned */
	size_t count;
	char *text; /**< owned */
	size_t text_len;
	uint32_t *modules; /**< owned: names of modules 1, 2..., in the text */
	size_t module_count;
	_Atomic(struct symbols_names *) names; /**< owned; NULL: not made yet */
	_Atomic(struct symbols_order *) order; /**< owned; NULL: not made yet */
};

/** Describe entry i, which exists. */
void symbols_describe(const struct mvmi_symbols *symbols, size_t i,
		      struct mvmi_symbol *ret);

/** Bytes that entry i covers; 0 when nobody can tell. */
uint64_t symbols_extent(const struct mvmi_symbols *symbols, size_t i);

/** NULL is a no-op. */
void symbols_names_destroy(struct symbols_names *names);
/** NULL is a no-op. */
void symbols_order_destroy(struct symbols_order *order);

#endif /* MICROVMI_SYMBOLS_INDEX_H */
