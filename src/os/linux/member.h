/* SPDX-License-Identifier: MIT */
/** @file One member of a struct, for those that are seldom needed. */
#ifndef MICROVMI_OS_LINUX_MEMBER_H
#define MICROVMI_OS_LINUX_MEMBER_H

#include "os/linux/linux.h"

#define member_read mvmi__member_read

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

#endif /* MICROVMI_OS_LINUX_MEMBER_H */
