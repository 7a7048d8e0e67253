/* SPDX-License-Identifier: MIT */
/*
 * From the operations of a driver to calls as data. One short function an
 * operation, and the tables of them.
 */
#include "drivers/decorator.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/registry.h"

static enum mvmi_status
decorate(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	struct decorator *deco = container_of(conn, struct decorator, conn);

	return deco->handle(deco, call, err);
}

enum mvmi_status
decorator_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	       struct mvmi_error *err)
{
	struct call call = { .kind = CALL_INFO };
	enum mvmi_status status;

	call.out.info = *info;
	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*info = call.out.info;
	return status;
}

enum mvmi_status decorator_poll(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_POLL };

	return decorate(conn, &call, err);
}

static enum mvmi_status
regions(struct mvmi_conn *conn, struct mvmi_region *regions, size_t capacity,
	size_t *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_REGIONS,
			     .in = { capacity },
			     .regions = regions };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = (size_t)call.out.value;
	return status;
}

static enum mvmi_status extent(struct mvmi_conn *conn, mvmi_gpa gpa,
			       struct mvmi_extent *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_EXTENT, .in = { gpa.val } };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = call.out.extent;
	return status;
}

static enum mvmi_status
readv(struct mvmi_conn *conn, struct mvmi_mem_op *mem_ops, size_t count,
      struct mvmi_error *err)
{
	struct call call = { .kind = CALL_READV,
			     .in = { count },
			     .ops = mem_ops };

	return decorate(conn, &call, err);
}

static enum mvmi_status
write_mem(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	  enum mvmi_write_mode mode, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_WRITE,
			     .in = { gpa.val, (uint64_t)mode },
			     .src = src };

	return decorate(conn, &call, err);
}

static void
windows(struct mvmi_conn *conn, const struct mvmi_window **ret, size_t *count)
{
	struct call call = { .kind = CALL_WINDOWS };

	(void)decorate(conn, &call, NULL);
	*ret = call.out.windows.windows;
	*count = call.out.windows.count;
}

static unsigned vcpu_count(struct mvmi_conn *conn)
{
	struct call call = { .kind = CALL_VCPU_COUNT };

	(void)decorate(conn, &call, NULL);
	return (unsigned)call.out.value;
}

static enum mvmi_status
get_regs(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	 struct mvmi_regs *regs, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_GET_REGS, .in = { vcpu, groups } };
	enum mvmi_status status;

	call.out.regs = *regs;
	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*regs = call.out.regs;
	return status;
}

static enum mvmi_status
set_regs(struct mvmi_conn *conn, unsigned vcpu, const struct mvmi_regs *regs,
	 struct mvmi_error *err)
{
	struct call call = { .kind = CALL_SET_REGS,
			     .in = { vcpu },
			     .regs = regs };

	return decorate(conn, &call, err);
}

static enum mvmi_status hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_HOLD };

	return decorate(conn, &call, err);
}

static enum mvmi_status release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_RELEASE };

	return decorate(conn, &call, err);
}

static enum mvmi_status stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_STOP };

	return decorate(conn, &call, err);
}

static enum mvmi_status start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_START };

	return decorate(conn, &call, err);
}

static enum mvmi_status
run_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	  struct mvmi_error *err)
{
	struct call call = { .kind = CALL_RUN_STATE };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = (enum mvmi_run_state)call.out.value;
	return status;
}

static enum mvmi_status quiesce(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_QUIESCE };

	return decorate(conn, &call, err);
}

static size_t descs(struct mvmi_conn *conn, const struct mvmi_event_desc **ret)
{
	struct call call = { .kind = CALL_DESCS };

	(void)decorate(conn, &call, NULL);
	*ret = call.out.descs.descs;
	return call.out.descs.count;
}

static enum mvmi_status
enable(struct mvmi_conn *conn, const struct mvmi_subscription *what,
       uint64_t *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_ENABLE, .subscription = what };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = call.out.value;
	return status;
}

static enum mvmi_status
disable(struct mvmi_conn *conn, uint64_t id, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_DISABLE, .in = { id } };

	return decorate(conn, &call, err);
}

static enum mvmi_status next(struct mvmi_conn *conn, int timeout_ms,
			     struct mvmi_event *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_NEXT,
			     .in = { (uint64_t)(int64_t)timeout_ms } };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = call.out.event;
	return status;
}

static enum mvmi_status
reply(struct mvmi_conn *conn, struct mvmi_event_id id,
      const struct mvmi_reply *answer, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_REPLY,
			     .in = { id.vcpu, id.generation },
			     .reply = answer };

	return decorate(conn, &call, err);
}

