/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory: copies out of the driver's windows where all pages
 * may be touched, the driver's scatter read for everything else.
 */
#include <microvmi/mem.h>

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "core/mem.h"

#define READS_UNPOLLED_MAX 16

static bool wraps(mvmi_gpa gpa, size_t len)
{
	return len - 1 > UINT64_MAX - gpa.val;
}

static enum mvmi_status
fail_wraps(struct mvmi_error *err, mvmi_gpa gpa, size_t len)
{
	return fail(err, MVMI_ERR_INVALID,
		    "%zu bytes at 0x%" PRIx64 " reach beyond 2^64", len,
		    gpa.val);
}

bool window_pages(const struct mvmi_window *window, uint64_t off, size_t len)
{
	uint64_t last = (off + len - 1) / MVMI_PAGE_SIZE;

	if (!window->present)
		return true;
	for (uint64_t page = off / MVMI_PAGE_SIZE; page <= last; page++) {
		if (!(window->present[page / 64] >> (page % 64) & 1))
			return false;
	}
	return true;
}

const uint8_t *vm_window_find(struct mvmi_vm *vm, uint64_t gpa, size_t len)
{
	for (size_t i = 0; i < vm->window_count; i++) {
		const struct mvmi_window *window = &vm->windows[i];
		uint64_t off = gpa - window->start.val;

		if (gpa < window->start.val || off >= window->len)
			continue;
		vm->window_last = window;
		if (len > window->len - off || !window_pages(window, off, len))
			return NULL;
		return window->host + off;
	}
	return NULL;
}

/**
 * As vm_poll(), before reads. A driver's own read notices the end of the VM;
 * after a system call even looking at the clock costs several percent of it.
 * So without windows only every sixteenth read looks.
 */
static inline enum mvmi_status
poll_for_read(struct mvmi_vm *vm, struct mvmi_error *err)
{
	if (!vm->window_last && !vm->gone &&
	    ++vm->reads_unpolled < READS_UNPOLLED_MAX)
		return MVMI_OK;
	return vm_poll(vm, err);
}

/** Give one failed element the words that mvmi_mem_read() promises. */
static enum mvmi_status
fail_op(const struct mvmi_mem_op *op, struct mvmi_error *err)
{
	uint64_t addr = op->gpa.val + op->done;

	if (op->status == MVMI_ERR_FAULT)
		return fail_fault(err, addr);
	(void)fail(err, op->status,
		   "guest-physical 0x%" PRIx64 " can't be read: %s", addr,
		   mvmi_status_name(op->status));
	if (err)
		err->addr = addr;
	return op->status;
}

enum mvmi_status mvmi_mem_read(struct mvmi_vm *vm, mvmi_gpa gpa,
			       struct mvmi_span dst, struct mvmi_error *err)
{
	struct mvmi_mem_op op = { .gpa = gpa, .dst = dst };
	enum mvmi_status status;
	const uint8_t *host;

	if (dst.len == 0)
		return MVMI_OK;
	if (wraps(gpa, dst.len))
		return fail_wraps(err, gpa, dst.len);
	status = poll_for_read(vm, err);
	if (status != MVMI_OK)
		return status;
	host = vm_window(vm, gpa.val, dst.len);
	if (host) {
		memcpy(dst.ptr, host, dst.len);
		return MVMI_OK;
	}
	status = vm_settle(vm, vm->conn->mem->readv(vm->conn, &op, 1, err));
	if (status != MVMI_OK || op.status == MVMI_OK)
		return status;
	return fail_op(&op, err);
}

/** Serve what the windows hold; the number of elements left, moved first. */
static size_t
serve_from_windows(struct mvmi_vm *vm, struct mvmi_mem_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *host;

		if (ops[i].dst.len == 0) {
			ops[i].status = MVMI_OK;
			ops[i].done = 0;
			continue;
		}
		host = vm_window(vm, ops[i].gpa.val, ops[i].dst.len);
		if (!host)
			return i;
		memcpy(ops[i].dst.ptr, host, ops[i].dst.len);
		ops[i].done = ops[i].dst.len;
		ops[i].status = MVMI_OK;
	}
	return count;
}

/** Elements from the first on that the driver must serve. */
static size_t run_without_window(struct mvmi_vm *vm,
				 const struct mvmi_mem_op *ops, size_t count)
{
	size_t n = 0;

	while (n < count && ops[n].dst.len &&
	       !vm_window(vm, ops[n].gpa.val, ops[n].dst.len))
		n++;
	return n;
}

enum mvmi_status mvmi_mem_readv(struct mvmi_vm *vm, struct mvmi_mem_op *ops,
				size_t count, struct mvmi_error *err)
{
	enum mvmi_status status;
	size_t i = 0;

	for (size_t n = 0; n < count; n++) {
		if (ops[n].dst.len && wraps(ops[n].gpa, ops[n].dst.len))
			return fail_wraps(err, ops[n].gpa, ops[n].dst.len);
	}
	status = poll_for_read(vm, err);
	while (status == MVMI_OK && i < count) {
		size_t n;

		i += serve_from_windows(vm, ops + i, count - i);
		n = run_without_window(vm, ops + i, count - i);
		if (n)
			status = vm_settle(vm, vm->conn->mem->readv(vm->conn,
								    ops + i, n,
								    err));
		i += n;
	}
	return status;
}

enum mvmi_status
mvmi_mem_write(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_bytes src,
	       enum mvmi_write_mode mode, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (src.len == 0)
		return MVMI_OK;
	if (wraps(gpa, src.len))
		return fail_wraps(err, gpa, src.len);
	if (vm->read_only)
		return fail(err, MVMI_ERR_DENIED, "the VM was opened to read");
	if (!vm->conn->write)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "memory of this %s VM can't be written",
			    vm->conn->driver->name);
	if (mode == MVMI_WRITE_COHERENT &&
	    (vm->conn->traits & MVMI_TRAIT_DATA_ONLY_WRITES))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "here a write reaches data reads only, not "
			    "instruction fetches; ask for a data-only write if "
			    "that is enough");
	status = vm_poll(vm, err);
	if (status != MVMI_OK)
		return status;
	vm_new_epoch(vm);
	return vm_settle(vm,
			 vm->conn->write->write(vm->conn, gpa, src, mode, err));
}

enum mvmi_status
mvmi_mem_regions(struct mvmi_vm *vm, struct mvmi_region *regions,
		 size_t capacity, size_t *ret, struct mvmi_error *err)
{
	enum mvmi_status status = vm_poll(vm, err);

	if (status != MVMI_OK)
		return status;
	return vm_settle(vm, vm->conn->mem->regions(vm->conn, regions, capacity,
						    ret, err));
}

enum mvmi_status
mvmi_mem_extent(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_extent *ret,
		struct mvmi_error *err)
{
	enum mvmi_status status = vm_poll(vm, err);

	if (status != MVMI_OK)
		return status;
	return vm_settle(vm, vm->conn->mem->extent(vm->conn, gpa, ret, err));
}
