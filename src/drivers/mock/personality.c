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

static const struct mock_personality personalities[] = {
	{
		.name = "xen",
		.hypervisor = "mock of Xen 4.20 (HVM, EPT)",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_MAP |
			  MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_RUN,
		.readable = REGS_ALL,
		.writable = REGS_ALL & ~(REG(APIC_BASE) | REG(X87) | REG(YMM)),
		.death = MOCK_DEATH_ONE_CALL_LATE,
	},
	{
		.name = "kvm",
		.hypervisor = "mock of KVM (agent in the VMM)",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_MAP |
			  MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_RUN |
			  MVMI_CAP_QUIESCE,
		.readable = REGS_ALL,
		.writable = REGS_ALL,
		.death = MOCK_DEATH_AT_ONCE,
	},
	{
		.name = "tcg",
		.hypervisor = "mock of QEMU (TCG plugin)",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_MAP |
			  MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_RUN |
			  MVMI_CAP_QUIESCE,
		.readable = REGS_ALL,
		.writable = REGS_ALL & ~REG(YMM),
		.death = MOCK_DEATH_AT_NEXT,
	},
	{
		.name = "gdbstub",
		.hypervisor = "mock of a gdbstub",
		.tables = MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_REGS |
			  MVMI_CAP_SET_REGS | MVMI_CAP_RUN,
		.readable = REGS_ALL & ~REGS_UNKNOWN_TO_GDB,
		.writable = REGS_GENERAL | REG(CR3),
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
