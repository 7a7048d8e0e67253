/* SPDX-License-Identifier: MIT */
/* kallsyms of every layout that Linux had, whole and damaged. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "harness.h"
#include "kallsyms_gen.h"
#include "symbols/kallsyms.h"
#include "symbols/table.h"

/* An odd number, so that padding follows what has four bytes for each. */
#define COUNT 5001

static struct gen gen;
static uint8_t memory[GEN_MAX_IMAGE + 4096];

static struct kallsyms_image image_of(uint64_t gva)
{
	return (struct kallsyms_image){ { gen.bytes, gen.len }, gva };
}

static void check_symbols(const struct mvmi_symbols *symbols)
{
	struct mvmi_symbol s;

	CHECK(mvmi_symbols_count(symbols) == gen.count);
	for (size_t i = 0; i < gen.count; i++) {
		CHECK(mvmi_symbols_get(symbols, i, &s));
		CHECK(strcmp(s.name, gen.symbols[i].name) == 0);
		CHECK(s.addr == gen.symbols[i].addr);
		CHECK(s.type == gen.symbols[i].type);
		CHECK(s.index == i);
		CHECK(s.module[0] == '\0');
	}
}

static void check_layout(size_t i, enum kallsyms_rule rule)
{
	struct mvmi_symbols *symbols;
	struct kallsyms_layout layout;
	struct kallsyms_image image;
	size_t tokens;

	gen_make(&gen, &gen_layouts[i], COUNT);
	image = image_of(GEN_BASE);
	CHECK(kallsyms_find_tokens(image.bytes, 0, &tokens));
	CHECK(tokens == gen.token_table);
	CHECK(kallsyms_parse(&image, tokens, &symbols, &layout, NULL) ==
	      MVMI_OK);
	CHECK(layout.rule == rule && !layout.relative);
	CHECK(layout.wide == (gen.layout->word == 8));
	CHECK(layout.names == gen.names && layout.names_end == gen.names_end);
	CHECK(layout.markers == gen.marker_table);
	CHECK(layout.token_index == gen.token_index);
	CHECK(layout.offsets == gen.offsets);
	check_symbols(symbols);
	mvmi_symbols_destroy(symbols);
}

static void layout_before_4_6(void)
{
	check_layout(0, KALLSYMS_ABSOLUTE);
}

static void layout_4_6_to_4_19(void)
{
	check_layout(1, KALLSYMS_PERCPU);
}

static void layout_4_20_to_6_0(void)
{
	check_layout(2, KALLSYMS_PERCPU);
}

static void layout_4_20_to_6_0_of_one_cpu(void)
{
	check_layout(3, KALLSYMS_BASE);
}

static void layout_6_1_to_6_3(void)
{
	check_layout(4, KALLSYMS_PERCPU);
}

static void layout_6_4_to_6_14(void)
{
	check_layout(5, KALLSYMS_PERCPU);
}

static void layout_6_15_to_6_19(void)
{
	check_layout(6, KALLSYMS_BASE);
}

static void layout_from_7_0(void)
{
	check_layout(7, KALLSYMS_PLACE);
}

static void every_count_around_a_block_is_read(void)
{
	for (size_t i = 0; i < GEN_LAYOUTS; i++)
		for (size_t count = 9 * 256 - 2; count <= 9 * 256 + 2;
		     count++) {
			struct mvmi_symbols *symbols;
			struct kallsyms_layout layout;
			struct kallsyms_image image;

			gen_make(&gen, &gen_layouts[i], count);
			image = image_of(GEN_BASE);
			CHECK(kallsyms_parse(&image, gen.token_table, &symbols,
					     &layout, NULL) == MVMI_OK);
			check_symbols(symbols);
			mvmi_symbols_destroy(symbols);
		}
}

static void place_relative_symbols_of_an_unknown_place_can_be_rebased(void)
{
	struct mvmi_symbols *symbols;
	struct kallsyms_layout layout;
	struct kallsyms_image image;
	struct mvmi_symbol s;

	gen_make(&gen, &gen_layouts[7], COUNT);
	image = image_of(0);
	CHECK(kallsyms_parse(&image, gen.token_table, &symbols, &layout,
			     NULL) == MVMI_OK);
	CHECK(layout.relative);
	CHECK(mvmi_symbols_get(symbols, 0, &s));
	CHECK(s.addr == gen.symbols[0].addr - GEN_BASE);
	symbols_rebase(symbols, GEN_BASE);
	check_symbols(symbols);
	mvmi_symbols_destroy(symbols);
}

