/* SPDX-License-Identifier: MIT */
/*
 * kallsyms: whatever the image, the result is an error, or symbols whose names
 * are printable and no more than the image has room for.
 *
 * An input is a list of changes to a good image, for chance finds no token
 * table: its first byte chooses the layout, the second whether the image's
 * place is known, and each four after that change one byte. A first byte of
 * 0xff is followed by the image itself.
 */
#include <stdlib.h>
#include <string.h>

#include "../kallsyms_gen.h"
#include "base/util.h"
#include "symbols/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nine blocks, the last with three names. */
#define COUNT (8 * 256 + 3)

static struct gen images[GEN_LAYOUTS];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_symbols(const struct mvmi_symbols *symbols, size_t size)
{
	struct mvmi_symbol s;
	struct mvmi_symbol found;

	require(mvmi_symbols_count(symbols) <= size / 2);
	for (size_t i = 0; mvmi_symbols_get(symbols, i, &s); i++) {
		require(s.name[0] && s.type > ' ' && s.type <= '~');
		for (const char *c = s.name; *c; c++)
			require(*c > ' ' && *c <= '~');
		if (i % 64)
			continue;
		require(mvmi_symbols_find(symbols, s.name, &found));
		require(strcmp(found.name, s.name) == 0);
		(void)mvmi_symbols_find_addr(symbols, mvmi_gva_at(s.addr),
					     &found);
	}
}

static void check_image(struct mvmi_bytes bytes, size_t tokens, uint64_t gva)
{
	const struct kallsyms_image image = { bytes, gva };
	struct kallsyms_layout layout = { 0 };
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err = { 0 };
	enum mvmi_status status =
		kallsyms_parse(&image, tokens, &symbols, &layout, &err);

	require(status == MVMI_OK || (err.status == status && err.msg[0]));
	require((status == MVMI_OK) == (symbols != NULL));
	if (!symbols)
		return;
	require(mvmi_symbols_count(symbols) == layout.count);
	require(layout.relative == (layout.rule == KALLSYMS_PLACE && !gva));
	check_symbols(symbols, bytes.len);
	mvmi_symbols_destroy(symbols);
}

/** All token tables in some bytes, each no more than once. */
static void check_search(struct mvmi_bytes bytes)
{
	size_t from = 0;
	size_t found;

	while (kallsyms_find_tokens(bytes, from, &found)) {
		require(found >= from && found < bytes.len);
		check_image(bytes, found, 0);
		from = found + 1;
	}
}

/** Change one byte near the beginning of one of the tables. */
static void
change(struct mvmi_span bytes, const struct gen *g, const uint8_t *how)
{
	const size_t tables[] = {
		g->num_syms,	    g->names,
		g->names_end - 600, g->marker_table,
		g->token_table,	    g->token_index,
		g->offsets,	    g->offsets + (size_t)4 * COUNT - 16,
	};
	size_t at = tables[how[0] % 8] + how[1] + (size_t)how[2] % 64 * 256;

	if (at < bytes.len)
		bytes.ptr[at] = how[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gen *g;
	struct mvmi_span bytes;

	if (size < 2)
		return 0;
	if (data[0] == 0xff) {
		check_search((struct mvmi_bytes){ data + 1, size - 1 });
		return 0;
	}
	g = &images[data[0] % GEN_LAYOUTS];
	if (!g->layout)
		gen_make(g, &gen_layouts[data[0] % GEN_LAYOUTS], COUNT);
	/* A copy of exactly its length: an overrun is seen. */
	bytes.len = g->len - MIN(g->len, (size_t)(data[1] >> 1) * 256);
	bytes.ptr = malloc(bytes.len + !bytes.len);
	require(bytes.ptr);
	memcpy(bytes.ptr, g->bytes, bytes.len);
	for (size_t i = 2; size - i >= 4; i += 4)
		change(bytes, g, data + i);
	check_image((struct mvmi_bytes){ bytes.ptr, bytes.len }, g->token_table,
		    data[1] & 1 ? GEN_BASE : 0);
	free(bytes.ptr);
	return 0;
}
