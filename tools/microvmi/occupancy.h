/* SPDX-License-Identifier: MIT */
/** @file Which vCPU is in which task, and where in its code. */
#ifndef MICROVMI_TOOL_OCCUPANCY_H
#define MICROVMI_TOOL_OCCUPANCY_H

#include "guest.h"
#include "output.h"
#include "symname.h"

struct occupancy {
	bool by_process; /**< a thread's vCPU is shown with its process */
	const struct mvmi_current_list *list; /**< owned */
	char (*places)[SYMNAME_LEN]; /**< owned; of each of list: its RIP */
};

/**
 * Look at all vCPUs once.
 *
 * @param threads    Threads are listed beside their processes.
 * @return An exit code; a failure has been told. occupancy_fini() is due
 *         always, also of zeros.
 */
int occupancy_read(struct occupancy *occupancy, struct guest *guest,
		   bool threads);
void occupancy_fini(struct occupancy *occupancy);

/** Say which vCPUs are in tasks that a list of all lacks: hidden ones. */
void occupancy_doubt(const struct occupancy *occupancy,
		     const struct mvmi_task_list *all);

/** e.g. "0 at schedule+0x1f"; or "-". */
void occupancy_cell(const struct occupancy *occupancy,
		    const struct mvmi_task *task, struct output_table *table);

/** An array of {vcpu, cpu, user_mode, at}. */
json_t *
occupancy_json(const struct occupancy *occupancy, const struct mvmi_task *task);

#endif /* MICROVMI_TOOL_OCCUPANCY_H */
