/* SPDX-License-Identifier: MIT */
#include "os/linux/listing.h"

#include <stdarg.h>
#include <stdio.h>

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
		l->doubts = 0;
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

enum mvmi_status listing_doubt(struct listing *l, const struct mvmi_error *why,
			       struct mvmi_error *err, const char *fmt, ...)
{
	char text[64];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	list_doubt(&l->list, "%s: %s", text, why->msg);
	if (++l->doubts < LISTING_DOUBTS_MAX)
		return MVMI_OK;
	return fail(err, MVMI_ERR_LIMIT,
		    "%u records can't be read in full, the last: %s: %s",
		    l->doubts, text, why->msg);
}
