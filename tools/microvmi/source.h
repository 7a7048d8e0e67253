/* SPDX-License-Identifier: MIT */
/** @file Memory that ADDR is meant in: physical, or a virtual address space. */
#ifndef MICROVMI_TOOL_SOURCE_H
#define MICROVMI_TOOL_SOURCE_H

#include <microvmi/types.h>
#include <microvmi/vm.h>
#include <popt.h>

/** Options of every command that takes ADDR. */
extern const struct poptOption source_options[];
#define SOURCE_OPTIONS ((void *)(uintptr_t)source_options)

struct source {
	struct mvmi_vm *vm; /**< borrowed */
	bool zero;	    /**< where there is no memory, read zeros */
};

/**
 * Set up what the options said.
 *
 * @return An exit code; only after EXIT_OK is source_close() due.
 */
int source_open(struct source *source, struct mvmi_vm *vm, bool zero);
void source_close(struct source *source);

/**
 * Read as many bytes as there are before the first that is missing.
 *
 * @return Fewer than dst.len only on failure, which err tells.
 */
size_t source_read(struct source *source, uint64_t addr, struct mvmi_span dst,
		   struct mvmi_error *err);

#endif /* MICROVMI_TOOL_SOURCE_H */
