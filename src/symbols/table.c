/* SPDX-License-Identifier: MIT */
#include "symbols/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "symbols/index.h"

/* As many as fit in symbols_entry.module, and more than anyone loads. */
#define SYMBOLS_MAX_MODULES UINT16_MAX

/** Room for at least want elements: doubled, so that growth is linear. */
static bool builder_grow(void **array, size_t *room, size_t want, size_t each)
{
	size_t more = *room ? *room : 64;
	void *grown;

	if (want <= *room)
		return true;
	while (more < want)
		more *= 2;
	grown = realloc(*array, more * each);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

enum mvmi_status
symbols_builder_reserve(struct symbols_builder *b, size_t count,
			size_t text_len, struct mvmi_error *err)
{
	void *entries = b->entries;
	void *text = b->text;
	bool ok;

	if (count > SYMBOLS_MAX_COUNT - b->count)
		return fail(err, MVMI_ERR_LIMIT,
			    "more than %zu symbols in one table",
			    SYMBOLS_MAX_COUNT);
	if (text_len > SYMBOLS_MAX_TEXT - b->text_len)
		return fail(err, MVMI_ERR_LIMIT,
			    "more than %zu bytes of names in one table",
			    SYMBOLS_MAX_TEXT);
	ok = builder_grow(&entries, &b->room, b->count + count,
			  sizeof(*b->entries));
	b->entries = entries;
	ok = ok &&
	     builder_grow(&text, &b->text_room, b->text_len + text_len, 1);
	b->text = text;
	if (!ok)
		return fail(err, MVMI_ERR_NOMEM, "no memory for symbols");
	return MVMI_OK;
}

void symbols_builder_put(struct symbols_builder *b,
			 const struct symbols_new *symbol)
{
	size_t name = (size_t)((const char *)symbol->name.ptr - b->text);

	b->entries[b->count++] = (struct symbols_entry){
		.addr = symbol->addr,
		.size = symbol->size,
		.name = (uint32_t)name,
		.module = b->module,
		.type = symbol->type,
		.absolute = symbol->absolute,
	};
	b->text[name + symbol->name.len] = '\0';
	b->text_len = name + symbol->name.len + 1;
}

/** Copy a name to the end of the text, without counting it as there. */
static enum mvmi_status
builder_write(struct symbols_builder *b, size_t entries, struct mvmi_bytes name,
	      struct mvmi_error *err)
{
	enum mvmi_status status;

	if (name.len > SYMBOLS_MAX_NAME)
		return fail(err, MVMI_ERR_LIMIT,
			    "the name of a symbol is longer than %zu bytes",
			    SYMBOLS_MAX_NAME);
	status = symbols_builder_reserve(b, entries, name.len + 1, err);
	if (status == MVMI_OK && name.len)
		memcpy(b->text + b->text_len, name.ptr, name.len);
	return status;
}

enum mvmi_status
symbols_builder_add(struct symbols_builder *b, const struct symbols_new *symbol,
		    struct mvmi_error *err)
{
	struct symbols_new copy = *symbol;
	enum mvmi_status status;

	if (copy.name.len)
		copy.name.len =
			strnlen((const char *)copy.name.ptr, copy.name.len);
	status = builder_write(b, 1, copy.name, err);
	if (status != MVMI_OK)
		return status;
	copy.name.ptr = (const uint8_t *)b->text + b->text_len;
	symbols_builder_put(b, &copy);
	return MVMI_OK;
}

/** One more module, of a name at the given place in the text. */
static enum mvmi_status
builder_name_module(struct symbols_builder *b, uint32_t name,
		    struct mvmi_error *err)
{
	/* The first, the program itself, has no entry here. */
	size_t count = b->module_count + 1;
	uint32_t *grown;

	if (count >= SYMBOLS_MAX_MODULES)
		return fail(err, MVMI_ERR_LIMIT,
			    "more than %d modules in one table",
			    SYMBOLS_MAX_MODULES);
	/* Powers of two only: a table of modules grows in a few steps. */
	if ((b->module_count & count) == 0) {
		grown = realloc(b->modules, 2 * count * sizeof(*grown));
		if (!grown)
			return fail(err, MVMI_ERR_NOMEM,
				    "no memory for symbols");
		b->modules = grown;
	}
	b->modules[b->module_count++] = name;
	b->module = (uint16_t)b->module_count;
	return MVMI_OK;
}

enum mvmi_status
symbols_builder_module(struct symbols_builder *b, struct mvmi_bytes name,
		       struct mvmi_error *err)
{
	enum mvmi_status status;

	if (name.len == 0) {
		b->module = 0;
		return MVMI_OK;
	}
	if (b->module) {
		const char *last = b->text + b->modules[b->module - 1];

		if (strlen(last) == name.len &&
		    memcmp(last, name.ptr, name.len) == 0)
			return MVMI_OK;
	}
	status = builder_write(b, 0, name, err);
	if (status == MVMI_OK)
		status = builder_name_module(b, (uint32_t)b->text_len, err);
	if (status != MVMI_OK)
		return status;
	b->text_len += name.len;
	b->text[b->text_len++] = '\0';
	return MVMI_OK;
}

enum mvmi_status
symbols_builder_append(struct symbols_builder *b,
		       const struct mvmi_symbols *from, struct mvmi_error *err)
{
	size_t modules = b->module_count;
	uint32_t text = (uint32_t)b->text_len;
	enum mvmi_status status;

	status = symbols_builder_reserve(b, from->count, from->text_len, err);
	for (size_t i = 0; i < from->module_count && status == MVMI_OK; i++)
		status = builder_name_module(b, text + from->modules[i], err);
	b->module = 0;
	if (status != MVMI_OK || from->count == 0)
		return status;
	memcpy(b->text + b->text_len, from->text, from->text_len);
	b->text_len += from->text_len;
	for (size_t i = 0; i < from->count; i++) {
		struct symbols_entry e = from->entries[i];

		e.name += text;
		if (!e.absolute)
			e.addr += from->bias;
		if (e.module)
			e.module = (uint16_t)(e.module + modules);
		b->entries[b->count++] = e;
	}
	return MVMI_OK;
}

enum mvmi_status
symbols_builder_finish(struct symbols_builder *b, struct mvmi_symbols **ret,
		       struct mvmi_error *err)
{
	struct mvmi_symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols) {
		symbols_builder_fini(b);
		return fail(err, MVMI_ERR_NOMEM, "no memory for symbols");
	}
	symbols->entries = b->entries;
	symbols->count = b->count;
	symbols->text = b->text;
	symbols->text_len = b->text_len;
	symbols->modules = b->modules;
	symbols->module_count = b->module_count;
	*b = (struct symbols_builder){ 0 };
	*ret = symbols;
	return MVMI_OK;
}

