/* SPDX-License-Identifier: MIT */
/** @file Filling a list from a guest that may change meanwhile. */
#ifndef MICROVMI_OS_LINUX_LISTING_H
#define MICROVMI_OS_LINUX_LISTING_H

#include "os/linux/linux.h"

#define listing_make mvmi__listing_make

/** What is listed, and where to. */
struct listing {
	struct linux_os *guest;
	struct list list;
	uint64_t pid; /**< whose; as the public function takes it */
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

#endif /* MICROVMI_OS_LINUX_LISTING_H */