static void per_cpu_symbols_cover_no_addresses(void)
{
	struct mvmi_symbols *symbols;
	struct kallsyms_layout layout;
	struct kallsyms_image image;
	struct mvmi_symbol s;

	gen_make(&gen, &gen_layouts[5], COUNT);
	image = image_of(GEN_BASE);
	CHECK(kallsyms_parse(&image, gen.token_table, &symbols, &layout,
			     NULL) == MVMI_OK);
	CHECK(!mvmi_symbols_find_addr(symbols, mvmi_gva_at(8), &s));
	CHECK(mvmi_symbols_find_addr(symbols, mvmi_gva_at(GEN_BASE), &s));
	symbols_rebase(symbols, 0x1000);
	CHECK(mvmi_symbols_get(symbols, 1, &s) && s.addr == 8);
	mvmi_symbols_destroy(symbols);
}

static void tokens_are_found_at_any_alignment(void)
{
	size_t tokens;

	gen_make(&gen, &gen_layouts[5], COUNT);
	for (size_t shift = 0; shift < 130; shift++) {
		struct mvmi_bytes all = { memory, shift + gen.len };

		memset(memory, 0, shift);
		memcpy(memory + shift, gen.bytes, gen.len);
		CHECK(kallsyms_find_tokens(all, 0, &tokens));
		CHECK(tokens == shift + gen.token_table);
	}
}

static void the_search_goes_on_behind_a_find(void)
{
	size_t table;
	size_t len;
	size_t tokens;
	struct mvmi_bytes all;

	gen_make(&gen, &gen_layouts[5], 2300);
	table = gen.token_table;
	len = gen.offsets - table;
	memcpy(memory, gen.bytes + table, len);
	memcpy(memory + len + 3, gen.bytes + table, len);
	memset(memory + len, 0xff, 3);
	all = (struct mvmi_bytes){ memory, 2 * len + 3 };
	CHECK(kallsyms_find_tokens(all, 0, &tokens) && tokens == 0);
	CHECK(kallsyms_find_tokens(all, 1, &tokens) && tokens == len + 3);
	CHECK(!kallsyms_find_tokens(all, len + 4, &tokens));
	CHECK(!kallsyms_find_tokens(all, SIZE_MAX, &tokens));
}

static void a_row_of_digits_is_no_token_table(void)
{
	size_t tokens;

	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = i % 2 ? 0 : (uint8_t)('0' + i / 2 % 10);
	CHECK(!kallsyms_find_tokens(
		(struct mvmi_bytes){ memory, sizeof(memory) }, 0, &tokens));
}

static void a_token_table_with_a_wrong_index_is_passed_over(void)
{
	size_t tokens;

	gen_make(&gen, &gen_layouts[5], 2300);
	gen.bytes[gen.token_index + 2]++;
	CHECK(!kallsyms_find_tokens((struct mvmi_bytes){ gen.bytes, gen.len },
				    0, &tokens));
}

/** What kallsyms_parse() says to the image as it is now. */
static enum mvmi_status parse(struct mvmi_error *err)
{
	struct kallsyms_image image = image_of(GEN_BASE);
	struct kallsyms_layout layout;
	struct mvmi_symbols *symbols;
	enum mvmi_status status;

	*err = (struct mvmi_error){ 0 };
	status =
		kallsyms_parse(&image, gen.token_table, &symbols, &layout, err);
	if (status == MVMI_OK)
		mvmi_symbols_destroy(symbols);
	return status;
}

static void four_billion_names_are_a_limit(void)
{
	struct mvmi_error err;

	for (size_t i = 0; i < GEN_LAYOUTS; i++) {
		gen_make(&gen, &gen_layouts[i], COUNT);
		memset(gen.bytes + gen.num_syms, 0xff, 4);
		CHECK(parse(&err) == MVMI_ERR_LIMIT);
		CHECK(strstr(err.msg, "4294967295"));
	}
}

static void a_count_that_markers_refute_is_corrupt(void)
{
	struct mvmi_error err;

	gen_make(&gen, &gen_layouts[5], COUNT);
	gen.bytes[gen.num_syms + 1] += 2;
	CHECK(parse(&err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "5513"));
}

