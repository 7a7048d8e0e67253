/* SPDX-License-Identifier: MIT */
/* Opening, closing and watching a QEMU. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/agent/client.h"
#include "drivers/qemu/proc.h"
#include "drivers/qemu/qemu.h"

/* The guest's firmware moves memory without an event: look now and then. */
#define QEMU_REFRESH_MS 1000

static enum mvmi_status
qemu_check_lives(struct qemu_conn *q, struct mvmi_error *err)
{
	if (q->pidfd >= 0 && proc_has_ended(q->pidfd))
		return fail(err, MVMI_ERR_GONE,
			    "QEMU, process %" PRId64 ", has ended", q->pid);
	return MVMI_OK;
}

/** GONE from the monitor is the VM's end only if the process ended. */
enum mvmi_status
qemu_judge(struct qemu_conn *q, enum mvmi_status status, struct mvmi_error *err)
{
	if (status != MVMI_ERR_GONE)
		return status;
	if (q->pidfd < 0 || proc_has_ended(q->pidfd))
		return fail(err, MVMI_ERR_GONE, "QEMU has ended");
	return fail(err, MVMI_ERR_SYSTEM,
		    "QEMU closed the monitor; its memory can still be read");
}

enum mvmi_status qemu_take_events(struct qemu_conn *q, struct mvmi_error *err)
{
	uint32_t events = qmp_take_events(&q->qmp);
	uint32_t voids = QMP_EVENT_RESET | QMP_EVENT_MIGRATION;

	qemu_run_events(q, events);
	if (events & voids) {
		q->conn.incarnation++;
		qemu_regs_forget(q);
		qemu_find_traits(q);
		q->layout_hash = 0;
	}
	if (events & (voids | QMP_EVENT_LAYOUT))
		return qemu_refresh(q, err);
	return MVMI_OK;
}

static enum mvmi_status
qemu_poll(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = qemu_check_lives(q, err);

	if (status != MVMI_OK || !qemu_has_monitor(q))
		return status;
	status = qmp_poll(&q->qmp, err);
	if (status == MVMI_OK)
		status = qemu_take_events(q, err);
	if (status == MVMI_OK &&
	    clock_coarse_ms() - q->refreshed_ms >= QEMU_REFRESH_MS)
		(void)qemu_refresh(q, NULL);
	/* A monitor that is lost leaves us the memory. */
	return qemu_check_lives(q, err);
}

static enum mvmi_status
qemu_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	     size_t capacity, size_t *ret, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	size_t n = MIN(capacity, q->ram.region_count);

	(void)err;
	if (n)
		memcpy(regions, q->ram.regions, n * sizeof(*regions));
	*ret = q->ram.region_count;
	return MVMI_OK;
}

static enum mvmi_status
qemu_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	    struct mvmi_error *err)
{
	return ram_extent(&qemu_of(conn)->ram, gpa, ret, err);
}

static enum mvmi_status
qemu_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	   struct mvmi_error *err)
{
	return ram_readv(&qemu_of(conn)->ram, ops, count, err);
}

static void qemu_windows(struct mvmi_conn *conn, const struct mvmi_window **ret,
			 size_t *count)
{
	struct qemu_conn *q = qemu_of(conn);

	*ret = q->ram.windows;
	*count = q->ram.window_count;
}

static const struct mvmi_mem_ops qemu_mem_ops = {
	.regions = qemu_regions,
	.extent = qemu_extent,
	.readv = qemu_readv,
};

static const struct mvmi_map_ops qemu_map_ops = {
	.windows = qemu_windows,
};

static enum mvmi_status
qemu_get_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	      struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = MVMI_OK;

	if (qemu_has_monitor(q)) {
		status = qemu_run_ops.state(conn, &info->state, err);
		(void)snprintf(info->hypervisor, sizeof(info->hypervisor),
			       "QEMU %s (%s)", q->qmp.version,
			       q->kvm ? "KVM" : "TCG");
	} else {
		(void)snprintf(info->hypervisor, sizeof(info->hypervisor), "%s",
			       q->agent ? q->agent->vmm : "QEMU (no monitor)");
	}
	if (status != MVMI_OK)
		return status;
	(void)snprintf(info->name, sizeof(info->name), "%s", q->name);
	(void)snprintf(info->memory_path, sizeof(info->memory_path), "%s",
		       ram_path(&q->ram));
	(void)snprintf(info->note, sizeof(info->note), "%s", q->note);
	info->pid = q->pid;
	return MVMI_OK;
}

