/* SPDX-License-Identifier: MIT */
/* ISF: as other tools write it, and there and back by ourselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "symbols/btf_builder.h"
#include "symbols/isf.h"
#include "symbols/jsonpull.h"
#include "symbols/table.h"

/** As dwarf2json lays it out, with escapes and members out of order. */
static const char foreign[] =
	"{\n"
	" \"metadata\": {\"linux\": {}, \"format\": \"6.2.0\"},\n"
	" \"base_types\": {\n"
	"  \"int\": {\"size\": 4, \"signed\": true, \"kind\": \"int\","
	"   \"endian\": \"little\"},\n"
	"  \"char\": {\"size\": 1, \"signed\": true, \"kind\": \"char\","
	"   \"endian\": \"little\"},\n"
	"  \"pointer\": {\"size\": 8, \"signed\": false, \"kind\": \"int\","
	"   \"endian\": \"little\"}},\n"
	" \"user_types\": {\n"
	"  \"unnamed_1\": {\"size\": 4, \"kind\": \"union\", \"fields\": {\n"
	"   \"inner\": {\"type\": {\"kind\": \"base\", \"name\": \"int\"},"
	"    \"offset\": 0}}},\n"
	"  \"node\": {\"size\": 40, \"fields\": {\n"
	"   \"flags\": {\"offset\": 8, \"type\": {\"kind\": \"bitfield\","
	"    \"bit_position\": 3, \"bit_length\": 5, \"type\":"
	"    {\"kind\": \"base\", \"name\": \"int\"}}},\n"
	"   \"next\": {\"offset\": 0, \"type\": {\"kind\": \"pointer\","
	"    \"subtype\": {\"kind\": \"struct\", \"name\": \"node\"}}},\n"
	"   \"unnamed_field_c\": {\"anonymous\": true, \"offset\": 12,"
	"    \"type\": {\"kind\": \"union\", \"name\": \"unnamed_1\"}},\n"
	"   \"na\\u006de\": {\"offset\": 16, \"type\": {\"kind\": \"array\","
	"    \"count\": 16, \"subtype\": {\"kind\": \"base\","
	"    \"name\": \"char\"}}},\n"
	"   \"call\": {\"offset\": 32, \"type\": {\"subtype\":"
	"    {\"kind\": \"function\"}, \"kind\": \"pointer\"}}\n"
	"  }, \"kind\": \"struct\"}},\n"
	" \"enums\": {\"mood\": {\"size\": 4, \"base\": \"int\","
	"  \"constants\": {\"SAD\": -1, \"GLAD\": 1}}},\n"
	" \"symbols\": {\n"
	"  \"first\": {\"address\": 18446744071578845184},\n"
	"  \"run\": {\"address\": 18446744071578845440,"
	"   \"type\": {\"kind\": \"function\"}},\n"
	"  \"cpu_number\": {\"address\": 90112}}\n"
	"}\n";

static struct mvmi_span copy_of(const char *text)
{
	struct mvmi_span copy = { malloc(strlen(text) + 1), strlen(text) };

	CHECK(copy.ptr);
	memcpy(copy.ptr, text, copy.len);
	return copy;
}

static enum mvmi_status
load_types(const char *text, struct mvmi_types **ret, struct mvmi_error *err)
{
	struct mvmi_span copy = copy_of(text);
	enum mvmi_status status = isf_load_types(copy, ret, err);

	free(copy.ptr);
	return status;
}

static enum mvmi_status
load_symbols(const char *text, uint64_t bias, struct mvmi_symbols **ret,
	     struct mvmi_error *err)
{
	struct mvmi_span copy = copy_of(text);
	enum mvmi_status status = isf_load_symbols(copy, bias, ret, err);

	free(copy.ptr);
	return status;
}

static struct mvmi_field
field_of(const struct mvmi_types *types, const char *type, const char *path)
{
	struct mvmi_field field;

	CHECK(mvmi_types_field(types, type, path, &field, NULL) == MVMI_OK);
	return field;
}

