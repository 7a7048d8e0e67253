/* SPDX-License-Identifier: MIT */
/*
 * What a line looks like, with one space or more between the fields:
 *
 *	ffffffff81000000 T _text
 *	ffffffffc0201000 t nf_hook_entry	[nf_tables]
 */
#include "symbols/sysmap.h"

#include <string.h>

#include "base/error.h"
#include "symbols/table.h"

/* Addresses of 32-bit programs have eight digits. */
#define DIGITS_MIN 8
#define DIGITS_MAX 16

/* A line of a kernel's has some 45 bytes, of which the name is half. */
#define LINE_MEAN 40

struct sysmap_line {
	struct symbols_new symbol;
	struct mvmi_bytes module; /**< empty: the program itself */
};

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/** The kernel has "?" for what it can't classify. */
static bool is_type(uint8_t c)
{
	return c > ' ' && c < 0x7f;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static void skip(struct mvmi_bytes *line, size_t n)
{
	line->ptr += n;
	line->len -= n;
}

/** Take one space or more. */
static bool take_spaces(struct mvmi_bytes *line)
{
	size_t n = 0;

	while (n < line->len && is_space(line->ptr[n]))
		n++;
	skip(line, n);
	return n != 0;
}

/** Take what is printable, up to a space or the end. */
static struct mvmi_bytes take_word(struct mvmi_bytes *line)
{
	struct mvmi_bytes word = { line->ptr, 0 };

	while (word.len < line->len && line->ptr[word.len] > ' ' &&
	       line->ptr[word.len] != 0x7f)
		word.len++;
	skip(line, word.len);
	return word;
}

/** Take address and type, each with the spaces behind it. */
static bool take_head(struct mvmi_bytes *line, struct symbols_new *ret)
{
	uint64_t addr = 0;
	size_t n = 0;

	for (; n < line->len && n <= DIGITS_MAX; n++) {
		int digit = hex_digit(line->ptr[n]);

		if (digit < 0)
			break;
		addr = addr << 4 | (uint64_t)digit;
	}
	if (n < DIGITS_MIN || n > DIGITS_MAX)
		return false;
	skip(line, n);
	if (!take_spaces(line) || line->len == 0 || !is_type(line->ptr[0]))
		return false;
	*ret = (struct symbols_new){
		.addr = addr,
		.type = (char)line->ptr[0],
		.absolute = line->ptr[0] == 'A' || line->ptr[0] == 'a',
	};
	skip(line, 1);
	return take_spaces(line);
}

static bool parse_line(struct mvmi_bytes line, struct sysmap_line *ret)
{
	struct mvmi_bytes module;

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (!take_head(&line, &ret->symbol))
		return false;
	ret->symbol.name = take_word(&line);
	if (ret->symbol.name.len == 0)
		return false;
	ret->module = (struct mvmi_bytes){ 0 };
	if (!take_spaces(&line) || line.len == 0)
		return line.len == 0;
	module = take_word(&line);
	if (module.len < 3 || module.ptr[0] != '[' ||
	    module.ptr[module.len - 1] != ']')
		return false;
	ret->module = (struct mvmi_bytes){ module.ptr + 1, module.len - 2 };
	(void)take_spaces(&line);
	return line.len == 0;
}

bool sysmap_is(struct mvmi_bytes head)
{
	struct symbols_new symbol;

	return take_head(&head, &symbol) && take_word(&head).len != 0;
}

/** Add all lines; *ret_any is the bits that are set in any address. */
static enum mvmi_status
sysmap_lines(struct symbols_builder *b, struct mvmi_bytes text, uint64_t bias,
	     uint64_t *ret_any, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	struct sysmap_line line;
	uint64_t any = 0;

	for (size_t number = 1; text.len && status == MVMI_OK; number++) {
		const uint8_t *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) : text.len;

		if (!parse_line((struct mvmi_bytes){ text.ptr, len }, &line))
			return fail(err, MVMI_ERR_CORRUPT,
				    "line %zu is not an address, a type and a "
				    "name",
				    number);
		skip(&text, end ? len + 1 : len);
		any |= line.symbol.addr;
		if (!line.symbol.absolute)
			line.symbol.addr += bias;
		status = symbols_builder_module(b, line.module, err);
		if (status == MVMI_OK)
			status = symbols_builder_add(b, &line.symbol, err);
	}
	*ret_any = any;
	return status;
}

enum mvmi_status sysmap_parse(struct mvmi_bytes text, uint64_t bias,
			      struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct symbols_builder builder = { 0 };
	uint64_t any = 0;
	enum mvmi_status status = symbols_builder_reserve(
		&builder, text.len / LINE_MEAN, text.len / 2, err);

	if (status == MVMI_OK)
		status = sysmap_lines(&builder, text, bias, &any, err);
	if (status == MVMI_OK && builder.count == 0)
		status = fail(err, MVMI_ERR_CORRUPT, "there is no symbol");
	if (status == MVMI_OK && any == 0)
		status = fail(err, MVMI_ERR_DENIED,
			      "all addresses are zero: read /proc/kallsyms as "
			      "root");
	if (status == MVMI_OK)
		status = symbols_builder_finish(&builder, ret, err);
	symbols_builder_fini(&builder);
	return status;
}
