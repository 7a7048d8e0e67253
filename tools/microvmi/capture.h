/* SPDX-License-Identifier: MIT */
/** @file Copying a VM's memory and registers into a file. */
#ifndef MICROVMI_TOOL_CAPTURE_H
#define MICROVMI_TOOL_CAPTURE_H

#include <microvmi/mem.h>
#include <microvmi/vcpu.h>
#include <microvmi/vm.h>

#include "progress.h"
#include "sink.h"

enum capture_format {
	CAPTURE_ELF,
	CAPTURE_RAW, /**< an offset in the file is an address */
};

struct capture {
	struct mvmi_vm *vm;	     /**< borrowed */
	struct sink *sink;	     /**< borrowed */
	struct mvmi_region *regions; /**< owned; only what can be read */
	size_t region_count;
	struct mvmi_regs *regs; /**< owned; NULL: the VM shows none */
	unsigned vcpu_count;
	uint8_t *chunk; /**< owned */
	uint64_t incarnation;
	uint64_t total;		/**< bytes to copy */
	uint64_t done;		/**< bytes copied or skipped */
	uint64_t missing;	/**< bytes that could not be read */
	uint64_t first_missing; /**< gpa, if missing is not 0 */
	struct progress progress;
};

/**
 * Learn what there is to copy, registers included.
 *
 * @return An exit code; a failure has been told. capture_fini() is due always.
 */
int capture_init(struct capture *capture, struct mvmi_vm *vm);

/** Copy all of it. @return An exit code; EXIT_INTERRUPTED tells nothing. */
int capture_run(struct capture *capture, struct sink *sink,
		enum capture_format format);

void capture_fini(struct capture *capture);

#endif /* MICROVMI_TOOL_CAPTURE_H */