static struct mvmi_waitable waitable(struct mvmi_conn *conn)
{
	struct call call = { .kind = CALL_WAITABLE };

	(void)decorate(conn, &call, NULL);
	return call.out.waitable;
}

static enum mvmi_status
set_deadline(struct mvmi_conn *conn, uint32_t deadline_ms,
	     struct mvmi_error *err)
{
	struct call call = { .kind = CALL_SET_DEADLINE, .in = { deadline_ms } };

	return decorate(conn, &call, err);
}

static uint64_t overdue(struct mvmi_conn *conn)
{
	struct call call = { .kind = CALL_OVERDUE };

	(void)decorate(conn, &call, NULL);
	return call.out.value;
}

static enum mvmi_status
access_set(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn, uint32_t access,
	   struct mvmi_error *err)
{
	struct call call = { .kind = CALL_ACCESS_SET,
			     .in = { view, gfn.val, access } };

	return decorate(conn, &call, err);
}

static enum mvmi_status
access_get(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn, uint32_t *ret,
	   struct mvmi_error *err)
{
	struct call call = { .kind = CALL_ACCESS_GET, .in = { view, gfn.val } };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = (uint32_t)call.out.value;
	return status;
}

static enum mvmi_hold_scope view_scope(struct mvmi_conn *conn)
{
	struct call call = { .kind = CALL_VIEW_SCOPE };

	(void)decorate(conn, &call, NULL);
	return (enum mvmi_hold_scope)call.out.value;
}

static enum mvmi_status
view_create(struct mvmi_conn *conn, uint32_t *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_VIEW_CREATE };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = (uint32_t)call.out.value;
	return status;
}

static enum mvmi_status
view_destroy(struct mvmi_conn *conn, uint32_t view, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_VIEW_DESTROY, .in = { view } };

	return decorate(conn, &call, err);
}

static enum mvmi_status view_switch(struct mvmi_conn *conn, unsigned vcpu,
				    uint32_t view, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_VIEW_SWITCH, .in = { vcpu, view } };

	return decorate(conn, &call, err);
}

static enum mvmi_status
view_remap(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn, mvmi_gfn target,
	   struct mvmi_error *err)
{
	struct call call = { .kind = CALL_VIEW_REMAP,
			     .in = { view, gfn.val, target.val } };

	return decorate(conn, &call, err);
}

static enum mvmi_status
frame_create(struct mvmi_conn *conn, mvmi_gfn *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_FRAME_CREATE };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = mvmi_gfn_at(call.out.value);
	return status;
}

static enum mvmi_status
frame_destroy(struct mvmi_conn *conn, mvmi_gfn gfn, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_FRAME_DESTROY, .in = { gfn.val } };

	return decorate(conn, &call, err);
}

static enum mvmi_status
inject(struct mvmi_conn *conn, unsigned vcpu,
       const struct mvmi_injection *injection, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_INJECT,
			     .in = { vcpu },
			     .injection = injection };

	return decorate(conn, &call, err);
}

static enum mvmi_status
snapshot_take(struct mvmi_conn *conn, uint32_t *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_SNAPSHOT_TAKE };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = (uint32_t)call.out.value;
	return status;
}

static enum mvmi_status
snapshot_restore(struct mvmi_conn *conn, uint32_t snapshot,
		 struct mvmi_error *err)
{
	struct call call = { .kind = CALL_SNAPSHOT_RESTORE,
			     .in = { snapshot } };

	return decorate(conn, &call, err);
}

static enum mvmi_status
snapshot_discard(struct mvmi_conn *conn, uint32_t snapshot,
		 struct mvmi_error *err)
{
	struct call call = { .kind = CALL_SNAPSHOT_DISCARD,
			     .in = { snapshot } };

	return decorate(conn, &call, err);
}

static enum mvmi_status
snapshot_dirty(struct mvmi_conn *conn, uint32_t snapshot, mvmi_gfn *gfns,
	       size_t capacity, size_t *ret, struct mvmi_error *err)
{
	struct call call = { .kind = CALL_SNAPSHOT_DIRTY,
			     .in = { snapshot, capacity },
			     .gfns = gfns };
	enum mvmi_status status;

	status = decorate(conn, &call, err);
	if (status == MVMI_OK)
		*ret = (size_t)call.out.value;
	return status;
}

