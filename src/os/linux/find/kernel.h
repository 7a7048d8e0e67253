/* SPDX-License-Identifier: MIT */
/**
 * @file
 * From a kernel's place and symbols to all that struct linux_kernel holds; and
 * the checks without which nothing of it is believed.
 */
#ifndef MICROVMI_OS_LINUX_FIND_KERNEL_H
#define MICROVMI_OS_LINUX_FIND_KERNEL_H

#include "os/linux/find/anchor.h"
#include "os/linux/linux.h"
#include "symbols/profile.h"

#define kernel_take	   mvmi__kernel_take
#define kernel_root	   mvmi__kernel_root
#define kernel_read_layout mvmi__kernel_read_layout
#define kernel_read_u64	   mvmi__kernel_read_u64
#define kernel_read_u32	   mvmi__kernel_read_u32

/** What a method came to, before it is believed. */
struct found {
	const char *by;		/**< the method */
	const char *checked_by; /**< what else agreed */
	struct anchor anchor;
	struct mvmi_symbols *symbols; /**< owned */
	struct mvmi_types *types;     /**< owned; of a profile, or NULL */
	/** What a profile of it would be; its tables are not set. */
	struct profile profile;
};

/**
 * Check what was found and make it the guest's kernel, with its space, symbols
 * and types.
 *
 * @param found  Its symbols and types are taken over on success.
 *
 * @retval MVMI_ERR_CORRUPT  Two ways to the same thing come to different ends;
 *                           the message says both.
 */
enum mvmi_status
kernel_take(struct linux_os *guest, const struct mvmi_os_options *options,
	    struct found *found, struct mvmi_error *err);

/** The virtual address of the kernel's own page tables. */
bool kernel_root(const struct mvmi_symbols *symbols, mvmi_gva *ret);

/** Read page_offset and its like, and the CPUs, once there is a space. */
enum mvmi_status
kernel_read_layout(struct linux_os *guest, struct mvmi_error *err);

/** Read a variable of the kernel. @retval UNSUPPORTED  It has no such one. */
enum mvmi_status kernel_read_u64(const struct linux_os *guest, const char *name,
				 uint64_t *ret, struct mvmi_error *err);
enum mvmi_status kernel_read_u32(const struct linux_os *guest, const char *name,
				 uint32_t *ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_FIND_KERNEL_H */
