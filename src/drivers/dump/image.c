/* SPDX-License-Identifier: MIT */
#include "drivers/dump/image.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/util.h"

enum mvmi_status
image_add(struct dump_image *image, const struct dump_segment *segment,
	  uint64_t file_size, struct mvmi_error *err)
{
	if (segment->len == 0)
		return MVMI_OK;
	if (segment->len - 1 > UINT64_MAX - segment->start)
		return fail(err, MVMI_ERR_CORRUPT,
			    "0x%" PRIx64 " bytes at guest-physical 0x%" PRIx64
			    " reach beyond 2^64",
			    segment->len, segment->start);
	if (segment->file_len > segment->len)
		return fail(err, MVMI_ERR_CORRUPT,
			    "memory at 0x%" PRIx64 " has 0x%" PRIx64
			    " bytes in the file, but is only 0x%" PRIx64
			    " long",
			    segment->start, segment->file_len, segment->len);
	if (segment->file_len && (segment->off > file_size ||
				  segment->file_len > file_size - segment->off))
		return fail(err, MVMI_ERR_CORRUPT,
			    "memory at 0x%" PRIx64 " needs 0x%" PRIx64
			    " bytes at file offset 0x%" PRIx64
			    ", but the file ends at 0x%" PRIx64
			    ": it was cut short",
			    segment->start, segment->file_len, segment->off,
			    file_size);
	if (image->segment_count == DUMP_SEGMENTS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "more than %d pieces of memory in one dump",
			    DUMP_SEGMENTS_MAX);
	if (image->segment_count == image->segment_capacity) {
		size_t capacity = MAX(16, 2 * image->segment_capacity);
		struct dump_segment *grown =
			realloc(image->segments, capacity * sizeof(*grown));

		if (!grown)
			return fail(err, MVMI_ERR_NOMEM,
				    "no memory for %zu segments", capacity);
		image->segments = grown;
		image->segment_capacity = capacity;
	}
	image->segments[image->segment_count++] = *segment;
	return MVMI_OK;
}

/** By address; of two at one address the one with more in the file first. */
static int compare_segments(const void *a, const void *b)
{
	const struct dump_segment *l = a;
	const struct dump_segment *r = b;

	if (l->start != r->start)
		return l->start < r->start ? -1 : 1;
	if (l->file_len != r->file_len)
		return l->file_len > r->file_len ? -1 : 1;
	return (l->off > r->off) - (l->off < r->off);
}

void image_sort(struct dump_image *image)
{
	if (image->segment_count)
		qsort(image->segments, image->segment_count,
		      sizeof(image->segments[0]), compare_segments);
}

const struct dump_segment *image_overlap(const struct dump_image *image)
{
	for (size_t i = 1; i < image->segment_count; i++) {
		const struct dump_segment *before = &image->segments[i - 1];

		if (image->segments[i].start - before->start < before->len)
			return &image->segments[i];
	}
	return NULL;
}

/** Cut off what lies at or below last; false if nothing is left. */
static bool cut_head(struct dump_segment *s, uint64_t last)
{
	uint64_t cut;

	if (s->start > last)
		return true;
	if (s->len - 1 <= last - s->start)
		return false;
	cut = last - s->start + 1;
	s->start += cut;
	s->len -= cut;
	cut = MIN(cut, s->file_len);
	s->off += cut;
	s->file_len -= cut;
	return true;
}

void image_trim(struct dump_image *image)
{
	uint64_t last = 0;
	size_t kept = 0;

	image_sort(image);
	for (size_t i = 0; i < image->segment_count; i++) {
		struct dump_segment s = image->segments[i];

		if (kept && !cut_head(&s, last))
			continue;
		image->segments[kept++] = s;
		last = s.start + (s.len - 1);
	}
	image->segment_count = kept;
}

const struct dump_segment *
image_find(const struct dump_image *image, uint64_t gpa, uint64_t *ret_next)
{
	size_t low = 0;
	size_t high = image->segment_count;

	/* The first segment that begins beyond gpa. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (image->segments[mid].start <= gpa)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_next = low < image->segment_count ? image->segments[low].start
					       : UINT64_MAX;
	if (low == 0)
		return NULL;
	low--;
	return gpa - image->segments[low].start < image->segments[low].len
		       ? &image->segments[low]
		       : NULL;
}

void image_fini(struct dump_image *image)
{
	free(image->segments);
	free(image->vcpus);
	*image = (struct dump_image){ 0 };
}
