/* SPDX-License-Identifier: MIT */
/** @file Numbers as users write them: 0x-hex or decimal, nothing else. */
#ifndef MICROVMI_TOOL_NUMBER_H
#define MICROVMI_TOOL_NUMBER_H

#include <microvmi/types.h>

/**
 * Parse all of s.
 *
 * @param ret  Unchanged on failure.
 * @return NULL, or what is wrong with it.
 */
const char *number_parse(const char *s, uint64_t *ret);

/** As number_parse(), with K, M, G or T for powers of 1024 at the end. */
const char *number_parse_len(const char *s, uint64_t *ret);

/** The value of a hexadecimal digit, or -1. */
int number_digit(char c);

/** Room for "1023.9 GiB". */
#define NUMBER_SIZE_LEN 24

/** Write a byte count for people, rounded: "1.5 GiB". @return buf */
const char *number_format_size(char buf[NUMBER_SIZE_LEN], uint64_t bytes);

#endif /* MICROVMI_TOOL_NUMBER_H */
