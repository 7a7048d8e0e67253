/* SPDX-License-Identifier: MIT */
/* Where the RAM of a live process lies, and the windows that we have of it. */
#include "drivers/qemu/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/qemu/proc.h"
#include "drivers/qemu/ram_part.h"

/* Parts that a layout may have. */
#define RAM_PARTS_MAX 65536

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

struct ram_part *ram_find(struct ram *ram, uint64_t gpa)
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
