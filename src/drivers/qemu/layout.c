/* SPDX-License-Identifier: MIT */
/* Where guest RAM is: the monitor's map, and a host address per region. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/qemu/mtree.h"
#include "drivers/qemu/qemu.h"

/** FNV-1a, to tell whether a text changed. */
static uint64_t qemu_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/** "Host virtual address for 0x0 (pc.ram) is 0x7f0677e00000" */
static enum mvmi_status qemu_find_hva(struct qemu_conn *q, uint64_t gpa,
				      uint64_t *ret, struct mvmi_error *err)
{
	static const char lead[] = ") is 0x";
	char command[40];
	char *text;
	char *at;
	enum mvmi_status status;

	(void)snprintf(command, sizeof(command), "gpa2hva 0x%" PRIx64, gpa);
	status = qmp_hmp(&q->qmp, command, &text, err);
	if (status != MVMI_OK)
		return status;
	at = strstr(text, lead);
	*ret = at ? strtoull(at + sizeof(lead) - 1, NULL, 16) : 0;
	if (*ret == 0)
		status = fail(err, MVMI_ERR_STALE,
			      "\"%s\" gave no host address: %.80s", command,
			      text);
	free(text);
	return status;
}

static enum mvmi_status
qemu_place(struct qemu_conn *q, const struct mvmi_region *regions, size_t count,
	   struct mvmi_error *err)
{
	struct ram_place *places = calloc(count + 1, sizeof(*places));
	bool allow_map = !(q->conn.traits & QEMU_TRAITS_NO_MAP);
	enum mvmi_status status = MVMI_OK;

	if (!places)
		return fail(err, MVMI_ERR_NOMEM, "no memory for the layout");
	for (size_t i = 0; status == MVMI_OK && i < count; i++) {
		places[i].region = regions[i];
		if (q->conn.traits & MVMI_TRAIT_ENCRYPTED)
			places[i].region.kind = MVMI_REGION_PRIVATE;
		status = qemu_find_hva(q, regions[i].start.val, &places[i].hva,
				       err);
	}
	if (status == MVMI_OK)
		status = ram_layout(&q->ram, places, count, allow_map, err);
	free(places);
	return status;
}

static enum mvmi_status
qemu_take_layout(struct qemu_conn *q, const char *text, struct mvmi_error *err)
{
	struct mvmi_region *regions =
		calloc(MTREE_REGIONS_MAX, sizeof(*regions));
	enum mvmi_status status;
	size_t count;

	if (!regions)
		return fail(err, MVMI_ERR_NOMEM, "no memory for the layout");
	status = mtree_parse(text, regions, &count, err);
	if (status == MVMI_OK)
		status = qemu_place(q, regions, count, err);
	free(regions);
	return status;
}

enum mvmi_status qemu_refresh(struct qemu_conn *q, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_ERR_STALE;

	/* The guest may move a BAR between the map and the addresses in it. */
	for (int tries = 0; tries < 3 && status == MVMI_ERR_STALE; tries++) {
		uint64_t hash;
		char *text;

		status = qmp_hmp(&q->qmp, "info mtree -f", &text, err);
		if (status != MVMI_OK)
			return status;
		hash = qemu_hash(text);
		if (hash != q->layout_hash) {
			status = qemu_take_layout(q, text, err);
			if (status == MVMI_OK) {
				q->layout_hash = hash;
				q->conn.incarnation++;
			}
		}
		free(text);
	}
	q->refreshed_ms = clock_coarse_ms();
	if (status == MVMI_OK && q->ram.userfault)
		q->conn.traits |= MVMI_TRAIT_USERFAULT;
	return fail_context(err, status, "memory layout");
}
