/* SPDX-License-Identifier: MIT */
/* BTF by hand, word for word: what is read of it, and what is refused. */
#include "symbols/btf.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "harness.h"

#define INFO(kind, vlen)       ((uint32_t)(kind) << 24 | (vlen))
#define INFO_KFLAG(kind, vlen) (INFO(kind, vlen) | 0x80000000u)
#define BLOB_MAX	       4096

/* Offsets of the strings below. */
#define STRINGS	   "\0int\0node\0next\0count\0red\0blue"
#define STR_INT	   1u
#define STR_NODE   5u
#define STR_NEXT   10u
#define STR_COUNT  15u
#define STR_RED	   21u
#define STR_BLUE   25u
#define STR_END	   30u /* of all */
#define WORD_MAGIC 0x0001eb9fu

struct blob {
	uint8_t raw[BLOB_MAX];
	size_t len;
};

static void put(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/** BTF of the given records with STRINGS. */
static struct mvmi_bytes
blob_make(struct blob *b, const uint32_t *records, size_t words)
{
	uint32_t len = (uint32_t)words * 4;

	memset(b, 0, sizeof(*b));
	put(b->raw, WORD_MAGIC);
	put(b->raw + 4, BTF_HEADER_LEN);
	put(b->raw + 12, len);
	put(b->raw + 16, len);
	put(b->raw + 20, sizeof(STRINGS));
	for (size_t i = 0; i < words; i++)
		put(b->raw + BTF_HEADER_LEN + 4 * i, records[i]);
	memcpy(b->raw + BTF_HEADER_LEN + len, STRINGS, sizeof(STRINGS));
	b->len = BTF_HEADER_LEN + len + sizeof(STRINGS);
	return (struct mvmi_bytes){ b->raw, b->len };
}

/** int, struct node { struct node *next; int count:3; }, enum. */
static const uint32_t node_records[] = {
	STR_INT,
	INFO(BTF_INT, 0),
	4,
	0x01000020, /* 1 */
	STR_NODE,
	INFO_KFLAG(BTF_STRUCT, 2),
	16,
	STR_NEXT,
	3,
	0,
	STR_COUNT,
	1,
	3u << 24 | 64, /* 2 */
	0,
	INFO(BTF_PTR, 0),
	2, /* 3 */
	0,
	INFO_KFLAG(BTF_ENUM, 2),
	4,
	STR_RED,
	7,
	STR_BLUE,
	0xffffffff, /* 4 */
};

static struct mvmi_bytes blob_nodes(struct blob *b)
{
	return blob_make(b, node_records, ARRAY_LEN(node_records));
}

/** Whether exactly these records are refused so. */
static bool
refused(const uint32_t *records, size_t words, enum mvmi_status status)
{
	struct mvmi_types *types = NULL;
	struct mvmi_error err = { 0 };
	struct blob b;
	enum mvmi_status got =
		btf_parse(blob_make(&b, records, words), &types, &err);

	mvmi_types_destroy(types);
	return got == status && err.status == status && err.msg[0] && !types;
}

#define REFUSED(status, ...)                       \
	refused((const uint32_t[]){ __VA_ARGS__ }, \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4, (status))

static void a_struct_has_its_members(void)
{
	struct mvmi_types *types;
	struct mvmi_member m;
	struct mvmi_type t;
	struct blob b;

	CHECK(btf_parse(blob_nodes(&b), &types, NULL) == MVMI_OK);
	memset(b.raw, 0xff, sizeof(b.raw)); /* it was copied */
	CHECK(mvmi_types_count(types) == 5);
	CHECK(mvmi_types_find(types, "struct node", &t));
	CHECK(t.id == 2 && t.kind == MVMI_TYPE_STRUCT && t.size == 16);
	CHECK(t.count == 2 && strcmp(t.name, "node") == 0);
	CHECK(mvmi_types_member(types, 2, 0, &m));
	CHECK(strcmp(m.name, "next") == 0 && m.type == 3);
	CHECK(m.bit_offset == 0 && m.bit_size == 0);
	CHECK(mvmi_types_member(types, 2, 1, &m));
	CHECK(m.bit_offset == 64 && m.bit_size == 3 && m.type == 1);
	CHECK(!mvmi_types_member(types, 2, 2, &m));
	CHECK(!mvmi_types_member(types, 1, 0, &m));
	CHECK(!mvmi_types_member(types, 5, 0, &m));
	mvmi_types_destroy(types);
}

static void an_enum_has_its_constants(void)
{
	struct mvmi_enumerator e;
	struct mvmi_types *types;
	uint64_t value = 0;
	struct blob b;

	CHECK(btf_parse(blob_nodes(&b), &types, NULL) == MVMI_OK);
	CHECK(mvmi_types_enumerator(types, 4, 1, &e));
	CHECK(strcmp(e.name, "blue") == 0 && e.value == UINT64_MAX);
	CHECK(!mvmi_types_enumerator(types, 4, 2, &e));
	CHECK(!mvmi_types_enumerator(types, 2, 0, &e));
	CHECK(mvmi_types_find_enumerator(types, "red", &value) && value == 7);
	CHECK(!mvmi_types_find_enumerator(types, "green", &value));
	CHECK(!mvmi_types_find_enumerator(types, "next", &value));
	mvmi_types_destroy(types);
}

static const uint32_t kind_records[] = {
	STR_INT,    INFO(BTF_INT, 0),
	4,	    0x01000020, /* 1 */
	0,	    INFO(BTF_PTR, 0),
	1, /* 2 */
	0,	    INFO(BTF_ARRAY, 0),
	0,	    1,
	1,	    6, /* 3 */
	STR_NODE,   INFO(BTF_STRUCT, 0),
	4, /* 4 */
	STR_NODE,   INFO(BTF_UNION, 1),
	4,	    STR_NEXT,
	1,	    0, /* 5 */
	STR_RED,    INFO(BTF_ENUM, 1),
	4,	    STR_BLUE,
	0xffffffff, /* 6 */
	STR_COUNT,  INFO_KFLAG(BTF_FWD, 0),
	0, /* 7 */
	STR_COUNT,  INFO(BTF_TYPEDEF, 0),
	3, /* 8 */
	0,	    INFO(BTF_VOLATILE, 0),
	8, /* 9 */
	0,	    INFO(BTF_CONST, 0),
	9, /* 10 */
	0,	    INFO(BTF_RESTRICT, 0),
	10, /* 11 */
	STR_NEXT,   INFO(BTF_FUNC, 0),
	13, /* 12 */
	0,	    INFO(BTF_FUNC_PROTO, 2),
	1,	    STR_RED,
	2,	    0,
	0, /* 13 */
	STR_NEXT,   INFO(BTF_VAR, 0),
	3,	    0, /* 14 */
	STR_NEXT,   INFO(BTF_DATASEC, 1),
	24,	    14,
	0,	    24, /* 15 */
	STR_BLUE,   INFO(BTF_FLOAT, 0),
	8, /* 16 */
	STR_RED,    INFO(BTF_DECL_TAG, 0),
	12,	    0xffffffff, /* 17 */
	STR_RED,    INFO(BTF_TYPE_TAG, 0),
	11, /* 18 */
	STR_RED,    INFO_KFLAG(BTF_ENUM64, 1),
	8,	    STR_INT,
	5,	    6, /* 19 */
};
static const struct {
	enum mvmi_type_kind kind;
	uint64_t size;
	uint32_t target;
	uint32_t count;
} kind_wants[] = {
	{ MVMI_TYPE_VOID, 0, 0, 0 },	 { MVMI_TYPE_INT, 4, 0, 0 },
	{ MVMI_TYPE_POINTER, 8, 1, 0 },	 { MVMI_TYPE_ARRAY, 24, 1, 6 },
	{ MVMI_TYPE_STRUCT, 4, 0, 0 },	 { MVMI_TYPE_UNION, 4, 0, 1 },
	{ MVMI_TYPE_ENUM, 4, 0, 1 },	 { MVMI_TYPE_FORWARD, 0, 0, 0 },
	{ MVMI_TYPE_TYPEDEF, 24, 3, 0 }, { MVMI_TYPE_VOLATILE, 24, 8, 0 },
	{ MVMI_TYPE_CONST, 24, 9, 0 },	 { MVMI_TYPE_RESTRICT, 24, 10, 0 },
	{ MVMI_TYPE_OTHER, 0, 13, 0 },	 { MVMI_TYPE_FUNCTION, 0, 1, 2 },
	{ MVMI_TYPE_OTHER, 24, 3, 0 },	 { MVMI_TYPE_OTHER, 24, 0, 0 },
	{ MVMI_TYPE_FLOAT, 8, 0, 0 },	 { MVMI_TYPE_OTHER, 0, 12, 0 },
	{ MVMI_TYPE_OTHER, 24, 11, 0 },	 { MVMI_TYPE_ENUM, 8, 0, 1 },
};

static void every_kind_is_read(void)
{
	struct mvmi_types *types;
	struct mvmi_member m;
	struct mvmi_type t;
	uint64_t value;
	struct blob b;

	CHECK(btf_parse(blob_make(&b, kind_records, ARRAY_LEN(kind_records)),
			&types, NULL) == MVMI_OK);
	CHECK(mvmi_types_count(types) == ARRAY_LEN(kind_wants));
	for (uint32_t id = 0; id < ARRAY_LEN(kind_wants); id++) {
		CHECK(mvmi_types_get(types, id, &t) && t.id == id);
		CHECK(t.kind == kind_wants[id].kind &&
		      t.size == kind_wants[id].size);
		CHECK(t.target == kind_wants[id].target &&
		      t.count == kind_wants[id].count);
	}
	CHECK(!mvmi_types_get(types, ARRAY_LEN(kind_wants), &t));
	CHECK(mvmi_types_get(types, 7, &t) && t.is_union);
	CHECK(mvmi_types_get(types, 1, &t) && t.is_signed && !t.is_char);
	CHECK(mvmi_types_resolve(types, 18) == 3);
	CHECK(mvmi_types_resolve(types, 0) == 0);
	CHECK(mvmi_types_resolve(types, ARRAY_LEN(kind_wants)) == 0);
	CHECK(mvmi_types_member(types, 13, 0, &m) && m.type == 2);
	CHECK(mvmi_types_member(types, 13, 1, &m) && m.type == 0);
	CHECK(mvmi_types_find_enumerator(types, "blue", &value));
	CHECK(value == UINT32_MAX); /* unsigned */
	CHECK(mvmi_types_find_enumerator(types, "int", &value));
	CHECK(value == (UINT64_C(6) << 32 | 5));
	mvmi_types_destroy(types);
}

static void bit_fields_before_5_1_are_special_integers(void)
{
	static const uint32_t records[] = {
		STR_INT,  INFO(BTF_INT, 0),
		4,	  5u << 16 | 3,
		STR_NODE, INFO(BTF_STRUCT, 1),
		4,	  STR_NEXT,
		1,	  32,
	};
	struct mvmi_types *types;
	struct mvmi_member m;
	struct blob b;

	CHECK(btf_parse(blob_make(&b, records, ARRAY_LEN(records)), &types,
			NULL) == MVMI_OK);
	CHECK(mvmi_types_member(types, 2, 0, &m));
	CHECK(m.bit_offset == 37 && m.bit_size == 3);
	mvmi_types_destroy(types);
}

static void a_longer_header_is_honoured(void)
{
	struct mvmi_types *types;
	struct mvmi_type t;
	struct blob b;
	struct mvmi_bytes src = blob_nodes(&b);

	memmove(b.raw + 40, b.raw + BTF_HEADER_LEN, src.len - BTF_HEADER_LEN);
	put(b.raw + 4, 40);
	src.len += 16;
	CHECK(btf_parse(src, &types, NULL) == MVMI_OK);
	CHECK(mvmi_types_find(types, "node", &t) && t.id == 2);
	CHECK(btf_blob(types).len == src.len);
	mvmi_types_destroy(types);
}

static void module_types_go_on_where_the_kernels_end(void)
{
	/* struct red { struct node count; } in strings of its own. */
	static const uint32_t words[] = {
		STR_END, INFO(BTF_STRUCT, 1), 16, STR_COUNT, 2, 0,
	};
	const uint32_t len = sizeof(words);
	uint8_t raw[BTF_HEADER_LEN + sizeof(words) + 5] = { 0 };
	struct mvmi_types *base;
	struct mvmi_types *types;
	struct mvmi_field f;
	struct mvmi_type t;
	uint64_t value;
	struct blob b;

	CHECK(sizeof(STRINGS) == STR_END);
	CHECK(btf_parse(blob_nodes(&b), &base, NULL) == MVMI_OK);
	put(raw, WORD_MAGIC);
	put(raw + 4, BTF_HEADER_LEN);
	put(raw + 12, len);
	put(raw + 16, len);
	put(raw + 20, 5);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		put(raw + BTF_HEADER_LEN + 4 * i, words[i]);
	memcpy(raw + BTF_HEADER_LEN + len, "tree", 5);
	CHECK(btf_parse_split((struct mvmi_bytes){ raw, sizeof(raw) }, base,
			      &types, NULL) == MVMI_OK);
	CHECK(mvmi_types_count(types) == 6);
	CHECK(mvmi_types_find(types, "tree", &t) && t.id == 5);
	CHECK(mvmi_types_find(types, "node", &t) && t.id == 2);
	CHECK(!mvmi_types_find(base, "tree", &t));
	CHECK(mvmi_types_field(types, "tree", "count.count", &f, NULL) ==
	      MVMI_OK);
	CHECK(f.offset == 8 && f.bit_size == 3);
	CHECK(mvmi_types_find_enumerator(types, "red", &value) && value == 7);
	mvmi_types_destroy(types);

	/* Alone it refers to what is not there. */
	CHECK(btf_parse((struct mvmi_bytes){ raw, sizeof(raw) }, &types,
			NULL) == MVMI_ERR_CORRUPT);
	mvmi_types_destroy(base);
}

static void every_truncation_is_an_error(void)
{
	struct blob b;
	struct mvmi_bytes whole = blob_nodes(&b);

	for (size_t len = 0; len < whole.len; len++) {
		uint8_t *exact = malloc(len + 1);
		struct mvmi_types *types = NULL;
		struct mvmi_error err = { 0 };
		enum mvmi_status status;

		CHECK(exact);
		memcpy(exact, b.raw, len);
		status = btf_parse((struct mvmi_bytes){ exact, len }, &types,
				   &err);
		free(exact);
		CHECK(status ==
		      (len < 2 ? MVMI_ERR_UNSUPPORTED : MVMI_ERR_CORRUPT));
		CHECK(err.msg[0] && !types);
	}
}

static void what_is_not_btf_is_unsupported(void)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{ 0, 0x7f },			      /* no magic */
		{ 2, 2 },			      /* version */
		{ BTF_HEADER_LEN + 7, BTF_KIND_END }, /* kind */
		{ BTF_HEADER_LEN + 7, 0 },
	};
	struct mvmi_types *types = NULL;
	struct mvmi_error err;
	struct blob b;

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct mvmi_bytes src = blob_nodes(&b);

		b.raw[changes[i].at] = changes[i].value;
		CHECK(btf_parse(src, &types, &err) == MVMI_ERR_UNSUPPORTED);
	}
	CHECK(strstr(err.msg, "type 1") && strstr(err.msg, "kind"));
	(void)blob_nodes(&b);
	CHECK(btf_has_magic((struct mvmi_bytes){ b.raw, 2 }));
	put(b.raw, 0xeb9f0100);
	b.raw[0] = 0xeb;
	b.raw[1] = 0x9f;
	CHECK(!btf_has_magic((struct mvmi_bytes){ b.raw, 2 }));
	CHECK(!btf_has_magic((struct mvmi_bytes){ b.raw, 1 }));
	CHECK(btf_parse((struct mvmi_bytes){ b.raw, b.len }, &types, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "big-endian"));
}

