/* SPDX-License-Identifier: MIT */
/*
 * At an instrumented instruction: is it an event for somebody, and what is to
 * become of it?
 *
 * We are called before the instruction, from the middle of translated code.
 * There rip and the arithmetic flags in memory are stale. They are made exact
 * only for an event that somebody waits for, and are put back as they were if
 * the code goes on as if nobody had looked: it counts on them. If anything was
 * changed, the code is left instead, and entered anew.
 */
#include <string.h>

#include "plugin.h"

/* "No interrupt before the next instruction", as after sti. */
#define HFLAGS_INHIBIT_IRQ UINT32_C(8)
#define HFLAGS_CS32	   UINT32_C(0x10)

uint8_t insn_kind(const struct insn *insn)
{
	static const uint8_t cr_kinds[] = {
		[0] = MVMI_EVENT_CR0_WRITE,  [1] = MVMI_EVENT_KIND_COUNT,
		[2] = MVMI_EVENT_KIND_COUNT, [3] = MVMI_EVENT_CR3_WRITE,
		[4] = MVMI_EVENT_CR4_WRITE,
	};
	static const uint8_t kinds[] = {
		[INSN_OTHER] = MVMI_EVENT_KIND_COUNT,
		[INSN_MOV_TO_CR] = MVMI_EVENT_KIND_COUNT,
		[INSN_LMSW] = MVMI_EVENT_CR0_WRITE,
		[INSN_CLTS] = MVMI_EVENT_CR0_WRITE,
		[INSN_MOV_TO_DR] = MVMI_EVENT_DR_ACCESS,
		[INSN_MOV_FROM_DR] = MVMI_EVENT_DR_ACCESS,
		[INSN_WRMSR] = MVMI_EVENT_MSR_WRITE,
		[INSN_RDMSR] = MVMI_EVENT_MSR_READ,
		[INSN_XSETBV] = MVMI_EVENT_XCR0_WRITE,
		[INSN_INT3] = MVMI_EVENT_INT3,
		[INSN_STORE_TABLE] = MVMI_EVENT_DESCRIPTOR,
		[INSN_LOAD_TABLE] = MVMI_EVENT_DESCRIPTOR,
		[INSN_CPUID] = MVMI_EVENT_CPUID,
		[INSN_HYPERCALL] = MVMI_EVENT_HYPERCALL,
		[INSN_IN] = MVMI_EVENT_PORT_IO,
		[INSN_OUT] = MVMI_EVENT_PORT_IO,
		[INSN_RDTSC] = MVMI_EVENT_RDTSC,
		[INSN_RDTSCP] = MVMI_EVENT_RDTSC,
	};

	if (insn->op == INSN_MOV_TO_CR)
		return insn->index < sizeof(cr_kinds) ? cr_kinds[insn->index]
						      : MVMI_EVENT_KIND_COUNT;
	return kinds[insn->op];
}

/* ---- what the event tells ----------------------------------------------- */

static uint32_t hflags(const struct vcpu_side *side)
{
	return (uint32_t)regs_u64(side, qemu.at.hflags);
}

static void
tell_value(struct agent_event *event, uint64_t value, uint64_t old_value)
{
	event->value = value;
	event->old_value = old_value;
	event->fields |= MVMI_FIELD_VALUE | MVMI_FIELD_OLD_VALUE;
}

static void tell_control(const struct vcpu_side *side, const struct insn *insn,
			 struct agent_event *event)
{
	static const size_t places[] = {
		[0] = offsetof(struct layout, cr0),
		[3] = offsetof(struct layout, cr3),
		[4] = offsetof(struct layout, cr4),
	};
	uint64_t old = regs_u64(side, qemu.at.cr0);
	size_t place;

	if (insn->op == INSN_CLTS) {
		tell_value(event, old & ~UINT64_C(8), old);
		return;
	}
	if (insn->op == INSN_LMSW) {
		uint64_t source = regs_gpr(side, insn->reg) & 0xf;

		/* From memory it isn't known before it is executed. */
		if (!insn->memory)
			tell_value(event, (old & ~UINT64_C(0xe)) | source, old);
		return;
	}
	memcpy(&place, (const char *)&qemu.at + places[insn->index],
	       sizeof(place));
	tell_value(event, regs_gpr(side, insn->reg), regs_u64(side, place));
}

