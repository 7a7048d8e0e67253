/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Symbol tables: made by a builder, then never changed.
 *
 * Readers of formats (kallsyms, ELF, ISF, System.map) add symbols to a builder
 * in their format's own order and finish it:
 *
 *	struct symbols_builder b = { 0 };
 *
 *	status = symbols_builder_add(&b, &symbol, err);	  // as often as needed
 *	...
 *	status = symbols_builder_finish(&b, ret, err);
 *	symbols_builder_fini(&b);			  // in any case
 */
#ifndef MICROVMI_SYMBOLS_TABLE_H
#define MICROVMI_SYMBOLS_TABLE_H

#include <microvmi/symbols.h>

#define symbols_builder_add	mvmi__symbols_builder_add
#define symbols_builder_append	mvmi__symbols_builder_append
#define symbols_builder_fini	mvmi__symbols_builder_fini
#define symbols_builder_finish	mvmi__symbols_builder_finish
#define symbols_builder_module	mvmi__symbols_builder_module
#define symbols_builder_put	mvmi__symbols_builder_put
#define symbols_builder_reserve mvmi__symbols_builder_reserve
#define symbols_rebase		mvmi__symbols_rebase

/** More symbols than any program has: a table that claims them is lying. */
#define SYMBOLS_MAX_COUNT ((size_t)1 << 23)

/** Longest name; of C++ and Rust some are thousands of characters long. */
#define SYMBOLS_MAX_NAME ((size_t)1 << 16)

/** All names of one table together. */
#define SYMBOLS_MAX_TEXT ((size_t)1 << 30)

/** What a builder is told about a symbol. */
struct symbols_new {
	struct mvmi_bytes name; /**< without NUL; copied */
	uint64_t addr;
	uint64_t size; /**< 0: up to the next symbol of its module */
	char type;     /**< letter of nm(1) */
	/** Neither a bias nor a rebase moves it, and it covers nothing. */
	bool absolute;
};

/** One symbol as a table keeps it. */
struct symbols_entry {
	uint64_t addr;
	uint64_t size; /**< 0: not told */
	uint32_t name; /**< offset of its NUL-terminated name in the text */
	uint16_t module;
	char type;
	bool absolute;
};

/** Grows. Zeroed is empty. Members are the table's business. */
struct symbols_builder {
	struct symbols_entry *entries; /**< owned */
	size_t count;
	size_t room; /**< entries that fit */
	char *text;  /**< owned: names, each with its NUL */
	size_t text_len;
	size_t text_room;
	uint32_t *modules; /**< owned: offsets of their names in the text */
	size_t module_count;
	uint16_t module; /**< of what is added next */
};

/** Make room beforehand, for speed only: add() makes what is missing. */
enum mvmi_status
symbols_builder_reserve(struct symbols_builder *b, size_t count,
			size_t text_len, struct mvmi_error *err);

/**
 * Add a symbol. A name with a NUL in it ends there.
 *
 * @retval MVMI_ERR_NOMEM
 * @retval MVMI_ERR_LIMIT  SYMBOLS_MAX_*.
 */
enum mvmi_status
symbols_builder_add(struct symbols_builder *b, const struct symbols_new *symbol,
		    struct mvmi_error *err);

/**
 * As symbols_builder_add(), for room that reserve() made and a name that the
 * caller has written there already: name.ptr is at b->text + b->text_len or
 * behind, and room for a NUL follows it.
 */
void symbols_builder_put(struct symbols_builder *b,
			 const struct symbols_new *symbol);

/** Name the module of what is added from now on; "" is the program itself. */
enum mvmi_status
symbols_builder_module(struct symbols_builder *b, struct mvmi_bytes name,
		       struct mvmi_error *err);

/**
 * Add all of another table, in its order, each symbol with its module's name.
 * What is added afterwards is the program's own again.
 */
enum mvmi_status
symbols_builder_append(struct symbols_builder *b,
		       const struct mvmi_symbols *from, struct mvmi_error *err);

/** Make the table; the builder is empty afterwards, whatever the result. */
enum mvmi_status
symbols_builder_finish(struct symbols_builder *b, struct mvmi_symbols **ret,
		       struct mvmi_error *err);

/** Release what an unfinished builder holds. */
void symbols_builder_fini(struct symbols_builder *b);

/**
 * Add delta, modulo 2^64, to every address that is not absolute. Only by who
 * made the table, before anyone else sees it.
 */
void symbols_rebase(struct mvmi_symbols *symbols, uint64_t delta);

#endif /* MICROVMI_SYMBOLS_TABLE_H */
