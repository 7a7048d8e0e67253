/* SPDX-License-Identifier: MIT */
/*
 * The four personalities, as data. Each publishes what the hypervisor that it
 * is named after can really do (docs/driver-contract.md), so that what works on
 * all four has met every kind of driver there is.
 */
#include "drivers/mock/state.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"

static_assert(MVMI_REG_COUNT <= 64, "a personality keeps registers in 64 bits");

#define REG(name)    (UINT64_C(1) << MVMI_REG_##name)
#define REGS_ALL     ((UINT64_C(1) << MVMI_REG_COUNT) - 1)
#define REGS_GENERAL ((UINT64_C(1) << (MVMI_REG_RFLAGS + 1)) - 1)
#define REGS_TABLES  (REG(LDTR) | REG(TR) | REG(GDTR) | REG(IDTR))
/* What no hypervisor tells a gdb: MSRs but for the bases, debug registers. */
#define REGS_UNKNOWN_TO_GDB                                                    \
	(REGS_TABLES | REG(XCR0) | REG(DR0) | REG(DR1) | REG(DR2) | REG(DR3) | \
	 REG(DR6) | REG(DR7) | REG(STAR) | REG(LSTAR) | REG(CSTAR) |           \
	 REG(SFMASK) | REG(SYSENTER_CS) | REG(SYSENTER_ESP) |                  \
	 REG(SYSENTER_EIP) | REG(APIC_BASE) | REG(PAT) | REG(TSC_AUX) |        \
	 REG(YMM))

/* ---- event descriptors ------------------------------------------------- */

#define DO(action)   MVMI_ACTION_BIT(MVMI_ACTION_##action)
#define TELLS(field) MVMI_FIELD_##field
#define BY(filter)   MVMI_FILTER_##filter

/* An event of the VM as a whole: it holds nothing. */
#define OF_VM(name)                                                   \
	{                                                             \
		.kind = MVMI_EVENT_##name, .phase = MVMI_PHASE_AFTER, \
		.holds = MVMI_HOLDS_NONE, .replies = DO(CONTINUE),    \
		.async = true                                         \
	}

/*
 * Xen: vm_event. A write event comes before the write, with rip at the
 * instruction; the hypervisor denies or emulates. The only filter is the MSR.
 */
#define XEN_WRITE(name)                                                  \
	{                                                                \
		.kind = MVMI_EVENT_##name, .phase = MVMI_PHASE_BEFORE,   \
		.holds = MVMI_HOLDS_VCPU,                                \
		.replies = DO(CONTINUE) | DO(DENY) | DO(SWITCH_VIEW),    \
		.fields = TELLS(VALUE) | TELLS(OLD_VALUE), .async = true \
	}

static const struct mvmi_event_desc xen_descs[] = {
	XEN_WRITE(CR0_WRITE),
	XEN_WRITE(CR3_WRITE),
	XEN_WRITE(CR4_WRITE),
	XEN_WRITE(XCR0_WRITE),
	{ .kind = MVMI_EVENT_MSR_WRITE,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(DENY) | DO(INJECT),
	  .filters = BY(INDEX),
	  .fields = TELLS(INDEX) | TELLS(VALUE) | TELLS(OLD_VALUE) },
	{ .kind = MVMI_EVENT_INTERRUPT,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE),
	  .fields = TELLS(VECTOR) },
	{ .kind = MVMI_EVENT_INT3,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE) | DO(REINJECT) |
		     DO(INJECT) | DO(SWITCH_VIEW),
	  .fields = TELLS(GVA) | TELLS(GPA) | TELLS(INSN_LEN) },
	{ .kind = MVMI_EVENT_STEP,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SWITCH_VIEW),
	  .filters = BY(VCPU),
	  .fields = TELLS(GVA) | TELLS(GPA) },
	{ .kind = MVMI_EVENT_MEMORY,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE) | DO(INJECT) |
		     DO(STEP) | DO(SWITCH_VIEW),
	  .filters = BY(PAGE_WALK),
	  .fields = TELLS(GVA) | TELLS(GPA) | TELLS(ACCESS) | TELLS(PAGE_WALK) |
		    TELLS(VIEW) },
	{ .kind = MVMI_EVENT_DESCRIPTOR,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP),
	  .fields = TELLS(INDEX) | TELLS(ACCESS) },
	{ .kind = MVMI_EVENT_CPUID,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE),
	  .fields = TELLS(INDEX) | TELLS(VALUE) | TELLS(INSN_LEN) },
	{ .kind = MVMI_EVENT_HYPERCALL,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE),
	  .async = true },
	{ .kind = MVMI_EVENT_PORT_IO,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP),
	  .fields = TELLS(INDEX) | TELLS(ACCESS) | TELLS(LEN) },
	OF_VM(SHUTDOWN),
	OF_VM(GONE),
};

/*
 * KVM: guest debugging, the MSR filter, mprotect, and programs on tracepoints
 * that stop the vCPU after the instruction, when nothing can be denied.
 */