static void tell_port(const struct vcpu_side *side, const struct insn *insn,
		      struct agent_event *event)
{
	uint64_t rax = regs_gpr(side, MVMI_REG_RAX);

	event->index =
		insn->immediate
			? insn->port
			: (uint32_t)regs_gpr(side, MVMI_REG_RDX) & 0xffff;
	event->span = insn->span;
	/* In 16-bit code the prefix means the opposite. */
	if (insn->span > 1 && !(hflags(side) & HFLAGS_CS32))
		event->span = insn->span == 2 ? 4 : 2;
	event->access = insn->op == INSN_IN ? MVMI_ACCESS_R : MVMI_ACCESS_W;
	event->fields |= MVMI_FIELD_INDEX | MVMI_FIELD_LEN | MVMI_FIELD_ACCESS;
	if (insn->op == INSN_OUT && !insn->string) {
		event->value = rax & (UINT64_MAX >> (64 - 8 * event->span));
		event->fields |= MVMI_FIELD_VALUE;
	}
}

static uint64_t edx_eax(const struct vcpu_side *side)
{
	return regs_gpr(side, MVMI_REG_RDX) << 32 |
	       (uint32_t)regs_gpr(side, MVMI_REG_RAX);
}

static void tell_msr(const struct vcpu_side *side, const struct insn *insn,
		     struct agent_event *event)
{
	uint64_t old;

	event->index = (uint32_t)regs_gpr(side, MVMI_REG_RCX);
	event->fields |= MVMI_FIELD_INDEX;
	if (insn->op == INSN_RDMSR)
		return;
	event->value = edx_eax(side);
	event->fields |= MVMI_FIELD_VALUE;
	if (regs_msr(side, event->index, &old)) {
		event->old_value = old;
		event->fields |= MVMI_FIELD_OLD_VALUE;
	}
}

static void tell_debug(const struct vcpu_side *side, const struct insn *insn,
		       struct agent_event *event)
{
	/* DR4 and DR5 are other names of DR6 and DR7. */
	unsigned index = insn->index == 4 || insn->index == 5 ? insn->index + 2U
							      : insn->index;

	event->index = index;
	event->access =
		insn->op == INSN_MOV_TO_DR ? MVMI_ACCESS_W : MVMI_ACCESS_R;
	event->fields |= MVMI_FIELD_INDEX | MVMI_FIELD_ACCESS;
	if (event->access == MVMI_ACCESS_W) {
		event->value = regs_gpr(side, insn->reg);
		event->fields |= MVMI_FIELD_VALUE;
	}
}

/** What the instruction itself tells; needs registers. */
static void tell_insn(const struct vcpu_side *side, const struct insn *insn,
		      struct agent_event *event)
{
	static const uint8_t tables[] = { MVMI_REG_GDTR, MVMI_REG_IDTR,
					  MVMI_REG_LDTR, MVMI_REG_TR };

	switch (event->kind) {
	case MVMI_EVENT_CR0_WRITE:
	case MVMI_EVENT_CR3_WRITE:
	case MVMI_EVENT_CR4_WRITE:
		tell_control(side, insn, event);
		break;
	case MVMI_EVENT_XCR0_WRITE:
		if (qemu.at.xcr0 != NOWHERE)
			tell_value(event, edx_eax(side),
				   regs_u64(side, qemu.at.xcr0));
		break;
	case MVMI_EVENT_DR_ACCESS:
		tell_debug(side, insn, event);
		break;
	case MVMI_EVENT_MSR_READ:
	case MVMI_EVENT_MSR_WRITE:
		tell_msr(side, insn, event);
		break;
	case MVMI_EVENT_DESCRIPTOR:
		event->index = tables[insn->index & 3];
		event->access = insn->op == INSN_LOAD_TABLE ? MVMI_ACCESS_W
							    : MVMI_ACCESS_R;
		event->fields |= MVMI_FIELD_INDEX | MVMI_FIELD_ACCESS;
		break;
	case MVMI_EVENT_CPUID:
		event->index = (uint32_t)regs_gpr(side, MVMI_REG_RAX);
		event->value = (uint32_t)regs_gpr(side, MVMI_REG_RCX);
		event->fields |= MVMI_FIELD_INDEX | MVMI_FIELD_VALUE;
		break;
	case MVMI_EVENT_PORT_IO:
		tell_port(side, insn, event);
		break;
	default:
		break;
	}
}

