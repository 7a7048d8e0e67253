/* SPDX-License-Identifier: MIT */
/*
 * Registers, out of the device state that QEMU saves on request. state.h says
 * which commands that takes and why.
 *
 * One save holds all vCPUs; it is kept for the length of a hold, and QEMU is
 * asked once for however many registers of however many vCPUs.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "drivers/qemu/qemu.h"
#include "drivers/qemu/state.h"

/* Marks our descriptor sets among others'. */
#define REGS_OPAQUE "microvmi"

/* Sets that a VM may have; far beyond what management tools make. */
#define REGS_FDSETS_MAX 1024

#define REGS_VCPUS_MAX	4096

/** Whether one of the descriptors in a set carries our mark. */
static bool regs_is_ours(const json_t *set)
{
	json_t *fd;
	size_t i;

	json_array_foreach(json_object_get(set, "fds"), i, fd)
	{
		const char *opaque =
			json_string_value(json_object_get(fd, "opaque"));

		if (opaque && strcmp(opaque, REGS_OPAQUE) == 0)
			return true;
	}
	return false;
}

static void regs_remove_set(struct qemu_conn *q, json_int_t set)
{
	(void)qmp_call(&q->qmp, "remove-fd",
		       json_pack("{s:I}", "fdset-id", set), NULL, NULL);
}

/** Remove what a client of ours that was killed left behind. */
static void regs_remove_stale(struct qemu_conn *q)
{
	json_t *sets;
	json_t *set;
	size_t i;

	if (qmp_call(&q->qmp, "query-fdsets", NULL, &sets, NULL) != MVMI_OK)
		return;
	json_array_foreach(sets, i, set)
	{
		if (i == REGS_FDSETS_MAX)
			break;
		if (regs_is_ours(set))
			regs_remove_set(q, json_integer_value(json_object_get(
						   set, "fdset-id")));
	}
	json_decref(sets);
}

static enum mvmi_status
regs_take_vcpus(struct qemu_conn *q, const json_t *list, struct mvmi_error *err)
{
	size_t count = json_array_size(list);
	struct qemu_state_vcpu *vcpus;
	json_t *vcpu;
	size_t i;

	if (count == 0 || count > REGS_VCPUS_MAX)
		return fail(err, MVMI_ERR_LIMIT, "QEMU says it has %zu vCPUs",
			    count);
	vcpus = calloc(count, sizeof(*vcpus));
	if (!vcpus)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu vCPUs",
			    count);
	json_array_foreach(list, i, vcpu)
	{
		vcpus[i].index = (uint32_t)json_integer_value(
			json_object_get(vcpu, "cpu-index"));
		vcpus[i].regs = mvmi_regs_empty();
	}
	free(q->regs.vcpus);
	q->regs.vcpus = vcpus;
	q->regs.count = (unsigned)count;
	return MVMI_OK;
}

/** The indices of the vCPUs that there are now. */
static enum mvmi_status
regs_query_vcpus(struct qemu_conn *q, struct mvmi_error *err)
{
	json_t *list;
	enum mvmi_status status =
		qmp_call(&q->qmp, "query-cpus-fast", NULL, &list, err);

	if (status != MVMI_OK)
		return status;
	status = regs_take_vcpus(q, list, err);
	json_decref(list);
	return status;
}

static void regs_close_file(struct qemu_conn *q)
{
	if (q->regs.file >= 0)
		(void)close(q->regs.file);
	if (q->regs.shared >= 0)
		(void)close(q->regs.shared);
	q->regs.file = -1;
	q->regs.shared = -1;
}

/** A memfd, and a second, write-only way into it: QEMU takes no other. */
static enum mvmi_status
regs_open_file(struct qemu_conn *q, struct mvmi_error *err)
{
	char path[40];

	q->regs.file = memfd_create("microvmi-state", MFD_CLOEXEC);
	if (q->regs.file < 0)
		return fail_sys(err, errno, "no memfd for the device state");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", q->regs.file);
	q->regs.shared = open(path, O_WRONLY | O_CLOEXEC);
	if (q->regs.shared < 0)
		return fail_sys(err, errno, "cannot open the memfd again");
	return MVMI_OK;
}

