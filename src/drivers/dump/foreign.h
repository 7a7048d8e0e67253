/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Files that hold a guest's memory in ways that aren't read here. Taken for raw
 * memory they would give nonsense and call it success.
 */
#ifndef MICROVMI_DUMP_FOREIGN_H
#define MICROVMI_DUMP_FOREIGN_H

#include <microvmi/types.h>

#define foreign_find	  mvmi__dump_foreign_find

#define FOREIGN_MAGIC_LEN 16

/** What a file that begins like this is, and what to do; NULL: not known. */
const char *foreign_find(struct mvmi_bytes begin);

#endif /* MICROVMI_DUMP_FOREIGN_H */
