/* SPDX-License-Identifier: MIT */
/*
 * ELF cores: whatever the bytes, the result is an error, or memory that is
 * sorted, disjoint and in the file, and registers that can be copied.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "drivers/dump/elfcore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_source {
	struct dump_source source; /**< first */
	const uint8_t *bytes;
};

static enum mvmi_status
fuzz_read(const struct dump_source *source, uint64_t off, struct mvmi_span dst,
	  struct mvmi_error *err)
{
	const struct fuzz_source *from =
		(const struct fuzz_source *)(const void *)source;

	if (off > source->size || dst.len > source->size - off)
		return fail(err, MVMI_ERR_CORRUPT, "the source ends before");
	if (dst.len)
		memcpy(dst.ptr, from->bytes + off, dst.len);
	return MVMI_OK;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_memory(const struct dump_image *image, size_t size)
{
	uint64_t next;

	require(image->segments || image->segment_count == 0);
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct dump_segment *s = &image->segments[i];

		require(s->len != 0 && s->len - 1 <= UINT64_MAX - s->start);
		require(s->file_len <= s->len);
		require(s->file_len == 0 ||
			(s->off <= size && s->file_len <= size - s->off));
		require(image_find(image, s->start, &next) == s);
		require(image_find(image, s->start + (s->len - 1), &next) == s);
	}
	require(image_overlap(image) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_source source = {
		.source = { .size = size, .read = fuzz_read },
		.bytes = data,
	};
	struct dump_image image = { 0 };
	struct mvmi_error err = { 0 };
	enum mvmi_status status = elfcore_parse(&source.source, &image, &err);

	require(status == MVMI_OK ||
		(err.status == status && err.msg[0] && !image.segments));
	check_memory(&image, size);
	for (unsigned i = 0; i < image.vcpu_count; i++)
		require(image.vcpus[i].size == sizeof(image.vcpus[i]));
	image_fini(&image);
	return 0;
}
