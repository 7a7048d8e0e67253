/* SPDX-License-Identifier: MIT */
/*
 * ISF: whatever the text, the result is an error, or types and symbols that
 * can be written as an ISF and are read again.
 */
#include <stdlib.h>
#include <string.h>

#include "symbols/isf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_sink {
	uint8_t *text; /**< owned */
	size_t len;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct mvmi_span fuzz_copy(const uint8_t *data, size_t size)
{
	struct mvmi_span copy = { malloc(size ? size : 1), size };

	require(copy.ptr != NULL);
	if (size)
		memcpy(copy.ptr, data, size);
	return copy;
}

static bool fuzz_write(struct mvmi_bytes text, void *arg)
{
	struct fuzz_sink *sink = arg;

	sink->text = realloc(sink->text, sink->len + text.len);
	require(sink->text != NULL);
	memcpy(sink->text + sink->len, text.ptr, text.len);
	sink->len += text.len;
	return true;
}

/** What we write, we read. */
static void
fuzz_again(const struct mvmi_symbols *symbols, const struct mvmi_types *types)
{
	struct fuzz_sink sink = { 0 };
	struct mvmi_types *again = NULL;
	struct mvmi_symbols *symbols_again = NULL;
	struct mvmi_span copy;

	require(mvmi_isf_write(symbols, types, 0, "banner", fuzz_write, &sink,
			       NULL) == MVMI_OK);
	copy = fuzz_copy(sink.text, sink.len);
	require(isf_load_types(copy, &again, NULL) == MVMI_OK);
	free(copy.ptr);
	copy = fuzz_copy(sink.text, sink.len);
	require(isf_load_symbols(copy, 0, &symbols_again, NULL) == MVMI_OK);
	free(copy.ptr);
	require(mvmi_symbols_count(symbols_again) <=
		mvmi_symbols_count(symbols));
	mvmi_types_destroy(again);
	mvmi_symbols_destroy(symbols_again);
	free(sink.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_types *types = NULL;
	struct mvmi_error err = { 0 };
	struct mvmi_span copy = fuzz_copy(data, size);
	enum mvmi_status status = isf_load_types(copy, &types, &err);

	require(status == MVMI_OK ||
		(err.status == status && err.msg[0] && !types));
	free(copy.ptr);
	copy = fuzz_copy(data, size);
	status = isf_load_symbols(copy, 0x1000, &symbols, &err);
	require(status == MVMI_OK ||
		(err.status == status && err.msg[0] && !symbols));
	free(copy.ptr);
	if (symbols && types)
		fuzz_again(symbols, types);
	mvmi_symbols_destroy(symbols);
	mvmi_types_destroy(types);
	return 0;
}
