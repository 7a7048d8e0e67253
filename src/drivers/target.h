/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Target strings: `driver:where[?key=value&…]`.
 *
 * A scheme is two or more letters or digits, the first a letter; all else is a
 * path, so that C:\x.dmp is one. `?` splits only before `key=`. In where and in
 * values %XX is a byte. A where that is itself `key=value` is an option, and
 * wins over a file of that name.
 */
#ifndef MICROVMI_DRIVERS_TARGET_H
#define MICROVMI_DRIVERS_TARGET_H

#include <microvmi/driver.h>

#define target_parse	   mvmi__target_parse

#define TARGET_LEN_MAX	   2048
#define TARGET_OPTIONS_MAX 16

/** A target taken apart; strings lie in text. */
struct target {
	const char *scheme; /**< "" for a bare path */
	const char *where;
	struct mvmi_target_option options[TARGET_OPTIONS_MAX];
	size_t option_count;
	char text[2 * TARGET_LEN_MAX];
};

/** @retval MVMI_ERR_INVALID  Too long, too many options, a bad escape. */
enum mvmi_status
target_parse(const char *string, struct target *ret, struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_TARGET_H */
