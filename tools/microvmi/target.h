/* SPDX-License-Identifier: MIT */
/** @file Opening the VM that the command line names. */
#ifndef MICROVMI_TOOL_TARGET_H
#define MICROVMI_TOOL_TARGET_H

#include <microvmi/vm.h>

/**
 * Open the target, or say why it can't be and what to do.
 *
 * @param ret  Release with mvmi_vm_close(); unchanged on failure.
 * @return An exit code.
 */
int target_open(const char *target, bool read_only, struct mvmi_vm **ret);

/**
 * A VM's regions in an array of the caller's own; told if that fails.
 *
 * @param ret  Release with free().
 * @return An exit code.
 */
struct mvmi_region;
int target_regions(struct mvmi_vm *vm, struct mvmi_region **ret, size_t *count);

/**
 * After a failure for want of a capability was told: what would give it.
 *
 * @return code, or EXIT_BUSY where another client has the way to it.
 */
int target_explain(struct mvmi_vm *vm, enum mvmi_status status, int code);

#endif /* MICROVMI_TOOL_TARGET_H */
