/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Where a kernel is mapped, told by its page tables alone.
 *
 * The kernel's image is mapped in pieces of 2 MiB somewhere in one GiB, and
 * nothing is mapped in there before it. It is contiguous in physical memory.
 * (Linux: Documentation/arch/x86/x86_64/mm.rst, cleanup_highmap().)
 */
#ifndef MICROVMI_OS_LINUX_FIND_ANCHOR_H
#define MICROVMI_OS_LINUX_FIND_ANCHOR_H

#include <microvmi/space.h>

#define anchor_of_root	  mvmi__anchor_of_root
#define anchor_candidates mvmi__anchor_candidates
#define anchor_maps	  mvmi__anchor_maps

/** __START_KERNEL_map, and how much may be mapped from it on. */
#define KERNEL_MAP_START UINT64_C(0xffffffff80000000)
#define KERNEL_MAP_LEN	 UINT64_C(0x40000000)
/** Pieces in which the image is aligned and mapped. */
#define KERNEL_SLOT_LEN UINT64_C(0x200000)
/** _text where no KASLR moves it: CONFIG_PHYSICAL_START is 16 MiB. */
#define KERNEL_LINKED_BASE UINT64_C(0xffffffff81000000)
/** No image is larger. */
#define KERNEL_IMAGE_MAX UINT64_C(0x10000000)

/** A kernel's place. */
struct anchor {
	struct mvmi_space_params params; /**< page tables that map it */
	mvmi_gva base;			 /**< _text */
	mvmi_gpa gpa;			 /**< of _text */
	uint64_t len;			 /**< bytes that are mapped from base */
	/** Where it is read-only data: offsets from base; 0: can't tell. */
	uint64_t rodata;
	uint64_t rodata_len;
};

/** Page tables that a vCPU's registers make worth a try. */
struct anchor_candidates {
	struct mvmi_space_params params[2];
	size_t count;
};

/**
 * Tell which page tables a vCPU uses. Its CR3 may be the half of a pair that
 * shows user mode only (PTI): then the other half comes first.
 *
 * @retval MVMI_ERR_UNSUPPORTED  It is not in long mode, or its registers are
 *                               not known.
 */
enum mvmi_status
anchor_candidates(struct mvmi_vm *vm, unsigned vcpu,
		  struct anchor_candidates *ret, struct mvmi_error *err);

/**
 * Find the kernel that page tables map.
 *
 * @retval MVMI_ERR_UNSUPPORTED  They map none.
 */
enum mvmi_status
anchor_of_root(struct mvmi_vm *vm, const struct mvmi_space_params *params,
	       struct anchor *ret, struct mvmi_error *err);

/** Do these page tables map gva to gpa? */
bool anchor_maps(struct mvmi_vm *vm, const struct mvmi_space_params *params,
		 mvmi_gva gva, mvmi_gpa gpa);

#endif /* MICROVMI_OS_LINUX_FIND_ANCHOR_H */
