/* SPDX-License-Identifier: MIT */
#include "taskcache.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "diag.h"

/* Reading takes at most one part in so many of our time. */
#define SHARE 10

/* A process may end, and another one get its page tables. */
#define STALE_NS UINT64_C(500000000)

/* PCID, and the bit that says to keep the TLB (SDM 3A 4.10.4.1). */
#define ROOT_MASK UINT64_C(0x000ffffffffff000)

static int compare(const void *one, const void *two)
{
	const struct taskcache_entry *a = one;
	const struct taskcache_entry *b = two;

	return (a->root > b->root) - (a->root < b->root);
}

static void
add(struct taskcache *cache, uint64_t root, const struct mvmi_task *task)
{
	struct taskcache_entry *entry = &cache->entries[cache->count];

	if (!root)
		return;
	*entry = (struct taskcache_entry){
		.root = root & ROOT_MASK,
		.pid = task->process_id,
	};
	(void)snprintf(entry->name, sizeof(entry->name), "%s", task->name);
	cache->count++;
}

/** On failure what is known stays. */
static void read_tasks(struct taskcache *cache)
{
	const struct mvmi_task_list *list;
	struct taskcache_entry *entries;

	if (mvmi_os_list_tasks(cache->os, 0, &list, NULL) != MVMI_OK)
		return;
	entries = calloc(2 * list->count + 1, sizeof(*entries));
	if (!entries)
		diag_no_memory();
	free(cache->entries);
	cache->entries = entries;
	cache->count = 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_task *task = list->items[i];

		if (task->is_kernel)
			continue;
		add(cache, task->root, task);
		if (task->user_root != task->root)
			add(cache, task->user_root, task);
	}
	mvmi_os_free(list);
	qsort(entries, cache->count, sizeof(*entries), compare);
}

static void refresh(struct taskcache *cache, uint64_t now)
{
	uint64_t end;

	read_tasks(cache);
	end = clock_monotonic_ns();
	cache->next_read_ns = end + (SHARE - 1) * (end - now);
	cache->stale_ns = end + STALE_NS;
}

static const struct taskcache_entry *
look_up(const struct taskcache *cache, uint64_t cr3)
{
	struct taskcache_entry key = { .root = cr3 & ROOT_MASK };

	if (!cache->count)
		return NULL;
	return bsearch(&key, cache->entries, cache->count, sizeof(key),
		       compare);
}

const struct taskcache_entry *
taskcache_find(struct taskcache *cache, uint64_t cr3)
{
	const struct taskcache_entry *found;
	uint64_t now;

	if (!cache->os)
		return NULL;
	now = clock_monotonic_ns();
	found = look_up(cache, cr3);
	if ((!found || now >= cache->stale_ns) && now >= cache->next_read_ns) {
		refresh(cache, now);
		found = look_up(cache, cr3);
	}
	return found;
}

void taskcache_fini(struct taskcache *cache)
{
	free(cache->entries);
	*cache = (struct taskcache){ .os = NULL };
}
