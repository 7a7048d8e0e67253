/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Linux kernels as files: the boot image (vmlinuz), and the ELF image in it,
 * which was stripped but has its own kallsyms.
 */
#ifndef MICROVMI_SYMBOLS_BZIMAGE_H
#define MICROVMI_SYMBOLS_BZIMAGE_H

#include <microvmi/symbols.h>

#include "symbols/elf.h"

#define bzimage_is	  mvmi__bzimage_is
#define bzimage_payload	  mvmi__bzimage_payload
#define bzimage_is_kernel mvmi__bzimage_is_kernel
#define bzimage_symbols	  mvmi__bzimage_symbols

/* Of a kernel's segments, first address to last; large ones have 80 MiB. */
#define BZIMAGE_KERNEL_LEN_MAX ((uint64_t)1 << 30)

/** Whether these are the first 4 KiB of an x86 boot image. */
bool bzimage_is(struct mvmi_bytes head);

/**
 * Find the compressed kernel in a boot image. Linux: arch/x86/boot.rst.
 *
 * @param ret  In image, from where the compressed bytes begin.
 *
 * @retval MVMI_ERR_UNSUPPORTED  Compressed by what unpack() doesn't know.
 */
MVMI_MUST_CHECK enum mvmi_status
bzimage_payload(struct mvmi_bytes image, struct mvmi_bytes *ret,
		struct mvmi_error *err);

/** Whether an ELF image is linked to where Linux's kernels are. */
bool bzimage_is_kernel(const struct elf *elf);

/** Read the kallsyms of such an image. */
MVMI_MUST_CHECK enum mvmi_status
bzimage_symbols(const struct elf *elf, uint64_t bias, struct mvmi_symbols **ret,
		struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_BZIMAGE_H */
