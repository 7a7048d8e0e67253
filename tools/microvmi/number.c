/* SPDX-License-Identifier: MIT */
#include "number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int number_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static const char *parse_digits(const char *s, size_t len, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t value = 0;
	size_t i = 0;

	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		i = 2;
	}
	if (i == len)
		return "a number is missing";
	for (; i < len; i++) {
		int digit = number_digit(s[i]);

		if (digit < 0 || (unsigned)digit >= base)
			return base == 16 ? "not a hexadecimal number"
					  : "not a number; hexadecimal ones "
					    "begin with 0x";
		if (value > (UINT64_MAX - (unsigned)digit) / base)
			return "more than 64 bits";
		value = value * base + (unsigned)digit;
	}
	*ret = value;
	return NULL;
}

const char *number_parse(const char *s, uint64_t *ret)
{
	return parse_digits(s, strlen(s), ret);
}

const char *number_parse_len(const char *s, uint64_t *ret)
{
	static const char suffixes[] = "KMGT";
	size_t len = strlen(s);
	const char *suffix = len ? strchr(suffixes, s[len - 1]) : NULL;
	unsigned shift = 0;
	uint64_t value;
	const char *wrong;

	if (suffix) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		len--;
	}
	wrong = parse_digits(s, len, &value);
	if (wrong)
		return wrong;
	if (value > UINT64_MAX >> shift)
		return "more than 64 bits";
	*ret = value << shift;
	return NULL;
}

const char *number_format_size(char buf[NUMBER_SIZE_LEN], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t unit_len = 1024;
	uint64_t whole;
	unsigned tenth;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, NUMBER_SIZE_LEN, "%" PRIu64 " B", bytes);
		return buf;
	}
	/* 4 GiB without the hole of a VGA card is 4 GiB, not 3.9. */
	while (unit + 2 < sizeof(units) &&
	       bytes >= unit_len * 1024 - unit_len / 20) {
		unit_len *= 1024;
		unit++;
	}
	whole = bytes / unit_len;
	tenth = (unsigned)((bytes % unit_len / (unit_len / 1024) * 10 + 512) /
			   1024);
	whole += tenth / 10;
	tenth %= 10;
	if (tenth)
		(void)snprintf(buf, NUMBER_SIZE_LEN, "%" PRIu64 ".%u %ciB",
			       whole, tenth, units[unit]);
	else
		(void)snprintf(buf, NUMBER_SIZE_LEN, "%" PRIu64 " %ciB", whole,
			       units[unit]);
	return buf;
}