static void qemu_close(struct mvmi_conn *conn)
{
	struct qemu_conn *q = qemu_of(conn);

	qemu_agent_fini(q);
	qemu_run_fini(q);
	qemu_regs_fini(q);
	qmp_close(&q->qmp);
	ram_fini(&q->ram);
	if (q->pidfd >= 0)
		(void)close(q->pidfd);
	free(q);
}

/** What is asked once: name and accelerator. */
static enum mvmi_status qemu_ask(struct qemu_conn *q, struct mvmi_error *err)
{
	json_t *value;
	enum mvmi_status status =
		qmp_call(&q->qmp, "query-name", NULL, &value, err);
	const char *name;

	if (status != MVMI_OK)
		return status;
	name = json_string_value(json_object_get(value, "name"));
	(void)snprintf(q->name, sizeof(q->name), "%s", name ? name : "");
	json_decref(value);
	status = qmp_call(&q->qmp, "query-kvm", NULL, &value, NULL);
	if (status == MVMI_ERR_UNSUPPORTED || status == MVMI_ERR_INVALID)
		return MVMI_OK;
	if (status != MVMI_OK)
		return fail(err, status, "QEMU did not answer query-kvm");
	q->kvm = json_is_true(json_object_get(value, "enabled"));
	json_decref(value);
	return MVMI_OK;
}

/** Take over memory and, where there is one, the monitor. */
static enum mvmi_status
qemu_attach(struct qemu_conn *q, const struct cmdline *c,
	    struct mvmi_error *err)
{
	enum mvmi_status status = ram_init(&q->ram, q->pid, err);

	if (status != MVMI_OK)
		return status;
	q->pidfd = proc_open_pidfd(q->pid);
	q->conn.map = &qemu_map_ops;
	if (!qemu_has_monitor(q)) {
		q->conn.traits = MVMI_TRAIT_NO_CONTROL;
		q->conn.traits |= c->has_balloon ? MVMI_TRAIT_BALLOON : 0;
		(void)snprintf(q->name, sizeof(q->name), "%s", c->name);
		q->conn.traits |= MVMI_TRAIT_DATA_ONLY_WRITES;
		q->conn.write = &qemu_write_ops;
		status = qemu_bare(q, c, err);
		q->conn.incarnation = 1;
		return status;
	}
	status = qemu_ask(q, err);
	if (status != MVMI_OK)
		return status;
	qemu_find_traits(q);
	status = qemu_refresh(q, err);
	if (status != MVMI_OK)
		return status;
	q->conn.run = &qemu_run_ops;
	/* A guest with encrypted state shows QEMU none of its registers. */
	if (!(q->conn.traits & MVMI_TRAIT_ENCRYPTED)) {
		status = qemu_regs_init(q, err);
		if (status != MVMI_OK)
			return status;
	}
	if (!(q->conn.traits & MVMI_TRAIT_ENCRYPTED))
		qemu_write_init(q, c->has_gdb);
	if (!(q->conn.traits & MVMI_TRAIT_VFIO))
		q->conn.quiesce = &qemu_quiesce_ops;
	q->conn.incarnation = 1;
	return MVMI_OK;
}

static const char *
qemu_option(const struct mvmi_open_args *args, const char *key)
{
	for (size_t i = 0; i < args->option_count; i++) {
		if (strcmp(args->options[i].key, key) == 0)
			return args->options[i].value;
	}
	return NULL;
}

/** The process behind a socket: who listens, or who was given it to listen. */
static void qemu_identify(struct qemu_conn *q, const char *path)
{
	q->pid = q->qmp.peer_pid;
	if (q->pid == 0 || !cmdline_is_qemu(q->pid)) {
		int64_t pid = qemu_find_pid(path);

		q->pid = pid ? pid : q->pid;
	}
}

/** By the path of its monitor. One that is busy leaves us the memory. */
static enum mvmi_status
qemu_find_by_path(struct qemu_conn *q, const struct mvmi_open_args *args,
		  struct cmdline *c, struct mvmi_error *err)
{
	enum mvmi_status status =
		qmp_open(&q->qmp, args->where, args->timeout_ms, err);

