/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "utf8.h"

/* What stands for a byte that is no character (Unicode 3.9). */
#define REPLACEMENT 0xfffd

void output_make_printable(char *s)
{
	while (*s) {
		uint32_t code;
		size_t len = utf8_char(s, &code);

		if (len && utf8_is_printable(code)) {
			s += len;
			continue;
		}
		/* No byte of it may stay: the rest would be no UTF-8. */
		for (size_t i = 0; i < (len ? len : 1); i++)
			*s++ = '?';
	}
}

void output_printable(const char *s)
{
	while (*s) {
		uint32_t code;
		size_t len = utf8_char(s, &code);

		if (len && utf8_is_printable(code))
			(void)fwrite(s, 1, len, stdout);
		else
			(void)putchar('?');
		s += len ? len : 1;
	}
}

void output_quoted(const char *s)
{
	(void)putchar('"');
	while (*s) {
		uint32_t code = REPLACEMENT;
		size_t len = utf8_char(s, &code);

		if (*s == '"' || *s == '\\')
			(void)printf("\\%c", *s);
		else if (!len || !utf8_is_printable(code))
			(void)printf("\\u%04" PRIx32, code);
		else
			(void)fwrite(s, 1, len, stdout);
		s += len ? len : 1;
	}
	(void)putchar('"');
}

static int output_failed(void)
{
	if (errno == EPIPE)
		return EXIT_PIPE;
	return diag_sys("cannot write the output");
}

int output_bytes(struct mvmi_bytes bytes)
{
	size_t done = 0;

	while (done < bytes.len) {
		ssize_t n = write(STDOUT_FILENO, bytes.ptr + done,
				  bytes.len - done);

		if (n < 0 && errno != EINTR)
			return output_failed();
		done += n > 0 ? (size_t)n : 0;
	}
	return EXIT_OK;
}

int output_finish(void)
{
	errno = EIO;
	if (fflush(stdout) != 0 || ferror(stdout))
		return output_failed();
	return EXIT_OK;
}

/**
 * Print JSON, with escapes for what no terminal should see: jansson's only are
 * for all of Unicode, or for what JSON itself demands. Such a character can
 * only be in a string.
 */
static void print_escaped(const char *text)
{
	const char *plain = text;

	while (*text) {
		uint32_t code = 0;
		size_t len = utf8_char(text, &code);

		if (code == '\n' || utf8_is_printable(code)) {
			text += len ? len : 1;
			continue;
		}
		(void)fwrite(plain, 1, (size_t)(text - plain), stdout);
		(void)printf("\\u%04" PRIx32, code);
		text += len ? len : 1;
		plain = text;
	}
	(void)puts(plain);
}

int output_json(json_t *document)
{
	char *text = json_dumps(document, JSON_INDENT(2));

	json_decref(document);
	if (!text)
		diag_no_memory();
	print_escaped(text);
	free(text);
	return output_finish();
}

json_t *output_hex(uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_string(text);
}

json_t *output_wide(struct mvmi_bytes bytes)
{
	char text[2 + 2 * 32 + 1] = "0x";
	size_t at = 2;

	for (size_t i = bytes.len; i > 0 && at + 3 <= sizeof(text); i--) {
		(void)snprintf(text + at, sizeof(text) - at, "%02x",
			       bytes.ptr[i - 1]);
		at += 2;
	}
	return json_string(text);
}

/** A copy in which bytes that are no UTF-8 are U+FFFD. */
static char *replace_invalid(const char *s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *copy = malloc(strlen(s) * (sizeof(replacement) - 1) + 1);
	char *out = copy;

	if (!copy)
		diag_no_memory();
	while (*s) {
		uint32_t code;
		size_t len = utf8_char(s, &code);
		size_t n = len ? len : sizeof(replacement) - 1;

		memcpy(out, len ? s : replacement, n);
		out += n;
		s += len ? len : 1;
	}
	*out = '\0';
	return copy;
}

json_t *output_text(const char *s)
{
	json_t *text = json_string(s);
	char *copy;

	if (text)
		return text;
	copy = replace_invalid(s);
	text = json_string(copy);
	free(copy);
	return text;
}

json_t *output_number(uint64_t value)
{
	return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

void output_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) != 0)
		diag_no_memory();
}

void output_append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		diag_no_memory();
}

static void add_cell(struct output_table *table, char *cell)
{
	size_t column = table->count % table->columns;
	size_t width;

	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		char **cells =
			realloc(table->cells, room * sizeof(*table->cells));

		if (!cells)
			diag_no_memory();
		table->cells = cells;
		table->room = room;
	}
	output_make_printable(cell);
	width = utf8_width(cell);
	if (width > table->widths[column])
		table->widths[column] = width;
	table->cells[table->count++] = cell;
}

void output_cell(struct output_table *table, const char *fmt, ...)
{
	va_list ap;
	char *cell;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&cell, fmt, ap);
	va_end(ap);
	if (n < 0)
		diag_no_memory();
	add_cell(table, cell);
}

void output_heading(struct output_table *table, const char *const *names)
{
	for (; *names; names++)
		output_cell(table, "%s", *names);
}

void output_row(const struct output_table *table, size_t row)
{
	for (size_t column = 0; column < table->columns; column++) {
		const char *cell = table->cells[row * table->columns + column];
		int pad = (int)(table->widths[column] - utf8_width(cell));
		bool right = table->right >> column & 1;

		(void)printf("%s%*s%s", column ? "  " : "", right ? pad : 0, "",
			     cell);
		if (!right && column + 1 < table->columns)
			(void)printf("%*s", pad, "");
	}
	(void)putchar('\n');
}

int output_table(struct output_table *table)
{
	for (size_t row = 0; row < table->count / table->columns; row++)
		output_row(table, row);
	output_table_fini(table);
	return output_finish();
}

void output_table_fini(struct output_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
}
