/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Names and types of a program: symbol tables and type tables.
 *
 * Both are immutable once made: several threads may look things up in one
 * table. Whatever is looked up is borrowed from its table and lives as long.
 * A lookup allocates nothing. (The first lookup of a kind may build an index;
 * mvmi_symbols_prepare() does so beforehand where threads share a table.)
 */
#ifndef MICROVMI_SYMBOLS_H
#define MICROVMI_SYMBOLS_H

#include <microvmi/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_symbols;
struct mvmi_types;

/** One symbol. Frozen layout. */
struct mvmi_symbol {
	const char *name;   /**< borrowed from the table */
	const char *module; /**< borrowed; "" is the program itself */
	/** Where it is; for absolute symbols (type A) just their value. */
	uint64_t addr;
	/** Bytes; up to the next symbol where the table tells none. */
	uint64_t size;
	size_t index; /**< in the table's own order */
	char type;    /**< letter of nm(1): upper case is global */
	char reserved[7];
};

/** Number of symbols. */
MVMI_API size_t mvmi_symbols_count(const struct mvmi_symbols *symbols);

/** The symbol at a place in the table's order. @retval false  No such index. */
MVMI_API bool mvmi_symbols_get(const struct mvmi_symbols *symbols, size_t index,
			       struct mvmi_symbol *ret);

/**
 * Find a symbol by its name.
 *
 * Names repeat (static functions): a global one comes first, then the table's
 * order decides. mvmi_symbols_find_next() gives the others.
 */
MVMI_API bool mvmi_symbols_find(const struct mvmi_symbols *symbols,
				const char *name, struct mvmi_symbol *ret);

/**
 * Find the next symbol of the same name.
 *
 * @param previous  What find() or find_next() gave; may be ret itself.
 */
MVMI_API bool mvmi_symbols_find_next(const struct mvmi_symbols *symbols,
				     const struct mvmi_symbol *previous,
				     struct mvmi_symbol *ret);

/**
 * Find the symbol that covers an address: the last one at or before it, global
 * before local. addr - ret->addr is the offset.
 *
 * @retval false  addr is before all symbols, or past the end of the nearest.
 */
MVMI_API bool mvmi_symbols_find_addr(const struct mvmi_symbols *symbols,
				     mvmi_gva addr, struct mvmi_symbol *ret);

/** Build all indices now. @retval MVMI_ERR_NOMEM */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_symbols_prepare(const struct mvmi_symbols *symbols,
		     struct mvmi_error *err);

/**
 * Read symbols from a file: System.map (or /proc/kallsyms), an ELF image, an
 * ISF, or a kernel's boot image (vmlinuz), told apart by content; each may be
 * compressed by gzip, xz, zstd or lz4.
 *
 * @param bias  Added to every address but those of absolute symbols: the
 *              program's load bias, or the kernel's KASLR slide.
 * @param ret   Release with mvmi_symbols_destroy().
 *
 * @retval MVMI_ERR_UNSUPPORTED  It is of no known format.
 * @retval MVMI_ERR_CORRUPT      It contradicts its format.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_symbols_load(const char *path, uint64_t bias, struct mvmi_symbols **ret,
		  struct mvmi_error *err);

/** NULL is a no-op. */
MVMI_API void mvmi_symbols_destroy(struct mvmi_symbols *symbols);

/** What a type is. Values are only ever appended. */
enum mvmi_type_kind {
	MVMI_TYPE_VOID,
	MVMI_TYPE_INT, /**< integers, characters and booleans */
	MVMI_TYPE_FLOAT,
	MVMI_TYPE_POINTER,
	MVMI_TYPE_ARRAY,
	MVMI_TYPE_STRUCT,
	MVMI_TYPE_UNION,
	MVMI_TYPE_ENUM,
	MVMI_TYPE_FUNCTION, /**< a prototype */
	MVMI_TYPE_TYPEDEF,
	MVMI_TYPE_CONST,
	MVMI_TYPE_VOLATILE,
	MVMI_TYPE_RESTRICT,
	MVMI_TYPE_FORWARD, /**< declared, and defined elsewhere */
	MVMI_TYPE_OTHER,   /**< names of functions, variables, tags */
};

/** One type. Frozen layout. */
struct mvmi_type {
	const char *name; /**< borrowed from the table; "" is anonymous */
	uint64_t size;	  /**< bytes; typedefs and qualifiers looked through */
	uint32_t id;	  /**< in this table; 0 is void */
	enum mvmi_type_kind kind;
	/** Pointee, element, aliased or returned type. */
	uint32_t target;
	/** Members, enumerators, parameters; elements of an array. */
	uint32_t count;
	bool is_signed; /**< of an INT or ENUM */
	bool is_bool;	/**< of an INT */
	bool is_char;	/**< of an INT: shows as a character */
	bool is_union;	/**< of a FORWARD: union, else struct */
	uint32_t reserved;
};

