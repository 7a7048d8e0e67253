/* SPDX-License-Identifier: MIT */
#include "os/linux/find/anchor.h"

#include <inttypes.h>

#include <microvmi/vcpu.h>

#include "base/error.h"
#include "base/util.h"

#define SLOT_COUNT ((size_t)(KERNEL_MAP_LEN / KERNEL_SLOT_LEN))
/** Bit of CR3 that tells the user half of a pair from the kernel's. */
#define PTI_USER_PGD (UINT64_C(1) << 12)
/** Bits of CR3 that are an address. */
#define ROOT_FRAME UINT64_C(0x000ffffffffff000)

/** Bits of an address that no host has RAM at, but may mean encryption. */
#define ENCRYPTION_BIT_MIN 32
#define ENCRYPTION_BIT_MAX 51

static bool is_readable(struct mvmi_vm *vm, uint64_t gpa)
{
	uint8_t entry[8] = { 0 };

	return mvmi_mem_read(vm, mvmi_gpa_at(gpa),
			     (struct mvmi_span){ entry, sizeof(entry) },
			     NULL) == MVMI_OK;
}

/**
 * The C-bit of SME (APM 2 7.10): a bit of CR3 without which it points to RAM,
 * and with which it does not. 0: there is none.
 */
static uint64_t find_encryption_bit(struct mvmi_vm *vm, uint64_t root)
{
	uint64_t frame = root & ROOT_FRAME;

	if (is_readable(vm, frame))
		return 0;
	for (unsigned i = ENCRYPTION_BIT_MAX; i >= ENCRYPTION_BIT_MIN; i--) {
		uint64_t bit = UINT64_C(1) << i;

		if ((frame & bit) && is_readable(vm, frame & ~bit))
			return bit;
	}
	return 0;
}

enum mvmi_status
anchor_candidates(struct mvmi_vm *vm, unsigned vcpu,
		  struct anchor_candidates *ret, struct mvmi_error *err)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_regs regs = mvmi_regs_empty();
	struct anchor_candidates found = { .count = 0 };
	enum mvmi_status status = mvmi_vcpu_get_regs(
		vm, vcpu, MVMI_REGS_CONTROL | MVMI_REGS_SEGMENT, &regs, err);

	if (status == MVMI_OK)
		status = mvmi_space_params_of_regs(&regs, &params, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "vCPU %u", vcpu);
	if (params.paging != MVMI_PAGING_4LEVEL &&
	    params.paging != MVMI_PAGING_5LEVEL)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "vCPU %u is not in long mode (paging: %s)", vcpu,
			    mvmi_paging_name(params.paging));
	params.ignored_bits = find_encryption_bit(vm, params.root);
	params.root &= ~params.ignored_bits;
	/*
	 * Without PTI the bit is an ordinary one of the address; then the other
	 * page holds no page tables, or another process's, which map the
	 * kernel as well.
	 */
	if (params.root & PTI_USER_PGD) {
		found.params[found.count] = params;
		found.params[found.count++].root &= ~PTI_USER_PGD;
	}
	found.params[found.count++] = params;
	*ret = found;
	return MVMI_OK;
}

static bool is_at(const struct mvmi_translation *slot, uint64_t delta)
{
	return slot->fault == MVMI_WALK_OK &&
	       slot->gva.val - slot->gpa.val == delta;
}

static bool is_rodata(const struct mvmi_translation *slot, uint64_t delta)
{
	return is_at(slot, delta) &&
	       !(slot->rights & (MVMI_PAGE_WRITE | MVMI_PAGE_EXEC));
}

/** Describe the image whose first slot is given. */
static void
measure(const struct mvmi_translation *slots, size_t first, struct anchor *ret)
{
	uint64_t delta = slots[first].gva.val - slots[first].gpa.val;
	size_t max = MIN(SLOT_COUNT - first,
			 (size_t)(KERNEL_IMAGE_MAX / KERNEL_SLOT_LEN));
	size_t rodata = 0;

	ret->base = slots[first].gva;
	ret->gpa = slots[first].gpa;
	for (size_t i = 0; i < max; i++) {
		if (!is_at(&slots[first + i], delta))
			continue;
		ret->len = (i + 1) * KERNEL_SLOT_LEN;
		if (!rodata && is_rodata(&slots[first + i], delta))
			rodata = i;
	}
	if (!rodata)
		return;
	ret->rodata = rodata * KERNEL_SLOT_LEN;
	for (size_t i = rodata; i < max && is_rodata(&slots[first + i], delta);
	     i++)
		ret->rodata_len += KERNEL_SLOT_LEN;
}

enum mvmi_status
anchor_of_root(struct mvmi_vm *vm, const struct mvmi_space_params *params,
	       struct anchor *ret, struct mvmi_error *err)
{
	struct mvmi_translation slots[SLOT_COUNT];
	struct anchor found = { .params = *params };
	struct mvmi_space *space = NULL;
	size_t first = 0;
	enum mvmi_status status = mvmi_space_create(vm, params, &space, err);

	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < SLOT_COUNT; i++)
		slots[i] = (struct mvmi_translation){
			.gva = mvmi_gva_at(KERNEL_MAP_START +
					   i * KERNEL_SLOT_LEN),
		};
	status = mvmi_space_translate_batch(space, slots, SLOT_COUNT, err);
	mvmi_space_destroy(space);
	if (status != MVMI_OK)
		return status;
	while (first < SLOT_COUNT && slots[first].fault != MVMI_WALK_OK)
		first++;
	if (first == SLOT_COUNT || slots[first].gpa.val % KERNEL_SLOT_LEN)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the %s page tables at 0x%" PRIx64 " map no kernel "
			    "from 0x%" PRIx64 " on",
			    mvmi_paging_name(params->paging), params->root,
			    KERNEL_MAP_START);
	measure(slots, first, &found);
	*ret = found;
	return MVMI_OK;
}

bool anchor_maps(struct mvmi_vm *vm, const struct mvmi_space_params *params,
		 mvmi_gva gva, mvmi_gpa gpa)
{
	struct mvmi_space *space = NULL;
	mvmi_gpa got;
	bool maps;

	if (mvmi_space_create(vm, params, &space, NULL) != MVMI_OK)
		return false;
	maps = mvmi_space_translate(space, gva, &got, NULL) == MVMI_OK &&
	       got.val == gpa.val;
	mvmi_space_destroy(space);
	return maps;
}
