/* SPDX-License-Identifier: MIT */
/* Types as a program sees them: by name, by path, and as C. */
#include <microvmi/symbols.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "harness.h"
#include "symbols/btf_builder.h"

/* What the builder was given, for the tests below to name. */
struct world {
	struct mvmi_types *types;
	uint32_t int_;
	uint32_t char_;
	uint32_t uint;
	uint32_t list;
	uint32_t task;
};

static struct mvmi_types *finish(struct btf_builder *b)
{
	struct mvmi_types *types = NULL;
	enum mvmi_status status = btf_builder_finish(b, &types, NULL);

	btf_builder_destroy(b);
	CHECK(status == MVMI_OK && types);
	return types;
}

/** A task, with everything that a kernel's has. */
static struct world world_make(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t inner = btf_builder_reserve(b);
	uint32_t outer = btf_builder_reserve(b);
	uint32_t list_ptr;
	uint32_t links;
	uint32_t mem;
	struct world w;

	w.list = btf_builder_reserve(b);
	w.int_ = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	w.char_ = btf_builder_int(b, 0, "char", 1, BTF_INT_SIGNED);
	w.uint = btf_builder_int(b, 0, "unsigned int", 4, 0);
	list_ptr = btf_builder_pointer(b, 0, w.list);
	btf_builder_struct(b, w.list, "list_head", 16);
	btf_builder_member(b, "next", list_ptr, 0, 0);
	btf_builder_member(b, "prev", list_ptr, 64, 0);

	btf_builder_union(b, inner, "", 8);
	btf_builder_member(b, "pid", w.int_, 0, 0);
	btf_builder_member(b, "raw", w.uint, 0, 0);
	btf_builder_struct(b, outer, NULL, 16);
	btf_builder_member(b, "first", w.uint, 0, 0);
	btf_builder_member(b, "", inner, 64, 0);

	links = btf_builder_array(b, 0, w.list, 0);
	mem = btf_builder_struct(b, 0, "module_memory", 24);
	btf_builder_member(b, "base", list_ptr, 0, 0);
	btf_builder_member(b, "links", links, 64, 0);
	w.task = btf_builder_reserve(b);
	mem = btf_builder_array(b, 0, mem, 7);
	w.char_ = btf_builder_array(b, 0, w.char_, 16);
	outer = btf_builder_modifier(b, 0, BTF_CONST, NULL, outer);
	outer = btf_builder_modifier(b, 0, BTF_TYPEDEF, "outer_t", outer);
	btf_builder_struct(b, w.task, "task_struct", 256);
	btf_builder_member(b, "comm", w.char_, 0, 0);
	btf_builder_member(b, "", outer, 128, 0);
	btf_builder_member(b, "tasks", w.list, 256, 0);
	btf_builder_member(b, "mem", mem, 384, 0);
	btf_builder_member(b, "on_rq", w.uint, 1728 + 35, 2);
	w.types = finish(b);
	return w;
}

struct want {
	const char *path;
	uint64_t offset;
	uint64_t size;
};

static void paths_lead_through_anonymous_members_and_arrays(void)
{
	static const struct want wants[] = {
		{ "comm", 0, 16 },
		{ "comm[3]", 3, 1 },
		{ "first", 16, 4 },
		{ "pid", 24, 4 },
		{ "raw", 24, 4 },
		{ "tasks", 32, 16 },
		{ "tasks.prev", 40, 8 },
		{ "mem", 48, 168 },
		{ "mem[2].base", 96, 8 },
		{ "mem[6]", 192, 24 },
		{ "mem[1].links", 80, 0 },
		{ "mem[1].links[0].prev", 88, 8 },
		{ "mem[0].links[9]", 200, 16 },
	};
	struct world w = world_make();
	struct mvmi_error err;

	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		struct mvmi_field f = { 0 };

		CHECK(mvmi_types_field(w.types, "struct task_struct",
				       wants[i].path, &f, &err) == MVMI_OK);
		CHECK(f.offset == wants[i].offset);
		CHECK(f.size == wants[i].size);
		CHECK(f.bit_size == 0 && f.bit_offset == 0);
	}
	mvmi_types_destroy(w.types);
}

