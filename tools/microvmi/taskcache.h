/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Whose page tables a CR3 names, remembered: events come by the thousand, and
 * the guest's list of processes is read seldom.
 */
#ifndef MICROVMI_TOOL_TASKCACHE_H
#define MICROVMI_TOOL_TASKCACHE_H

#include <microvmi/os.h>

struct taskcache_entry {
	uint64_t root; /**< CR3 without its flags */
	uint64_t pid;
	char name[64];
};

struct taskcache {
	struct mvmi_os *os; /**< borrowed; NULL: nobody has a name */
	struct taskcache_entry *entries; /**< owned; by root */
	size_t count;
	uint64_t next_read_ns; /**< reading again earlier costs too much */
	uint64_t stale_ns;     /**< from then on it is read again anyway */
};

/**
 * The process with these page tables.
 *
 * @return NULL if it isn't known, also for kernel threads, which use those of
 *         whoever ran before. Valid until the next call.
 */
const struct taskcache_entry *
taskcache_find(struct taskcache *cache, uint64_t cr3);

void taskcache_fini(struct taskcache *cache);

#endif /* MICROVMI_TOOL_TASKCACHE_H */
