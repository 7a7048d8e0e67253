/* SPDX-License-Identifier: MIT */
#include "os/linux/walk/xarray.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"

/** The two low bits of an entry say what it is. */
#define TAG_MASK UINT64_C(3)
/** Entries below this with the tag of a node are the array's own marks. */
#define MARKS_END UINT64_C(4096)
/** Of a radix tree's node before 4.7: its height is here in the path. */
#define PATH_HEIGHT_MASK UINT64_C(0xfff)

enum {
	NODE_SHIFT,
	NODE_PATH,
	NODE_SLOTS,
	NODE_FIELDS
};

static const char *const node_paths[NODE_FIELDS] = {
	[NODE_SHIFT] = "?shift", /* since 4.7 */
	[NODE_PATH] = "?path",
	[NODE_SLOTS] = "slots",
};

static const struct shape_spec xarray_spec = { "xa_node", node_paths,
					       NODE_FIELDS };
static const struct shape_spec radix_spec = { "radix_tree_node", node_paths,
					      NODE_FIELDS };

enum mvmi_status
xarray_prepare(struct xarray_shape *shape, const struct mvmi_types *types,
	       struct mvmi_error *err)
{
	struct xarray_shape found = { .radix = false };
	struct mvmi_type type;
	uint64_t slots;
	enum mvmi_status status;

	if (shape->node.spec)
		return MVMI_OK;
	found.radix = types && !mvmi_types_find(types, "struct xa_node", &type);
	status = shape_resolve(&found.node,
			       found.radix ? &radix_spec : &xarray_spec, types,
			       err);
	if (status != MVMI_OK)
		return status;
	/* 64 slots, or 16 in kernels for small machines. */
	slots = found.node.fields[NODE_SLOTS].size / 8;
	while (found.bits < 8 && UINT64_C(1) << found.bits < slots)
		found.bits++;
	if (slots < 16 || UINT64_C(1) << found.bits != slots)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's arrays have nodes of %" PRIu64
			    " slots",
			    slots);
	*shape = found;
	return MVMI_OK;
}

static bool is_node(const struct xarray_shape *shape, uint64_t entry)
{
	if (shape->radix)
		return (entry & TAG_MASK) == 1;
	return (entry & TAG_MASK) == 2 && entry > MARKS_END;
}

bool xarray_is_value(const struct xarray_shape *shape, uint64_t entry)
{
	return shape->radix ? (entry & TAG_MASK) == 2 : (entry & 1) == 1;
}

/** A node, and how far to shift an index to get the number of a slot in it. */
struct xarray_node {
	unsigned shift;
	struct object object;
};

/** Whether an entry of a node is a node; those before 4.7 have no tag. */
static bool is_child(const struct xarray_shape *shape,
		     const struct xarray_node *parent, uint64_t entry)
{
	if (!shape_has(&shape->node, NODE_SHIFT) && parent->shift > 0)
		return entry != 0 && (entry & 2) == 0;
	return is_node(shape, entry);
}

/** An entry that says: as in that slot of the same node, before this one. */
static bool is_sibling(const struct xarray_shape *shape, uint64_t entry)
{
	return !shape->radix && (entry & TAG_MASK) == 2 &&
	       entry >> 2 < UINT64_C(1) << shape->bits;
}

/** An entry that the kernel's users see: not one of the array's marks. */
static bool is_shown(const struct xarray_shape *shape, uint64_t entry)
{
	if (entry == 0 || xarray_is_value(shape, entry))
		return entry != 0;
	return (entry & TAG_MASK) == 0;
}

/** Above the shift of any root: an index has 64 bits. */
static unsigned root_below(const struct xarray_shape *shape)
{
	return (64 + shape->bits - 1) / shape->bits * shape->bits;
}

/**
 * Read a node.
 *
 * @param below  The shift of its parent, which it must be just below, or
 *               root_below(): so no walk down is longer than an index has bits.
 */
static enum mvmi_status
read_node(struct mvmi_space *space, const struct xarray_shape *shape,
	  uint64_t entry, unsigned below, struct xarray_node *ret,
	  struct mvmi_error *err)
{
	uint64_t at = entry & ~TAG_MASK;
	uint64_t shift;
	enum mvmi_status status = object_read(&ret->object, space, &shape->node,
					      mvmi_gva_at(at), err);

	if (status != MVMI_OK)
		return status;
	shift = object_u64(&ret->object, NODE_SHIFT);
	if (!shape_has(&shape->node, NODE_SHIFT)) {
		uint64_t height =
			object_u64(&ret->object, NODE_PATH) & PATH_HEIGHT_MASK;

		shift = height ? (height - 1) * shape->bits : below;
	}
	if (shift >= below || shift % shape->bits ||
	    (below != root_below(shape) && shift + shape->bits != below))
		return fail(err, MVMI_ERR_CORRUPT,
			    "array node 0x%" PRIx64 " has shift %" PRIu64
			    " below one of shift %u",
			    at, shift, below);
	ret->shift = (unsigned)shift;
	return MVMI_OK;
}

