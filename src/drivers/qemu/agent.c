/* SPDX-License-Identifier: MIT */
/*
 * A QEMU with our plugin in it: events, and what its monitor does worse.
 *
 * With an agent a hold is the agent's, not QMP `stop`: that waits in QEMU's
 * main loop for vCPUs that wait for a reply of ours. So it is never said while
 * we have one to give, and under a hold only to drain devices.
 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "drivers/agent/client.h"
#include "drivers/qemu/qemu.h"

/* An agent that is busy with a hold still answers within this. */
#define AGENT_TIMEOUT_MIN_MS 3000
/* Many are asked, for a list. */
#define AGENT_LIST_MS 500

/* ---- registers ---------------------------------------------------------- */

static unsigned far_vcpu_count(struct mvmi_conn *conn)
{
	return qemu_of(conn)->agent->vcpu_count;
}

static enum mvmi_status
far_vcpu_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	     struct mvmi_regs *regs, struct mvmi_error *err)
{
	return agent_client_get_regs(qemu_of(conn)->agent, vcpu, groups, regs,
				     err);
}

static const struct mvmi_vcpu_ops far_vcpu_ops = {
	.count = far_vcpu_count,
	.get = far_vcpu_get,
};

static enum mvmi_status
far_vcpu_set(struct mvmi_conn *conn, unsigned vcpu,
	     const struct mvmi_regs *regs, struct mvmi_error *err)
{
	return agent_client_set_regs(qemu_of(conn)->agent, vcpu, regs, err);
}

static const struct mvmi_vcpu_set_ops far_vcpu_set_ops = {
	.set = far_vcpu_set,
};

/* ---- run state ---------------------------------------------------------- */

static enum mvmi_status far_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = agent_client_hold(q->agent, err);

	if (status == MVMI_OK)
		(void)agent_client_vcpu_count(q->agent);
	return status;
}

static enum mvmi_status
far_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = MVMI_OK;

	/* To drain its devices it was stopped as well. */
	if (q->run.held)
		status = qemu_run_ops.release(conn, err);
	return status == MVMI_OK ? agent_client_release(q->agent, err) : status;
}

static enum mvmi_status
need_monitor(struct qemu_conn *q, struct mvmi_error *err)
{
	/* The table is there for the sake of holds, which need none. */
	return qemu_has_monitor(q) ? MVMI_OK
				   : fail(err, MVMI_ERR_UNSUPPORTED,
					  "only a monitor can do that; %s",
					  QEMU_MONITOR_ADVICE);
}

static enum mvmi_status far_stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = need_monitor(q, err);

	if (status != MVMI_OK)
		return status;
	if (q->unanswered)
		return fail(err, MVMI_ERR_BUSY,
			    "QEMU can't stop while a vCPU waits for a reply");
	return qemu_run_ops.stop(conn, err);
}

static enum mvmi_status
far_start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	enum mvmi_status status = need_monitor(qemu_of(conn), err);

	return status == MVMI_OK ? qemu_run_ops.start(conn, err) : status;
}

static enum mvmi_status
far_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	  struct mvmi_error *err)
{
	if (qemu_has_monitor(qemu_of(conn)))
		return qemu_run_ops.state(conn, ret, err);
	*ret = MVMI_RUN_STATE_UNKNOWN;
	return MVMI_OK;
}

static const struct mvmi_run_ops far_run_ops = {
	.hold = far_hold,
	.release = far_release,
	.stop = far_stop,
	.start = far_start,
	.state = far_state,
};

/** What drains devices is a stop by QEMU, under the agent's hold. */
static enum mvmi_status
far_quiesce(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = MVMI_OK;

	if (q->unanswered)
		return fail(err, MVMI_ERR_BUSY,
			    "QEMU can't stop while a vCPU waits for a reply");
	if (!q->run.held)
		status = qemu_run_ops.hold(conn, err);
	return status == MVMI_OK ? qemu_quiesce_ops.quiesce(conn, err) : status;
}

static const struct mvmi_quiesce_ops far_quiesce_ops = {
	.quiesce = far_quiesce,
};

/* ---- events ------------------------------------------------------------- */

static size_t
far_descs(struct mvmi_conn *conn, const struct mvmi_event_desc **ret)
{
	const struct agent_client *agent = qemu_of(conn)->agent;

	*ret = agent->descs;
	return agent->desc_count;
}

static enum mvmi_status
far_enable(struct mvmi_conn *conn, const struct mvmi_subscription *what,
	   uint64_t *ret, struct mvmi_error *err)
{
	return agent_client_enable(qemu_of(conn)->agent, what, ret, err);
}

static enum mvmi_status
far_disable(struct mvmi_conn *conn, uint64_t id, struct mvmi_error *err)
{
	return agent_client_disable(qemu_of(conn)->agent, id, err);
}

static enum mvmi_status far_next(struct mvmi_conn *conn, int timeout_ms,
				 struct mvmi_event *ret, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status =
		agent_client_next(q->agent, timeout_ms, ret, err);

	if (status == MVMI_OK && !ret->async)
		q->unanswered++;
	return status;
}

