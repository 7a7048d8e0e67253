/* SPDX-License-Identifier: MIT */
/*
 * RAM of a live process.
 *
 * A page that the guest never touched has no host page, and a reader must not
 * change that: a fault in a shared file's hole allocates the page for good.
 * So a file is read by pread(), which gives zeros for holes, or through a
 * mapping whose `present` bit is set; and private memory is read only where
 * the page tables of the process have something.
 */
#include "drivers/qemu/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/qemu/proc.h"

/* pagemap entries that are looked at in one go: 8 KiB for 4 MiB of RAM. */
#define RAM_PAGEMAP_CHUNK 1024

/* Pages to which extent() looks ahead: 256 MiB. */
#define RAM_EXTENT_PAGES 65536

/* Pieces of one process_vm_readv(); the kernel's own limit is 1024. */
#define RAM_BATCH 128

/* Parts that a layout may have. */
#define RAM_PARTS_MAX 65536

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)

/** An address for the kernel; nothing here may follow it. */
static void *address_of(uint64_t hva)
{
	return (void *)(uintptr_t)hva; /* NOLINT(performance-no-int-to-ptr) */
}

static bool part_has_bit(const struct ram_part *part, uint64_t page)
{
	return part->present[page / 64] >> (page % 64) & 1;
}

static void part_set_bits(struct ram_part *part, uint64_t page, uint64_t end)
{
	while (page < end) {
		if (page % 64 == 0 && end - page >= 64) {
			part->present[page / 64] = UINT64_MAX;
			page += 64;
		} else {
			part->present[page / 64] |= UINT64_C(1) << (page % 64);
			page++;
		}
	}
}

static void part_fini(struct ram_part *part)
{
	if (part->host)
		(void)munmap(part->host, part->len);
	if (part->fd >= 0)
		(void)close(part->fd);
	free(part->present);
}

static void parts_free(struct ram_part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		part_fini(&parts[i]);
	free(parts);
}

enum mvmi_status ram_init(struct ram *ram, int64_t pid, struct mvmi_error *err)
{
	*ram = (struct ram){ .pid = pid, .mem_fd = -1, .pagemap_fd = -1 };
	ram->mem_fd = proc_open(pid, "mem");
	if (ram->mem_fd < 0 && errno == ENOENT)
		return fail(err, MVMI_ERR_GONE, "there is no process %" PRId64,
			    pid);
	if (ram->mem_fd < 0)
		return fail_sys(err, errno,
				"memory of process %" PRId64
				" can't be read; run as root, or as its user "
				"with kernel.yama.ptrace_scope=0",
				pid);
	ram->pagemap_fd = proc_open(pid, "pagemap");
	return MVMI_OK;
}

void ram_fini(struct ram *ram)
{
	parts_free(ram->parts, ram->part_count);
	free(ram->regions);
	free(ram->windows);
	if (ram->mem_fd >= 0)
		(void)close(ram->mem_fd);
	if (ram->pagemap_fd >= 0)
		(void)close(ram->pagemap_fd);
	*ram = (struct ram){ .mem_fd = -1, .pagemap_fd = -1 };
}

/* ---- layout ------------------------------------------------------------ */

static bool part_is_whole_pages(const struct ram_part *part)
{
	return ((part->gpa | part->len | part->hva | part->file_off) %
		MVMI_PAGE_SIZE) == 0;
}

/** Give part what the file behind it allows: a descriptor, and a window. */
static void part_open_file(struct ram_part *part, int64_t pid,
			   const struct proc_map *map, bool allow_map)
{
	struct statfs fs;
	struct stat st;
	void *host;

	part->fd = proc_open_map(pid, map);
	if (part->fd < 0) {
		part->backing = RAM_BACKING_OPAQUE;
		return;
	}
	/* A hole in hugetlbfs can't be told from data: pread only. */
	if (part->backing != RAM_BACKING_FILE || !allow_map ||
	    !part_is_whole_pages(part) || fstatfs(part->fd, &fs) != 0 ||
	    fs.f_type == HUGETLBFS_MAGIC || fstat(part->fd, &st) != 0 ||
	    (uint64_t)st.st_size < part->file_off ||
	    (uint64_t)st.st_size - part->file_off < part->len)
		return;
	host = mmap(NULL, part->len, PROT_READ, MAP_SHARED, part->fd,
		    (off_t)part->file_off);
	if (host == MAP_FAILED)
		return;
	/* The guardian that run.c forks has no use for it. */
	(void)madvise(host, part->len, MADV_DONTFORK);
	part->host = host;
}

