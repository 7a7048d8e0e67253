/* SPDX-License-Identifier: MIT */
#include "os/linux/find/ram.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

static enum mvmi_status
list_regions(struct ram_walk *walk, struct mvmi_error *err)
{
	size_t count;
	size_t got;
	enum mvmi_status status =
		mvmi_mem_regions(walk->vm, NULL, 0, &count, err);

	if (status != MVMI_OK)
		return status;
	walk->regions = calloc(MAX(count, 1), sizeof(*walk->regions));
	if (!walk->regions)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu regions",
			    count);
	status = mvmi_mem_regions(walk->vm, walk->regions, count, &got, err);
	if (status == MVMI_OK)
		walk->region_count = MIN(count, got);
	return status;
}

enum mvmi_status ram_begin(struct ram_walk *walk, struct mvmi_vm *vm,
			   size_t overlap, struct mvmi_error *err)
{
	enum mvmi_status status;

	*walk = (struct ram_walk){ .vm = vm,
				   .end = UINT64_MAX,
				   .overlap = overlap };
	status = list_regions(walk, err);
	if (status == MVMI_OK) {
		walk->buf = malloc(overlap + RAM_CHUNK_LEN);
		if (!walk->buf)
			status = fail(err, MVMI_ERR_NOMEM,
				      "no memory to look through RAM");
	}
	if (status != MVMI_OK)
		ram_end(walk);
	return status;
}

/** The region that the walk is in; NULL at the end. */
static const struct mvmi_region *present_region(struct ram_walk *walk)
{
	while (walk->region < walk->region_count) {
		const struct mvmi_region *region = &walk->regions[walk->region];

		walk->next = MAX(walk->next, region->start.val);
		if (walk->next >= walk->end)
			return NULL;
		if (region->kind == MVMI_REGION_RAM &&
		    walk->next - region->start.val < region->len)
			return region;
		walk->region++;
	}
	return NULL;
}

/**
 * Bytes from walk->next on that hold data, at most a chunk of them. What does
 * not is passed over.
 */
static enum mvmi_status
find_data(struct ram_walk *walk, const struct mvmi_region *region, size_t *ret,
	  struct mvmi_error *err)
{
	uint64_t left = MIN(region->len - (walk->next - region->start.val),
			    walk->end - walk->next);
	size_t len = 0;

	while (left && len < RAM_CHUNK_LEN) {
		struct mvmi_extent extent;
		enum mvmi_status status = mvmi_mem_extent(
			walk->vm, mvmi_gpa_at(walk->next + len), &extent, err);
		uint64_t run;

		if (status != MVMI_OK)
			return status;
		run = MIN(MAX(extent.len, 1), left);
		if (extent.kind == MVMI_EXTENT_DATA)
			len += (size_t)MIN(run, RAM_CHUNK_LEN - len);
		else if (len == 0)
			walk->next += run;
		else
			break;
		left -= run;
	}
	*ret = len;
	return MVMI_OK;
}

void ram_limit(struct ram_walk *walk, uint64_t start, uint64_t end)
{
	walk->next = start;
	walk->end = end;
}

enum mvmi_status
ram_find(struct ram_walk *walk, uint64_t *ret, struct mvmi_error *err)
{
	const struct mvmi_region *region;
	size_t len = 0;

	while (len == 0 && (region = present_region(walk))) {
		enum mvmi_status status = find_data(walk, region, &len, err);

		if (status != MVMI_OK)
			return status;
	}
	*ret = len;
	return MVMI_OK;
}

void ram_pass(struct ram_walk *walk, uint64_t len)
{
	walk->next += len;
	walk->scanned += len;
}

enum mvmi_status ram_next(struct ram_walk *walk, struct mvmi_error *err)
{
	uint64_t seen = walk->next;
	size_t keep = MIN(walk->bytes.len, walk->overlap);
	uint64_t len;
	enum mvmi_status status = ram_find(walk, &len, err);

	if (status != MVMI_OK)
		return status;
	if (len == 0) {
		walk->bytes = (struct mvmi_bytes){ NULL, 0 };
		return MVMI_OK;
	}
	if (walk->next != seen)
		keep = 0; /* what comes does not follow what was */
	if (keep)
		memmove(walk->buf, walk->bytes.ptr + walk->bytes.len - keep,
			keep);
	status = mvmi_mem_read(
		walk->vm, mvmi_gpa_at(walk->next),
		(struct mvmi_span){ walk->buf + keep, (size_t)len }, err);
	if (status == MVMI_ERR_FAULT)
		/* It was there just now: ballooned away, say. */
		memset(walk->buf + keep, 0, (size_t)len);
	else if (status != MVMI_OK)
		return status;
	walk->gpa = mvmi_gpa_at(walk->next - keep);
	walk->bytes = (struct mvmi_bytes){ walk->buf, keep + (size_t)len };
	walk->fresh = keep;
	ram_pass(walk, len);
	return MVMI_OK;
}

void ram_end(struct ram_walk *walk)
{
	free(walk->regions);
	free(walk->buf);
	*walk = (struct ram_walk){ .vm = NULL };
}

enum mvmi_status ram_copy(struct mvmi_vm *vm, mvmi_gpa gpa, size_t len,
			  struct ram_copy *ret, struct mvmi_error *err)
{
	struct mvmi_span bytes = { malloc(MAX(len, 1)), len };
	enum mvmi_status status;

	if (!bytes.ptr)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for %zu bytes of the kernel", len);
	status = mvmi_mem_read(vm, gpa, bytes, err);
	if (status != MVMI_OK) {
		free(bytes.ptr);
		return status;
	}
	*ret = (struct ram_copy){ bytes, gpa };
	return MVMI_OK;
}

enum mvmi_status
ram_around(const struct ram_walk *walk, mvmi_gpa gpa, size_t before,
	   size_t after, struct ram_copy *ret, struct mvmi_error *err)
{
	for (size_t i = 0; i < walk->region_count; i++) {
		const struct mvmi_region *region = &walk->regions[i];
		uint64_t off = gpa.val - region->start.val;
		uint64_t start;

		if (gpa.val < region->start.val || off >= region->len)
			continue;
		start = off - MIN(off, before);
		return ram_copy(
			walk->vm, mvmi_gpa_at(region->start.val + start),
			(size_t)(off - start + MIN(region->len - off, after)),
			ret, err);
	}
	return fail_fault(err, gpa.val);
}
