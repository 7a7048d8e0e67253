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

void output_make_printable(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
	}
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

int output_json(json_t *document)
{
	char *text = json_dumps(document, JSON_INDENT(2));

	json_decref(document);
	if (!text)
		diag_no_memory();
	(void)puts(text);
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

json_t *output_text(const char *s)
{
	json_t *text = json_string(s);
	char *copy;

	if (text)
		return text;
	copy = strdup(s);
	if (!copy)
		diag_no_memory();
	for (char *c = copy; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	text = json_string(copy);
	free(copy);
	return text;
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

void output_cell(struct output_table *table, const char *fmt, ...)
{
	size_t count = table->count;
	char **cells =
		realloc(table->cells, (count + 1) * sizeof(*table->cells));
	va_list ap;
	int n;

	if (!cells)
		diag_no_memory();
	table->cells = cells;
	va_start(ap, fmt);
	n = vasprintf(&cells[count], fmt, ap);
	va_end(ap);
	if (n < 0)
		diag_no_memory();
	output_make_printable(cells[count]);
	table->count++;
}

void output_row(const struct output_table *table, size_t row)
{
	for (size_t column = 0; column < table->columns; column++) {
		size_t width = 0;

		for (size_t i = column; i < table->count; i += table->columns) {
			size_t len = strlen(table->cells[i]);

			width = len > width ? len : width;
		}
		if (column + 1 == table->columns)
			width = 0;
		(void)printf("%s%-*s", column ? "  " : "", (int)width,
			     table->cells[row * table->columns + column]);
	}
	(void)putchar('\n');
}

void output_table_fini(struct output_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
}
