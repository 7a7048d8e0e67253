/* SPDX-License-Identifier: MIT */
#include "drivers/agent/wire.h"

#include <string.h>

#include "base/util.h"

/* ---- registers ---------------------------------------------------------- */

void wire_put_regs(struct agent_regs *wire, const struct mvmi_regs *regs)
{
	const struct mvmi_regs_x86 *x86 = &regs->x86;

	memset(wire, 0, sizeof(*wire));
	memcpy(wire->valid, regs->valid.bits, sizeof(wire->valid));
	memcpy(wire->dirty, regs->dirty.bits, sizeof(wire->dirty));
	memcpy(wire->gpr, x86->gpr, sizeof(wire->gpr));
	wire->rip = x86->rip;
	wire->rflags = x86->rflags;
	for (unsigned i = 0; i < MVMI_SEG_COUNT; i++)
		wire->seg[i] = (struct agent_segment){
			.base = x86->seg[i].base,
			.limit = x86->seg[i].limit,
			.attributes = x86->seg[i].attributes,
			.selector = x86->seg[i].selector,
		};
	wire->gdtr_base = x86->gdtr.base;
	wire->gdtr_limit = x86->gdtr.limit;
	wire->idtr_base = x86->idtr.base;
	wire->idtr_limit = x86->idtr.limit;
	wire->cr0 = x86->cr0;
	wire->cr2 = x86->cr2;
	wire->cr3 = x86->cr3;
	wire->cr4 = x86->cr4;
	wire->cr8 = x86->cr8;
	wire->xcr0 = x86->xcr0;
	memcpy(wire->dr, x86->dr, sizeof(wire->dr));
	wire->efer = x86->efer;
	wire->star = x86->star;
	wire->lstar = x86->lstar;
	wire->cstar = x86->cstar;
	wire->sfmask = x86->sfmask;
	wire->kernel_gs_base = x86->kernel_gs_base;
	wire->sysenter_cs = x86->sysenter_cs;
	wire->sysenter_esp = x86->sysenter_esp;
	wire->sysenter_eip = x86->sysenter_eip;
	wire->apic_base = x86->apic_base;
	wire->pat = x86->pat;
	wire->tsc_aux = x86->tsc_aux;
	memcpy(wire->st, x86->x87.st, sizeof(wire->st));
	wire->fcw = x86->x87.fcw;
	wire->fsw = x86->x87.fsw;
	wire->ftw = x86->x87.ftw;
	wire->fop = x86->x87.fop;
	wire->fip = x86->x87.fip;
	wire->fdp = x86->x87.fdp;
	wire->mxcsr = x86->mxcsr;
	memcpy(wire->xmm, x86->xmm, sizeof(wire->xmm));
	memcpy(wire->ymm_high, x86->ymm_high, sizeof(wire->ymm_high));
}

static void
take_general(struct mvmi_regs_x86 *x86, const struct agent_regs *wire)
{
	memcpy(x86->gpr, wire->gpr, sizeof(x86->gpr));
	x86->rip = wire->rip;
	x86->rflags = wire->rflags;
	for (unsigned i = 0; i < MVMI_SEG_COUNT; i++)
		x86->seg[i] = (struct mvmi_segment){
			.base = wire->seg[i].base,
			.limit = wire->seg[i].limit,
			.attributes = wire->seg[i].attributes,
			.selector = (uint16_t)wire->seg[i].selector,
		};
	x86->gdtr = (struct mvmi_table){ .base = wire->gdtr_base,
					 .limit = wire->gdtr_limit };
	x86->idtr = (struct mvmi_table){ .base = wire->idtr_base,
					 .limit = wire->idtr_limit };
	x86->cr0 = wire->cr0;
	x86->cr2 = wire->cr2;
	x86->cr3 = wire->cr3;
	x86->cr4 = wire->cr4;
	x86->cr8 = wire->cr8;
	x86->xcr0 = wire->xcr0;
	memcpy(x86->dr, wire->dr, sizeof(x86->dr));
}

static void
take_special(struct mvmi_regs_x86 *x86, const struct agent_regs *wire)
{
	x86->efer = wire->efer;
	x86->star = wire->star;
	x86->lstar = wire->lstar;
	x86->cstar = wire->cstar;
	x86->sfmask = wire->sfmask;
	x86->kernel_gs_base = wire->kernel_gs_base;
	x86->sysenter_cs = wire->sysenter_cs;
	x86->sysenter_esp = wire->sysenter_esp;
	x86->sysenter_eip = wire->sysenter_eip;
	x86->apic_base = wire->apic_base;
	x86->pat = wire->pat;
	x86->tsc_aux = wire->tsc_aux;
	memcpy(x86->x87.st, wire->st, sizeof(x86->x87.st));
	x86->x87.fcw = wire->fcw;
	x86->x87.fsw = wire->fsw;
	x86->x87.ftw = wire->ftw;
	x86->x87.fop = wire->fop;
	x86->x87.fip = wire->fip;
	x86->x87.fdp = wire->fdp;
	x86->mxcsr = wire->mxcsr;
	memcpy(x86->xmm, wire->xmm, sizeof(x86->xmm));
	memcpy(x86->ymm_high, wire->ymm_high, sizeof(x86->ymm_high));
}

