/* SPDX-License-Identifier: MIT */
/** @file The kernel's own doubly linked lists (struct list_head). */
#ifndef MICROVMI_OS_LINUX_WALK_LINKS_H
#define MICROVMI_OS_LINUX_WALK_LINKS_H

#include <microvmi/space.h>

#define links_walk mvmi__links_walk

/** Members of one list; more is a guest that is broken or lies. */
#define LINKS_MAX ((size_t)1 << 20)

/**
 * Called for each member, with the address of its struct list_head.
 *
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*links_fn)(mvmi_gva link, void *arg,
				     struct mvmi_error *err);

/**
 * Walk a list from its head, which is not a member.
 *
 * Each step checks that the next member points back, so a list that changes
 * under the walk, or never was one, is noticed at once.
 *
 * @retval MVMI_ERR_CORRUPT  A member does not point back to the one before.
 * @retval MVMI_ERR_LIMIT    More than LINKS_MAX members, or a cycle that does
 *                           not come back to head.
 */
enum mvmi_status links_walk(struct mvmi_space *space, mvmi_gva head,
			    links_fn fn, void *arg, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_WALK_LINKS_H */
