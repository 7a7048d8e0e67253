/* SPDX-License-Identifier: MIT */
/* The namespaces of a task, as /proc/PID/ns shows them. */
#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/task.h"

enum {
	NSPROXY_NET,
	NSPROXY_UTS,
	NSPROXY_IPC,
	NSPROXY_PID_FOR_CHILDREN,
	NSPROXY_MNT,
	NSPROXY_CGROUP,
	NSPROXY_TIME,
	NSPROXY_TIME_FOR_CHILDREN,
	NSPROXY_FIELDS,
};

static const char *const nsproxy_paths[NSPROXY_FIELDS] = {
	[NSPROXY_NET] = "net_ns",
	[NSPROXY_UTS] = "uts_ns",
	[NSPROXY_IPC] = "ipc_ns",
	[NSPROXY_PID_FOR_CHILDREN] = "pid_ns_for_children",
	[NSPROXY_MNT] = "mnt_ns",
	[NSPROXY_CGROUP] = "?cgroup_ns",		       /* since 4.6 */
	[NSPROXY_TIME] = "?time_ns",			       /* since 5.6 */
	[NSPROXY_TIME_FOR_CHILDREN] = "?time_ns_for_children", /* since 5.6 */
};

static const struct shape_spec nsproxy_spec = { "nsproxy", nsproxy_paths,
						NSPROXY_FIELDS };

/** What a member of struct nsproxy points to, and what /proc calls it. */
static const struct namespace_kind {
	const char *name;
	const char *type;
} kinds[NSPROXY_FIELDS] = {
	[NSPROXY_NET] = { "net", "net" },
	[NSPROXY_UTS] = { "uts", "uts_namespace" },
	[NSPROXY_IPC] = { "ipc", "ipc_namespace" },
	[NSPROXY_PID_FOR_CHILDREN] = { "pid_for_children", "pid_namespace" },
	[NSPROXY_MNT] = { "mnt", "mnt_namespace" },
	[NSPROXY_CGROUP] = { "cgroup", "cgroup_namespace" },
	[NSPROXY_TIME] = { "time", "time_namespace" },
	[NSPROXY_TIME_FOR_CHILDREN] = { "time_for_children", "time_namespace" },
};

/** All of nsproxy, and two that hang elsewhere. */
#define NAMESPACES_MAX (NSPROXY_FIELDS + 2)

/** A task's namespaces while they are gathered. */
struct gathering {
	struct linux_os *guest;
	struct mvmi_namespace *items; /**< NAMESPACES_MAX */
	size_t count;
};

/** Read a member of a struct that is needed too seldom to have a shape. */
static enum mvmi_status
read_member(struct linux_os *guest, const char *type, const char *path,
	    uint64_t at, uint64_t *ret, struct mvmi_error *err)
{
	struct mvmi_field field = { 0 };
	uint8_t bytes[8] = { 0 };
	struct mvmi_span dst = { bytes, sizeof(bytes) };
	enum mvmi_status status =
		mvmi_types_field(guest->os.types, type, path, &field, err);

	dst.len = MIN(dst.len, (size_t)field.size);
	if (status == MVMI_OK)
		status = mvmi_space_read(guest->os.space,
					 mvmi_gva_at(at + field.offset), dst,
					 err);
	if (status == MVMI_OK)
		*ret = load_le64(bytes);
	return status;
}

/** Add a namespace; none is no error, the task may be ending. */
static enum mvmi_status
add(struct gathering *g, const char *name, const char *type, uint64_t at,
    struct mvmi_error *err)
{
	enum mvmi_status status;
	uint64_t id;

	if (at == 0)
		return MVMI_OK;
	status = read_member(g->guest, type, "ns.inum", at, &id, err);
	if (status == MVMI_OK)
		g->items[g->count++] = (struct mvmi_namespace){ name, id };
	return status;
}

static enum mvmi_status
add_of_proxy(struct gathering *g, const struct object *nsproxy, size_t field,
	     struct mvmi_error *err)
{
	return add(g, kinds[field].name, kinds[field].type,
		   object_u64(nsproxy, field), err);
}

/** The one that a task lives in, whatever its children get: its pid's last. */
static enum mvmi_status
add_of_pid(struct gathering *g, const struct object *task,
	   struct mvmi_error *err)
{
	const struct mvmi_types *types = g->guest->os.types;
	uint64_t pid = object_u64(task, TASK_THREAD_PID);
	struct mvmi_field numbers = { 0 };
	struct mvmi_type upid;
	uint64_t level = 0;
	uint64_t at = 0;
	enum mvmi_status status;

	if (pid == 0)
		return MVMI_OK;
	if (!mvmi_types_find(types, "struct upid", &upid))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's kernel has no type upid");
	status = mvmi_types_field(types, "pid", "numbers", &numbers, err);
	if (status == MVMI_OK)
		status =
			read_member(g->guest, "pid", "level", pid, &level, err);
	/* Namespaces of ids nest up to 32 deep (MAX_PID_NS_LEVEL). */
	if (status == MVMI_OK && level > 32)
		return fail(err, MVMI_ERR_CORRUPT,
			    "pid namespaces of level %" PRIu64, level);
	if (status == MVMI_OK)
		status = read_member(g->guest, "upid", "ns",
				     pid + numbers.offset + level * upid.size,
				     &at, err);
	if (status == MVMI_OK)
		status = add(g, "pid", "pid_namespace", at, err);
	return status;
}

static enum mvmi_status
add_of_cred(struct gathering *g, const struct object *task,
	    struct mvmi_error *err)
{
	uint64_t at = 0;
	enum mvmi_status status =
		read_member(g->guest, "cred", "user_ns",
			    object_u64(task, TASK_CRED), &at, err);

	if (status == MVMI_OK)
		status = add(g, "user", "user_namespace", at, err);
	return status;
}

enum mvmi_status namespaces_read(struct linux_os *guest,
				 const struct object *task, struct list *list,
				 struct mvmi_task *ret, struct mvmi_error *err)
{
	struct gathering g = { .guest = guest };
	struct shape *shape = &guest->shapes.nsproxy;
	bool proxied = object_u64(task, TASK_NSPROXY) != 0;
	struct object nsproxy;
	enum mvmi_status status =
		shape_resolve(shape, &nsproxy_spec, guest->os.types, err);

	if (status == MVMI_OK && proxied)
		status = object_read(&nsproxy, guest->os.space, shape,
				     object_gva(task, TASK_NSPROXY), err);
	if (status != MVMI_OK)
		return status;
	g.items = list_alloc(list, NAMESPACES_MAX * sizeof(*g.items));
	if (!g.items)
		return MVMI_OK; /* list_finish() says why. */
	for (size_t i = 0; status == MVMI_OK && proxied && i < NSPROXY_FIELDS;
	     i++)
		status = add_of_proxy(&g, &nsproxy, i, err);
	if (status == MVMI_OK)
		status = add_of_pid(&g, task, err);
	if (status == MVMI_OK)
		status = add_of_cred(&g, task, err);
	ret->namespaces = g.items;
	ret->namespace_count = g.count;
	return status;
}
