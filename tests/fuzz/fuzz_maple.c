/* SPDX-License-Identifier: MIT */
/*
 * Walks over hostile maple trees.
 *
 * An input is a root and an image of RAM. Whatever it holds, a walk ends, and
 * what it gives is in order: no entry begins before the one before has ended.
 * Finding one of them by an index finds the same.
 */
#include "../tinylinux.h"
#include "base/cursor.h"

/** Finds that one walk is checked by: each walks down anew. */
#define FINDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

/** The tree, and what was given last. */
struct passed {
	struct mvmi_space *space;
	const struct maple_shapes *shapes;
	uint64_t root;
	bool any;
	uint64_t last;
	size_t count;
};

static void check_find(const struct passed *passed, uint64_t index,
		       uint64_t first, uint64_t entry)
{
	struct maple_entry found = { .value = 0 };

	require(maple_find(passed->space, passed->shapes, passed->root, index,
			   &found, NULL) == MVMI_OK);
	require(found.first == first && found.value == entry);
}

static enum mvmi_status take(uint64_t first, uint64_t last, uint64_t entry,
			     void *arg, struct mvmi_error *err)
{
	struct passed *passed = arg;

	(void)err;
	require(first <= last);
	require(!passed->any || first > passed->last);
	require(entry >= 4096 && (entry & 3) == 0);
	if (passed->count < FINDS_MAX) {
		check_find(passed, first, first, entry);
		check_find(passed, last, first, entry);
		if (!passed->any || first > passed->last + 1)
			check_find(passed, first - (first != 0), first, entry);
	}
	passed->any = true;
	passed->last = last;
	passed->count++;
	return MVMI_OK;
}

static void walk(const struct maple_shapes *shapes, uint64_t root)
{
	struct mvmi_space_params params = { .size = sizeof(params),
					    .paging = MVMI_PAGING_NONE };
	struct passed passed = { .shapes = shapes, .root = root };
	struct mvmi_error err = { .status = MVMI_OK };
	struct mvmi_vm *vm = ramvm_open();
	enum mvmi_status status;

	require(mvmi_space_create(vm, &params, &passed.space, NULL) == MVMI_OK);
	status = maple_walk(passed.space, shapes, root, take, &passed, &err);
	require(status == MVMI_OK ||
		(err.status == status && err.msg[0] != '\0'));
	require(passed.count <= MAPLE_NODES_MAX * 32);
	mvmi_space_destroy(passed.space);
	mvmi_vm_close(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct maple_shapes shapes;
	static struct mvmi_types *types;
	struct cursor c = cursor_of((struct mvmi_bytes){ data, size });
	uint64_t root = cursor_u64le(&c);
	struct mvmi_bytes image = cursor_take(&c, c.rest.len);

	if (!cursor_ok(&c) || image.len == 0)
		return 0;
	if (!types)
		types = tiny_types_make(NULL);
	require(maple_prepare(&shapes, types, NULL) == MVMI_OK);
	/* Exactly as long as it is, so that ASan sees a read past its end. */
	ramvm.ram = malloc(image.len);
	require(ramvm.ram != NULL);
	memcpy(ramvm.ram, image.ptr, image.len);
	ramvm.len = image.len;
	ramvm.mapped = true;
	ramvm.frozen = true;
	walk(&shapes, root);
	free(ramvm.ram);
	ramvm.ram = NULL;
	return 0;
}
