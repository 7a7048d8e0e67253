/* SPDX-License-Identifier: MIT */
/* Internet addresses as text. */
#include "os/inet.h"

#include <string.h>

#include "../harness.h"

static void ipv4_is_four_numbers(void)
{
	static const uint8_t addr[4] = { 255, 0, 10, 200 };
	char text[INET_TEXT_MAX];

	inet_spell4(addr, text);
	CHECK(strcmp(text, "255.0.10.200") == 0);
}

static void ipv6_is_spelled_as_rfc_5952_says(void)
{
	static const struct {
		uint8_t addr[16];
		const char *text;
	} cases[] = {
		{ { 0 }, "::" },
		{ { [15] = 1 }, "::1" },
		{ { [0] = 0x20, 0x01 }, "2001::" },
		{ { 0x20, 1, 0xd, 0xb8, [14] = 0xab, 0xcd }, "2001:db8::abcd" },
		/* One zero group alone is written out. */
		{ { 0, 1, 0, 2, 0, 3, 0, 0, 0, 5, 0, 6, 0, 7, 0, 8 },
		  "1:2:3:0:5:6:7:8" },
		/* The longest run is left out, of equals the first. */
		{ { 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8 },
		  "1:0:0:4::8" },
		{ { 0, 1, 0, 0, 0, 0, 0, 4, 0, 5, 0, 0, 0, 0, 0, 8 },
		  "1::4:5:0:0:8" },
		{ { [10] = 0xff, 0xff, 192, 0, 2, 1 }, "::ffff:192.0.2.1" },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		    0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char text[INET_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		inet_spell6(cases[i].addr, text);
		if (strcmp(text, cases[i].text) != 0)
			printf("# %s, not %s\n", text, cases[i].text);
		CHECK(strcmp(text, cases[i].text) == 0);
	}
}

TESTS(T(ipv4_is_four_numbers), T(ipv6_is_spelled_as_rfc_5952_says))
