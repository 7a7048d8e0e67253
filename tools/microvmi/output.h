/* SPDX-License-Identifier: MIT */
/** @file What goes to stdout: text for people, JSON for programs. */
#ifndef MICROVMI_TOOL_OUTPUT_H
#define MICROVMI_TOOL_OUTPUT_H

#include <jansson.h>
#include <microvmi/types.h>

/**
 * Replace by '?' what a stranger's name may do to a terminal: controls, and
 * bytes that are not UTF-8.
 */
void output_make_printable(char *s);

/** Print s with the same replacements. */
void output_printable(const char *s);

/** Print s as a JSON string; see output_text(). */
void output_quoted(const char *s);

/** Write it all to stdout at once. @return An exit code. */
int output_bytes(struct mvmi_bytes bytes);

/** Flush stdout. @return An exit code; a failure has been told. */
int output_finish(void);

/** Print one JSON document and drop it. @return An exit code. */
int output_json(json_t *document);

/** "0x1f" */
json_t *output_hex(uint64_t value);

/** Little-endian bytes as one number of full width: "0x00…1f". */
json_t *output_wide(struct mvmi_bytes bytes);

/** A string that may not be UTF-8: bytes that are not become U+FFFD. */
json_t *output_text(const char *s);

/** A count or id, as a number. */
json_t *output_number(uint64_t value);

/** Put value, which is taken over, into object. */
void output_put(json_t *object, const char *key, json_t *value);

/** Append value, which is taken over, to array. */
void output_append(json_t *array, json_t *value);

#define OUTPUT_COLUMNS_MAX 16

/** A table as wide as its widest cells. */
struct output_table {
	size_t columns; /**< at most OUTPUT_COLUMNS_MAX */
	uint32_t right; /**< bit n: column n is aligned to the right */
	size_t count;	/**< cells so far */
	size_t room;	/**< cells that there is room for */
	char **cells;	/**< owned, and each of them */
	size_t widths[OUTPUT_COLUMNS_MAX];
};

/** Append one cell, row by row. */
void output_cell(struct output_table *table, const char *fmt, ...)
	MVMI_PRINTF(2, 3);
/** Append a heading of NULL-terminated names. */
void output_heading(struct output_table *table, const char *const *names);
/** Print one row. */
void output_row(const struct output_table *table, size_t row);
/** Print all rows and drop them. @return An exit code. */
int output_table(struct output_table *table);
void output_table_fini(struct output_table *table);

#endif /* MICROVMI_TOOL_OUTPUT_H */
