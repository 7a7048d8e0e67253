/* SPDX-License-Identifier: MIT */
/** @file Tasks in the order of a tree: each under its parent. */
#ifndef MICROVMI_TOOL_TREE_H
#define MICROVMI_TOOL_TREE_H

#include <microvmi/os.h>

struct tree {
	size_t *order; /**< owned; indices into the list, parents first */
	char **prefix; /**< owned, and each; by index: what leads to it */
};

/** A guest may lie: a task without a way to a root becomes one. */
void tree_init(struct tree *tree, const struct mvmi_task_list *list);
void tree_fini(struct tree *tree, const struct mvmi_task_list *list);

#endif /* MICROVMI_TOOL_TREE_H */
