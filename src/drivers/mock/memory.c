/* SPDX-License-Identifier: MIT */
/*
 * Sparse guest memory: a memfd that is mapped twice. The guest's mapping is
 * ordinary; in the client's every page is PROT_NONE until the client was told
 * that it may be touched, so a reader that breaks the rule dies on the spot.
 */
#include "drivers/mock/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"

static bool bit_get(const uint64_t *bits, uint64_t n)
{
	return (bits[n / 64] >> (n % 64) & 1) != 0;
}

static void bit_set(uint64_t *bits, uint64_t n)
{
	bits[n / 64] |= UINT64_C(1) << (n % 64);
}

static uint8_t *map(int fd, size_t len, int protection)
{
	void *at =
		mmap(NULL, len, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void region_fini(struct mock_region *region)
{
	if (region->host)
		(void)munmap(region->host, (size_t)region->info.len);
	if (region->window)
		(void)munmap(region->window, (size_t)region->info.len);
	free(region->backed);
	free(region->present);
	free(region->written);
}

static enum mvmi_status
region_init(struct mock_region *region, struct mvmi_error *err)
{
	size_t len = (size_t)region->info.len;
	size_t pages = (size_t)(len / MVMI_PAGE_SIZE);
	int fd = memfd_create("mock.ram", MFD_CLOEXEC);
	enum mvmi_status status = MVMI_OK;

	if (fd < 0)
		return fail_sys(err, errno, "memfd_create for guest RAM");
	region->backed = calloc(pages / 64 + 1, sizeof(uint64_t));
	region->present = calloc(pages / 64 + 1, sizeof(uint64_t));
	region->written = calloc(pages, sizeof(uint64_t));
	if (!region->backed || !region->present || !region->written) {
		status =
			fail(err, MVMI_ERR_NOMEM, "no memory for page bitmaps");
	} else if (ftruncate(fd, (off_t)len) != 0) {
		status = fail_sys(err, errno, "guest RAM of %zu bytes", len);
	} else {
		region->host = map(fd, len, PROT_READ | PROT_WRITE);
		region->window = map(fd, len, PROT_NONE);
		if (!region->host || !region->window)
			status = fail_sys(err, errno, "map guest RAM");
	}
	(void)close(fd);
	return status;
}

static enum mvmi_status
add_region(struct mock_vm *vm, const struct mvmi_region *info,
	   struct mvmi_error *err)
{
	struct mock_region *region;

	if (info->len == 0)
		return MVMI_OK;
	region = &vm->regions[vm->region_count++];
	region->info = *info;
	return region_init(region, err);
}

/** Add RAM; the private page, if it lies inside, splits it in three. */
static enum mvmi_status
add_ram(struct mock_vm *vm, uint64_t start, uint64_t len, uint64_t private_gpa,
	struct mvmi_error *err)
{
	struct mvmi_region parts[3] = {
		{ .start = { start }, .kind = MVMI_REGION_RAM },
		{ .kind = MVMI_REGION_PRIVATE },
		{ .kind = MVMI_REGION_RAM },
	};
	enum mvmi_status status = MVMI_OK;

	parts[0].len = len;
	if (private_gpa >= start && private_gpa - start < len) {
		parts[0].len = private_gpa - start;
		parts[1].start = mvmi_gpa_at(private_gpa);
		parts[1].len = MVMI_PAGE_SIZE;
		parts[2].start = mvmi_gpa_at(private_gpa + MVMI_PAGE_SIZE);
		parts[2].len = len - parts[0].len - MVMI_PAGE_SIZE;
	}
	for (size_t i = 0; status == MVMI_OK && i < ARRAY_LEN(parts); i++) {
		(void)snprintf(parts[i].name, sizeof(parts[i].name),
			       "mock.ram");
		status = add_region(vm, &parts[i], err);
	}
	return status;
}

enum mvmi_status mock_memory_init(struct mock_vm *vm, uint64_t ram,
				  uint64_t private_gpa, struct mvmi_error *err)
{
	static const uint8_t firmware[] = "mock firmware";
	const struct mvmi_region rom = { .start = { MOCK_ROM_START },
					 .len = MOCK_ROM_LEN,
					 .kind = MVMI_REGION_ROM,
					 .name = "mock.rom" };
	const struct mvmi_region spare = { .start = { MOCK_SPARE_START },
					   .len = MOCK_SPARE_MAX *
						  MVMI_PAGE_SIZE,
					   .kind = MVMI_REGION_RAM,
					   .name = "mock.spare" };
	uint64_t low = ram / 2 / MVMI_PAGE_SIZE * MVMI_PAGE_SIZE;
	enum mvmi_status status = add_ram(vm, 0, low, private_gpa, err);

	if (status == MVMI_OK)
		status = add_region(vm, &rom, err);
	if (status == MVMI_OK)
		status = add_ram(vm, MOCK_HIGH_START, ram - low, private_gpa,
				 err);
	if (status == MVMI_OK) {
		vm->spare.info = spare;
		status = region_init(&vm->spare, err);
	}
	if (status == MVMI_OK)
		(void)mock_memory_poke(
			vm, rom.start,
			(struct mvmi_bytes){ firmware, sizeof(firmware) });
	return status;
}

void mock_memory_fini(struct mock_vm *vm)
{
	for (size_t i = 0; i < vm->region_count; i++)
		region_fini(&vm->regions[i]);
	region_fini(&vm->spare);
}

bool mock_memory_has_spare(const struct mock_vm *vm, mvmi_gpa gpa)
{
	uint64_t page = (gpa.val - MOCK_SPARE_START) / MVMI_PAGE_SIZE;

	return gpa.val >= MOCK_SPARE_START && page < MOCK_SPARE_MAX &&
	       vm->spares[page];
}

struct mock_region *mock_memory_find(struct mock_vm *vm, mvmi_gpa gpa)
{
	for (size_t i = 0; i < vm->region_count; i++) {
		struct mock_region *region = &vm->regions[i];

		if (gpa.val >= region->info.start.val &&
		    gpa.val - region->info.start.val < region->info.len)
			return region;
	}
	if (mock_memory_has_spare(vm, gpa))
		return &vm->spare;
	return NULL;
}

/** The piece of a range that lies in the page of its first byte. */
struct piece {
	struct mock_region *region;
	uint64_t off; /**< in the region */
	uint64_t page;
	size_t len;
};

static bool
piece_at(struct mock_vm *vm, mvmi_gpa gpa, size_t len, struct piece *ret)
{
	struct mock_region *region = mock_memory_find(vm, gpa);
	uint64_t in_page = MVMI_PAGE_SIZE - gpa.val % MVMI_PAGE_SIZE;

	if (!region)
		return false;
	ret->region = region;
	ret->off = gpa.val - region->info.start.val;
	ret->page = ret->off / MVMI_PAGE_SIZE;
	ret->len = (size_t)MIN((uint64_t)len, in_page);
	return true;
}

bool mock_memory_poke(struct mock_vm *vm, mvmi_gpa gpa, struct mvmi_bytes src)
{
	struct piece piece;

	for (size_t done = 0; done < src.len; done += piece.len) {
		if (!piece_at(vm, mvmi_gpa_at(gpa.val + done), src.len - done,
			      &piece))
			return false;
		memcpy(piece.region->host + piece.off, src.ptr + done,
		       piece.len);
		bit_set(piece.region->backed, piece.page);
		piece.region->written[piece.page] = ++vm->writes;
	}
	return true;
}

static void copy_out(const struct piece *piece, uint8_t *dst)
{
	/* A read must not allocate: what nobody wrote is not looked at. */
	if (bit_get(piece->region->backed, piece->page))
		memcpy(dst, piece->region->host + piece->off, piece->len);
	else
		memset(dst, 0, piece->len);
}

bool mock_peek(struct mock_vm *vm, mvmi_gpa gpa, struct mvmi_span dst)
{
	struct piece piece;

	for (size_t done = 0; done < dst.len; done += piece.len) {
		if (!piece_at(vm, mvmi_gpa_at(gpa.val + done), dst.len - done,
			      &piece))
			return false;
		copy_out(&piece, dst.ptr + done);
	}
	return true;
}

bool mock_page_is_backed(struct mock_vm *vm, mvmi_gpa gpa)
{
	unsigned char in_core = 0;
	struct piece piece;

	/* The kernel is asked, not our bitmap: a stray read shows there. */
	return piece_at(vm, gpa, 1, &piece) &&
	       mincore(piece.region->host + piece.page * MVMI_PAGE_SIZE,
		       (size_t)MVMI_PAGE_SIZE, &in_core) == 0 &&
	       (in_core & 1) != 0;
}

/** Let the client touch a page of its window that has bytes. */
static void show(const struct piece *piece)
{
	uint8_t *at = piece->region->window + piece->page * MVMI_PAGE_SIZE;

	if (!bit_get(piece->region->backed, piece->page) ||
	    bit_get(piece->region->present, piece->page))
		return;
	if (mprotect(at, (size_t)MVMI_PAGE_SIZE, PROT_READ) == 0)
		bit_set(piece->region->present, piece->page);
}

size_t mock_memory_windows(struct mock_vm *vm, struct mvmi_window *windows)
{
	size_t count = 0;

	for (size_t i = 0; i < vm->region_count; i++) {
		const struct mock_region *region = &vm->regions[i];

		if (region->info.kind == MVMI_REGION_PRIVATE)
			continue;
		windows[count++] = (struct mvmi_window){
			.start = region->info.start,
			.len = region->info.len,
			.host = region->window,
			.present = region->present,
		};
	}
	return count;
}

/* ---- the tables -------------------------------------------------------- */

static enum mvmi_status
mock_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	     size_t capacity, size_t *ret, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_memory(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < vm->region_count && i < capacity; i++)
		regions[i] = vm->regions[i].info;
	*ret = vm->region_count;
	return MVMI_OK;
}

/** Bytes from gpa, outside any region, to the next region or to 2^64. */
static uint64_t gap_len(const struct mock_vm *vm, mvmi_gpa gpa)
{
	uint64_t len = UINT64_MAX - gpa.val;

	for (size_t i = 0; i < vm->region_count; i++) {
		uint64_t start = vm->regions[i].info.start.val;

		if (start > gpa.val)
			len = MIN(len, start - gpa.val);
	}
	return MAX(len, UINT64_C(1));
}

static enum mvmi_status
mock_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	    struct mvmi_error *err)
{
	struct mvmi_extent extent = { .start = gpa };
	struct piece piece;
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_memory(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (piece_at(vm, gpa, SIZE_MAX, &piece)) {
		bool backed = bit_get(piece.region->backed, piece.page);

		extent.kind = backed ? MVMI_EXTENT_DATA : MVMI_EXTENT_ZERO;
		extent.len = piece.len;
		for (uint64_t page = piece.page + 1;
		     page < piece.region->info.len / MVMI_PAGE_SIZE &&
		     bit_get(piece.region->backed, page) == backed;
		     page++)
			extent.len += MVMI_PAGE_SIZE;
	} else {
		extent.kind = MVMI_EXTENT_NONE;
		extent.len = gap_len(vm, gpa);
	}
	*ret = extent;
	return MVMI_OK;
}

static void read_op(struct mock_vm *vm, struct mvmi_mem_op *op)
{
	op->done = 0;
	op->status = MVMI_OK;
	while (op->done < op->dst.len) {
		struct piece piece;

		if (!piece_at(vm, mvmi_gpa_at(op->gpa.val + op->done),
			      op->dst.len - op->done, &piece)) {
			op->status = MVMI_ERR_FAULT;
			return;
		}
		if (piece.region->info.kind == MVMI_REGION_PRIVATE) {
			op->status = MVMI_ERR_DENIED;
			return;
		}
		copy_out(&piece, op->dst.ptr + op->done);
		show(&piece);
		op->done += piece.len;
	}
}

static enum mvmi_status
mock_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	   struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_memory(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < count; i++)
		read_op(vm, &ops[i]);
	return MVMI_OK;
}

