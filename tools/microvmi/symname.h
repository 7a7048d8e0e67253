/* SPDX-License-Identifier: MIT */
/** @file Kernel addresses as names, and back; modules only once needed. */
#ifndef MICROVMI_TOOL_SYMNAME_H
#define MICROVMI_TOOL_SYMNAME_H

#include <microvmi/os.h>

struct symname {
	struct mvmi_os *os;	   /**< borrowed */
	struct mvmi_symbols *full; /**< owned; kernel and modules, or NULL */
	bool tried;		   /**< full was asked for */
};

/** Room for the longest name of a symbol and a module, and the offset. */
#define SYMNAME_LEN 640

/**
 * "schedule+0x1f", "ext4_fill_super [ext4]".
 *
 * @return Whether a symbol covers addr; if not, buf is "".
 */
bool symname_of(struct symname *names, uint64_t addr, char buf[SYMNAME_LEN]);

/** Write the name of a symbol that covers addr, as symname_of() does. */
void symname_format(const struct mvmi_symbol *symbol, uint64_t addr,
		    char buf[SYMNAME_LEN]);

/** Find a symbol of the kernel, or else of a module: "name", "module:name". */
bool symname_find(struct symname *names, const char *name,
		  struct mvmi_symbol *ret);

/** Find the symbol of kernel or modules that covers an address. */
bool symname_find_addr(struct symname *names, uint64_t addr,
		       struct mvmi_symbol *ret);

void symname_fini(struct symname *names);

#endif /* MICROVMI_TOOL_SYMNAME_H */