static uint64_t eip_of(const struct vcpu_side *side, uint64_t pc)
{
	/* Segments count but in 64-bit code, where the base of CS is 0. */
	return qemu.usable ? pc - regs_u64(side, qemu.at.segs + 24 + 8) : pc;
}

static void tell(const struct vcpu_side *side, const struct site *site,
		 enum stage stage, struct agent_event *event)
{
	static const uint8_t kinds[] = {
		[STAGE_STEP] = MVMI_EVENT_STEP,
		[STAGE_BREAKPOINT] = MVMI_EVENT_HW_BREAKPOINT,
		[STAGE_EXECUTE] = MVMI_EVENT_MEMORY,
	};

	event->kind = stage == STAGE_DECODED ? site->kind : kinds[stage];
	event->phase =
		stage == STAGE_STEP ? MVMI_PHASE_AFTER : MVMI_PHASE_BEFORE;
	event->gva = site->pc;
	event->fields = MVMI_FIELD_GVA;
	event->rip = eip_of(side, site->pc);
	event->known = AGENT_KNOWS_RIP;
	event->known = AGENT_KNOWS_RIP;
	if (stage != STAGE_STEP) {
		event->insn_len = site->insn.len;
		event->fields |= MVMI_FIELD_INSN_LEN;
	}
	if (stage == STAGE_EXECUTE) {
		event->gpa = site->gpa;
		event->access = MVMI_ACCESS_X;
		event->fields |= MVMI_FIELD_GPA | MVMI_FIELD_ACCESS;
	}
	if (!qemu.usable)
		return;
	event->cr3 = regs_u64(side, qemu.at.cr3);
	event->known |= AGENT_KNOWS_CR3;
	event->known |= AGENT_KNOWS_CR3;
	if (stage == STAGE_DECODED)
		tell_insn(side, &site->insn, event);
}

/* ---- what becomes of it ------------------------------------------------- */