static const struct mvmi_mem_ops mem_table = {
	.regions = regions,
	.extent = extent,
	.readv = readv,
};
static const struct mvmi_write_ops write_table = { .write = write_mem };
static const struct mvmi_map_ops map_table = { .windows = windows };
static const struct mvmi_vcpu_ops vcpu_table = {
	.count = vcpu_count,
	.get = get_regs,
};
static const struct mvmi_vcpu_set_ops vcpu_set_table = { .set = set_regs };
static const struct mvmi_run_ops run_table = {
	.hold = hold,
	.release = release,
	.stop = stop,
	.start = start,
	.state = run_state,
};
static const struct mvmi_quiesce_ops quiesce_table = { .quiesce = quiesce };
static const struct mvmi_event_ops event_table = {
	.descs = descs,
	.enable = enable,
	.disable = disable,
	.next = next,
	.reply = reply,
	.waitable = waitable,
	.set_deadline = set_deadline,
	.overdue = overdue,
};
static const struct mvmi_access_ops access_table = {
	.set = access_set,
	.get = access_get,
};
static const struct mvmi_view_ops view_table = {
	.scope = view_scope,
	.create = view_create,
	.destroy = view_destroy,
	.switch_to = view_switch,
	.remap = view_remap,
	.frame_create = frame_create,
	.frame_destroy = frame_destroy,
};
static const struct mvmi_inject_ops inject_table = { .inject = inject };
static const struct mvmi_snapshot_ops snapshot_table = {
	.take = snapshot_take,
	.restore = snapshot_restore,
	.discard = snapshot_discard,
	.dirty = snapshot_dirty,
};

uint32_t decorator_tables(const struct mvmi_conn *conn)
{
	uint32_t caps = MVMI_CAP_MEM;

	caps |= conn->write ? MVMI_CAP_WRITE : 0;
	caps |= conn->map ? MVMI_CAP_MAP : 0;
	caps |= conn->vcpu ? MVMI_CAP_REGS : 0;
	caps |= conn->vcpu_set ? MVMI_CAP_SET_REGS : 0;
	caps |= conn->run ? MVMI_CAP_RUN : 0;
	caps |= conn->quiesce ? MVMI_CAP_QUIESCE : 0;
	caps |= conn->event ? MVMI_CAP_EVENT : 0;
	caps |= conn->access ? MVMI_CAP_ACCESS : 0;
	caps |= conn->view ? MVMI_CAP_VIEW : 0;
	caps |= conn->inject ? MVMI_CAP_INJECT : 0;
	caps |= conn->snapshot ? MVMI_CAP_SNAPSHOT : 0;
	return caps;
}

void decorator_offer(struct decorator *deco, uint32_t caps)
{
	struct mvmi_conn *conn = &deco->conn;

	conn->mem = &mem_table;
	conn->write = caps & MVMI_CAP_WRITE ? &write_table : NULL;
	conn->map = caps & MVMI_CAP_MAP ? &map_table : NULL;
	conn->vcpu = caps & MVMI_CAP_REGS ? &vcpu_table : NULL;
	conn->vcpu_set = caps & MVMI_CAP_SET_REGS ? &vcpu_set_table : NULL;
	conn->run = caps & MVMI_CAP_RUN ? &run_table : NULL;
	conn->quiesce = caps & MVMI_CAP_QUIESCE ? &quiesce_table : NULL;
	conn->event = caps & MVMI_CAP_EVENT ? &event_table : NULL;
	conn->access = caps & MVMI_CAP_ACCESS ? &access_table : NULL;
	conn->view = caps & MVMI_CAP_VIEW ? &view_table : NULL;
	conn->inject = caps & MVMI_CAP_INJECT ? &inject_table : NULL;
	conn->snapshot = caps & MVMI_CAP_SNAPSHOT ? &snapshot_table : NULL;
}

enum mvmi_status decorator_forward(struct decorator *deco, struct call *call,
				   struct mvmi_error *err)
{
	enum mvmi_status status = call_forward(deco->inner, call, err);

	decorator_follow(deco);
	return status;
}

void decorator_follow(struct decorator *deco)
{
	deco->conn.traits = deco->inner->traits;
	deco->conn.readable_regs = deco->inner->readable_regs;
	deco->conn.writable_regs = deco->inner->writable_regs;
	deco->conn.incarnation = deco->inner->incarnation;
}

enum mvmi_status
decorator_open_inner(const struct mvmi_open_args *args, struct mvmi_conn **ret,
		     struct mvmi_error *err)
{
	const char *target = decorator_option(args, "target");
	struct mvmi_open_args inner = { .read_only = args->read_only,
					.timeout_ms = args->timeout_ms };

	if (!target)
		return fail(err, MVMI_ERR_INVALID,
			    "say what to wrap: add target=TARGET");
	return registry_open(target, &inner, ret, err);
}

const char *decorator_option(const struct mvmi_open_args *args, const char *key)
{
	for (size_t i = 0; i < args->option_count; i++) {
		if (strcmp(args->options[i].key, key) == 0)
			return args->options[i].value;
	}
	return NULL;
}
