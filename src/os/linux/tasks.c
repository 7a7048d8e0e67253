/* SPDX-License-Identifier: MIT */
#include "os/linux/tasks.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"
#include "os/linux/links.h"

static const char *const task_paths[TASK_FIELDS] = {
	[TASK_PID] = "pid",
	[TASK_TGID] = "tgid",
	[TASK_COMM] = "comm",
	[TASK_LINKS] = "tasks",
	[TASK_THREAD_LINKS] = "thread_node",
	[TASK_PARENT] = "real_parent",
	[TASK_LEADER] = "group_leader",
	[TASK_SIGNAL] = "signal",
	[TASK_CRED] = "real_cred",
	[TASK_MM] = "mm",
	[TASK_ACTIVE_MM] = "active_mm",
	[TASK_STACK] = "stack",
	[TASK_FLAGS] = "flags",
	[TASK_STATE] = "__state|state",
	[TASK_EXIT_STATE] = "exit_state",
	/* Both count from boot, asleep or not, as /proc does. */
	[TASK_START] = "start_boottime|real_start_time",
	[TASK_ON_CPU] = "?on_cpu",
	[TASK_CPU] = "?thread_info.cpu|cpu",
	[TASK_WORKER] = "?worker_private|set_child_tid",
	[TASK_NSPROXY] = "nsproxy",
	[TASK_FILES] = "files",
	[TASK_FS] = "fs",
	[TASK_THREAD_PID] = "thread_pid|pids[0].pid",
	/* enum pid_type was PID, PGID, SID until TGID came second (4.19). */
	[TASK_SESSION] = "?pids[2].pid",
};

static const char *const signal_paths[SIGNAL_FIELDS] = {
	[SIGNAL_THREADS] = "thread_head",
	[SIGNAL_THREAD_COUNT] = "nr_threads",
	[SIGNAL_SESSION] = "?pids[3]",
};

static const char *const mm_paths[MM_FIELDS] = {
	[MM_PGD] = "pgd",
	[MM_ARG_START] = "arg_start",
	[MM_ARG_END] = "arg_end",
	[MM_ENV_START] = "env_start",
	[MM_ENV_END] = "env_end",
	[MM_EXE_FILE] = "exe_file",
	[MM_START_BRK] = "start_brk",
	[MM_BRK] = "brk",
	[MM_START_STACK] = "start_stack",
	[MM_TREE] = "?mm_mt.ma_root",
	[MM_AREA] = "?mmap",
	[MM_CONTEXT_FLAGS] = "?context.flags",
	[MM_IA32_COMPAT] = "?context.ia32_compat",
};

static const struct shape_spec task_spec = { "task_struct", task_paths,
					     TASK_FIELDS };
static const struct shape_spec signal_spec = { "signal_struct", signal_paths,
					       SIGNAL_FIELDS };
static const struct shape_spec mm_spec = { "mm_struct", mm_paths, MM_FIELDS };

enum mvmi_status tasks_prepare(struct linux_os *guest, struct mvmi_error *err)
{
	const struct mvmi_types *types = guest->os.types;
	enum mvmi_status status =
		shape_resolve(&guest->shapes.task, &task_spec, types, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.signal, &signal_spec,
				       types, err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.mm, &mm_spec, types, err);
	return status;
}

bool tasks_torn(enum mvmi_status status)
{
	return status == MVMI_ERR_CORRUPT || status == MVMI_ERR_LIMIT ||
	       status == MVMI_ERR_NOT_PRESENT || status == MVMI_ERR_FAULT;
}

enum mvmi_status task_read(struct linux_os *guest, mvmi_gva at,
			   struct object *ret, struct mvmi_error *err)
{
	return object_read(ret, guest->os.space, &guest->shapes.task, at, err);
}

/** Whom a walk calls. */
struct visitor {
	struct linux_os *guest;
	task_fn fn;
	void *arg;
};

/** A walk along one list of tasks. */
struct task_walk {
	struct visitor visitor;
	size_t links; /**< the member of struct task_struct that is linked */
	struct object task;
};

