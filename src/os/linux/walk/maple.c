/* SPDX-License-Identifier: MIT */
#include "os/linux/walk/maple.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/le.h"

/* Nodes are aligned to 256 bytes; the bits below say what they are. */
#define NODE_MASK  UINT64_C(0xff)
#define TYPE_SHIFT 3
#define TYPE_MASK  UINT64_C(0xf)
#define NODE_LEN   256
/** Entries below are no pointers: tags of the kernel's own, like "zero". */
#define RESERVED_MAX UINT64_C(4096)

enum maple_type {
	MAPLE_DENSE,
	MAPLE_LEAF_64,
	MAPLE_RANGE_64,
	MAPLE_ARANGE_64,
};

enum {
	NODE_PIVOT,
	NODE_SLOT,
	NODE_FIELDS
};

static const char *const node_paths[NODE_FIELDS] = {
	[NODE_PIVOT] = "pivot",
	[NODE_SLOT] = "slot",
};

static const char *const dense_paths[NODE_FIELDS] = {
	/* The type has two arrays of slots; the one wanted is its own. */
	[NODE_PIVOT] = "?pivot",
	[NODE_SLOT] = "slot",
};

static const struct shape_spec range_spec = { "maple_range_64", node_paths,
					      NODE_FIELDS };
static const struct shape_spec arange_spec = { "maple_arange_64", node_paths,
					       NODE_FIELDS };
static const struct shape_spec dense_spec = { "maple_node", dense_paths,
					      NODE_FIELDS };

enum mvmi_status
maple_prepare(struct maple_shapes *shapes, const struct mvmi_types *types,
	      struct mvmi_error *err)
{
	enum mvmi_status status =
		shape_resolve(&shapes->range, &range_spec, types, err);

	if (status == MVMI_OK)
		status = shape_resolve(&shapes->arange, &arange_spec, types,
				       err);
	if (status == MVMI_OK)
		status = shape_resolve(&shapes->dense, &dense_spec, types, err);
	return status;
}

/** A node on the way down, decoded. */
struct maple_frame {
	uint64_t node; /**< as its parent names it */
	uint64_t next; /**< first index not passed yet */
	uint64_t last; /**< of the range that the node tells of */
	bool leaf;
	bool dense;
	bool done;   /**< its last slot was taken */
	size_t slot; /**< to look at */
	size_t slot_count;
	size_t pivot_count;
	uint64_t slots[NODE_LEN / 8];
	uint64_t pivots[NODE_LEN / 8];
};

struct maple_walk {
	struct mvmi_space *space;
	const struct maple_shapes *shapes;
	maple_fn fn;
	void *arg;
	uint64_t from; /**< what ends before is passed over */
	size_t nodes;
	size_t depth;
	struct maple_frame frames[MAPLE_HEIGHT_MAX];
	struct object object;
};

static size_t decode_array(const struct object *object, size_t field,
			   uint64_t values[NODE_LEN / 8])
{
	struct mvmi_bytes bytes = object_bytes(object, field);
	size_t count = bytes.len / 8;

	if (count > NODE_LEN / 8)
		count = NODE_LEN / 8;
	for (size_t i = 0; i < count; i++)
		values[i] = load_le64(bytes.ptr + i * 8);
	return count;
}

/** The shape of a kind of node; NULL: no such kind is ever in a tree. */
static const struct shape *
shape_of(const struct maple_shapes *shapes, uint64_t type)
{
	switch (type) {
	case MAPLE_DENSE:
		return &shapes->dense;
	case MAPLE_LEAF_64:
	case MAPLE_RANGE_64:
		return &shapes->range;
	case MAPLE_ARANGE_64:
		return &shapes->arange;
	default:
		return NULL;
	}
}

/** Go down into a node that tells of first to last. */
static enum mvmi_status
enter(struct maple_walk *walk, uint64_t node, uint64_t first, uint64_t last,
      struct mvmi_error *err)
{
	uint64_t type = node >> TYPE_SHIFT & TYPE_MASK;
	const struct shape *shape = shape_of(walk->shapes, type);
	struct maple_frame *frame = &walk->frames[walk->depth];
	enum mvmi_status status;

	if (!shape)
		return fail(err, MVMI_ERR_CORRUPT,
			    "maple node 0x%" PRIx64 " is of unknown type %u",
			    node, (unsigned)type);
	if (walk->depth == MAPLE_HEIGHT_MAX || walk->nodes == MAPLE_NODES_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "a maple tree of over %d levels or %zu nodes",
			    MAPLE_HEIGHT_MAX, MAPLE_NODES_MAX);
	status = object_read(&walk->object, walk->space, shape,
			     mvmi_gva_at(node & ~NODE_MASK), err);
	if (status != MVMI_OK)
		return status;
	*frame = (struct maple_frame){
		.node = node,
		.next = first,
		.last = last,
		.leaf = type == MAPLE_DENSE || type == MAPLE_LEAF_64,
		.dense = type == MAPLE_DENSE,
	};
	frame->slot_count =
		decode_array(&walk->object, NODE_SLOT, frame->slots);
	if (!frame->dense)
		frame->pivot_count =
			decode_array(&walk->object, NODE_PIVOT, frame->pivots);
	walk->nodes++;
	walk->depth++;
	return MVMI_OK;
}

