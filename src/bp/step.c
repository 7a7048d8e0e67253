/* SPDX-License-Identifier: MIT */
/*
 * Stepping over. A patch stays where it is while its breakpoint lives, so that
 * no other vCPU can pass it unseen: what lay under it is executed from
 * elsewhere, out of the reply or out of the guest's own page in another view.
 *
 * Interceptions and slots need nothing of this: there "continue" is the
 * driver's to do (CONTRACT, Events 4).
 */
#include <string.h>

#include "base/util.h"
#include "bp/bp.h"

static uint32_t replies_to_int3(const struct mvmi_vm *vm)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);

	for (size_t i = 0; i < count; i++) {
		if (descs[i].kind == MVMI_EVENT_INT3)
			return descs[i].replies;
	}
	return 0;
}

static bool can(const struct mvmi_vm *vm, enum mvmi_action action)
{
	return (replies_to_int3(vm) & MVMI_ACTION_BIT(action)) != 0;
}

/** The space in which the vCPU of an event runs; NULL on failure. */
static struct bp_space *
space_of(struct bp_manager *m, const struct mvmi_regs *regs)
{
	struct mvmi_space_params params = { .size = sizeof(params) };

	if (mvmi_space_params_of_regs(regs, &params, NULL) != MVMI_OK)
		return NULL;
	return bp_space_ref(m, &params, NULL);
}

bool step_find_gpa(struct bp_manager *m, const struct mvmi_event *event,
		   mvmi_gpa *ret)
{
	const struct mvmi_regs *regs = NULL;
	struct mvmi_regs store;
	struct bp_space *space;
	enum mvmi_status status;

	if (event->fields & MVMI_FIELD_GPA) {
		*ret = event->gpa;
		return true;
	}
	if (hit_regs(m->vm, event, &store, &regs, NULL) != MVMI_OK)
		return false;
	space = space_of(m, regs);
	if (!space)
		return false;
	status = mvmi_space_translate(space->space, mvmi_gva_at(regs->x86.rip),
				      ret, NULL);
	bp_space_unref(m, space);
	return status == MVMI_OK;
}

/** The bytes of an instruction that lie beyond the end of its page. */
static size_t read_beyond(struct bp_manager *m, const struct mvmi_regs *regs,
			  size_t have, struct mvmi_span rest)
{
	struct bp_space *space = space_of(m, regs);
	enum mvmi_status status = MVMI_ERR_NOT_PRESENT;
	mvmi_gpa gpa = { 0 };

	if (space) {
		status = mvmi_space_translate(space->space,
					      mvmi_gva_at(regs->x86.rip + have),
					      &gpa, NULL);
		bp_space_unref(m, space);
	}
	if (status == MVMI_OK)
		status = mvmi_mem_read(m->vm, gpa, rest, NULL);
	if (status != MVMI_OK)
		return 0;
	mvmi_bp_hide(m->vm, gpa, rest);
	return rest.len;
}

/**
 * The guest's own instruction at gpa.
 *
 * @return How many bytes could be read, as many as any instruction has; 0: none
 */
static size_t read_code(struct bp_manager *m, const struct mvmi_event *event,
			mvmi_gpa gpa, uint8_t code[INSN_LEN_MAX])
{
	size_t len = (size_t)MIN(INSN_LEN_MAX,
				 MVMI_PAGE_SIZE - gpa.val % MVMI_PAGE_SIZE);
	const struct mvmi_regs *regs = NULL;
	struct mvmi_regs store;

	if (mvmi_mem_read(m->vm, gpa, (struct mvmi_span){ code, len }, NULL) !=
	    MVMI_OK)
		return 0;
	mvmi_bp_hide(m->vm, gpa, (struct mvmi_span){ code, len });
	if (len < INSN_LEN_MAX &&
	    hit_regs(m->vm, event, &store, &regs, NULL) == MVMI_OK)
		len += read_beyond(
			m, regs, len,
			(struct mvmi_span){ code + len, INSN_LEN_MAX - len });
	return len;
}

static bool is_int3(const uint8_t *code, size_t len)
{
	return code[0] == OPCODE_INT3 ||
	       (len > 1 && code[0] == 0xcd && code[1] == 3);
}

/**
 * Execute what is under the patch, or what is there since it was taken away.
 * An int3 of the guest's own is continued as such.
 */
static void execute(struct bp_manager *m, const struct mvmi_event *event,
		    mvmi_gpa gpa, struct mvmi_reply *reply)
{
	const struct bp_site *site = site_find_patch(m, gpa);
	uint8_t code[INSN_LEN_MAX];
	size_t len = read_code(m, event, gpa, code);

	if (len == 0 && site) {
		len = site->code_len;
		memcpy(code, site->code, len);
	}
	if (len == 0 || is_int3(code, len) || !can(m->vm, MVMI_ACTION_EMULATE))
		return;
	reply->action = MVMI_ACTION_EMULATE;
	reply->data_len = (uint32_t)len;
	memcpy(reply->data, code, len);
}

uint64_t step_owner(struct mvmi_vm *vm, const struct mvmi_event *event)
{
	struct bp_manager *m = vm->bp;
	const struct bp_site *site;
	uint8_t code[INSN_LEN_MAX];
	size_t len;
	mvmi_gpa gpa;

	if (event->kind != MVMI_EVENT_INT3)
		return 0;
	manager_begin(m);
	if (!step_find_gpa(m, event, &gpa))
		return 0;
	site = site_find_patch(m, gpa);
	if (site)
		return site->original == OPCODE_INT3 ? 0 : m->int3_token;
	len = read_code(m, event, gpa, code);
	return len == 0 || is_int3(code, len) ? 0 : UINT64_MAX;
}

void step_resume(struct mvmi_vm *vm, const struct mvmi_event *event,
		 struct mvmi_reply *reply)
{
	struct bp_manager *m = vm->bp;
	const struct bp_site *site;
	mvmi_gpa gpa;

	if (event->kind != MVMI_EVENT_INT3)
		return;
	manager_begin(m);
	if (!step_find_gpa(m, event, &gpa))
		return;
	site = site_find_patch(m, gpa);
	if (site && mvmi_regset_has(reply->regs.dirty, MVMI_REG_RIP)) {
		if (can(vm, MVMI_ACTION_SKIP))
			reply->action = MVMI_ACTION_SKIP;
		return;
	}
	if (site && site->means == MVMI_BP_VIEW &&
	    cloak_step(m, event->id.vcpu, reply))
		return;
	execute(m, event, gpa, reply);
}