static void names_that_miss_their_marker_are_corrupt(void)
{
	struct mvmi_error err;

	gen_make(&gen, &gen_layouts[5], COUNT);
	gen.bytes[gen.marker_table + 4]++;
	CHECK(parse(&err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "names"));
}

static void what_goes_on_like_markers_by_chance_is_no_marker(void)
{
	struct mvmi_error err;
	size_t count = (COUNT + 255) / 256;
	uint32_t next;

	/* Sequence numbers begin right behind an even number of markers. */
	gen_make(&gen, &gen_layouts[4], COUNT);
	CHECK(count % 2 == 0);
	next = gen.markers[count - 1];
	for (size_t i = 0; i < 2; i++) {
		next += 3000;
		for (size_t byte = 0; byte < 4; byte++)
			gen.bytes[gen.marker_table + 4 * (count + i) + byte] =
				(uint8_t)(next >> 8 * byte);
	}
	CHECK(parse(&err) == MVMI_OK);
}

static void offsets_that_do_not_ascend_are_corrupt(void)
{
	struct mvmi_error err;

	for (size_t i = 0; i < GEN_LAYOUTS; i++) {
		gen_make(&gen, &gen_layouts[i], COUNT);
		memset(gen.bytes + gen.offsets, 0,
		       gen.count * (gen.layout->rule == GEN_ABSOLUTE ? 8 : 4));
		CHECK(parse(&err) == MVMI_ERR_CORRUPT);
		CHECK(strstr(err.msg, "addresses"));
	}
}

static void a_name_of_more_than_512_characters_is_corrupt(void)
{
	struct mvmi_error err;

	gen_make(&gen, &gen_layouts[5], COUNT);
	/* Token 1 has 25 characters, and this name 201 tokens. */
	for (size_t at = gen.names;; at++)
		if (memcmp(gen.bytes + at, "QX7ZQX7Z", 8) == 0) {
			memset(gen.bytes + at, 1, 21);
			break;
		}
	CHECK(parse(&err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "symbol 77"));
}

/** Parse the first bytes of the image, with nothing behind them. */
static bool is_refused(size_t len)
{
	uint8_t *copy = malloc(len + 1);
	const struct kallsyms_image image = { { copy, len }, GEN_BASE };
	struct kallsyms_layout layout;
	struct mvmi_symbols *symbols;
	enum mvmi_status status;

	CHECK(copy);
	memcpy(copy, gen.bytes, len);
	status = kallsyms_parse(&image, gen.token_table, &symbols, &layout,
				NULL);
	free(copy);
	if (status == MVMI_OK)
		mvmi_symbols_destroy(symbols);
	return status != MVMI_OK;
}

static void no_truncation_is_overrun(void)
{
	for (size_t i = 0; i < GEN_LAYOUTS; i++) {
		size_t end;

		gen_make(&gen, &gen_layouts[i], 2300);
		/* What is needed last: the offsets, or the tokens' index. */
		end = gen.layout->behind ? gen.offsets + 4 * gen.count
					 : gen.token_index + 512;
		for (size_t len = 0; len < end; len += 97)
			CHECK(is_refused(len));
		CHECK(!is_refused(gen.len));
	}
}

TESTS(T(layout_before_4_6), T(layout_4_6_to_4_19), T(layout_4_20_to_6_0),
      T(layout_4_20_to_6_0_of_one_cpu), T(layout_6_1_to_6_3),
      T(layout_6_4_to_6_14), T(layout_6_15_to_6_19), T(layout_from_7_0),
      T(every_count_around_a_block_is_read),
      T(place_relative_symbols_of_an_unknown_place_can_be_rebased),
      T(per_cpu_symbols_cover_no_addresses),
      T(tokens_are_found_at_any_alignment), T(the_search_goes_on_behind_a_find),
      T(a_row_of_digits_is_no_token_table),
      T(a_token_table_with_a_wrong_index_is_passed_over),
      T(four_billion_names_are_a_limit),
      T(a_count_that_markers_refute_is_corrupt),
      T(names_that_miss_their_marker_are_corrupt),
      T(what_goes_on_like_markers_by_chance_is_no_marker),
      T(offsets_that_do_not_ascend_are_corrupt),
      T(a_name_of_more_than_512_characters_is_corrupt),
      T(no_truncation_is_overrun))