#define KVM_TRACED(name, more)                                                 \
	{                                                                      \
		.kind = MVMI_EVENT_##name, .phase = MVMI_PHASE_AFTER,          \
		.holds = MVMI_HOLDS_VCPU, .replies = DO(CONTINUE),             \
		.filters = BY(CR3) | BY(VCPU), .fields = (more), .async = true \
	}

#define KVM_MSR(name, more)                                                   \
	{                                                                     \
		.kind = MVMI_EVENT_##name, .phase = MVMI_PHASE_BEFORE,        \
		.holds = MVMI_HOLDS_VCPU,                                     \
		.replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE) | DO(DENY) | \
			   DO(INJECT),                                        \
		.filters = BY(INDEX), .fields = TELLS(INDEX) | (more)         \
	}

static const struct mvmi_event_desc kvm_descs[] = {
	KVM_TRACED(CR0_WRITE, TELLS(VALUE)),
	KVM_TRACED(CR4_WRITE, TELLS(VALUE)),
	KVM_MSR(MSR_READ, 0),
	KVM_MSR(MSR_WRITE, TELLS(VALUE)),
	{ .kind = MVMI_EVENT_INT3,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE) | DO(REINJECT) |
		     DO(INJECT),
	  .filters = BY(CR3) | BY(VCPU),
	  .fields = TELLS(GVA) | TELLS(INSN_LEN) },
	{ .kind = MVMI_EVENT_HW_BREAKPOINT,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(INJECT) | DO(STEP),
	  .filters = BY(CR3) | BY(VCPU),
	  .fields = TELLS(GVA),
	  .limit = 4 },
	{ .kind = MVMI_EVENT_STEP,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE),
	  .filters = BY(CR3) | BY(VCPU),
	  .fields = TELLS(GVA) },
	{ .kind = MVMI_EVENT_MEMORY,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(INJECT) | DO(STEP),
	  .filters = BY(VCPU),
	  .fields = TELLS(GPA) | TELLS(ACCESS) },
	KVM_TRACED(CPUID, TELLS(INDEX)),
	KVM_TRACED(HYPERCALL, 0),
	OF_VM(RESET),
	OF_VM(SHUTDOWN),
	OF_VM(GONE),
};

/*
 * QEMU's TCG: instructions are decoded when they are translated, so nearly
 * everything is caught before it executes, without limit and with all filters
 * in the plugin; memory accesses are told after the fact.
 */
#define TCG_FILTERS (BY(INDEX) | BY(VALUE) | BY(CR3) | BY(VCPU))

#define TCG_BEFORE(name, more)                                                \
	{                                                                     \
		.kind = MVMI_EVENT_##name, .phase = MVMI_PHASE_BEFORE,        \
		.holds = MVMI_HOLDS_VCPU,                                     \
		.replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE) | DO(DENY) | \
			   DO(INJECT),                                        \
		.filters = TCG_FILTERS, .fields = TELLS(INSN_LEN) | (more),   \
		.async = true                                                 \
	}

static const struct mvmi_event_desc tcg_descs[] = {
	TCG_BEFORE(CR0_WRITE, TELLS(VALUE) | TELLS(OLD_VALUE)),
	TCG_BEFORE(CR3_WRITE, TELLS(VALUE) | TELLS(OLD_VALUE)),
	TCG_BEFORE(CR4_WRITE, TELLS(VALUE) | TELLS(OLD_VALUE)),
	TCG_BEFORE(XCR0_WRITE, TELLS(VALUE) | TELLS(OLD_VALUE)),
	TCG_BEFORE(DR_ACCESS, TELLS(INDEX) | TELLS(ACCESS) | TELLS(VALUE)),
	TCG_BEFORE(MSR_READ, TELLS(INDEX)),
	TCG_BEFORE(MSR_WRITE, TELLS(INDEX) | TELLS(VALUE)),
	{ .kind = MVMI_EVENT_EXCEPTION,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(REINJECT) | DO(INJECT),
	  .filters = BY(VECTOR) | BY(VCPU),
	  .fields = TELLS(VECTOR) | TELLS(VALUE),
	  .async = true },
	{ .kind = MVMI_EVENT_INTERRUPT,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE),
	  .filters = BY(VCPU),
	  .fields = TELLS(VECTOR),
	  .async = true },
	{ .kind = MVMI_EVENT_INT3,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(EMULATE) | DO(REINJECT) |
		     DO(INJECT),
	  .filters = BY(CR3) | BY(VCPU),
	  .fields = TELLS(GVA) | TELLS(GPA) | TELLS(INSN_LEN) },
	{ .kind = MVMI_EVENT_HW_BREAKPOINT, /* interception: no slots */
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(INJECT) | DO(STEP),
	  .filters = BY(CR3) | BY(VCPU),
	  .fields = TELLS(GVA) | TELLS(GPA) },
	{ .kind = MVMI_EVENT_STEP,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE),
	  .filters = BY(CR3) | BY(VCPU),
	  .fields = TELLS(GVA) | TELLS(GPA) },
	{ .kind = MVMI_EVENT_MEMORY,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = DO(CONTINUE),
	  .filters = BY(CR3) | BY(VCPU) | BY(RANGE),
	  .fields = TELLS(GVA) | TELLS(GPA) | TELLS(ACCESS) | TELLS(LEN) |
		    TELLS(VALUE),
	  .async = true },
	TCG_BEFORE(DESCRIPTOR, TELLS(INDEX) | TELLS(ACCESS)),
	TCG_BEFORE(CPUID, TELLS(INDEX) | TELLS(VALUE)),
	TCG_BEFORE(HYPERCALL, 0),
	TCG_BEFORE(PORT_IO,
		   TELLS(INDEX) | TELLS(ACCESS) | TELLS(LEN) | TELLS(VALUE)),
	TCG_BEFORE(RDTSC, 0),
	OF_VM(RESET),
	OF_VM(SHUTDOWN),
	OF_VM(GONE),
};

