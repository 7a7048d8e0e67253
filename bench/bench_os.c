/* SPDX-License-Identifier: MIT */
/*
 * What it costs to understand a Linux guest of which nothing is known.
 *
 * usage: bench_os WHAT WANTED TARGET [PROFILE_DIR]
 *
 * One row each, in processor time of this thread: finding the kernel with its
 * symbols and types and listing the processes, from nothing; the same from a
 * profile of it (with PROFILE_DIR); and only listing, of a guest with many.
 */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <string.h>

#include "bench.h"

#define MANY 1000 /* tasks: worth a row of their own */

struct bench {
	const char *target;
	struct mvmi_os_options options;
	struct mvmi_os *os; /**< kept open, to list with */
	size_t tasks;
	struct mvmi_error err;
};

static void require(const struct bench *b, enum mvmi_status status)
{
	if (status != MVMI_OK)
		bench_die(b->target, b->err.msg);
}

static void list(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		const struct mvmi_task_list *tasks;

		require(b, mvmi_os_list_tasks(b->os, 0, &tasks, &b->err));
		b->tasks = tasks->count;
		mvmi_os_free(tasks);
	}
}

/** All that `microvmi ps` does but for printing. */
static void open_and_list(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		struct mvmi_vm *vm;

		require(b, mvmi_vm_open(b->target, NULL, &vm, &b->err));
		require(b, mvmi_os_open(vm, &b->options, &b->os, &b->err));
		list(b, 1);
		mvmi_os_close(b->os);
		mvmi_vm_close(vm);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .options = { .size = sizeof(b.options) } };
	struct mvmi_vm *vm;
	char row[160];

	if (argc != 4 && argc != 5)
		bench_die("usage", "bench_os WHAT WANTED TARGET [PROFILE_DIR]");
	b.target = argv[3];
	(void)snprintf(row, sizeof(row), "%s: find the kernel, list tasks",
		       argv[1]);
	bench_row_ns(row, bench_ns(open_and_list, &b, 1), argv[2]);
	if (argc == 5) {
		b.options.profile_dir = argv[4];
		open_and_list(&b, 1);
		(void)snprintf(row, sizeof(row),
			       "%s: the same, its profile known", argv[1]);
		bench_row_ns(row, bench_ns(open_and_list, &b, 1), "<= 10 ms");
	}
	if (b.tasks < MANY)
		return 0;
	require(&b, mvmi_vm_open(b.target, NULL, &vm, &b.err));
	require(&b, mvmi_os_open(vm, &b.options, &b.os, &b.err));
	(void)snprintf(row, sizeof(row), "%s: only list its %zu tasks", argv[1],
		       b.tasks);
	bench_row_ns(row, bench_ns(list, &b, 1), "<= 5 ms for 1,000");
	mvmi_os_close(b.os);
	mvmi_vm_close(vm);
	return 0;
}
