/* SPDX-License-Identifier: MIT */
/** @file Read-only files with 64-bit offsets. */
#ifndef MICROVMI_BASE_FILE_H
#define MICROVMI_BASE_FILE_H

#include <microvmi/mem.h>
#include <microvmi/types.h>

#define file_open     mvmi__file_open
#define file_read_at  mvmi__file_read_at
#define file_readv_at mvmi__file_readv_at
#define file_extent   mvmi__file_extent
#define file_close    mvmi__file_close

/**
 * An open file. It is read with pread, never mapped: a dump may be truncated
 * under us, and a mapping would turn that into SIGBUS.
 */
struct file {
	int fd;	       /**< owned */
	uint64_t size; /**< bytes, when it was opened */
};

/** Open an ordinary file or a block device. A directory is INVALID. */
enum mvmi_status
file_open(struct file *f, const char *path, struct mvmi_error *err);
/** Read exactly dst.len bytes. A file that ends before gives CORRUPT. */
enum mvmi_status file_read_at(const struct file *f, uint64_t off,
			      struct mvmi_span dst, struct mvmi_error *err);
/** As file_read_at() for one run of the file that goes to many places. */
enum mvmi_status
file_readv_at(const struct file *f, uint64_t off, const struct mvmi_span *dsts,
	      size_t count, struct mvmi_error *err);
/**
 * Whether the byte at off is in a hole of the file, and for how many bytes that
 * answer holds. The answer is DATA where the file system can't tell.
 */
enum mvmi_extent_kind
file_extent(const struct file *f, uint64_t off, uint64_t *ret_len);
/** A closed file, or one that failed to open, is a no-op. */
void file_close(struct file *f);

#endif /* MICROVMI_BASE_FILE_H */