static void a_bit_field_lies_in_its_declared_type(void)
{
	struct world w = world_make();
	struct mvmi_field f;

	CHECK(mvmi_types_field(w.types, "task_struct", "on_rq", &f, NULL) ==
	      MVMI_OK);
	CHECK(f.offset == 220 && f.size == 4 && f.type == w.uint);
	CHECK(f.bit_offset == 3 && f.bit_size == 2);
	mvmi_types_destroy(w.types);
}

static void a_packed_bit_field_is_counted_from_its_byte(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t u = btf_builder_int(b, 0, "u32", 4, 0);
	struct mvmi_types *types;
	struct mvmi_field f;

	btf_builder_struct(b, 0, "packed", 5);
	btf_builder_member(b, "head", u, 0, 27);
	btf_builder_member(b, "tail", u, 27, 13);
	types = finish(b);
	CHECK(mvmi_types_field(types, "packed", "tail", &f, NULL) == MVMI_OK);
	CHECK(f.offset == 3 && f.bit_offset == 3 && f.bit_size == 13);
	mvmi_types_destroy(types);
}

static void a_path_that_leads_nowhere_says_where_it_ended(void)
{
	static const struct {
		const char *type;
		const char *path;
		const char *says;
	} wants[] = {
		{ "nothing", "x", "'nothing'" },
		{ "union task_struct", "comm", "'union task_struct'" },
		{ "task_struct", "", "''" },
		{ "task_struct", "nope", "'nope'" },
		{ "task_struct", "com", "'com'" },
		{ "task_struct", "tasks.nope", "'tasks.nope'" },
		{ "task_struct", "tasks.", "'tasks.'" },
		{ "task_struct", "tasks..next", "'tasks.'" },
		{ "task_struct", "tasks.next.prev", "tasks.next is a pointer" },
		{ "task_struct", "pid.x", "'pid.x'" },
		{ "task_struct", "pid[0]", "task_struct.pid is no array" },
		{ "task_struct", "[0]", "no array" },
		{ "task_struct", "mem[7]", "7 elements" },
		{ "task_struct", "mem[]", "not a number" },
		{ "task_struct", "mem[-1]", "not a number" },
		{ "task_struct", "mem[1", "no end" },
		{ "task_struct", "mem[99999999999999999999]", "no sense" },
		{ "task_struct", "mem[1]base", "not a path" },
	};
	struct world w = world_make();

	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		struct mvmi_field f = { .offset = 77 };
		struct mvmi_error err = { 0 };

		CHECK(mvmi_types_field(w.types, wants[i].type, wants[i].path,
				       &f, &err) == MVMI_ERR_UNSUPPORTED);
		CHECK(strstr(err.msg, wants[i].says));
		CHECK(f.offset == 77);
	}
	mvmi_types_destroy(w.types);
}

static void a_name_is_found_as_any_kind_or_as_one(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t u = btf_builder_int(b, 0, "u8", 1, 0);
	uint32_t fwd = btf_builder_forward(b, 0, "thing", false);
	uint32_t alias = btf_builder_modifier(b, 0, BTF_TYPEDEF, "thing", fwd);
	uint32_t un = btf_builder_union(b, 0, "thing", 1);
	uint32_t st;
	uint32_t en;
	struct mvmi_types *types;
	struct mvmi_type t;

	btf_builder_member(b, "x", u, 0, 0);
	st = btf_builder_struct(b, 0, "thing", 1);
	btf_builder_member(b, "x", u, 0, 0);
	en = btf_builder_enum(b, 0, "thing", 8, true);
	btf_builder_enumerator(b, "X", UINT64_MAX);
	btf_builder_forward(b, 0, "other", true);
	types = finish(b);
	CHECK(mvmi_types_find(types, "struct thing", &t) && t.id == st);
	CHECK(mvmi_types_find(types, "union thing", &t) && t.id == un);
	CHECK(mvmi_types_find(types, "enum thing", &t) && t.id == en);
	CHECK(t.is_signed && t.size == 8 && t.count == 1);
	CHECK(mvmi_types_find(types, "thing", &t) && t.id == un);
	CHECK(mvmi_types_find(types, "u8", &t) && t.id == u);
	CHECK(!mvmi_types_find(types, "struct u8", &t));
	CHECK(!mvmi_types_find(types, "", &t));
	CHECK(!mvmi_types_find(types, "struct ", &t));
	CHECK(mvmi_types_find(types, "union other", &t) && t.is_union);
	CHECK(t.kind == MVMI_TYPE_FORWARD);
	CHECK(!mvmi_types_find(types, "struct other", &t));
	CHECK(mvmi_types_get(types, alias, &t) && t.target == fwd);
	mvmi_types_destroy(types);
}

