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

struct run_list {
	struct run *runs;
	size_t room;
	size_t count;
	size_t bytes; /**< in all of them */
};

/** Append bytes to the last run or as a new one. @return false: no room. */
static bool run_list_add(struct run_list *list, mvmi_gpa gpa, size_t len)
{
	struct run *last = list->count ? &list->runs[list->count - 1] : NULL;

	if (last && last->gpa.val + last->len == gpa.val)
		last->len += len;
	else if (list->count < list->room)
		list->runs[list->count++] = (struct run){ gpa, len };
	else
		return false;
	list->bytes += len;
	return true;
}

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
	size_t ahead = MIN(further_pages(gva, len), SPACE_BATCH - 1);
	const struct mvmi_translation *page = tlb_find(&space->tlb, gva);
	enum mvmi_status status;

	if (page) {
		*ret = page;
		return MVMI_OK;
	}
	status = space_walk_slow(space, gva, &page, err);
	if (status != MVMI_OK)
		return status;
	*ret = page;
	if (ahead == 0 || page->page_size > MVMI_PAGE_SIZE)
		return MVMI_OK;
	return space_prefetch(
		space, mvmi_gva_at(page->gva.val + MVMI_PAGE_SIZE), ahead, err);
}

/**
 * Turn the first bytes of a range into runs, until there is no room for more
 * or the range is done.
 *
 * @param list  Empty; also on failure it has what lies before.
 */
static enum mvmi_status
find_runs(struct mvmi_space *space, mvmi_gva gva, size_t len,
	  struct run_list *list, struct mvmi_error *err)
{
	while (list->bytes < len) {
		const struct mvmi_translation *page = NULL;
		mvmi_gva at = mvmi_gva_at(gva.val + list->bytes);
		size_t left = len - list->bytes;
		enum mvmi_status status =
			find_page(space, at, left, &page, err);
		uint64_t page_left;

		if (status != MVMI_OK)
			return status;
		page_left = page->page_size - (at.val - page->gva.val);
		if (!run_list_add(list, page_gpa(page, at),
				  (size_t)MIN(page_left, (uint64_t)left)))
			break;
	}
	return MVMI_OK;
}

/** Read runs, one after the other into dst, which has room for them. */
static enum mvmi_status
read_runs(struct mvmi_space *space, const struct run_list *list,
	  struct mvmi_span dst, struct mvmi_error *err)
{
	struct mvmi_mem_op ops[SPACE_BATCH];
	enum mvmi_status status;

	for (size_t i = 0; i < list->count; i++) {
		ops[i] = (struct mvmi_mem_op){
			.gpa = list->runs[i].gpa,
			.dst = { dst.ptr, list->runs[i].len },
		};
		dst.ptr += list->runs[i].len;
	}
	status = mvmi_mem_readv(space->vm, ops, list->count, err);
	/* Reading one alone again is what puts its failure into words. */
	for (size_t i = 0; i < list->count && status == MVMI_OK; i++) {
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
		struct run_list list = { .runs = runs, .room = SPACE_BATCH };
		enum mvmi_status status =
			find_runs(space, gva, dst.len, &list, err);

		/* A missing page is told of when all before it was read. */
		if (status != MVMI_OK && list.count == 0)
			return status;
		status = read_runs(space, &list, dst, err);
		if (status != MVMI_OK)
			return status;
		gva.val += list.bytes;
		dst.ptr += list.bytes;
		dst.len -= list.bytes;
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
write_runs(struct mvmi_space *space, const struct run_list *list,
	   const uint8_t *src, enum mvmi_write_mode mode,
	   struct mvmi_error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		struct mvmi_bytes bytes = { src, list->runs[i].len };
		enum mvmi_status status = mvmi_mem_write(
			space->vm, list->runs[i].gpa, bytes, mode, err);

		if (status != MVMI_OK)
			return status;
		src += list->runs[i].len;
	}
	return MVMI_OK;
}

enum mvmi_status
mvmi_space_write(struct mvmi_space *space, mvmi_gva gva, struct mvmi_bytes src,
		 enum mvmi_write_mode mode, struct mvmi_error *err)
{
	struct run few[SPACE_BATCH];
	struct run_list list = { .runs = few };
	enum mvmi_status status = check_range(gva, src.len, err);

	if (status != MVMI_OK || src.len == 0)
		return status;
	status = space_begin(space, err);
	if (status != MVMI_OK)
		return status;
	list.room = further_pages(gva, src.len) + 1;
	if (list.room > ARRAY_LEN(few))
		list.runs = calloc(list.room, sizeof(*list.runs));
	if (!list.runs)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu pages",
			    list.room);
	status = find_runs(space, gva, src.len, &list, err);
	if (status == MVMI_OK)
		status = write_runs(space, &list, src.ptr, mode, err);
	if (list.runs != few)
		free(list.runs);
	return status;
}
