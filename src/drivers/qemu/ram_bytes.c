/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing the RAM of a live process.
 *
 * A page that the guest never touched has no host page, and a reader must not
 * change that: a fault in a shared file's hole allocates the page for good.
 * So a file is read by pread(), which gives zeros for holes, or through a
 * mapping whose `present` bit is set; and private memory is read only where
 * the page tables of the process have something.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/qemu/ram_part.h"

/* Pieces of one process_vm_readv(); the kernel's own limit is 1024. */
#define RAM_BATCH 128

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
