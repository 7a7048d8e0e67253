/* SPDX-License-Identifier: MIT */
/*
 * Following pages. A breakpoint by page is at a physical address; what it was
 * asked for is a virtual one, and the guest may map that elsewhere.
 */
#include "base/error.h"
#include "bp/bp.h"

/** In any of the spaces that vCPUs run in; those that can't be asked aside. */
static enum mvmi_status locate_anywhere(struct bp_manager *m, mvmi_gva gva,
					mvmi_gpa *ret, struct mvmi_error *err)
{
	unsigned count = mvmi_vcpu_count(m->vm);

	for (unsigned i = 0; i < count; i++) {
		struct mvmi_space *space;
		enum mvmi_status status =
			mvmi_space_of_vcpu(m->vm, i, &space, err);

		if (status == MVMI_OK) {
			status = mvmi_space_translate(space, gva, ret, err);
			mvmi_space_destroy(space);
		}
		if (status != MVMI_ERR_NOT_PRESENT && status != MVMI_ERR_BUSY)
			return status;
	}
	return fail_walk(err, gva.val, "no vCPU runs where it is mapped");
}

enum mvmi_status bp_locate(struct bp_manager *m, const struct bp *bp,
			   mvmi_gpa *ret, struct mvmi_error *err)
{
	if (bp->what.physical) {
		*ret = bp->what.gpa;
		return MVMI_OK;
	}
	if (!bp->space)
		return locate_anywhere(m, bp->what.gva, ret, err);
	return mvmi_space_translate(bp->space->space, bp->what.gva, ret, err);
}

enum mvmi_status
bp_follow(struct bp_manager *m, struct bp *bp, struct mvmi_error *err)
{
	struct bp_site *site = bp->site;
	mvmi_gpa gpa = { 0 };
	enum mvmi_status status = bp_locate(m, bp, &gpa, err);

	if (status != MVMI_OK && status != MVMI_ERR_NOT_PRESENT)
		return status;
	if (site && status == MVMI_OK && site->node.key == gpa.val)
		return MVMI_OK;
	if (!site && status != MVMI_OK)
		return MVMI_OK;
	if (site) {
		enum mvmi_status left = site_detach(m, bp, err);

		if (left != MVMI_OK)
			return left;
		bp->moves++;
	}
	bp->state = MVMI_BP_WAITING;
	bp_track(m, bp, true);
	return status == MVMI_OK ? bp_place(m, bp, err) : MVMI_OK;
}

/** Whether its page is to be looked up: for one CR3, or once for all. */
static bool is_due(const struct bp *bp, const uint64_t *cr3)
{
	if (bp->tracked || cr3)
		return bp->tracked;
	return bp->site && bp->site->by_gpa && !bp->what.physical;
}

/** Whether a space may have become another when its root was loaded. */
static bool is_under(const struct bp *bp, const uint64_t *cr3)
{
	uint64_t root;

	if (!cr3 || !bp->space)
		return true;
	root = mvmi_space_get_params(bp->space->space)->root;
	return ((*cr3 ^ root) & MVMI_BP_CR3_MASK_PTI) == 0;
}

enum mvmi_status
bp_follow_all(struct bp_manager *m, const uint64_t *cr3, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	struct bp *next;

	for (struct bp *bp = m->first; bp; bp = next) {
		enum mvmi_status one = MVMI_OK;

		next = bp->next;
		if (is_due(bp, cr3) && is_under(bp, cr3))
			one = bp_follow(m, bp, status == MVMI_OK ? err : NULL);
		if (status == MVMI_OK)
			status = one;
	}
	return status;
}

void bp_on_cr3(struct mvmi_vm *vm, const struct mvmi_event *event,
	       struct mvmi_reply *reply, void *arg)
{
	struct bp_manager *m = arg;

	(void)vm;
	(void)reply;
	manager_begin(m);
	if (event->subscription != m->cr3_token)
		return;
	/* What can't be followed now is tried again with the next one. */
	(void)bp_follow_all(
		m, event->fields & MVMI_FIELD_VALUE ? &event->value : NULL,
		NULL);
}
