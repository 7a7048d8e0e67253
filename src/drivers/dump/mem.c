/* SPDX-License-Identifier: MIT */
#include "drivers/dump/mem.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"

/* Elements that are read at once. */
#define DUMP_RUN_MAX 64

static struct dump *dump_of(struct mvmi_conn *conn)
{
	return container_of(conn, struct dump, conn);
}

static enum mvmi_status
dump_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	     size_t capacity, size_t *ret, struct mvmi_error *err)
{
	const struct dump_image *image = &dump_of(conn)->image;

	(void)err;
	for (size_t i = 0; i < capacity && i < image->segment_count; i++) {
		regions[i] = (struct mvmi_region){
			.start = mvmi_gpa_at(image->segments[i].start),
			.len = image->segments[i].len,
			.kind = MVMI_REGION_RAM,
		};
	}
	*ret = image->segment_count;
	return MVMI_OK;
}

static enum mvmi_status
dump_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	    struct mvmi_error *err)
{
	struct dump *dump = dump_of(conn);
	uint64_t next;
	const struct dump_segment *segment =
		image_find(&dump->image, gpa.val, &next);
	struct mvmi_extent extent = { .start = gpa };

	(void)err;
	if (!segment) {
		extent.kind = MVMI_EXTENT_NONE;
		extent.len = MAX(next - gpa.val, 1);
	} else if (gpa.val - segment->start >= segment->file_len) {
		extent.kind = MVMI_EXTENT_ZERO;
		extent.len = segment->len - (gpa.val - segment->start);
	} else {
		uint64_t at = gpa.val - segment->start;

		extent.kind = file_extent(&dump->file, segment->off + at,
					  &extent.len);
		extent.len = MIN(extent.len, segment->file_len - at);
		extent.len = MAX(extent.len, 1);
	}
	*ret = extent;
	return MVMI_OK;
}

/** Read the part of one element that lies in one segment. */
static enum mvmi_status
read_segment(const struct dump *dump, const struct dump_segment *segment,
	     uint64_t at, struct mvmi_span dst, struct mvmi_error *err)
{
	uint64_t in_file = at < segment->file_len ? segment->file_len - at : 0;
	size_t n = (size_t)MIN(in_file, dst.len);

	if (n < dst.len)
		memset(dst.ptr + n, 0, dst.len - n);
	if (n == 0)
		return MVMI_OK;
	return file_read_at(&dump->file, segment->off + at,
			    (struct mvmi_span){ dst.ptr, n }, err);
}

/** Fail only where the file does; a gap is the element's own status. */
static enum mvmi_status
read_op(const struct dump *dump, struct mvmi_mem_op *op, struct mvmi_error *err)
{
	op->done = 0;
	op->status = MVMI_OK;
	while (op->done < op->dst.len) {
		uint64_t gpa = op->gpa.val + op->done;
		size_t left = op->dst.len - op->done;
		uint64_t next;
		const struct dump_segment *segment =
			image_find(&dump->image, gpa, &next);
		enum mvmi_status status;
		uint64_t at;

		if (!segment) {
			op->status = MVMI_ERR_FAULT;
			return MVMI_OK;
		}
		at = gpa - segment->start;
		left = (size_t)MIN(left, segment->len - at);
		status = read_segment(
			dump, segment, at,
			(struct mvmi_span){ op->dst.ptr + op->done, left },
			err);
		if (status != MVMI_OK)
			return fail_context(err, status, "reading the dump");
		op->done += left;
	}
	return MVMI_OK;
}

/** Where an element begins in the file, if one segment's bytes hold it all. */
static bool find_in_file(const struct dump *dump, const struct mvmi_mem_op *op,
			 uint64_t *ret)
{
	uint64_t next;
	const struct dump_segment *segment =
		image_find(&dump->image, op->gpa.val, &next);
	uint64_t at;

	if (!segment)
		return false;
	at = op->gpa.val - segment->start;
	if (at > segment->file_len || op->dst.len > segment->file_len - at)
		return false;
	*ret = segment->off + at;
	return true;
}

/** Gather the elements from the first on that follow each other in the file. */
static size_t
gather_run(const struct dump *dump, const struct mvmi_mem_op *ops, size_t count,
	   struct mvmi_span *dsts, uint64_t *ret_off)
{
	uint64_t end = 0;
	uint64_t off;
	size_t n;

	for (n = 0; n < MIN(count, DUMP_RUN_MAX); n++) {
		if (!find_in_file(dump, &ops[n], &off) || (n && off != end))
			break;
		if (n == 0)
			*ret_off = off;
		dsts[n] = ops[n].dst;
		end = off + ops[n].dst.len;
	}
	return n;
}

/** Read as many elements as go together; *ret is how many. */
static enum mvmi_status
read_run(const struct dump *dump, struct mvmi_mem_op *ops, size_t count,
	 size_t *ret, struct mvmi_error *err)
{
	struct mvmi_span dsts[DUMP_RUN_MAX];
	enum mvmi_status status;
	uint64_t off = 0;
	size_t n = gather_run(dump, ops, count, dsts, &off);

	*ret = MAX(n, 1);
	if (n == 0)
		return read_op(dump, &ops[0], err);
	status = file_readv_at(&dump->file, off, dsts, n, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "reading the dump");
	for (size_t i = 0; i < n; i++) {
		ops[i].done = ops[i].dst.len;
		ops[i].status = MVMI_OK;
	}
	return MVMI_OK;
}

static enum mvmi_status
dump_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	   struct mvmi_error *err)
{
	const struct dump *dump = dump_of(conn);
	enum mvmi_status status = MVMI_OK;
	size_t n;

	for (size_t i = 0; status == MVMI_OK && i < count; i += n)
		status = read_run(dump, ops + i, count - i, &n, err);
	return status;
}

const struct mvmi_mem_ops dump_mem_ops = {
	.regions = dump_regions,
	.extent = dump_extent,
	.readv = dump_readv,
};