/** A struct of n ints a, b, c... */
static uint32_t add_struct(struct btf_builder *b, const char *name, unsigned n)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	uint32_t u = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	uint32_t id = btf_builder_struct(b, 0, name, (uint64_t)n * 4);

	for (unsigned i = 0; i < n; i++)
		btf_builder_member(b, names[i], u, (uint64_t)i * 32, 0);
	return id;
}

static void the_first_definition_with_members_is_meant(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types;
	struct mvmi_type t;
	uint32_t first;

	(void)add_struct(b, "console", 0);
	first = add_struct(b, "console", 1);
	(void)add_struct(b, "console", 2);
	types = finish(b);
	CHECK(mvmi_types_find(types, "console", &t) && t.id == first);
	mvmi_types_destroy(types);
}

static void the_definition_that_tasks_lead_to_is_meant(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types;
	struct mvmi_type t;
	uint32_t mid;
	uint32_t far;
	uint32_t near;

	(void)add_struct(b, "console", 1);
	far = btf_builder_pointer(b, 0, add_struct(b, "console", 3));
	near = add_struct(b, "console", 2);
	mid = btf_builder_struct(b, 0, "mid", 8);
	btf_builder_member(b, "far", far, 0, 0);
	far = btf_builder_pointer(b, 0, near);
	mid = btf_builder_pointer(b, 0, mid);
	btf_builder_struct(b, 0, "task_struct", 16);
	btf_builder_member(b, "mid", mid, 0, 0);
	btf_builder_member(b, "console", far, 64, 0);
	types = finish(b);
	CHECK(mvmi_types_find(types, "console", &t) && t.id == near);
	mvmi_types_destroy(types);
}

static void loops_of_types_have_no_size(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t loop = btf_builder_reserve(b);
	uint32_t array = btf_builder_reserve(b);
	struct mvmi_types *types;
	struct mvmi_field f;
	struct mvmi_type t;
	uint32_t link;

	link = btf_builder_modifier(b, 0, BTF_CONST, NULL, loop);
	btf_builder_modifier(b, loop, BTF_TYPEDEF, "loop", link);
	btf_builder_array(b, array, array, 1);
	btf_builder_modifier(b, 0, BTF_TYPEDEF, "array", array);
	types = finish(b);
	CHECK(mvmi_types_resolve(types, loop) == 0);
	CHECK(mvmi_types_get(types, loop, &t) && t.size == 0);
	CHECK(mvmi_types_get(types, array, &t) && t.size == 0);
	CHECK(mvmi_types_field(types, "loop", "x", &f, NULL) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_types_field(types, "array", "[0][0][0]", &f, NULL) ==
	      MVMI_OK);
	CHECK(f.offset == 0 && f.size == 0);
	mvmi_types_destroy(types);
}

static void an_array_larger_than_memory_has_no_size(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t u = btf_builder_int(b, 0, "u64", 8, 0);
	uint32_t array = btf_builder_array(b, 0, u, UINT32_MAX);
	struct mvmi_types *types;
	struct mvmi_field f;
	struct mvmi_type t;

	array = btf_builder_array(b, 0, array, 1u << 29);
	btf_builder_modifier(b, 0, BTF_TYPEDEF, "fits", array);
	array = btf_builder_array(b, 0, array, 16);
	btf_builder_modifier(b, 0, BTF_TYPEDEF, "huge", array);
	types = finish(b);
	CHECK(mvmi_types_find(types, "fits", &t));
	CHECK(t.size == (uint64_t)UINT32_MAX << 32);
	CHECK(mvmi_types_find(types, "huge", &t) && t.size == 0);
	CHECK(mvmi_types_field(types, "fits", "[1]", &f, NULL) == MVMI_OK);
	CHECK(f.offset == (uint64_t)UINT32_MAX * 8);
	CHECK(mvmi_types_field(types, "fits", "[536870911]", &f, NULL) ==
	      MVMI_ERR_CORRUPT);
	mvmi_types_destroy(types);
}

