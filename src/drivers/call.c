/* SPDX-License-Identifier: MIT */
/*
 * From a call as data back to the operation of a driver. One short function an
 * operation, and a table of them.
 */
#include "drivers/call.h"

static enum mvmi_status
forward_info(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	return conn->driver->info(conn, &call->out.info, err);
}

static enum mvmi_status
forward_poll(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	(void)call;
	return conn->driver->poll ? conn->driver->poll(conn, err) : MVMI_OK;
}

static enum mvmi_status
forward_regions(struct mvmi_conn *conn, struct call *call,
		struct mvmi_error *err)
{
	size_t count;
	enum mvmi_status status = conn->mem->regions(
		conn, call->regions, (size_t)call->in[0], &count, err);

	if (status == MVMI_OK)
		call->out.value = count;
	return status;
}

static enum mvmi_status
forward_extent(struct mvmi_conn *conn, struct call *call,
	       struct mvmi_error *err)
{
	return conn->mem->extent(conn, mvmi_gpa_at(call->in[0]),
				 &call->out.extent, err);
}

static enum mvmi_status
forward_readv(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	return conn->mem->readv(conn, call->ops, (size_t)call->in[0], err);
}

static enum mvmi_status
forward_write(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	return conn->write->write(conn, mvmi_gpa_at(call->in[0]), call->src,
				  (enum mvmi_write_mode)call->in[1], err);
}

static enum mvmi_status
forward_windows(struct mvmi_conn *conn, struct call *call,
		struct mvmi_error *err)
{
	(void)err;
	conn->map->windows(conn, &call->out.windows.windows,
			   &call->out.windows.count);
	return MVMI_OK;
}

static enum mvmi_status
forward_vcpu_count(struct mvmi_conn *conn, struct call *call,
		   struct mvmi_error *err)
{
	(void)err;
	call->out.value = conn->vcpu->count(conn);
	return MVMI_OK;
}

static enum mvmi_status
forward_get_regs(struct mvmi_conn *conn, struct call *call,
		 struct mvmi_error *err)
{
	return conn->vcpu->get(conn, (unsigned)call->in[0],
			       (unsigned)call->in[1], &call->out.regs, err);
}

static enum mvmi_status
forward_set_regs(struct mvmi_conn *conn, struct call *call,
		 struct mvmi_error *err)
{
	return conn->vcpu_set->set(conn, (unsigned)call->in[0], call->regs,
				   err);
}

static enum mvmi_status
forward_hold(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	(void)call;
	return conn->run->hold(conn, err);
}

static enum mvmi_status
forward_release(struct mvmi_conn *conn, struct call *call,
		struct mvmi_error *err)
{
	(void)call;
	return conn->run->release(conn, err);
}

static enum mvmi_status
forward_stop(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	(void)call;
	return conn->run->stop(conn, err);
}

static enum mvmi_status
forward_start(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	(void)call;
	return conn->run->start(conn, err);
}

static enum mvmi_status
forward_run_state(struct mvmi_conn *conn, struct call *call,
		  struct mvmi_error *err)
{
	enum mvmi_run_state value;
	enum mvmi_status status = conn->run->state(conn, &value, err);

	if (status == MVMI_OK)
		call->out.value = (uint64_t)value;
	return status;
}

static enum mvmi_status
forward_quiesce(struct mvmi_conn *conn, struct call *call,
		struct mvmi_error *err)
{
	(void)call;
	return conn->quiesce->quiesce(conn, err);
}

static enum mvmi_status
forward_descs(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	(void)err;
	call->out.descs.count =
		conn->event->descs(conn, &call->out.descs.descs);
	return MVMI_OK;
}

static enum mvmi_status
forward_enable(struct mvmi_conn *conn, struct call *call,
	       struct mvmi_error *err)
{
	return conn->event->enable(conn, call->subscription, &call->out.value,
				   err);
}

static enum mvmi_status
forward_disable(struct mvmi_conn *conn, struct call *call,
		struct mvmi_error *err)
{
	return conn->event->disable(conn, call->in[0], err);
}

static enum mvmi_status
forward_next(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	return conn->event->next(conn, (int)(int64_t)call->in[0],
				 &call->out.event, err);
}

static enum mvmi_status
forward_reply(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	struct mvmi_event_id id = { .vcpu = (uint32_t)call->in[0],
				    .generation = call->in[1] };

	return conn->event->reply(conn, id, call->reply, err);
}

