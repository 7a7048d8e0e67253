/* SPDX-License-Identifier: MIT */
#include "bp/table.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE_MIN 16

/* The golden ratio of 2^64 (Knuth, vol. 3, 6.4): keys are often multiples. */
#define TABLE_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static struct table_node **head_of(const struct table *table, uint64_t key)
{
	return &table->heads[(key * TABLE_FACTOR >> 32) & (table->size - 1)];
}

static void link_node(struct table *table, struct table_node *node)
{
	struct table_node **head = head_of(table, node->key);

	node->next = *head;
	*head = node;
}

static bool grow(struct table *table)
{
	struct table bigger = {
		.size = table->size ? table->size * 2 : TABLE_SIZE_MIN,
	};

	bigger.heads =
		(struct table_node **)calloc(bigger.size, sizeof(void *));
	if (!bigger.heads)
		return false;
	for (size_t i = 0; i < table->size; i++) {
		struct table_node *node = table->heads[i];

		while (node) {
			struct table_node *next = node->next;

			link_node(&bigger, node);
			node = next;
		}
	}
	bigger.count = table->count;
	free((void *)table->heads);
	*table = bigger;
	return true;
}

bool table_insert(struct table *table, struct table_node *node)
{
	if (table->count == table->size && !grow(table))
		return false;
	link_node(table, node);
	table->count++;
	return true;
}

void table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at = head_of(table, node->key);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->next = NULL;
	table->count--;
}

static struct table_node *with_key(struct table_node *node, uint64_t key)
{
	while (node && node->key != key)
		node = node->next;
	return node;
}

struct table_node *table_find(const struct table *table, uint64_t key)
{
	return table->size ? with_key(*head_of(table, key), key) : NULL;
}

struct table_node *table_next(const struct table_node *node)
{
	return with_key(node->next, node->key);
}

void table_fini(struct table *table)
{
	free((void *)table->heads);
	memset(table, 0, sizeof(*table));
}
