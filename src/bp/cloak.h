/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Pages that are not what they seem: in one view fetches see a copy with the
 * patches, while reads and writes are led to the guest's own page.
 */
#ifndef MICROVMI_BP_CLOAK_H
#define MICROVMI_BP_CLOAK_H

#include <microvmi/event.h>

#include "bp/table.h"

#define cloak_add    mvmi__cloak_add
#define cloak_remove mvmi__cloak_remove
#define cloak_step   mvmi__cloak_step
#define cloak_enter  mvmi__cloak_enter
#define cloak_end    mvmi__cloak_end

struct bp_manager;
struct bp_site;

struct cloak_page {
	struct table_node node; /**< by gfn */
	mvmi_gfn gfn;
	mvmi_gfn copy;
	struct bp_site *first; /**< on it; NULL: a husk, to be used again */
};

/** A vCPU that executes one instruction outside of the view. */
struct cloak_cpu {
	uint64_t token; /**< of its step; 0: it is in the view */
	bool wrote;
	mvmi_gfn gfn; /**< that it writes to */
};

/** All zero: there is no view. */
struct cloak {
	uint32_t view;	/**< 0: none */
	uint64_t token; /**< of memory events */
	struct table pages;
	struct cloak_cpu *cpus; /**< owned */
	unsigned cpu_count;
};

/** Put an int3 where only fetches see it. On failure nothing is seen. */
enum mvmi_status
cloak_add(struct bp_manager *m, struct bp_site *site, struct mvmi_error *err);
/** On failure it is still there. */
enum mvmi_status cloak_remove(struct bp_manager *m, struct bp_site *site,
			      struct mvmi_error *err);
/**
 * Let the vCPU execute one instruction outside of the view, and come back.
 *
 * @return false: it can't be stepped.
 */
bool cloak_step(struct bp_manager *m, unsigned vcpu, struct mvmi_reply *reply);
/** Bring every vCPU into the view that isn't there and does not step. */
enum mvmi_status cloak_enter(struct bp_manager *m, struct mvmi_error *err);
/** Leave the view and take it away. */
void cloak_end(struct bp_manager *m);

#endif /* MICROVMI_BP_CLOAK_H */
