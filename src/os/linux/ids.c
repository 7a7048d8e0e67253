/* SPDX-License-Identifier: MIT */
/* Tasks by id: through the table of ids, else along the list of tasks. */
#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"
#include "os/linux/task.h"
#include "os/linux/walk/xarray.h"

enum mvmi_status ids_number(struct linux_os *guest, mvmi_gva pid, uint64_t *ret,
			    struct mvmi_error *err)
{
	struct mvmi_field numbers = { 0 };
	struct mvmi_field nr = { 0 };
	uint8_t bytes[4];
	enum mvmi_status status = mvmi_types_field(guest->os.types, "pid",
						   "numbers", &numbers, err);

	if (status == MVMI_OK)
		status = mvmi_types_field(guest->os.types, "upid", "nr", &nr,
					  err);
	if (status == MVMI_OK)
		status = mvmi_space_read(
			guest->os.space,
			/* The initial namespace is level 0: the first. */
			mvmi_gva_at(pid.val + numbers.offset + nr.offset),
			(struct mvmi_span){ bytes, sizeof(bytes) }, err);
	if (status == MVMI_OK)
		*ret = load_le32(bytes);
	return status;
}

/** A pointer in a struct that is too seldom read to have a shape. */
static enum mvmi_status
read_pointer(struct linux_os *guest, const char *type, const char *path,
	     uint64_t at, uint64_t *ret, struct mvmi_error *err)
{
	struct mvmi_field field = { 0 };
	enum mvmi_status status =
		mvmi_types_field(guest->os.types, type, path, &field, err);

	if (status != MVMI_OK)
		return status;
	return mvmi_space_read_u64(guest->os.space,
				   mvmi_gva_at(at + field.offset), ret, err);
}

/** Ask the table of ids, which there is since 4.15. */
static enum mvmi_status
find_in_table(struct linux_os *guest, uint64_t id, struct object *ret)
{
	struct xarray_shape *shape = &guest->shapes.xarray;
	mvmi_gva namespace = { 0 };
	uint64_t head = 0;
	uint64_t pid = 0;
	uint64_t node = 0;
	enum mvmi_status status =
		linux_symbol(guest, "init_pid_ns", &namespace, NULL);

	if (status == MVMI_OK)
		status = xarray_prepare(shape, guest->os.types, NULL);
	if (status == MVMI_OK &&
	    read_pointer(guest, "pid_namespace", "idr.idr_rt.xa_head",
			 namespace.val, &head, NULL) != MVMI_OK)
		status =
			read_pointer(guest, "pid_namespace", "idr.idr_rt.rnode",
				     namespace.val, &head, NULL);
	if (status == MVMI_OK)
		status = xarray_load(guest->os.space, shape, head, id, &pid,
				     NULL);
	/* Of the lists of a pid, the first is of those whose id it is. */
	if (status == MVMI_OK && pid)
		status = read_pointer(guest, "pid", "tasks[0].first", pid,
				      &node, NULL);
	if (status != MVMI_OK)
		return status;
	if (!node || !shape_has(&guest->shapes.task, TASK_PID_LINKS))
		return MVMI_ERR_INVALID;
	status = task_read(guest,
			   shape_container(&guest->shapes.task, TASK_PID_LINKS,
					   mvmi_gva_at(node)),
			   ret, NULL);
	if (status == MVMI_OK && object_u64(ret, TASK_PID) != id)
		status = MVMI_ERR_CORRUPT;
	return status;
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
search_all(struct linux_os *guest, struct task_search *search,
	   struct mvmi_error *err)
{
	enum mvmi_status status =
		tasks_walk(guest, false, search_one, search, err);

	if (status == MVMI_OK && !search->found)
		status = tasks_walk(guest, true, search_one, search, err);
	return search->found ? MVMI_OK : status;
}

enum mvmi_status task_find(struct linux_os *guest, uint64_t id,
			   struct object *ret, struct mvmi_error *err)
{
	struct task_search search = { .id = id, .ret = ret };
	enum mvmi_status status = tasks_prepare(guest, err);

	/* Nothing has id 0 in the table; the idle tasks have it, all of them. */
	if (status != MVMI_OK || find_in_table(guest, id, ret) == MVMI_OK)
		return status;
	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		status = search_all(guest, &search, err);
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
