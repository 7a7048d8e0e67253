/* SPDX-License-Identifier: MIT */
/* The mock's guest: what its instructions do, and when it runs. */
#include "drivers/mock/state.h"

#include <string.h>

#include "base/util.h"

#define MSR_EFER  UINT32_C(0xc0000080)
#define MSR_STAR  UINT32_C(0xc0000081)
#define MSR_LSTAR UINT32_C(0xc0000082)

/* Paging of four levels and small pages, which is all that guests here use. */
#define CR0_PG	     (UINT64_C(1) << 31)
#define PAGE_PRESENT UINT64_C(1)
#define PAGE_ADDRESS UINT64_C(0x000ffffffffff000)

bool mock_push(struct mock_vm *vm, unsigned vcpu, const struct mock_insn *insn)
{
	struct mock_vcpu *cpu = &vm->vcpus[vcpu];

	if (cpu->left == MOCK_PROGRAM_MAX)
		return false;
	cpu->program[(cpu->head + cpu->left++) % MOCK_PROGRAM_MAX] = *insn;
	return true;
}

struct mock_seen mock_seen(const struct mock_vm *vm, unsigned vcpu)
{
	struct mock_seen seen = vm->vcpus[vcpu].seen;

	seen.regs = vm->vcpus[vcpu].regs;
	seen.left = vm->vcpus[vcpu].left;
	return seen;
}

/** One entry of a page table, or 0 where there is none. */
static uint64_t page_entry(struct mock_vm *vm, uint64_t gpa)
{
	uint8_t bytes[8] = { 0 };
	uint64_t entry;

	(void)mock_peek(vm, mvmi_gpa_at(gpa),
			(struct mvmi_span){ bytes, sizeof(bytes) });
	memcpy(&entry, bytes, sizeof(entry));
	return entry;
}

mvmi_gpa mock_guest_translate(struct mock_vm *vm, const struct mock_vcpu *cpu,
			      mvmi_gva gva)
{
	uint64_t entry = cpu->regs.cr3;

	if (!(cpu->regs.cr0 & CR0_PG))
		return mvmi_gpa_at(gva.val);
	for (unsigned shift = 39; shift >= 12; shift -= 9) {
		uint64_t table = entry & PAGE_ADDRESS;

		entry = page_entry(vm, table + (gva.val >> shift & 511) * 8);
		if (!(entry & PAGE_PRESENT))
			return mvmi_gpa_at(UINT64_MAX);
	}
	return mvmi_gpa_at((entry & PAGE_ADDRESS) | gva.val % MVMI_PAGE_SIZE);
}

uint64_t *mock_guest_msr(struct mock_vcpu *cpu, uint32_t msr)
{
	switch (msr) {
	case MSR_EFER:
		return &cpu->regs.efer;
	case MSR_STAR:
		return &cpu->regs.star;
	case MSR_LSTAR:
		return &cpu->regs.lstar;
	default:
		return NULL;
	}
}

static void execute_load(struct mock_vm *vm, struct mock_vcpu *cpu,
			 const struct mock_insn *insn)
{
	uint8_t bytes[8] = { 0 };

	(void)mock_peek(vm, mock_view_translate(vm, cpu->seen.view, insn->gpa),
			(struct mvmi_span){ bytes, sizeof(bytes) });
	memcpy(&cpu->seen.value, bytes, sizeof(bytes));
}

static void execute_store(struct mock_vm *vm, struct mock_vcpu *cpu,
			  const struct mock_insn *insn)
{
	uint8_t bytes[8];

	memcpy(bytes, &insn->value, sizeof(bytes));
	(void)mock_memory_poke(
		vm, mock_view_translate(vm, cpu->seen.view, insn->gpa),
		(struct mvmi_bytes){ bytes, sizeof(bytes) });
}

void mock_guest_deliver(struct mock_vcpu *cpu,
			const struct mvmi_injection *what)
{
	cpu->seen.delivered++;
	cpu->seen.last = *what;
	if (what->kind == MVMI_INJECT_EXCEPTION && what->vector == 14)
		cpu->regs.cr2 = what->cr2;
}

