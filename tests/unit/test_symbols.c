/* SPDX-License-Identifier: MIT */
/* Symbol tables: made in any order, found by name and by address. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "harness.h"
#include "symbols/sysmap.h"
#include "symbols/table.h"

static struct mvmi_bytes text_of(const char *text)
{
	return (struct mvmi_bytes){ (const uint8_t *)text, strlen(text) };
}

static void
add(struct symbols_builder *b, const char *name, uint64_t addr, char type)
{
	const struct symbols_new symbol = {
		.name = text_of(name),
		.addr = addr,
		.type = type,
		.absolute = type == 'A',
	};

	CHECK(symbols_builder_add(b, &symbol, NULL) == MVMI_OK);
}

static struct mvmi_symbols *finish(struct symbols_builder *b)
{
	struct mvmi_symbols *symbols;

	CHECK(symbols_builder_finish(b, &symbols, NULL) == MVMI_OK);
	return symbols;
}

/** A program of 0x1000 bytes at 0x1000, and a module at 0x9000. */
static struct mvmi_symbols *sample(void)
{
	struct symbols_builder b = { 0 };

	add(&b, "percpu", 0x10, 'A');
	add(&b, "_text", 0x1000, 'T');
	add(&b, "local", 0x1000, 't');
	add(&b, "twice", 0x1100, 't');
	add(&b, "twice", 0x1200, 'T');
	add(&b, "other", 0x1240, 't');
	add(&b, "twice", 0x1300, 't');
	add(&b, "_etext", 0x1400, 'T');
	add(&b, "data", 0x1800, 'd');
	add(&b, "_end", 0x2000, 'B');
	CHECK(symbols_builder_module(&b, text_of("mod"), NULL) == MVMI_OK);
	add(&b, "twice", 0x9000, 't');
	add(&b, "last", 0x9080, 't');
	return finish(&b);
}

static bool
covers(const struct mvmi_symbols *symbols, uint64_t addr, const char *name)
{
	struct mvmi_symbol s;

	if (!mvmi_symbols_find_addr(symbols, mvmi_gva_at(addr), &s))
		return name == NULL;
	return name && strcmp(s.name, name) == 0;
}

static void an_empty_table_finds_nothing(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols = finish(&b);
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_count(symbols) == 0);
	CHECK(!mvmi_symbols_get(symbols, 0, &s));
	CHECK(!mvmi_symbols_find(symbols, "x", &s));
	CHECK(!mvmi_symbols_find_addr(symbols, mvmi_gva_at(0), &s));
	CHECK(mvmi_symbols_prepare(symbols, NULL) == MVMI_OK);
	mvmi_symbols_destroy(symbols);
}

static void destroying_nothing_is_a_no_op(void)
{
	struct symbols_builder b = { 0 };

	mvmi_symbols_destroy(NULL);
	symbols_builder_fini(&b);
}

static void symbols_keep_their_order(void)
{
	struct mvmi_symbols *symbols = sample();
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_count(symbols) == 12);
	CHECK(mvmi_symbols_get(symbols, 3, &s));
	CHECK(strcmp(s.name, "twice") == 0 && s.addr == 0x1100);
	CHECK(s.type == 't' && s.index == 3 && strcmp(s.module, "") == 0);
	CHECK(mvmi_symbols_get(symbols, 11, &s));
	CHECK(strcmp(s.name, "last") == 0 && strcmp(s.module, "mod") == 0);
	CHECK(!mvmi_symbols_get(symbols, 12, &s));
	mvmi_symbols_destroy(symbols);
}

static void a_global_name_comes_first_then_the_tables_order(void)
{
	static const uint64_t order[] = { 0x1200, 0x1100, 0x1300, 0x9000 };
	struct mvmi_symbols *symbols = sample();
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_find(symbols, "twice", &s));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		CHECK(s.addr == order[i]);
		CHECK(mvmi_symbols_find_next(symbols, &s, &s) ==
		      (i + 1 < ARRAY_LEN(order)));
	}
	CHECK(!mvmi_symbols_find(symbols, "twic", &s));
	CHECK(!mvmi_symbols_find(symbols, "twicee", &s));
	mvmi_symbols_destroy(symbols);
}

static void an_address_is_its_nearest_symbols_global_before_local(void)
{
	struct mvmi_symbols *symbols = sample();

	CHECK(covers(symbols, 0xfff, NULL));
	CHECK(covers(symbols, 0x1000, "_text"));
	CHECK(covers(symbols, 0x10ff, "_text"));
	CHECK(covers(symbols, 0x1100, "twice"));
	CHECK(covers(symbols, 0x123f, "twice"));
	CHECK(covers(symbols, 0x1240, "other"));
	CHECK(covers(symbols, 0x1fff, "data"));
	CHECK(covers(symbols, 0x907f, "twice"));
	CHECK(covers(symbols, 0x9080, "last"));
	mvmi_symbols_destroy(symbols);
}

