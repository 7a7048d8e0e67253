/* SPDX-License-Identifier: MIT */
#include "os/inet.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define GROUPS 8

void inet_spell4(const uint8_t addr[4], char text[INET_TEXT_MAX])
{
	(void)snprintf(text, INET_TEXT_MAX, "%u.%u.%u.%u", addr[0], addr[1],
		       addr[2], addr[3]);
}

/** The longest run of two zero groups or more, the first of equals. */
static unsigned find_zeros(const uint16_t groups[GROUPS], unsigned *ret_len)
{
	unsigned best = 0;
	unsigned best_len = 1;
	unsigned len = 0;

	for (unsigned i = 0; i < GROUPS; i++) {
		len = groups[i] ? 0 : len + 1;
		if (len > best_len) {
			best_len = len;
			best = i + 1 - len;
		}
	}
	*ret_len = best_len > 1 ? best_len : 0;
	return best;
}

void inet_spell6(const uint8_t addr[16], char text[INET_TEXT_MAX])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint16_t groups[GROUPS];
	unsigned zeros, zeros_len;
	size_t len = 0;

	if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
		char v4[INET_TEXT_MAX];

		inet_spell4(addr + sizeof(mapped), v4);
		(void)snprintf(text, INET_TEXT_MAX, "::ffff:%.15s", v4);
		return;
	}
	for (size_t i = 0; i < GROUPS; i++)
		groups[i] = (uint16_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
	zeros = find_zeros(groups, &zeros_len);
	text[0] = '\0';
	for (unsigned i = 0; i < GROUPS; i++) {
		bool hidden = zeros_len && i >= zeros && i < zeros + zeros_len;
		const char *colon =
			i == 0 || (zeros_len && i == zeros + zeros_len) ? ""
									: ":";

		if (hidden && i > zeros)
			continue;
		if (hidden)
			len += (size_t)snprintf(text + len, INET_TEXT_MAX - len,
						"::");
		else
			len += (size_t)snprintf(text + len, INET_TEXT_MAX - len,
						"%s%x", colon, groups[i]);
	}
}
