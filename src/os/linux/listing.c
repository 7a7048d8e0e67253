/* SPDX-License-Identifier: MIT */
#include "os/linux/listing.h"

#include "base/error.h"
#include "os/linux/tasks.h"

enum mvmi_status listing_make(struct listing *l, listing_fn fn, size_t head_len,
			      const void **ret, struct mvmi_error *err)
{
	struct list *list = &l->list;
	struct mvmi_error why = { .status = MVMI_OK };
	bool running = linux_is_running(l->guest);
	enum mvmi_status status = MVMI_OK;

	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		list_restart(list);
		status = fn(l, &why);
		if (!tasks_torn(status) || !running)
			break;
	}
	if (tasks_torn(status) && running && list->failed == MVMI_OK) {
		list_doubt(list, "the list ends early: %s", why.msg);
		status = MVMI_OK;
	}
	if (status == MVMI_OK || list->failed != MVMI_OK)
		return list_finish(list, head_len, ret, err);
	list_fini(list);
	if (err)
		*err = why;
	return status;
}