static enum mvmi_status
walk_one(mvmi_gva link, void *arg, struct mvmi_error *err)
{
	struct task_walk *walk = arg;
	struct linux_os *guest = walk->visitor.guest;
	mvmi_gva at = shape_container(&guest->shapes.task, walk->links, link);
	enum mvmi_status status = task_read(guest, at, &walk->task, err);

	if (status != MVMI_OK)
		return status;
	return walk->visitor.fn(&walk->task, walk->visitor.arg, err);
}

/** Walk over the threads of a process, given its first one. */
static enum mvmi_status
walk_threads(const struct object *leader, void *arg, struct mvmi_error *err)
{
	const struct visitor *visitor = arg;
	struct linux_os *guest = visitor->guest;
	uint64_t head = object_u64(leader, TASK_SIGNAL) +
			shape_offset(&guest->shapes.signal, SIGNAL_THREADS);
	struct task_walk walk;

	walk.visitor = *visitor;
	walk.links = TASK_THREAD_LINKS;
	return fail_context(err,
			    links_walk(guest->os.space, mvmi_gva_at(head),
				       walk_one, &walk, err),
			    "threads of process %" PRIu64,
			    object_u64(leader, TASK_TGID));
}

enum mvmi_status tasks_walk(struct linux_os *guest, bool threads, task_fn fn,
			    void *arg, struct mvmi_error *err)
{
	struct visitor each = { guest, fn, arg };
	enum mvmi_status status = tasks_prepare(guest, err);
	struct task_walk walk;
	mvmi_gva head = { 0 };

	if (status == MVMI_OK)
		status = linux_symbol(guest, "init_task", &head, err);
	if (status != MVMI_OK)
		return status;
	head.val += shape_offset(&guest->shapes.task, TASK_LINKS);
	walk.visitor = each;
	if (threads)
		walk.visitor = (struct visitor){ guest, walk_threads, &each };
	walk.links = TASK_LINKS;
	status = links_walk(guest->os.space, head, walk_one, &walk, err);
	return fail_context(err, status, "list of processes");
}

/** A search for one id. */
struct task_search {
	uint64_t id;
	bool found;
	struct object *ret;
};

static enum mvmi_status
search_one(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct task_search *search = arg;

	if (object_u64(task, TASK_PID) != search->id)
		return MVMI_OK;
	search->found = true;
	*search->ret = *task;
	/* Any failure ends the walk; this one is not passed on. */
	return fail(err, MVMI_ERR_BUSY, "found");
}

/** Search once: among first threads, which is quick, then among all. */
static enum mvmi_status
search_all(struct linux_os *guest, struct task_search *search, bool threads,
	   struct mvmi_error *err)
{
	enum mvmi_status status =
		tasks_walk(guest, threads, search_one, search, err);

	return search->found ? MVMI_OK : status;
}

enum mvmi_status task_find(struct linux_os *guest, uint64_t id,
			   struct object *ret, struct mvmi_error *err)
{
	struct task_search search = { .id = id, .ret = ret };
	enum mvmi_status status = MVMI_OK;

	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		status = search_all(guest, &search, false, err);
		if (status == MVMI_OK && !search.found)
			status = search_all(guest, &search, true, err);
		if (!tasks_torn(status) || !linux_is_running(guest))
			break;
	}
	if (status == MVMI_OK && !search.found)
		return fail(err, MVMI_ERR_INVALID,
			    "there is no process %" PRIu64, id);
	return status;
}

enum mvmi_status task_find_mm(struct linux_os *guest, uint64_t id,
			      struct object *ret, struct mvmi_error *err)
{
	struct object task;
	enum mvmi_status status = task_find(guest, id, &task, err);
	mvmi_gva mm;

