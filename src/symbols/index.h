/* SPDX-License-Identifier: MIT */
/** @file How a table's symbols are found: by name and by address. */
#ifndef MICROVMI_SYMBOLS_INDEX_H
#define MICROVMI_SYMBOLS_INDEX_H

#include <stdatomic.h>

#include "base/map.h"
#include "symbols/table.h"

#define symbols_names_destroy mvmi__symbols_names_destroy
#define symbols_order_destroy mvmi__symbols_order_destroy
#define symbols_describe      mvmi__symbols_describe
#define symbols_extent	      mvmi__symbols_extent

/** A symbol in the index of names. */
struct symbols_name {
	uint32_t hash;
	uint32_t entry;
};

/**
 * Names by hash: bucket b is items[starts[b]] to items[starts[b + 1]], global
 * symbols before others, then in the table's order.
 */
struct symbols_names {
	uint64_t seed;
	size_t mask;		    /**< buckets - 1 */
	uint32_t *starts;	    /**< mask + 2 of them */
	uint32_t *position;	    /**< of each entry, in items */
	struct symbols_name *items; /**< of each entry */
	bool borrowed;		    /**< from the table's map; else owned */
};

/** Ranks of symbols at one address. */
enum {
	SYMBOLS_GLOBAL,
	SYMBOLS_LOCAL,
	SYMBOLS_END_MARK
};

/** A symbol in the index of addresses. */
struct symbols_place {
	uint64_t addr; /**< without the table's bias */
	uint32_t entry;
	uint32_t rank; /**< of those at one address, the lowest names it */
};

/** What is not absolute, by address; of one address, the name for it first. */
struct symbols_order {
	size_t count;
	struct symbols_place *places;
	uint64_t *sizes; /**< of each entry; 0: nobody can tell */
	bool borrowed;	 /**< from the table's map; else owned */
};

/**
 * A finished table. The indices are made by the first lookup that wants them:
 * whoever makes one offers it by compare-and-exchange, and the loser of a race
 * drops his, so that threads may share a table without a lock.
 */
struct mvmi_symbols {
	/** Where the arrays are; NULL: they are the table's own. */
	struct map *map; /**< owned, a reference */
	uint64_t bias;	 /**< added to addresses that are not absolute */
	struct symbols_entry *entries;
	size_t count;
	char *text;
	size_t text_len;
	uint32_t *modules; /**< names of modules 1, 2..., in the text */
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