static enum mvmi_status
part_init(struct ram_part *part, const struct ram *ram,
	  const struct proc_map *map, bool allow_map, struct mvmi_error *err)
{
	uint64_t pages = part->len / MVMI_PAGE_SIZE + 2;

	part->fd = -1;
	part->file_off = map->off + (part->hva - map->start);
	if (map->userfault || (!map->shared && ram->pagemap_fd < 0))
		part->backing = RAM_BACKING_OPAQUE;
	else if (map->shared)
		part->backing = RAM_BACKING_FILE;
	else
		part->backing =
			map->inode ? RAM_BACKING_COPY : RAM_BACKING_ANON;
	if (part->backing == RAM_BACKING_FILE ||
	    part->backing == RAM_BACKING_COPY)
		part_open_file(part, ram->pid, map, allow_map);
	part->present = calloc(pages / 64 + 1, sizeof(*part->present));
	if (!part->present)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for the bits of %" PRIu64 " pages",
			    pages);
	return MVMI_OK;
}

/** A layout under construction. */
struct ram_builder {
	const struct ram *ram;
	struct proc_maps maps;
	struct ram_part *parts;
	size_t count;
	size_t capacity;
	bool allow_map;
};

static struct ram_part *builder_grow(struct ram_builder *b)
{
	size_t capacity = b->capacity ? 2 * b->capacity : 32;
	struct ram_part *parts;

	if (b->count < b->capacity)
		return &b->parts[b->count];
	if (capacity > RAM_PARTS_MAX)
		return NULL;
	parts = realloc(b->parts, capacity * sizeof(*parts));
	if (!parts)
		return NULL;
	b->parts = parts;
	b->capacity = capacity;
	return &b->parts[b->count];
}

static const struct proc_map *
builder_find(const struct ram_builder *b, uint64_t hva)
{
	size_t low = 0;
	size_t high = b->maps.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->maps.maps[middle].end <= hva)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == b->maps.count || b->maps.maps[low].start > hva)
		return NULL;
	return &b->maps.maps[low];
}

static enum mvmi_status
builder_add(struct ram_builder *b, const struct ram_place *place,
	    struct mvmi_error *err)
{
	uint64_t done = 0;

	if (place->region.len > UINT64_MAX - place->hva)
		return fail(err, MVMI_ERR_CORRUPT, "a region wraps");
	while (done < place->region.len) {
		uint64_t hva = place->hva + done;
		const struct proc_map *map = builder_find(b, hva);
		struct ram_part *part = map ? builder_grow(b) : NULL;
		enum mvmi_status status;

		if (!map)
			return fail(err, MVMI_ERR_CORRUPT,
				    "process %" PRId64 " has nothing at host "
				    "address 0x%" PRIx64
				    ", where \"%s\" should be; is that the "
				    "right process?",
				    b->ram->pid, hva, place->region.name);
		if (!part)
			return fail(err, MVMI_ERR_LIMIT,
				    "RAM is in more than %d pieces",
				    RAM_PARTS_MAX);
		*part = (struct ram_part){
			.gpa = place->region.start.val + done,
			.len = MIN(map->end - hva, place->region.len - done),
			.hva = hva,
		};
		status = part_init(part, b->ram, map, b->allow_map, err);
		done += part->len;
		b->count++;
		if (status != MVMI_OK)
			return status;
	}
	return MVMI_OK;
}

