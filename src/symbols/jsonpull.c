/* SPDX-License-Identifier: MIT */
/* RFC 8259, but for numbers with fractions, which no caller wants. */
#include "symbols/jsonpull.h"

#include <string.h>

#include "base/error.h"

struct json json_begin(struct mvmi_span text)
{
	return (struct json){
		.at = text.ptr,
		.end = text.ptr + text.len,
		.start = text.ptr,
	};
}

void json_fail(struct json *j, const char *why)
{
	if (!j->failed)
		j->failed = why;
}

char json_peek(struct json *j)
{
	while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' ||
				  *j->at == '\r' || *j->at == '\t'))
		j->at++;
	if (j->failed || j->at == j->end)
		return '\0';
	return (char)*j->at;
}

/** Consume one character if it is the next. */
static bool json_accept(struct json *j, char expected)
{
	if (expected == '\0' || json_peek(j) != expected)
		return false;
	j->at++;
	return true;
}

static bool json_descend(struct json *j)
{
	if (j->depth == JSON_DEPTH_MAX) {
		json_fail(j, "too many containers in one another");
		return false;
	}
	j->has_element[++j->depth] = false;
	return true;
}

bool json_enter(struct json *j)
{
	if (!json_accept(j, '{')) {
		json_fail(j, "no object where one has to be");
		return false;
	}
	return json_descend(j);
}

/** Before the next element: the comma, if any. @return false  It was the last. */
static bool json_next(struct json *j, char close)
{
	if (json_accept(j, close)) {
		j->depth--;
		return false;
	}
	if (j->has_element[j->depth] && !json_accept(j, ','))
		json_fail(j, "no comma between elements");
	j->has_element[j->depth] = true;
	return !j->failed;
}

const char *json_key(struct json *j)
{
	const char *key;

	if (j->failed || !json_next(j, '}'))
		return NULL;
	key = json_string(j);
	if (!json_accept(j, ':'))
		json_fail(j, "no colon after a key");
	return j->failed ? NULL : key;
}

static unsigned json_hex(struct json *j)
{
	unsigned value = 0;

	if (j->end - j->at < 4) {
		json_fail(j, "it ends in a string");
		return 0;
	}
	for (unsigned i = 0; i < 4; i++) {
		uint8_t c = *j->at++;

		value <<= 4;
		if (c >= '0' && c <= '9')
			value |= c - (unsigned)'0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value |= (c | 0x20U) - 'a' + 10;
		else
			json_fail(j, "no hexadecimal digit after \\u");
	}
	return value;
}

