/* SPDX-License-Identifier: MIT */
/*
 * Walks over hostile arrays, of both kinds.
 *
 * An input is a kind, the head and an image of RAM. Whatever it holds, a walk
 * ends, gives entries in order, and loading one of them by its number finds
 * the same.
 */
#include "../tinylinux.h"
#include "base/cursor.h"

/** Loads that one walk is checked by: each walks down anew. */
#define LOADS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

struct passed {
	struct mvmi_space *space;
	const struct xarray_shape *shape;
	uint64_t head;
	bool any;
	uint64_t last;
	size_t count;
};

static void
check_load(const struct passed *passed, uint64_t index, uint64_t entry)
{
	uint64_t loaded = 0;

	require(xarray_load(passed->space, passed->shape, passed->head, index,
			    &loaded, NULL) == MVMI_OK);
	require(loaded == entry);
}

static enum mvmi_status take(uint64_t first, uint64_t last, uint64_t entry,
			     void *arg, struct mvmi_error *err)
{
	struct passed *passed = arg;

	(void)err;
	require(first <= last && entry != 0);
	require(!passed->any || first > passed->last);
	if (passed->count++ < LOADS_MAX) {
		check_load(passed, first, entry);
		check_load(passed, last, entry);
	}
	passed->any = true;
	passed->last = last;
	return MVMI_OK;
}

static void walk(const struct xarray_shape *shape, uint64_t head)
{
	struct mvmi_space_params params = { .size = sizeof(params),
					    .paging = MVMI_PAGING_NONE };
	struct passed passed = { .shape = shape, .head = head };
	struct mvmi_vm *vm = ramvm_open();
	uint64_t entry;

	require(mvmi_space_create(vm, &params, &passed.space, NULL) == MVMI_OK);
	(void)xarray_walk(passed.space, shape, head, take, &passed, NULL);
	/* Of what a walk does not reach, too, a load ends. */
	for (unsigned bit = 0; bit < 64; bit++)
		(void)xarray_load(passed.space, shape, head, UINT64_C(1) << bit,
				  &entry, NULL);
	mvmi_space_destroy(passed.space);
	mvmi_vm_close(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xarray_shape shapes[2];
	static struct mvmi_types *types;
	struct cursor c = cursor_of((struct mvmi_bytes){ data, size });
	uint8_t kind = cursor_u8(&c);
	uint64_t head = cursor_u64le(&c);
	struct mvmi_bytes image = cursor_take(&c, c.rest.len);

	if (!cursor_ok(&c) || image.len == 0)
		return 0;
	if (!types)
		types = tiny_types_make(NULL);
	for (unsigned i = 0; i < 2; i++)
		require(xarray_prepare(&shapes[i], types, NULL) == MVMI_OK);
	shapes[1].radix = true;
	/* Exactly as long as it is, so that ASan sees a read past its end. */
	ramvm.ram = malloc(image.len);
	require(ramvm.ram != NULL);
	memcpy(ramvm.ram, image.ptr, image.len);
	ramvm.len = image.len;
	ramvm.mapped = true;
	ramvm.frozen = true;
	walk(&shapes[kind & 1], head);
	free(ramvm.ram);
	ramvm.ram = NULL;
	return 0;
}
