/* SPDX-License-Identifier: MIT */
/** @file An address space: rules, and what was translated in this epoch. */
#ifndef MICROVMI_XLAT_SPACE_H
#define MICROVMI_XLAT_SPACE_H

#include <microvmi/space.h>

#include "core/mem.h"
#include "xlat/tlb.h"
#include "xlat/walk.h"

#define space_walk_slow mvmi__space_walk_slow
#define space_prefetch	mvmi__space_prefetch

/** Walks that a batch drives at a time, and pages of one scatter read. */
#define SPACE_BATCH 64

struct mvmi_space {
	struct mvmi_vm *vm; /**< borrowed */
	struct mvmi_space_params params;
	struct paging_rules rules;
	uint64_t epoch; /**< in which tlb holds, see vm_epoch() */
	struct tlb tlb;
};

/**
 * Begin a public call: notice the end of the VM, and forget what does not hold
 * any more. Within the call translations hold.
 */
static inline enum mvmi_status
space_begin(struct mvmi_space *space, struct mvmi_error *err)
{
	enum mvmi_status status = vm_poll(space->vm, err);
	uint64_t epoch;

	if (status != MVMI_OK)
		return status;
	epoch = vm_epoch(space->vm);
	if (space->epoch != epoch) {
		space->epoch = epoch;
		tlb_flush(&space->tlb);
	}
	return MVMI_OK;
}

/**
 * Walk to gva and remember the page; *ret is in the TLB.
 *
 * @retval MVMI_ERR_NOT_PRESENT  As mvmi_space_translate().
 */
enum mvmi_status
space_walk_slow(struct mvmi_space *space, mvmi_gva gva,
		const struct mvmi_translation **ret, struct mvmi_error *err);

/** The page that gva lies in, from the TLB or by a walk. */
static inline enum mvmi_status
space_page(struct mvmi_space *space, mvmi_gva gva,
	   const struct mvmi_translation **ret, struct mvmi_error *err)
{
	const struct mvmi_translation *page = tlb_find(&space->tlb, gva);

	if (!page)
		return space_walk_slow(space, gva, ret, err);
	*ret = page;
	return MVMI_OK;
}

/** Where gva lies, given its page. */
static inline mvmi_gpa
page_gpa(const struct mvmi_translation *page, mvmi_gva gva)
{
	return mvmi_gpa_at(page->gpa.val + (gva.val - page->gva.val));
}

/**
 * Put count pages of 4 KiB from gva on into the TLB, breadth first. Pages that
 * can't be reached are left for whoever needs them to say so.
 *
 * @param count  At most SPACE_BATCH.
 */
enum mvmi_status space_prefetch(struct mvmi_space *space, mvmi_gva gva,
				size_t count, struct mvmi_error *err);

#endif /* MICROVMI_XLAT_SPACE_H */