static void nothing_covers_what_is_behind_an_end(void)
{
	struct mvmi_symbols *symbols = sample();

	/* Of the text, of the program, of the module; and per-CPU offsets. */
	CHECK(covers(symbols, 0x1400, "_etext"));
	CHECK(covers(symbols, 0x1401, NULL));
	CHECK(covers(symbols, 0x2001, NULL));
	CHECK(covers(symbols, 0x9081, NULL));
	CHECK(covers(symbols, UINT64_MAX, NULL));
	CHECK(covers(symbols, 0x10, NULL));
	mvmi_symbols_destroy(symbols);
}

static void a_section_that_begins_at_an_end_has_a_size(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;

	add(&b, "f", 0x1000, 'T');
	add(&b, "_etext", 0x1100, 'T');
	add(&b, "__text_end", 0x1100, 'T');
	add(&b, "g", 0x2000, 'T');
	add(&b, "_etext", 0x2100, 'T');
	add(&b, "rodata", 0x2100, 'd');
	add(&b, "next", 0x2200, 'd');
	symbols = finish(&b);
	CHECK(covers(symbols, 0x1101, NULL));
	CHECK(covers(symbols, 0x1100, "__text_end"));
	CHECK(covers(symbols, 0x2100, "rodata"));
	CHECK(covers(symbols, 0x21ff, "rodata"));
	mvmi_symbols_destroy(symbols);
}

static void a_size_reaches_to_the_next_address_of_the_module(void)
{
	struct mvmi_symbols *symbols = sample();
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_find(symbols, "local", &s) && s.size == 0x100);
	CHECK(mvmi_symbols_find(symbols, "other", &s) && s.size == 0xc0);
	CHECK(mvmi_symbols_find(symbols, "_etext", &s) && s.size == 0);
	CHECK(mvmi_symbols_find(symbols, "_end", &s) && s.size == 0);
	CHECK(mvmi_symbols_find(symbols, "last", &s) && s.size == 0);
	CHECK(mvmi_symbols_find(symbols, "percpu", &s) && s.size == 0);
	mvmi_symbols_destroy(symbols);
}

static void a_size_that_was_told_is_kept(void)
{
	const struct symbols_new symbol = {
		.name = text_of("told"),
		.addr = 0x1000,
		.size = 0x20,
		.type = 'T',
	};
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;

	CHECK(symbols_builder_add(&b, &symbol, NULL) == MVMI_OK);
	add(&b, "next", 0x1100, 'T');
	symbols = finish(&b);
	CHECK(covers(symbols, 0x101f, "told"));
	CHECK(covers(symbols, 0x1020, NULL));
	mvmi_symbols_destroy(symbols);
}

static void the_last_byte_of_all_addresses_has_a_symbol(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;
	struct mvmi_symbol s;

	add(&b, "top", UINT64_MAX, 'T');
	add(&b, "zero", 0, 'T');
	symbols = finish(&b);
	CHECK(covers(symbols, UINT64_MAX, "top"));
	CHECK(covers(symbols, UINT64_MAX - 1, "zero"));
	CHECK(mvmi_symbols_find(symbols, "zero", &s) && s.size == UINT64_MAX);
	mvmi_symbols_destroy(symbols);
}

/** 10000 symbols in no order, against a search of all of them. */
static void any_order_of_addresses_is_sorted(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;
	uint32_t random = 1;
	int hits = 0;

	for (int i = 0; i < 10000; i++) {
		char name[32];

		random = random * 1664525 + 1013904223;
		(void)snprintf(name, sizeof(name), "s%u", random >> 8);
		add(&b, name, random >> 8, i % 3 ? 't' : 'T');
	}
	symbols = finish(&b);
	for (uint64_t addr = 0; addr < 1 << 24; addr += 65521) {
		struct mvmi_symbol found;
		struct mvmi_symbol s;
		uint64_t best = 0;

		for (size_t i = 0; mvmi_symbols_get(symbols, i, &s); i++)
			if (s.addr <= addr && s.addr > best)
				best = s.addr;
		if (!mvmi_symbols_find_addr(symbols, mvmi_gva_at(addr), &found))
			continue;
		hits++;
		CHECK(found.addr == best);
		CHECK(mvmi_symbols_find(symbols, found.name, &s));
		CHECK(s.addr == best);
	}
	/* Of 257: only what lies before the first and behind the last misses. */
	CHECK(hits >= 254);
	mvmi_symbols_destroy(symbols);
}

