/* SPDX-License-Identifier: MIT */
/* Registers, from and to QEMU's vCPU object. */
#include <stddef.h>
#include <string.h>

#include "plugin.h"

#define FLAGS_CC UINT64_C(0x8d5) /* OF SF ZF AF PF CF */
#define FLAGS_DF UINT64_C(0x400)
/* Bits of a segment's flags in QEMU: the upper word of a descriptor. */
#define SEGMENT_BITS UINT32_C(0xf0ff)

/** A register that is one member there and one here. */
struct scalar {
	uint8_t reg;
	uint8_t bytes;
	uint8_t group;
	bool writable; /**< by storing it */
	size_t there;  /**< of struct layout: which offset */
	size_t here;   /**< in struct agent_regs */
};

#define SCALAR(reg, bytes, group, writable, there, here)            \
	{                                                           \
		MVMI_REG_##reg, bytes, MVMI_REGS_##group, writable, \
			offsetof(struct layout, there),             \
			offsetof(struct agent_regs, here)           \
	}

static const struct scalar scalars[] = {
	SCALAR(CR0, 8, CONTROL, false, cr0, cr0),
	SCALAR(CR2, 8, CONTROL, true, cr2, cr2),
	SCALAR(CR3, 8, CONTROL, false, cr3, cr3),
	SCALAR(CR4, 8, CONTROL, false, cr4, cr4),
	SCALAR(XCR0, 8, CONTROL, false, xcr0, xcr0),
	SCALAR(EFER, 8, CONTROL, false, efer, efer),
	SCALAR(STAR, 8, MSR, true, star, star),
	SCALAR(LSTAR, 8, MSR, true, lstar, lstar),
	SCALAR(CSTAR, 8, MSR, true, cstar, cstar),
	SCALAR(SFMASK, 8, MSR, true, fmask, sfmask),
	SCALAR(KERNEL_GS_BASE, 8, MSR, true, kernel_gs_base, kernel_gs_base),
	SCALAR(SYSENTER_CS, 4, MSR, true, sysenter_cs, sysenter_cs),
	SCALAR(SYSENTER_ESP, 8, MSR, true, sysenter_esp, sysenter_esp),
	SCALAR(SYSENTER_EIP, 8, MSR, true, sysenter_eip, sysenter_eip),
	SCALAR(PAT, 8, MSR, true, pat, pat),
	SCALAR(TSC_AUX, 8, MSR, true, tsc_aux, tsc_aux),
	SCALAR(MXCSR, 4, FPU, false, mxcsr, mxcsr),
};

#define SCALARS (sizeof(scalars) / sizeof(scalars[0]))

/** QEMU's segment cache. */
struct segment {
	uint32_t selector;
	uint32_t reserved;
	uint64_t base;
	uint32_t limit;
	uint32_t flags;
};

static size_t place_of(const struct scalar *scalar)
{
	size_t offset;

	memcpy(&offset, (const char *)&qemu.at + scalar->there, sizeof(offset));
	return offset;
}

static void *at(const struct vcpu_side *side, size_t offset)
{
	return (char *)side->cpu + offset;
}

void *regs_env(const struct vcpu_side *side)
{
	return at(side, qemu.at.env);
}

uint64_t regs_u64(const struct vcpu_side *side, size_t offset)
{
	uint64_t value;

	memcpy(&value, at(side, offset), sizeof(value));
	return value;
}

static void set_u64(struct vcpu_side *side, size_t offset, uint64_t value)
{
	memcpy(at(side, offset), &value, sizeof(value));
}

uint64_t regs_gpr(const struct vcpu_side *side, unsigned index)
{
	return regs_u64(side, qemu.at.regs + (size_t)index * 8);
}

void regs_set_gpr(struct vcpu_side *side, unsigned index, uint64_t value)
{
	set_u64(side, qemu.at.regs + (size_t)index * 8, value);
}

static uint32_t u32(const struct vcpu_side *side, size_t offset)
{
	uint32_t value;

	memcpy(&value, at(side, offset), sizeof(value));
	return value;
}

static void set_u32(struct vcpu_side *side, size_t offset, uint32_t value)
{
	memcpy(at(side, offset), &value, sizeof(value));
}

static void add(uint64_t set[2], unsigned reg)
{
	set[reg / 64] |= UINT64_C(1) << reg % 64;
}

static bool has(const uint64_t set[2], unsigned reg)
{
	return (set[reg / 64] >> reg % 64 & 1) != 0;
}

