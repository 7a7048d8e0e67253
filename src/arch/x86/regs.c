/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 register file as a table: name, group, and where it lies.
 */
#include "arch/x86/regs.h"

#include <string.h>

struct reg_info {
	const char *name;
	unsigned group;	 /**< one enum mvmi_reg_group bit */
	uint16_t offset; /**< in struct mvmi_regs */
	uint16_t size;
};

#define AT(member)                              \
	offsetof(struct mvmi_regs, x86.member), \
		sizeof(((struct mvmi_regs *)NULL)->x86.member)

static const struct reg_info regs_x86[MVMI_REG_COUNT] = {
	[MVMI_REG_RAX] = { "rax", MVMI_REGS_GENERAL, AT(gpr[0]) },
	[MVMI_REG_RCX] = { "rcx", MVMI_REGS_GENERAL, AT(gpr[1]) },
	[MVMI_REG_RDX] = { "rdx", MVMI_REGS_GENERAL, AT(gpr[2]) },
	[MVMI_REG_RBX] = { "rbx", MVMI_REGS_GENERAL, AT(gpr[3]) },
	[MVMI_REG_RSP] = { "rsp", MVMI_REGS_GENERAL, AT(gpr[4]) },
	[MVMI_REG_RBP] = { "rbp", MVMI_REGS_GENERAL, AT(gpr[5]) },
	[MVMI_REG_RSI] = { "rsi", MVMI_REGS_GENERAL, AT(gpr[6]) },
	[MVMI_REG_RDI] = { "rdi", MVMI_REGS_GENERAL, AT(gpr[7]) },
	[MVMI_REG_R8] = { "r8", MVMI_REGS_GENERAL, AT(gpr[8]) },
	[MVMI_REG_R9] = { "r9", MVMI_REGS_GENERAL, AT(gpr[9]) },
	[MVMI_REG_R10] = { "r10", MVMI_REGS_GENERAL, AT(gpr[10]) },
	[MVMI_REG_R11] = { "r11", MVMI_REGS_GENERAL, AT(gpr[11]) },
	[MVMI_REG_R12] = { "r12", MVMI_REGS_GENERAL, AT(gpr[12]) },
	[MVMI_REG_R13] = { "r13", MVMI_REGS_GENERAL, AT(gpr[13]) },
	[MVMI_REG_R14] = { "r14", MVMI_REGS_GENERAL, AT(gpr[14]) },
	[MVMI_REG_R15] = { "r15", MVMI_REGS_GENERAL, AT(gpr[15]) },
	[MVMI_REG_RIP] = { "rip", MVMI_REGS_GENERAL, AT(rip) },
	[MVMI_REG_RFLAGS] = { "rflags", MVMI_REGS_GENERAL, AT(rflags) },
	[MVMI_REG_ES] = { "es", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_ES]) },
	[MVMI_REG_CS] = { "cs", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_CS]) },
	[MVMI_REG_SS] = { "ss", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_SS]) },
	[MVMI_REG_DS] = { "ds", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_DS]) },
	[MVMI_REG_FS] = { "fs", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_FS]) },
	[MVMI_REG_GS] = { "gs", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_GS]) },
	[MVMI_REG_LDTR] = { "ldtr", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_LDTR]) },
	[MVMI_REG_TR] = { "tr", MVMI_REGS_SEGMENT, AT(seg[MVMI_SEG_TR]) },
	[MVMI_REG_GDTR] = { "gdtr", MVMI_REGS_SEGMENT, AT(gdtr) },
	[MVMI_REG_IDTR] = { "idtr", MVMI_REGS_SEGMENT, AT(idtr) },
	[MVMI_REG_CR0] = { "cr0", MVMI_REGS_CONTROL, AT(cr0) },
	[MVMI_REG_CR2] = { "cr2", MVMI_REGS_CONTROL, AT(cr2) },
	[MVMI_REG_CR3] = { "cr3", MVMI_REGS_CONTROL, AT(cr3) },
	[MVMI_REG_CR4] = { "cr4", MVMI_REGS_CONTROL, AT(cr4) },
	[MVMI_REG_CR8] = { "cr8", MVMI_REGS_CONTROL, AT(cr8) },
	[MVMI_REG_XCR0] = { "xcr0", MVMI_REGS_CONTROL, AT(xcr0) },
	[MVMI_REG_DR0] = { "dr0", MVMI_REGS_DEBUG, AT(dr[0]) },
	[MVMI_REG_DR1] = { "dr1", MVMI_REGS_DEBUG, AT(dr[1]) },
	[MVMI_REG_DR2] = { "dr2", MVMI_REGS_DEBUG, AT(dr[2]) },
	[MVMI_REG_DR3] = { "dr3", MVMI_REGS_DEBUG, AT(dr[3]) },
	[MVMI_REG_DR6] = { "dr6", MVMI_REGS_DEBUG, AT(dr[6]) },
	[MVMI_REG_DR7] = { "dr7", MVMI_REGS_DEBUG, AT(dr[7]) },
	[MVMI_REG_EFER] = { "efer", MVMI_REGS_CONTROL, AT(efer) },
	[MVMI_REG_STAR] = { "star", MVMI_REGS_MSR, AT(star) },
	[MVMI_REG_LSTAR] = { "lstar", MVMI_REGS_MSR, AT(lstar) },
	[MVMI_REG_CSTAR] = { "cstar", MVMI_REGS_MSR, AT(cstar) },
	[MVMI_REG_SFMASK] = { "sfmask", MVMI_REGS_MSR, AT(sfmask) },
	[MVMI_REG_FS_BASE] = { "fs_base", MVMI_REGS_SEGMENT,
			       AT(seg[MVMI_SEG_FS].base) },
	[MVMI_REG_GS_BASE] = { "gs_base", MVMI_REGS_SEGMENT,
			       AT(seg[MVMI_SEG_GS].base) },
	[MVMI_REG_KERNEL_GS_BASE] = { "kernel_gs_base", MVMI_REGS_MSR,
				      AT(kernel_gs_base) },
	[MVMI_REG_SYSENTER_CS] = { "sysenter_cs", MVMI_REGS_MSR,
				   AT(sysenter_cs) },
	[MVMI_REG_SYSENTER_ESP] = { "sysenter_esp", MVMI_REGS_MSR,
				    AT(sysenter_esp) },
	[MVMI_REG_SYSENTER_EIP] = { "sysenter_eip", MVMI_REGS_MSR,
				    AT(sysenter_eip) },
	[MVMI_REG_APIC_BASE] = { "apic_base", MVMI_REGS_MSR, AT(apic_base) },
	[MVMI_REG_PAT] = { "pat", MVMI_REGS_MSR, AT(pat) },
	[MVMI_REG_TSC_AUX] = { "tsc_aux", MVMI_REGS_MSR, AT(tsc_aux) },
	[MVMI_REG_X87] = { "x87", MVMI_REGS_FPU, AT(x87) },
	[MVMI_REG_MXCSR] = { "mxcsr", MVMI_REGS_FPU, AT(mxcsr) },
	[MVMI_REG_XMM] = { "xmm", MVMI_REGS_FPU, AT(xmm) },
	[MVMI_REG_YMM] = { "ymm", MVMI_REGS_FPU, AT(ymm_high) },
};

