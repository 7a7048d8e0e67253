/* SPDX-License-Identifier: MIT */
#include "symbols/bzimage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "symbols/kallsyms.h"
#include "symbols/table.h"
#include "symbols/unpack.h"

/* Offsets in the setup header. */
#define BZIMAGE_SETUP_SECTS 0x1f1
#define BZIMAGE_MAGIC	    0x202
#define BZIMAGE_VERSION	    0x206
#define BZIMAGE_PAYLOAD	    0x248

#define BZIMAGE_SECTOR	    512

/* Protocol 2.08 added the payload's place. */
#define BZIMAGE_VERSION_MIN 0x208

/* __START_KERNEL_map: kernels are linked from here on. */
#define BZIMAGE_KERNEL_ADDR UINT64_C(0xffffffff80000000)

/* Places that look like a token table; real images have a handful. */
#define BZIMAGE_CANDIDATES_MAX 64

static uint64_t bzimage_field(struct mvmi_bytes image, size_t off, size_t width)
{
	struct cursor c = cursor_of(image);

	(void)cursor_take(&c, off);
	return cursor_le(&c, width);
}

bool bzimage_is(struct mvmi_bytes head)
{
	return head.len >= BZIMAGE_PAYLOAD + 8 &&
	       memcmp(head.ptr + BZIMAGE_MAGIC, "HdrS", 4) == 0;
}

enum mvmi_status bzimage_payload(struct mvmi_bytes image,
				 struct mvmi_bytes *ret, struct mvmi_error *err)
{
	uint64_t sects = bzimage_field(image, BZIMAGE_SETUP_SECTS, 1);
	uint64_t version = bzimage_field(image, BZIMAGE_VERSION, 2);
	uint64_t start = ((sects ? sects : 4) + 1) * BZIMAGE_SECTOR;
	uint64_t offset = bzimage_field(image, BZIMAGE_PAYLOAD, 4);
	uint64_t len = bzimage_field(image, BZIMAGE_PAYLOAD + 4, 4);
	struct mvmi_bytes payload;

	if (version < BZIMAGE_VERSION_MIN)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "boot protocol 0x%" PRIx64
			    " doesn't tell where the kernel is; extract it "
			    "with the kernel's own scripts/extract-vmlinux",
			    version);
	if (start > image.len || offset > image.len - start ||
	    len > image.len - start - offset)
		return fail(err, MVMI_ERR_CORRUPT,
			    "0x%" PRIx64 " bytes at 0x%" PRIx64
			    " of a file of 0x%zx",
			    len, start + offset, image.len);
	payload =
		(struct mvmi_bytes){ image.ptr + start + offset, (size_t)len };
	if (!unpack_is_packed(payload))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "compressed neither by gzip nor xz, zstd or lz4; "
			    "extract it with the kernel's own "
			    "scripts/extract-vmlinux");
	*ret = payload;
	return MVMI_OK;
}

/** The next segment of the kernel's own addresses; per-CPU ones are at 0. */
static const struct elf_segment *
bzimage_next(const struct elf *elf, const struct elf_segment *after)
{
	do {
		after = elf_find_segment(elf, ELF_PT_LOAD, after);
	} while (after && after->vaddr < BZIMAGE_KERNEL_ADDR);
	return after;
}

bool bzimage_is_kernel(const struct elf *elf)
{
	return elf->machine == ELF_MACHINE_X86_64 && bzimage_next(elf, NULL);
}

/** Lay the segments out as they are in memory. */
static enum mvmi_status
bzimage_lay_out(const struct elf *elf, struct mvmi_span *ret,
		uint64_t *ret_start, struct mvmi_error *err)
{
	uint64_t start = UINT64_MAX;
	enum mvmi_status status = MVMI_OK;
	const struct elf_segment *load = NULL;
	struct mvmi_span image;
	uint64_t end = 0;

	while ((load = bzimage_next(elf, load)) != NULL) {
		if (load->filesz > UINT64_MAX - load->vaddr)
			return fail(err, MVMI_ERR_CORRUPT,
				    "a segment wraps around");
		start = load->vaddr < start ? load->vaddr : start;
		end = load->vaddr + load->filesz > end
			      ? load->vaddr + load->filesz
			      : end;
	}
	if (end - start > BZIMAGE_KERNEL_LEN_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "a kernel of 0x%" PRIx64 " bytes", end - start);
	image.len = (size_t)(end - start);
	image.ptr = calloc(image.len + 1, 1);
	if (!image.ptr)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for a kernel of %zu bytes", image.len);
	while (status == MVMI_OK && (load = bzimage_next(elf, load)) != NULL)
		status = elf_read(
			elf, load->offset,
			(struct mvmi_span){ image.ptr + (load->vaddr - start),
					    (size_t)load->filesz },
			err);
	if (status != MVMI_OK) {
		free(image.ptr);
		return fail_context(err, status, "segments of a kernel");
	}
	*ret = image;
	*ret_start = start;
	return MVMI_OK;
}

enum mvmi_status
bzimage_symbols(const struct elf *elf, uint64_t bias, struct mvmi_symbols **ret,
		struct mvmi_error *err)
{
	struct mvmi_symbols *symbols = NULL;
	struct kallsyms_image image;
	struct kallsyms_layout layout;
	struct mvmi_span span = { 0 };
	enum mvmi_status status;
	size_t from = 0;
	size_t at;

	status = bzimage_lay_out(elf, &span, &image.gva, err);
	if (status != MVMI_OK)
		return status;
	image.bytes = (struct mvmi_bytes){ span.ptr, span.len };
	status = fail(err, MVMI_ERR_UNSUPPORTED,
		      "a kernel that was stripped, and built without kallsyms");
	for (unsigned i = 0; i < BZIMAGE_CANDIDATES_MAX && !symbols &&
			     kallsyms_find_tokens(image.bytes, from, &at);
	     i++) {
		status = kallsyms_parse(&image, at, &symbols, &layout, err);
		from = at + 1;
	}
	free(span.ptr);
	if (!symbols)
		return status;
	symbols_rebase(symbols, bias);
	*ret = symbols;
	return MVMI_OK;
}
