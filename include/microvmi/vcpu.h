/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The registers of a virtual CPU.
 *
 * A register file travels as values, a valid set (which of them are known) and
 * a dirty set (which of them are to be written). A driver that can't tell a
 * register leaves it out of the valid set; it never invents a value.
 */
#ifndef MICROVMI_VCPU_H
#define MICROVMI_VCPU_H

#include <microvmi/types.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_vm;

/** Registers that are asked for together, because they cost together. */
enum mvmi_reg_group {
	MVMI_REGS_GENERAL = 1 << 0, /**< general purpose, rip, rflags */
	MVMI_REGS_SEGMENT = 1 << 1, /**< segments and descriptor tables */
	MVMI_REGS_CONTROL = 1 << 2, /**< CR0/2/3/4/8, XCR0 and EFER */
	MVMI_REGS_DEBUG = 1 << 3,   /**< DR0-3, DR6, DR7 */
	MVMI_REGS_MSR = 1 << 4,	    /**< the model-specific registers below */
	MVMI_REGS_FPU = 1 << 5,	    /**< x87, SSE, AVX */
	MVMI_REGS_ALL = (1 << 6) - 1,
};

/**
 * One x86-64 register. The order is that of mvmi_reg_name(); the first sixteen
 * are in the encoding order of SDM 2A 2.2.1. New ones are only appended.
 */
enum mvmi_reg {
	MVMI_REG_RAX,
	MVMI_REG_RCX,
	MVMI_REG_RDX,
	MVMI_REG_RBX,
	MVMI_REG_RSP,
	MVMI_REG_RBP,
	MVMI_REG_RSI,
	MVMI_REG_RDI,
	MVMI_REG_R8,
	MVMI_REG_R9,
	MVMI_REG_R10,
	MVMI_REG_R11,
	MVMI_REG_R12,
	MVMI_REG_R13,
	MVMI_REG_R14,
	MVMI_REG_R15,
	MVMI_REG_RIP,
	MVMI_REG_RFLAGS,
	MVMI_REG_ES, /**< a whole segment: selector, base, limit, attributes */
	MVMI_REG_CS,
	MVMI_REG_SS,
	MVMI_REG_DS,
	MVMI_REG_FS,
	MVMI_REG_GS,
	MVMI_REG_LDTR,
	MVMI_REG_TR,
	MVMI_REG_GDTR,
	MVMI_REG_IDTR,
	MVMI_REG_CR0,
	MVMI_REG_CR2,
	MVMI_REG_CR3,
	MVMI_REG_CR4,
	MVMI_REG_CR8,
	MVMI_REG_XCR0,
	MVMI_REG_DR0,
	MVMI_REG_DR1,
	MVMI_REG_DR2,
	MVMI_REG_DR3,
	MVMI_REG_DR6,
	MVMI_REG_DR7,
	MVMI_REG_EFER,
	MVMI_REG_STAR,
	MVMI_REG_LSTAR,
	MVMI_REG_CSTAR,
	MVMI_REG_SFMASK,
	MVMI_REG_FS_BASE, /**< same state as the base of FS; seg[].base */
	MVMI_REG_GS_BASE, /**< same state as the base of GS; seg[].base */
	MVMI_REG_KERNEL_GS_BASE,
	MVMI_REG_SYSENTER_CS,
	MVMI_REG_SYSENTER_ESP,
	MVMI_REG_SYSENTER_EIP,
	MVMI_REG_APIC_BASE,
	MVMI_REG_PAT,
	MVMI_REG_TSC_AUX,
	MVMI_REG_X87, /**< the x87 stack, its control, status and pointers */
	MVMI_REG_MXCSR,
	MVMI_REG_XMM,	/**< bits 0-127 of all sixteen vector registers */
	MVMI_REG_YMM,	/**< bits 128-255 of all sixteen vector registers */
	MVMI_REG_COUNT, /**< grows: never store it */
};

/** A set of enum mvmi_reg. Frozen layout. */
typedef struct mvmi_regset {
	uint64_t bits[2];
} mvmi_regset;

static inline bool mvmi_regset_has(mvmi_regset set, enum mvmi_reg reg)
{
	return (set.bits[(unsigned)reg / 64] >> ((unsigned)reg % 64) & 1) != 0;
}

static inline void mvmi_regset_add(mvmi_regset *set, enum mvmi_reg reg)
{
	set->bits[(unsigned)reg / 64] |= UINT64_C(1) << ((unsigned)reg % 64);
}

static inline void mvmi_regset_remove(mvmi_regset *set, enum mvmi_reg reg)
{
	set->bits[(unsigned)reg / 64] &= ~(UINT64_C(1) << ((unsigned)reg % 64));
}

static inline bool mvmi_regset_is_empty(mvmi_regset set)
{
	return (set.bits[0] | set.bits[1]) == 0;
}

/** Every member of a that is not in b. */
static inline mvmi_regset mvmi_regset_minus(mvmi_regset a, mvmi_regset b)
{
	a.bits[0] &= ~b.bits[0];
	a.bits[1] &= ~b.bits[1];
	return a;
}

/**
 * A segment register with its hidden part.
 *
 * attributes are the access rights of SDM 3C 25.4.1: type in bits 0-3, S in 4,
 * DPL in 5-6, P in 7, AVL in 12, L in 13, D/B in 14, G in 15 and "unusable" in
 * 16.
 */
struct mvmi_segment {
	uint64_t base;
	uint32_t limit; /**< last valid offset in bytes, granularity applied */
	uint32_t attributes;
	uint16_t selector;
	uint16_t reserved[3];
};

