/* SPDX-License-Identifier: MIT */
/** @file Guest-physical memory where it is mapped, for the hottest paths. */
#ifndef MICROVMI_CORE_MEM_H
#define MICROVMI_CORE_MEM_H

#include "core/vm.h"

#define vm_window_find mvmi__vm_window_find
#define window_pages   mvmi__window_pages

/** May every page of these bytes be touched? The range is in the window. */
bool window_pages(const struct mvmi_window *window, uint64_t off, size_t len);

/** As vm_window(), looking at all windows. */
const uint8_t *vm_window_find(struct mvmi_vm *vm, uint64_t gpa, size_t len);

/**
 * Where a range of guest-physical memory may be read in this process.
 *
 * @param len  At least 1.
 * @return The bytes, to be copied from once: the guest writes there too. NULL
 *         if they do not all lie in one window or may not all be touched; then
 *         mvmi_mem_read() is the way. Valid until the next driver call.
 */
static inline const uint8_t *
vm_window(struct mvmi_vm *vm, uint64_t gpa, size_t len)
{
	const struct mvmi_window *window = vm->window_last;
	uint64_t off;

	if (!window)
		return NULL;
	off = gpa - window->start.val;
	if (off >= window->len || len > window->len - off)
		return vm_window_find(vm, gpa, len);
	if (window->present && !window_pages(window, off, len))
		return NULL;
	return window->host + off;
}

#endif /* MICROVMI_CORE_MEM_H */
