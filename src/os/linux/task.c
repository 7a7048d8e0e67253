/* SPDX-License-Identifier: MIT */
/* One task, described. */
#include "os/linux/task.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/path.h"

/** The user half of a pair of page directories (PTI) comes second. */
#define USER_ROOT UINT64_C(0x1000)

enum {
	CRED_UID,
	CRED_EUID,
	CRED_SUID,
	CRED_FSUID,
	CRED_GID,
	CRED_EGID,
	CRED_SGID,
	CRED_FSGID,
	CRED_CAPABILITIES,
	CRED_FIELDS,
};

static const char *const cred_paths[CRED_FIELDS] = {
	[CRED_UID] = "uid",
	[CRED_EUID] = "euid",
	[CRED_SUID] = "suid",
	[CRED_FSUID] = "fsuid",
	[CRED_GID] = "gid",
	[CRED_EGID] = "egid",
	[CRED_SGID] = "sgid",
	[CRED_FSGID] = "fsgid",
	/* One u64, or two u32 the lower first: the same eight bytes. */
	[CRED_CAPABILITIES] = "cap_effective",
};

static const struct shape_spec cred_spec = { "cred", cred_paths, CRED_FIELDS };

/** Bits of TASK_STATE and TASK_EXIT_STATE (include/linux/sched.h). */
enum {
	STATE_INTERRUPTIBLE = 1,
	STATE_UNINTERRUPTIBLE = 2,
	STATE_STOPPED = 4,
	STATE_TRACED = 8,
	STATE_PARKED = 0x40,
	STATE_IDLE = 0x402, /**< uninterruptible, and no load */
	STATE_RTLOCK = 0x1000,
	STATE_FROZEN = 0x8000,
	EXIT_DEAD = 0x10,
	EXIT_ZOMBIE = 0x20,
};

/**
 * What /proc makes of the bits: the highest of those that it reports. Others
 * say how a task may be woken (kill: 0x100, freezer: 0x2000).
 */
static enum mvmi_task_state state_of(const struct object *task)
{
	uint64_t state = object_u64(task, TASK_STATE);
	uint64_t ended = object_u64(task, TASK_EXIT_STATE);

	if (ended & EXIT_ZOMBIE)
		return MVMI_TASK_ZOMBIE;
	if (ended & EXIT_DEAD)
		return MVMI_TASK_DEAD;
	if (state & (STATE_RTLOCK | STATE_FROZEN))
		return MVMI_TASK_WAITING;
	if ((state & STATE_IDLE) == STATE_IDLE || (state & STATE_PARKED))
		return MVMI_TASK_IDLE;
	if (state & STATE_TRACED)
		return MVMI_TASK_TRACED;
	if (state & STATE_STOPPED)
		return MVMI_TASK_STOPPED;
	if (state & STATE_UNINTERRUPTIBLE)
		return MVMI_TASK_WAITING;
	if (state & STATE_INTERRUPTIBLE)
		return MVMI_TASK_SLEEPING;
	return MVMI_TASK_RUNNING;
}

/** Session and number of threads, which the process's threads share. */
static enum mvmi_status
read_signal(struct task_recorder *r, const struct object *task,
	    struct mvmi_task *ret, struct mvmi_error *err)
{
	struct linux_os *guest = r->guest;
	struct object signal;
	mvmi_gva session = object_gva(task, TASK_SESSION);
	enum mvmi_status status =
		object_read(&signal, guest->os.space, &guest->shapes.signal,
			    object_gva(task, TASK_SIGNAL), err);

	if (status != MVMI_OK)
		return status;
	ret->thread_count = (uint32_t)object_u64(&signal, SIGNAL_THREAD_COUNT);
	if (shape_has(&guest->shapes.signal, SIGNAL_SESSION))
		session = object_gva(&signal, SIGNAL_SESSION);
	if (session.val == 0)
		return MVMI_OK;
	if (session.val != r->session)
		status = ids_number(guest, session, &r->session_id, err);
	if (status != MVMI_OK)
		return status;
	r->session = session.val;
	ret->session_id = r->session_id;
	return MVMI_OK;
}

static enum mvmi_status
read_cred(struct linux_os *guest, const struct object *task,
	  struct mvmi_credentials *ret, struct mvmi_error *err)
{
	struct object cred;
	enum mvmi_status status = shape_resolve(&guest->shapes.cred, &cred_spec,
						guest->os.types, err);

	if (status == MVMI_OK)
		status =
			object_read(&cred, guest->os.space, &guest->shapes.cred,
				    object_gva(task, TASK_CRED), err);
	if (status != MVMI_OK)
		return status;
	*ret = (struct mvmi_credentials){
		.uid = (uint32_t)object_u64(&cred, CRED_UID),
		.euid = (uint32_t)object_u64(&cred, CRED_EUID),
		.suid = (uint32_t)object_u64(&cred, CRED_SUID),
		.fsuid = (uint32_t)object_u64(&cred, CRED_FSUID),
		.gid = (uint32_t)object_u64(&cred, CRED_GID),
		.egid = (uint32_t)object_u64(&cred, CRED_EGID),
		.sgid = (uint32_t)object_u64(&cred, CRED_SGID),
		.fsgid = (uint32_t)object_u64(&cred, CRED_FSGID),
		.capabilities = object_u64(&cred, CRED_CAPABILITIES),
		.sid = "",
	};
	return MVMI_OK;
}

