/* SPDX-License-Identifier: MIT */
/*
 * Walks over hostile tables.
 *
 * An input is a header, eight addresses and an image of RAM. Whatever it holds,
 * a walk ends, and five ways to make it come to the same page or the same
 * fault: alone, in a batch, step by step, and both again without a window.
 */
#include <microvmi/space.h>

#include <string.h>

#include "../ramvm.h"
#include "base/cursor.h"

#define GVA_COUNT 8
#define READ_LEN  5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
	if (!cond)
		abort();
}

static bool
same(const struct mvmi_translation *a, const struct mvmi_translation *b)
{
	return a->gva.val == b->gva.val && a->gpa.val == b->gpa.val &&
	       a->page_size == b->page_size && a->entry == b->entry &&
	       a->entry_gpa.val == b->entry_gpa.val && a->level == b->level &&
	       a->rights == b->rights && a->fault == b->fault;
}

/** A step's own fault must be the walk's, and only the last one has any. */
static void check_steps(const struct mvmi_walk_step *steps, size_t count,
			const struct mvmi_translation *result)
{
	require(count <= MVMI_WALK_STEPS_MAX);
	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count;

		require(steps[i].fault ==
			(last ? result->fault : MVMI_WALK_OK));
		require(steps[i].leaf ==
			(last && result->fault == MVMI_WALK_OK));
	}
}

static void
check_one(struct mvmi_space *space, const struct mvmi_translation *batched)
{
	struct mvmi_walk_step steps[MVMI_WALK_STEPS_MAX];
	struct mvmi_translation result;
	struct mvmi_error err;
	enum mvmi_status status;
	mvmi_gpa gpa = { 0 };
	size_t count;

	require(mvmi_space_walk(space, batched->gva, steps, &count, &result,
				&err) == MVMI_OK);
	require(same(&result, batched));
	check_steps(steps, count, &result);
	mvmi_space_flush(space);
	status = mvmi_space_translate(space, batched->gva, &gpa, &err);
	if (batched->fault == MVMI_WALK_OK) {
		require(status == MVMI_OK && gpa.val == batched->gpa.val);
	} else {
		require(status == MVMI_ERR_NOT_PRESENT);
		require(err.addr == batched->gva.val);
	}
}

/** A read is the bytes that lie where each of them is translated to. */
static void check_read(struct mvmi_space *space, mvmi_gva gva)
{
	static uint8_t buf[READ_LEN];
	struct mvmi_error err;
	enum mvmi_status status = mvmi_space_read(
		space, gva, (struct mvmi_span){ buf, sizeof(buf) }, &err);

	if (status != MVMI_OK) {
		require(err.status == status && err.msg[0] != '\0');
		return;
	}
	for (size_t i = 0; i < sizeof(buf); i += 499) {
		mvmi_gpa gpa = { 0 };

		require(mvmi_space_translate(space, mvmi_gva_at(gva.val + i),
					     &gpa, NULL) == MVMI_OK);
		require(gpa.val < ramvm.len && ramvm.ram[gpa.val] == buf[i]);
	}
}

/** Walk to all addresses; the outcomes are in items. */
static void walk_all(const struct mvmi_space_params *params, bool mapped,
		     struct mvmi_translation items[GVA_COUNT])
{
	struct mvmi_space *space;
	struct mvmi_vm *vm;

	ramvm.mapped = mapped;
	ramvm.frozen = true;
	vm = ramvm_open();
	require(mvmi_space_create(vm, params, &space, NULL) == MVMI_OK);
	require(mvmi_space_translate_batch(space, items, GVA_COUNT, NULL) ==
		MVMI_OK);
	for (size_t i = 0; i < GVA_COUNT; i++) {
		check_one(space, &items[i]);
		check_read(space, items[i].gva);
	}
	mvmi_space_destroy(space);
	mvmi_vm_close(vm);
}

static void take_params(struct cursor *c, struct mvmi_space_params *ret)
{
	unsigned mode = cursor_u8(c);
	unsigned flags = cursor_u8(c);
	unsigned width = cursor_u8(c);

	*ret = (struct mvmi_space_params){
		.size = sizeof(*ret),
		.paging = (enum mvmi_paging)(mode % (MVMI_PAGING_5LEVEL + 1)),
		.pse = (flags & 1) != 0,
		.nxe = (flags & 2) != 0,
		.no_1g_pages = (flags & 4) != 0,
		.ignored_bits = flags & 8 ? UINT64_C(1) << 51 : 0,
		.maxphyaddr = (uint8_t)(32 + width % 21),
	};
	ret->root = cursor_u64le(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of((struct mvmi_bytes){ data, size });
	struct mvmi_translation mapped[GVA_COUNT] = { 0 };
	struct mvmi_translation scattered[GVA_COUNT];
	struct mvmi_space_params params;
	struct mvmi_bytes image;

	take_params(&c, &params);
	for (size_t i = 0; i < GVA_COUNT; i++)
		mapped[i].gva = mvmi_gva_at(cursor_u64le(&c));
	memcpy(scattered, mapped, sizeof(scattered));
	if (!cursor_ok(&c))
		return 0;
	image = cursor_take(&c, c.rest.len);
	if (image.len == 0)
		return 0;
	/* Exactly as long as it is, so that ASan sees a read past its end. */
	ramvm.ram = malloc(image.len);
	require(ramvm.ram != NULL);
	memcpy(ramvm.ram, image.ptr, image.len);
	ramvm.len = image.len;
	walk_all(&params, true, mapped);
	walk_all(&params, false, scattered);
	for (size_t i = 0; i < GVA_COUNT; i++)
		require(same(&mapped[i], &scattered[i]));
	free(ramvm.ram);
	ramvm.ram = NULL;
	return 0;
}
