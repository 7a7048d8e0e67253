/* SPDX-License-Identifier: MIT */
#include "tasks.h"

#include "diag.h"

int tasks_list(struct guest *guest, uint64_t pid, unsigned detail,
	       const struct mvmi_task_list **ret)
{
	enum mvmi_status status;
	struct mvmi_error err;

	if (pid == MVMI_OS_ALL)
		status = mvmi_os_list_tasks(guest->os, detail, ret, &err);
	else
		status = mvmi_os_find_task(guest->os, pid, detail, ret, &err);
	if (status != MVMI_OK)
		return diag_plain_error(&err);
	guest_doubt((*ret)->doubt);
	return EXIT_OK;
}

const char *tasks_name(const struct mvmi_task_list *list, uint64_t pid)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->id == pid)
			return list->items[i]->name;
	}
	return "";
}