static void execute_trap(struct mock_vcpu *cpu, const struct mock_insn *insn)
{
	struct mvmi_injection what = {
		.kind = insn->op == MOCK_INTERRUPT ? MVMI_INJECT_INTERRUPT
						   : MVMI_INJECT_EXCEPTION,
		.vector = insn->op == MOCK_INT3 ? 3 : insn->index,
		.cr2 = insn->value,
	};

	mock_guest_deliver(cpu, &what);
}

static void
execute_register(struct mock_vcpu *cpu, const struct mock_insn *insn)
{
	uint64_t *msr = mock_guest_msr(cpu, insn->index);

	if (insn->op == MOCK_MOV_CR0)
		cpu->regs.cr0 = insn->value;
	else if (insn->op == MOCK_MOV_CR3)
		cpu->regs.cr3 = insn->value;
	else if (insn->op == MOCK_MOV_CR4)
		cpu->regs.cr4 = insn->value;
	else if (insn->op == MOCK_XSETBV)
		cpu->regs.xcr0 = insn->value;
	else if (insn->op == MOCK_MOV_DR)
		cpu->regs.dr[insn->index % 8] = insn->value;
	else if (insn->op == MOCK_LGDT)
		cpu->regs.gdtr.base = insn->value;
	else if (insn->op == MOCK_WRMSR && msr)
		*msr = insn->value;
	else if (insn->op == MOCK_RDMSR)
		cpu->seen.value = msr ? *msr : 0;
}

void mock_guest_execute(struct mock_vm *vm, struct mock_vcpu *cpu,
			const struct mock_insn *insn)
{
	switch (insn->op) {
	case MOCK_MOV_CR0:
	case MOCK_MOV_CR3:
	case MOCK_MOV_CR4:
	case MOCK_XSETBV:
	case MOCK_MOV_DR:
	case MOCK_RDMSR:
	case MOCK_WRMSR:
	case MOCK_LGDT:
		execute_register(cpu, insn);
		break;
	case MOCK_INT3:
	case MOCK_FAULT:
	case MOCK_INTERRUPT:
		execute_trap(cpu, insn);
		break;
	case MOCK_LOAD:
		execute_load(vm, cpu, insn);
		break;
	case MOCK_STORE:
	case MOCK_WALK:
		execute_store(vm, cpu, insn);
		break;
	case MOCK_CPUID:
		cpu->seen.value = UINT64_C(0x6d6f636b) + insn->index;
		break;
	case MOCK_RDTSC:
		cpu->seen.value = vm->now_ms * 1000000;
		break;
	case MOCK_IN:
		cpu->seen.value = 0xff;
		break;
	case MOCK_TRIPLE_FAULT:
		vm->stopped = true;
		mock_event_note(vm, MVMI_EVENT_SHUTDOWN);
		break;
	case MOCK_NOP:
	case MOCK_VMCALL:
	case MOCK_OUT:
	case MOCK_OP_COUNT:
		break;
	}
	cpu->seen.executed++;
}

void mock_guest_retire(struct mock_vcpu *cpu)
{
	/* An interrupt comes between instructions; it is none itself. */
	if (cpu->program[cpu->head].op != MOCK_INTERRUPT)
		cpu->regs.rip++;
	cpu->head = (cpu->head + 1) % MOCK_PROGRAM_MAX;
	cpu->left--;
	cpu->passed = 0;
	cpu->passed_access = 0;
	cpu->original = false;
}

/* ---- running ----------------------------------------------------------- */

#define OPCODE_INT3 0xcc

/**
 * The instruction at rip: the program's, unless someone patched an int3, or the
 * page is not there.
 */
static struct mock_insn fetch(struct mock_vm *vm, struct mock_vcpu *cpu)
{
	struct mock_insn *insn = &cpu->program[cpu->head];
	uint8_t opcode = 0;
	mvmi_gpa at;

