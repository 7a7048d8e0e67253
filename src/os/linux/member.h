/* SPDX-License-Identifier: MIT */
/** @file Single members of structs: seldom needed ones, and of copied arrays. */
#ifndef MICROVMI_OS_LINUX_MEMBER_H
#define MICROVMI_OS_LINUX_MEMBER_H

#include "os/linux/linux.h"

#define member_read mvmi__member_read
#define member_u64  mvmi__member_u64

/**
 * Fetch an integer or pointer by name. What is read often has a shape instead.
 *
 * @param path  Dotted, as mvmi_types_field() takes it.
 * @param gva   Of the whole struct.
 * @retval MVMI_ERR_UNSUPPORTED  There is no such type or member.
 */
enum mvmi_status
member_read(struct linux_os *guest, const char *type, const char *path,
	    mvmi_gva gva, uint64_t *ret, struct mvmi_error *err);

/**
 * An integer, pointer or bit-field of a whole struct that lies in an array we
 * copied; as object_u64().
 *
 * @param bytes  shape->size of them.
 */
uint64_t
member_u64(const struct shape *shape, const uint8_t *bytes, size_t field);

#endif /* MICROVMI_OS_LINUX_MEMBER_H */
