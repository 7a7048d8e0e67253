/* SPDX-License-Identifier: MIT */
#include "occupancy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "target.h"

/** Name where a vCPU is: in the kernel by symbol, else by address. */
static void name_place(struct guest *guest, const struct mvmi_current *current,
		       struct symname *names, char buf[SYMNAME_LEN])
{
	struct mvmi_regs regs = mvmi_regs_empty();
	const uint64_t *rip;

	buf[0] = '\0';
	if (mvmi_vcpu_get_regs(guest->vm, current->vcpu, MVMI_REGS_GENERAL,
			       &regs, NULL) != MVMI_OK)
		return;
	rip = mvmi_regs_scalar(&regs, MVMI_REG_RIP);
	if (!rip || !mvmi_regset_has(regs.valid, MVMI_REG_RIP))
		return;
	if (current->user_mode || !symname_of(names, *rip, buf))
		(void)snprintf(buf, SYMNAME_LEN, "0x%" PRIx64, *rip);
}

int occupancy_read(struct occupancy *occupancy, struct guest *guest,
		   bool threads)
{
	struct symname names = { .os = guest->os };
	struct mvmi_error err;

	*occupancy = (struct occupancy){ .by_process = !threads };
	if (mvmi_os_list_current(guest->os, &occupancy->list, &err) != MVMI_OK)
		return target_explain(guest->vm, err.status,
				      diag_plain_error(&err));
	guest_doubt(occupancy->list->doubt);
	occupancy->places =
		calloc(occupancy->list->count + 1, sizeof(*occupancy->places));
	if (!occupancy->places)
		diag_no_memory();
	for (size_t i = 0; i < occupancy->list->count; i++)
		name_place(guest, occupancy->list->items[i], &names,
			   occupancy->places[i]);
	symname_fini(&names);
	return EXIT_OK;
}

void occupancy_fini(struct occupancy *occupancy)
{
	free(occupancy->places);
	mvmi_os_free(occupancy->list);
	*occupancy = (struct occupancy){ .list = NULL };
}

static bool
is_in(const struct occupancy *occupancy, size_t i, const struct mvmi_task *task)
{
	const struct mvmi_task *current = occupancy->list->items[i]->task;

	if (!current)
		return false;
	if (current->object.val == task->object.val)
		return true;
	/* Idle tasks all have process 0, and are none. */
	return occupancy->by_process && !task->is_thread && task->process_id &&
	       current->process_id == task->process_id;
}

void occupancy_cell(const struct occupancy *occupancy,
		    const struct mvmi_task *task, struct output_table *table)
{
	char text[2 * SYMNAME_LEN] = "";
	size_t len = 0;

	for (size_t i = 0; i < occupancy->list->count; i++) {
		const struct mvmi_current *current = occupancy->list->items[i];

		if (!is_in(occupancy, i, task) || len >= sizeof(text))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s%u %s%s", len ? ", " : "",
					current->vcpu,
					current->user_mode ? "user " : "",
					occupancy->places[i]);
	}
	output_cell(table, "%s", *text ? text : "-");
}

void occupancy_doubt(const struct occupancy *occupancy,
		     const struct mvmi_task_list *all)
{
	for (size_t i = 0; i < occupancy->list->count; i++) {
		const struct mvmi_current *current = occupancy->list->items[i];
		bool found = !current->task;

		for (size_t j = 0; !found && j < all->count; j++)
			found = is_in(occupancy, i, all->items[j]);
		if (!found)
			diag_say("in doubt: vCPU %u is in task %" PRIu64
				 " (%s), which is on no list; see `microvmi "
				 "check`",
				 current->vcpu, current->task->id,
				 current->task->name);
	}
}

json_t *
occupancy_json(const struct occupancy *occupancy, const struct mvmi_task *task)
{
	json_t *array = json_array();

	for (size_t i = 0; i < occupancy->list->count; i++) {
		const struct mvmi_current *current = occupancy->list->items[i];
		json_t *object;

		if (!is_in(occupancy, i, task))
			continue;
		object = json_object();
		output_put(object, "vcpu", json_integer(current->vcpu));
		output_put(object, "cpu",
			   current->cpu < 0 ? json_null()
					    : json_integer(current->cpu));
		output_put(object, "user_mode",
			   json_boolean(current->user_mode));
		output_put(object, "at", output_text(occupancy->places[i]));
		output_append(array, object);
	}
	return array;
}
