/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What an earlier search learnt of the same kernel (symbols/profile.h): found
 * by the build-id in the kernel's image, and believed if the parts of the image
 * that it was made of are the same bytes in this guest.
 */
#ifndef MICROVMI_OS_LINUX_FIND_CACHE_H
#define MICROVMI_OS_LINUX_FIND_CACHE_H

#include "os/linux/find/kernel.h"
#include "symbols/kallsyms.h"

#define cache_load    mvmi__cache_load
#define cache_measure mvmi__cache_measure
#define cache_store   mvmi__cache_store

/**
 * Take symbols and types from a profile in dir.
 *
 * @param found  Its anchor is set.
 * @retval false  There is none that fits.
 */
bool cache_load(struct mvmi_vm *vm, const char *dir, struct found *found);

/**
 * Remember which bytes symbols are made of, while there is a copy of them.
 *
 * @param off  Of the copy's first byte, from _text.
 */
void cache_measure(struct found *found, struct mvmi_bytes copy, uint64_t off,
		   const struct kallsyms_layout *layout);

/** Keep a kernel that was found and measured; failing to is no failure. */
void cache_store(const struct linux_os *guest, const char *dir,
		 const struct found *found);

#endif /* MICROVMI_OS_LINUX_FIND_CACHE_H */
