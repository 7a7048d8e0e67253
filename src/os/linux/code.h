/* SPDX-License-Identifier: MIT */
/** @file The kernel's own code: where it is, and tables that must lead there. */
#ifndef MICROVMI_OS_LINUX_CODE_H
#define MICROVMI_OS_LINUX_CODE_H

#include "os/linux/linux.h"

#define code_find     mvmi__code_find
#define code_has      mvmi__code_has
#define code_describe mvmi__code_describe
#define code_table    mvmi__code_table

/** Entries of a table of system calls; Linux has under 600. */
#define CODE_TABLE_MAX 1024
/** Longest description of an address, with its NUL. */
#define CODE_TEXT_MAX 256

/** The kernel's text, without modules and what was made at run time. */
struct code {
	uint64_t start;
	uint64_t end; /**< exclusive */
};

/** A table of pointers to functions. */
struct code_table {
	mvmi_gva at;
	size_t count;
	uint64_t handlers[CODE_TABLE_MAX];
};

enum mvmi_status code_find(const struct linux_os *guest, struct code *ret,
			   struct mvmi_error *err);

static inline bool code_has(const struct code *code, uint64_t addr)
{
	return addr >= code->start && addr < code->end;
}

/** Name an address: "vfs_read+0x12", "[module]+0x40", or as a number. */
void code_describe(struct linux_os *guest, uint64_t addr,
		   char text[CODE_TEXT_MAX]);

/**
 * Fetch a table of system calls. It ends with the next symbol; what lies
 * between, and is no address of the kernel's, is not in it.
 *
 * @param name  Its symbol.
 * @retval MVMI_ERR_UNSUPPORTED  There is none.
 */
enum mvmi_status code_table(const struct linux_os *guest, const char *name,
			    struct code_table *ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_CODE_H */
