/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A dump taken apart: where in the file each byte of guest-physical memory
 * lies, and the registers that came with it. Filled by a format's parser,
 * which reads the file through a struct dump_source and so runs on plain memory
 * in tests.
 */
#ifndef MICROVMI_DUMP_IMAGE_H
#define MICROVMI_DUMP_IMAGE_H

#include <microvmi/types.h>
#include <microvmi/vcpu.h>

#define image_add     mvmi__dump_image_add
#define image_sort    mvmi__dump_image_sort
#define image_overlap mvmi__dump_image_overlap
#define image_trim    mvmi__dump_image_trim
#define image_find    mvmi__dump_image_find
#define image_fini    mvmi__dump_image_fini

/* More than the memory slots of any VMM; the table of them takes 8 MiB. */
#define DUMP_SEGMENTS_MAX 262144

#define DUMP_VCPUS_MAX	  4096

/** Bytes to parse: a file, or memory in tests. */
struct dump_source {
	uint64_t size; /**< bytes */
	/** Read exactly dst.len bytes; CORRUPT where the source ends before. */
	enum mvmi_status (*read)(const struct dump_source *source, uint64_t off,
				 struct mvmi_span dst, struct mvmi_error *err);
};

/** A run of guest-physical memory. start + len does not wrap. */
struct dump_segment {
	uint64_t start;	   /**< guest-physical */
	uint64_t len;	   /**< bytes, not 0 */
	uint64_t file_len; /**< bytes in the file, at most len; the rest is 0 */
	uint64_t off;	   /**< of the first byte in the file */
};

/** Zeroed is empty. */
struct dump_image {
	struct dump_segment
		*segments; /**< owned; sorted, disjoint at the end */
	size_t segment_count;
	size_t segment_capacity;
	struct mvmi_regs *vcpus; /**< owned */
	unsigned vcpu_count;
	char hypervisor[64]; /**< what wrote it, as far as it says so, or "" */
	char note[256];	     /**< for info: what is missing and why, or "" */
};

/**
 * Add a segment, in any order. An empty one is a no-op.
 *
 * @retval MVMI_ERR_CORRUPT  It reaches beyond 2^64, or beyond file_size.
 * @retval MVMI_ERR_LIMIT    DUMP_SEGMENTS_MAX are there.
 */
enum mvmi_status
image_add(struct dump_image *image, const struct dump_segment *segment,
	  uint64_t file_size, struct mvmi_error *err);

/** Sort by address; equal ones stay in the order in which they were added. */
void image_sort(struct dump_image *image);

/** Of sorted segments, the first that begins before its predecessor ends. */
const struct dump_segment *image_overlap(const struct dump_image *image);

/** Sort; of segments that overlap the one that begins lower wins. */
void image_trim(struct dump_image *image);

/**
 * The segment that holds gpa.
 *
 * @param ret_next  Without one, where the next begins; UINT64_MAX for none.
 */
const struct dump_segment *
image_find(const struct dump_image *image, uint64_t gpa, uint64_t *ret_next);

void image_fini(struct dump_image *image);

#endif /* MICROVMI_DUMP_IMAGE_H */