#undef AT

const char *mvmi_reg_name(enum mvmi_reg reg)
{
	return (unsigned)reg < MVMI_REG_COUNT ? regs_x86[reg].name : NULL;
}

bool mvmi_reg_find(const char *name, enum mvmi_reg *ret)
{
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		if (strcmp(regs_x86[i].name, name) == 0) {
			*ret = (enum mvmi_reg)i;
			return true;
		}
	}
	return false;
}

mvmi_regset mvmi_regset_of_groups(unsigned groups)
{
	mvmi_regset set = { { 0, 0 } };

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		if (regs_x86[i].group & groups)
			mvmi_regset_add(&set, (enum mvmi_reg)i);
	}
	return set;
}

uint64_t *mvmi_regs_scalar(struct mvmi_regs *regs, enum mvmi_reg reg)
{
	if ((unsigned)reg >= MVMI_REG_COUNT ||
	    regs_x86[reg].size != sizeof(uint64_t))
		return NULL;
	return (uint64_t *)(void *)((char *)regs + regs_x86[reg].offset);
}

struct mvmi_span regs_span(struct mvmi_regs *regs, enum mvmi_reg reg)
{
	return (struct mvmi_span){ (uint8_t *)regs + regs_x86[reg].offset,
				   regs_x86[reg].size };
}

bool regs_copy(struct mvmi_regs *dst, const struct mvmi_regs *src,
	       enum mvmi_reg reg)
{
	struct mvmi_span to = regs_span(dst, reg);
	const uint8_t *from = (const uint8_t *)src + regs_x86[reg].offset;
	bool differs = memcmp(to.ptr, from, to.len) != 0;

	memcpy(to.ptr, from, to.len);
	return differs;
}