void regs_masks(uint64_t readable[2], uint64_t writable[2])
{
	static const uint8_t read[] = {
		MVMI_REG_RIP,  MVMI_REG_RFLAGS,	 MVMI_REG_ES,
		MVMI_REG_CS,   MVMI_REG_SS,	 MVMI_REG_DS,
		MVMI_REG_FS,   MVMI_REG_GS,	 MVMI_REG_FS_BASE,
		MVMI_REG_LDTR, MVMI_REG_GS_BASE, MVMI_REG_TR,
		MVMI_REG_GDTR, MVMI_REG_IDTR,
	};
	static const uint8_t written[] = {
		MVMI_REG_RIP,	  MVMI_REG_RFLAGS, MVMI_REG_FS_BASE,
		MVMI_REG_GS_BASE, MVMI_REG_GDTR,   MVMI_REG_IDTR,
	};

	if (!qemu.usable)
		return;
	for (unsigned i = MVMI_REG_RAX; i <= MVMI_REG_R15; i++) {
		add(readable, i);
		add(writable, i);
	}
	for (size_t i = 0; i < sizeof(read); i++)
		add(readable, read[i]);
	for (size_t i = 0; i < sizeof(written); i++)
		add(writable, written[i]);
	for (size_t i = 0; i < SCALARS; i++) {
		if (place_of(&scalars[i]) == NOWHERE)
			continue;
		add(readable, scalars[i].reg);
		if (scalars[i].writable)
			add(writable, scalars[i].reg);
	}
	for (unsigned i = 0; i < 6 && qemu.at.dr != NOWHERE; i++)
		add(readable, MVMI_REG_DR0 + i);
	if (qemu.at.xmm != NOWHERE && qemu.at.xmm_stride == 64) {
		add(readable, MVMI_REG_XMM);
		add(readable, MVMI_REG_YMM);
		add(writable, MVMI_REG_XMM);
		add(writable, MVMI_REG_YMM);
	}
	if (qemu.cpu_x86_update_cr0)
		add(writable, MVMI_REG_CR0);
	if (qemu.cpu_x86_update_cr3)
		add(writable, MVMI_REG_CR3);
	if (qemu.cpu_x86_update_cr4)
		add(writable, MVMI_REG_CR4);
	if (qemu.cpu_load_efer)
		add(writable, MVMI_REG_EFER);
}

/* ---- reading ------------------------------------------------------------ */

/** Flags are evaluated lazily while the vCPU executes. */
static uint64_t rflags(const struct vcpu_side *side)
{
	uint64_t flags = regs_u64(side, qemu.at.eflags);

	if (side->in_exec) {
		flags &= ~(FLAGS_CC | FLAGS_DF);
		flags |=
			qemu.cpu_cc_compute_all(regs_env(side),
						(int)u32(side, qemu.at.cc_op)) &
			FLAGS_CC;
		if ((int32_t)u32(side, qemu.at.df) < 0)
			flags |= FLAGS_DF;
	}
	return flags | 2;
}

static void read_general(const struct vcpu_side *side, struct agent_regs *regs)
{
	memcpy(regs->gpr, at(side, qemu.at.regs), sizeof(regs->gpr));
	regs->rip = regs_u64(side, qemu.at.eip);
	regs->rflags = rflags(side);
	regs->valid[0] |= (UINT64_C(1) << (MVMI_REG_RFLAGS + 1)) - 1;
}

static void read_segment(const struct vcpu_side *side, size_t offset,
			 struct agent_segment *ret)
{
	struct segment segment;

	memcpy(&segment, at(side, offset), sizeof(segment));
	ret->selector = segment.selector;
	ret->base = segment.base;
	ret->limit = segment.limit;
	ret->attributes = segment.flags >> 8 & SEGMENT_BITS;
}

static void read_table(const struct vcpu_side *side, size_t offset,
		       uint64_t *base, uint32_t *limit)
{
	struct segment segment;

	memcpy(&segment, at(side, offset), sizeof(segment));
	*base = segment.base;
	*limit = segment.limit;
}

