/* SPDX-License-Identifier: MIT */
#include "os/linux/process.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/areas.h"
#include "os/linux/path.h"

/** Executables larger than this are not read back. */
#define CONTENT_LEN_MAX (UINT64_C(1) << 30)

/* A page table entry that is not present, but not empty (x86). */
#define ENTRY_PROTNONE UINT64_C(0x100) /**< the page is there all the same */
#define ENTRY_FRAME    UINT64_C(0x000ffffffffff000)

enum mvmi_status
process_space_of(struct linux_os *guest, const struct object *mm,
		 struct mvmi_space **ret, struct mvmi_error *err)
{
	struct mvmi_space_params params = guest->kernel.params;

	params.root = object_u64(mm, MM_PGD) - guest->kernel.page_offset;
	return mvmi_space_create(guest->os.vm, &params, ret, err);
}

enum mvmi_status
linux_process_space(struct mvmi_os *os, uint64_t pid, struct mvmi_space **ret,
		    struct mvmi_error *err)
{
	struct linux_os *guest = linux_of(os);
	struct object mm;
	enum mvmi_status status = task_find_mm(guest, pid, &mm, err);

	if (status != MVMI_OK)
		return status;
	return process_space_of(guest, &mm, ret, err);
}

enum mvmi_status process_open(struct linux_os *guest, uint64_t pid,
			      struct process **ret, struct mvmi_error *err)
{
	struct process *process = malloc(sizeof(*process));
	enum mvmi_status status;

	if (!process)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a process");
	process->guest = guest;
	process->space = NULL;
	process->area_known = false;
	status = task_find_mm(guest, pid, &process->mm, err);
	if (status == MVMI_OK)
		status = process_space_of(guest, &process->mm, &process->space,
					  err);
	if (status != MVMI_OK) {
		process_close(process);
		return status;
	}
	*ret = process;
	return MVMI_OK;
}

void process_close(struct process *process)
{
	if (!process)
		return;
	mvmi_space_destroy(process->space);
	free(process);
}

enum mvmi_status
process_find_area(struct process *process, mvmi_gva gva, struct mvmi_error *err)
{
	const struct object *area = &process->area;
	const struct object *below = NULL;
	mvmi_gva file;
	enum mvmi_status status;

	/* Most ask for the same one again, or for one behind it. */
	if (process->area_known && gva.val >= object_u64(area, AREA_START) &&
	    gva.val < object_u64(area, AREA_END))
		return MVMI_OK;
	if (process->area_known && gva.val >= object_u64(area, AREA_END))
		below = area;
	process->area_known = false;
	status = area_find(process->guest, &process->mm, below, gva,
			   &process->area, err);
	if (status != MVMI_OK)
		return status;
	file = object_gva(area, AREA_FILE);
	if (file.val)
		status = pagecache_of_file(process->guest, file,
					   &process->cache, err);
	process->area_known = status == MVMI_OK;
	return status;
}

/** Where a page is that the process has not touched: in its file's cache. */
static enum mvmi_status find_cached(struct process *process, mvmi_gva gva,
				    mvmi_gpa *ret, struct mvmi_error *err)
{
	const struct object *area = &process->area;
	uint64_t index;
	enum mvmi_status status = process_find_area(process, gva, err);

	if (status != MVMI_OK)
		return status;
	if (object_u64(area, AREA_FILE) == 0)
		return fail(err, MVMI_ERR_NOT_PRESENT,
			    "no file is mapped there, and the page was never "
			    "touched");
	index = object_u64(area, AREA_PAGE) +
		(gva.val - object_u64(area, AREA_START)) / MVMI_PAGE_SIZE;
	if (index > (process->cache.length - 1) / MVMI_PAGE_SIZE ||
	    process->cache.length == 0)
		return fail(err, MVMI_ERR_NOT_PRESENT,
			    "the mapped file is shorter");
	return pagecache_find(process->guest, &process->cache, index, ret, err);
}

/** Find the page of an address that no page table shows. */
static enum mvmi_status find_page(struct process *process, mvmi_gva gva,
				  mvmi_gpa *ret, struct mvmi_error *err)
{
	struct mvmi_translation page = { .gva = gva };
	mvmi_gpa gpa = { 0 };
	enum mvmi_status status =
		mvmi_space_translate_batch(process->space, &page, 1, err);

	if (status != MVMI_OK)
		return status;
	if (page.fault == MVMI_WALK_OK)
		gpa = mvmi_gpa_at(page.gpa.val & ~(MVMI_PAGE_SIZE - 1));
	else if (page.fault != MVMI_WALK_NOT_PRESENT)
		return fail(err, MVMI_ERR_NOT_PRESENT, "%s",
			    mvmi_walk_fault_name(page.fault));
	else if (page.entry == 0)
		status = find_cached(process, gva, &gpa, err);
	else if (page.level == 1 && (page.entry & ENTRY_PROTNONE))
		/* Its frame is kept inverted, out of a CPU's guesses (L1TF). */
		gpa = mvmi_gpa_at(~page.entry & ENTRY_FRAME);
	else
		status = fail(err, MVMI_ERR_NOT_PRESENT,
			      "the page is swapped out or on its way");
	if (status == MVMI_OK)
		*ret = gpa;
	return status;
}

static enum mvmi_status
read_in_page(struct process *process, mvmi_gva gva, struct mvmi_span dst,
	     struct mvmi_error *err)
{
	mvmi_gpa gpa = { 0 };
	enum mvmi_status status = find_page(process, gva, &gpa, err);