	if (insn->rip) {
		cpu->regs.rip = insn->rip;
		insn->rip = 0;
	}
	at = mock_guest_translate(vm, cpu, mvmi_gva_at(cpu->regs.rip));
	if (at.val == UINT64_MAX)
		return (struct mock_insn){ .op = MOCK_FAULT,
					   .index = 14,
					   .value = cpu->regs.rip };
	at = mock_view_translate(vm, cpu->seen.view, at);
	(void)mock_peek(vm, at, (struct mvmi_span){ &opcode, 1 });
	if (opcode == OPCODE_INT3 && !cpu->original &&
	    insn->op != MOCK_INTERRUPT)
		return (struct mock_insn){ .op = MOCK_INT3 };
	return *insn;
}

static bool
has_passed(const struct mock_vcpu *cpu, const struct mvmi_event *event)
{
	if (event->kind == MVMI_EVENT_MEMORY)
		return !(event->access & ~cpu->passed_access);
	return (cpu->passed >> event->kind & 1) != 0;
}

static bool raise_in(struct mock_vm *vm, const struct mvmi_event *event,
		     enum mvmi_phase phase)
{
	const struct mvmi_event_desc *desc = mock_event_desc(vm, event->kind);
	struct mock_vcpu *cpu = &vm->vcpus[event->id.vcpu];
	bool raised;

	if (!desc || desc->phase != phase ||
	    (phase == MVMI_PHASE_BEFORE && has_passed(cpu, event)))
		return false;
	raised = mock_event_raise(vm, event);
	/* What was told asynchronously isn't told again after another event. */
	if (!raised && desc->async && phase == MVMI_PHASE_BEFORE) {
		cpu->passed_access |= event->access;
		if (event->kind != MVMI_EVENT_MEMORY)
			cpu->passed |= UINT32_C(1) << event->kind;
	}
	return raised;
}

/** Everything that may stop a vCPU before it executes. */
static bool
raise_before(struct mock_vm *vm, unsigned vcpu, const struct mvmi_event *own)
{
	static const enum mvmi_event_kind fetches[] = {
		MVMI_EVENT_MEMORY,
		MVMI_EVENT_HW_BREAKPOINT,
	};

	for (size_t i = 0; i < ARRAY_LEN(fetches); i++) {
		struct mvmi_event event =
			mock_describe_fetch(vm, vcpu, fetches[i]);

		if (raise_in(vm, &event, MVMI_PHASE_BEFORE))
			return true;
	}
	return own && raise_in(vm, own, MVMI_PHASE_BEFORE);
}

static bool raise_step(struct mock_vm *vm, unsigned vcpu)
{
	struct mvmi_event event =
		mock_describe_fetch(vm, vcpu, MVMI_EVENT_STEP);

	vm->vcpus[vcpu].step_due = false;
	return raise_in(vm, &event, MVMI_PHASE_AFTER);
}

static void execute_next(struct mock_vm *vm, unsigned vcpu)
{
	struct mock_vcpu *cpu = &vm->vcpus[vcpu];
	struct mock_insn insn = fetch(vm, cpu);
	bool has_event = mock_describe_kind(insn.op) != MOCK_NO_EVENT;
	struct mvmi_event own = mock_describe(vm, vcpu, &insn);

	if (raise_before(vm, vcpu, has_event ? &own : NULL))
		return;
	mock_guest_execute(vm, cpu, &insn);
	mock_guest_retire(cpu);
	cpu->step_due = true;
	if (has_event && raise_in(vm, &own, MVMI_PHASE_AFTER))
		return;
	(void)raise_step(vm, vcpu);
}

static bool step(struct mock_vm *vm, unsigned vcpu)
{
	struct mock_vcpu *cpu = &vm->vcpus[vcpu];

	if (mock_vcpu_is_held(vm, vcpu) || mock_event_ring_is_full(vm, vcpu))
		return false;
	if (cpu->step_due && raise_step(vm, vcpu))
		return true;
	if (cpu->has_injection) {
		cpu->has_injection = false;
		mock_guest_deliver(cpu, &cpu->injection);
		return true;
	}
	if (cpu->left == 0)
		return false;
	execute_next(vm, vcpu);
	return true;
}

void mock_run(struct mock_vm *vm)
{
	bool moved = !vm->dead;

	/* Round robin; it ends, for programs are finite. */
	while (moved) {
		moved = false;
		for (unsigned i = 0; i < vm->vcpu_count; i++)
			moved |= step(vm, i);
	}
	mock_event_signal(vm);
}
