/* SPDX-License-Identifier: MIT */
/*
 * Which means a breakpoint gets: the first whose needs the VM's capabilities
 * and event descriptors meet.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "bp/bp.h"

#define NEEDS_MAX  3
#define DO(action) MVMI_ACTION_BIT(MVMI_ACTION_##action)

/** An event that a means is made of, and how it must be answerable. */
struct need {
	enum mvmi_event_kind kind;
	enum mvmi_phase phase;
	uint32_t replies;
};

enum slots {
	SLOTS_ANY,
	SLOTS_NONE, /**< without a limit: no slots at all */
	SLOTS_FEW,
};

static const struct rule {
	enum mvmi_bp_means means;
	bool by_gpa; /**< needs the page */
	uint32_t caps;
	enum slots slots;
	struct need needs[NEEDS_MAX];
} rules[] = {
	{ MVMI_BP_INTERCEPT,
	  false,
	  MVMI_CAP_EVENT,
	  SLOTS_NONE,
	  { { MVMI_EVENT_HW_BREAKPOINT, MVMI_PHASE_BEFORE, DO(CONTINUE) } } },
	{ MVMI_BP_VIEW,
	  true,
	  MVMI_CAP_EVENT | MVMI_CAP_VIEW | MVMI_CAP_ACCESS | MVMI_CAP_WRITE,
	  SLOTS_ANY,
	  { { MVMI_EVENT_INT3, MVMI_PHASE_BEFORE,
	      DO(SWITCH_VIEW) | DO(EMULATE) },
	    { MVMI_EVENT_MEMORY, MVMI_PHASE_BEFORE, DO(SWITCH_VIEW) },
	    { MVMI_EVENT_STEP, MVMI_PHASE_AFTER, DO(SWITCH_VIEW) } } },
	{ MVMI_BP_SLOT,
	  false,
	  MVMI_CAP_EVENT,
	  SLOTS_FEW,
	  { { MVMI_EVENT_HW_BREAKPOINT, MVMI_PHASE_BEFORE, DO(CONTINUE) } } },
	{ MVMI_BP_INT3,
	  true,
	  MVMI_CAP_EVENT | MVMI_CAP_WRITE,
	  SLOTS_ANY,
	  { { MVMI_EVENT_INT3, MVMI_PHASE_BEFORE, DO(EMULATE) } } },
};

static const char *const means_names[MVMI_BP_MEANS_COUNT] = {
	[MVMI_BP_NONE] = "none", [MVMI_BP_INTERCEPT] = "intercept",
	[MVMI_BP_VIEW] = "view", [MVMI_BP_SLOT] = "slot",
	[MVMI_BP_INT3] = "int3",
};

const char *mvmi_bp_means_name(enum mvmi_bp_means means)
{
	return (unsigned)means < MVMI_BP_MEANS_COUNT ? means_names[means]
						     : NULL;
}

/* ---- what the VM offers ------------------------------------------------ */

static enum mvmi_status
check_need(const struct mvmi_vm *vm, const struct need *need, enum slots slots,
	   struct mvmi_error *err)
{
	const char *kind = mvmi_event_kind_name(need->kind);
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);
	size_t i = 0;

	while (i < count && descs[i].kind != need->kind)
		i++;
	if (i == count)
		return fail(err, MVMI_ERR_UNSUPPORTED, "no %s events", kind);
	if (descs[i].phase != need->phase || descs[i].holds == MVMI_HOLDS_NONE)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s events don't hold in time", kind);
	if ((descs[i].replies & need->replies) != need->replies)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s events can't be answered so", kind);
	if (slots == SLOTS_NONE && descs[i].limit)
		return fail(err, MVMI_ERR_UNSUPPORTED, "only %u slots",
			    (unsigned)descs[i].limit);
	if (slots == SLOTS_FEW && !descs[i].limit)
		return fail(err, MVMI_ERR_UNSUPPORTED, "no slots");
	return MVMI_OK;
}

static enum mvmi_status
check_vm(struct mvmi_vm *vm, const struct rule *rule, struct mvmi_error *err)
{
	uint32_t lacks = rule->caps & ~mvmi_vm_capabilities(vm);
	enum mvmi_status status = MVMI_OK;

	if (lacks & (MVMI_CAP_VIEW | MVMI_CAP_ACCESS))
		return fail(err, MVMI_ERR_UNSUPPORTED, "no views");
	if (lacks & MVMI_CAP_EVENT)
		return fail(err, MVMI_ERR_UNSUPPORTED, "no events");
	if (lacks & MVMI_CAP_WRITE)
		return fail(err, MVMI_ERR_UNSUPPORTED, "no writes");
	if (rule->means == MVMI_BP_VIEW &&
	    vm->conn->view->scope(vm->conn) != MVMI_HOLDS_VCPU)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "all vCPUs share one view");
	for (size_t i = 0; status == MVMI_OK && i < NEEDS_MAX; i++) {
		if (rule->needs[i].replies)
			status = check_need(vm, &rule->needs[i], rule->slots,
					    err);
	}
	return status;
}

