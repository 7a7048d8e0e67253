/* SPDX-License-Identifier: MIT */
/*
 * RAM of a QEMU that nobody lets us ask: the layout is that of the two PC
 * machines (hw/i386/pc_piix.c and pc_q35.c, unchanged since QEMU 2.0), the
 * place is the one mapping that is as long as -m says, and the firmware's
 * traces in it have to agree.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "drivers/qemu/proc.h"
#include "drivers/qemu/qemu.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Above, an AMD guest's RAM moves behind 1 TiB (the HyperTransport hole). */
#define BARE_RAM_MAX	 (1010 * GIB)

#define BARE_RAM_DEFAULT (128 * MIB)

/* The VGA window, and what lies between it and 1 MiB: option ROMs, firmware. */
#define BARE_VGA UINT64_C(0xa0000)
#define BARE_ROM UINT64_C(0xc0000)

/** How much of RAM lies below 4 GiB; 0 for a machine that is not known. */
static uint64_t bare_low_len(const char *machine, uint64_t ram_len)
{
	bool q35 = strcmp(machine, "q35") == 0 ||
		   strncmp(machine, "pc-q35-", 7) == 0;
	bool i440fx = !*machine || strcmp(machine, "pc") == 0 ||
		      strncmp(machine, "pc-i440fx-", 10) == 0;

	if (q35)
		return ram_len < 0xb0000000 ? ram_len : 2 * GIB;
	if (i440fx)
		return ram_len < 0xe0000000 ? ram_len : 3 * GIB;
	return 0;
}

/** Where the mapping is that is len bytes long, be it in several pieces. */
static enum mvmi_status
bare_find_ram(const struct proc_maps *maps, uint64_t len, uint64_t *ret,
	      struct mvmi_error *err)
{
	size_t found = 0;

	for (size_t i = 0; i < maps->count; i++) {
		const struct proc_map *first = &maps->maps[i];
		uint64_t end = first->start;

		for (size_t k = i; k < maps->count; k++) {
			const struct proc_map *map = &maps->maps[k];

			if (end - first->start >= len || map->start != end ||
			    !map->readable || map->shared != first->shared ||
			    map->inode != first->inode)
				break;
			end = map->end;
		}
		if (end - first->start == len) {
			*ret = first->start;
			found++;
		}
	}
	if (found == 1)
		return MVMI_OK;
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "without a monitor, RAM is the one mapping of %" PRIu64
		    " MiB, and there are %zu",
		    len / MIB, found);
}

static enum mvmi_status bare_read(struct qemu_conn *q, uint64_t gpa, void *dst,
				  size_t len, struct mvmi_error *err)
{
	struct mvmi_mem_op op = { .gpa = { gpa }, .dst = { dst, len } };
	enum mvmi_status status = ram_readv(&q->ram, &op, 1, err);

	return status == MVMI_OK && op.status != MVMI_OK ? fail_fault(err, gpa)
							 : status;
}

/**
 * A PC's firmware leaves the size of conventional memory at 0x413, and its own
 * copy, which begins at the reset vector with a far jump, below 1 MiB.
 */
static enum mvmi_status bare_verify(struct qemu_conn *q, struct mvmi_error *err)
{
	uint8_t kib[2];
	uint8_t reset[5];
	enum mvmi_status status = bare_read(q, 0x413, kib, sizeof(kib), err);
	unsigned base;

	if (status == MVMI_OK)
		status = bare_read(q, 0xffff0, reset, sizeof(reset), err);
	if (status != MVMI_OK)
		return status;
	base = kib[0] | (unsigned)kib[1] << 8;
	if ((base >= 512 && base <= 640) || reset[0] == 0xea)
		return MVMI_OK;
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "without a monitor the layout of RAM is a guess, and no "
		    "PC firmware is found that would confirm it");
}

static void bare_place(struct ram_place *place, uint64_t gpa, uint64_t len,
		       uint64_t hva, enum mvmi_region_kind kind)
{
	*place = (struct ram_place){
		.region = { .start = { gpa }, .len = len, .kind = kind },
		.hva = hva,
	};
	(void)snprintf(place->region.name, sizeof(place->region.name), "%s",
		       kind == MVMI_REGION_ROM ? "firmware" : "ram");
}

static enum mvmi_status
bare_layout(struct qemu_conn *q, uint64_t hva, uint64_t len, uint64_t low,
	    struct mvmi_error *err)
{
	bool allow_map = !(q->conn.traits & QEMU_TRAITS_NO_MAP);
	struct ram_place places[4];

	bare_place(&places[0], 0, BARE_VGA, hva, MVMI_REGION_RAM);
	bare_place(&places[1], BARE_ROM, MIB - BARE_ROM, hva + BARE_ROM,
		   MVMI_REGION_ROM);
	bare_place(&places[2], MIB, low - MIB, hva + MIB, MVMI_REGION_RAM);
	bare_place(&places[3], 4 * GIB, len - low, hva + low, MVMI_REGION_RAM);
	return ram_layout(&q->ram, places, len > low ? 4 : 3, allow_map, err);
}

enum mvmi_status
qemu_bare(struct qemu_conn *q, const struct cmdline *c, struct mvmi_error *err)
{
	uint64_t len = c->memory_len ? c->memory_len : BARE_RAM_DEFAULT;
	uint64_t low = bare_low_len(c->machine, len);
	struct proc_maps maps;
	enum mvmi_status status;
	uint64_t hva = 0;

	if (c->has_split)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "without a monitor, max-ram-below-4g hides where "
			    "RAM lies");
	if (low < 2 * MIB || len > BARE_RAM_MAX || c->has_slots)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "without a monitor, the layout of a \"%s\" with "
			    "%" PRIu64 " MiB%s is not known",
			    c->machine, len / MIB,
			    c->has_slots ? " and memory slots" : "");
	status = proc_maps(q->pid, &maps, err);
	if (status != MVMI_OK)
		return status;
	status = bare_find_ram(&maps, len, &hva, err);
	free(maps.maps);
	if (status == MVMI_OK)
		status = bare_layout(q, hva, len, low, err);
	if (status == MVMI_OK)
		status = bare_verify(q, err);
	return status;
}
