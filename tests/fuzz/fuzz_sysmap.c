/* SPDX-License-Identifier: MIT */
/*
 * System.map: whatever the text, the result is an error, or a table in which
 * every symbol is found by its name and covers its own address.
 */
#include <stdlib.h>
#include <string.h>

#include "symbols/sysmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_symbol(const struct mvmi_symbols *symbols, const struct mvmi_symbol *s)
{
	struct mvmi_symbol found;

	require(mvmi_symbols_find(symbols, s->name, &found));
	while (found.index != s->index) {
		require(strcmp(found.name, s->name) == 0);
		require(mvmi_symbols_find_next(symbols, &found, &found));
	}
	if (s->type == 'A' || s->type == 'a')
		return;
	require(mvmi_symbols_find_addr(symbols, mvmi_gva_at(s->addr), &found));
	require(found.addr == s->addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err = { 0 };
	struct mvmi_symbol s;
	enum mvmi_status status;

	(void)sysmap_is((struct mvmi_bytes){ data, size });
	status = sysmap_parse((struct mvmi_bytes){ data, size }, size, &symbols,
			      &err);
	require(status == MVMI_OK || (err.status == status && err.msg[0]));
	require((status == MVMI_OK) == (symbols != NULL));
	if (!symbols)
		return 0;
	for (size_t i = 0; mvmi_symbols_get(symbols, i, &s); i++)
		check_symbol(symbols, &s);
	mvmi_symbols_destroy(symbols);
	return 0;
}