/** Hand the file over. */
static enum mvmi_status
regs_add_file(struct qemu_conn *q, struct mvmi_error *err)
{
	json_t *value;
	enum mvmi_status status = qmp_call_fd(
		&q->qmp, "add-fd", json_pack("{s:s}", "opaque", REGS_OPAQUE),
		q->regs.shared, &value, err);

	if (status != MVMI_OK)
		return status;
	q->regs.set = json_integer_value(json_object_get(value, "fdset-id"));
	json_decref(value);
	return MVMI_OK;
}

/**
 * Have an empty file that QEMU writes to. It is the same one for the length of
 * the connection: QEMU closes what is taken back from it only while the VM
 * runs, so that one a read would pile up in it.
 */
static enum mvmi_status
regs_prepare_file(struct qemu_conn *q, struct mvmi_error *err)
{
	if (q->regs.file < 0) {
		enum mvmi_status status = regs_open_file(q, err);

		if (status == MVMI_OK)
			status = regs_add_file(q, err);
		if (status != MVMI_OK) {
			regs_close_file(q);
			return status;
		}
	}
	if (ftruncate(q->regs.file, 0) != 0 ||
	    lseek(q->regs.shared, 0, SEEK_SET) != 0)
		return fail_sys(err, errno, "cannot empty the memfd");
	return MVMI_OK;
}

/** Read what QEMU wrote into memory of our own, for it may still hold it. */
static enum mvmi_status regs_parse(struct qemu_conn *q, struct mvmi_error *err)
{
	off_t size = lseek(q->regs.file, 0, SEEK_END);
	enum mvmi_status status;
	struct mvmi_bytes stream;
	uint8_t *buf;
	ssize_t n;

	if (size <= 0 || size > QEMU_STATE_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "QEMU's device state has %" PRId64 " bytes",
			    (int64_t)size);
	buf = malloc((size_t)size);
	if (!buf)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for the device state");
	n = pread(q->regs.file, buf, (size_t)size, 0);
	stream = (struct mvmi_bytes){ buf, n > 0 ? (size_t)n : 0 };
	status = qemu_state_parse(stream, q->kvm, q->regs.count, q->regs.vcpus,
				  err);
	free(buf);
	return status;
}

/** The VM is held: save the device state and take the vCPUs out of it. */
static enum mvmi_status regs_save(struct qemu_conn *q, struct mvmi_error *err)
{
	enum mvmi_status status = regs_query_vcpus(q, err);
	char name[40];

	if (status == MVMI_OK)
		status = regs_prepare_file(q, err);
	if (status != MVMI_OK)
		return status;
	(void)snprintf(name, sizeof(name), "/dev/fdset/%" PRId64, q->regs.set);
	status = qmp_call(&q->qmp, "xen-save-devices-state",
			  json_pack("{s:s, s:b}", "filename", name, "live", 1),
			  NULL, err);
	return status == MVMI_OK ? regs_parse(q, err) : status;
}

static unsigned qemu_vcpu_count(struct mvmi_conn *conn)
{
	return qemu_of(conn)->regs.count;
}

static enum mvmi_status
qemu_vcpu_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	      struct mvmi_regs *regs, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);

	(void)groups;
	if (!q->regs.valid) {
		enum mvmi_status status = regs_save(q, err);

		if (status != MVMI_OK)
			return qemu_judge(q, status, err);
		q->regs.valid = q->run.held;
	}
	if (vcpu >= q->regs.count)
		return fail(err, MVMI_ERR_STALE, "vCPU %u was unplugged", vcpu);
	*regs = q->regs.vcpus[vcpu].regs;
	return MVMI_OK;
}

static const struct mvmi_vcpu_ops qemu_vcpu_ops = {
	.count = qemu_vcpu_count,
	.get = qemu_vcpu_get,
};

void qemu_regs_forget(struct qemu_conn *q)
{
	q->regs.valid = false;
}

enum mvmi_status qemu_regs_init(struct qemu_conn *q, struct mvmi_error *err)
{
	enum mvmi_status status = regs_query_vcpus(q, err);

	if (status != MVMI_OK)
		return status;
	regs_remove_stale(q);
	q->conn.vcpu = &qemu_vcpu_ops;
	q->conn.readable_regs = mvmi_regset_of_groups(MVMI_REGS_ALL);
	return MVMI_OK;
}

void qemu_regs_fini(struct qemu_conn *q)
{
	/* The hold was lifted before: now QEMU closes it at once. */
	if (q->regs.file >= 0)
		regs_remove_set(q, q->regs.set);
	regs_close_file(q);
	free(q->regs.vcpus);
	q->regs.vcpus = NULL;
}