static void every_one_of_many_equal_names_is_visited_once(void)
{
	enum {
		COUNT = 20000
	};
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;
	struct mvmi_symbol s;
	size_t visited = 1;

	for (size_t i = 0; i < COUNT; i++)
		add(&b, i % 2 ? "a" : "b", i, 't');
	symbols = finish(&b);
	CHECK(mvmi_symbols_find(symbols, "a", &s));
	while (mvmi_symbols_find_next(symbols, &s, &s)) {
		CHECK(s.index == 2 * visited + 1);
		visited++;
	}
	CHECK(visited == COUNT / 2);
	mvmi_symbols_destroy(symbols);
}

static void a_rebase_moves_all_but_absolute_symbols(void)
{
	struct mvmi_symbols *symbols = sample();
	struct mvmi_symbol s;

	CHECK(covers(symbols, 0x1240, "other"));
	symbols_rebase(symbols, UINT64_C(0) - 0x1000);
	CHECK(covers(symbols, 0x240, "other"));
	CHECK(covers(symbols, 0x2001, NULL));
	CHECK(mvmi_symbols_find(symbols, "percpu", &s) && s.addr == 0x10);
	mvmi_symbols_destroy(symbols);
}

/** Whether symbols from first on are those of the other table. */
static bool is_part(const struct mvmi_symbols *symbols, size_t first,
		    const struct mvmi_symbols *other)
{
	struct mvmi_symbol a;
	struct mvmi_symbol b;

	for (size_t i = 0; mvmi_symbols_get(other, i, &a); i++)
		if (!mvmi_symbols_get(symbols, first + i, &b) ||
		    strcmp(a.name, b.name) != 0 || a.addr != b.addr ||
		    strcmp(a.module, b.module) != 0)
			return false;
	return true;
}

static void tables_are_joined_in_order_with_their_modules(void)
{
	struct mvmi_symbols *part = sample();
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *joined;
	struct mvmi_symbol s;

	CHECK(symbols_builder_append(&b, part, NULL) == MVMI_OK);
	add(&b, "between", 0x5000, 'T');
	CHECK(symbols_builder_module(&b, text_of("more"), NULL) == MVMI_OK);
	add(&b, "of_more", 0xa000, 't');
	CHECK(symbols_builder_append(&b, part, NULL) == MVMI_OK);
	joined = finish(&b);
	CHECK(mvmi_symbols_count(joined) == 26);
	CHECK(is_part(joined, 0, part) && is_part(joined, 14, part));
	CHECK(mvmi_symbols_get(joined, 12, &s));
	CHECK(strcmp(s.name, "between") == 0 && strcmp(s.module, "") == 0);
	CHECK(mvmi_symbols_get(joined, 13, &s));
	CHECK(strcmp(s.name, "of_more") == 0 && strcmp(s.module, "more") == 0);
	mvmi_symbols_destroy(part);
	mvmi_symbols_destroy(joined);
}

static void a_name_with_a_nul_ends_there(void)
{
	const struct symbols_new symbol = {
		.name = { (const uint8_t *)"ab\0cd", 5 },
		.addr = 1,
		.type = 'T',
	};
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;
	struct mvmi_symbol s;

	CHECK(symbols_builder_add(&b, &symbol, NULL) == MVMI_OK);
	symbols = finish(&b);
	CHECK(mvmi_symbols_find(symbols, "ab", &s));
	mvmi_symbols_destroy(symbols);
}

static void what_is_too_large_is_a_limit(void)
{
	struct symbols_builder b = { 0 };
	struct mvmi_error err = { 0 };

	CHECK(symbols_builder_reserve(&b, SYMBOLS_MAX_COUNT + 1, 0, &err) ==
	      MVMI_ERR_LIMIT);
	CHECK(symbols_builder_reserve(&b, 0, SIZE_MAX, &err) == MVMI_ERR_LIMIT);
	symbols_builder_fini(&b);
}

static void *find_all(void *arg)
{
	const struct mvmi_symbols *symbols = arg;
	struct mvmi_symbol s;
	struct mvmi_symbol found;
	size_t ok = 0;

	for (size_t i = 0; mvmi_symbols_get(symbols, i, &s); i++)
		ok += mvmi_symbols_find(symbols, s.name, &found);
	return (void *)ok;
}

static bool race(void)
{
	struct mvmi_symbols *symbols = sample();
	pthread_t threads[4];
	size_t ok = 0;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		if (pthread_create(&threads[i], NULL, find_all, symbols) != 0)
			abort();
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *found;

		if (pthread_join(threads[i], &found) != 0)
			abort();
		ok += (size_t)found;
	}
	mvmi_symbols_destroy(symbols);
	return ok == 12 * ARRAY_LEN(threads);
}