/** Put the finished layout in place of the old one. */
static enum mvmi_status
ram_adopt(struct ram *ram, struct ram_builder *b,
	  const struct ram_place *places, size_t count, struct mvmi_error *err)
{
	struct mvmi_region *regions = calloc(count + 1, sizeof(*regions));
	struct mvmi_window *windows = calloc(b->count + 1, sizeof(*windows));
	size_t window_count = 0;

	if (!regions || !windows) {
		free(regions);
		free(windows);
		return fail(err, MVMI_ERR_NOMEM, "no memory for the layout");
	}
	for (size_t i = 0; i < count; i++)
		regions[i] = places[i].region;
	for (size_t i = 0; i < b->count; i++) {
		if (b->parts[i].host)
			windows[window_count++] = (struct mvmi_window){
				.start = { b->parts[i].gpa },
				.len = b->parts[i].len,
				.host = b->parts[i].host,
				.present = b->parts[i].present,
			};
	}
	parts_free(ram->parts, ram->part_count);
	free(ram->regions);
	free(ram->windows);
	ram->parts = b->parts;
	ram->part_count = b->count;
	ram->regions = regions;
	ram->region_count = count;
	ram->windows = windows;
	ram->window_count = window_count;
	b->parts = NULL;
	b->count = 0;
	return MVMI_OK;
}

enum mvmi_status
ram_layout(struct ram *ram, const struct ram_place *places, size_t count,
	   bool allow_map, struct mvmi_error *err)
{
	struct ram_builder b = { .ram = ram, .allow_map = allow_map };
	enum mvmi_status status = proc_maps(ram->pid, &b.maps, err);

	if (status != MVMI_OK)
		return status;
	status = proc_mark_userfault(ram->pid, &b.maps, err);
	for (size_t i = 0; status == MVMI_OK && i < count; i++)
		status = builder_add(&b, &places[i], err);
	if (status == MVMI_OK)
		status = ram_adopt(ram, &b, places, count, err);
	if (status == MVMI_OK) {
		ram->userfault = false;
		for (size_t i = 0; i < b.maps.count; i++)
			ram->userfault |= b.maps.maps[i].userfault;
	}
	parts_free(b.parts, b.count);
	free(b.maps.maps);
	return status;
}

/** The part that holds gpa, or the first one behind it; NULL: there is none. */
static struct ram_part *ram_find(struct ram *ram, uint64_t gpa)
{
	size_t low = 0;
	size_t high = ram->part_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct ram_part *part = &ram->parts[middle];

		if (part->gpa <= gpa && gpa - part->gpa >= part->len)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ram->part_count ? &ram->parts[low] : NULL;
}

/* ---- what is there ----------------------------------------------------- */

/** How the bytes of part from off on are backed, and how many alike. */
struct ram_run {
	enum mvmi_extent_kind kind;
	uint64_t len;
};

/** Ask the file; where it can't tell, all of it is data. */
static struct ram_run part_file_run(struct ram_part *part, uint64_t off)
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

/** Ask the page tables, for at most max pages. */
static struct ram_run
part_page_run(const struct ram *ram, struct ram_part *part, uint64_t off,
	      uint64_t max)
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

/* ---- reading ----------------------------------------------------------- */

/** Pieces that are read out of the process in one system call. */
struct ram_batch {
	struct ram *ram;
	struct iovec local[RAM_BATCH];
	struct iovec remote[RAM_BATCH];
	struct mvmi_mem_op *ops[RAM_BATCH];
	size_t count;
	size_t bytes;
};

static enum mvmi_status fail_gone(struct mvmi_error *err)
{
	return fail(err, MVMI_ERR_GONE, "the VMM has ended");
}

/** A read of the process failed for op at dst: say so there, if at all. */
static void op_fail(struct mvmi_mem_op *op, const uint8_t *dst)
{
	size_t done = (size_t)(dst - op->dst.ptr);

	if (op->status != MVMI_OK && op->done <= done)
		return;
	op->done = done;
	op->status = MVMI_ERR_FAULT;
}

/** One piece, alone, to find out which one it was that failed. */
static enum mvmi_status ram_read_piece(struct ram *ram, struct ram_batch *b,
				       size_t i, struct mvmi_error *err)
{
	uint8_t *dst = b->local[i].iov_base;
	size_t len = b->local[i].iov_len;
	uint64_t hva = (uintptr_t)b->remote[i].iov_base;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(ram->mem_fd, dst + done, len - done,
				  (off_t)(hva + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == ESRCH))
			return fail_gone(err);
		if (n < 0) {
			op_fail(b->ops[i], dst + done);
			return MVMI_OK;
		}
		done += (size_t)n;
	}
	return MVMI_OK;
}

