/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Maple trees, which hold a process's memory areas since 6.1: B-trees of
 * ranges. Linux: lib/maple_tree.c, Documentation/core-api/maple_tree.rst.
 */
#ifndef MICROVMI_OS_LINUX_WALK_MAPLE_H
#define MICROVMI_OS_LINUX_WALK_MAPLE_H

#include "os/shape.h"

#define maple_prepare mvmi__maple_prepare
#define maple_walk    mvmi__maple_walk
#define maple_find    mvmi__maple_find

/** Levels of a tree; the kernel's own limit (MAPLE_HEIGHT_MAX). */
#define MAPLE_HEIGHT_MAX 31
/** Nodes of a tree; each holds at least a few of a million areas. */
#define MAPLE_NODES_MAX ((size_t)1 << 18)

/** The kinds of node, each with its arrays of pivots and slots. */
struct maple_shapes {
	struct shape range;  /**< struct maple_range_64, leaves and others */
	struct shape arange; /**< struct maple_arange_64, which knows gaps */
	struct shape dense;  /**< struct maple_node: one slot an index */
};

/**
 * Called for each entry that is not empty.
 *
 * @param last  Inclusive.
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*maple_fn)(uint64_t first, uint64_t last,
				     uint64_t entry, void *arg,
				     struct mvmi_error *err);

/** Find the shapes. Costs nothing the second time. */
enum mvmi_status
maple_prepare(struct maple_shapes *shapes, const struct mvmi_types *types,
	      struct mvmi_error *err);

/**
 * Walk over all entries in ascending order.
 *
 * Each node may only tell of the range that its parent gave it, in order: so
 * entries never overlap, whatever the guest made of its tree.
 *
 * @param root  ma_root.
 *
 * @retval MVMI_ERR_CORRUPT  A node contradicts itself or its parent.
 * @retval MVMI_ERR_LIMIT    MAPLE_HEIGHT_MAX, MAPLE_NODES_MAX.
 */
enum mvmi_status
maple_walk(struct mvmi_space *space, const struct maple_shapes *shapes,
	   uint64_t root, maple_fn fn, void *arg, struct mvmi_error *err);

/** What a tree has for a range of indices. */
struct maple_entry {
	uint64_t first;
	uint64_t last;	/**< inclusive */
	uint64_t value; /**< 0: there is no such entry */
};

/**
 * Find the first entry that ends at an index or after it, without a look at
 * what lies before.
 *
 * @retval  As maple_walk().
 */
enum mvmi_status
maple_find(struct mvmi_space *space, const struct maple_shapes *shapes,
	   uint64_t root, uint64_t index, struct maple_entry *ret,
	   struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_WALK_MAPLE_H */
