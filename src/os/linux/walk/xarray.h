/* SPDX-License-Identifier: MIT */
/**
 * @file
 * XArrays (4.20 and later) and the radix trees that they grew out of: arrays
 * of pointers by number, as page caches and tables of ids are. Linux:
 * lib/xarray.c, lib/radix-tree.c, Documentation/core-api/xarray.rst.
 */
#ifndef MICROVMI_OS_LINUX_WALK_XARRAY_H
#define MICROVMI_OS_LINUX_WALK_XARRAY_H

#include "os/shape.h"

#define xarray_prepare	mvmi__xarray_prepare
#define xarray_load	mvmi__xarray_load
#define xarray_walk	mvmi__xarray_walk
#define xarray_is_value mvmi__xarray_is_value

/** Levels: 64 bits of index, at least four a level. */
#define XARRAY_HEIGHT_MAX 16
/** Nodes that one walk reads: of 64 entries, enough for 16 million. */
#define XARRAY_NODES_MAX ((size_t)1 << 18)

/** What the guest's kernel has of the two. */
struct xarray_shape {
	struct shape node; /**< struct xa_node or radix_tree_node */
	bool radix;	   /**< tags of pointers are those of radix trees */
	unsigned bits;	   /**< of index that a node takes */
};

/**
 * Called for each entry that is not empty.
 *
 * @param last   Inclusive: an entry may stand for many indices.
 * @param entry  A pointer, or a value (xarray_is_value()).
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*xarray_fn)(uint64_t first, uint64_t last,
				      uint64_t entry, void *arg,
				      struct mvmi_error *err);

/** Find the shape. Costs nothing the second time. */
enum mvmi_status
xarray_prepare(struct xarray_shape *shape, const struct mvmi_types *types,
	       struct mvmi_error *err);

/** Whether an entry is a number in place of a pointer: swap, a shadow. */
bool xarray_is_value(const struct xarray_shape *shape, uint64_t entry);

/**
 * Load one entry.
 *
 * @param head  xa_head or rnode.
 * @param ret   0: there is none.
 *
 * @retval MVMI_ERR_CORRUPT  A node is not below its parent.
 */
enum mvmi_status
xarray_load(struct mvmi_space *space, const struct xarray_shape *shape,
	    uint64_t head, uint64_t index, uint64_t *ret,
	    struct mvmi_error *err);

/**
 * Walk over all entries in ascending order.
 *
 * @retval MVMI_ERR_CORRUPT  A node is not below its parent.
 * @retval MVMI_ERR_LIMIT    XARRAY_NODES_MAX.
 */
enum mvmi_status
xarray_walk(struct mvmi_space *space, const struct xarray_shape *shape,
	    uint64_t head, xarray_fn fn, void *arg, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_WALK_XARRAY_H */
