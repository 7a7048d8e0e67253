/* SPDX-License-Identifier: MIT */
/** @file A hash from numbers to structures that embed their node. */
#ifndef MICROVMI_BP_TABLE_H
#define MICROVMI_BP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define table_insert mvmi__table_insert
#define table_remove mvmi__table_remove
#define table_find   mvmi__table_find
#define table_next   mvmi__table_next
#define table_fini   mvmi__table_fini

struct table_node {
	struct table_node *next; /**< in the same chain */
	uint64_t key;
};

/** All zero: empty. */
struct table {
	struct table_node **heads; /**< owned */
	size_t size;		   /**< of heads; a power of two, or 0 */
	size_t count;
};

/** node->key is set; several nodes may have one key. @return false: NOMEM. */
bool table_insert(struct table *table, struct table_node *node);
/** The node must be in it. */
void table_remove(struct table *table, struct table_node *node);
/** Some node with this key, or NULL. */
struct table_node *table_find(const struct table *table, uint64_t key);
/** Another one with the same key, or NULL. */
struct table_node *table_next(const struct table_node *node);
/** Free the table; its nodes are the caller's. */
void table_fini(struct table *table);

#endif /* MICROVMI_BP_TABLE_H */
