/* SPDX-License-Identifier: MIT */
/* What an instruction of the guest is to someone who watches for events. */
#include "drivers/mock/state.h"

#include "base/util.h"

static const int kinds[MOCK_OP_COUNT] = {
	[MOCK_NOP] = MOCK_NO_EVENT,
	[MOCK_MOV_CR0] = MVMI_EVENT_CR0_WRITE,
	[MOCK_MOV_CR3] = MVMI_EVENT_CR3_WRITE,
	[MOCK_MOV_CR4] = MVMI_EVENT_CR4_WRITE,
	[MOCK_XSETBV] = MVMI_EVENT_XCR0_WRITE,
	[MOCK_MOV_DR] = MVMI_EVENT_DR_ACCESS,
	[MOCK_RDMSR] = MVMI_EVENT_MSR_READ,
	[MOCK_WRMSR] = MVMI_EVENT_MSR_WRITE,
	[MOCK_INT3] = MVMI_EVENT_INT3,
	[MOCK_FAULT] = MVMI_EVENT_EXCEPTION,
	[MOCK_INTERRUPT] = MVMI_EVENT_INTERRUPT,
	[MOCK_LOAD] = MVMI_EVENT_MEMORY,
	[MOCK_STORE] = MVMI_EVENT_MEMORY,
	[MOCK_WALK] = MVMI_EVENT_MEMORY,
	[MOCK_LGDT] = MVMI_EVENT_DESCRIPTOR,
	[MOCK_CPUID] = MVMI_EVENT_CPUID,
	[MOCK_VMCALL] = MVMI_EVENT_HYPERCALL,
	[MOCK_OUT] = MVMI_EVENT_PORT_IO,
	[MOCK_IN] = MVMI_EVENT_PORT_IO,
	[MOCK_RDTSC] = MVMI_EVENT_RDTSC,
	[MOCK_TRIPLE_FAULT] = MOCK_NO_EVENT, /* the VM's, not the vCPU's */
};

int mock_describe_kind(enum mock_op op)
{
	return kinds[op];
}

static uint64_t old_value(struct mock_vcpu *cpu, const struct mock_insn *insn)
{
	const uint64_t *msr;

	switch (insn->op) {
	case MOCK_MOV_CR0:
		return cpu->regs.cr0;
	case MOCK_MOV_CR3:
		return cpu->regs.cr3;
	case MOCK_MOV_CR4:
		return cpu->regs.cr4;
	case MOCK_XSETBV:
		return cpu->regs.xcr0;
	case MOCK_WRMSR:
		msr = mock_guest_msr(cpu, insn->index);
		return msr ? *msr : 0;
	default:
		return 0;
	}
}

static uint8_t access_of(enum mock_op op)
{
	switch (op) {
	case MOCK_LOAD:
	case MOCK_IN:
		return MVMI_ACCESS_R;
	case MOCK_STORE:
	case MOCK_WALK:
	case MOCK_OUT:
	case MOCK_MOV_DR:
	case MOCK_LGDT:
		return MVMI_ACCESS_W;
	default:
		return 0;
	}
}

struct mvmi_event
mock_describe(struct mock_vm *vm, unsigned vcpu, const struct mock_insn *insn)
{
	struct mock_vcpu *cpu = &vm->vcpus[vcpu];
	int kind = kinds[insn->op];
	struct mvmi_event event = {
		.id.vcpu = vcpu,
		.kind = (enum mvmi_event_kind)MAX(kind, 0),
		.page_walk = insn->op == MOCK_WALK,
		.access = access_of(insn->op),
		.insn_len = 1,
		.index = insn->index,
		.view = cpu->seen.view,
		.value = insn->value,
		.old_value = old_value(cpu, insn),
	};

	if (kind == MVMI_EVENT_MEMORY) {
		event.gpa = insn->gpa;
		event.gva = mvmi_gva_at(insn->gpa.val); /* paging is off */
		event.len = sizeof(uint64_t);
	} else if (kind == MVMI_EVENT_EXCEPTION ||
		   kind == MVMI_EVENT_INTERRUPT) {
		event.vector = insn->index;
		event.index = 0;
	} else if (kind == MVMI_EVENT_DESCRIPTOR) {
		event.index = MVMI_REG_GDTR;
	} else if (kind == MVMI_EVENT_PORT_IO) {
		event.len = 1;
	} else if (kind == MVMI_EVENT_INT3) {
		event.gva = mvmi_gva_at(cpu->regs.rip);
		event.gpa = mock_guest_translate(vm, cpu, event.gva);
	}
	return event;
}

struct mvmi_event mock_describe_fetch(struct mock_vm *vm, unsigned vcpu,
				      enum mvmi_event_kind kind)
{
	const struct mock_vcpu *cpu = &vm->vcpus[vcpu];

	return (struct mvmi_event){
		.id.vcpu = vcpu,
		.kind = kind,
		.access = kind == MVMI_EVENT_MEMORY ? MVMI_ACCESS_X : 0,
		.insn_len = 1,
		.len = 1,
		.view = cpu->seen.view,
		.gva = mvmi_gva_at(cpu->regs.rip),
		.gpa = mock_guest_translate(vm, cpu,
					    mvmi_gva_at(cpu->regs.rip)),
	};
}