static uint32_t u32_of(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

/** Give the guest what it asked for, instead of executing. */
static void emulate(struct vcpu_side *side, const struct insn *insn,
		    const struct agent_reply *reply)
{
	static const uint8_t order[] = { MVMI_REG_RAX, MVMI_REG_RBX,
					 MVMI_REG_RCX, MVMI_REG_RDX };
	const uint8_t *data = reply->data;
	uint64_t value = 0;

	switch (insn->op) {
	case INSN_CPUID:
		for (unsigned i = 0; i < 4; i++)
			regs_set_gpr(side, order[i],
				     u32_of(data + (size_t)i * 4));
		break;
	case INSN_RDTSCP:
	case INSN_RDTSC:
	case INSN_RDMSR:
		regs_set_gpr(side, MVMI_REG_RAX, u32_of(data));
		regs_set_gpr(side, MVMI_REG_RDX, u32_of(data + 4));
		if (insn->op == INSN_RDTSCP && qemu.at.tsc_aux != NOWHERE)
			regs_set_gpr(side, MVMI_REG_RCX,
				     (uint32_t)regs_u64(side, qemu.at.tsc_aux));
		break;
	case INSN_MOV_FROM_DR:
		memcpy(&value, data, 8);
		regs_set_gpr(side, insn->reg, value);
		break;
	case INSN_IN: {
		/* Writing 32 bits clears the upper ones, less leaves them. */
		unsigned bits = 8U * insn->span;

		value = regs_gpr(side, MVMI_REG_RAX);
		value = bits >= 32 ? u32_of(data)
				   : (value >> bits << bits) |
					     (u32_of(data) &
					      (UINT32_MAX >> (32 - bits)));
		regs_set_gpr(side, MVMI_REG_RAX, value);
		break;
	}
	default:
		break;
	}
}

/** Leave the translated code; whatever is in memory now counts. */
static _Noreturn void leave(struct vcpu_side *side)
{
	/* Before the next block it is asked whether there is work. */
	if (side->held)
		host.kick(NULL, (uint32_t)(side - vcpu_sides));
	side->in_exec = false;
	qemu.cpu_loop_exit_noexc(side->cpu);
	__builtin_unreachable();
}

static _Noreturn void
inject(struct vcpu_side *side, const struct agent_inject *what)
{
	if (what->vector == 14)
		memcpy((char *)side->cpu + qemu.at.cr2, &what->cr2, 8);
	side->in_exec = false;
	qemu.raise_exception_err_ra(
		regs_env(side), (int)what->vector,
		what->has_error_code ? (int)what->error_code : 0, 0);
	__builtin_unreachable();
}

static void set_eip(struct vcpu_side *side, uint64_t eip)
{
	memcpy((char *)side->cpu + qemu.at.eip, &eip, sizeof(eip));
}

/**
 * Whether this is the instruction that we left the code for: a pass that was
 * not used, for the instruction wasn't looked at again, is void.
 */
static bool is_next(const struct vcpu_side *side)
{
	return (hflags(side) & HFLAGS_INHIBIT_IRQ) != 0;
}

/** Go on at this instruction, without raising again what was raised. */
static void
pass(struct vcpu_side *side, const struct site *site, enum stage stage)
{
	uint32_t flags = hflags(side) | HFLAGS_INHIBIT_IRQ;

	side->passes = true;
	side->pass_pc = site->pc;
	side->pass_stage = stage + 1;
	/* So that it is this instruction that comes next. */
	memcpy((char *)side->cpu + qemu.at.hflags, &flags, sizeof(flags));
}

static bool is_dirty(const struct agent_regs *regs)
{
	return (regs->dirty[0] | regs->dirty[1]) != 0;
}

/**
 * Do what a reply asks for. Its registers, and what others wrote during the
 * wait, are written already. Doesn't return.
 */
static _Noreturn void apply(struct vcpu_side *side, const struct site *site,
			    enum stage stage, const struct agent_reply *reply)
{
	uint64_t eip = eip_of(side, site->pc);
	uint64_t next = eip + site->insn.len;

	side->exact = false;
	if (atomic_exchange(&side->injects, false))
		inject(side, &side->injection);
	switch (reply ? reply->action : MVMI_ACTION_CONTINUE) {
	case MVMI_ACTION_EMULATE:
		emulate(side, &site->insn, reply);
		break;
	case MVMI_ACTION_SKIP:
	case MVMI_ACTION_DENY:
		break;
	case MVMI_ACTION_INJECT:
		inject(side, &reply->inject);
	default:
		next = eip;
		break;
	}
	/* Who wrote rip knows where to go on. */
	if (regs_u64(side, qemu.at.eip) == eip)
		set_eip(side, next);
	if (regs_u64(side, qemu.at.eip) == eip)
		pass(side, site, stage);
	leave(side);
}

void insn_make_exact(struct vcpu_side *side)
{
	if (side->ra && !side->exact) {
		side->eip = regs_u64(side, qemu.at.eip);
		memcpy(&side->cc_op, (char *)side->cpu + qemu.at.cc_op,
		       sizeof(side->cc_op));
		(void)qemu.cpu_restore_state(side->cpu, side->ra, false);
	}
	side->exact = true;
}

static void put_back(struct vcpu_side *side)
{
	if (side->ra) {
		set_eip(side, side->eip);
		memcpy((char *)side->cpu + qemu.at.cc_op, &side->cc_op,
		       sizeof(side->cc_op));
	}
	side->exact = false;
}

static void
raise_stage(uint32_t vcpu, const struct site *site, enum stage stage)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];
	struct agent_event event = { .vcpu = vcpu };
	struct agent_reply reply;
	bool replied;

	tell(side, site, stage, &event);
	side->code_changes = code_changes();
	atomic_store(&side->touched, false);
	replied = plugin_raise(vcpu, &event, &reply);
	if (!side->exact)
		return;
	if (replied && reply.action == MVMI_ACTION_CONTINUE &&
	    !is_dirty(&reply.regs))
		replied = false;
	if (replied || side->held || atomic_load(&side->touched) ||
	    atomic_load(&side->injects) || side->code_changes != code_changes())
		apply(side, site, stage, replied ? &reply : NULL);
	/* As if nobody had looked. */
	put_back(side);
}

