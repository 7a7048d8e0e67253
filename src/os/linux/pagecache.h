/* SPDX-License-Identifier: MIT */
/** @file The page cache: which frames hold the content of a file. */
#ifndef MICROVMI_OS_LINUX_PAGECACHE_H
#define MICROVMI_OS_LINUX_PAGECACHE_H

#include "os/linux/linux.h"

#define pagecache_of_file  mvmi__pagecache_of_file
#define pagecache_find	   mvmi__pagecache_find
#define pagecache_read	   mvmi__pagecache_read
#define pagecache_read_all mvmi__pagecache_read_all

/** The cache of one file, as it was when it was looked at. */
struct pagecache {
	mvmi_gva mapping; /**< struct address_space */
	uint64_t head;	  /**< of its array of pages */
	uint64_t length;  /**< of the file, in bytes */
};

/** Look at the cache of an open file. @param file  struct file. */
enum mvmi_status
pagecache_of_file(struct linux_os *guest, mvmi_gva file, struct pagecache *ret,
		  struct mvmi_error *err);

/**
 * Find the frame of a page.
 *
 * @param index  Of the page in the file.
 * @retval MVMI_ERR_NOT_PRESENT  It is not cached.
 * @retval MVMI_ERR_CORRUPT      The array holds a page of another file.
 */
enum mvmi_status
pagecache_find(struct linux_os *guest, const struct pagecache *cache,
	       uint64_t index, mvmi_gpa *ret, struct mvmi_error *err);

/**
 * Read file content.
 *
 * @param off  In the file.
 * @retval MVMI_ERR_NOT_PRESENT  A page is not cached, or past the file's end.
 */
enum mvmi_status
pagecache_read(struct linux_os *guest, const struct pagecache *cache,
	       uint64_t off, struct mvmi_span dst, struct mvmi_error *err);

/**
 * Read all of a file that is cached.
 *
 * @param dst          Zeroed, cache->length bytes; gaps stay as they are.
 * @param ret_missing  Bytes that are not cached.
 */
enum mvmi_status
pagecache_read_all(struct linux_os *guest, const struct pagecache *cache,
		   struct mvmi_span dst, uint64_t *ret_missing,
		   struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_PAGECACHE_H */