static uint64_t node_slot(const struct xarray_node *node, uint64_t slot)
{
	struct mvmi_bytes slots = object_bytes(&node->object, NODE_SLOTS);

	return load_le64(slots.ptr + slot * 8);
}

enum mvmi_status
xarray_load(struct mvmi_space *space, const struct xarray_shape *shape,
	    uint64_t head, uint64_t index, uint64_t *ret,
	    struct mvmi_error *err)
{
	uint64_t slots = UINT64_C(1) << shape->bits;
	unsigned below = root_below(shape);
	uint64_t entry = head;
	struct xarray_node node;
	bool deeper = is_node(shape, head);

	/* Without a node there is but index 0. */
	if (!deeper && index != 0)
		entry = 0;
	while (deeper) {
		enum mvmi_status status =
			read_node(space, shape, entry, below, &node, err);

		if (status != MVMI_OK)
			return status;
		/* An index past the end of the root's range is not there. */
		if (below == root_below(shape) &&
		    index >> node.shift >= slots) {
			entry = 0;
			break;
		}
		entry = node_slot(&node, (index >> node.shift) % slots);
		if (is_sibling(shape, entry))
			entry = node_slot(&node, entry >> 2);
		below = node.shift;
		deeper = is_child(shape, &node, entry);
	}
	*ret = is_shown(shape, entry) ? entry : 0;
	return MVMI_OK;
}

/** Slots of a node that an index can reach: the top one's may not all be. */
static uint64_t
slot_count(const struct xarray_shape *shape, const struct xarray_node *node)
{
	return MIN(UINT64_C(1) << shape->bits,
		   node->shift ? (UINT64_MAX >> node->shift) + 1 : UINT64_MAX);
}

struct xarray_frame {
	struct xarray_node node;
	uint64_t first; /**< index of its first slot */
	uint64_t slot;	/**< to look at */
};

struct xarray_walk {
	struct mvmi_space *space;
	const struct xarray_shape *shape;
	size_t nodes;
	size_t depth;
	struct xarray_frame frames[XARRAY_HEIGHT_MAX];
};

static enum mvmi_status enter(struct xarray_walk *walk, uint64_t entry,
			      uint64_t first, struct mvmi_error *err)
{
	struct xarray_frame *frame = &walk->frames[walk->depth];
	unsigned below =
		walk->depth ? frame[-1].node.shift : root_below(walk->shape);
	enum mvmi_status status;

	/* Shifts descend by at least four bits: the depth can't be exceeded. */
	if (walk->nodes++ == XARRAY_NODES_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "an array of more than %zu nodes",
			    XARRAY_NODES_MAX);
	status = read_node(walk->space, walk->shape, entry, below, &frame->node,
			   err);
	if (status != MVMI_OK)
		return status;
	frame->first = first;
	frame->slot = 0;
	walk->depth++;
	return MVMI_OK;
}

/** Take one slot of the node that the walk is in, and its siblings. */
static enum mvmi_status
step(struct xarray_walk *walk, xarray_fn fn, void *arg, struct mvmi_error *err)
{
	const struct xarray_shape *shape = walk->shape;
	struct xarray_frame *frame = &walk->frames[walk->depth - 1];
	uint64_t slots = slot_count(shape, &frame->node);
	uint64_t slot = frame->slot;
	uint64_t first = frame->first | slot << frame->node.shift;
	uint64_t last;
	uint64_t entry;

	if (slot == slots) {
		walk->depth--;
		return MVMI_OK;
	}
	entry = node_slot(&frame->node, slot);
	frame->slot++;
	if (is_child(shape, &frame->node, entry))
		return enter(walk, entry, first, err);
	if (!is_shown(shape, entry))
		return MVMI_OK;
	while (frame->slot < slots) {
		uint64_t next = node_slot(&frame->node, frame->slot);

		if (!is_sibling(shape, next) || next >> 2 != slot)
			break;
		frame->slot++;
	}
	last = frame->first | (frame->slot - 1) << frame->node.shift |
	       ((UINT64_C(1) << frame->node.shift) - 1);
	return fn(first, last, entry, arg, err);
}

enum mvmi_status
xarray_walk(struct mvmi_space *space, const struct xarray_shape *shape,
	    uint64_t head, xarray_fn fn, void *arg, struct mvmi_error *err)
{
	struct xarray_walk *walk;
	enum mvmi_status status;

	if (!is_node(shape, head))
		return is_shown(shape, head) ? fn(0, 0, head, arg, err)
					     : MVMI_OK;
	walk = malloc(sizeof(*walk));
	if (!walk)
		return fail(err, MVMI_ERR_NOMEM, "no memory for an array");
	walk->space = space;
	walk->shape = shape;
	walk->nodes = 0;
	walk->depth = 0;
	status = enter(walk, head, 0, err);
	while (status == MVMI_OK && walk->depth)
		status = step(walk, fn, arg, err);
	free(walk);
	return fail_context(err, status, "array 0x%" PRIx64, head);
}
