/* SPDX-License-Identifier: MIT */
/** @file Internet addresses as text, the same on every host. */
#ifndef MICROVMI_OS_INET_H
#define MICROVMI_OS_INET_H

#include <stdint.h>

#define inet_spell4 mvmi__inet_spell4
#define inet_spell6 mvmi__inet_spell6

/** Longest text of an address, with its NUL. */
#define INET_TEXT_MAX 46

/** "127.0.0.1". @param addr  In network order. */
void inet_spell4(const uint8_t addr[4], char text[INET_TEXT_MAX]);

/** RFC 5952, e.g. "::1", "::ffff:192.0.2.1". */
void inet_spell6(const uint8_t addr[16], char text[INET_TEXT_MAX]);

#endif /* MICROVMI_OS_INET_H */