static void types_of_other_tools_are_read(void)
{
	struct mvmi_types *types = NULL;
	struct mvmi_member member;
	struct mvmi_field field;
	struct mvmi_type type;
	uint64_t value;

	CHECK(load_types(foreign, &types, NULL) == MVMI_OK);
	CHECK(mvmi_types_find(types, "struct node", &type));
	CHECK(type.size == 40 && type.count == 5);
	/* In memory's order, not the file's. */
	CHECK(mvmi_types_member(types, type.id, 0, &member));
	CHECK(strcmp(member.name, "next") == 0);
	field = field_of(types, "struct node", "flags");
	CHECK(field.offset * 8 + field.bit_offset == 8 * 8 + 3 &&
	      field.bit_size == 5);
	CHECK(field_of(types, "struct node", "inner").offset == 12);
	CHECK(field_of(types, "struct node", "name[3]").offset == 19);
	CHECK(field_of(types, "struct node", "call").size == 8);
	CHECK(mvmi_types_find_enumerator(types, "SAD", &value) &&
	      value == UINT64_MAX);
	CHECK(mvmi_types_find_enumerator(types, "GLAD", &value) && value == 1);
	mvmi_types_destroy(types);
}

static void symbols_beyond_2_63_are_exact(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_symbol sym;

	CHECK(load_symbols(foreign, 0x1000000, &symbols, NULL) == MVMI_OK);
	CHECK(mvmi_symbols_count(symbols) == 3);
	CHECK(mvmi_symbols_find(symbols, "first", &sym));
	CHECK(sym.addr == 0xffffffff82000000);
	CHECK(mvmi_symbols_find(symbols, "run", &sym));
	CHECK(sym.addr == 0xffffffff82000100 && sym.type == 'T');
	/* An offset in the per-CPU area, which no bias moves. */
	CHECK(mvmi_symbols_find(symbols, "cpu_number", &sym));
	CHECK(sym.addr == 90112 && sym.type == 'A');
	mvmi_symbols_destroy(symbols);
}

struct sink {
	char *text; /**< owned, ends with a NUL */
	size_t len;
	size_t limit; /**< ends the writing when it is reached */
};

static bool write_sink(struct mvmi_bytes text, void *arg)
{
	struct sink *sink = arg;
	char *grown = realloc(sink->text, sink->len + text.len + 1);

	if (!grown)
		return false;
	memcpy(grown + sink->len, text.ptr, text.len);
	sink->text = grown;
	sink->len += text.len;
	sink->text[sink->len] = '\0';
	return sink->len < sink->limit;
}

static struct mvmi_types *make_types(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types = NULL;
	uint32_t number = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	uint32_t letter = btf_builder_int(b, 0, "char", 1, BTF_INT_SIGNED);
	uint32_t task = btf_builder_reserve(b);
	uint32_t nameless = btf_builder_reserve(b);
	uint32_t pointer = btf_builder_pointer(b, 0, task);
	uint32_t array = btf_builder_array(b, 0, pointer, 3);
	uint32_t matrix = btf_builder_array(b, 0, array, 2);
	uint32_t alias =
		btf_builder_modifier(b, 0, BTF_TYPEDEF, "atomic_t", nameless);
	uint32_t mystery = btf_builder_pointer(
		b, 0, btf_builder_forward(b, 0, "mystery", false));
	uint32_t word = btf_builder_modifier(b, 0, BTF_CONST, NULL,
					     btf_builder_pointer(b, 0, letter));

	(void)btf_builder_struct(b, nameless, "", 4);
	btf_builder_member(b, "counter", number, 0, 0);
	(void)btf_builder_struct(b, task, "task_struct", 96);
	btf_builder_member(b, "pid", number, 0, 0);
	btf_builder_member(b, "low", number, 32, 7);
	btf_builder_member(b, "high", number, 39, 25);
	btf_builder_member(b, "matrix", matrix, 64, 0);
	btf_builder_member(b, "usage", alias, 448, 0);
	btf_builder_member(b, "", nameless, 480, 0);
	btf_builder_member(b, "rest", mystery, 512, 0);
	btf_builder_member(b, "comm", word, 576, 0);
	(void)btf_builder_enum(b, 0, "state", 8, false);
	btf_builder_enumerator(b, "HUGE_STATE", UINT64_MAX);
	(void)btf_builder_enum(b, 0, "", 4, true);
	btf_builder_enumerator(b, "MINUS", (uint64_t)-5);
	CHECK(btf_builder_finish(b, &types, NULL) == MVMI_OK);
	btf_builder_destroy(b);
	return types;
}

