/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "diag.h"

#define NONE SIZE_MAX

/* Deeper ones are drawn as deep as this. */
#define DEPTH_MAX 32

struct id {
	uint64_t id;
	size_t index;
};

struct node {
	size_t parent;
	size_t first; /**< child */
	size_t next;  /**< sibling */
	bool visited;
};

static int compare_ids(const void *one, const void *two)
{
	const struct id *a = one;
	const struct id *b = two;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

static void *allocate(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size);

	if (!ptr)
		diag_no_memory();
	return ptr;
}

/** The process of this id, not a thread of it. */
static size_t
find_process(const struct id *ids, size_t count, uint64_t process_id)
{
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ids[middle].id < process_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ids[low].id == process_id ? ids[low].index : NONE;
}

static void find_parents(struct node *nodes, const struct mvmi_task_list *list)
{
	struct id *ids = allocate(list->count, sizeof(*ids));

	for (size_t i = 0; i < list->count; i++)
		ids[i] = (struct id){ list->items[i]->id, i };
	qsort(ids, list->count, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_task *task = list->items[i];
		uint64_t id =
			task->is_thread ? task->process_id : task->parent_id;

		nodes[i].first = NONE;
		nodes[i].next = NONE;
		nodes[i].parent =
			id ? find_process(ids, list->count, id) : NONE;
	}
	free(ids);
	/* From the last to the first, so that children keep their order. */
	for (size_t i = list->count; i-- > 0;) {
		if (nodes[i].parent == NONE)
			continue;
		nodes[i].next = nodes[nodes[i].parent].first;
		nodes[nodes[i].parent].first = i;
	}
}

static size_t skip_visited(const struct node *nodes, size_t i)
{
	while (i != NONE && nodes[i].visited)
		i = nodes[i].next;
	return i;
}

/** " |   \_ ": a bar for each ancestor that has younger siblings. */
static char *draw(const struct node *nodes, size_t i)
{
	size_t path[DEPTH_MAX];
	size_t depth = 0;
	char *prefix;

	for (size_t at = i; depth < DEPTH_MAX && nodes[at].parent != NONE;
	     at = nodes[at].parent)
		path[depth++] = at;
	prefix = allocate(4 * depth + 1, 1);
	for (size_t level = depth; level-- > 0;) {
		bool more =
			skip_visited(nodes, nodes[path[level]].next) != NONE;
		const char *part = more ? " |  " : "    ";

		(void)snprintf(prefix + 4 * (depth - 1 - level), 5, "%s",
			       level ? part : " \\_ ");
	}
	return prefix;
}

/** Visit all under a root, children after their parents. */
static size_t
walk(struct tree *tree, struct node *nodes, size_t root, size_t count)
{
	size_t at = root;

	nodes[root].parent = NONE;
	for (;;) {
		size_t next;

		nodes[at].visited = true;
		tree->order[count++] = at;
		tree->prefix[at] = draw(nodes, at);
		next = skip_visited(nodes, nodes[at].first);
		while (next == NONE && at != root) {
			next = skip_visited(nodes, nodes[at].next);
			at = nodes[at].parent;
		}
		if (next == NONE)
			return count;
		at = next;
	}
}

void tree_init(struct tree *tree, const struct mvmi_task_list *list)
{
	struct node *nodes = allocate(list->count, sizeof(*nodes));
	size_t count = 0;

	tree->order = allocate(list->count, sizeof(*tree->order));
	tree->prefix = allocate(list->count, sizeof(*tree->prefix));
	find_parents(nodes, list);
	for (size_t i = 0; i < list->count; i++) {
		if (nodes[i].parent == NONE)
			count = walk(tree, nodes, i, count);
	}
	/* What is left hangs in loops. */
	for (size_t i = 0; i < list->count; i++) {
		if (!nodes[i].visited)
			count = walk(tree, nodes, i, count);
	}
	free(nodes);
}

void tree_fini(struct tree *tree, const struct mvmi_task_list *list)
{
	for (size_t i = 0; tree->prefix && i < list->count; i++)
		free(tree->prefix[i]);
	free(tree->prefix);
	free(tree->order);
	*tree = (struct tree){ NULL, NULL };
}