void wire_take_regs(struct mvmi_regs *regs, const struct agent_regs *wire,
		    mvmi_regset readable)
{
	*regs = mvmi_regs_empty();
	take_general(&regs->x86, wire);
	take_special(&regs->x86, wire);
	regs->valid.bits[0] = wire->valid[0] & readable.bits[0];
	regs->valid.bits[1] = wire->valid[1] & readable.bits[1];
}

/* ---- events ------------------------------------------------------------- */

void wire_put_subscription(struct agent_subscription *wire,
			   const struct mvmi_subscription *what)
{
	*wire = (struct agent_subscription){
		.kind = (uint32_t)what->kind,
		.async = what->async,
		.hold_when_full = what->hold_when_full,
		.skip_page_walks = what->skip_page_walks,
		.filters = what->filters,
		.index = what->index,
		.access = what->access,
		.groups = what->groups,
		.vcpus = what->vcpus,
		.value = what->value.value,
		.value_mask = what->value.mask,
		.cr3 = what->cr3.value,
		.cr3_mask = what->cr3.mask,
		.start = what->start,
		.span = what->len,
	};
	memcpy(wire->vectors, what->vectors, sizeof(wire->vectors));
}

bool wire_take_desc(struct mvmi_event_desc *desc, const struct agent_desc *wire)
{
	if (wire->kind >= MVMI_EVENT_KIND_COUNT ||
	    wire->phase > MVMI_PHASE_AFTER || wire->holds > MVMI_HOLDS_VM)
		return false;
	*desc = (struct mvmi_event_desc){
		.kind = (enum mvmi_event_kind)wire->kind,
		.phase = (enum mvmi_phase)wire->phase,
		.holds = (enum mvmi_hold_scope)wire->holds,
		.replies = wire->replies &
			   (MVMI_ACTION_BIT(MVMI_ACTION_COUNT) - 1),
		.filters = wire->filters,
		.fields = wire->fields,
		.async = wire->async != 0,
		.limit = wire->limit,
	};
	return true;
}

void wire_put_inject(struct agent_inject *wire, uint32_t vcpu,
		     const struct mvmi_injection *what)
{
	*wire = (struct agent_inject){
		.vcpu = vcpu,
		.kind = (uint32_t)what->kind,
		.vector = what->vector,
		.error_code = what->error_code,
		.has_error_code = what->has_error_code,
		.cr2 = what->cr2,
	};
}

void wire_put_reply(struct agent_reply *wire, uint32_t vcpu,
		    const struct mvmi_reply *reply)
{
	wire->action = (uint32_t)reply->action;
	wire->view = reply->view;
	wire_put_inject(&wire->inject, vcpu, &reply->inject);
	wire->data_len = MIN(reply->data_len, (uint32_t)sizeof(wire->data));
	memcpy(wire->data, reply->data, wire->data_len);
	if (mvmi_regset_is_empty(reply->regs.dirty))
		memset(wire->regs.dirty, 0, sizeof(wire->regs.dirty));
	else
		wire_put_regs(&wire->regs, &reply->regs);
}

void wire_take_event(struct mvmi_event *event, const struct agent_event *wire,
		     const struct mvmi_event_desc *desc)
{
	uint32_t fields = desc->fields;

	*event = (struct mvmi_event){
		.kind = desc->kind,
		.phase = desc->phase,
		.fields = fields,
		.subscription = wire->subscription,
	};
	if (fields & MVMI_FIELD_PAGE_WALK)
		event->page_walk = wire->page_walk != 0;
	if (fields & MVMI_FIELD_ACCESS)
		event->access = wire->access &
				(MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X);
	if (fields & MVMI_FIELD_INSN_LEN)
		event->insn_len = wire->insn_len;
	if (fields & MVMI_FIELD_INDEX)
		event->index = wire->index;
	if (fields & MVMI_FIELD_VECTOR)
		event->vector = wire->vector;
	if (fields & MVMI_FIELD_ERROR_CODE)
		event->error_code = wire->error_code;
	if (fields & MVMI_FIELD_LEN)
		event->len = wire->span;
	if (fields & MVMI_FIELD_VIEW)
		event->view = wire->view;
	if (fields & MVMI_FIELD_GVA)
		event->gva = mvmi_gva_at(wire->gva);
	if (fields & MVMI_FIELD_GPA)
		event->gpa = mvmi_gpa_at(wire->gpa);
	if (fields & MVMI_FIELD_VALUE)
		event->value = wire->value;
	if (fields & MVMI_FIELD_OLD_VALUE)
		event->old_value = wire->old_value;
}
