/* SPDX-License-Identifier: MIT */
/*
 * Memory by virtual address: pages become runs of physical memory, and up to
 * SPACE_BATCH runs are one scatter read.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "xlat/space.h"

static enum mvmi_status
check_range(mvmi_gva gva, size_t len, struct mvmi_error *err)
{
	if (len == 0 || len - 1 <= UINT64_MAX - gva.val)
		return MVMI_OK;
	return fail(err, MVMI_ERR_INVALID,
		    "%zu bytes at virtual 0x%" PRIx64 " reach beyond 2^64", len,
		    gva.val);
}

/** Physical memory that follows itself, behind virtual that does. */
struct run {
	mvmi_gpa gpa;
	size_t len;
};

/** Pages that bytes from gva on touch, but for the first. */
static size_t further_pages(mvmi_gva gva, size_t len)
{
	return (size_t)((gva.val % MVMI_PAGE_SIZE + len - 1) / MVMI_PAGE_SIZE);
}

/**
 * Find the page of gva, and on a miss those of the bytes after it, so that a
 * long read of a slow driver costs a few scatter reads and not one an entry.
 */
static enum mvmi_status
find_page(struct mvmi_space *space, mvmi_gva gva, size_t len,
	  const struct mvmi_translation **ret, struct mvmi_error *err)
{
	const struct mvmi_translation *page = tlb_find(&space->tlb, gva);
	enum mvmi_status status = MVMI_OK;
	size_t ahead;

	if (!page)
		status = space_walk_slow(space, gva, &page, err);
	else
		len = 0;
	if (status != MVMI_OK)
		return status;
	*ret = page;
	ahead = len ? MIN(further_pages(gva, len), SPACE_BATCH - 1) : 0;
	if (ahead == 0 || page->page_size > MVMI_PAGE_SIZE)
		return MVMI_OK;
	return space_prefetch(
		space, mvmi_gva_at(page->gva.val + MVMI_PAGE_SIZE), ahead, err);
}

/**
 * Turn the first bytes of a range into runs, until they are full or the range
 * is done.
 *
 * @param count  in: room; out: how many there are, also on failure.
 * @param done   out: bytes that they cover, also on failure.
 */
static enum mvmi_status
find_runs(struct mvmi_space *space, mvmi_gva gva, size_t len, struct run *runs,
	  size_t *count, size_t *done, struct mvmi_error *err)
{
	size_t room = *count;
	enum mvmi_status status;

	*count = 0;
	*done = 0;
	while (*done < len) {
		const struct mvmi_translation *page = NULL;
		mvmi_gva at = mvmi_gva_at(gva.val + *done);
		struct run *last = &runs[*count ? *count - 1 : 0];
		uint64_t left;
		mvmi_gpa gpa;
		size_t n;

		status = find_page(space, at, len - *done, &page, err);
		if (status != MVMI_OK)
			return status;
		left = page->page_size - (at.val - page->gva.val);
		n = (size_t)MIN(left, (uint64_t)(len - *done));
		gpa = page_gpa(page, at);
		if (*count && last->gpa.val + last->len == gpa.val) {
			last->len += n;
		} else if (*count < room) {
			runs[(*count)++] = (struct run){ gpa, n };
		} else {
			break;
		}
		*done += n;
	}
	return MVMI_OK;
}

/** Read runs, one after the other into dst. */
static enum mvmi_status
read_runs(struct mvmi_space *space, const struct run *runs, size_t count,
	  uint8_t *dst, struct mvmi_error *err)
{
	struct mvmi_mem_op ops[SPACE_BATCH];
	enum mvmi_status status;

	for (size_t i = 0; i < count; i++) {
		ops[i] = (struct mvmi_mem_op){
			.gpa = runs[i].gpa,
			.dst = { dst, runs[i].len },
		};
		dst += runs[i].len;
	}
	status = mvmi_mem_readv(space->vm, ops, count, err);
	/* Reading one alone again is what puts its failure into words. */
	for (size_t i = 0; i < count && status == MVMI_OK; i++) {
		if (ops[i].status != MVMI_OK)
			status = mvmi_mem_read(space->vm, ops[i].gpa,
					       ops[i].dst, err);
	}
	return status;
}