/* ---- in the middle of an instruction ------------------------------------ */

/** Do what a reply asks for: leave the code, if that can be. */
static void
apply_within(struct vcpu_side *side, const struct agent_event *event,
	     const struct agent_reply *reply)
{
	uint64_t eip = regs_u64(side, qemu.at.eip);
	uint32_t flags = hflags(side) | HFLAGS_INHIBIT_IRQ;

	/* QEMU's own delivery of an exception can't be left half-way. */
	if (!side->ra)
		return;
	side->exact = false;
	if (atomic_exchange(&side->injects, false))
		inject(side, &side->injection);
	if (reply && reply->action == MVMI_ACTION_INJECT)
		inject(side, &reply->inject);
	if (regs_u64(side, qemu.at.eip) == eip) {
		side->passes_access = true;
		side->pass_access = event->gva;
		memcpy((char *)side->cpu + qemu.at.hflags, &flags,
		       sizeof(flags));
	}
	leave(side);
}

void insn_interrupted(uint32_t vcpu, struct agent_event *event, uintptr_t ra)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];
	struct agent_reply reply;
	bool replied;

	if (side->passes_access) {
		side->passes_access = false;
		if (side->pass_access == event->gva && is_next(side))
			return;
	}
	side->ra = ra;
	side->in_exec = true;
	side->code_changes = code_changes();
	atomic_store(&side->touched, false);
	insn_make_exact(side);
	event->rip = regs_u64(side, qemu.at.eip);
	replied = plugin_raise(vcpu, event, &reply);
	if (replied && reply.action != MVMI_ACTION_INJECT &&
	    !is_dirty(&reply.regs))
		replied = false;
	if (replied || side->held || atomic_load(&side->touched) ||
	    atomic_load(&side->injects) || side->code_changes != code_changes())
		apply_within(side, event, replied ? &reply : NULL);
	put_back(side);
	side->in_exec = false;
}

/** Whether the instruction before this one was executed under stepping. */
static bool was_step(const struct vcpu_side *side)
{
	unsigned round = code_step_round();

	return round % 2 != 0 && side->step_round == round;
}

static void __attribute__((noinline))
reached(unsigned vcpu, const struct site *site, uintptr_t ra)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];
	enum stage stage = STAGE_STEP;

	if (side->passes) {
		side->passes = false;
		if (side->pass_pc == site->pc && is_next(side))
			stage = side->pass_stage;
	}
	side->ra = ra;
	side->in_exec = true;
	for (; stage < STAGE_COUNT; stage++) {
		bool wanted = false;

		switch (stage) {
		case STAGE_STEP:
			wanted = was_step(side);
			break;
		case STAGE_BREAKPOINT:
			wanted = atomic_load_explicit(&site->breakpoint,
						      memory_order_relaxed);
			break;
		case STAGE_EXECUTE:
			wanted = site->executes &&
				 agent_listens(agent, MVMI_EVENT_MEMORY);
			break;
		case STAGE_DECODED:
			wanted = site->kind < MVMI_EVENT_KIND_COUNT &&
				 agent_listens(agent, site->kind);
			break;
		default:
			break;
		}
		if (wanted)
			raise_stage(vcpu, site, stage);
	}
	side->in_exec = false;
	side->step_round = code_step_round();
}

void insn_reached(unsigned vcpu, void *site)
{
	const struct site *at = site;

	if (!atomic_load_explicit(&at->breakpoint, memory_order_relaxed) &&
	    code_step_round() % 2 == 0 && !at->executes &&
	    (at->kind >= MVMI_EVENT_KIND_COUNT ||
	     !agent_listens(agent, at->kind)))
		return;
	/*
	 * With one thread for all vCPUs, QEMU names the one for which the code
	 * was translated, not the one that runs it.
	 */
	if (qemu.round_robin)
		vcpu = hooks_vcpu_of(internals_current_cpu());
	if (vcpu < AGENT_VCPUS_MAX)
		reached(vcpu, at, (uintptr_t)__builtin_return_address(0));
}