	if (status != MVMI_OK && status != MVMI_ERR_BUSY)
		return status;
	qemu_identify(q, args->where);
	if (status == MVMI_OK)
		return cmdline_read(q->pid, c, err);
	if (q->pid == 0 || !cmdline_is_qemu(q->pid))
		return fail_context(err, status, "%s", QEMU_MONITOR_ADVICE);
	(void)snprintf(q->note, sizeof(q->note),
		       "the monitor serves another client; for registers and "
		       "holds %s",
		       QEMU_MONITOR_ADVICE);
	return cmdline_read(q->pid, c, err);
}

/** By its process: try each monitor that its command line names. */
static enum mvmi_status
qemu_find_by_pid(struct qemu_conn *q, const char *text, uint32_t timeout_ms,
		 struct cmdline *c, struct mvmi_error *err)
{
	enum mvmi_status status;
	char *end;

	q->pid = strtoll(text, &end, 10);
	if (end == text || *end || q->pid <= 0 || q->pid > INT32_MAX)
		return fail(err, MVMI_ERR_INVALID, "pid=%s is no process",
			    text);
	status = cmdline_read(q->pid, c, err);
	if (status != MVMI_OK)
		return status;
	if (!cmdline_is_qemu(q->pid))
		return fail(err, MVMI_ERR_INVALID,
			    "process %s is not a QEMU that emulates a PC",
			    text);
	for (size_t i = 0; i < c->monitor_count; i++) {
		const char *path = c->monitors[i].path;

		if (*path &&
		    qmp_open(&q->qmp, path, timeout_ms, NULL) == MVMI_OK)
			return MVMI_OK;
	}
	(void)snprintf(q->note, sizeof(q->note),
		       "%s; for registers and holds %s",
		       c->monitor_count ? "no monitor answers"
					: "there is no QMP monitor",
		       QEMU_MONITOR_ADVICE);
	return MVMI_OK;
}

static struct qemu_conn *qemu_create(void)
{
	struct qemu_conn *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->conn.driver = &qemu_driver;
	q->conn.mem = &qemu_mem_ops;
	q->pidfd = -1;
	q->qmp.fd = -1;
	q->stub.fd = -1;
	q->regs.file = -1;
	q->regs.shared = -1;
	q->ram.mem_fd = -1;
	q->ram.pagemap_fd = -1;
	return q;
}

static enum mvmi_status
qemu_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err)
{
	const char *pid = qemu_option(args, "pid");
	struct qemu_conn *q = qemu_create();
	struct cmdline c = { 0 };
	enum mvmi_status status;

	if (!q)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a connection");
	if (*args->where && !pid)
		status = qemu_find_by_path(q, args, &c, err);
	else if (pid && !*args->where)
		status = qemu_find_by_pid(q, pid, args->timeout_ms, &c, err);
	else
		status = fail(err, MVMI_ERR_INVALID,
			      "a QEMU is qemu:/path/of/monitor or qemu:pid=N");
	if (status == MVMI_OK)
		status = qemu_attach(q, &c, err);
	if (status != MVMI_OK) {
		qemu_close(&q->conn);
		return status;
	}
	qemu_agent_init(q, args->timeout_ms);
	*ret = &q->conn;
	return MVMI_OK;
}

enum mvmi_status
qemu_open_pid(int64_t pid, struct mvmi_conn **ret, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_create();
	struct cmdline c;
	enum mvmi_status status;

	if (!q)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a connection");
	q->pid = pid;
	status = cmdline_read(pid, &c, err);
	if (status == MVMI_OK)
		status = qemu_attach(q, &c, err);
	if (status != MVMI_OK) {
		qemu_close(&q->conn);
		return status;
	}
	*ret = &q->conn;
	return MVMI_OK;
}

static bool qemu_claims(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static const char *const qemu_option_keys[] = { "pid", NULL };

const struct mvmi_driver qemu_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "qemu",
	.option_keys = qemu_option_keys,
	.claims = qemu_claims,
	.open = qemu_open,
	.close = qemu_close,
	.info = qemu_get_info,
	.poll = qemu_poll,
	.list = qemu_list,
};
