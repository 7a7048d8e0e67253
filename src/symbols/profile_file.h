/* SPDX-License-Identifier: MIT */
/** @file Writing one profile's file, for the folder that keeps them. */
#ifndef MICROVMI_SYMBOLS_PROFILE_FILE_H
#define MICROVMI_SYMBOLS_PROFILE_FILE_H

#include "symbols/profile.h"

#define profile_write_file mvmi__profile_write_file

/**
 * Write a profile.
 *
 * @param fd  Of an empty file. Borrowed.
 * @param profile  Its symbols' index of names has been made.
 */
MVMI_MUST_CHECK enum mvmi_status
profile_write_file(int fd, struct mvmi_bytes build_id,
		   const struct profile *profile, struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_PROFILE_FILE_H */
