/* SPDX-License-Identifier: MIT */
#include "os/linux/walk/rbtree.h"

#include <inttypes.h>

#include "base/error.h"
#include "os/linux/member.h"

/** The bits of a parent's address that hold a node's colour. */
#define COLOUR_MASK UINT64_C(3)

enum {
	NODE_PARENT,
	NODE_LEFT,
	NODE_RIGHT,
	NODE_FIELDS
};

static const char *const node_paths[NODE_FIELDS] = {
	[NODE_PARENT] = "__rb_parent_color",
	[NODE_LEFT] = "rb_left",
	[NODE_RIGHT] = "rb_right",
};

static const struct shape_spec node_spec = { "rb_node", node_paths,
					     NODE_FIELDS };

/** A member whose left side is being visited, or was. */
struct rbtree_step {
	uint64_t node;
	uint64_t right;
};

struct rbtree_path {
	struct rbtree_step steps[RBTREE_DEPTH_MAX];
	size_t depth;
};

/** Go down, and as far left as there is something. */
static enum mvmi_status
descend(struct linux_os *guest, struct rbtree_path *path, uint64_t node,
	uint64_t parent, struct mvmi_error *err)
{
	while (node) {
		struct object object;
		uint64_t left, right;
		enum mvmi_status status;

		if (path->depth == RBTREE_DEPTH_MAX)
			return fail(err, MVMI_ERR_LIMIT,
				    "tree node 0x%" PRIx64 " has over %d above "
				    "it",
				    node, RBTREE_DEPTH_MAX);
		status = object_read(&object, guest->os.space,
				     &guest->shapes.rb_node, mvmi_gva_at(node),
				     err);
		if (status != MVMI_OK)
			return status;
		left = object_u64(&object, NODE_LEFT);
		right = object_u64(&object, NODE_RIGHT);
		if ((object_u64(&object, NODE_PARENT) & ~COLOUR_MASK) != parent)
			return fail(err, MVMI_ERR_CORRUPT,
				    "tree node 0x%" PRIx64
				    " does not name 0x%" PRIx64
				    " above it as its parent",
				    node, parent);
		if (left && left == right)
			return fail(err, MVMI_ERR_CORRUPT,
				    "tree node 0x%" PRIx64
				    " has one child on both sides",
				    node);
		path->steps[path->depth++] =
			(struct rbtree_step){ node, right };
		parent = node;
		node = left;
	}
	return MVMI_OK;
}

enum mvmi_status rbtree_walk(struct linux_os *guest, mvmi_gva root,
			     rbtree_fn fn, void *arg, struct mvmi_error *err)
{
	struct rbtree_path path = { .depth = 0 };
	uint64_t top = 0;
	enum mvmi_status status = shape_resolve(
		&guest->shapes.rb_node, &node_spec, guest->os.types, err);

	if (status == MVMI_OK)
		status = member_read(guest, "rb_root", "rb_node", root, &top,
				     err);
	if (status == MVMI_OK)
		status = descend(guest, &path, top, 0, err);
	for (size_t n = 0; status == MVMI_OK && path.depth; n++) {
		struct rbtree_step step = path.steps[--path.depth];

		if (n == RBTREE_MAX)
			return fail(err, MVMI_ERR_LIMIT,
				    "tree 0x%" PRIx64 " has over %zu members",
				    root.val, RBTREE_MAX);
		status = fn(mvmi_gva_at(step.node), arg, err);
		if (status == MVMI_OK)
			status = descend(guest, &path, step.right, step.node,
					 err);
	}
	return status;
}
