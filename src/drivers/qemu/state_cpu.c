/* SPDX-License-Identifier: MIT */
/*
 * The fields of section "cpu" version 12 and "apic" version 3, in the order of
 * the stream (QEMU target/i386/machine.c, hw/intc/apic_common.c).
 *
 * Section lengths were checked before, so no read here can overrun.
 */
#include "drivers/qemu/state_cpu.h"

#include <assert.h>

#include "base/error.h"

static uint64_t be64(struct cursor *c)
{
	return cursor_be(c, 8);
}

static uint32_t be32(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 4);
}

static uint16_t be16(struct cursor *c)
{
	return (uint16_t)cursor_be(c, 2);
}

static void skip(struct cursor *c, size_t count, size_t width)
{
	(void)cursor_take(c, count * width);
}

static void put_le64(uint8_t *dst, uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		dst[i] = (uint8_t)(value >> 8 * i);
}

static void add_range(mvmi_regset *set, enum mvmi_reg first, enum mvmi_reg last)
{
	for (unsigned reg = first; reg <= last; reg++)
		mvmi_regset_add(set, (enum mvmi_reg)reg);
}

static void take_gpr(struct cursor *c, struct mvmi_regs_x86 *x86)
{
	for (size_t i = 0; i < 16; i++)
		x86->gpr[i] = be64(c);
	x86->rip = be64(c);
	x86->rflags = be64(c);
	skip(c, 1, 4); /* hflags: what TCG derived from the rest */
}

/*
 * QEMU keeps the eight x87 registers as two different things: TCG by physical
 * number, KVM as FXSAVE has them, top of stack first. The tags are by physical
 * number in both (kvm_get_fpu, x86_cpu_xrstor_all_areas; TCG's ST0 is
 * fpregs[fpstt]).
 */
static enum mvmi_status take_x87(struct cursor *c, bool kvm,
				 struct mvmi_x87 *ret, struct mvmi_error *err)
{
	uint16_t format;
	unsigned top;

	ret->fcw = be16(c);
	ret->fsw = be16(c);
	ret->ftw = be16(c) & 0xff;
	format = be16(c);
	if (format != 0)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "QEMU's device state has x87 registers in format "
			    "%u, only 0 is known",
			    (unsigned)format);
	top = kvm ? 0 : ret->fsw >> 11 & 7;
	for (unsigned i = 0; i < 8; i++) {
		uint8_t *st = ret->st[(i - top) & 7];
		uint16_t exponent;

		memset(st, 0, sizeof(ret->st[0]));
		put_le64(st, be64(c));
		exponent = be16(c);
		st[8] = (uint8_t)exponent;
		st[9] = (uint8_t)(exponent >> 8);
	}
	return MVMI_OK;
}

/*
 * flags are the high doubleword of a descriptor, of which bits 8-15 and 20-23
 * are the access rights and the rest is base and limit. QEMU drops KVM's
 * "unusable" and clears P for it instead.
 */
static struct mvmi_segment take_segment(struct cursor *c)
{
	struct mvmi_segment seg = { .selector = (uint16_t)be32(c) };

	seg.base = be64(c);
	seg.limit = be32(c);
	seg.attributes = be32(c) >> 8 & 0xf0ff;
	if (!(seg.attributes & MVMI_SEGMENT_PRESENT))
		seg.attributes |= MVMI_SEGMENT_UNUSABLE;
	return seg;
}

static struct mvmi_table take_table(struct cursor *c)
{
	struct mvmi_segment seg = take_segment(c);

	return (struct mvmi_table){ .base = seg.base, .limit = seg.limit };
}

static void take_segments(struct cursor *c, struct mvmi_regs_x86 *x86)
{
	/* ES CS SS DS FS GS, LDTR, TR: mvmi_segment_index has that order. */
	for (size_t i = 0; i < MVMI_SEG_COUNT; i++)
		x86->seg[i] = take_segment(c);
	x86->gdtr = take_table(c);
	x86->idtr = take_table(c);
}

static void take_control(struct cursor *c, struct mvmi_regs_x86 *x86)
{
	x86->sysenter_cs = be32(c);
	x86->sysenter_esp = be64(c);
	x86->sysenter_eip = be64(c);
	x86->cr0 = be64(c);
	x86->cr2 = be64(c);
	x86->cr3 = be64(c);
	x86->cr4 = be64(c);
	for (size_t i = 0; i < 8; i++)
		x86->dr[i] = be64(c);
	/* KVM copies DR6 and DR7 to the aliases, TCG does not. */
	x86->dr[4] = 0;
	x86->dr[5] = 0;
	skip(c, 1, 4); /* a20_mask */
}