static void read_segments(const struct vcpu_side *side, struct agent_regs *regs)
{
	for (unsigned i = 0; i < 6; i++)
		read_segment(side, qemu.at.segs + i * sizeof(struct segment),
			     &regs->seg[i]);
	read_segment(side, qemu.at.ldt, &regs->seg[MVMI_SEG_LDTR]);
	read_segment(side, qemu.at.tr, &regs->seg[MVMI_SEG_TR]);
	read_table(side, qemu.at.gdt, &regs->gdtr_base, &regs->gdtr_limit);
	read_table(side, qemu.at.idt, &regs->idtr_base, &regs->idtr_limit);
	for (unsigned i = MVMI_REG_ES; i <= MVMI_REG_IDTR; i++)
		add(regs->valid, i);
	add(regs->valid, MVMI_REG_FS_BASE);
	add(regs->valid, MVMI_REG_GS_BASE);
}

static void read_vectors(const struct vcpu_side *side, struct agent_regs *regs)
{
	if (qemu.at.xmm == NOWHERE || qemu.at.xmm_stride != 64)
		return;
	for (unsigned i = 0; i < 16; i++) {
		const char *reg = at(side, qemu.at.xmm + (size_t)i * 64);

		memcpy(regs->xmm[i], reg, 16);
		memcpy(regs->ymm_high[i], reg + 16, 16);
	}
	add(regs->valid, MVMI_REG_XMM);
	add(regs->valid, MVMI_REG_YMM);
}

void regs_read(const struct vcpu_side *side, uint32_t groups,
	       struct agent_regs *regs)
{
	if (!qemu.usable || !side->cpu)
		return;
	if (groups & MVMI_REGS_GENERAL)
		read_general(side, regs);
	if (groups & (MVMI_REGS_SEGMENT | MVMI_REGS_MSR))
		read_segments(side, regs);
	if (groups & MVMI_REGS_FPU)
		read_vectors(side, regs);
	for (unsigned i = 0; i < 8; i++) {
		unsigned reg = MVMI_REG_DR0 + (i < 4 ? i : i - 2);

		if (!(groups & MVMI_REGS_DEBUG) || i == 4 || i == 5 ||
		    qemu.at.dr == NOWHERE)
			continue;
		regs->dr[i] = regs_u64(side, qemu.at.dr + (size_t)i * 8);
		add(regs->valid, reg);
	}
	for (size_t i = 0; i < SCALARS; i++) {
		size_t offset = place_of(&scalars[i]);

		if (!(groups & scalars[i].group) || offset == NOWHERE)
			continue;
		memcpy((char *)regs + scalars[i].here, at(side, offset),
		       scalars[i].bytes);
		add(regs->valid, scalars[i].reg);
	}
}

bool regs_msr(const struct vcpu_side *side, uint32_t index, uint64_t *ret)
{
	static const struct {
		uint32_t index;
		uint8_t bytes;
		size_t there;
	} msrs[] = {
#define MSR(index, bytes, member) \
	{ index, bytes, offsetof(struct layout, member) }
		MSR(0x174, 4, sysenter_cs),  MSR(0x175, 8, sysenter_esp),
		MSR(0x176, 8, sysenter_eip), MSR(0x277, 8, pat),
		MSR(0xc0000080, 8, efer),    MSR(0xc0000081, 8, star),
		MSR(0xc0000082, 8, lstar),   MSR(0xc0000083, 8, cstar),
		MSR(0xc0000084, 8, fmask),   MSR(0xc0000102, 8, kernel_gs_base),
		MSR(0xc0000103, 8, tsc_aux),
#undef MSR
	};

	if (index == 0xc0000100 || index == 0xc0000101) {
		unsigned segment =
			index == 0xc0000100 ? MVMI_SEG_FS : MVMI_SEG_GS;

		*ret = regs_u64(side, qemu.at.segs +
					      segment * sizeof(struct segment) +
					      offsetof(struct segment, base));
		return true;
	}
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		size_t offset;

		memcpy(&offset, (const char *)&qemu.at + msrs[i].there,
		       sizeof(offset));
		if (msrs[i].index != index || offset == NOWHERE)
			continue;
		*ret = 0;
		memcpy(ret, at(side, offset), msrs[i].bytes);
		return true;
	}
	return false;
}

/* ---- writing ------------------------------------------------------------ */

/*
 * "All flags are in cc_src" is a number that moved between versions: it is the
 * one for which QEMU's own function gives cc_src back.
 */
static uint32_t op_of_plain_flags(void)
{
	static uint32_t found = UINT32_MAX;
	uint64_t env[256] = { 0 };
	size_t base = (qemu.at.cc_op - qemu.at.env) / 8;

	if (found != UINT32_MAX || base + 1 > sizeof(env) / sizeof(env[0]))
		return found;
	env[base - 2] = FLAGS_CC; /* cc_src */
	for (uint32_t op = 0; op < 2; op++) {
		memcpy(&env[base], &op, sizeof(op));
		if ((qemu.cpu_cc_compute_all(env, (int)op) & FLAGS_CC) ==
		    FLAGS_CC)
			found = op;
	}
	return found;
}

