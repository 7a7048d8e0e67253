/* SPDX-License-Identifier: MIT */
/*
 * Walks over hostile maple trees.
 *
 * An input is a root and an image of RAM. Whatever it holds, a walk ends, and
 * what it gives is in order: no entry begins before the one before has ended.
 */
#include "../tinylinux.h"
#include "base/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

/** What was given last. */
struct passed {
	bool any;
	uint64_t last;
	size_t count;
};

static enum mvmi_status take(uint64_t first, uint64_t last, uint64_t entry,
			     void *arg, struct mvmi_error *err)
{
	struct passed *passed = arg;

	(void)err;
	require(first <= last);
	require(!passed->any || first > passed->last);
	require(entry >= 4096 && (entry & 3) == 0);
	passed->any = true;
	passed->last = last;
	passed->count++;
	return MVMI_OK;
}

static void walk(const struct maple_shapes *shapes, uint64_t root)
{
	struct mvmi_space_params params = { .size = sizeof(params),
					    .paging = MVMI_PAGING_NONE };
	struct passed passed = { .any = false };
	struct mvmi_error err = { .status = MVMI_OK };
	struct mvmi_space *space = NULL;
	struct mvmi_vm *vm = ramvm_open();
	enum mvmi_status status;

	require(mvmi_space_create(vm, &params, &space, NULL) == MVMI_OK);
	status = maple_walk(space, shapes, root, take, &passed, &err);
	require(status == MVMI_OK ||
		(err.status == status && err.msg[0] != '\0'));
	require(passed.count <= MAPLE_NODES_MAX * 32);
	mvmi_space_destroy(space);
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
