/* SPDX-License-Identifier: MIT */
/** @file Memory that ADDR is meant in: physical, or a virtual address space. */
#ifndef MICROVMI_TOOL_SOURCE_H
#define MICROVMI_TOOL_SOURCE_H

#include <microvmi/mem.h>
#include <microvmi/space.h>
#include <microvmi/vm.h>
#include <popt.h>

#include "address.h"

/** --virt, and what says in which space; for commands that take ADDR. */
extern struct poptOption source_options[];
/** Only what says in which space; for commands where ADDR is virtual. */
extern struct poptOption source_space_options[];

struct source {
	struct mvmi_vm *vm;	  /**< borrowed */
	struct mvmi_space *space; /**< owned, or the OS's; NULL: physical */
	struct mvmi_os *os;	  /**< owned; NULL where it is not needed */
	struct symname names;	  /**< of os */
	uint64_t pid;		  /**< MVMI_OS_ALL: of no process */
	bool zero;		  /**< where there is no memory, read zeros */
};

/**
 * Set up what the options and the address say. The guest's OS is only looked
 * for where a symbol or a process is named.
 *
 * @param address  A symbol is resolved.
 * @param virt     As though --virt had been given.
 * @return An exit code; only after EXIT_OK is source_close() due.
 */
int source_open(struct source *source, struct mvmi_vm *vm,
		struct address *address, bool virt);
void source_close(struct source *source);

/**
 * Read as many bytes as there are before the first that is missing.
 *
 * @return Fewer than dst.len only on failure, which err tells.
 */
size_t source_read(struct source *source, uint64_t addr, struct mvmi_span dst,
		   struct mvmi_error *err);

enum mvmi_status
source_write(struct source *source, uint64_t addr, struct mvmi_bytes src,
	     enum mvmi_write_mode mode, struct mvmi_error *err);

#endif /* MICROVMI_TOOL_SOURCE_H */
