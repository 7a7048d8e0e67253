/* SPDX-License-Identifier: MIT */
/** @file ADDR as users write it: a number, or a symbol of the guest. */
#ifndef MICROVMI_TOOL_ADDRESS_H
#define MICROVMI_TOOL_ADDRESS_H

#include <microvmi/os.h>

#include "symname.h"

#define ADDRESS_NAME_LEN 512

struct address {
	uint64_t value;		     /**< or offset, until it is resolved */
	char name[ADDRESS_NAME_LEN]; /**< "": a number, which needs no guest */
};

/**
 * Parse "0x1000", "4096", "init_task", "init_task+0x10", "ext4:name".
 *
 * @return NULL, or what is wrong with it.
 */
const char *address_parse(const char *s, struct address *ret);

/**
 * Find the symbol, where one is named: in the images of a process, then in
 * kernel and modules.
 *
 * @param pid  MVMI_OS_ALL: of no process.
 * @return An exit code; a failure has been told.
 */
int address_resolve(struct address *address, struct symname *names,
		    uint64_t pid);

#endif /* MICROVMI_TOOL_ADDRESS_H */
