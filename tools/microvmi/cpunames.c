/* SPDX-License-Identifier: MIT */
/* Names as in SDM 4, APM 2 and the hypervisors' own documents. */
#include "cpunames.h"

#include <stddef.h>
#include <strings.h>

struct msr {
	uint32_t index;
	const char *name;
};

static const struct msr msrs[] = {
	{ 0x10, "TSC" },
	{ 0x1b, "APIC_BASE" },
	{ 0x3a, "FEATURE_CONTROL" },
	{ 0x3b, "TSC_ADJUST" },
	{ 0x48, "SPEC_CTRL" },
	{ 0x49, "PRED_CMD" },
	{ 0x79, "BIOS_UPDT_TRIG" },
	{ 0x8b, "BIOS_SIGN_ID" },
	{ 0xfe, "MTRRCAP" },
	{ 0x10a, "ARCH_CAPABILITIES" },
	{ 0x10b, "FLUSH_CMD" },
	{ 0x174, "SYSENTER_CS" },
	{ 0x175, "SYSENTER_ESP" },
	{ 0x176, "SYSENTER_EIP" },
	{ 0x179, "MCG_CAP" },
	{ 0x17a, "MCG_STATUS" },
	{ 0x17b, "MCG_CTL" },
	{ 0x1a0, "MISC_ENABLE" },
	{ 0x1d9, "DEBUGCTL" },
	{ 0x277, "PAT" },
	{ 0x2ff, "MTRR_DEF_TYPE" },
	{ 0x38f, "PERF_GLOBAL_CTRL" },
	{ 0x6a0, "U_CET" },
	{ 0x6a2, "S_CET" },
	{ 0x6e0, "TSC_DEADLINE" },
	{ 0x6e1, "PKRS" },
	{ 0x80b, "X2APIC_EOI" },
	{ 0x830, "X2APIC_ICR" },
	{ 0xda0, "XSS" },
	{ 0x40000000, "HV_GUEST_OS_ID" },
	{ 0x40000001, "HV_HYPERCALL" },
	{ 0x40000002, "HV_VP_INDEX" },
	{ 0x40000020, "HV_TIME_REF_COUNT" },
	{ 0x40000021, "HV_REFERENCE_TSC" },
	{ 0x4b564d00, "KVM_WALL_CLOCK_NEW" },
	{ 0x4b564d01, "KVM_SYSTEM_TIME_NEW" },
	{ 0x4b564d02, "KVM_ASYNC_PF_EN" },
	{ 0x4b564d03, "KVM_STEAL_TIME" },
	{ 0x4b564d04, "KVM_EOI_EN" },
	{ 0x4b564d05, "KVM_POLL_CONTROL" },
	{ 0xc0000080, "EFER" },
	{ 0xc0000081, "STAR" },
	{ 0xc0000082, "LSTAR" },
	{ 0xc0000083, "CSTAR" },
	{ 0xc0000084, "SFMASK" },
	{ 0xc0000100, "FS_BASE" },
	{ 0xc0000101, "GS_BASE" },
	{ 0xc0000102, "KERNEL_GS_BASE" },
	{ 0xc0000103, "TSC_AUX" },
	{ 0xc0000104, "TSC_RATIO" },
	{ 0xc0010010, "SYSCFG" },
	{ 0xc0010015, "HWCR" },
	{ 0xc0010114, "VM_CR" },
	{ 0xc0010117, "VM_HSAVE_PA" },
};

#define MSRS (sizeof(msrs) / sizeof(msrs[0]))

static const char *const exceptions[32] = {
	[0] = "#DE",  [1] = "#DB",  [2] = "NMI",  [3] = "#BP",	[4] = "#OF",
	[5] = "#BR",  [6] = "#UD",  [7] = "#NM",  [8] = "#DF",	[10] = "#TS",
	[11] = "#NP", [12] = "#SS", [13] = "#GP", [14] = "#PF", [16] = "#MF",
	[17] = "#AC", [18] = "#MC", [19] = "#XM", [20] = "#VE", [21] = "#CP",
	[28] = "#HV", [29] = "#VC", [30] = "#SX",
};

#define BITS 32

static const char *const bits[][BITS] = {
	[CPUNAMES_CR0] = { [0] = "PE",
			   [1] = "MP",
			   [2] = "EM",
			   [3] = "TS",
			   [4] = "ET",
			   [5] = "NE",
			   [16] = "WP",
			   [18] = "AM",
			   [29] = "NW",
			   [30] = "CD",
			   [31] = "PG" },
	[CPUNAMES_CR4] = { [0] = "VME",		[1] = "PVI",
			   [2] = "TSD",		[3] = "DE",
			   [4] = "PSE",		[5] = "PAE",
			   [6] = "MCE",		[7] = "PGE",
			   [8] = "PCE",		[9] = "OSFXSR",
			   [10] = "OSXMMEXCPT", [11] = "UMIP",
			   [12] = "LA57",	[13] = "VMXE",
			   [14] = "SMXE",	[16] = "FSGSBASE",
			   [17] = "PCIDE",	[18] = "OSXSAVE",
			   [19] = "KL",		[20] = "SMEP",
			   [21] = "SMAP",	[22] = "PKE",
			   [23] = "CET",	[24] = "PKS",
			   [25] = "UINTR",	[28] = "LAM_SUP" },
	[CPUNAMES_XCR0] = { [0] = "X87",
			    [1] = "SSE",
			    [2] = "AVX",
			    [3] = "BNDREGS",
			    [4] = "BNDCSR",
			    [5] = "OPMASK",
			    [6] = "ZMM_HI256",
			    [7] = "HI16_ZMM",
			    [9] = "PKRU",
			    [17] = "TILECFG",
			    [18] = "TILEDATA" },
	[CPUNAMES_EFER] = { [0] = "SCE",
			    [8] = "LME",
			    [10] = "LMA",
			    [11] = "NXE",
			    [12] = "SVME",
			    [13] = "LMSLE",
			    [14] = "FFXSR",
			    [15] = "TCE",
			    [21] = "AIBRSE" },
};

const char *cpunames_msr(uint32_t index)
{
	for (size_t i = 0; i < MSRS; i++) {
		if (msrs[i].index == index)
			return msrs[i].name;
	}
	return NULL;
}

bool cpunames_find_msr(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < MSRS; i++) {
		if (strcasecmp(msrs[i].name, name) == 0) {
			*ret = msrs[i].index;
			return true;
		}
	}
	return false;
}

const char *cpunames_exception(uint32_t vector)
{
	return vector < 32 ? exceptions[vector] : NULL;
}

bool cpunames_find_exception(const char *name, uint32_t *ret)
{
	for (uint32_t i = 0; i < 32; i++) {
		const char *one = exceptions[i];

		if (!one)
			continue;
		if (strcasecmp(one, name) == 0 ||
		    (*one == '#' && strcasecmp(one + 1, name) == 0)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

const char *cpunames_bit(enum cpunames_register reg, unsigned bit)
{
	return bit < BITS ? bits[reg][bit] : NULL;
}