static enum mvmi_status
far_reply(struct mvmi_conn *conn, struct mvmi_event_id id,
	  const struct mvmi_reply *reply, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);

	if (q->unanswered)
		q->unanswered--;
	return agent_client_reply(q->agent, id, reply, err);
}

static struct mvmi_waitable far_waitable(struct mvmi_conn *conn)
{
	return agent_client_waitable(qemu_of(conn)->agent);
}

static enum mvmi_status
far_set_deadline(struct mvmi_conn *conn, uint32_t deadline_ms,
		 struct mvmi_error *err)
{
	return agent_client_set_deadline(qemu_of(conn)->agent, deadline_ms,
					 err);
}

static uint64_t far_overdue(struct mvmi_conn *conn)
{
	return agent_client_overdue(qemu_of(conn)->agent);
}

static const struct mvmi_event_ops far_event_ops = {
	.descs = far_descs,
	.enable = far_enable,
	.disable = far_disable,
	.next = far_next,
	.reply = far_reply,
	.waitable = far_waitable,
	.set_deadline = far_set_deadline,
	.overdue = far_overdue,
};

static enum mvmi_status
far_set_access(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
	       uint32_t access, struct mvmi_error *err)
{
	return agent_client_set_access(qemu_of(conn)->agent, view, gfn, access,
				       err);
}

static enum mvmi_status
far_get_access(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
	       uint32_t *ret, struct mvmi_error *err)
{
	return agent_client_get_access(qemu_of(conn)->agent, view, gfn, ret,
				       err);
}

static const struct mvmi_access_ops far_access_ops = {
	.set = far_set_access,
	.get = far_get_access,
};

static enum mvmi_status
far_inject(struct mvmi_conn *conn, unsigned vcpu,
	   const struct mvmi_injection *injection, struct mvmi_error *err)
{
	return agent_client_inject(qemu_of(conn)->agent, vcpu, injection, err);
}

static const struct mvmi_inject_ops far_inject_ops = {
	.inject = far_inject,
};

/* ---- life --------------------------------------------------------------- */

/** Take over what the agent does better, or what nobody else does. */
static void take_over(struct qemu_conn *q)
{
	uint32_t caps = q->agent->capabilities;

	if (caps & MVMI_CAP_EVENT)
		q->conn.event = &far_event_ops;
	if (caps & MVMI_CAP_ACCESS)
		q->conn.access = &far_access_ops;
	if (caps & MVMI_CAP_WRITE)
		q->conn.traits &= ~(uint32_t)MVMI_TRAIT_DATA_ONLY_WRITES;
	if (!(caps & MVMI_CAP_RUN))
		return;
	/* The monitor's hold would wait for a vCPU that waits for us. */
	q->conn.run = &far_run_ops;
	if (q->conn.quiesce)
		q->conn.quiesce = &far_quiesce_ops;
	q->conn.vcpu = NULL;
	q->conn.vcpu_set = NULL;
	q->conn.readable_regs = (mvmi_regset){ { 0, 0 } };
	q->conn.writable_regs = (mvmi_regset){ { 0, 0 } };
	if (!(caps & MVMI_CAP_REGS) || q->agent->vcpu_count == 0)
		return;
	q->conn.vcpu = &far_vcpu_ops;
	q->conn.readable_regs = q->agent->readable;
	q->conn.traits &= ~(uint32_t)MVMI_TRAIT_NO_CONTROL;
	if (caps & MVMI_CAP_SET_REGS) {
		q->conn.vcpu_set = &far_vcpu_set_ops;
		q->conn.writable_regs = q->agent->writable;
	}
	if (caps & MVMI_CAP_INJECT)
		q->conn.inject = &far_inject_ops;
	if (!qemu_has_monitor(q))
		q->note[0] = '\0';
}

void qemu_agent_init(struct qemu_conn *q, uint32_t timeout_ms)
{
	struct mvmi_error err;
	enum mvmi_status status = agent_client_open(
		q->pid, MAX(timeout_ms, AGENT_TIMEOUT_MIN_MS), &q->agent, &err);

	if (status == MVMI_OK)
		take_over(q);
	else if (status != MVMI_ERR_GONE && err.sys != ECONNREFUSED)
		/* There is one: say why it is of no use. */
		(void)snprintf(q->note, sizeof(q->note), "%.*s",
			       (int)sizeof(q->note) - 1, err.msg);
}

void qemu_agent_fini(struct qemu_conn *q)
{
	agent_client_close(q->agent);
	q->agent = NULL;
}

bool qemu_agent_writes(const struct qemu_conn *q)
{
	return q->agent && (q->agent->capabilities & MVMI_CAP_WRITE);
}

enum mvmi_status qemu_agent_write(struct qemu_conn *q, mvmi_gpa gpa,
				  struct mvmi_bytes src, struct mvmi_error *err)
{
	return agent_client_write(q->agent, gpa, src, MVMI_WRITE_COHERENT, err);
}

uint32_t qemu_agent_capabilities(int64_t pid)
{
	struct agent_client *agent;
	uint32_t caps;

	if (agent_client_open(pid, AGENT_LIST_MS, &agent, NULL) != MVMI_OK)
		return 0;
	caps = agent->capabilities;
	agent_client_close(agent);
	return caps;
}
