/* SPDX-License-Identifier: MIT */
/*
 * Holding a QEMU is stopping it: there is one run state, and QMP `stop` sets
 * it. So we remember who stopped it, and start only what we stopped ourselves.
 */
#include "base/error.h"
#include "drivers/qemu/qemu.h"

static enum mvmi_status
qemu_query(struct qemu_conn *q, bool *ret_running, struct mvmi_error *err)
{
	json_t *value;
	enum mvmi_status status =
		qmp_call(&q->qmp, "query-status", NULL, &value, err);

	if (status != MVMI_OK)
		return status;
	*ret_running = json_is_true(json_object_get(value, "running"));
	json_decref(value);
	return MVMI_OK;
}

static enum mvmi_status
qemu_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	bool running;
	enum mvmi_status status = qemu_query(q, &running, err);

	if (status == MVMI_OK && running)
		status = qmp_call(&q->qmp, "stop", NULL, NULL, err);
	/* What is known by now came before the hold: our own last `cont`. */
	if (status == MVMI_OK)
		status = qemu_take_events(q, err);
	if (status != MVMI_OK)
		return status;
	q->run.held = true;
	q->run.ours = running;
	q->run.wanted = false;
	return MVMI_OK;
}

static enum mvmi_status
qemu_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	bool start = q->run.ours && !q->run.wanted;

	q->run.held = false;
	q->run.ours = false;
	q->run.wanted = false;
	if (!start)
		return MVMI_OK;
	return qmp_call(&q->qmp, "cont", NULL, NULL, err);
}

static enum mvmi_status
qemu_stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = qmp_call(&q->qmp, "stop", NULL, NULL, err);

	if (status == MVMI_OK)
		q->run.wanted = q->run.held;
	return status;
}

static enum mvmi_status
qemu_start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);

	if (!q->run.held)
		return qmp_call(&q->qmp, "cont", NULL, NULL, err);
	q->run.ours = true;
	q->run.wanted = false;
	return MVMI_OK;
}

static enum mvmi_status
qemu_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	   struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status;
	bool running;

	if (q->run.held && q->run.ours) {
		*ret = q->run.wanted ? MVMI_RUN_STATE_STOPPED
				     : MVMI_RUN_STATE_RUNNING;
		return MVMI_OK;
	}
	status = qemu_query(q, &running, err);
	if (status == MVMI_OK)
		*ret = running ? MVMI_RUN_STATE_RUNNING
			       : MVMI_RUN_STATE_STOPPED;
	return status;
}

const struct mvmi_run_ops qemu_run_ops = {
	.hold = qemu_hold,
	.release = qemu_release,
	.stop = qemu_stop,
	.start = qemu_start,
	.state = qemu_state,
};

void qemu_run_events(struct qemu_conn *q, uint32_t events)
{
	/* Someone let it run under our hold: it is no longer ours to start. */
	if ((events & QMP_EVENT_RESUME) && q->run.held)
		q->run.ours = false;
}

void qemu_run_fini(struct qemu_conn *q)
{
	if (q->run.held)
		(void)qemu_release(&q->conn, NULL);
}
