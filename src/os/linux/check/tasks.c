/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/error.h"
#include "os/linux/check/check.h"
#include "os/linux/member.h"
#include "os/linux/tasks.h"
#include "os/linux/text.h"
#include "os/linux/walk/links.h"
#include "os/linux/walk/xarray.h"

/** Longest name of a task, with its NUL. */
#define NAME_MAX_LEN 32

/** Report a task that one view has and another has not. */
static enum mvmi_status report(struct checking *c, const struct object *task,
			       const char *what, struct mvmi_error *err)
{
	char name[NAME_MAX_LEN];
	uint64_t id = object_u64(task, TASK_PID);

	text_of_bytes(object_bytes(task, TASK_COMM), name, sizeof(name));
	return check_found(c, task->gva, id, err, "task %" PRIu64 " (%s) %s",
			   id, name, what);
}

/** Report what lies at an address, unless it is a task of the set. */
static enum mvmi_status require_listed(struct checking *c, uint64_t at,
				       const char *what, struct mvmi_error *err)
{
	struct object task;
	enum mvmi_status status;

	if (set_has(&c->first, at))
		return MVMI_OK;
	status = task_read(c->guest, mvmi_gva_at(at), &task, err);
	return status == MVMI_OK ? report(c, &task, what, err) : status;
}

static enum mvmi_status
add_listed(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;

	enum mvmi_status status = check_step(c, err);

	return status == MVMI_OK ? set_add(&c->first, task->gva.val, NULL, err)
				 : status;
}

/** Remember all tasks that the list has, threads too. */
static enum mvmi_status
gather_listed(struct checking *c, struct mvmi_error *err)
{
	return tasks_walk(c->guest, true, add_listed, c, err);
}

/** Look at one entry of the table of ids. */
static enum mvmi_status visit_id(uint64_t first, uint64_t last, uint64_t entry,
				 void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;
	const struct shape *shape = &c->guest->shapes.task;
	uint64_t node = 0;
	uint64_t at;
	enum mvmi_status status;

	(void)first;
	(void)last;
	status = check_step(c, err);
	if (status != MVMI_OK ||
	    xarray_is_value(&c->guest->shapes.xarray, entry))
		return status;
	/* Of its lists, the first is of the task whose id it is. */
	status = member_read(c->guest, "pid", "tasks[0].first",
			     mvmi_gva_at(entry), &node, err);
	if (status != MVMI_OK || !node)
		return status;
	at = shape_container(shape, TASK_PID_LINKS, mvmi_gva_at(node)).val;
	status = set_add(&c->second, at, NULL, err);
	if (status != MVMI_OK)
		return status;
	return require_listed(c, at,
			      "is in the table of ids, and not on the list of "
			      "tasks",
			      err);
}

static enum mvmi_status
require_id(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;

	enum mvmi_status status = check_step(c, err);

	if (status != MVMI_OK || set_has(&c->second, task->gva.val))
		return status;
	return report(c, task,
		      "is on the list of tasks, and not in the table of ids",
		      err);
}

/** Find the table of ids, which there is since 4.15. */
static enum mvmi_status
find_ids(struct linux_os *guest, uint64_t *ret, struct mvmi_error *err)
{
	mvmi_gva namespace = { 0 };
	enum mvmi_status status =
		linux_symbol(guest, "init_pid_ns", &namespace, err);

	if (status == MVMI_OK)
		status = xarray_prepare(&guest->shapes.xarray, guest->os.types,
					err);
	if (status != MVMI_OK ||
	    member_read(guest, "pid_namespace", "idr.idr_rt.xa_head", namespace,
			ret, NULL) == MVMI_OK)
		return status;
	return member_read(guest, "pid_namespace", "idr.idr_rt.rnode",
			   namespace, ret, err);
}

enum mvmi_status check_tasks(struct checking *c, struct mvmi_error *err)
{
	uint64_t head = 0;
	enum mvmi_status status = find_ids(c->guest, &head, err);

	if (status == MVMI_OK)
		status = gather_listed(c, err);
	if (status == MVMI_OK &&
	    !shape_has(&c->guest->shapes.task, TASK_PID_LINKS))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's types don't say how tasks hang on "
			    "their ids");
	if (status == MVMI_OK)
		status = xarray_walk(c->guest->os.space,
				     &c->guest->shapes.xarray, head, visit_id,
				     c, err);
	if (status == MVMI_OK)
		status = tasks_walk(c->guest, true, require_id, c, err);
	return status;
}

/** The process whose threads come now, in a walk over all. */
struct thread_count {
	struct checking *c;
	struct object leader;
	uint64_t seen; /**< of its threads; 0: no process yet */
};

static enum mvmi_status
compare_count(struct thread_count *count, struct mvmi_error *err)
{
	struct linux_os *guest = count->c->guest;
	struct object signal;
	uint64_t counted;
	enum mvmi_status status;

	if (!count->seen)
		return MVMI_OK;
	status = object_read(&signal, guest->os.space, &guest->shapes.signal,
			     object_gva(&count->leader, TASK_SIGNAL), err);
	if (status != MVMI_OK)
		return status;
	counted = object_u64(&signal, SIGNAL_THREAD_COUNT);
	if (counted == count->seen)
		return MVMI_OK;
	return check_found(count->c, count->leader.gva,
			   object_u64(&count->leader, TASK_TGID), err,
			   "process %" PRIu64 " counts %" PRIu64
			   " threads, and %" PRIu64 " are on its list",
			   object_u64(&count->leader, TASK_TGID), counted,
			   count->seen);
}

