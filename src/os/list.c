/* SPDX-License-Identifier: MIT */
#include "os/list.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

#define CHUNK_LEN ((size_t)16 << 10)
#define ALIGNMENT sizeof(max_align_t)

struct list_chunk {
	struct list_chunk *next;
	size_t len;  /**< bytes of data */
	size_t used; /**< of them */
	max_align_t data[];
};

/** What mvmi_os_free() gets hold of: it stands before the public struct. */
struct result {
	struct list_chunk *chunks;
	void **items;
	max_align_t head[];
};

static void list_fail(struct list *list, enum mvmi_status status)
{
	if (list->failed == MVMI_OK)
		list->failed = status;
}

/** Account for bytes that are about to be taken from the host. */
static bool list_may_take(struct list *list, size_t bytes)
{
	if (list->failed != MVMI_OK)
		return false;
	if (bytes > LIST_BYTES_MAX - list->bytes) {
		list_fail(list, MVMI_ERR_LIMIT);
		return false;
	}
	list->bytes += bytes;
	return true;
}

static struct list_chunk *list_grow(struct list *list, size_t len)
{
	size_t room = MAX(len, CHUNK_LEN);
	struct list_chunk *chunk;

	if (!list_may_take(list, room))
		return NULL;
	/* From the host it comes zeroed, and a file of gaps costs it nothing. */
	chunk = calloc(1, sizeof(*chunk) + room);
	if (!chunk) {
		list_fail(list, MVMI_ERR_NOMEM);
		return NULL;
	}
	chunk->next = list->chunks;
	chunk->len = room;
	list->chunks = chunk;
	return chunk;
}

void *list_alloc(struct list *list, size_t len)
{
	struct list_chunk *chunk = list->chunks;
	void *ptr;

	if (list->failed != MVMI_OK)
		return NULL;
	if (len > LIST_BYTES_MAX) {
		list_fail(list, MVMI_ERR_LIMIT);
		return NULL;
	}
	len = (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!chunk || len > chunk->len - chunk->used)
		chunk = list_grow(list, len);
	if (!chunk)
		return NULL;
	ptr = (uint8_t *)chunk->data + chunk->used;
	chunk->used += len;
	return ptr;
}

static bool list_grow_items(struct list *list)
{
	size_t capacity = list->capacity ? list->capacity * 2 : 64;
	void **items;

	if (list->count >= LIST_RECORDS_MAX) {
		list_fail(list, MVMI_ERR_LIMIT);
		return false;
	}
	if (!list_may_take(list, (capacity - list->capacity) * sizeof(*items)))
		return false;
	items = realloc(list->items, capacity * sizeof(*items));
	if (!items) {
		list_fail(list, MVMI_ERR_NOMEM);
		return false;
	}
	list->items = items;
	list->capacity = capacity;
	return true;
}

void *list_add(struct list *list, size_t len)
{
	void *record = list_alloc(list, len);

	if (!record)
		return NULL;
	if (list->count == list->capacity && !list_grow_items(list))
		return NULL;
	list->items[list->count++] = record;
	return record;
}

const char *list_string(struct list *list, const char *s, size_t len)
{
	char *copy;

	if (len == 0)
		return "";
	copy = len < SIZE_MAX ? list_alloc(list, len + 1) : NULL;
	if (!copy)
		return "";
	return memcpy(copy, s, len);
}

const char *list_format(struct list *list, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		return "";
	return list_string(list, text, MIN((size_t)len, sizeof(text) - 1));
}

void list_doubt(struct list *list, const char *fmt, ...)
{
	va_list args;

	if (list->doubt[0])
		return;
	va_start(args, fmt);
	(void)vsnprintf(list->doubt, sizeof(list->doubt), fmt, args);
	va_end(args);
}

static void chunks_free(struct list_chunk *chunk)
{
	while (chunk) {
		struct list_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void list_restart(struct list *list)
{
	list_fini(list);
}

enum mvmi_status list_finish(struct list *list, size_t head_len,
			     const void **ret, struct mvmi_error *err)
{
	const char *doubt = list_string(list, list->doubt, strlen(list->doubt));
	enum mvmi_status failed = list->failed;
	struct list_head_public *head;
	struct result *result = NULL;

	if (failed == MVMI_OK) {
		result = calloc(1, sizeof(*result) + head_len);
		if (!result)
			failed = MVMI_ERR_NOMEM;
	}
	if (!result) {
		list_fini(list);
		return fail(err, failed,
			    failed == MVMI_ERR_LIMIT
				    ? "more than %zu records or %zu MiB: the "
				      "guest is broken or lies"
				    : "no memory for a list (limits: %zu "
				      "records, %zu MiB)",
			    LIST_RECORDS_MAX, LIST_BYTES_MAX >> 20);
	}
	result->chunks = list->chunks;
	result->items = list->items;
	head = (struct list_head_public *)(void *)result->head;
	head->items = (const void *const *)list->items;
	head->count = list->count;
	head->doubt = doubt;
	*list = (struct list){ .chunks = NULL };
	*ret = head;
	return MVMI_OK;
}

void list_fini(struct list *list)
{
	chunks_free(list->chunks);
	free(list->items);
	*list = (struct list){ .chunks = NULL };
}

void mvmi_os_free(const void *list)
{
	struct result *result;

	if (!list)
		return;
	result = (struct result *)((uintptr_t)list -
				   offsetof(struct result, head));
	chunks_free(result->chunks);
	free(result->items);
	free(result);
}
