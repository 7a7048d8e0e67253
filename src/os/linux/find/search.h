/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The search for a kernel, as the ways to it share it. Each way comes to a
 * struct found; search_take() decides whether it is true.
 */
#ifndef MICROVMI_OS_LINUX_FIND_SEARCH_H
#define MICROVMI_OS_LINUX_FIND_SEARCH_H

#include "os/linux/find/kernel.h"
#include "os/linux/find/ram.h"

#define search_aside mvmi__search_aside
#define search_root  mvmi__search_root
#define search_heads mvmi__search_heads
#define search_ram   mvmi__search_ram

/**
 * Bytes that candidates may make us copy, all together: each is the guest's
 * idea, and it may have any number of them.
 */
#define SEARCH_COPIES_MAX (UINT64_C(4) << 30)

struct search {
	struct linux_os *guest;
	const struct mvmi_os_options *options;
	bool done;
	bool long_mode;	  /**< a vCPU is in it */
	uint64_t scanned; /**< bytes of RAM */
	uint64_t copied;  /**< bytes of candidates */
	/** Of what came closest: a kernel, but one that is not believed. */
	struct mvmi_error closest;
	/** Why the registers led nowhere. */
	struct mvmi_error registers;
	/** Why what was found in RAM led nowhere; msg is "" for nothing. */
	struct mvmi_error scan;
};

/**
 * Note why a candidate was no kernel.
 *
 * @return OK to go on with the next, or what ends the search.
 */
enum mvmi_status
search_aside(struct search *search, enum mvmi_status status,
	     const struct mvmi_error *why, struct mvmi_error *err);

/** Account for a copy of a candidate. @retval MVMI_ERR_LIMIT */
enum mvmi_status
search_spend(struct search *search, uint64_t len, struct mvmi_error *err);

/**
 * Try the kernel that these page tables map.
 *
 * @param by  The method that led to them.
 */
enum mvmi_status
search_root(struct search *search, const struct mvmi_space_params *params,
	    const char *by, struct mvmi_error *err);

/** Look at the head of every page for VMCOREINFO; for mapped RAM. */
enum mvmi_status search_heads(struct search *search, struct mvmi_error *err);

/** Look through all RAM for VMCOREINFO and for token tables of kallsyms. */
enum mvmi_status search_ram(struct search *search, struct mvmi_error *err);

/**
 * Make symbols for a kernel that has no kallsyms: of init_task and what else
 * can be found in its image.
 *
 * @param found  Its anchor is set; symbols and checked_by will be.
 * @retval MVMI_ERR_UNSUPPORTED  It has no BTF either, or no init_task.
 */
enum mvmi_status bare_symbols(struct search *search, struct found *found,
			      struct mvmi_error *err);

/** Look through all RAM for BTF and the init_task that it describes. */
enum mvmi_status search_bare(struct search *search, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_FIND_SEARCH_H */