const struct mvmi_mem_ops mock_mem_ops = { mock_regions, mock_extent,
					   mock_readv };

static enum mvmi_status
mock_write(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	   enum mvmi_write_mode mode, struct mvmi_error *err)
{
	struct piece piece;
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_memory(conn, &vm, err);

	(void)mode; /* The mock has no caches that could tell them apart. */
	if (status != MVMI_OK)
		return status;
	/* All of it is looked at before the first byte changes. */
	for (size_t done = 0; done < src.len; done += piece.len) {
		mvmi_gpa at = mvmi_gpa_at(gpa.val + done);

		if (!piece_at(vm, at, src.len - done, &piece))
			return fail_fault(err, at.val);
		if (piece.region->info.kind != MVMI_REGION_RAM)
			return fail(err, MVMI_ERR_DENIED,
				    "guest-physical 0x%" PRIx64
				    " is ROM or private memory",
				    at.val);
	}
	(void)mock_memory_poke(vm, gpa, src);
	return MVMI_OK;
}

const struct mvmi_write_ops mock_write_ops = { mock_write };

static void mock_windows(struct mvmi_conn *conn, const struct mvmi_window **ret,
			 size_t *count)
{
	struct mock_conn *mock = container_of(conn, struct mock_conn, base);

	*ret = mock->windows;
	*count = mock_memory_windows(mock->vm, mock->windows);
}

const struct mvmi_map_ops mock_map_ops = { mock_windows };
