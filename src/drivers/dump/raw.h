/* SPDX-License-Identifier: MIT */
/** @file Raw memory dumps: bytes, and at most a list of where they belong. */
#ifndef MICROVMI_DUMP_RAW_H
#define MICROVMI_DUMP_RAW_H

#include "drivers/dump/image.h"

#define raw_parse	 mvmi__dump_raw_parse

#define RAW_LIST_PARTS	 "START+LEN[@OFFSET]"
#define RAW_LIST_LEN_MAX ((uint64_t)1 << 20)

/**
 * Lay out a raw dump.
 *
 * @param list  Regions as docs/formats.md says, NUL-terminated; NULL for one
 *              region that is the whole file.
 *
 * @retval MVMI_ERR_INVALID  The list is misspelt, or regions overlap.
 * @retval MVMI_ERR_CORRUPT  A region lies beyond the end of the file.
 */
enum mvmi_status raw_parse(const char *list, uint64_t file_size,
			   struct dump_image *ret, struct mvmi_error *err);

#endif /* MICROVMI_DUMP_RAW_H */