static void threads_may_race_to_the_first_lookup(void)
{
	for (int round = 0; round < 50; round++)
		CHECK(race());
}

static void system_map_is_read_with_modules_and_bias(void)
{
	static const char map[] = "0000000000000010 A percpu\n"
				  "ffffffff81000000 T _text\n"
				  "ffffffff81000040 t local.part.0\r\n"
				  "ffffffffc0200000 t f\t[ext4]\n"
				  "ffffffffc0300000 ? g  [bpf]";
	struct mvmi_symbols *symbols;
	struct mvmi_symbol s;

	CHECK(sysmap_is(text_of(map)));
	CHECK(sysmap_parse(text_of(map), 0x200000, &symbols, NULL) == MVMI_OK);
	CHECK(mvmi_symbols_count(symbols) == 5);
	CHECK(mvmi_symbols_find(symbols, "percpu", &s) && s.addr == 0x10);
	CHECK(mvmi_symbols_find(symbols, "_text", &s));
	CHECK(s.addr == UINT64_C(0xffffffff81200000) && s.size == 0x40);
	CHECK(mvmi_symbols_find(symbols, "local.part.0", &s) && s.type == 't');
	CHECK(mvmi_symbols_find(symbols, "f", &s));
	CHECK(strcmp(s.module, "ext4") == 0);
	CHECK(mvmi_symbols_find(symbols, "g", &s) && s.index == 4);
	CHECK(strcmp(s.module, "bpf") == 0);
	mvmi_symbols_destroy(symbols);
}

static void a_bad_line_of_system_map_is_named(void)
{
	static const char *const bad[] = {
		"ffffffff81000000 T a\nffffffff8100000g T b\n",
		"ffffffff81000000 T a\nffffffff81000000 T\n",
		"ffffffff81000000 T a\nffffffff81000000 T \n",
		"ffffffff81000000 T a\n\n",
		"ffffffff81000000 T a\nffffffff810000000 T b\n",
		"ffffffff81000000 T a\nffffffff81000000 T b c\n",
		"ffffffff81000000 T a\nffffffff81000000 T b [c] d\n",
		"ffffffff81000000 T a\nffffffff81000000 TT b\n",
	};
	struct mvmi_symbols *symbols;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mvmi_error err = { 0 };

		CHECK(sysmap_parse(text_of(bad[i]), 0, &symbols, &err) ==
		      MVMI_ERR_CORRUPT);
		CHECK(strstr(err.msg, "line 2"));
	}
	CHECK(sysmap_parse(text_of(""), 0, &symbols, NULL) == MVMI_ERR_CORRUPT);
}

static void addresses_that_are_hidden_are_told_so(void)
{
	struct mvmi_symbols *symbols;
	struct mvmi_error err = { 0 };

	CHECK(sysmap_parse(text_of("0000000000000000 T _text\n"
				   "0000000000000000 t f\t[ext4]\n"),
			   0, &symbols, &err) == MVMI_ERR_DENIED);
	CHECK(strstr(err.msg, "root"));
}

static void what_is_no_system_map_is_known_by_its_head(void)
{
	CHECK(!sysmap_is(text_of("")));
	CHECK(!sysmap_is(text_of("\177ELF")));
	CHECK(!sysmap_is(text_of("{\"metadata\": 1}")));
	CHECK(!sysmap_is(text_of("ffffffff81000000 T ")));
	CHECK(sysmap_is(text_of("81000000 T _te")));
}

TESTS(T(an_empty_table_finds_nothing), T(destroying_nothing_is_a_no_op),
      T(symbols_keep_their_order),
      T(a_global_name_comes_first_then_the_tables_order),
      T(an_address_is_its_nearest_symbols_global_before_local),
      T(nothing_covers_what_is_behind_an_end),
      T(a_section_that_begins_at_an_end_has_a_size),
      T(a_size_reaches_to_the_next_address_of_the_module),
      T(a_size_that_was_told_is_kept),
      T(the_last_byte_of_all_addresses_has_a_symbol),
      T(any_order_of_addresses_is_sorted),
      T(every_one_of_many_equal_names_is_visited_once),
      T(a_rebase_moves_all_but_absolute_symbols),
      T(tables_are_joined_in_order_with_their_modules),
      T(a_name_with_a_nul_ends_there), T(what_is_too_large_is_a_limit),
      T(threads_may_race_to_the_first_lookup),
      T(system_map_is_read_with_modules_and_bias),
      T(a_bad_line_of_system_map_is_named),
      T(addresses_that_are_hidden_are_told_so),
      T(what_is_no_system_map_is_known_by_its_head))