/** Whether BTF with one word of the header replaced is corrupt. */
static bool header_is_refused(size_t at, uint32_t value)
{
	struct mvmi_types *types = NULL;
	struct blob b;
	struct mvmi_bytes src = blob_nodes(&b);

	put(b.raw + at, value);
	return btf_parse(src, &types, NULL) == MVMI_ERR_CORRUPT && !types;
}

static void a_lying_header_is_corrupt(void)
{
	for (size_t at = 4; at < BTF_HEADER_LEN; at += 4) {
		CHECK(header_is_refused(at, 0x7fffffff));
		CHECK(header_is_refused(at, 0xfffffffc));
		CHECK(header_is_refused(at, 0xffffffff));
	}
	CHECK(header_is_refused(4, 20)); /* too short a header */
}

static void strings_end_and_begin_empty(void)
{
	struct mvmi_types *types = NULL;
	struct blob b;
	struct mvmi_bytes src = blob_nodes(&b);

	b.raw[b.len - 1] = 'x';
	CHECK(btf_parse(src, &types, NULL) == MVMI_ERR_CORRUPT);
	src = blob_nodes(&b);
	b.raw[b.len - sizeof(STRINGS)] = 'x';
	CHECK(btf_parse(src, &types, NULL) == MVMI_ERR_CORRUPT);
	src = blob_nodes(&b);
	put(b.raw + 20, 0);
	CHECK(btf_parse(src, &types, NULL) == MVMI_ERR_CORRUPT);
}

