/* SPDX-License-Identifier: MIT */
/* The cursor: fails once, stays failed, yields zeros after. */
#include <string.h>

#include "base/cursor.h"
#include "harness.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static struct cursor at_start(void)
{
	return cursor_of((struct mvmi_bytes){ bytes, sizeof(bytes) });
}

static void integers_come_in_both_byte_orders(void)
{
	struct cursor c = at_start();

	CHECK(cursor_u8(&c) == 1);
	CHECK(cursor_u16le(&c) == 0x0302);
	CHECK(cursor_be(&c, 4) == 0x04050607);
	CHECK(cursor_ok(&c));
	CHECK(c.rest.len == 1);
}

static void an_overrun_yields_zero_and_stays(void)
{
	struct cursor c = at_start();

	CHECK(cursor_u64le(&c) == UINT64_C(0x0807060504030201));
	CHECK(cursor_u8(&c) == 0);
	CHECK(!cursor_ok(&c));
	c.rest = (struct mvmi_bytes){ bytes, sizeof(bytes) };
	CHECK(cursor_u8(&c) == 0);
	CHECK(!cursor_ok(&c));
}

static void a_huge_length_is_an_overrun_not_a_wrap(void)
{
	struct cursor c = at_start();

	(void)cursor_u8(&c);
	CHECK(cursor_take(&c, SIZE_MAX).len == 0);
	CHECK(!cursor_ok(&c));
}

static void copy_past_the_end_leaves_zeros(void)
{
	struct cursor c = at_start();
	uint8_t out[9];

	memset(out, 0xff, sizeof(out));
	cursor_copy(&c, (struct mvmi_span){ out, sizeof(out) });
	CHECK(!cursor_ok(&c));
	for (size_t i = 0; i < sizeof(out); i++)
		CHECK(out[i] == 0);
}

TESTS(T(integers_come_in_both_byte_orders), T(an_overrun_yields_zero_and_stays),
      T(a_huge_length_is_an_overrun_not_a_wrap),
      T(copy_past_the_end_leaves_zeros))
