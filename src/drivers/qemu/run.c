/* SPDX-License-Identifier: MIT */
/*
 * Holding a QEMU is stopping it: there is one run state, and QMP `stop` sets
 * it. So we remember who stopped it, and start only what we stopped ourselves.
 *
 * What can't be told: someone else who says `stop` under our hold changes
 * nothing and raises no event, and our release starts the VM.
 */
#include <string.h>

#include "base/error.h"
#include "drivers/qemu/guardian.h"
#include "drivers/qemu/qemu.h"

/** A guest that sleeps (S3) counts as running: `stop` can end there too. */
static enum mvmi_status
qemu_query(struct qemu_conn *q, bool *ret_running, struct mvmi_error *err)
{
	const char *text;
	json_t *value;
	enum mvmi_status status =
		qmp_call(&q->qmp, "query-status", NULL, &value, err);

	if (status != MVMI_OK)
		return status;
	text = json_string_value(json_object_get(value, "status"));
	*ret_running = json_is_true(json_object_get(value, "running")) ||
		       (text && strcmp(text, "suspended") == 0);
	json_decref(value);
	return MVMI_OK;
}

/** Whether the VM goes on when the hold ends, however it ends. */
static bool qemu_goes_on(const struct qemu_conn *q)
{
	return q->run.held && q->run.ours && !q->run.wanted;
}

static void qemu_arm(struct qemu_conn *q)
{
	guardian_arm(q->run.guardian, qemu_goes_on(q));
}

/** Stop a running VM, with somebody there who starts it if we can't. */
static enum mvmi_status qemu_freeze(struct qemu_conn *q, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	if (!q->run.guardian)
		status = guardian_create(q->qmp.fd, &q->run.guardian, err);
	if (status != MVMI_OK)
		return status;
	/* `cont` on a running VM does nothing: too early is not too much. */
	guardian_arm(q->run.guardian, true);
	status = qmp_call(&q->qmp, "stop", NULL, NULL, err);
	if (status != MVMI_OK)
		guardian_arm(q->run.guardian, false);
	return status;
}

static enum mvmi_status
qemu_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	bool running;
	enum mvmi_status status = qemu_query(q, &running, err);

	if (status == MVMI_OK && running)
		status = qemu_freeze(q, err);
	if (status != MVMI_OK)
		return qemu_judge(q, status, err);
	/* What is known by now came before the hold: our own last `cont`. */
	(void)qemu_take_events(q, NULL);
	qemu_regs_forget(q);
	q->run.held = true;
	q->run.ours = running;
	q->run.wanted = false;
	return MVMI_OK;
}

static enum mvmi_status
qemu_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	bool start = qemu_goes_on(q);
	enum mvmi_status status = MVMI_OK;

	stub_close(&q->stub, &q->qmp);
	qemu_regs_forget(q);
	q->run.held = false;
	q->run.ours = false;
	q->run.wanted = false;
	if (start)
		status = qmp_call(&q->qmp, "cont", NULL, NULL, err);
	guardian_arm(q->run.guardian, false);
	return qemu_judge(q, status, err);
}

static enum mvmi_status
qemu_stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = qmp_call(&q->qmp, "stop", NULL, NULL, err);

	if (status != MVMI_OK)
		return qemu_judge(q, status, err);
	q->run.wanted = q->run.held;
	qemu_arm(q);
	return MVMI_OK;
}

static enum mvmi_status
qemu_start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);

	if (!q->run.held)
		return qemu_judge(q, qmp_call(&q->qmp, "cont", NULL, NULL, err),
				  err);
	q->run.ours = true;
	q->run.wanted = false;
	qemu_arm(q);
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
	if (status != MVMI_OK)
		return qemu_judge(q, status, err);
	*ret = running ? MVMI_RUN_STATE_RUNNING : MVMI_RUN_STATE_STOPPED;
	return MVMI_OK;
}

const struct mvmi_run_ops qemu_run_ops = {
	.hold = qemu_hold,
	.release = qemu_release,
	.stop = qemu_stop,
	.start = qemu_start,
	.state = qemu_state,
};

/**
 * QEMU's do_vm_stop() ends with bdrv_drain_all() and bdrv_flush_all(), and its
 * notifiers stop virtio's data planes and vhost (system/cpus.c): when `stop`
 * has been answered, no device of QEMU writes RAM. A device passed through by
 * VFIO does; for such a VM this table is absent.
 */
static enum mvmi_status
qemu_quiesce(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	bool running;
	enum mvmi_status status = qemu_query(q, &running, err);

	/* QEMU 7 leaves a sleeping guest in its state; nothing runs in it. */
	if (status == MVMI_OK && running && !q->run.ours)
		return fail(err, MVMI_ERR_BUSY,
			    "someone started the VM under our hold");
	return qemu_judge(q, status, err);
}

const struct mvmi_quiesce_ops qemu_quiesce_ops = {
	.quiesce = qemu_quiesce,
};

void qemu_run_events(struct qemu_conn *q, uint32_t events)
{
	/* Someone let it run under our hold: it is no longer ours to start. */
	if ((events & QMP_EVENT_RESUME) && q->run.held) {
		qemu_regs_forget(q);
		q->run.ours = false;
		qemu_arm(q);
	}
}

void qemu_run_fini(struct qemu_conn *q)
{
	if (q->run.held)
		(void)qemu_release(&q->conn, NULL);
	guardian_destroy(q->run.guardian);
	q->run.guardian = NULL;
}