/** The last index of the slot that a frame is at. */
static enum mvmi_status
slot_end(const struct maple_frame *frame, uint64_t *ret, struct mvmi_error *err)
{
	uint64_t end = frame->last;

	if (frame->dense)
		end = frame->next;
	else if (frame->slot < frame->pivot_count)
		end = frame->pivots[frame->slot];
	/* After the last slot in use, pivots are zero. */
	if (end == 0 && frame->slot > 0)
		end = frame->last;
	if (end < frame->next || end > frame->last)
		return fail(err, MVMI_ERR_CORRUPT,
			    "maple node 0x%" PRIx64
			    ": slot %zu ends at 0x%" PRIx64
			    ", not between 0x%" PRIx64 " and 0x%" PRIx64,
			    frame->node, frame->slot, end, frame->next,
			    frame->last);
	*ret = end;
	return MVMI_OK;
}

static bool is_pointer(uint64_t entry)
{
	return entry >= RESERVED_MAX && (entry & 3) == 0;
}

/** Take one slot of the node that the walk is in. */
static enum mvmi_status step(struct maple_walk *walk, struct mvmi_error *err)
{
	struct maple_frame *frame = &walk->frames[walk->depth - 1];
	uint64_t first = frame->next;
	uint64_t entry;
	uint64_t last = 0;
	enum mvmi_status status;

	if (frame->done) {
		walk->depth--;
		return MVMI_OK;
	}
	status = slot_end(frame, &last, err);
	if (status != MVMI_OK)
		return status;
	entry = frame->slots[frame->slot++];
	frame->next = last + 1;
	frame->done = last == frame->last || frame->slot == frame->slot_count;
	if (last < walk->from)
		return MVMI_OK;
	if (frame->leaf)
		return is_pointer(entry)
			       ? walk->fn(first, last, entry, walk->arg, err)
			       : MVMI_OK;
	if (entry < RESERVED_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "a maple node has no child for 0x%" PRIx64
			    " to 0x%" PRIx64,
			    first, last);
	return enter(walk, entry, first, last, err);
}

static enum mvmi_status
walk_from(struct maple_walk *walk, uint64_t root, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (root < RESERVED_MAX)
		return MVMI_OK;
	/* A tree of one entry at index 0 has no node. */
	if ((root & 3) != 2)
		return is_pointer(root) && walk->from == 0
			       ? walk->fn(0, 0, root, walk->arg, err)
			       : MVMI_OK;
	status = enter(walk, root, 0, UINT64_MAX, err);
	while (status == MVMI_OK && walk->depth)
		status = step(walk, err);
	return fail_context(err, status, "maple tree 0x%" PRIx64, root);
}

enum mvmi_status
maple_walk(struct mvmi_space *space, const struct maple_shapes *shapes,
	   uint64_t root, maple_fn fn, void *arg, struct mvmi_error *err)
{
	struct maple_walk *walk = malloc(sizeof(*walk));
	enum mvmi_status status;

	if (!walk)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a tree");
	walk->space = space;
	walk->shapes = shapes;
	walk->fn = fn;
	walk->arg = arg;
	walk->from = 0;
	walk->nodes = 0;
	walk->depth = 0;
	status = walk_from(walk, root, err);
	free(walk);
	return status;
}

static enum mvmi_status
take_first(uint64_t first, uint64_t last, uint64_t value, void *arg,
	   struct mvmi_error *err)
{
	struct maple_entry *entry = arg;

	*entry = (struct maple_entry){ first, last, value };
	/* Any failure ends the walk; this one is not passed on. */
	return fail(err, MVMI_ERR_BUSY, "found");
}

enum mvmi_status
maple_find(struct mvmi_space *space, const struct maple_shapes *shapes,
	   uint64_t root, uint64_t index, struct maple_entry *ret,
	   struct mvmi_error *err)
{
	struct maple_entry entry = { .value = 0 };
	struct maple_walk *walk = malloc(sizeof(*walk));
	enum mvmi_status status;

	if (!walk)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a tree");
	walk->space = space;
	walk->shapes = shapes;
	walk->fn = take_first;
	walk->arg = &entry;
	walk->from = index;
	walk->nodes = 0;
	walk->depth = 0;
	status = walk_from(walk, root, err);
	free(walk);
	if (status != MVMI_OK && entry.value == 0)
		return status;
	*ret = entry;
	return MVMI_OK;
}
