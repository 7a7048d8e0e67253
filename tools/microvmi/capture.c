/* SPDX-License-Identifier: MIT */
#include "capture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "elfcore.h"
#include "interrupt.h"
#include "kernelnote.h"
#include "target.h"

#define CHUNK_LEN ((size_t)1 << 20)

/* Zeros are quick, but ^C should not wait for all of a large guest's. */
#define SKIP_LEN_MAX (UINT64_C(1) << 26)

/** Drop regions that can't be read: encrypted memory. */
static void keep_readable(struct capture *capture)
{
	size_t kept = 0;

	for (size_t i = 0; i < capture->region_count; i++) {
		const struct mvmi_region *region = &capture->regions[i];

		if (region->kind == MVMI_REGION_PRIVATE) {
			if (!capture->missing)
				capture->first_missing = region->start.val;
			capture->missing += region->len;
			continue;
		}
		capture->total += region->len;
		capture->regions[kept++] = *region;
	}
	capture->region_count = kept;
}

static int get_regs(struct capture *capture)
{
	unsigned count = mvmi_vcpu_count(capture->vm);
	struct mvmi_error err;

	if (count == 0)
		return EXIT_OK;
	capture->regs = calloc(count, sizeof(*capture->regs));
	if (!capture->regs)
		diag_no_memory();
	for (unsigned i = 0; i < count; i++) {
		capture->regs[i] = mvmi_regs_empty();
		if (mvmi_vcpu_get_regs(capture->vm, i, MVMI_REGS_ALL,
				       &capture->regs[i], &err) != MVMI_OK)
			return diag_error(&err, "cannot read the registers");
	}
	capture->vcpu_count = count;
	return EXIT_OK;
}

int capture_init(struct capture *capture, struct mvmi_vm *vm)
{
	int code;

	*capture = (struct capture){ .vm = vm };
	code = get_regs(capture);
	if (code == EXIT_OK)
		code = target_regions(vm, &capture->regions,
				      &capture->region_count);
	if (code != EXIT_OK)
		return code;
	keep_readable(capture);
	capture->incarnation = mvmi_vm_incarnation(vm);
	capture->chunk = malloc(CHUNK_LEN);
	if (!capture->chunk)
		diag_no_memory();
	return EXIT_OK;
}

void capture_fini(struct capture *capture)
{
	progress_end(&capture->progress);
	free(capture->chunk);
	free(capture->regs);
	free(capture->regions);
}

/** Leave a hole for bytes that could not be read. */
static int miss(struct capture *capture, uint64_t addr, uint64_t len)
{
	if (!capture->missing)
		capture->first_missing = addr;
	capture->missing += len;
	return sink_skip(capture->sink, len);
}

/** Copy from gpa on; *ret is how many bytes are settled. */
static int
copy_data(struct capture *capture, mvmi_gpa gpa, size_t len, uint64_t *ret)
{
	struct mvmi_mem_op op = { .gpa = gpa, .dst = { capture->chunk, len } };
	struct mvmi_error err;
	uint64_t gap;
	int code;

	if (mvmi_mem_readv(capture->vm, &op, 1, &err) != MVMI_OK)
		return diag_error(&err, "cannot read the memory at 0x%" PRIx64,
				  gpa.val);
	if (op.status == MVMI_OK)
		op.done = len;
	*ret = op.done;
	code = sink_write(capture->sink,
			  (struct mvmi_bytes){ capture->chunk, op.done });
	if (code != EXIT_OK || op.done == len)
		return code;
	/* RAM that went away under us, by a balloon or as encrypted. */
	gap = MVMI_PAGE_SIZE - (gpa.val + op.done) % MVMI_PAGE_SIZE;
	gap = gap < len - op.done ? gap : len - op.done;
	*ret += gap;
	return miss(capture, gpa.val + op.done, gap);
}

static int
copy_some(struct capture *capture, mvmi_gpa gpa, uint64_t left, uint64_t *ret)
{
	struct mvmi_extent extent;
	struct mvmi_error err;
	uint64_t len;

	if (mvmi_mem_extent(capture->vm, gpa, &extent, &err) != MVMI_OK)
		return diag_error(&err,
				  "cannot look at the memory at 0x%" PRIx64,
				  gpa.val);
	len = extent.len < left ? extent.len : left;
	if (extent.kind == MVMI_EXTENT_DATA)
		return copy_data(capture, gpa,
				 len < CHUNK_LEN ? (size_t)len : CHUNK_LEN,
				 ret);
	*ret = len < SKIP_LEN_MAX ? len : SKIP_LEN_MAX;
	if (extent.kind == MVMI_EXTENT_ZERO)
		return sink_skip(capture->sink, *ret);
	return miss(capture, gpa.val, *ret);
}

static int
copy_region(struct capture *capture, const struct mvmi_region *region)
{
	uint64_t done = 0;

	while (done < region->len) {
		mvmi_gpa gpa = mvmi_gpa_at(region->start.val + done);
		uint64_t n = 0;
		int code;

		if (interrupt_came())
			return EXIT_INTERRUPTED;
		code = copy_some(capture, gpa, region->len - done, &n);
		if (code != EXIT_OK)
			return code;
		if (mvmi_vm_incarnation(capture->vm) != capture->incarnation) {
			diag_say("the VM was reset or migrated in the middle "
				 "of the dump; start it again");
			return EXIT_FAILED;
		}
		done += n;
		capture->done += n;
		progress_update(&capture->progress, capture->done);
	}
	return EXIT_OK;
}

static int write_head(struct capture *capture)
{
	struct mvmi_span note = kernelnote_read(capture->vm);
	struct mvmi_span head;
	const char *wrong =
		elfcore_head(capture->regions, capture->region_count,
			     capture->regs, capture->vcpu_count,
			     (struct mvmi_bytes){ note.ptr, note.len }, &head);
	int code;

	free(note.ptr);
	if (wrong) {
		diag_say("cannot write an ELF core: %s", wrong);
		return EXIT_FAILED;
	}
	code = sink_write(capture->sink,
			  (struct mvmi_bytes){ head.ptr, head.len });
	free(head.ptr);
	return code;
}

int capture_run(struct capture *capture, struct sink *sink,
		enum capture_format format)
{
	int code = EXIT_OK;

	capture->sink = sink;
	progress_begin(&capture->progress, capture->total);
	if (format == CAPTURE_ELF)
		code = write_head(capture);
	for (size_t i = 0; code == EXIT_OK && i < capture->region_count; i++) {
		const struct mvmi_region *region = &capture->regions[i];

		if (format == CAPTURE_RAW)
			code = sink_skip(sink, region->start.val - sink->pos);
		if (code == EXIT_OK)
			code = copy_region(capture, region);
		if (code == EXIT_OK && format == CAPTURE_ELF)
			code = sink_skip(sink, elfcore_padding(region->len));
	}
	progress_end(&capture->progress);
	return code;
}