#define MVMI_SEGMENT_DPL(attributes) ((attributes) >> 5 & 3)
#define MVMI_SEGMENT_PRESENT	     (UINT32_C(1) << 7)
#define MVMI_SEGMENT_LONG	     (UINT32_C(1) << 13)
#define MVMI_SEGMENT_UNUSABLE	     (UINT32_C(1) << 16)

/** GDTR or IDTR. */
struct mvmi_table {
	uint64_t base;
	uint32_t limit; /**< last valid offset in bytes */
	uint32_t reserved;
};

/** Positions in mvmi_regs_x86.seg; the encoding order of SDM 2A, then two. */
enum mvmi_segment_index {
	MVMI_SEG_ES,
	MVMI_SEG_CS,
	MVMI_SEG_SS,
	MVMI_SEG_DS,
	MVMI_SEG_FS,
	MVMI_SEG_GS,
	MVMI_SEG_LDTR,
	MVMI_SEG_TR,
	MVMI_SEG_COUNT,
};

/** x87 state as FXSAVE64 lays it out (SDM 1 10.5.1), spelt out. */
struct mvmi_x87 {
	uint8_t st[8][16]; /**< ST0 first; ten bytes each, rest zero */
	uint16_t fcw;
	uint16_t fsw;
	uint16_t
		ftw; /**< abridged: bit N is 1 if physical register N is used */
	uint16_t fop;
	uint64_t fip;
	uint64_t fdp;
};

/** The x86-64 register file. Members are as the vCPU holds them. */
struct mvmi_regs_x86 {
	uint64_t gpr[16]; /**< indexed by MVMI_REG_RAX .. MVMI_REG_R15 */
	uint64_t rip;
	uint64_t rflags;
	struct mvmi_segment seg[MVMI_SEG_COUNT];
	struct mvmi_table gdtr;
	struct mvmi_table idtr;
	uint64_t cr0;
	uint64_t cr2;
	uint64_t cr3; /**< raw: PCID and LAM bits are still in it */
	uint64_t cr4;
	uint64_t cr8;
	uint64_t xcr0;
	uint64_t dr[8]; /**< 4 and 5 are unused */
	uint64_t efer;
	uint64_t star;
	uint64_t lstar;
	uint64_t cstar;
	uint64_t sfmask;
	uint64_t kernel_gs_base;
	uint64_t sysenter_cs;
	uint64_t sysenter_esp;
	uint64_t sysenter_eip;
	uint64_t apic_base;
	uint64_t pat;
	uint64_t tsc_aux;
	struct mvmi_x87 x87;
	uint32_t mxcsr;
	uint32_t reserved;
	uint8_t xmm[16][16]; /**< little-endian */
	uint8_t ymm_high[16][16];
};

/** A register file on its way to or from a vCPU. */
struct mvmi_regs {
	size_t size;	   /**< sizeof(struct mvmi_regs), set by the caller */
	mvmi_regset valid; /**< which values are known */
	mvmi_regset dirty; /**< which values are to be written */
	struct mvmi_regs_x86 x86;
};

/** An empty register file of this header's size. */
static inline struct mvmi_regs mvmi_regs_empty(void)
{
	struct mvmi_regs regs;

	memset(&regs, 0, sizeof(regs));
	regs.size = sizeof(regs);
	return regs;
}

/** Lower-case name, e.g. "rip", "kernel_gs_base"; NULL if there is no such. */
MVMI_API const char *mvmi_reg_name(enum mvmi_reg reg);

/** Find a register by its name. @retval false There is no such name. */
MVMI_API bool mvmi_reg_find(const char *name, enum mvmi_reg *ret);

/** All registers of the given enum mvmi_reg_group bits. */
MVMI_API mvmi_regset mvmi_regset_of_groups(unsigned groups);

/**
 * Where a scalar register of at most eight bytes lies.
 *
 * @return A pointer into regs; NULL for a segment, a descriptor table and the
 *         vector and x87 registers, which have members of their own.
 */
MVMI_API uint64_t *mvmi_regs_scalar(struct mvmi_regs *regs, enum mvmi_reg reg);

/** Number of vCPUs now; 0 for a VM without registers. */
MVMI_API unsigned mvmi_vcpu_count(struct mvmi_vm *vm);

/**
 * Read registers of one vCPU.
 *
 * A running vCPU is held for the length of the call. Inside an event callback
 * only a held vCPU can be read.
 *
 * @param vcpu    Index, below mvmi_vcpu_count().
 * @param groups  enum mvmi_reg_group bits.
 * @param ret     Its size set; values and valid are filled, dirty is emptied.
 *                A driver may give more than was asked for. Unchanged on
 *                failure.
 *
 * @retval MVMI_ERR_INVALID      No such vCPU.
 * @retval MVMI_ERR_UNSUPPORTED  The VM has no registers (a bare memory dump),
 *                               or the VMM speaks a version unknown to us.
 * @retval MVMI_ERR_BUSY         In a callback, and this vCPU is not held.
 * @retval MVMI_ERR_GONE         The VM ended.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vcpu_get_regs(struct mvmi_vm *vm, unsigned vcpu, unsigned groups,
		   struct mvmi_regs *ret, struct mvmi_error *err);

/**
 * Write the registers in regs->dirty to one vCPU; the others stay.
 *
 * @retval MVMI_ERR_UNSUPPORTED  A dirty register is not in
 *                               mvmi_vm_info.writable_regs; none was written.
 * @retval MVMI_ERR_BUSY         In a callback, and this vCPU is not held.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vcpu_set_regs(struct mvmi_vm *vm, unsigned vcpu,
		   const struct mvmi_regs *regs, struct mvmi_error *err);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_VCPU_H */