static void
add(struct symbols_builder *b, const char *name, uint64_t addr, char type)
{
	const struct symbols_new symbol = {
		.name = { (const uint8_t *)name, strlen(name) },
		.addr = addr,
		.type = type,
		.absolute = type == 'A',
	};

	CHECK(symbols_builder_add(b, &symbol, NULL) == MVMI_OK);
}

static struct mvmi_symbols *make_symbols(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols = NULL;

	add(&b, "same", 0xffffffff81000010, 't');
	add(&b, "init_task", 0xffffffff81000040, 'D');
	add(&b, "linux_banner", 0xffffffff81000030, 'R');
	add(&b, "same", 0xffffffff81000050, 'T');
	add(&b, "fixed", 0x1234, 'A');
	add(&b, "a\"b\\c\x01", 0xffffffff81000070, 'T');
	CHECK(symbols_builder_finish(&b, &symbols, NULL) == MVMI_OK);
	return symbols;
}

/** Write both tables, with a bias of 0x1000000 to take off. */
static struct sink write_isf(size_t limit, enum mvmi_status expected)
{
	struct mvmi_symbols *symbols = make_symbols();
	struct mvmi_types *types = make_types();
	struct sink sink = { .limit = limit };

	CHECK(mvmi_isf_write(symbols, types, 0x1000000, "Linux version 6.1\n",
			     write_sink, &sink, NULL) == expected);
	mvmi_symbols_destroy(symbols);
	mvmi_types_destroy(types);
	return sink;
}

static void check_same_field(const struct mvmi_types *a,
			     const struct mvmi_types *b, const char *path)
{
	struct mvmi_field fa = field_of(a, "struct task_struct", path);
	struct mvmi_field fb = field_of(b, "struct task_struct", path);
	char ta[100];
	char tb[100];

	CHECK(fa.offset == fb.offset && fa.size == fb.size);
	CHECK(fa.bit_offset == fb.bit_offset && fa.bit_size == fb.bit_size);
	(void)mvmi_types_declare(a, fa.type, "x", ta, sizeof(ta));
	(void)mvmi_types_declare(b, fb.type, "x", tb, sizeof(tb));
	if (strcmp(path, "usage") != 0 && strcmp(path, "comm") != 0)
		CHECK(strcmp(ta, tb) == 0);
}

static void types_come_back_as_they_were(void)
{
	static const char *const paths[] = {
		"pid",	 "low",	    "high", "matrix", "matrix[1][2]",
		"usage", "counter", "rest", "comm",   "usage.counter",
	};
	struct sink sink = write_isf(SIZE_MAX, MVMI_OK);
	struct mvmi_types *before = make_types();
	struct mvmi_types *after = NULL;
	struct mvmi_type type;
	uint64_t value;

	CHECK(load_types(sink.text, &after, NULL) == MVMI_OK);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check_same_field(before, after, paths[i]);
	/* What was a typedef of a struct without a name has its name now. */
	CHECK(mvmi_types_find(after, "atomic_t", &type) && type.size == 4);
	CHECK(mvmi_types_find_enumerator(after, "HUGE_STATE", &value));
	CHECK(value == UINT64_MAX);
	CHECK(mvmi_types_find_enumerator(after, "MINUS", &value));
	CHECK(value == (uint64_t)-5);
	mvmi_types_destroy(before);
	mvmi_types_destroy(after);
	free(sink.text);
}

static void symbols_come_back_without_their_bias(void)
{
	struct sink sink = write_isf(SIZE_MAX, MVMI_OK);
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_symbol sym;

	CHECK(load_symbols(sink.text, 0, &symbols, NULL) == MVMI_OK);
	CHECK(mvmi_symbols_count(symbols) == 5);
	/* Of two the global one. */
	CHECK(mvmi_symbols_find(symbols, "same", &sym));
	CHECK(sym.addr == 0xffffffff80000050);
	CHECK(mvmi_symbols_find(symbols, "fixed", &sym) && sym.addr == 0x1234);
	CHECK(mvmi_symbols_find(symbols, "a\"b\\c\x01", &sym));
	mvmi_symbols_destroy(symbols);
	/* What Volatility chooses a profile by, and where its plugins begin. */
	CHECK(strstr(sink.text, "\"constant_data\":\"TGludXggdmVyc2lvbiA2LjEK"
				"AA==\""));
	CHECK(strstr(sink.text,
		     "\"init_task\":{\"address\":18446744071562068032,"
		     "\"type\":{\"kind\":\"struct\","
		     "\"name\":\"task_struct\"}}"));
	free(sink.text);
}

