/* SPDX-License-Identifier: MIT */
/** @file One part of the RAM, as the files that lay out and read it share it. */
#ifndef MICROVMI_DRIVERS_QEMU_RAM_PART_H
#define MICROVMI_DRIVERS_QEMU_RAM_PART_H

#include "drivers/qemu/ram.h"

#define ram_find      mvmi__ram_find
#define part_file_run mvmi__part_file_run
#define part_page_run mvmi__part_page_run

/** An address for the kernel; nothing here may follow it. */
static inline void *address_of(uint64_t hva)
{
	return (void *)(uintptr_t)hva; /* NOLINT(performance-no-int-to-ptr) */
}

static inline bool part_has_bit(const struct ram_part *part, uint64_t page)
{
	return part->present[page / 64] >> (page % 64) & 1;
}

static inline void
part_set_bits(struct ram_part *part, uint64_t page, uint64_t end)
{
	while (page < end) {
		if (page % 64 == 0 && end - page >= 64) {
			part->present[page / 64] = UINT64_MAX;
			page += 64;
		} else {
			part->present[page / 64] |= UINT64_C(1) << (page % 64);
			page++;
		}
	}
}

/** The part that holds gpa, or the first one behind it; NULL: there is none. */
struct ram_part *ram_find(struct ram *ram, uint64_t gpa);

/** How the bytes of part from off on are backed, and how many alike. */
struct ram_run {
	enum mvmi_extent_kind kind;
	uint64_t len;
};

/** Ask the file; where it can't tell, all of it is data. */
struct ram_run part_file_run(struct ram_part *part, uint64_t off);

/** Ask the page tables, for at most max pages. */
struct ram_run part_page_run(const struct ram *ram, struct ram_part *part,
			     uint64_t off, uint64_t max);

#endif /* MICROVMI_DRIVERS_QEMU_RAM_PART_H */