static enum mvmi_status
count_thread(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct thread_count *count = arg;
	bool is_next =
		!count->seen || object_u64(&count->leader, TASK_SIGNAL) !=
					object_u64(task, TASK_SIGNAL);
	enum mvmi_status status = check_step(count->c, err);

	if (status == MVMI_OK && is_next) {
		status = compare_count(count, err);
		count->leader = *task;
		count->seen = 0;
	}
	count->seen++;
	return status;
}

enum mvmi_status check_threads(struct checking *c, struct mvmi_error *err)
{
	struct thread_count count = { .c = c };
	enum mvmi_status status =
		tasks_walk(c->guest, true, count_thread, &count, err);

	return status == MVMI_OK ? compare_count(&count, err) : status;
}

/** Where tasks hang on their parents. */
struct children_walk {
	struct checking *c;
	struct mvmi_field children; /**< the head, in the parent */
	struct mvmi_field sibling;  /**< in the child */
};

static enum mvmi_status
visit_child(mvmi_gva link, void *arg, struct mvmi_error *err)
{
	struct children_walk *walk = arg;
	enum mvmi_status status = check_step(walk->c, err);

	if (status != MVMI_OK)
		return status;
	return require_listed(walk->c, link.val - walk->sibling.offset,
			      "is a child of another, and not on the list of "
			      "tasks",
			      err);
}

static enum mvmi_status
visit_parent(const struct object *task, void *arg, struct mvmi_error *err)
{
	struct children_walk *walk = arg;
	mvmi_gva head = mvmi_gva_at(task->gva.val + walk->children.offset);
	enum mvmi_status status = check_step(walk->c, err);

	if (status != MVMI_OK)
		return status;
	return fail_context(err,
			    links_walk(walk->c->guest->os.space, head,
				       visit_child, walk, err),
			    "children of task %" PRIu64,
			    object_u64(task, TASK_PID));
}

enum mvmi_status check_children(struct checking *c, struct mvmi_error *err)
{
	struct children_walk walk = { .c = c };
	const struct mvmi_types *types = c->guest->os.types;
	enum mvmi_status status = gather_listed(c, err);

	if (status == MVMI_OK)
		status = mvmi_types_field(types, "task_struct", "children",
					  &walk.children, err);
	if (status == MVMI_OK)
		status = mvmi_types_field(types, "task_struct", "sibling",
					  &walk.sibling, err);
	if (status == MVMI_OK)
		status = tasks_walk(c->guest, true, visit_parent, &walk, err);
	return status;
}

/** A per-CPU pointer to a task, of which the idle one is on no list. */
static enum mvmi_status
check_pointer(struct checking *c, unsigned cpu, uint64_t at, const char *what,
	      struct mvmi_error *err)
{
	struct object task;
	uint64_t pointer = 0;
	enum mvmi_status status = mvmi_space_read_u64(
		c->guest->os.space,
		mvmi_gva_at(at + c->guest->kernel.per_cpu[cpu]), &pointer, err);

	if (status == MVMI_OK)
		status = task_read(c->guest, mvmi_gva_at(pointer), &task, err);
	if (status != MVMI_OK || set_has(&c->first, pointer) ||
	    object_u64(&task, TASK_PID) == 0)
		return status;
	return report(c, &task, what, err);
}

enum mvmi_status check_running(struct checking *c, struct mvmi_error *err)
{
	struct linux_os *guest = c->guest;
	struct mvmi_field field = { 0 };
	mvmi_gva queues = { 0 };
	mvmi_gva current = { 0 };
	enum mvmi_status status = gather_listed(c, err);

	if (status == MVMI_OK)
		status = linux_symbol(guest, "runqueues", &queues, err);
	if (status == MVMI_OK)
		status = mvmi_types_field(guest->os.types, "rq", "curr", &field,
					  err);
	if (status != MVMI_OK)
		return status;
	queues.val += field.offset;
	if (linux_symbol(guest, "current_task", &current, NULL) != MVMI_OK &&
	    mvmi_types_field(guest->os.types, "struct pcpu_hot", "current_task",
			     &field, NULL) == MVMI_OK &&
	    linux_symbol(guest, "pcpu_hot", &current, NULL) == MVMI_OK)
		current.val += field.offset;
	for (unsigned i = 0; status == MVMI_OK && i < guest->kernel.cpu_count;
	     i++) {
		status = check_pointer(c, i, queues.val,
				       "runs by a CPU's queue, and is not on "
				       "the list of tasks",
				       err);
		if (status == MVMI_OK && current.val)
			status = check_pointer(c, i, current.val,
					       "is a CPU's current one, and "
					       "not on the list of tasks",
					       err);
	}
	return status;
}
