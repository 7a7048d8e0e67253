/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The kernel's log in copied memory: printk's ring of descriptors since 5.10,
 * and the one buffer of records that it had before.
 */
#ifndef MICROVMI_OS_LINUX_RING_H
#define MICROVMI_OS_LINUX_RING_H

#include "os/list.h"
#include "os/shape.h"

#define ring_parse     mvmi__ring_parse
#define ring_parse_old mvmi__ring_parse_old

/** Members of struct prb_desc. */
enum {
	DESC_STATE,
	DESC_BEGIN,
	DESC_NEXT,
	DESC_FIELDS
};

/** Members of struct printk_info, and of struct printk_log. */
enum {
	INFO_SEQUENCE, /**< of the first only */
	INFO_LEN,      /**< of the second only: with header and padding */
	INFO_TIME,
	INFO_TEXT_LEN,
	INFO_FACILITY,
	INFO_LEVEL,
	INFO_FIELDS,
};

/** A copy of the ring. Descriptor i describes with info i. */
struct ring {
	const struct shape *desc;
	const struct shape *info;
	struct mvmi_bytes descs; /**< as many as fit, a power of two */
	struct mvmi_bytes infos; /**< as many */
	struct mvmi_bytes text;	 /**< a power of two; blocks of id and text */
	uint64_t head;		 /**< id of the newest descriptor */
	uint64_t tail;		 /**< of the oldest */
	/** Copied after all else, or empty: tells what changed meanwhile. */
	struct mvmi_bytes later;
};

/**
 * Add the records of a ring to a list, oldest first.  Those that are being
 * written, or were overwritten meanwhile, are left out; what lies is, too, and
 * makes a doubt.
 *
 * @retval MVMI_ERR_CORRUPT  Sizes contradict each other.
 */
enum mvmi_status
ring_parse(const struct ring *ring, struct list *list, struct mvmi_error *err);

/** A copy of the buffer that kernels had before 5.10. */
struct ring_old {
	const struct shape *log; /**< struct printk_log */
	struct mvmi_bytes buffer;
	uint64_t first_index; /**< of the oldest record, in bytes */
	uint64_t first;	      /**< its sequence number */
	uint64_t end;	      /**< one more than the newest one's */
};

/**
 * As ring_parse().
 *
 * @retval MVMI_ERR_CORRUPT  A record does not fit where it is.
 */
enum mvmi_status ring_parse_old(const struct ring_old *ring, struct list *list,
				struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_RING_H */