static void a_name_without_end_is_a_limit(void)
{
	struct mvmi_types *types = NULL;
	struct mvmi_type t;
	struct blob b;
	struct mvmi_bytes src = blob_nodes(&b);

	/* The last string, "blue", grows. */
	memset(b.raw + b.len - 1, 'x', BTF_NAME_MAX - 5);
	src.len += BTF_NAME_MAX - 5;
	put(b.raw + 20, (uint32_t)sizeof(STRINGS) + BTF_NAME_MAX - 5);
	CHECK(btf_parse(src, &types, NULL) == MVMI_OK);
	CHECK(mvmi_types_find(types, "node", &t));
	mvmi_types_destroy(types);

	types = NULL;
	memset(b.raw + b.len - 1, 'x', (size_t)2 * BTF_NAME_MAX);
	src.len += (size_t)2 * BTF_NAME_MAX;
	b.raw[src.len - 1] = '\0';
	put(b.raw + 20, (uint32_t)sizeof(STRINGS) + 3 * BTF_NAME_MAX - 5);
	CHECK(btf_parse(src, &types, NULL) == MVMI_ERR_LIMIT && !types);
}

static void a_vlen_past_the_end_is_corrupt(void)
{
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_STRUCT, 0xffff), 4));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_STRUCT, 2), 4,
		      STR_NEXT, 0, 0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_INT, INFO(BTF_INT, 0), 4));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_ARRAY, 0), 0, 0, 0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_PTR, 0)));
}

