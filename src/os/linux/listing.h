/* SPDX-License-Identifier: MIT */
/** @file Filling a list from a guest that may change meanwhile. */
#ifndef MICROVMI_OS_LINUX_LISTING_H
#define MICROVMI_OS_LINUX_LISTING_H

#include "os/linux/linux.h"

#define listing_make  mvmi__listing_make
#define listing_doubt mvmi__listing_doubt

/**
 * What may be unreadable in one list, before it is no list any more.  Each may
 * have cost as much as any limit allows: this bounds them together.
 */
#define LISTING_DOUBTS_MAX 1024

/** What is listed, and where to. */
struct listing {
	struct linux_os *guest;
	struct list list;
	uint64_t pid; /**< whose; as the public function takes it */
	unsigned doubts;
};

/** Walk once and add what there is to the list. */
typedef enum mvmi_status (*listing_fn)(struct listing *l,
				       struct mvmi_error *err);

/**
 * Walk, and walk again while the guest changes under it: LINUX_TRIES times.
 * What is torn even then is given as far as it goes, with a doubt, if the guest
 * runs; in one that stands still it is an error.
 *
 * @param head_len  Of the public struct, as list_finish() takes it.
 */
enum mvmi_status listing_make(struct listing *l, listing_fn fn, size_t head_len,
			      const void **ret, struct mvmi_error *err);

/**
 * Say that what hangs on a record can't be read, as list_doubt().
 *
 * @param why  What reading it said.
 * @retval MVMI_ERR_LIMIT  This was LISTING_DOUBTS_MAX times so.
 */
enum mvmi_status
listing_doubt(struct listing *l, const struct mvmi_error *why,
	      struct mvmi_error *err, const char *fmt, ...) MVMI_PRINTF(4, 5);

#endif /* MICROVMI_OS_LINUX_LISTING_H */