static enum mvmi_status
batch_flush(struct ram *ram, struct ram_batch *b, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	ssize_t n = 0;

	if (b->count)
		n = process_vm_readv((pid_t)ram->pid, b->local, b->count,
				     b->remote, b->count, 0);
	for (size_t i = 0;
	     (size_t)n != b->bytes && status == MVMI_OK && i < b->count; i++)
		status = ram_read_piece(ram, b, i, err);
	b->count = 0;
	b->bytes = 0;
	return status;
}

static enum mvmi_status
batch_add(struct ram_batch *b, struct mvmi_mem_op *op, struct mvmi_span dst,
	  uint64_t hva, struct mvmi_error *err)
{
	b->local[b->count] = (struct iovec){ dst.ptr, dst.len };
	b->remote[b->count] = (struct iovec){ address_of(hva), dst.len };
	b->ops[b->count++] = op;
	b->bytes += dst.len;
	return b->count == RAM_BATCH ? batch_flush(b->ram, b, err) : MVMI_OK;
}

/** Read at off of a file part; holes give zeros and stay holes. */
static void part_pread(const struct ram_part *part, struct mvmi_mem_op *op,
		       struct mvmi_span dst, uint64_t off)
{
	while (dst.len) {
		ssize_t n = pread(part->fd, dst.ptr, dst.len,
				  (off_t)(part->file_off + off));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			op_fail(op, dst.ptr);
			return;
		}
		dst.ptr += n;
		dst.len -= (size_t)n;
		off += (uint64_t)n;
	}
}

/** Let the windows know what the file has around off. */
static void part_learn(struct ram_part *part, uint64_t off)
{
	struct ram_run run;

	if (!part->host || part_has_bit(part, off / MVMI_PAGE_SIZE))
		return;
	run = part_file_run(part, off);
	if (run.kind == MVMI_EXTENT_DATA)
		part_set_bits(part, off / MVMI_PAGE_SIZE,
			      (off + run.len) / MVMI_PAGE_SIZE);
}

/** Pages of part that the range touches; its start may be within a page. */
static bool part_knows(const struct ram_part *part, uint64_t off, size_t len)
{
	uint64_t skew = part->hva % MVMI_PAGE_SIZE;
	uint64_t last = (skew + off + len - 1) / MVMI_PAGE_SIZE;

	for (uint64_t page = (skew + off) / MVMI_PAGE_SIZE; page <= last;
	     page++) {
		if (!part_has_bit(part, page))
			return false;
	}
	return true;
}

/** Private memory: what has pages is read, the rest is zero or the file's. */
static enum mvmi_status
part_read_private(struct ram_batch *b, struct ram_part *part,
		  struct mvmi_mem_op *op, struct mvmi_span dst, uint64_t off,
		  struct mvmi_error *err)
{
	uint64_t skew = part->hva % MVMI_PAGE_SIZE;
	enum mvmi_status status = MVMI_OK;

	if (part_knows(part, off, dst.len))
		return batch_add(b, op, dst, part->hva + off, err);
	while (dst.len && status == MVMI_OK) {
		uint64_t pages = dst.len / MVMI_PAGE_SIZE + 2;
		struct ram_run run = part_page_run(b->ram, part, off, pages);
		struct mvmi_span piece = { dst.ptr, MIN(run.len, dst.len) };

		if (run.kind == MVMI_EXTENT_DATA) {
			part_set_bits(part, (skew + off) / MVMI_PAGE_SIZE,
				      (skew + off + piece.len - 1) /
						      MVMI_PAGE_SIZE +
					      1);
			status = batch_add(b, op, piece, part->hva + off, err);
		} else if (part->backing == RAM_BACKING_COPY) {
			part_pread(part, op, piece, off);
		} else {
			memset(piece.ptr, 0, piece.len);
		}
		dst.ptr += piece.len;
		dst.len -= piece.len;
		off += piece.len;
	}
	return status;
}

static enum mvmi_status
part_read(struct ram_batch *b, struct ram_part *part, struct mvmi_mem_op *op,
	  struct mvmi_span dst, uint64_t off, struct mvmi_error *err)
{
	switch (part->backing) {
	case RAM_BACKING_FILE:
		part_learn(part, off);
		part_pread(part, op, dst, off);
		return MVMI_OK;
	case RAM_BACKING_ANON:
	case RAM_BACKING_COPY:
		return part_read_private(b, part, op, dst, off, err);
	case RAM_BACKING_OPAQUE:
		break;
	}
	return batch_add(b, op, dst, part->hva + off, err);
}