	if (status == MVMI_OK)
		status = mvmi_mem_read(
			process->guest->os.vm,
			mvmi_gpa_at(gpa.val + gva.val % MVMI_PAGE_SIZE), dst,
			err);
	if (status == MVMI_ERR_NOT_PRESENT && err)
		err->addr = gva.val;
	return fail_context(err, status, "virtual 0x%" PRIx64, gva.val);
}

enum mvmi_status process_read(struct process *process, mvmi_gva gva,
			      struct mvmi_span dst, struct mvmi_error *err)
{
	enum mvmi_status status =
		mvmi_space_read(process->space, gva, dst, err);

	if (status != MVMI_ERR_NOT_PRESENT)
		return status;
	status = MVMI_OK;
	while (status == MVMI_OK && dst.len) {
		size_t left =
			(size_t)(MVMI_PAGE_SIZE - gva.val % MVMI_PAGE_SIZE);
		struct mvmi_span part = { dst.ptr, MIN(left, dst.len) };

		status = read_in_page(process, gva, part, err);
		gva.val += part.len;
		dst.ptr += part.len;
		dst.len -= part.len;
	}
	return status;
}

static enum mvmi_status
read_once(struct linux_os *guest, uint64_t pid, mvmi_gva gva,
	  struct mvmi_span dst, struct mvmi_error *err)
{
	struct process *process;
	enum mvmi_status status = process_open(guest, pid, &process, err);

	if (status != MVMI_OK)
		return status;
	status = process_read(process, gva, dst, err);
	process_close(process);
	return status;
}

enum mvmi_status
linux_process_read(struct mvmi_os *os, uint64_t pid, mvmi_gva gva,
		   struct mvmi_span dst, struct mvmi_error *err)
{
	struct linux_os *guest = linux_of(os);
	enum mvmi_status status = read_once(guest, pid, gva, dst, err);

	/* What is not there is so often; what contradicts itself was torn. */
	for (unsigned n = 1; n < LINUX_TRIES && status == MVMI_ERR_CORRUPT &&
			     linux_is_running(guest);
	     n++)
		status = read_once(guest, pid, gva, dst, err);
	return status;
}

/** What of a content is put together before it is made. */
struct content {
	struct pagecache cache;
	struct mvmi_span bytes;
	uint64_t missing;
	const char *path;
};

/**
 * Look at the cache of the executable. A file of an overlay has none: what
 * stands behind it is what is mapped, and there under the same path.
 */
static enum mvmi_status
find_content(struct linux_os *guest, const struct object *mm, struct list *list,
	     struct content *ret, struct mvmi_error *err)
{
	mvmi_gva file = object_gva(mm, MM_EXE_FILE);
	struct object area;
	const char *path = "";
	mvmi_gva mapped;
	enum mvmi_status status =
		pagecache_of_file(guest, file, &ret->cache, err);

	if (status == MVMI_OK)
		status = path_of_file(guest, file, list, &ret->path, err);
	if (status != MVMI_OK || ret->cache.head)
		return status;
	if (area_find(guest, mm, NULL, object_gva(mm, MM_START_CODE), &area,
		      NULL) != MVMI_OK)
		return MVMI_OK;
	mapped = object_gva(&area, AREA_FILE);
	if (mapped.val == 0 ||
	    path_of_file(guest, mapped, list, &path, NULL) != MVMI_OK ||
	    strcmp(path, ret->path) != 0)
		return MVMI_OK;
	return pagecache_of_file(guest, mapped, &ret->cache, err);
}

static enum mvmi_status
read_content(struct linux_os *guest, uint64_t pid, struct list *list,
	     struct content *ret, struct mvmi_error *err)
{
	struct object mm;
	enum mvmi_status status = task_find_mm(guest, pid, &mm, err);

	if (status == MVMI_OK && object_u64(&mm, MM_EXE_FILE) == 0)
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "process %" PRIu64 " has no executable", pid);
	if (status == MVMI_OK)
		status = find_content(guest, &mm, list, ret, err);
	if (status != MVMI_OK)
		return status;
	if (ret->cache.length > CONTENT_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "the executable has %" PRIu64
			    " bytes; more than %" PRIu64 " are not read",
			    ret->cache.length, CONTENT_LEN_MAX);
	ret->bytes.len = (size_t)ret->cache.length;
	ret->bytes.ptr = list_alloc(list, ret->bytes.len);
	if (!ret->bytes.ptr)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a file");
	return pagecache_read_all(guest, &ret->cache, ret->bytes, &ret->missing,
				  err);
}

enum mvmi_status
linux_read_executable(struct mvmi_os *os, uint64_t pid,
		      const struct mvmi_content **ret, struct mvmi_error *err)
{
	struct list list = { .chunks = NULL };
	struct linux_os *guest = linux_of(os);
	struct content content = { .missing = 0 };
	struct mvmi_content *made;
	const void *head;
	enum mvmi_status status = MVMI_OK;

	for (unsigned n = 0; n < LINUX_TRIES; n++) {
		list_restart(&list);
		status = read_content(guest, pid, &list, &content, err);
		if (status != MVMI_ERR_CORRUPT || !linux_is_running(guest))
			break;
	}
	if (status != MVMI_OK && list.failed == MVMI_OK) {
		list_fini(&list);
		return status;
	}
	status = list_finish(&list, sizeof(*made), &head, err);
	if (status != MVMI_OK)
		return status;
	/* A list without records, whose head is not that of a list. */
	made = (struct mvmi_content *)(uintptr_t)head;
	*made = (struct mvmi_content){
		.bytes = { content.bytes.ptr, content.bytes.len },
		.missing = content.missing,
		.path = content.path,
	};
	*ret = made;
	return MVMI_OK;
}