static void take_vectors(struct cursor *c, uint8_t (*vectors)[16])
{
	for (size_t i = 0; i < 16; i++) {
		put_le64(vectors[i], be64(c));
		put_le64(vectors[i] + 8, be64(c));
	}
}

static void take_msrs(struct cursor *c, struct mvmi_regs_x86 *x86)
{
	x86->efer = be64(c);
	x86->star = be64(c);
	x86->lstar = be64(c);
	x86->cstar = be64(c);
	x86->sfmask = be64(c);
	x86->kernel_gs_base = be64(c);
	skip(c, 1, 4); /* smbase */
	x86->pat = be64(c);
	skip(c, 1, 4);	/* hflags2 */
	skip(c, 4, 8);	/* vm_hsave, vm_vmcb, tsc_offset, intercept */
	skip(c, 4, 2);	/* intercept_cr_read, _cr_write, _dr_read, _dr_write */
	skip(c, 1, 4);	/* intercept_exceptions */
	skip(c, 1, 1);	/* v_tpr: that of SVM's nested guest */
	skip(c, 12, 8); /* mtrr_fixed, mtrr_deftype */
	skip(c, 16, 8); /* mtrr_var */
	skip(c, 2, 4);	/* interrupt_injected, mp_state */
	skip(c, 1, 8);	/* tsc: when it was written, not now */
	skip(c, 1, 4);	/* exception_nr */
	skip(c, 2, 1);	/* soft_interrupt, nmi_injected */
	skip(c, 2, 1);	/* nmi_pending, has_error_code */
	skip(c, 1, 4);	/* sipi_vector */
	skip(c, 3, 8);	/* mcg_cap, mcg_status, mcg_ctl */
	skip(c, 40, 8); /* mce_banks */
	x86->tsc_aux = be64(c);
	skip(c, 2, 8); /* system_time_msr, wall_clock_msr */
	x86->xcr0 = be64(c);
	skip(c, 1, 8); /* xstate_bv */
}

static void take_fpop(struct mvmi_bytes fpop, struct mvmi_x87 *ret)
{
	struct cursor c = cursor_of(fpop);

	/* QEMU leaves the subsection out if all three are zero. */
	ret->fop = be16(&c);
	ret->fip = be64(&c);
	ret->fdp = be64(&c);
}

enum mvmi_status state_cpu_decode(const struct section_parts *parts, bool kvm,
				  struct mvmi_regs *ret, struct mvmi_error *err)
{
	struct cursor c = cursor_of(parts->fields);
	struct mvmi_regs_x86 x86 = { 0 };
	enum mvmi_status status;

	take_gpr(&c, &x86);
	status = take_x87(&c, kvm, &x86.x87, err);
	if (status != MVMI_OK)
		return status;
	take_segments(&c, &x86);
	take_control(&c, &x86);
	x86.mxcsr = be32(&c);
	take_vectors(&c, x86.xmm);
	take_msrs(&c, &x86);
	take_vectors(&c, x86.ymm_high);
	take_fpop(parts->fpop, &x86.x87);
	assert(cursor_ok(&c) && c.rest.len == 0);

	ret->x86 = x86;
	add_range(&ret->valid, MVMI_REG_RAX, MVMI_REG_YMM);
	mvmi_regset_remove(&ret->valid, MVMI_REG_CR8);
	mvmi_regset_remove(&ret->valid, MVMI_REG_APIC_BASE);
	return MVMI_OK;
}

void state_apic_decode(const struct section_parts *parts, struct mvmi_regs *ret)
{
	struct cursor c = cursor_of(parts->fields);

	ret->x86.apic_base = be32(&c);
	skip(&c, 2, 1); /* id, arb_id */
	/* CR8 is the priority class of the TPR (SDM 3A 11.8.6). */
	ret->x86.cr8 = cursor_u8(&c) >> 4;
	mvmi_regset_add(&ret->valid, MVMI_REG_CR8);
	mvmi_regset_add(&ret->valid, MVMI_REG_APIC_BASE);
}