static void a_name_past_the_strings_is_corrupt(void)
{
	CHECK(!REFUSED(MVMI_ERR_CORRUPT, STR_END - 1, INFO(BTF_STRUCT, 0), 4));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_END, INFO(BTF_STRUCT, 0), 4));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_STRUCT, 1), 4,
		      0xffffffff, 0, 0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_ENUM, 1), 4, 0x7fffffff,
		      0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_ENUM64, 1), 8, STR_END, 0,
		      0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_FUNC_PROTO, 1), 0, STR_END,
		      0));
}

static void a_type_that_is_not_there_is_corrupt(void)
{
	CHECK(!REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_PTR, 0), 1));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_PTR, 0), 2));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_INT, INFO(BTF_TYPEDEF, 0),
		      0xffffffff));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_STRUCT, 1), 4, 0, 2,
		      0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_ARRAY, 0), 0, 2, 1, 1));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_ARRAY, 0), 0, 1, 2, 1));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, 0, INFO(BTF_FUNC_PROTO, 1), 0, 0, 9));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_DATASEC, 1), 4, 9, 0,
		      0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_VAR, 0), 9, 0));
	CHECK(REFUSED(MVMI_ERR_CORRUPT, STR_NODE, INFO(BTF_DECL_TAG, 0), 9, 0));
}

static void destroying_nothing_is_a_no_op(void)
{
	mvmi_types_destroy(NULL);
}

TESTS(T(a_struct_has_its_members), T(an_enum_has_its_constants),
      T(every_kind_is_read), T(bit_fields_before_5_1_are_special_integers),
      T(a_longer_header_is_honoured),
      T(module_types_go_on_where_the_kernels_end),
      T(every_truncation_is_an_error), T(what_is_not_btf_is_unsupported),
      T(a_lying_header_is_corrupt), T(strings_end_and_begin_empty),
      T(a_name_without_end_is_a_limit), T(a_vlen_past_the_end_is_corrupt),
      T(a_name_past_the_strings_is_corrupt),
      T(a_type_that_is_not_there_is_corrupt), T(destroying_nothing_is_a_no_op))
