/* SPDX-License-Identifier: MIT */
#include "event/reply.h"

#include <string.h>

#include "base/error.h"

void reply_init(struct reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	reply->merged.regs.size = sizeof(reply->merged.regs);
}

/** Whether two replies with the same action ask for the same. */
static bool same_action(const struct mvmi_reply *a, const struct mvmi_reply *b)
{
	switch (a->action) {
	case MVMI_ACTION_SWITCH_VIEW:
		return a->view == b->view;
	case MVMI_ACTION_EMULATE:
		return a->data_len == b->data_len &&
		       memcmp(a->data, b->data, a->data_len) == 0;
	case MVMI_ACTION_INJECT:
		return a->inject.kind == b->inject.kind &&
		       a->inject.vector == b->inject.vector &&
		       a->inject.has_error_code == b->inject.has_error_code &&
		       a->inject.error_code == b->inject.error_code &&
		       a->inject.cr2 == b->inject.cr2;
	case MVMI_ACTION_CONTINUE:
	case MVMI_ACTION_SKIP:
	case MVMI_ACTION_DENY:
	case MVMI_ACTION_REINJECT:
	case MVMI_ACTION_STEP:
	case MVMI_ACTION_COUNT:
		break;
	}
	return true;
}

struct mvmi_error *reply_complaint(struct reply *reply)
{
	return reply->complaint.status == MVMI_OK ? &reply->complaint : NULL;
}

static void
merge_action(struct reply *reply, const struct mvmi_event_desc *desc,
	     const struct mvmi_reply *from)
{
	struct mvmi_reply *merged = &reply->merged;
	const char *kind = mvmi_event_kind_name(desc->kind);
	const char *name = mvmi_action_name(from->action);

	if (from->action == MVMI_ACTION_CONTINUE)
		return; /* No opinion. */
	if (!name || !(desc->replies & MVMI_ACTION_BIT(from->action))) {
		(void)fail(reply_complaint(reply), MVMI_ERR_INVALID,
			   "%s is no reply to a %s event here; it continued",
			   name ? name : "this", kind);
		return;
	}
	if (from->data_len > sizeof(from->data)) {
		(void)fail(
			reply_complaint(reply), MVMI_ERR_INVALID,
			"%u bytes to emulate with, but a reply to a %s event "
			"has room for %zu; it continued",
			(unsigned)from->data_len, kind, sizeof(from->data));
		return;
	}
	if (merged->action != MVMI_ACTION_CONTINUE &&
	    (merged->action != from->action || !same_action(merged, from)))
		(void)fail(reply_complaint(reply), MVMI_ERR_INVALID,
			   "two subscribers answered a %s event differently, "
			   "%s and %s; the last one won",
			   kind, mvmi_action_name(merged->action), name);
	merged->action = from->action;
	merged->view = from->view;
	merged->inject = from->inject;
	merged->data_len = from->data_len;
	memcpy(merged->data, from->data, sizeof(merged->data));
}

/** Leave out the registers that can't be written, with a complaint. */
static mvmi_regset
writable_of(struct reply *reply, const struct mvmi_vm *vm, mvmi_regset dirty)
{
	mvmi_regset refused = mvmi_regset_minus(dirty, vm->conn->writable_regs);

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		if (mvmi_regset_has(refused, (enum mvmi_reg)i))
			(void)fail(reply_complaint(reply), MVMI_ERR_INVALID,
				   "%s in a reply can't be written here",
				   mvmi_reg_name((enum mvmi_reg)i));
	}
	return mvmi_regset_minus(dirty, refused);
}

void reply_merge(struct reply *reply, struct mvmi_vm *vm,
		 const struct mvmi_event_desc *desc,
		 const struct mvmi_reply *from)
{
	struct mvmi_regs regs;

	merge_action(reply, desc, from);
	if (mvmi_regset_is_empty(from->regs.dirty))
		return;
	regs = from->regs;
	regs.dirty = writable_of(reply, vm, regs.dirty);
	pending_set(vm->pending, &regs);
}

void reply_finish(struct reply *reply, const struct pending_event *pending)
{
	if (pending->contradicted != MVMI_REG_COUNT)
		(void)fail(reply_complaint(reply), MVMI_ERR_INVALID,
			   "two subscribers set %s of vCPU %u differently; the "
			   "last one won",
			   mvmi_reg_name(pending->contradicted),
			   (unsigned)pending->vcpu);
	reply->merged.regs = pending->regs;
}
