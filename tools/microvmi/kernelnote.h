/* SPDX-License-Identifier: MIT */
/** @file What a guest's Linux says about itself to readers of its dumps. */
#ifndef MICROVMI_TOOL_KERNELNOTE_H
#define MICROVMI_TOOL_KERNELNOTE_H

#include <microvmi/types.h>

struct mvmi_vm;

/**
 * Get the text that Linux keeps for the VMCOREINFO note of its own crash dumps
 * (Linux: Documentation/admin-guide/kdump/vmcoreinfo.rst). drgn and crash open
 * no dump without it, for it tells where KASLR put the kernel.
 *
 * @return Release ptr with free(); empty where there is no such kernel, which
 *         is no failure.
 */
struct mvmi_span kernelnote_read(struct mvmi_vm *vm);

#endif /* MICROVMI_TOOL_KERNELNOTE_H */