static void write_rflags(struct vcpu_side *side, uint64_t flags)
{
	uint32_t op = op_of_plain_flags();

	if (!side->in_exec) {
		set_u64(side, qemu.at.eflags, flags | 2);
		return;
	}
	if (op == UINT32_MAX)
		return;
	set_u64(side, qemu.at.cc_op - 16, flags & FLAGS_CC);
	set_u32(side, qemu.at.cc_op, op);
	set_u32(side, qemu.at.df, flags & FLAGS_DF ? UINT32_MAX : 1);
	set_u64(side, qemu.at.eflags, (flags & ~(FLAGS_CC | FLAGS_DF)) | 2);
}

static void write_base(struct vcpu_side *side, unsigned index, uint64_t base)
{
	set_u64(side,
		qemu.at.segs + index * sizeof(struct segment) +
			offsetof(struct segment, base),
		base);
}

static void write_table(struct vcpu_side *side, size_t offset, uint64_t base,
			uint32_t limit)
{
	set_u64(side, offset + offsetof(struct segment, base), base);
	set_u32(side, offset + offsetof(struct segment, limit), limit);
}

static void write_control(struct vcpu_side *side, const struct agent_regs *regs)
{
	void *env = regs_env(side);

	if (has(regs->dirty, MVMI_REG_EFER) && qemu.cpu_load_efer)
		qemu.cpu_load_efer(env, regs->efer);
	if (has(regs->dirty, MVMI_REG_CR0) && qemu.cpu_x86_update_cr0)
		qemu.cpu_x86_update_cr0(env, (uint32_t)regs->cr0);
	if (has(regs->dirty, MVMI_REG_CR4) && qemu.cpu_x86_update_cr4)
		qemu.cpu_x86_update_cr4(env, (uint32_t)regs->cr4);
	if (has(regs->dirty, MVMI_REG_CR3) && qemu.cpu_x86_update_cr3)
		qemu.cpu_x86_update_cr3(env, regs->cr3);
}

static void write_vectors(struct vcpu_side *side, const struct agent_regs *regs)
{
	if (qemu.at.xmm == NOWHERE || qemu.at.xmm_stride != 64)
		return;
	for (unsigned i = 0; i < 16; i++) {
		char *reg = at(side, qemu.at.xmm + (size_t)i * 64);

		if (has(regs->dirty, MVMI_REG_XMM))
			memcpy(reg, regs->xmm[i], 16);
		if (has(regs->dirty, MVMI_REG_YMM))
			memcpy(reg + 16, regs->ymm_high[i], 16);
	}
}

void regs_write(struct vcpu_side *side, const struct agent_regs *regs)
{
	if (!qemu.usable || !side->cpu)
		return;
	for (unsigned i = 0; i < 16; i++) {
		if (has(regs->dirty, MVMI_REG_RAX + i))
			regs_set_gpr(side, i, regs->gpr[i]);
	}
	if (has(regs->dirty, MVMI_REG_RIP))
		set_u64(side, qemu.at.eip, regs->rip);
	if (has(regs->dirty, MVMI_REG_RFLAGS))
		write_rflags(side, regs->rflags);
	if (has(regs->dirty, MVMI_REG_FS_BASE))
		write_base(side, MVMI_SEG_FS, regs->seg[MVMI_SEG_FS].base);
	if (has(regs->dirty, MVMI_REG_GS_BASE))
		write_base(side, MVMI_SEG_GS, regs->seg[MVMI_SEG_GS].base);
	if (has(regs->dirty, MVMI_REG_GDTR))
		write_table(side, qemu.at.gdt, regs->gdtr_base,
			    regs->gdtr_limit);
	if (has(regs->dirty, MVMI_REG_IDTR))
		write_table(side, qemu.at.idt, regs->idtr_base,
			    regs->idtr_limit);
	for (size_t i = 0; i < SCALARS; i++) {
		size_t offset = place_of(&scalars[i]);

		if (scalars[i].writable && offset != NOWHERE &&
		    has(regs->dirty, scalars[i].reg))
			memcpy(at(side, offset),
			       (const char *)regs + scalars[i].here,
			       scalars[i].bytes);
	}
	write_control(side, regs);
	write_vectors(side, regs);
}
