/* SPDX-License-Identifier: MIT */
/** @file The kernel's red-black trees (struct rb_root). */
#ifndef MICROVMI_OS_LINUX_WALK_RBTREE_H
#define MICROVMI_OS_LINUX_WALK_RBTREE_H

#include "os/linux/linux.h"

#define rbtree_walk mvmi__rbtree_walk

/** Members of one tree; more is a guest that is broken or lies. */
#define RBTREE_MAX ((size_t)1 << 20)
/** Members above one another; a red-black tree of RBTREE_MAX needs 40. */
#define RBTREE_DEPTH_MAX 64

/**
 * Called for each member, with the address of its struct rb_node.
 *
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*rbtree_fn)(mvmi_gva node, void *arg,
				      struct mvmi_error *err);

/**
 * Walk a tree in its order.
 *
 * Each step down checks that the child names its parent, and a parent's
 * children differ, so no member comes twice unless the guest changes meanwhile.
 *
 * @param root  The struct rb_root.
 * @retval MVMI_ERR_CORRUPT  A child does not belong to its parent.
 * @retval MVMI_ERR_LIMIT    RBTREE_MAX, RBTREE_DEPTH_MAX.
 */
enum mvmi_status rbtree_walk(struct linux_os *guest, mvmi_gva root,
			     rbtree_fn fn, void *arg, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_WALK_RBTREE_H */
