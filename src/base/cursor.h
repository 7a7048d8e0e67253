/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Parsing of bytes the guest controls.
 *
 * A cursor fails once and stays failed: after an out-of-bounds read every
 * further read yields zero, so a parser takes a whole record and then asks
 * cursor_ok() once. No offset arithmetic in parsers.
 */
#ifndef MICROVMI_BASE_CURSOR_H
#define MICROVMI_BASE_CURSOR_H

#include <microvmi/types.h>
#include <string.h>

struct cursor {
	struct mvmi_bytes rest; /**< bytes not consumed yet */
	bool failed;
};

static inline struct cursor cursor_of(struct mvmi_bytes src)
{
	return (struct cursor){ .rest = src };
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->failed;
}

/** Consume n bytes; an empty view on overrun. */
static inline struct mvmi_bytes cursor_take(struct cursor *c, size_t n)
{
	struct mvmi_bytes out = { c->rest.ptr, n };

	if (c->failed || n > c->rest.len) {
		c->failed = true;
		return (struct mvmi_bytes){ 0 };
	}
	c->rest.ptr += n;
	c->rest.len -= n;
	return out;
}

/** Consume a little-endian integer; 0 on overrun. */
static inline uint64_t cursor_le(struct cursor *c, size_t width)
{
	struct mvmi_bytes raw = cursor_take(c, width);
	uint64_t value = 0;

	for (size_t i = raw.len; i > 0; i--)
		value = value << 8 | raw.ptr[i - 1];
	return value;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_le(c, 1);
}

static inline uint16_t cursor_u16le(struct cursor *c)
{
	return (uint16_t)cursor_le(c, 2);
}

static inline uint32_t cursor_u32le(struct cursor *c)
{
	return (uint32_t)cursor_le(c, 4);
}

static inline uint64_t cursor_u64le(struct cursor *c)
{
	return cursor_le(c, 8);
}

/** Consume a big-endian integer; 0 on overrun. */
static inline uint64_t cursor_be(struct cursor *c, size_t width)
{
	struct mvmi_bytes raw = cursor_take(c, width);
	uint64_t value = 0;

	for (size_t i = 0; i < raw.len; i++)
		value = value << 8 | raw.ptr[i];
	return value;
}

/** Consume exactly dst.len bytes into dst; zeros on overrun. */
static inline void cursor_copy(struct cursor *c, struct mvmi_span dst)
{
	struct mvmi_bytes raw = cursor_take(c, dst.len);

	if (raw.len)
		memcpy(dst.ptr, raw.ptr, raw.len);
	else if (dst.len)
		memset(dst.ptr, 0, dst.len);
}

#endif /* MICROVMI_BASE_CURSOR_H */