static void anonymous_members_without_end_are_given_up(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t self = btf_builder_reserve(b);
	uint32_t level = btf_builder_reserve(b);
	struct mvmi_types *types;
	struct mvmi_field f;

	btf_builder_struct(b, self, "self", 8);
	btf_builder_member(b, "", self, 0, 0);
	/* 30 levels of two: 2^30 ways to nowhere. */
	for (unsigned i = 0; i < 30; i++) {
		uint32_t next = btf_builder_reserve(b);

		btf_builder_union(b, level, i == 0 ? "tree" : "", 8);
		btf_builder_member(b, "", next, 0, 0);
		btf_builder_member(b, "", next, 0, 0);
		level = next;
	}
	btf_builder_union(b, level, "", 8);
	types = finish(b);
	CHECK(mvmi_types_field(types, "self", "x", &f, NULL) == MVMI_ERR_LIMIT);
	CHECK(mvmi_types_field(types, "tree", "x", &f, NULL) == MVMI_ERR_LIMIT);
	mvmi_types_destroy(types);
}

static void names_that_collide_cost_no_more_than_a_walk(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types;
	struct mvmi_type t;

	for (unsigned i = 0; i < 20000; i++) {
		btf_builder_struct(b, 0, "same", 4);
		btf_builder_member(b, "x", 0, 0, 0);
	}
	types = finish(b);
	CHECK(mvmi_types_find(types, "same", &t) && t.id == 1);
	mvmi_types_destroy(types);
}

static void what_btf_cannot_say_is_a_limit(void)
{
	struct mvmi_types *types = NULL;
	struct mvmi_error err;
	struct btf_builder *b = btf_builder_create();

	btf_builder_struct(b, 0, "huge", UINT64_C(1) << 32);
	CHECK(btf_builder_reserve(b) == 0);
	btf_builder_member(b, "x", 0, 0, 0);
	CHECK(btf_builder_finish(b, &types, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "type 1: "));
	btf_builder_destroy(b);

	b = btf_builder_create();
	btf_builder_enum(b, 0, "wide", 4, false);
	for (unsigned i = 0; i < 65536; i++)
		btf_builder_enumerator(b, "X", i);
	CHECK(btf_builder_finish(b, &types, &err) == MVMI_ERR_LIMIT);
	btf_builder_destroy(b);

	b = btf_builder_create();
	btf_builder_struct(b, 0, "fields", 1u << 30);
	btf_builder_member(b, "far", 0, UINT64_C(1) << 24, 0);
	btf_builder_member(b, "bit", 0, 0, 1);
	CHECK(btf_builder_finish(b, &types, &err) == MVMI_ERR_LIMIT);
	btf_builder_destroy(b);
	CHECK(!types);
}

static void what_was_never_defined_is_corrupt(void)
{
	struct mvmi_types *types = NULL;
	struct mvmi_error err;
	struct btf_builder *b = btf_builder_create();
	uint32_t id = btf_builder_reserve(b);

	btf_builder_pointer(b, 0, id);
	CHECK(btf_builder_finish(b, &types, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "type 1 "));
	btf_builder_pointer(b, id, 99); /* no such target */
	CHECK(btf_builder_finish(b, &types, &err) == MVMI_ERR_CORRUPT);
	btf_builder_pointer(b, id, 0); /* twice */
	CHECK(btf_builder_finish(b, &types, &err) == MVMI_ERR_CORRUPT);
	CHECK(!types);
	btf_builder_destroy(b);
	CHECK(btf_builder_finish(NULL, &types, &err) == MVMI_ERR_NOMEM);
	btf_builder_destroy(NULL);
}

