/* SPDX-License-Identifier: MIT */
/** @file The guest's memory map, from the text of QEMU's `info mtree -f`. */
#ifndef MICROVMI_DRIVERS_QEMU_MTREE_H
#define MICROVMI_DRIVERS_QEMU_MTREE_H

#include <microvmi/mem.h>

#define mtree_parse mvmi__mtree_parse

/** PAM areas, BARs and memory devices make dozens; this is far beyond. */
#define MTREE_REGIONS_MAX 4096

/**
 * Find the RAM and ROM in the flat view of the address space "memory".
 *
 * The text is a human's, and QEMU promises nothing about it: a line in there
 * that is not understood to the last character fails the whole.
 *
 * @param regions  Room for MTREE_REGIONS_MAX; sorted, without overlap.
 *
 * @retval MVMI_ERR_CORRUPT  No such view, or a line of it is not understood.
 * @retval MVMI_ERR_LIMIT    More than MTREE_REGIONS_MAX regions.
 */
enum mvmi_status mtree_parse(const char *text, struct mvmi_region *regions,
			     size_t *ret, struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_QEMU_MTREE_H */