/** \uXXXX, or two of them, as UTF-8: no longer than what it stands for. */
static uint8_t *json_unicode(struct json *j, uint8_t *out)
{
	unsigned code = json_hex(j);

	if (code >= 0xd800 && code < 0xdc00 && j->end - j->at >= 6 &&
	    j->at[0] == '\\' && j->at[1] == 'u') {
		j->at += 2;
		code = 0x10000 +
		       ((code - 0xd800) << 10 | (json_hex(j) & 0x3ff));
	}
	/* Half a pair stands for nothing. */
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	if (code == 0)
		json_fail(j, "a NUL in a string");
	if (code < 0x80) {
		*out++ = (uint8_t)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (uint8_t)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		*out++ = (uint8_t)(0xe0 | code >> 12);
		*out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	} else {
		*out++ = (uint8_t)(0xf0 | (code >> 18 & 7));
		*out++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
		*out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (uint8_t)(0x80 | (code & 0x3f));
	return out;
}

static uint8_t *json_escape(struct json *j, uint8_t *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint8_t c;

	if (j->at == j->end) {
		json_fail(j, "it ends in a string");
		return out;
	}
	c = *j->at++;
	if (c == 'u')
		return json_unicode(j, out);
	found = c ? strchr(from, c) : NULL;
	if (!found) {
		json_fail(j, "an unknown escape in a string");
		return out;
	}
	*out++ = (uint8_t)to[found - from];
	return out;
}

const char *json_string(struct json *j)
{
	uint8_t *start;
	uint8_t *out;

	if (!json_accept(j, '"')) {
		json_fail(j, "no string where one has to be");
		return NULL;
	}
	start = j->at;
	/* Most have no escapes, and stay as they are. */
	while (j->at < j->end && *j->at >= ' ' && *j->at != '"' &&
	       *j->at != '\\')
		j->at++;
	out = j->at;
	while (!j->failed && j->at < j->end && *j->at >= ' ' && *j->at != '"') {
		uint8_t c = *j->at++;

		if (c == '\\')
			out = json_escape(j, out);
		else
			*out++ = c;
	}
	if (j->at == j->end || *j->at != '"')
		json_fail(j, "a string does not end");
	if (j->failed)
		return NULL;
	/* out is at the closing quote, or before it. */
	j->at++;
	*out = '\0';
	return (const char *)start;
}

struct json_number json_integer(struct json *j)
{
	struct json_number number = { 0 };
	const uint8_t *digits;

	number.is_negative = json_accept(j, '-');
	digits = j->at;
	while (!j->failed && j->at < j->end && *j->at >= '0' && *j->at <= '9') {
		unsigned digit = *j->at++ - (unsigned)'0';

		if (number.value > (UINT64_MAX - digit) / 10)
			json_fail(j, "an integer of more than 64 bits");
		number.value = number.value * 10 + digit;
	}
	if (j->at == digits)
		json_fail(j, "no integer where one has to be");
	else if (j->at < j->end && (*j->at == '.' || (*j->at | 0x20) == 'e'))
		json_fail(j, "a fraction where an integer has to be");
	if (number.is_negative) {
		if (number.value > (uint64_t)1 << 63)
			json_fail(j, "an integer of more than 64 bits");
		number.value = 0 - number.value;
	}
	if (j->failed)
		return (struct json_number){ 0 };
	return number;
}

/** Consume a word of letters. */
static bool json_word(struct json *j, const char *word)
{
	size_t len = strlen(word);

	if (json_peek(j) != word[0] || (size_t)(j->end - j->at) < len ||
	    memcmp(j->at, word, len) != 0)
		return false;
	j->at += len;
	return true;
}

bool json_bool(struct json *j)
{
	if (json_word(j, "true"))
		return true;
	if (!json_word(j, "false"))
		json_fail(j, "neither true nor false");
	return false;
}

/** A number of any kind, that is not looked at. */
static void json_skip_number(struct json *j)
{
	const uint8_t *start = j->at;

	while (j->at < j->end && *j->at && strchr("+-.0123456789eE", *j->at))
		j->at++;
	if (j->at == start)
		json_fail(j, "no value where one has to be");
}

/** A value that is no container. */
static void json_skip_scalar(struct json *j)
{
	if (json_peek(j) == '"')
		(void)json_string(j);
	else if (!json_word(j, "null") && !json_word(j, "true") &&
		 !json_word(j, "false"))
		json_skip_number(j);
}

void json_skip(struct json *j)
{
	char close[JSON_DEPTH_MAX + 1];
	unsigned outer = j->depth;

	do {
		char c = json_peek(j);

		if (c == '{' || c == '[') {
			j->at++;
			if (json_descend(j))
				close[j->depth] = c == '{' ? '}' : ']';
		} else {
			json_skip_scalar(j);
		}
		/* Leave what ends here, up to where something follows. */
		while (!j->failed && j->depth > outer &&
		       !json_next(j, close[j->depth]))
			;
		if (!j->failed && j->depth > outer && close[j->depth] == '}') {
			(void)json_string(j);
			if (!json_accept(j, ':'))
				json_fail(j, "no colon after a key");
		}
	} while (!j->failed && j->depth > outer);
}

enum mvmi_status json_end(struct json *j, struct mvmi_error *err)
{
	(void)json_peek(j);
	if (j->at != j->end)
		json_fail(j, "something follows the end");
	if (!j->failed && j->depth)
		json_fail(j, "it ends early");
	if (!j->failed)
		return MVMI_OK;
	return fail(err, MVMI_ERR_CORRUPT, "JSON at offset 0x%zx: %s",
		    (size_t)(j->at - j->start), j->failed);
}
