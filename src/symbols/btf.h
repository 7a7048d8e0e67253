/* SPDX-License-Identifier: MIT */
/**
 * @file
 * BTF, the kernel's own type format, which is also this library's: a
 * struct mvmi_types is a checked blob of BTF and an index over it. Whatever
 * else describes types is turned into BTF first (see btf_builder.h), so that
 * there is one reader. Linux: Documentation/bpf/btf.rst.
 *
 * Parsing checks every record, name and reference once. After that a record is
 * read without bounds checks, but still not with trust: a chain of types may
 * be a loop and a size may be a lie. Every walk along targets is bounded by
 * BTF_CHAIN_MAX.
 */
#ifndef MICROVMI_SYMBOLS_BTF_H
#define MICROVMI_SYMBOLS_BTF_H

#include <microvmi/symbols.h>

#include "base/le.h"
#include "base/map.h"

#define btf_has_magic	 mvmi__btf_has_magic
#define btf_parse	 mvmi__btf_parse
#define btf_parse_split	 mvmi__btf_parse_split
#define btf_adopt	 mvmi__btf_adopt
#define btf_blob	 mvmi__btf_blob
#define btf_index_build	 mvmi__btf_index_build
#define btf_index_fini	 mvmi__btf_index_fini
#define btf_index_bucket mvmi__btf_index_bucket

/** Steps along typedefs, qualifiers, arrays and pointers; C needs a few. */
#define BTF_CHAIN_MAX 64

/**
 * Names shorter than this are always fine; Linux has none over 511, Rust's
 * included. Without a limit, names that are each other's tails would make a
 * small blob take minutes to index.
 */
#define BTF_NAME_MAX 1024

/** Bytes of a header that has no fields after str_len. */
#define BTF_HEADER_LEN 24

enum btf_kind {
	BTF_INT = 1,
	BTF_PTR,
	BTF_ARRAY,
	BTF_STRUCT,
	BTF_UNION,
	BTF_ENUM,
	BTF_FWD,
	BTF_TYPEDEF,
	BTF_VOLATILE,
	BTF_CONST,
	BTF_RESTRICT,
	BTF_FUNC,
	BTF_FUNC_PROTO,
	BTF_VAR,
	BTF_DATASEC,
	BTF_FLOAT,
	BTF_DECL_TAG,
	BTF_TYPE_TAG,
	BTF_ENUM64,
	BTF_KIND_END,
};

/** Encodings of a BTF_INT; a mask. */
enum btf_int_encoding {
	BTF_INT_SIGNED = 1,
	BTF_INT_CHAR = 2,
	BTF_INT_BOOL = 4,
};

/** A name in an index, and what has it. */
struct btf_entry {
	uint32_t hash;
	uint32_t id;	/**< of the type, or of the enum */
	uint32_t index; /**< of the enumerator in it */
};

/**
 * Names by hash: bucket b is entries[starts[b]] to entries[starts[b + 1]]. It
 * is made in linear time whatever the names are, and within a bucket what
 * should be found first comes first.
 */
struct btf_index {
	uint32_t *starts; /**< mask + 2 of them */
	struct btf_entry *entries;
	uint32_t mask; /**< number of buckets less one */
};

struct mvmi_types {
	const struct mvmi_types *base; /**< borrowed; NULL unless split */
	/** Where blob, offsets and indices are; NULL: they are owned. */
	struct map *map; /**< owned, a reference */
	uint8_t *blob;
	size_t blob_len;
	struct mvmi_bytes records; /**< in blob */
	struct mvmi_bytes strings; /**< in blob; ends with a NUL */
	uint32_t strings_from;	   /**< offset of the first own string */
	uint32_t first_id;	   /**< of the first own record */
	uint32_t count;		   /**< one more than the highest id */
	uint32_t *offsets;	   /**< record of first_id + i */
	struct btf_index names;
	struct btf_index enumerators;
};

/** A record's fixed part, decoded, and where the rest is. */
struct btf_record {
	const char *name;
	const uint8_t *tail; /**< what the kind says, vlen times */
	uint32_t size;	     /**< or the id of a type, as the kind says */
	uint16_t vlen;
	uint8_t kind; /**< enum btf_kind */
	bool kflag;
};

/** Whether bytes begin as BTF of this byte order does. */
bool btf_has_magic(struct mvmi_bytes bytes);

/**
 * Check BTF and index it.
 *
 * @param src  Copied. Bytes after the blob's end are ignored.
 * @param ret  Release with mvmi_types_destroy().
 *
 * @retval MVMI_ERR_UNSUPPORTED  Not BTF, or BTF of an unknown version, byte
 *                               order or kind of type.
 * @retval MVMI_ERR_CORRUPT      It contradicts its format.
 * @retval MVMI_ERR_LIMIT        It, or a name, is larger than there is reason
 *                               to be.
 */
enum mvmi_status btf_parse(struct mvmi_bytes src, struct mvmi_types **ret,
			   struct mvmi_error *err);

/**
 * As btf_parse() for a module's BTF, whose ids and string offsets go on where
 * base's end.
 *
 * @param base  Not split itself. Borrowed: must outlive what is returned.
 */
enum mvmi_status
btf_parse_split(struct mvmi_bytes src, const struct mvmi_types *base,
		struct mvmi_types **ret, struct mvmi_error *err);

/**
 * As btf_parse(), without the copy.
 *
 * @param blob  Of malloc(). The callee's from here on, also on failure.
 */
enum mvmi_status btf_adopt(struct mvmi_span blob, struct mvmi_types **ret,
			   struct mvmi_error *err);

/** The BTF that a table is made of, e.g. to store it. Borrowed from it. */
struct mvmi_bytes btf_blob(const struct mvmi_types *types);

/** Build names and enumerators of checked types. */
enum mvmi_status
btf_index_build(struct mvmi_types *types, struct mvmi_error *err);
void btf_index_fini(struct btf_index *index);

/** The entries among which all of a name are; compare hash, then the name. */
const struct btf_entry *btf_index_bucket(const struct btf_index *index,
					 uint32_t hash, size_t *ret_count);

/** FNV-1a. */
static inline uint32_t btf_hash(const char *name)
{
	uint32_t hash = UINT32_C(0x811c9dc5);

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * UINT32_C(0x01000193);
	return hash;
}

/** The string at an offset that was checked when the types were parsed. */
static inline const char *
btf_string(const struct mvmi_types *types, uint32_t off)
{
	if (types->base && off < types->strings_from)
		types = types->base;
	return (const char *)types->strings.ptr + (off - types->strings_from);
}

/** Decode the record of a type; id is from 1 to count - 1. */
static inline struct btf_record
btf_record(const struct mvmi_types *types, uint32_t id)
{
	const struct mvmi_types *own = types;
	const uint8_t *at;
	uint32_t info;

	if (types->base && id < types->first_id)
		own = types->base;
	at = own->records.ptr + own->offsets[id - own->first_id];
	info = load_le32(at + 4);
	return (struct btf_record){
		.name = btf_string(types, load_le32(at)),
		.tail = at + 12,
		.size = load_le32(at + 8),
		.vlen = (uint16_t)(info & 0xffff),
		.kind = info >> 24 & 0x1f,
		.kflag = info >> 31,
	};
}

/** Whether a kind is another name or qualification of its target. */
static inline bool btf_is_modifier(uint8_t kind)
{
	return kind == BTF_TYPEDEF || kind == BTF_CONST ||
	       kind == BTF_VOLATILE || kind == BTF_RESTRICT ||
	       kind == BTF_TYPE_TAG;
}

#endif /* MICROVMI_SYMBOLS_BTF_H */