static void a_name_is_stored_once(void)
{
	struct btf_builder *b = btf_builder_create();
	struct mvmi_types *types;
	char name[16];

	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(name, sizeof(name), "name%u", i % 2000);
		btf_builder_forward(b, 0, name, false);
	}
	types = finish(b);
	/* "name" and 1 to 4 digits, 2000 times; 10000 records of 12. */
	CHECK(btf_blob(types).len ==
	      BTF_HEADER_LEN + 120000 + 1 + 2000 * 5 + 10 + 180 + 2700 + 4000);
	mvmi_types_destroy(types);
}

/** Whether a declaration is written so, also into little room. */
static bool declares(const struct mvmi_types *types, uint32_t id,
		     const char *name, const char *want)
{
	size_t len = strlen(want);
	char buf[256];
	char few[8];

	if (mvmi_types_declare(types, id, name, buf, sizeof(buf)) != len ||
	    strcmp(buf, want) != 0) {
		printf("# %s\n", buf);
		return false;
	}
	return mvmi_types_declare(types, id, name, few, sizeof(few)) == len &&
	       strncmp(few, want, sizeof(few) - 1) == 0 &&
	       strlen(few) == MIN(len, sizeof(few) - 1) &&
	       mvmi_types_declare(types, id, name, NULL, 0) == len;
}

static void a_name_that_is_too_long_is_left_out(void)
{
	struct btf_builder *b = btf_builder_create();
	static char name[BTF_NAME_MAX + 1];
	struct mvmi_types *types;
	struct mvmi_type t;

	memset(name, 'x', BTF_NAME_MAX);
	btf_builder_forward(b, 0, name, false);
	btf_builder_forward(b, 0, name + 1, false);
	types = finish(b);
	CHECK(mvmi_types_get(types, 1, &t) && t.name[0] == '\0');
	CHECK(mvmi_types_get(types, 2, &t) && strcmp(t.name, name + 1) == 0);
	mvmi_types_destroy(types);
}

