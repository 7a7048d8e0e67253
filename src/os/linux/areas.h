/* SPDX-License-Identifier: MIT */
/** @file Areas of a process's memory (struct vm_area_struct). */
#ifndef MICROVMI_OS_LINUX_AREAS_H
#define MICROVMI_OS_LINUX_AREAS_H

#include "os/linux/tasks.h"

#define areas_walk mvmi__areas_walk
#define area_find  mvmi__area_find

/** Areas of one process; the kernel's default limit is 65530. */
#define AREAS_MAX ((size_t)1 << 20)

/** Members of struct vm_area_struct. */
enum {
	AREA_START,
	AREA_END,
	AREA_FLAGS,
	AREA_PAGE, /**< of the file, that is mapped at its start */
	AREA_FILE,
	AREA_OPS,
	AREA_PRIVATE,
	AREA_NEXT, /**< before 6.1 */
	AREA_NAME, /**< given by the process, since 5.17 */
	AREA_SHARED,
	AREA_FIELDS,
};

/** Bits of AREA_FLAGS (include/linux/mm.h). */
enum {
	AREA_CAN_READ = 1,
	AREA_CAN_WRITE = 2,
	AREA_CAN_EXEC = 4,
	AREA_MAY_SHARE = 0x80,
};

/**
 * Called for each area.
 *
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*area_fn)(const struct object *area, void *arg,
				    struct mvmi_error *err);

/**
 * Walk over the areas of a process by address.
 *
 * @param mm         Its struct mm_struct.
 * @param displaced  Set if an area says of itself another range than its tree
 *                   does: the process was in the middle of a change.
 *
 * @retval MVMI_ERR_CORRUPT  The tree or list contradicts itself.
 */
enum mvmi_status
areas_walk(struct linux_os *guest, const struct object *mm, area_fn fn,
	   void *arg, bool *displaced, struct mvmi_error *err);

/**
 * Find the area that an address lies in.
 *
 * @param below  One that ends before, to begin at where there is a list; NULL:
 *               the first one. May be ret.
 *
 * @retval MVMI_ERR_NOT_PRESENT  There is none.
 */
enum mvmi_status area_find(struct linux_os *guest, const struct object *mm,
			   const struct object *below, mvmi_gva gva,
			   struct object *ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_AREAS_H */