static void writing_ends_when_its_receiver_says_so(void)
{
	struct sink sink = write_isf(1, MVMI_ERR_SYSTEM);

	free(sink.text);
}

static void what_contradicts_the_format_is_corrupt(void)
{
	static const char *const texts[] = {
		"{",
		"{}x",
		"{\"user_types\":[]}",
		"{\"user_types\":{\"a\":{\"size\":-1}}}",
		"{\"user_types\":{\"a\":{\"size\":1.5}}}",
		"{\"user_types\":{\"a\":{\"size\":99999999999999999999}}}",
		"{\"enums\":{\"a\":{\"constants\":{\"b\":\"c\"}}}}",
		("{\"user_types\":{\"a\":{\"fields\":{\"b\":{\"type\":"
		 "{\"kind\":\"odd\",\"name\":\"c\"}}}}}}"),
		("{\"user_types\":{\"a\":{\"fields\":{\"b\":{\"type\":"
		 "{\"kind\":\"struct\"}}}}}}"),
		"{\"a\\u0000\":1}",
		"{\"a\\x\":1}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,}",
		"{\"a\":[1,2}}",
		"{\"a\":nul}",
	};
	struct mvmi_error err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct mvmi_types *types = NULL;

		if (load_types(texts[i], &types, &err) != MVMI_ERR_CORRUPT)
			printf("# %s\n", texts[i]);
		CHECK(!types && err.status == MVMI_ERR_CORRUPT);
		CHECK(strstr(err.msg, "ISF: JSON at offset 0x"));
	}
}

static void what_is_nested_too_deep_is_corrupt(void)
{
	struct mvmi_types *types = NULL;
	char text[4096] =
		"{\"user_types\":{\"a\":{\"fields\":{\"b\":{\"type\":";
	struct mvmi_error err;

	for (int i = 0; i < 40; i++)
		(void)strncat(text, "{\"kind\":\"pointer\",\"subtype\":",
			      sizeof(text) - strlen(text) - 1);
	CHECK(load_types(text, &types, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "too deep"));
	memset(text, '[', sizeof(text) - 1);
	(void)memcpy(text, "{\"a\":", 5);
	text[sizeof(text) - 1] = '\0';
	CHECK(load_types(text, &types, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "too many containers"));
}

static void other_machines_are_unsupported(void)
{
	struct mvmi_types *types = NULL;
	struct mvmi_error err;

	CHECK(load_types("{\"base_types\":{\"pointer\":{\"size\":4}}}", &types,
			 &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "not 64-bit"));
	CHECK(load_types("{\"base_types\":{\"int\":{\"size\":4,"
			 "\"endian\":\"big\"}}}",
			 &types, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "big-endian"));
}

static void strings_are_decoded_where_they_are(void)
{
	char text[] = "{\"\\u00e9\\ud83d\\ude00\\n\":\"\\ud800\"}";
	struct json j = json_begin(
		(struct mvmi_span){ (uint8_t *)text, sizeof(text) - 1 });

	CHECK(json_enter(&j));
	CHECK(strcmp(json_key(&j), "\xc3\xa9\xf0\x9f\x98\x80\n") == 0);
	CHECK(strcmp(json_string(&j), "\xef\xbf\xbd") == 0);
	CHECK(!json_key(&j) && json_end(&j, NULL) == MVMI_OK);
}

TESTS(T(types_of_other_tools_are_read), T(symbols_beyond_2_63_are_exact),
      T(types_come_back_as_they_were), T(symbols_come_back_without_their_bias),
      T(writing_ends_when_its_receiver_says_so),
      T(what_contradicts_the_format_is_corrupt),
      T(what_is_nested_too_deep_is_corrupt), T(other_machines_are_unsupported),
      T(strings_are_decoded_where_they_are))