/** The process that is told when this one ends; init_task is process 0. */
static enum mvmi_status
read_parent(struct task_recorder *r, const struct object *task, uint64_t *ret,
	    struct mvmi_error *err)
{
	uint64_t parent = object_u64(task, TASK_PARENT);
	uint64_t tgid = shape_offset(&r->guest->shapes.task, TASK_TGID);
	uint8_t bytes[4];

	if (parent == 0 || parent != r->parent) {
		enum mvmi_status status = mvmi_space_read(
			r->guest->os.space, mvmi_gva_at(parent + tgid),
			(struct mvmi_span){ bytes, sizeof(bytes) }, err);

		if (status != MVMI_OK)
			return status;
		r->parent = parent;
		r->parent_id = load_le32(bytes);
	}
	*ret = r->parent_id;
	return MVMI_OK;
}

/** What its memory tells: page tables, program, words. */
static enum mvmi_status
read_mm(struct linux_os *guest, const struct object *task, unsigned detail,
	struct list *list, struct mvmi_task *ret, struct mvmi_error *err)
{
	struct object mm;
	enum mvmi_status status =
		object_read(&mm, guest->os.space, &guest->shapes.mm,
			    object_gva(task, TASK_MM), err);

	if (status != MVMI_OK)
		return status;
	ret->root = object_u64(&mm, MM_PGD) - guest->kernel.page_offset;
	if (guest->kernel.page_table_isolation)
		ret->user_root = ret->root | USER_ROOT;
	if ((detail & MVMI_TASK_PATH) && object_u64(&mm, MM_EXE_FILE))
		status = path_of_file(guest, object_gva(&mm, MM_EXE_FILE), list,
				      &ret->path, err);
	if (status != MVMI_OK)
		return status;
	if (detail & (MVMI_TASK_ARGS | MVMI_TASK_ENVIRONMENT))
		status = arguments_read(guest, &mm, detail, list, ret, err);
	return status;
}

static void read_name(struct linux_os *guest, const struct object *task,
		      struct list *list, struct mvmi_task *ret)
{
	struct mvmi_bytes comm = object_bytes(task, TASK_COMM);
	size_t len = MIN(comm.len, (size_t)TASK_NAME_MAX);
	char name[TASK_NAME_MAX + 1] = { 0 };

	memcpy(name, comm.ptr, len);
	if (ret->is_kernel && !kthread_name(guest, task, name))
		list_doubt(list, "the full name of thread %" PRIu64 " is lost",
			   ret->id);
	ret->name = list_string(list, name, strlen(name));
}

/** What is in the task_struct itself. */
static void read_own(const struct object *task, struct mvmi_task *ret)
{
	ret->object = task->gva;
	ret->id = object_u64(task, TASK_PID);
	ret->process_id = object_u64(task, TASK_TGID);
	ret->state = state_of(task);
	ret->is_thread = ret->id != ret->process_id;
	ret->is_kernel = (object_u64(task, TASK_FLAGS) & TASK_IS_KTHREAD) != 0;
	ret->cpu = -1;
	if (object_u64(task, TASK_ON_CPU) && shape_has(task->shape, TASK_CPU))
		ret->cpu = (int32_t)object_u64(task, TASK_CPU);
	ret->start_ns = object_u64(task, TASK_START);
	ret->credentials.sid = "";
	ret->path = "";
}

/** Go on without a part that can't be read, unless the VM is gone. */
static enum mvmi_status
doubt_part(struct list *list, uint64_t id, enum mvmi_status status,
	   const struct mvmi_error *why, struct mvmi_error *err)
{
	if (status == MVMI_OK)
		return MVMI_OK;
	if (tasks_torn(status) || status == MVMI_ERR_UNSUPPORTED) {
		list_doubt(list, "of task %" PRIu64 ": %s", id, why->msg);
		return MVMI_OK;
	}
	if (err)
		*err = *why;
	return status;
}

enum mvmi_status
task_record(struct task_recorder *recorder, const struct object *task,
	    struct mvmi_task *ret, struct mvmi_error *err)
{
	struct linux_os *guest = recorder->guest;
	struct list *list = recorder->list;
	unsigned detail = recorder->detail;
	struct mvmi_error why = { .status = MVMI_OK };
	enum mvmi_status status;

	read_own(task, ret);
	read_name(guest, task, list, ret);
	status = read_parent(recorder, task, &ret->parent_id, &why);
	status = doubt_part(list, ret->id, status, &why, err);
	if (status != MVMI_OK)
		return status;
	status = read_signal(recorder, task, ret, &why);
	status = doubt_part(list, ret->id, status, &why, err);
	if (status != MVMI_OK)
		return status;
	status = read_cred(guest, task, &ret->credentials, &why);
	status = doubt_part(list, ret->id, status, &why, err);
	if (status != MVMI_OK)
		return status;
	if (object_u64(task, TASK_MM) && !ret->is_kernel)
		status = read_mm(guest, task, detail, list, ret, &why);
	status = doubt_part(list, ret->id, status, &why, err);
	if (status != MVMI_OK)
		return status;
	if (detail & MVMI_TASK_NAMESPACES)
		status = namespaces_read(guest, task, list, ret, &why);
	return doubt_part(list, ret->id, status, &why, err);
}
