/* SPDX-License-Identifier: MIT */
/*
 * Which RAM has pages: asked of the file, or of the process's page tables.
 *
 * lseek(2) SEEK_DATA, and Documentation/admin-guide/mm/pagemap.rst.
 */
#include <errno.h>
#include <unistd.h>

#include "base/util.h"
#include "drivers/qemu/ram_part.h"

/* pagemap entries that are looked at in one go: 8 KiB for 4 MiB of RAM. */
#define RAM_PAGEMAP_CHUNK 1024

/* Pages to which extent() looks ahead: 256 MiB. */
#define RAM_EXTENT_PAGES 65536

#define PAGEMAP_PRESENT	 (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED	 (UINT64_C(1) << 62)

struct ram_run part_file_run(struct ram_part *part, uint64_t off)
{
	struct ram_run run = { MVMI_EXTENT_DATA, part->len - off };
	uint64_t at = part->file_off + off;
	off_t data = lseek(part->fd, (off_t)at, SEEK_DATA);
	off_t hole;

	if (data < 0 && errno == ENXIO) {
		run.kind = MVMI_EXTENT_ZERO;
		return run;
	}
	if (data < 0)
		return run;
	if ((uint64_t)data > at) {
		run.kind = MVMI_EXTENT_ZERO;
		run.len = MIN(run.len, (uint64_t)data - at);
		return run;
	}
	hole = lseek(part->fd, (off_t)at, SEEK_HOLE);
	if (hole > 0 && (uint64_t)hole > at)
		run.len = MIN(run.len, (uint64_t)hole - at);
	return run;
}

struct ram_run part_page_run(const struct ram *ram, struct ram_part *part,
			     uint64_t off, uint64_t max)
{
	uint64_t first = (part->hva + off) / MVMI_PAGE_SIZE;
	uint64_t in_page = (part->hva + off) % MVMI_PAGE_SIZE;
	uint64_t total = (in_page + (part->len - off) + MVMI_PAGE_SIZE - 1) /
			 MVMI_PAGE_SIZE;
	struct ram_run run = { MVMI_EXTENT_DATA, 0 };
	uint64_t entries[RAM_PAGEMAP_CHUNK];
	uint64_t pages = 0;
	bool first_there = true;

	total = MIN(total, max);
	while (pages < total) {
		uint64_t want = MIN(total - pages, (uint64_t)RAM_PAGEMAP_CHUNK);
		ssize_t n = pread(ram->pagemap_fd, entries, want * 8,
				  (off_t)((first + pages) * 8));
		uint64_t i;

		if (n < 8)
			break;
		for (i = 0; i < (uint64_t)n / 8; i++) {
			bool there = entries[i] &
				     (PAGEMAP_PRESENT | PAGEMAP_SWAPPED);

			if (pages + i == 0)
				first_there = there;
			if (there != first_there)
				break;
		}
		pages += i;
		if (i < want)
			break;
	}
	/* An unreadable pagemap tells nothing: let the read find out. */
	run.kind = first_there ? MVMI_EXTENT_DATA : MVMI_EXTENT_ZERO;
	run.len =
		MIN(MAX(pages, 1) * MVMI_PAGE_SIZE - in_page, part->len - off);
	return run;
}

static struct ram_run part_run(const struct ram *ram, struct ram_part *part,
			       uint64_t off, uint64_t max_pages)
{
	struct ram_run run = { MVMI_EXTENT_DATA, part->len - off };

	switch (part->backing) {
	case RAM_BACKING_FILE:
		run = part_file_run(part, off);
		break;
	case RAM_BACKING_ANON:
	case RAM_BACKING_COPY:
		run = part_page_run(ram, part, off, max_pages);
		break;
	case RAM_BACKING_OPAQUE:
		break;
	}
	return run;
}

enum mvmi_status ram_extent(struct ram *ram, mvmi_gpa gpa,
			    struct mvmi_extent *ret, struct mvmi_error *err)
{
	struct ram_part *part = ram_find(ram, gpa.val);
	struct mvmi_extent extent = { .start = gpa, .kind = MVMI_EXTENT_NONE };
	struct ram_run run;

	(void)err;
	if (!part || part->gpa > gpa.val) {
		/* To 2^64 that is one byte too many for gpa 0. */
		extent.len = part ? part->gpa - gpa.val
				  : MAX(UINT64_MAX - gpa.val, 1);
		*ret = extent;
		return MVMI_OK;
	}
	run = part_run(ram, part, gpa.val - part->gpa, RAM_EXTENT_PAGES);
	/* What has no page of its own may still be in the file below. */
	extent.kind =
		part->backing == RAM_BACKING_COPY ? MVMI_EXTENT_DATA : run.kind;
	extent.len = run.len;
	*ret = extent;
	return MVMI_OK;
}
