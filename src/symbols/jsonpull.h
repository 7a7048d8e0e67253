/* SPDX-License-Identifier: MIT */
/**
 * @file
 * JSON, pulled piece by piece out of a buffer that is changed on the way.
 *
 * jansson, which reads all other JSON here, has no integers beyond 2^63, and a
 * kernel's addresses are; and it makes a tree, which of an ISF's 50 MB would
 * be half a GB. This one makes nothing: strings are decoded where they are.
 *
 * A reader fails once and stays failed; then every call returns false or
 * nothing, so that callers may ask once at the end.
 *
 *	if (json_enter(&j, '{'))
 *		while ((key = json_key(&j)) != NULL)
 *			...one value...
 */
#ifndef MICROVMI_SYMBOLS_JSONPULL_H
#define MICROVMI_SYMBOLS_JSONPULL_H

#include <microvmi/types.h>

#define json_begin   mvmi__json_begin
#define json_bool    mvmi__json_bool
#define json_end     mvmi__json_end
#define json_enter   mvmi__json_enter
#define json_fail    mvmi__json_fail
#define json_integer mvmi__json_integer
#define json_key     mvmi__json_key
#define json_peek    mvmi__json_peek
#define json_skip    mvmi__json_skip
#define json_string  mvmi__json_string

/* Containers in containers; an ISF has 8, and arrays of arrays have more. */
#define JSON_DEPTH_MAX 64

struct json {
	uint8_t *at;
	uint8_t *end;
	const uint8_t *start;
	unsigned depth;
	/** By depth: whether it had an element, so that a comma follows. */
	bool has_element[JSON_DEPTH_MAX + 1];
	const char *failed; /**< why; NULL: it didn't */
};

/** An integer as JSON has it. */
struct json_number {
	uint64_t value; /**< of a negative one: two's complement */
	bool is_negative;
};

/** @param text  Changed by reading; strings lie in it. */
struct json json_begin(struct mvmi_span text);

/** The first character of the next value, or 0. */
char json_peek(struct json *j);

/** Enter an object. @return false  It failed: the next value is none. */
bool json_enter(struct json *j);

/** The next key of the object that was entered last; NULL: it is left. */
const char *json_key(struct json *j);

/** NULL if the next value is no string. It ends with a NUL, and has no other. */
const char *json_string(struct json *j);

/** Zero if the next value is no integer of 64 bits. */
struct json_number json_integer(struct json *j);

/** False if the next value is neither true nor false. */
bool json_bool(struct json *j);

/** Pass over the next value, whatever it is. */
void json_skip(struct json *j);

/** Make it fail, with a reason that is a constant. */
void json_fail(struct json *j, const char *why);

/** OK if all was read, and well formed. */
enum mvmi_status json_end(struct json *j, struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_JSONPULL_H */
