/* SPDX-License-Identifier: MIT */
#include "utf8.h"

#define SURROGATE_FIRST 0xd800
#define SURROGATE_LAST	0xdfff
#define CODE_MAX	0x10ffff

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t utf8_char(const char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = (unsigned char)s[0];
	uint32_t code = lead;
	size_t len = 1;

	if (lead >= 0xf0 && lead < 0xf8) {
		len = 4;
		code = lead & 7;
	} else if (lead >= 0xe0 && lead < 0xf0) {
		len = 3;
		code = lead & 15;
	} else if (lead >= 0xc0 && lead < 0xe0) {
		len = 2;
		code = lead & 31;
	} else if (lead >= 0x80) {
		return 0;
	}
	/* A NUL doesn't continue: nothing behind the end is read. */
	for (size_t i = 1; i < len; i++) {
		if (!continues(s[i]))
			return 0;
		code = code << 6 | ((unsigned char)s[i] & 63);
	}
	if (code < least[len] || code > CODE_MAX ||
	    (code >= SURROGATE_FIRST && code <= SURROGATE_LAST))
		return 0;
	*ret = code;
	return len;
}

bool utf8_is_printable(uint32_t code)
{
	static const struct {
		uint32_t first;
		uint32_t last;
	} unsafe[] = {
		{ 0, 0x1f },	    { 0x7f, 0x9f },	/* controls */
		{ 0x61c, 0x61c },   { 0x200e, 0x200f }, /* direction marks */
		{ 0x2028, 0x202e }, { 0x2066, 0x2069 }, /* and overrides */
	};

	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		if (code >= unsafe[i].first && code <= unsafe[i].last)
			return false;
	}
	return true;
}

size_t utf8_width(const char *s)
{
	size_t width = 0;

	for (; *s; s++) {
		if (!continues(*s))
			width++;
	}
	return width;
}
