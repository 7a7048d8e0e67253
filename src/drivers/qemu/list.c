/* SPDX-License-Identifier: MIT */
/* Finding every QEMU of this host, and asking each monitor, all at once. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "drivers/qemu/cmdline.h"
#include "drivers/qemu/proc.h"
#include "drivers/qemu/qemu.h"

/* QEMUs of one host that are looked at. */
#define LIST_MAX 4096

/** One QEMU, while it is looked at. */
struct list_entry {
	int64_t pid;
	struct cmdline cmdline;
	enum mvmi_status readable; /**< its memory, by this user */
	int chosen;		   /**< the monitor that answers; -1: none */
	enum mvmi_status monitor;  /**< of the best one, if none answers */
};

struct list {
	struct list_entry *entries; /**< owned */
	size_t count;
};

static enum mvmi_status
list_add(struct list *list, int64_t pid, struct mvmi_error *err)
{
	struct list_entry *entries =
		realloc(list->entries, (list->count + 1) * sizeof(*entries));
	struct list_entry *entry;
	int fd;

	if (!entries)
		return fail(err, MVMI_ERR_NOMEM, "no memory to list QEMUs");
	list->entries = entries;
	entry = &entries[list->count];
	*entry = (struct list_entry){ .pid = pid,
				      .chosen = -1,
				      .monitor = MVMI_ERR_UNSUPPORTED };
	if (cmdline_read(pid, &entry->cmdline, NULL) != MVMI_OK)
		return MVMI_OK; /* it ended meanwhile */
	fd = proc_open(pid, "mem");
	if (fd < 0)
		entry->readable = fail_sys(NULL, errno, "mem");
	else
		(void)close(fd);
	list->count++;
	return MVMI_OK;
}

static enum mvmi_status list_scan(struct list *list, struct mvmi_error *err)
{
	DIR *dir = opendir("/proc");
	enum mvmi_status status = MVMI_OK;

	if (!dir)
		return fail_sys(err, errno, "cannot list /proc");
	for (struct dirent *e = readdir(dir);
	     e && status == MVMI_OK && list->count < LIST_MAX;
	     e = readdir(dir)) {
		char *end;
		int64_t pid = strtoll(e->d_name, &end, 10);

		if (pid > 0 && !*end && cmdline_is_qemu(pid))
			status = list_add(list, pid, err);
	}
	(void)closedir(dir);
	return status;
}

/** Let all monitors show at once whether they serve us. */
static enum mvmi_status list_probe(struct list *list, struct mvmi_error *err)
{
	size_t max = list->count * CMDLINE_MONITORS_MAX;
	struct qmp_probe *probes = calloc(max + 1, sizeof(*probes));
	size_t n = 0;

	if (!probes)
		return fail(err, MVMI_ERR_NOMEM, "no memory to list QEMUs");
	for (size_t i = 0; i < list->count; i++) {
		const struct cmdline *c = &list->entries[i].cmdline;

		for (size_t k = 0; k < c->monitor_count; k++)
			probes[n++].path = c->monitors[k].path;
	}
	qmp_probe(probes, n);
	n = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct list_entry *entry = &list->entries[i];

		for (size_t k = 0; k < entry->cmdline.monitor_count; k++, n++) {
			if (probes[n].status == MVMI_OK && entry->chosen < 0)
				entry->chosen = (int)k;
			else if (probes[n].status != MVMI_OK)
				entry->monitor = probes[n].status;
		}
	}
	free(probes);
	return MVMI_OK;
}

static const char *list_reason(const struct list_entry *entry)
{
	if (entry->readable != MVMI_OK)
		return "its memory can't be read by this user";
	if (entry->chosen >= 0)
		return "";
	if (entry->cmdline.monitor_count == 0)
		return "it has no QMP monitor: memory only";
	if (entry->monitor == MVMI_ERR_BUSY)
		return "its QMP monitor serves another client: memory only";
	return "its QMP monitor can't be reached: memory only";
}

static const char *list_advice(const struct list_entry *entry)
{
	if (entry->readable != MVMI_OK)
		return "run as root, or as its user with "
		       "kernel.yama.ptrace_scope=0";
	return entry->chosen >= 0 ? "" : QEMU_MONITOR_ADVICE;
}

static bool
list_report(const struct list_entry *entry, mvmi_list_fn fn, void *arg)
{
	struct mvmi_candidate candidate = {
		.size = sizeof(candidate),
		.driver = qemu_driver.name,
		.name = entry->cmdline.name,
		.pid = entry->pid,
		.status = entry->readable,
		.reason = list_reason(entry),
		.advice = list_advice(entry),
	};
	char target[CMDLINE_PATH_LEN + 8];

	(void)snprintf(target, sizeof(target), "qemu:pid=%" PRId64, entry->pid);
	candidate.target = target;
	if (entry->readable == MVMI_OK) {
		struct mvmi_conn *conn;
		struct mvmi_error err;

		if (entry->chosen >= 0)
			candidate.capabilities = QEMU_CAPABILITIES;
		else if (qemu_open_pid(entry->pid, &conn, &err) == MVMI_OK) {
			candidate.capabilities = MVMI_CAP_MEM;
			qemu_driver.close(conn);
		} else {
			candidate.status = err.status;
			candidate.reason = err.msg;
			return fn(&candidate, arg);
		}
		candidate.capabilities |= qemu_agent_capabilities(entry->pid);
	}
	return fn(&candidate, arg);
}

enum mvmi_status qemu_list(mvmi_list_fn fn, void *arg, struct mvmi_error *err)
{
	struct list list = { 0 };
	enum mvmi_status status = list_scan(&list, err);

	if (status == MVMI_OK)
		status = list_probe(&list, err);
	for (size_t i = 0; status == MVMI_OK && i < list.count; i++) {
		if (!list_report(&list.entries[i], fn, arg))
			break;
	}
	free(list.entries);
	return status;
}

/** Whether one of the monitors in this command line is that socket. */
static bool list_has_socket(const struct cmdline *c, const struct stat *socket)
{
	for (size_t i = 0; i < c->monitor_count; i++) {
		struct stat st;

		if (*c->monitors[i].path &&
		    stat(c->monitors[i].path, &st) == 0 &&
		    st.st_dev == socket->st_dev && st.st_ino == socket->st_ino)
			return true;
	}
	return false;
}

int64_t qemu_find_pid(const char *path)
{
	struct list list = { 0 };
	struct stat socket;
	int64_t pid = 0;

	if (stat(path, &socket) == 0)
		(void)list_scan(&list, NULL);
	for (size_t i = 0; i < list.count && pid == 0; i++) {
		if (list_has_socket(&list.entries[i].cmdline, &socket))
			pid = list.entries[i].pid;
	}
	free(list.entries);
	return pid;
}