	if (status != MVMI_OK)
		return status;
	mm = object_gva(&task, TASK_MM);
	/* A kernel thread may have borrowed some; it is not its own. */
	if (mm.val == 0 || (object_u64(&task, TASK_FLAGS) & TASK_IS_KTHREAD))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "process %" PRIu64 " has no user memory: it is a "
			    "kernel thread or has ended",
			    id);
	return object_read(ret, guest->os.space, &guest->shapes.mm, mm, err);
}

/** A list of tasks that is being made. */
struct task_listing {
	struct linux_os *guest;
	unsigned detail;
	struct list *list;
};

static enum mvmi_status
list_one(const struct object *task, void *arg, struct mvmi_error *err)
{
	const struct task_listing *l = arg;
	struct mvmi_task *record = list_add(l->list, sizeof(*record));

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	return task_record(l->guest, task, l->detail, l->list, record, err);
}

/** Add the task that each CPU runs when there is nothing to do. */
static enum mvmi_status
list_idle(struct task_listing *l, struct mvmi_error *err)
{
	struct linux_os *guest = l->guest;
	struct mvmi_field idle = { 0 };
	mvmi_gva runqueues = { 0 };
	struct object task;
	enum mvmi_status status = tasks_prepare(guest, err);

	if (status == MVMI_OK)
		status = linux_symbol(guest, "runqueues", &runqueues, err);
	if (status == MVMI_OK)
		status = mvmi_types_field(guest->os.types, "rq", "idle", &idle,
					  err);
	for (unsigned n = 0; status == MVMI_OK && n < guest->kernel.cpu_count;
	     n++) {
		uint64_t at = runqueues.val + guest->kernel.per_cpu[n];
		uint64_t idle_task;

		status = mvmi_space_read_u64(guest->os.space,
					     mvmi_gva_at(at + idle.offset),
					     &idle_task, err);
		if (status == MVMI_OK)
			status = task_read(guest, mvmi_gva_at(idle_task), &task,
					   err);
		if (status == MVMI_OK)
			status = list_one(&task, l, err);
	}
	return fail_context(err, status, "idle tasks");
}

static enum mvmi_status
list_once(struct task_listing *l, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	if (l->detail & MVMI_TASK_IDLE_TASKS)
		status = list_idle(l, err);
	if (status == MVMI_OK)
		status = tasks_walk(l->guest, l->detail & MVMI_TASK_THREADS,
				    list_one, l, err);
	return status;
}

enum mvmi_status
linux_list_tasks(struct mvmi_os *os, unsigned detail,
		 const struct mvmi_task_list **ret, struct mvmi_error *err)
{
	struct list list = { .chunks = NULL };
	struct task_listing l = { linux_of(os), detail, &list };
	struct mvmi_error why = { .status = MVMI_OK };
	enum mvmi_status status = MVMI_OK;

	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		list_restart(&list);
		status = list_once(&l, &why);
		if (!tasks_torn(status) || !linux_is_running(l.guest))
			break;
	}
	/* What was seen of a guest that changes faster than we read. */
	if (tasks_torn(status) && list.failed == MVMI_OK && list.count &&
	    linux_is_running(l.guest)) {
		list_doubt(&list, "the list ends early: %s", why.msg);
		status = MVMI_OK;
	}
	if (status != MVMI_OK && list.failed == MVMI_OK) {
		list_fini(&list);
		if (err)
			*err = why;
		return status;
	}
	return list_finish(&list, sizeof(**ret), (const void **)ret, err);
}

enum mvmi_status
linux_find_task(struct mvmi_os *os, uint64_t id, unsigned detail,
		const struct mvmi_task_list **ret, struct mvmi_error *err)
{
	struct list list = { .chunks = NULL };
	struct task_listing l = { linux_of(os), detail, &list };
	struct object task;
	enum mvmi_status status = task_find(l.guest, id, &task, err);

	if (status == MVMI_OK)
		status = list_one(&task, &l, err);
	if (status != MVMI_OK && list.failed == MVMI_OK) {
		list_fini(&list);
		return status;
	}
	return list_finish(&list, sizeof(**ret), (const void **)ret, err);
}