void symbols_builder_fini(struct symbols_builder *b)
{
	free(b->entries);
	free(b->text);
	free(b->modules);
	*b = (struct symbols_builder){ 0 };
}

void symbols_rebase(struct mvmi_symbols *symbols, uint64_t delta)
{
	struct symbols_order *order = atomic_load(&symbols->order);

	symbols->bias += delta;
	/*
	 * Who counted from elsewhere before may have wrapped, and be in another
	 * order now. Those of a map are a kernel's, that only moved.
	 */
	if (order && !order->borrowed)
		symbols_order_destroy(atomic_exchange(&symbols->order, NULL));
}

size_t mvmi_symbols_count(const struct mvmi_symbols *symbols)
{
	return symbols->count;
}

void symbols_describe(const struct mvmi_symbols *symbols, size_t i,
		      struct mvmi_symbol *ret)
{
	const struct symbols_entry *e = &symbols->entries[i];

	*ret = (struct mvmi_symbol){
		.name = symbols->text + e->name,
		.module = e->module ? symbols->text +
					      symbols->modules[e->module - 1]
				    : "",
		.addr = e->absolute ? e->addr : e->addr + symbols->bias,
		.size = e->size ? e->size : symbols_extent(symbols, i),
		.index = i,
		.type = e->type,
	};
}

bool mvmi_symbols_get(const struct mvmi_symbols *symbols, size_t index,
		      struct mvmi_symbol *ret)
{
	if (index >= symbols->count)
		return false;
	symbols_describe(symbols, index, ret);
	return true;
}

void mvmi_symbols_destroy(struct mvmi_symbols *symbols)
{
	if (!symbols)
		return;
	symbols_names_destroy(atomic_load(&symbols->names));
	symbols_order_destroy(atomic_load(&symbols->order));
	if (!symbols->map) {
		free(symbols->entries);
		free(symbols->text);
		free(symbols->modules);
	}
	map_unref(symbols->map);
	free(symbols);
}