static void declarations_are_written_as_in_c(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t i = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	uint32_t list = btf_builder_struct(b, 0, "list_head", 0);
	uint32_t ptr = btf_builder_pointer(b, 0, list);
	uint32_t ptrs = btf_builder_array(b, 0, ptr, 4);
	uint32_t grid = btf_builder_array(b, 0, i, 3);
	uint32_t flex = btf_builder_array(b, 0, i, 0);
	uint32_t to_grid = btf_builder_pointer(b, 0, grid);
	uint32_t rows = btf_builder_array(b, 0, grid, 2);
	uint32_t c = btf_builder_modifier(b, 0, BTF_CONST, NULL, i);
	uint32_t cv = btf_builder_modifier(b, 0, BTF_VOLATILE, NULL, c);
	uint32_t cp = btf_builder_pointer(b, 0, c);
	uint32_t cpc = btf_builder_modifier(b, 0, BTF_CONST, NULL, cp);
	uint32_t cpcr = btf_builder_modifier(b, 0, BTF_RESTRICT, NULL, cpc);
	uint32_t cpcp = btf_builder_pointer(b, 0, cpc);
	uint32_t cptrs = btf_builder_modifier(b, 0, BTF_CONST, NULL, ptrs);
	uint32_t consts = btf_builder_array(b, 0, c, 2);
	uint32_t cconsts = btf_builder_modifier(b, 0, BTF_CONST, NULL, consts);
	uint32_t td = btf_builder_modifier(b, 0, BTF_TYPEDEF, "t_t", cp);
	uint32_t none = btf_builder_prototype(b, 0, 0);
	uint32_t pnone = btf_builder_pointer(b, 0, none);
	uint32_t table = btf_builder_array(b, 0, pnone, 8);
	uint32_t anon = btf_builder_union(b, 0, "", 0);
	uint32_t en = btf_builder_enum(b, 0, "color", 4, false);
	uint32_t fwd = btf_builder_forward(b, 0, "far", true);
	uint32_t args = btf_builder_prototype(b, 0, ptr);
	uint32_t hook;
	uint32_t getter;
	struct mvmi_types *types;

	btf_builder_parameter(b, "", pnone);
	btf_builder_parameter(b, "n", c);
	btf_builder_parameter(b, "", 0);
	hook = btf_builder_pointer(b, 0, btf_builder_pointer(b, 0, args));
	/* A function that returns a pointer to an array. */
	getter =
		btf_builder_pointer(b, 0, btf_builder_prototype(b, 0, to_grid));
	types = finish(b);
	CHECK(declares(types, 0, "x", "void x"));
	CHECK(declares(types, 999, "", "void"));
	CHECK(declares(types, i, "", "int"));
	CHECK(declares(types, ptrs, "next", "struct list_head *next[4]"));
	CHECK(declares(types, ptrs, "", "struct list_head *[4]"));
	CHECK(declares(types, rows, "m", "int m[2][3]"));
	CHECK(declares(types, rows, "", "int[2][3]"));
	CHECK(declares(types, to_grid, "g", "int (*g)[3]"));
	CHECK(declares(types, cv, "x", "const volatile int x"));
	CHECK(declares(types, cp, "p", "const int *p"));
	CHECK(declares(types, cpc, "p", "const int *const p"));
	CHECK(declares(types, cpcr, "p", "const int *const restrict p"));
	CHECK(declares(types, cpcp, "p", "const int *const *p"));
	CHECK(declares(types, cpc, "", "const int *const"));
	CHECK(declares(types, cptrs, "a", "struct list_head *const a[4]"));
	CHECK(declares(types, cconsts, "a", "const int a[2]"));
	CHECK(declares(types, flex, "rest", "int rest[]"));
	CHECK(declares(types, td, "x", "t_t x"));
	CHECK(declares(types, none, "f", "void f(void)"));
	CHECK(declares(types, pnone, "", "void (*)(void)"));
	CHECK(declares(types, table, "t", "void (*t[8])(void)"));
	CHECK(declares(types, anon, "u", "union {...} u"));
	CHECK(declares(types, en, "e", "enum color e"));
	CHECK(declares(types, fwd, "", "union far"));
	CHECK(declares(types, hook, "h",
		       "struct list_head *(**h)(void (*)(void), const int n, "
		       "...)"));
	CHECK(declares(types, getter, "get", "int (*(*get)(void))[3]"));
	mvmi_types_destroy(types);
}

static void a_declaration_without_end_is_cut(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t loop = btf_builder_reserve(b);
	uint32_t fn = btf_builder_reserve(b);
	uint32_t ptr;
	struct mvmi_types *types;
	char buf[256];

	btf_builder_pointer(b, loop, loop);
	ptr = btf_builder_pointer(b, 0, fn);
	btf_builder_prototype(b, fn, 0);
	for (unsigned i = 0; i < 60000; i++)
		btf_builder_parameter(b, "callback", ptr);
	types = finish(b);
	CHECK(mvmi_types_declare(types, loop, "p", buf, sizeof(buf)) < 80);
	CHECK(strncmp(buf, "... ***", 7) == 0);
	CHECK(mvmi_types_declare(types, fn, "f", buf, sizeof(buf)) < 100000);
	CHECK(strlen(buf) == sizeof(buf) - 1);
	mvmi_types_destroy(types);
}

TESTS(T(paths_lead_through_anonymous_members_and_arrays),
      T(a_bit_field_lies_in_its_declared_type),
      T(a_packed_bit_field_is_counted_from_its_byte),
      T(a_path_that_leads_nowhere_says_where_it_ended),
      T(a_name_is_found_as_any_kind_or_as_one),
      T(the_first_definition_with_members_is_meant),
      T(the_definition_that_tasks_lead_to_is_meant),
      T(loops_of_types_have_no_size),
      T(an_array_larger_than_memory_has_no_size),
      T(anonymous_members_without_end_are_given_up),
      T(names_that_collide_cost_no_more_than_a_walk),
      T(what_btf_cannot_say_is_a_limit), T(what_was_never_defined_is_corrupt),
      T(a_name_is_stored_once), T(a_name_that_is_too_long_is_left_out),
      T(declarations_are_written_as_in_c), T(a_declaration_without_end_is_cut))
