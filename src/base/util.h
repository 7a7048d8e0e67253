/* SPDX-License-Identifier: MIT */
/** @file The few macros that the project allows itself. */
#ifndef MICROVMI_BASE_UTIL_H
#define MICROVMI_BASE_UTIL_H

#include <stddef.h>

/** The structure of the given type whose member is at ptr. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#endif /* MICROVMI_BASE_UTIL_H */
