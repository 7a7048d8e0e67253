/* SPDX-License-Identifier: MIT */
/*
 * The kernel's log, of either kind, from a guest that lies.
 *
 * An input is a header and the copied memory. Whatever it holds, each record
 * that comes out has a text that lies in the list, and there are no more of
 * them than descriptors, or than the buffer has room for headers.
 */
#include <stdlib.h>
#include <string.h>

#include "../printk_shapes.h"
#include "base/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

/** Exactly as long as it is, so that ASan sees a read past its end. */
static struct mvmi_bytes take(struct cursor *c, size_t len)
{
	struct mvmi_bytes from = cursor_take(c, len);
	uint8_t *copy = malloc(from.len + (from.len == 0));

	require(copy != NULL);
	if (from.len)
		memcpy(copy, from.ptr, from.len);
	return (struct mvmi_bytes){ copy, from.len };
}

static void release(struct mvmi_bytes bytes)
{
	free((void *)(uintptr_t)bytes.ptr);
}

static void
check(struct list *list, enum mvmi_status status, size_t most, size_t text_most)
{
	const struct mvmi_log *log = NULL;

	require(status == MVMI_OK || status == MVMI_ERR_CORRUPT);
	require(list_finish(list, sizeof(*log), (const void **)&log, NULL) ==
		MVMI_OK);
	require(log->count <= most);
	for (size_t i = 0; i < log->count; i++)
		require(strlen(log->items[i]->text) <= text_most);
	mvmi_os_free(log);
}

static void fuzz_ring(struct cursor *c)
{
	struct list list = { .chunks = NULL };
	struct mvmi_error err;
	size_t count = (size_t)1 << cursor_u8(c) % 8;
	size_t text = (size_t)1 << cursor_u8(c) % 13;
	bool running = cursor_u8(c) & 1;
	struct ring ring = {
		.desc = &printk_desc,
		.info = &printk_info,
		.head = cursor_u64le(c),
		.tail = cursor_u64le(c),
	};

	ring.descs = take(c, count * printk_desc.size);
	ring.infos = take(c, count * printk_info.size);
	if (running)
		ring.later = take(c, count * printk_desc.size);
	ring.text = take(c, text);
	if (cursor_ok(c))
		check(&list, ring_parse(&ring, &list, &err), count, text);
	release(ring.descs);
	release(ring.infos);
	release(ring.text);
	if (running)
		release(ring.later);
}

static void fuzz_old(struct cursor *c)
{
	struct list list = { .chunks = NULL };
	struct mvmi_error err;
	struct ring_old ring = {
		.log = &printk_old,
		.first_index = cursor_u64le(c),
		.first = cursor_u64le(c),
		.end = cursor_u64le(c),
	};

	if (!cursor_ok(c))
		return;
	ring.buffer = take(c, c->rest.len);
	check(&list, ring_parse_old(&ring, &list, &err),
	      ring.buffer.len / printk_old.size, ring.buffer.len);
	release(ring.buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of((struct mvmi_bytes){ data, size });

	if (cursor_u8(&c) & 1)
		fuzz_old(&c);
	else
		fuzz_ring(&c);
	return 0;
}
