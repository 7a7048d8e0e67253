/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Building a result of <microvmi/os.h>: records, their strings, and the public
 * struct that holds them, all freed as one by mvmi_os_free().
 *
 * After the first failure (no memory, too large) the list stays failed and
 * every further call is a no-op that returns something harmless, so that a walk
 * asks once, in list_finish().
 */
#ifndef MICROVMI_OS_LIST_H
#define MICROVMI_OS_LIST_H

#include <microvmi/os.h>
#include <stdarg.h>

#define list_add     mvmi__list_add
#define list_alloc   mvmi__list_alloc
#define list_string  mvmi__list_string
#define list_format  mvmi__list_format
#define list_doubt   mvmi__list_doubt
#define list_restart mvmi__list_restart
#define list_finish  mvmi__list_finish
#define list_fini    mvmi__list_fini

/** What all results together may take: a guest can't make us eat the host. */
#define LIST_BYTES_MAX ((size_t)1 << 30)
/** Records of one list. */
#define LIST_RECORDS_MAX ((size_t)1 << 22)

struct list_chunk;

struct list {
	struct list_chunk *chunks; /**< owned */
	void **items;		   /**< owned; its targets are in chunks */
	size_t count;
	size_t capacity;
	size_t bytes;	 /**< taken from the host so far */
	char doubt[192]; /**< see list_doubt() */
	enum mvmi_status failed;
};

/** What every public list begins with. */
struct list_head_public {
	const void *const *items;
	size_t count;
	const char *doubt;
};

/** Append a record of len zeroed bytes; NULL once the list failed. */
void *list_add(struct list *list, size_t len);
/** Zeroed bytes that live with the list; NULL once it failed. */
void *list_alloc(struct list *list, size_t len);
/** A copy of len bytes and a NUL; "" once the list failed. */
const char *list_string(struct list *list, const char *s, size_t len);
const char *
list_format(struct list *list, const char *fmt, ...) MVMI_PRINTF(2, 3);
/** Say what may be inconsistent or missing. The first doubt stands. */
void list_doubt(struct list *list, const char *fmt, ...) MVMI_PRINTF(2, 3);
/** Drop all records and doubts, to walk once more. */
void list_restart(struct list *list);

/**
 * Make the public struct, of head_len bytes that begin with a struct
 * list_head_public, and give it away: the list is empty after.
 *
 * @param ret  Free with mvmi_os_free().
 * @retval MVMI_ERR_NOMEM, MVMI_ERR_LIMIT  What made the list fail.
 */
enum mvmi_status list_finish(struct list *list, size_t head_len,
			     const void **ret, struct mvmi_error *err);

/** Free what is left after a walk that failed. A zeroed list is a no-op. */
void list_fini(struct list *list);

#endif /* MICROVMI_OS_LIST_H */
