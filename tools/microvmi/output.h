/* SPDX-License-Identifier: MIT */
/** @file What goes to stdout: text for people, JSON for programs. */
#ifndef MICROVMI_TOOL_OUTPUT_H
#define MICROVMI_TOOL_OUTPUT_H

#include <jansson.h>
#include <microvmi/types.h>

/** Replace control characters, which a stranger's name may hold, by '?'. */
void output_make_printable(char *s);

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

/** A string that may not be UTF-8: then what is not ASCII becomes '?'. */
json_t *output_text(const char *s);

/** Put value, which is taken over, into object. */
void output_put(json_t *object, const char *key, json_t *value);

/** Append value, which is taken over, to array. */
void output_append(json_t *array, json_t *value);

/** A table as wide as its widest cells. */
struct output_table {
	size_t columns;
	size_t count; /**< cells so far */
	char **cells; /**< owned, and each of them */
};

/** Append one cell, row by row. */
void output_cell(struct output_table *table, const char *fmt, ...)
	MVMI_PRINTF(2, 3);
/** Print one row. */
void output_row(const struct output_table *table, size_t row);
void output_table_fini(struct output_table *table);

#endif /* MICROVMI_TOOL_OUTPUT_H */
