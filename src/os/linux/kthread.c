/* SPDX-License-Identifier: MIT */
/*
 * Names of kernel threads: longer than the 15 characters of comm, and of
 * workers with what they work for, as the kernel's proc_task_name() and
 * wq_worker_comm() make them.
 */
#include <stdio.h>
#include <string.h>

#include "os/linux/task.h"
#include "os/linux/text.h"

enum {
	KTHREAD_FULL_NAME,
	KTHREAD_DATA,
	KTHREAD_FIELDS
};

static const char *const kthread_paths[KTHREAD_FIELDS] = {
	[KTHREAD_FULL_NAME] = "?full_name", /* since 5.17 */
	[KTHREAD_DATA] = "data",
};

enum {
	WORKER_POOL,
	WORKER_WORK,
	WORKER_DESCRIPTION,
	WORKER_FIELDS
};

static const char *const worker_paths[WORKER_FIELDS] = {
	[WORKER_POOL] = "pool",
	[WORKER_WORK] = "current_work",
	[WORKER_DESCRIPTION] = "desc",
};

static const struct shape_spec kthread_spec = { "kthread", kthread_paths,
						KTHREAD_FIELDS };
static const struct shape_spec worker_spec = { "worker", worker_paths,
					       WORKER_FIELDS };

/** Append "+what" a worker works for now, or "-what" it did last. */
static bool
add_work(struct linux_os *guest, mvmi_gva at, char name[TASK_NAME_MAX + 1])
{
	struct object worker;
	struct mvmi_bytes text;
	size_t len = strlen(name);

	if (shape_resolve(&guest->shapes.worker, &worker_spec, guest->os.types,
			  NULL) != MVMI_OK)
		return true;
	if (object_read(&worker, guest->os.space, &guest->shapes.worker, at,
			NULL) != MVMI_OK)
		return false;
	text = object_bytes(&worker, WORKER_DESCRIPTION);
	if (text.len == 0 || text.ptr[0] == '\0' ||
	    object_u64(&worker, WORKER_POOL) == 0)
		return true;
	(void)snprintf(name + len, TASK_NAME_MAX + 1 - len, "%c%.*s",
		       object_u64(&worker, WORKER_WORK) ? '+' : '-',
		       (int)text.len, (const char *)text.ptr);
	return true;
}

bool kthread_name(struct linux_os *guest, const struct object *task,
		  char name[TASK_NAME_MAX + 1])
{
	static const char worker_prefix[] = "kworker/";
	bool is_worker = (object_u64(task, TASK_FLAGS) & TASK_IS_WORKER) != 0;
	mvmi_gva at = object_gva(task, TASK_WORKER);
	char full[TASK_NAME_MAX + 1] = "";
	struct object kthread;
	mvmi_gva full_at;

	/* The idle tasks and threads of old kernels have no more than comm. */
	if (at.val == 0 || shape_resolve(&guest->shapes.kthread, &kthread_spec,
					 guest->os.types, NULL) != MVMI_OK)
		return true;
	if (object_read(&kthread, guest->os.space, &guest->shapes.kthread, at,
			NULL) != MVMI_OK)
		return false;
	full_at = object_gva(&kthread, KTHREAD_FULL_NAME);
	if (full_at.val && text_read(guest->os.space, full_at, full,
				     sizeof(full), NULL) != MVMI_OK)
		return false;
	/*
	 * Of a worker, /proc shows comm and not the full name, until kernels
	 * began to make that anew from the worker (6.11): then it begins so.
	 */
	if (full[0] && (!is_worker || strncmp(full, worker_prefix,
					      sizeof(worker_prefix) - 1) == 0))
		memcpy(name, full, sizeof(full));
	return !is_worker ||
	       add_work(guest, object_gva(&kthread, KTHREAD_DATA), name);
}
