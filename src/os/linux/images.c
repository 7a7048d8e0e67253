/* SPDX-License-Identifier: MIT */
/* ELF images that a process has mapped: programs, libraries, the vDSO. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/areas.h"
#include "os/linux/process.h"
#include "symbols/elf.h"
#include "symbols/elfsym.h"

/** Images of one process; a browser has some hundred. */
#define IMAGES_MAX 65536
/** No image spans more than this; a user's addresses have 47 bits. */
#define IMAGE_LEN_MAX (UINT64_C(1) << 40)

static enum mvmi_status
read_mapped(void *ctx, uint64_t off, struct mvmi_span dst,
	    struct mvmi_error *err)
{
	return process_read(ctx, mvmi_gva_at(off), dst, err);
}

/** Could an image begin with this area? */
static bool may_begin_image(const struct mvmi_area *area)
{
	return area->offset == 0 &&
	       (area->inode != 0 || strcmp(area->path, "[vdso]") == 0);
}

/** Is it one more view of the image that was found last? */
static bool
is_of_image(const struct mvmi_area *area, const struct mvmi_image *image)
{
	return image && area->start.val < image->end.val &&
	       strcmp(area->path, image->path) == 0;
}

/** The end of all its segments, as far as that is to be believed. */
static uint64_t
end_of_segments(const struct elf *elf, uint64_t base, uint64_t end)
{
	const struct elf_segment *segment = NULL;

	for (;;) {
		uint64_t stop;

		segment = elf_find_segment(elf, ELF_PT_LOAD, segment);
		if (!segment)
			return end;
		stop = elf->bias + segment->vaddr + segment->memsz;
		stop = (stop + MVMI_PAGE_SIZE - 1) & ~(MVMI_PAGE_SIZE - 1);
		if (stop > base && stop - base <= IMAGE_LEN_MAX)
			end = MAX(end, stop);
	}
}

static const char *
format_build_id(struct list *list, const struct elf_build_id *id)
{
	char text[2 * ELF_BUILD_ID_MAX];

	for (size_t i = 0; i < id->len; i++) {
		static const char digits[] = "0123456789abcdef";

		text[2 * i] = digits[id->bytes[i] >> 4];
		text[2 * i + 1] = digits[id->bytes[i] & 15];
	}
	return list_string(list, text, (size_t)2 * id->len);
}

/** Add the image that begins with an area; none is no error. */
static enum mvmi_status
add_image(struct process *process, const struct mvmi_area *area,
	  struct list *list, struct mvmi_error *err)
{
	struct elf_source source = { read_mapped, process };
	struct elf_build_id id = { .len = 0 };
	struct mvmi_image *record;
	struct elf elf;
	uint8_t magic[ELF_MAGIC_LEN];
	enum mvmi_status status =
		process_read(process, area->start,
			     (struct mvmi_span){ magic, sizeof(magic) }, err);

	if (tasks_torn(status))
		return MVMI_OK;
	if (status != MVMI_OK)
		return status;
	if (!elf_is_magic((struct mvmi_bytes){ magic, sizeof(magic) }))
		return MVMI_OK;
	record = list_add(list, sizeof(*record));
	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	record->base = area->start;
	record->end = area->end;
	record->path = list_string(list, area->path, strlen(area->path));
	record->build_id = "";
	status = elf_open_mapped(&source, area->start.val, &elf, err);
	if (status == MVMI_OK) {
		record->end = mvmi_gva_at(
			end_of_segments(&elf, area->start.val, area->end.val));
		status = elf_build_id(&elf, &id, err);
		record->build_id = format_build_id(list, &id);
		elf_close(&elf);
	}
	if (status == MVMI_OK || status == MVMI_ERR_NOMEM ||
	    status == MVMI_ERR_GONE)
		return status;
	list_doubt(list, "the head of the image at 0x%" PRIx64 " can't be read",
		   area->start.val);
	return MVMI_OK;
}

enum mvmi_status
linux_list_images(struct mvmi_os *os, uint64_t pid,
		  const struct mvmi_image_list **ret, struct mvmi_error *err)
{
	const struct mvmi_image *last = NULL;
	const struct mvmi_area_list *areas;
	struct list list = { .chunks = NULL };
	struct process *process;
	enum mvmi_status status = linux_list_areas(os, pid, &areas, err);

	if (status != MVMI_OK)
		return status;
	status = process_open(linux_of(os), pid, &process, err);
	if (status != MVMI_OK) {
		mvmi_os_free(areas);
		return status;
	}
	if (areas->doubt[0])
		list_doubt(&list, "%s", areas->doubt);
	for (size_t i = 0; status == MVMI_OK && i < areas->count; i++) {
		const struct mvmi_area *area = areas->items[i];

		if (!may_begin_image(area) || is_of_image(area, last))
			continue;
		if (list.count == IMAGES_MAX) {
			list_doubt(&list, "there are more than %d images",
				   IMAGES_MAX);
			break;
		}
		status = add_image(process, area, &list, err);
		if (list.count)
			last = list.items[list.count - 1];
	}
	process_close(process);
	mvmi_os_free(areas);
	if (status != MVMI_OK && list.failed == MVMI_OK) {
		list_fini(&list);
		return status;
	}
	return list_finish(&list, sizeof(**ret), (const void **)ret, err);
}

static enum mvmi_status
read_cached(void *ctx, uint64_t off, struct mvmi_span dst,
	    struct mvmi_error *err)
{
	struct process *process = ctx;

	return pagecache_read(process->guest, &process->cache, off, dst, err);
}

/**
 * Load the symbols of the file that an image was mapped from, as far as the
 * guest caches it: those that are not exported, too.
 */
static enum mvmi_status
load_from_file(struct process *process, uint64_t bias,
	       struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct elf_source source = { read_cached, process };
	struct elf elf;
	enum mvmi_status status;

	if (object_u64(&process->area, AREA_FILE) == 0)
		return fail(err, MVMI_ERR_UNSUPPORTED, "it is of no file");
	status = elf_open(&source, &elf, err);
	if (status != MVMI_OK)
		return status;
	status = elfsym_load(&elf, bias, ret, err);
	elf_close(&elf);
	return status;
}

static enum mvmi_status
load_symbols(struct process *process, mvmi_gva base, struct mvmi_symbols **ret,
	     struct mvmi_error *err)
{
	struct elf_source source = { read_mapped, process };
	struct elf elf;
	enum mvmi_status status = process_find_area(process, base, err);

	if (status == MVMI_OK)
		status = elf_open_mapped(&source, base.val, &elf, err);
	if (status != MVMI_OK)
		return status;
	/* Opening may have looked at another area. */
	status = process_find_area(process, base, err);
	if (status == MVMI_OK &&
	    load_from_file(process, elf.bias, ret, NULL) != MVMI_OK)
		status = elfsym_load_mapped(&elf, ret, err);
	elf_close(&elf);
	return status;
}

enum mvmi_status
linux_image_symbols(struct mvmi_os *os, uint64_t pid, mvmi_gva base,
		    struct mvmi_symbols **ret, struct mvmi_error *err)
{
	struct process *process;
	enum mvmi_status status =
		process_open(linux_of(os), pid, &process, err);

	if (status != MVMI_OK)
		return status;
	status = load_symbols(process, base, ret, err);
	process_close(process);
	return fail_context(err, status, "image at 0x%" PRIx64, base.val);
}
