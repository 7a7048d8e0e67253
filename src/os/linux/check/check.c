/* SPDX-License-Identifier: MIT */
/*
 * Cross views: what a rootkit would have to change together, compared.  A view
 * that is broken in a guest that stands still is a finding, too: the kernel
 * itself keeps them whole.
 */
#include "os/linux/check/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/tasks.h"

/** Longest text of a finding, with its NUL. */
#define TEXT_MAX 512

/** A comparison, and what it is said to be. */
struct check {
	const char *name;
	const char *what;
	enum mvmi_status (*run)(struct checking *c, struct mvmi_error *err);
};

static const struct check checks[] = {
	{ "tasks", "list of tasks and table of ids", check_tasks },
	{ "tasks", "list of threads and the number that their process counts",
	  check_threads },
	{ "tasks", "list of tasks and the children of each", check_children },
	{ "tasks", "list of tasks and what the CPUs run", check_running },
	{ "modules", "list of modules and tree of their addresses",
	  check_tree },
	{ "modules", "list of modules and sysfs", check_sysfs },
	{ "syscalls", "table of system calls and the kernel's code",
	  check_syscalls },
	{ "syscalls", "32-bit table of system calls and the kernel's code",
	  check_compat },
	{ "interrupts", "table of interrupts and the kernel's code",
	  check_gates },
	{ "entries", "entry points in registers and the kernel's code",
	  check_entries },
};

enum mvmi_status check_found(struct checking *c, mvmi_gva object, uint64_t id,
			     struct mvmi_error *err, const char *fmt, ...)
{
	struct mvmi_finding *record = list_add(c->list, sizeof(*record));
	char text[TEXT_MAX];
	va_list args;

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	*record = (struct mvmi_finding){
		.check = c->name,
		.text = list_string(c->list, text, strlen(text)),
		.object = object,
		.id = id,
	};
	return MVMI_OK;
}

enum mvmi_status check_step(struct checking *c, struct mvmi_error *err)
{
	if (++c->steps <= CHECK_STEPS_MAX)
		return MVMI_OK;
	return fail(err, MVMI_ERR_LIMIT,
		    "over %" PRIu64 " objects: the guest is broken or lies",
		    CHECK_STEPS_MAX);
}

/** Run a check, again while the guest changes under it. */
static enum mvmi_status
try_check(struct checking *c, const struct check *check, struct mvmi_error *err)
{
	size_t before = c->list->count;
	enum mvmi_status status = MVMI_OK;

	c->name = check->name;
	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		c->list->count = before;
		c->steps = 0;
		set_fini(&c->first);
		set_fini(&c->second);
		status = check->run(c, err);
		if (!tasks_torn(status) || !linux_is_running(c->guest))
			break;
	}
	set_fini(&c->first);
	set_fini(&c->second);
	return status;
}

/** Run a check. @param ret  What is said of it; it lives with the list. */
static enum mvmi_status run_check(struct checking *c, const struct check *check,
				  const char **ret, struct mvmi_error *err)
{
	struct mvmi_error why = { .status = MVMI_OK };
	enum mvmi_status status = try_check(c, check, &why);

	*ret = check->what;
	if (status == MVMI_ERR_UNSUPPORTED) {
		*ret = list_format(c->list, "%s: not compared: %s", check->what,
				   why.msg);
		return MVMI_OK;
	}
	if (tasks_torn(status) && c->list->failed == MVMI_OK) {
		if (!linux_is_running(c->guest))
			return check_found(c, mvmi_gva_at(0), 0, err,
					   "broken: %s", why.msg);
		list_doubt(c->list, "%s: changes too fast: %s", check->what,
			   why.msg);
		return MVMI_OK;
	}
	if (status != MVMI_OK && err)
		*err = why;
	return status;
}

enum mvmi_status
linux_check(struct mvmi_os *os, const struct mvmi_finding_list **ret,
	    struct mvmi_error *err)
{
	struct list list = { .chunks = NULL };
	struct checking c = { .guest = linux_of(os), .list = &list };
	const char **lines =
		list_alloc(&list, ARRAY_LEN(checks) * sizeof(*lines));
	struct mvmi_finding_list *made;
	const void *result = NULL;
	enum mvmi_status status = MVMI_OK;

	for (size_t i = 0; lines && i < ARRAY_LEN(checks); i++) {
		status = run_check(&c, &checks[i], &lines[i], err);
		if (status != MVMI_OK)
			break;
	}
	if (list.count && linux_is_running(c.guest))
		list_doubt(&list, "the guest runs: what is found may be a "
				  "moment's; hold it and look again");
	if (status != MVMI_OK && list.failed == MVMI_OK) {
		list_fini(&list);
		return status;
	}
	status = list_finish(&list, sizeof(*made), &result, err);
	if (status != MVMI_OK)
		return status;
	/* It is const for who gets it; the lines belong to it already. */
	made = (struct mvmi_finding_list *)(uintptr_t)result;
	made->checks = lines;
	made->check_count = ARRAY_LEN(checks);
	*ret = made;
	return MVMI_OK;
}
