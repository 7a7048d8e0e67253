/* SPDX-License-Identifier: MIT */
/*
 * kallsyms_token_table is 256 strings, one for each value of a byte in a
 * compressed name, and kallsyms_token_index, a little behind, is the offset of
 * each as a u16. A character that occurs in any symbol stands for itself, so
 * that the strings "0" to "9" and "a" to "z" lie in a row in every kernel
 * (scripts/kallsyms.c of Linux).
 */
#include "symbols/kallsyms_tokens.h"

#include <string.h>

#include "base/le.h"
#include "base/util.h"
#include "symbols/kallsyms.h"

#define INDEX_LEN ((size_t)KALLSYMS_TOKENS * 2)

/* token_index is aligned to 4 or 8 bytes. */
#define INDEX_MAX_PAD 7

static const uint8_t digits[20] =
	"0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
static const uint8_t letters[52] = "a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0"
				   "n\0o\0p\0q\0r\0s\0t\0u\0v\0w\0x\0y\0z";

/** Length of the string at an offset; false if no token is like that. */
static bool token_len(struct mvmi_bytes memory, size_t at, size_t *ret)
{
	size_t n = 0;

	while (n <= KALLSYMS_MAX_TOKEN && at + n < memory.len) {
		uint8_t c = memory.ptr[at + n];

		if (c == 0) {
			*ret = n;
			return true;
		}
		if (c <= ' ' || c > '~')
			return false;
		n++;
	}
	return false;
}

/** Step over count strings. */
static bool tokens_skip(struct mvmi_bytes memory, size_t *at, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len;

		if (!token_len(memory, *at, &len))
			return false;
		*at += len + 1;
	}
	return true;
}

static bool matches(struct mvmi_bytes memory, size_t at, struct mvmi_bytes what)
{
	return at <= memory.len && what.len <= memory.len - at &&
	       memcmp(memory.ptr + at, what.ptr, what.len) == 0;
}

bool kallsyms_tokens_read(struct mvmi_bytes memory, size_t table,
			  struct kallsyms_tokens *ret)
{
	uint8_t index[INDEX_LEN];
	size_t at = table;

	if (table >= memory.len)
		return false;
	for (size_t i = 0; i < KALLSYMS_TOKENS; i++) {
		struct kallsyms_token *token = &ret->token[i];

		if (at - table > UINT16_MAX ||
		    !token_len(memory, at, &token->len))
			return false;
		index[2 * i] = (uint8_t)(at - table);
		index[2 * i + 1] = (uint8_t)((at - table) >> 8);
		token->text = (const char *)memory.ptr + at;
		memset(token->head, 0, sizeof(token->head));
		memcpy(token->head, token->text,
		       MIN(token->len, sizeof(token->head)));
		at += token->len + 1;
	}
	for (size_t pad = 0; pad <= INDEX_MAX_PAD; pad++) {
		if (!matches(memory, at + pad,
			     (struct mvmi_bytes){ index, sizeof(index) }))
			continue;
		ret->index = at + pad;
		ret->end = ret->index + INDEX_LEN;
		return true;
	}
	return false;
}

/**
 * Where a token_index says "0" is in the table, if it goes on as the digits do:
 * two bytes each.
 */
static bool index_of_digits(struct mvmi_bytes memory, size_t index, size_t *ret)
{
	const uint8_t *entry;
	size_t first;

	if (index > memory.len || INDEX_LEN > memory.len - index)
		return false;
	entry = memory.ptr + index + (size_t)'0' * 2;
	first = load_le32(entry) & 0xffff;
	for (size_t i = 1; i < 10; i++)
		if ((load_le32(entry + 2 * i) & 0xffff) != first + 2 * i)
			return false;
	*ret = first;
	return true;
}

/**
 * The table that has its "0" at an offset: the strings behind lead to the
 * index, and that tells where the table begins.
 */
static bool table_around(struct mvmi_bytes memory, size_t zero, size_t *ret)
{
	struct kallsyms_tokens tokens;
	size_t at = zero;
	size_t back;

	if (!tokens_skip(memory, &at, 'a' - '0') ||
	    !matches(memory, at,
		     (struct mvmi_bytes){ letters, sizeof(letters) }) ||
	    !tokens_skip(memory, &at, KALLSYMS_TOKENS - 'a'))
		return false;
	for (size_t pad = 0; pad <= INDEX_MAX_PAD; pad++) {
		if (!index_of_digits(memory, at + pad, &back) || back > zero ||
		    !kallsyms_tokens_read(memory, zero - back, &tokens) ||
		    tokens.index != at + pad)
			continue;
		*ret = zero - back;
		return true;
	}
	return false;
}

typedef uint32_t lanes __attribute__((vector_size(16)));

/** Bytes that are looked at in one step. */
#define SCAN_STEP 64

static lanes lanes_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	uint8_t bytes[16];
	lanes ret;

	for (size_t i = 0; i < sizeof(bytes); i += 4) {
		bytes[i] = a;
		bytes[i + 1] = b;
		bytes[i + 2] = c;
		bytes[i + 3] = d;
	}
	memcpy(&ret, bytes, sizeof(ret));
	return ret;
}

/**
 * The next step from an offset on that has two digits between NULs: of twenty
 * bytes like that, four that begin at a multiple of four show it.
 */
static size_t scan_digits(struct mvmi_bytes memory, size_t at)
{
	const lanes even_mask = lanes_of(0xf0, 0xff, 0xf0, 0xff);
	const lanes even = lanes_of('0', 0, '0', 0);
	const lanes odd_mask = lanes_of(0xff, 0xf0, 0xff, 0xf0);
	const lanes odd = lanes_of(0, '0', 0, '0');

	for (; SCAN_STEP <= memory.len - at; at += SCAN_STEP) {
		lanes hit = { 0 };
		uint64_t any[2];

		for (size_t i = 0; i < SCAN_STEP; i += sizeof(lanes)) {
			lanes v;

			memcpy(&v, memory.ptr + at + i, sizeof(v));
			hit |= (lanes)((v & even_mask) == even);
			hit |= (lanes)((v & odd_mask) == odd);
		}
		memcpy(any, &hit, sizeof(any));
		if (any[0] | any[1])
			return at;
	}
	return at;
}

bool kallsyms_find_tokens(struct mvmi_bytes memory, size_t from, size_t *ret)
{
	size_t done = from;

	if (from >= memory.len)
		return false;
	for (size_t at = from; at < memory.len; at += SCAN_STEP) {
		size_t found;
		size_t last;

		at = scan_digits(memory, at);
		last = MIN(memory.len, at + SCAN_STEP);
		/* They may have begun in the step before. */
		for (size_t p = MAX(done, at - MIN(at, sizeof(digits)));
		     p < last; p++)
			if (memory.ptr[p] == '0' &&
			    matches(memory, p,
				    (struct mvmi_bytes){ digits,
							 sizeof(digits) }) &&
			    table_around(memory, p, &found) && found >= from) {
				*ret = found;
				return true;
			}
		done = last;
	}
	return false;
}