static enum mvmi_status read_range(struct mvmi_space *space, mvmi_gva gva,
				   struct mvmi_span dst, struct mvmi_error *err)
{
	while (dst.len) {
		struct run runs[SPACE_BATCH];
		size_t count = SPACE_BATCH;
		size_t done;
		enum mvmi_status found = find_runs(space, gva, dst.len, runs,
						   &count, &done, err);
		enum mvmi_status status;

		/* A missing page is told of when all before it was read. */
		if (found != MVMI_OK && count == 0)
			return found;
		status = read_runs(space, runs, count, dst.ptr, err);
		if (status != MVMI_OK)
			return status;
		gva.val += done;
		dst.ptr += done;
		dst.len -= done;
	}
	return MVMI_OK;
}

/**
 * Where bytes of one page may be copied from, if its RAM is mapped.
 *
 * NULL: they cross pages, or take the long way for whatever reason.
 */
static inline const uint8_t *
find_mapped(struct mvmi_space *space, mvmi_gva gva, size_t len)
{
	const struct mvmi_translation *page = tlb_find(&space->tlb, gva);
	uint64_t off;

	if (!page && space_walk_slow(space, gva, &page, NULL) != MVMI_OK)
		return NULL;
	off = gva.val - page->gva.val;
	if (len > page->page_size - off)
		return NULL;
	return vm_window(space->vm, page->gpa.val + off, len);
}

enum mvmi_status mvmi_space_read(struct mvmi_space *space, mvmi_gva gva,
				 struct mvmi_span dst, struct mvmi_error *err)
{
	enum mvmi_status status = check_range(gva, dst.len, err);
	const uint8_t *host;

	if (status != MVMI_OK || dst.len == 0)
		return status;
	status = space_begin(space, err);
	if (status != MVMI_OK)
		return status;
	host = further_pages(gva, dst.len) ? NULL
					   : find_mapped(space, gva, dst.len);
	if (!host)
		return read_range(space, gva, dst, err);
	memcpy(dst.ptr, host, dst.len);
	return MVMI_OK;
}

enum mvmi_status mvmi_space_read_u64(struct mvmi_space *space, mvmi_gva gva,
				     uint64_t *ret, struct mvmi_error *err)
{
	uint8_t raw[sizeof(*ret)] = { 0 };
	enum mvmi_status status = check_range(gva, sizeof(raw), err);
	const uint8_t *host;

	if (status == MVMI_OK)
		status = space_begin(space, err);
	if (status != MVMI_OK)
		return status;
	host = find_mapped(space, gva, sizeof(raw));
	if (!host) {
		status =
			read_range(space, gva,
				   (struct mvmi_span){ raw, sizeof(raw) }, err);
		host = raw;
	}
	if (status == MVMI_OK)
		*ret = load_le64(host);
	return status;
}

static enum mvmi_status
write_runs(struct mvmi_space *space, const struct run *runs, size_t count,
	   const uint8_t *src, enum mvmi_write_mode mode,
	   struct mvmi_error *err)
{
	for (size_t i = 0; i < count; i++) {
		struct mvmi_bytes bytes = { src, runs[i].len };
		enum mvmi_status status = mvmi_mem_write(space->vm, runs[i].gpa,
							 bytes, mode, err);

		if (status != MVMI_OK)
			return status;
		src += runs[i].len;
	}
	return MVMI_OK;
}

enum mvmi_status
mvmi_space_write(struct mvmi_space *space, mvmi_gva gva, struct mvmi_bytes src,
		 enum mvmi_write_mode mode, struct mvmi_error *err)
{
	struct run few[SPACE_BATCH];
	struct run *runs = few;
	enum mvmi_status status = check_range(gva, src.len, err);
	size_t count;
	size_t done;

	if (status != MVMI_OK || src.len == 0)
		return status;
	status = space_begin(space, err);
	if (status != MVMI_OK)
		return status;
	count = further_pages(gva, src.len) + 1;
	if (count > ARRAY_LEN(few))
		runs = calloc(count, sizeof(*runs));
	if (!runs)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu pages",
			    count);
	status = find_runs(space, gva, src.len, runs, &count, &done, err);
	if (status == MVMI_OK)
		status = write_runs(space, runs, count, src.ptr, mode, err);
	if (runs != few)
		free(runs);
	return status;
}