static enum mvmi_status
ram_read_op(struct ram *ram, struct ram_batch *b, struct mvmi_mem_op *op,
	    struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	size_t done = 0;

	op->status = MVMI_OK;
	op->done = op->dst.len;
	while (done < op->dst.len && status == MVMI_OK) {
		uint64_t gpa = op->gpa.val + done;
		struct ram_part *part = ram_find(ram, gpa);
		struct mvmi_span dst = { op->dst.ptr + done,
					 op->dst.len - done };

		if (!part || part->gpa > gpa) {
			op_fail(op, dst.ptr);
			break;
		}
		dst.len = MIN(dst.len, part->len - (gpa - part->gpa));
		status = part_read(b, part, op, dst, gpa - part->gpa, err);
		done += dst.len;
	}
	return status;
}

enum mvmi_status ram_readv(struct ram *ram, struct mvmi_mem_op *ops,
			   size_t count, struct mvmi_error *err)
{
	struct ram_batch b;
	enum mvmi_status status = MVMI_OK;

	b.ram = ram;
	b.count = 0;
	b.bytes = 0;
	for (size_t i = 0; i < count && status == MVMI_OK; i++)
		status = ram_read_op(ram, &b, &ops[i], err);
	if (status == MVMI_OK)
		status = batch_flush(ram, &b, err);
	return status;
}

static bool ram_is_rom(const struct ram *ram, uint64_t gpa)
{
	for (size_t i = 0; i < ram->region_count; i++) {
		const struct mvmi_region *region = &ram->regions[i];

		if (gpa >= region->start.val &&
		    gpa - region->start.val < region->len)
			return region->kind == MVMI_REGION_ROM;
	}
	return false;
}

bool ram_is_writable(struct ram *ram, uint64_t gpa, size_t len,
		     uint64_t *ret_bad)
{
	while (len) {
		const struct ram_part *part = ram_find(ram, gpa);
		uint64_t n;

		if (!part || part->gpa > gpa || ram_is_rom(ram, gpa)) {
			*ret_bad = gpa;
			return false;
		}
		n = MIN(len, part->len - (gpa - part->gpa));
		gpa += n;
		len -= n;
	}
	return true;
}

enum mvmi_status ram_write(struct ram *ram, mvmi_gpa gpa, struct mvmi_bytes src,
			   struct mvmi_error *err)
{
	while (src.len) {
		struct ram_part *part = ram_find(ram, gpa.val);
		struct iovec local;
		struct iovec remote;
		uint64_t off;
		ssize_t n;

		if (!part || part->gpa > gpa.val || ram_is_rom(ram, gpa.val))
			return fail_fault(err, gpa.val);
		off = gpa.val - part->gpa;
		local = (struct iovec){ address_of((uintptr_t)src.ptr),
					MIN(src.len, part->len - off) };
		remote = (struct iovec){ address_of(part->hva + off),
					 local.iov_len };
		n = process_vm_writev((pid_t)ram->pid, &local, 1, &remote, 1,
				      0);
		if (n < 0 && errno == ESRCH)
			return fail_gone(err);
		if (n <= 0)
			return fail_sys(err, n < 0 ? errno : EFAULT,
					"writing process %" PRId64, ram->pid);
		src.ptr += n;
		src.len -= (size_t)n;
		gpa.val += (uint64_t)n;
	}
	return MVMI_OK;
}

const char *ram_path(const struct ram *ram)
{
	const struct ram_part *largest = NULL;

	for (size_t i = 0; i < ram->part_count; i++) {
		if (!largest || ram->parts[i].len > largest->len)
			largest = &ram->parts[i];
	}
	if (!largest || largest->backing == RAM_BACKING_OPAQUE)
		return "process memory, page by page asked of the VMM";
	if (largest->backing == RAM_BACKING_FILE)
		return largest->host ? "map of the shared RAM file"
				     : "pread of the shared RAM file";
	return "process_vm_readv of private RAM";
}
