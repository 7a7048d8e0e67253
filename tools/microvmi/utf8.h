/* SPDX-License-Identifier: MIT */
/** @file Text of strangers: which of its bytes a terminal may see. */
#ifndef MICROVMI_TOOL_UTF8_H
#define MICROVMI_TOOL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Bytes of the character at s, not its NUL; 0 where it is not UTF-8. */
size_t utf8_char(const char *s, uint32_t *ret);

/**
 * Whether a character only shows: no control, none that turns the direction of
 * what follows, or breaks the line.
 */
bool utf8_is_printable(uint32_t code);

/** Cells that s takes on a terminal, each character counted as one. */
size_t utf8_width(const char *s);

#endif /* MICROVMI_TOOL_UTF8_H */
