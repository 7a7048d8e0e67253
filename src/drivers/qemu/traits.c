/* SPDX-License-Identifier: MIT */
/* Circumstances that a reader of this VM has to know of. */
#include <string.h>

#include "base/error.h"
#include "drivers/qemu/proc.h"
#include "drivers/qemu/qemu.h"

/** What a command gave; NULL if this VM has no such thing. */
static json_t *qemu_try(struct qemu_conn *q, const char *command)
{
	json_t *value = NULL;

	if (!qemu_has_monitor(q) ||
	    qmp_call(&q->qmp, command, NULL, &value, NULL) != MVMI_OK)
		return NULL;
	return value;
}

static bool qemu_has_balloon(struct qemu_conn *q)
{
	json_t *balloon = qemu_try(q, "query-balloon");
	json_t *devices = qemu_try(q, "query-memory-devices");
	bool found = balloon != NULL;
	size_t i;
	json_t *device;

	json_array_foreach(devices, i, device)
	{
		const char *type =
			json_string_value(json_object_get(device, "type"));

		found |= type && strcmp(type, "virtio-mem") == 0;
	}
	json_decref(balloon);
	json_decref(devices);
	return found;
}

static bool qemu_is_encrypted(struct qemu_conn *q)
{
	json_t *sev;
	bool found = proc_count_fds(q->pid, "anon_inode:[kvm-gmem]") > 0;

	if (!q->kvm)
		return false;
	sev = qemu_try(q, "query-sev");
	found |= json_is_true(json_object_get(sev, "enabled"));
	json_decref(sev);
	return found;
}

static bool qemu_is_postcopy(struct qemu_conn *q)
{
	json_t *migration = qemu_try(q, "query-migrate");
	const char *status =
		json_string_value(json_object_get(migration, "status"));
	bool found = status && strncmp(status, "postcopy-", 9) == 0;

	json_decref(migration);
	return found;
}

void qemu_find_traits(struct qemu_conn *q)
{
	uint32_t traits = q->conn.traits &
			  (MVMI_TRAIT_NO_CONTROL | MVMI_TRAIT_DATA_ONLY_WRITES);

	traits |= qemu_is_encrypted(q) ? MVMI_TRAIT_ENCRYPTED : 0;
	traits |= proc_count_fds(q->pid, "/dev/vfio/") ? MVMI_TRAIT_VFIO : 0;
	traits |= qemu_is_postcopy(q) ? MVMI_TRAIT_POSTCOPY : 0;
	traits |= qemu_has_balloon(q) ? MVMI_TRAIT_BALLOON : 0;
	q->conn.traits = traits;
}
