/* SPDX-License-Identifier: MIT */
/* Lookups in a symbol table when there is no memory for an index. */
#include <stdlib.h>

#include "base/util.h"
#include "harness.h"

static void *no_calloc(size_t count, size_t each)
{
	(void)count;
	(void)each;
	return NULL;
}

/* Ours is linked in place of the library's. */
#define calloc no_calloc
/* NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "symbols/index.c"
#undef calloc

static struct mvmi_symbols *sample(void)
{
	static const struct {
		const char *name;
		uint64_t addr;
		char type;
	} all[] = {
		{ "local", 0x1000, 't' }, { "global", 0x1000, 'T' },
		{ "twice", 0x3000, 't' }, { "twice", 0x2000, 'T' },
		{ "twice", 0x4000, 't' }, { "percpu", 0x1800, 'A' },
	};
	struct symbols_builder b = { 0 };
	struct mvmi_symbols *symbols;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct symbols_new symbol = {
			.name = { (const uint8_t *)all[i].name,
				  strlen(all[i].name) },
			.addr = all[i].addr,
			.size = 0x100,
			.type = all[i].type,
			.absolute = all[i].type == 'A',
		};

		CHECK(symbols_builder_add(&b, &symbol, NULL) == MVMI_OK);
	}
	CHECK(symbols_builder_finish(&b, &symbols, NULL) == MVMI_OK);
	return symbols;
}

static void preparing_says_so(void)
{
	struct mvmi_symbols *symbols = sample();
	struct mvmi_error err = { 0 };

	CHECK(mvmi_symbols_prepare(symbols, &err) == MVMI_ERR_NOMEM);
	CHECK(err.status == MVMI_ERR_NOMEM && err.msg[0]);
	mvmi_symbols_destroy(symbols);
}

static void names_are_found_in_the_same_order(void)
{
	static const uint64_t order[] = { 0x2000, 0x3000, 0x4000 };
	struct mvmi_symbols *symbols = sample();
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_find(symbols, "twice", &s));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		CHECK(s.addr == order[i]);
		CHECK(mvmi_symbols_find_next(symbols, &s, &s) ==
		      (i + 1 < ARRAY_LEN(order)));
	}
	CHECK(!mvmi_symbols_find(symbols, "thrice", &s));
	mvmi_symbols_destroy(symbols);
}

static void addresses_are_found_global_before_local(void)
{
	struct mvmi_symbols *symbols = sample();
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_find_addr(symbols, mvmi_gva_at(0x10ff), &s));
	CHECK(strcmp(s.name, "global") == 0);
	CHECK(!mvmi_symbols_find_addr(symbols, mvmi_gva_at(0x1100), &s));
	CHECK(!mvmi_symbols_find_addr(symbols, mvmi_gva_at(0x1800), &s));
	CHECK(!mvmi_symbols_find_addr(symbols, mvmi_gva_at(0xfff), &s));
	CHECK(mvmi_symbols_find_addr(symbols, mvmi_gva_at(0x4000), &s));
	CHECK(s.index == 4);
	mvmi_symbols_destroy(symbols);
}

TESTS(T(preparing_says_so), T(names_are_found_in_the_same_order),
      T(addresses_are_found_global_before_local))