/* ---- what the caller allows -------------------------------------------- */

/** Without anyone who knows, only the kernel's half is taken to be no file. */
static enum mvmi_status
is_file_backed(struct bp_manager *m, const struct bp *bp, bool *ret,
	       struct mvmi_error *err)
{
	if (m->guest.size && m->guest.file_backed && !bp->what.physical)
		return m->guest.file_backed(
			m->vm, bp->space ? bp->space->space : NULL,
			bp->what.gva, ret, m->guest.arg, err);
	*ret = bp->what.physical || !(bp->what.gva.val >> 63);
	return MVMI_OK;
}

static enum mvmi_status
check_int3(struct bp_manager *m, const struct bp *bp, struct mvmi_error *err)
{
	bool file_backed;
	enum mvmi_status status;

	if (!bp->what.visible)
		return fail(err, MVMI_ERR_DENIED, "visible isn't allowed");
	if (bp->what.file_backed)
		return MVMI_OK;
	status = is_file_backed(m, bp, &file_backed, err);
	if (status == MVMI_OK && file_backed)
		return fail(err, MVMI_ERR_DENIED,
			    "the page may be a file's, which isn't allowed");
	return status;
}

/* ---- trying ------------------------------------------------------------ */

static enum mvmi_status
try_rule(struct bp_manager *m, struct bp *bp, const struct rule *rule,
	 struct mvmi_error *err)
{
	enum mvmi_status status = check_vm(m->vm, rule, err);
	mvmi_gpa gpa;

	if (status == MVMI_OK && !rule->by_gpa && bp->what.physical)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "for virtual addresses only");
	if (status == MVMI_OK && rule->means == MVMI_BP_INT3)
		status = check_int3(m, bp, err);
	if (status != MVMI_OK)
		return status;
	if (!rule->by_gpa)
		return site_attach(m, bp, rule->means, bp->what.gva.val, err);
	status = bp_locate(m, bp, &gpa, err);
	if (status != MVMI_OK)
		return status;
	return site_attach(m, bp, rule->means, gpa.val, err);
}

/** Whether another means may be tried after this failure. */
static bool is_soft(enum mvmi_status status)
{
	return status == MVMI_ERR_UNSUPPORTED || status == MVMI_ERR_LIMIT ||
	       status == MVMI_ERR_DENIED;
}

static void
note(struct bp *bp, const struct rule *rule, const struct mvmi_error *why)
{
	size_t used = strlen(bp->refused);

	(void)snprintf(bp->refused + used, sizeof(bp->refused) - used,
		       "%s%s: %.100s", used ? "; " : "",
		       means_names[rule->means], why->msg);
}

static enum mvmi_status
fail_all(const struct bp *bp, enum mvmi_status status, struct mvmi_error *err)
{
	return fail(err, status, "no breakpoint at guest-%s 0x%" PRIx64 ": %s",
		    bp->what.physical ? "physical" : "virtual",
		    bp->what.physical ? bp->what.gpa.val : bp->what.gva.val,
		    bp->refused);
}

enum mvmi_status
bp_place(struct bp_manager *m, struct bp *bp, struct mvmi_error *err)
{
	enum mvmi_status worst = MVMI_ERR_UNSUPPORTED;

	bp->refused[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct mvmi_error why;
		enum mvmi_status status = try_rule(m, bp, &rules[i], &why);

		if (status == MVMI_OK || status == MVMI_ERR_NOT_PRESENT) {
			bp->state = status == MVMI_OK ? MVMI_BP_ARMED
						      : MVMI_BP_WAITING;
			bp_track(m, bp, true);
			return MVMI_OK;
		}
		if (!is_soft(status)) {
			if (err)
				*err = why;
			return status;
		}
		note(bp, &rules[i], &why);
		if (status == MVMI_ERR_LIMIT ||
		    (status == MVMI_ERR_DENIED && worst != MVMI_ERR_LIMIT))
			worst = status;
	}
	return fail_all(bp, worst, err);
}
