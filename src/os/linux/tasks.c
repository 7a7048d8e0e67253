/* SPDX-License-Identifier: MIT */
#include "os/linux/tasks.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/listing.h"

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
	[TASK_PID_LINKS] = "?pid_links[0]|pids[0].node",
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
	[MM_START_CODE] = "?start_code",
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

/** A walk along one list of tasks. */
struct task_walk {
	struct linux_os *guest;
	size_t links;  /**< the member of struct task_struct that is linked */
	size_t *count; /**< of tasks, on all the lists of one walk */
	task_fn fn;
	void *arg;
	struct object task;
};

/** The pointers of a struct list_head in a task that was read. */
static uint64_t link_next(const struct object *task, size_t links)
{
	return load_le64(object_bytes(task, links).ptr);
}

static uint64_t link_prev(const struct object *task, size_t links)
{
	return load_le64(object_bytes(task, links).ptr + 8);
}

/**
 * Walk a list from its head, as links_walk() does, but with one read for a
 * task and its links: that is what a walk over thousands of them costs.
 */
static enum mvmi_status walk_list(struct task_walk *walk, mvmi_gva head,
				  task_fn fn, void *arg, struct mvmi_error *err)
{
	const struct shape *shape = &walk->guest->shapes.task;
	uint64_t last = head.val;
	uint64_t at = 0;
	enum mvmi_status status =
		mvmi_space_read_u64(walk->guest->os.space, head, &at, err);

	while (status == MVMI_OK && at != head.val) {
		mvmi_gva link = mvmi_gva_at(at);

		if (*walk->count == TASKS_MAX)
			return fail(err, MVMI_ERR_LIMIT, "more than %zu tasks",
				    TASKS_MAX);
		++*walk->count;
		status = task_read(walk->guest,
				   shape_container(shape, walk->links, link),
				   &walk->task, err);
		if (status != MVMI_OK)
			break;
		if (link_prev(&walk->task, walk->links) != last)
			return fail(err, MVMI_ERR_CORRUPT,
				    "task at 0x%" PRIx64
				    " does not point back to the one before",
				    walk->task.gva.val);
		last = at;
		at = link_next(&walk->task, walk->links);
		status = fn(&walk->task, arg, err);
	}
	return status;
}

/** Walk over the threads of a process, given its first one. */
static enum mvmi_status
walk_threads(const struct object *leader, void *arg, struct mvmi_error *err)
{
	const struct task_walk *processes = arg;
	struct linux_os *guest = processes->guest;
	uint64_t head = object_u64(leader, TASK_SIGNAL) +
			shape_offset(&guest->shapes.signal, SIGNAL_THREADS);
	struct task_walk walk;
	enum mvmi_status status;

	/* Most have one thread, between both ends of the head. */
	if (link_next(leader, TASK_THREAD_LINKS) == head &&
	    link_prev(leader, TASK_THREAD_LINKS) == head)
		return processes->fn(leader, processes->arg, err);
	walk.guest = guest;
	walk.links = TASK_THREAD_LINKS;
	walk.count = processes->count;
	status = walk_list(&walk, mvmi_gva_at(head), processes->fn,
			   processes->arg, err);
	return fail_context(err, status, "threads of process %" PRIu64,
			    object_u64(leader, TASK_TGID));
}

enum mvmi_status tasks_walk(struct linux_os *guest, bool threads, task_fn fn,
			    void *arg, struct mvmi_error *err)
{
	enum mvmi_status status = tasks_prepare(guest, err);
	struct task_walk walk;
	mvmi_gva head = { 0 };
	size_t count = 0;

	if (status == MVMI_OK)
		status = linux_symbol(guest, "init_task", &head, err);
	if (status != MVMI_OK)
		return status;
	head.val += shape_offset(&guest->shapes.task, TASK_LINKS);
	walk.guest = guest;
	walk.links = TASK_LINKS;
	walk.count = &count;
	walk.fn = fn;
	walk.arg = arg;
	if (threads)
		status = walk_list(&walk, head, walk_threads, &walk, err);
	else
		status = walk_list(&walk, head, fn, arg, err);
	return fail_context(err, status, "list of processes");
}

/** A list of tasks that is being made. */
struct task_listing {
	struct listing listing;
	struct task_recorder recorder;
};

static enum mvmi_status
list_one(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct task_listing *l = arg;
	struct mvmi_task *record = list_add(&l->listing.list, sizeof(*record));

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	return task_record(&l->recorder, task, record, err);
}

/** Add the task that each CPU runs when there is nothing to do. */
static enum mvmi_status
list_idle(struct task_listing *l, struct mvmi_error *err)
{
	struct linux_os *guest = l->listing.guest;
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
list_all(struct listing *listing, struct mvmi_error *err)
{
	struct task_listing *l =
		container_of(listing, struct task_listing, listing);
	unsigned detail = l->recorder.detail;
	enum mvmi_status status = MVMI_OK;

	l->recorder.parent = 0;
	l->recorder.session = 0;
	if (detail & MVMI_TASK_IDLE_TASKS)
		status = list_idle(l, err);
	if (status == MVMI_OK)
		status = tasks_walk(listing->guest, detail & MVMI_TASK_THREADS,
				    list_one, l, err);
	return status;
}

static void task_listing_init(struct task_listing *l, struct mvmi_os *os,
			      uint64_t id, unsigned detail)
{
	*l = (struct task_listing){
		.listing = { .guest = linux_of(os), .pid = id },
		.recorder = { .guest = linux_of(os),
			      .list = &l->listing.list,
			      .detail = detail },
	};
}

enum mvmi_status
linux_list_tasks(struct mvmi_os *os, unsigned detail,
		 const struct mvmi_task_list **ret, struct mvmi_error *err)
{
	struct task_listing l;

	task_listing_init(&l, os, 0, detail);
	return listing_make(&l.listing, list_all, sizeof(**ret),
			    (const void **)ret, err);
}

static enum mvmi_status
list_found(struct listing *listing, struct mvmi_error *err)
{
	struct task_listing *l =
		container_of(listing, struct task_listing, listing);
	struct object task;
	enum mvmi_status status =
		task_find(listing->guest, listing->pid, &task, err);

	if (status != MVMI_OK)
		return status;
	return list_one(&task, l, err);
}

enum mvmi_status
linux_find_task(struct mvmi_os *os, uint64_t id, unsigned detail,
		const struct mvmi_task_list **ret, struct mvmi_error *err)
{
	struct task_listing l;

	task_listing_init(&l, os, id, detail);
	return listing_make(&l.listing, list_found, sizeof(**ret),
			    (const void **)ret, err);
}
