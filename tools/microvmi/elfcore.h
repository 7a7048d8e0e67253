/* SPDX-License-Identifier: MIT */
/** @file The head of an ELF core of a VM: headers and notes. */
#ifndef MICROVMI_TOOL_ELFCORE_H
#define MICROVMI_TOOL_ELFCORE_H

#include <microvmi/mem.h>
#include <microvmi/vcpu.h>

/* Where bytes of a region begin, so that holes of the file are whole. */
#define ELFCORE_ALIGN UINT64_C(4096)

/**
 * Build what comes before the memory: regions follow in order, each begun at a
 * multiple of ELFCORE_ALIGN.
 *
 * @param regs        One for each vCPU.
 * @param vmcoreinfo  Of the guest's kernel; may be empty.
 * @param ret         Release ret->ptr with free(). Its len is such a multiple.
 * @return NULL, or why there can be none.
 */
const char *elfcore_head(const struct mvmi_region *regions, size_t region_count,
			 const struct mvmi_regs *regs, unsigned vcpu_count,
			 struct mvmi_bytes vmcoreinfo, struct mvmi_span *ret);

/** What is to be skipped after a region of len bytes. */
uint64_t elfcore_padding(uint64_t len);

#endif /* MICROVMI_TOOL_ELFCORE_H */