/** One member of a struct or union, or parameter. Frozen layout. */
struct mvmi_member {
	const char *name; /**< borrowed; "" is anonymous */
	uint64_t bit_offset;
	uint32_t bit_size; /**< of a bit-field; 0: not one */
	uint32_t type;
};

/** One constant of an enum. Frozen layout. */
struct mvmi_enumerator {
	const char *name; /**< borrowed */
	uint64_t value;	  /**< of a signed enum: two's complement */
};

/** Where a member is, reached by a path. Frozen layout. */
struct mvmi_field {
	uint64_t offset; /**< bytes from the outermost struct */
	uint64_t size;	 /**< bytes of its type */
	uint32_t type;
	/** Of a bit-field: first bit, counted from offset, and width. */
	uint16_t bit_offset;
	uint16_t bit_size; /**< 0: not a bit-field */
};

/** One more than the highest id. */
MVMI_API uint32_t mvmi_types_count(const struct mvmi_types *types);

/** Describe a type. @retval false  There is no such id. */
MVMI_API bool mvmi_types_get(const struct mvmi_types *types, uint32_t id,
			     struct mvmi_type *ret);

/**
 * Find a struct, union, enum, typedef or base type by name; "struct x",
 * "union x" and "enum x" ask for just that kind. Of several with one name the
 * first definition with members is given; among a kernel's structs of one tag,
 * the one that struct task_struct leads to by the fewest steps.
 */
MVMI_API bool mvmi_types_find(const struct mvmi_types *types, const char *name,
			      struct mvmi_type *ret);

/** Look through typedefs and qualifiers; bounded. @return an id */
MVMI_API uint32_t mvmi_types_resolve(const struct mvmi_types *types,
				     uint32_t id);

/** Member or parameter of a type. @retval false  There is no such index. */
MVMI_API bool mvmi_types_member(const struct mvmi_types *types, uint32_t id,
				uint32_t index, struct mvmi_member *ret);

/** Constant of an enum. @retval false  There is no such index. */
MVMI_API bool
mvmi_types_enumerator(const struct mvmi_types *types, uint32_t id,
		      uint32_t index, struct mvmi_enumerator *ret);

/** Find an enum's constant by name. */
MVMI_API bool mvmi_types_find_enumerator(const struct mvmi_types *types,
					 const char *name, uint64_t *ret);

/**
 * Find a member by a dotted path, e.g. "thread.sp", "mem[2].base"; anonymous
 * members are looked through.
 *
 * @param type  As for mvmi_types_find().
 *
 * @retval MVMI_ERR_UNSUPPORTED  There is no such type or member; the message
 *                               names which.
 * @retval MVMI_ERR_LIMIT        Anonymous members nest without end.
 * @retval MVMI_ERR_CORRUPT      The member is past the end of all memory.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_types_field(const struct mvmi_types *types, const char *type,
		 const char *path, struct mvmi_field *ret,
		 struct mvmi_error *err);

/**
 * Write a C declaration, e.g. "struct list_head *next[4]". What would go on
 * without end, as only a hostile guest's types do, is cut short by "...".
 *
 * @param name  Of what is declared; may be "".
 * @return As snprintf(): the length that it would have with room enough.
 */
MVMI_API size_t mvmi_types_declare(const struct mvmi_types *types, uint32_t id,
				   const char *name, char *buf, size_t len);

/**
 * Read types from a file: an ELF image with BTF or DWARF, bare BTF, an ISF, or a
 * kernel's boot image (vmlinuz), told apart by content; each may be compressed
 * by gzip, xz, zstd or lz4.
 *
 * @param ret  Release with mvmi_types_destroy().
 *
 * @retval MVMI_ERR_UNSUPPORTED  It has no types in a known format.
 * @retval MVMI_ERR_CORRUPT      It contradicts its format.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_types_load(const char *path, struct mvmi_types **ret,
		struct mvmi_error *err);

/** NULL is a no-op. */
MVMI_API void mvmi_types_destroy(struct mvmi_types *types);

/** Receives text. @return false to end the writing. */
typedef bool (*mvmi_write_fn)(struct mvmi_bytes text, void *arg);

/**
 * Write an ISF (Volatility 3's intermediate symbol format, schema 6.2.0).
 *
 * @param bias    Taken off every address but those of absolute symbols.
 * @param banner  The kernel's, which readers choose a profile by; may be NULL.
 *
 * @retval MVMI_ERR_SYSTEM  fn ended it.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_isf_write(const struct mvmi_symbols *symbols,
	       const struct mvmi_types *types, uint64_t bias,
	       const char *banner, mvmi_write_fn fn, void *arg,
	       struct mvmi_error *err);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_SYMBOLS_H */
