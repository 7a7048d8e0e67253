/* SPDX-License-Identifier: MIT */
/** @file NUL-terminated text in the guest's kernel. */
#ifndef MICROVMI_OS_LINUX_TEXT_H
#define MICROVMI_OS_LINUX_TEXT_H

#include <microvmi/space.h>

#define text_read     mvmi__text_read
#define text_of_bytes mvmi__text_of_bytes

/**
 * Copy text up to its NUL, or as much as fits; buf always ends in a NUL.
 * What lies on the page after the NUL is not needed.
 *
 * @param size  Of buf, in bytes; at least 1.
 */
enum mvmi_status text_read(struct mvmi_space *space, mvmi_gva gva, char *buf,
			   size_t size, struct mvmi_error *err);

/** Copy text that fills an array of its own, up to its NUL if it has one. */
void text_of_bytes(struct mvmi_bytes bytes, char *buf, size_t size);

#endif /* MICROVMI_OS_LINUX_TEXT_H */