static enum mvmi_status
forward_waitable(struct mvmi_conn *conn, struct call *call,
		 struct mvmi_error *err)
{
	(void)err;
	call->out.waitable = conn->event->waitable(conn);
	return MVMI_OK;
}

static enum mvmi_status
forward_set_deadline(struct mvmi_conn *conn, struct call *call,
		     struct mvmi_error *err)
{
	return conn->event->set_deadline(conn, (uint32_t)call->in[0], err);
}

static enum mvmi_status
forward_overdue(struct mvmi_conn *conn, struct call *call,
		struct mvmi_error *err)
{
	(void)err;
	call->out.value = conn->event->overdue(conn);
	return MVMI_OK;
}

static enum mvmi_status
forward_access_set(struct mvmi_conn *conn, struct call *call,
		   struct mvmi_error *err)
{
	return conn->access->set(conn, (uint32_t)call->in[0],
				 mvmi_gfn_at(call->in[1]),
				 (uint32_t)call->in[2], err);
}

static enum mvmi_status
forward_access_get(struct mvmi_conn *conn, struct call *call,
		   struct mvmi_error *err)
{
	uint32_t value;
	enum mvmi_status status =
		conn->access->get(conn, (uint32_t)call->in[0],
				  mvmi_gfn_at(call->in[1]), &value, err);

	if (status == MVMI_OK)
		call->out.value = value;
	return status;
}

static enum mvmi_status
forward_view_scope(struct mvmi_conn *conn, struct call *call,
		   struct mvmi_error *err)
{
	(void)err;
	call->out.value = (uint64_t)conn->view->scope(conn);
	return MVMI_OK;
}

static enum mvmi_status
forward_view_create(struct mvmi_conn *conn, struct call *call,
		    struct mvmi_error *err)
{
	uint32_t value;
	enum mvmi_status status = conn->view->create(conn, &value, err);

	if (status == MVMI_OK)
		call->out.value = value;
	return status;
}

static enum mvmi_status
forward_view_destroy(struct mvmi_conn *conn, struct call *call,
		     struct mvmi_error *err)
{
	return conn->view->destroy(conn, (uint32_t)call->in[0], err);
}

static enum mvmi_status
forward_view_switch(struct mvmi_conn *conn, struct call *call,
		    struct mvmi_error *err)
{
	return conn->view->switch_to(conn, (unsigned)call->in[0],
				     (uint32_t)call->in[1], err);
}

static enum mvmi_status
forward_view_remap(struct mvmi_conn *conn, struct call *call,
		   struct mvmi_error *err)
{
	return conn->view->remap(conn, (uint32_t)call->in[0],
				 mvmi_gfn_at(call->in[1]),
				 mvmi_gfn_at(call->in[2]), err);
}

static enum mvmi_status
forward_frame_create(struct mvmi_conn *conn, struct call *call,
		     struct mvmi_error *err)
{
	mvmi_gfn gfn;
	enum mvmi_status status = conn->view->frame_create(conn, &gfn, err);

	if (status == MVMI_OK)
		call->out.value = gfn.val;
	return status;
}

static enum mvmi_status
forward_frame_destroy(struct mvmi_conn *conn, struct call *call,
		      struct mvmi_error *err)
{
	return conn->view->frame_destroy(conn, mvmi_gfn_at(call->in[0]), err);
}

static enum mvmi_status
forward_inject(struct mvmi_conn *conn, struct call *call,
	       struct mvmi_error *err)
{
	return conn->inject->inject(conn, (unsigned)call->in[0],
				    call->injection, err);
}

static enum mvmi_status
forward_snapshot_take(struct mvmi_conn *conn, struct call *call,
		      struct mvmi_error *err)
{
	uint32_t value;
	enum mvmi_status status = conn->snapshot->take(conn, &value, err);

	if (status == MVMI_OK)
		call->out.value = value;
	return status;
}

static enum mvmi_status
forward_snapshot_restore(struct mvmi_conn *conn, struct call *call,
			 struct mvmi_error *err)
{
	return conn->snapshot->restore(conn, (uint32_t)call->in[0], err);
}

static enum mvmi_status
forward_snapshot_discard(struct mvmi_conn *conn, struct call *call,
			 struct mvmi_error *err)
{
	return conn->snapshot->discard(conn, (uint32_t)call->in[0], err);
}