/* A gdbstub: breakpoints, steps and watchpoints; each stops the whole VM. */
static const struct mvmi_event_desc gdbstub_descs[] = {
	{ .kind = MVMI_EVENT_HW_BREAKPOINT,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VM,
	  .replies = DO(CONTINUE) | DO(SKIP) | DO(STEP),
	  .fields = TELLS(GVA) },
	{ .kind = MVMI_EVENT_STEP,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VM,
	  .replies = DO(CONTINUE),
	  .filters = BY(VCPU),
	  .fields = TELLS(GVA) },
	{ .kind = MVMI_EVENT_MEMORY,
	  .phase = MVMI_PHASE_AFTER,
	  .holds = MVMI_HOLDS_VM,
	  .replies = DO(CONTINUE),
	  .filters = BY(RANGE),
	  .fields = TELLS(GVA) | TELLS(ACCESS),
	  .limit = 4 },
	OF_VM(GONE),
};

#undef OF_VM
#undef XEN_WRITE
#undef KVM_TRACED
#undef KVM_MSR
#undef TCG_BEFORE

/* ---- the personalities ------------------------------------------------- */

/* Combinations that can't be had, by their enum mvmi_access bits. */
#define ALLOWS(access) (UINT32_C(1) << (access))
/* EPT: a page that can be written can be read. */
#define EPT_FORBIDS (ALLOWS(2) | ALLOWS(6))
/* mprotect: nothing, or all but writes, or all. */
#define MPROTECT_FORBIDS (~(ALLOWS(0) | ALLOWS(5) | ALLOWS(7)) & 0xff)
/* Callbacks on loads and stores: execution goes on. */
#define CALLBACKS_FORBID (ALLOWS(0) | ALLOWS(1) | ALLOWS(2) | ALLOWS(3))
#define DESCS(table)	 .descs = (table), .desc_count = ARRAY_LEN(table)

static const struct mock_personality personalities[] = {
	{
		.name = "xen",
		.hypervisor = "mock of Xen 4.20 (HVM, EPT)",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_MAP |
			  MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_RUN |
			  MVMI_CAP_EVENT | MVMI_CAP_ACCESS | MVMI_CAP_VIEW |
			  MVMI_CAP_INJECT,
		.readable = REGS_ALL,
		.writable = REGS_ALL & ~(REG(APIC_BASE) | REG(X87) | REG(YMM)),
		DESCS(xen_descs),
		.forbidden_access = EPT_FORBIDS,
		.view_scope = MVMI_HOLDS_VCPU,
		.view_limit = MOCK_VIEWS_MAX - 1,
		.death = MOCK_DEATH_ONE_CALL_LATE,
	},
	{
		.name = "kvm",
		.hypervisor = "mock of KVM (agent in the VMM)",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_MAP |
			  MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_RUN |
			  MVMI_CAP_QUIESCE | MVMI_CAP_EVENT | MVMI_CAP_ACCESS |
			  MVMI_CAP_INJECT,
		.readable = REGS_ALL,
		.writable = REGS_ALL,
		DESCS(kvm_descs),
		.forbidden_access = MPROTECT_FORBIDS,
		.death = MOCK_DEATH_AT_ONCE,
	},
	{
		.name = "tcg",
		.hypervisor = "mock of QEMU (TCG plugin)",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_MAP |
			  MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_RUN |
			  MVMI_CAP_QUIESCE | MVMI_CAP_EVENT | MVMI_CAP_ACCESS |
			  MVMI_CAP_INJECT | MVMI_CAP_SNAPSHOT,
		.readable = REGS_ALL,
		.writable = REGS_ALL & ~REG(YMM),
		DESCS(tcg_descs),
		.forbidden_access = CALLBACKS_FORBID,
		.death = MOCK_DEATH_AT_NEXT,
	},
	{
		.name = "gdbstub",
		.hypervisor = "mock of a gdbstub",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_REGS |
			  MVMI_CAP_SET_REGS | MVMI_CAP_RUN | MVMI_CAP_EVENT,
		.readable = REGS_ALL & ~REGS_UNKNOWN_TO_GDB,
		.writable = REGS_GENERAL | REG(CR3),
		DESCS(gdbstub_descs),
		.death = MOCK_DEATH_ONE_CALL_LATE,
	},
};

const struct mock_personality *mock_personality_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(personalities); i++) {
		if (strcmp(personalities[i].name, name) == 0)
			return &personalities[i];
	}
	return NULL;
}