static enum mvmi_status
forward_snapshot_dirty(struct mvmi_conn *conn, struct call *call,
		       struct mvmi_error *err)
{
	size_t count;
	enum mvmi_status status =
		conn->snapshot->dirty(conn, (uint32_t)call->in[0], call->gfns,
				      (size_t)call->in[1], &count, err);

	if (status == MVMI_OK)
		call->out.value = count;
	return status;
}

static const struct {
	const char *name;
	enum mvmi_status (*forward)(struct mvmi_conn *conn, struct call *call,
				    struct mvmi_error *err);
	unsigned inputs;
	bool fails;
} calls[CALL_KIND_COUNT] = {
	[CALL_INFO] = { "info", forward_info, 0, true },
	[CALL_POLL] = { "poll", forward_poll, 0, true },
	[CALL_REGIONS] = { "regions", forward_regions, 1, true },
	[CALL_EXTENT] = { "extent", forward_extent, 1, true },
	[CALL_READV] = { "readv", forward_readv, 1, true },
	[CALL_WRITE] = { "write", forward_write, 2, true },
	[CALL_WINDOWS] = { "windows", forward_windows, 0, false },
	[CALL_VCPU_COUNT] = { "vcpu_count", forward_vcpu_count, 0, false },
	[CALL_GET_REGS] = { "get_regs", forward_get_regs, 2, true },
	[CALL_SET_REGS] = { "set_regs", forward_set_regs, 1, true },
	[CALL_HOLD] = { "hold", forward_hold, 0, true },
	[CALL_RELEASE] = { "release", forward_release, 0, true },
	[CALL_STOP] = { "stop", forward_stop, 0, true },
	[CALL_START] = { "start", forward_start, 0, true },
	[CALL_RUN_STATE] = { "run_state", forward_run_state, 0, true },
	[CALL_QUIESCE] = { "quiesce", forward_quiesce, 0, true },
	[CALL_DESCS] = { "descs", forward_descs, 0, false },
	[CALL_ENABLE] = { "enable", forward_enable, 0, true },
	[CALL_DISABLE] = { "disable", forward_disable, 1, true },
	[CALL_NEXT] = { "next", forward_next, 1, true },
	[CALL_REPLY] = { "reply", forward_reply, 2, true },
	[CALL_WAITABLE] = { "waitable", forward_waitable, 0, false },
	[CALL_SET_DEADLINE] = { "set_deadline", forward_set_deadline, 1, true },
	[CALL_OVERDUE] = { "overdue", forward_overdue, 0, false },
	[CALL_ACCESS_SET] = { "access_set", forward_access_set, 3, true },
	[CALL_ACCESS_GET] = { "access_get", forward_access_get, 2, true },
	[CALL_VIEW_SCOPE] = { "view_scope", forward_view_scope, 0, false },
	[CALL_VIEW_CREATE] = { "view_create", forward_view_create, 0, true },
	[CALL_VIEW_DESTROY] = { "view_destroy", forward_view_destroy, 1, true },
	[CALL_VIEW_SWITCH] = { "view_switch", forward_view_switch, 2, true },
	[CALL_VIEW_REMAP] = { "view_remap", forward_view_remap, 3, true },
	[CALL_INJECT] = { "inject", forward_inject, 1, true },
	[CALL_SNAPSHOT_TAKE] = { "snapshot_take", forward_snapshot_take, 0,
				 true },
	[CALL_SNAPSHOT_RESTORE] = { "snapshot_restore",
				    forward_snapshot_restore, 1, true },
	[CALL_SNAPSHOT_DISCARD] = { "snapshot_discard",
				    forward_snapshot_discard, 1, true },
	[CALL_SNAPSHOT_DIRTY] = { "snapshot_dirty", forward_snapshot_dirty, 2,
				  true },
	[CALL_FRAME_CREATE] = { "frame_create", forward_frame_create, 0, true },
	[CALL_FRAME_DESTROY] = { "frame_destroy", forward_frame_destroy, 1,
				 true },
};

enum mvmi_status
call_forward(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err)
{
	return calls[call->kind].forward(conn, call, err);
}

const char *call_name(enum call_kind kind)
{
	return calls[kind].name;
}

size_t call_inputs(enum call_kind kind)
{
	return calls[kind].inputs;
}

bool call_fails(enum call_kind kind)
{
	return calls[kind].fails;
}
