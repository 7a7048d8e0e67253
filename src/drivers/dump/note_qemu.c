/* SPDX-License-Identifier: MIT */
/*
 * QEMU's note: one for each vCPU, name "QEMU", type 0. It has general and
 * control registers and segments, but neither EFER nor any other MSR save
 * KERNEL_GS_BASE.
 */
#include "drivers/dump/notes.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/util.h"

#define QEMU_NOTE_VERSION 1

static void
take_scalar(struct cursor *c, struct mvmi_regs *regs, enum mvmi_reg reg)
{
	*mvmi_regs_scalar(regs, reg) = cursor_u64le(c);
	mvmi_regset_add(&regs->valid, reg);
}

/** Bits 8-23 of a descriptor's upper half, as SDM 3C 25.4.1 has them. */
static uint32_t attributes_of_flags(uint32_t flags, uint16_t selector)
{
	uint32_t attributes = flags >> 8 & 0xf0ff;

	if (!(attributes & MVMI_SEGMENT_PRESENT) && selector == 0)
		attributes |= MVMI_SEGMENT_UNUSABLE;
	return attributes;
}

static struct mvmi_segment take_segment(struct cursor *c)
{
	struct mvmi_segment segment = { 0 };
	uint32_t flags;

	segment.selector = (uint16_t)cursor_u32le(c);
	segment.limit = cursor_u32le(c);
	flags = cursor_u32le(c);
	(void)cursor_u32le(c);
	segment.base = cursor_u64le(c);
	segment.attributes = attributes_of_flags(flags, segment.selector);
	return segment;
}

static struct mvmi_table take_table(struct cursor *c)
{
	struct mvmi_segment segment = take_segment(c);

	return (struct mvmi_table){
		.base = segment.base,
		.limit = segment.limit,
	};
}

static void take_segments(struct cursor *c, struct mvmi_regs *regs)
{
	static const uint8_t order[] = {
		MVMI_SEG_CS, MVMI_SEG_DS, MVMI_SEG_ES,	 MVMI_SEG_FS,
		MVMI_SEG_GS, MVMI_SEG_SS, MVMI_SEG_LDTR, MVMI_SEG_TR,
	};

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		regs->x86.seg[order[i]] = take_segment(c);
	regs->x86.gdtr = take_table(c);
	regs->x86.idtr = take_table(c);
	for (unsigned reg = MVMI_REG_ES; reg <= MVMI_REG_IDTR; reg++)
		mvmi_regset_add(&regs->valid, (enum mvmi_reg)reg);
	mvmi_regset_add(&regs->valid, MVMI_REG_FS_BASE);
	mvmi_regset_add(&regs->valid, MVMI_REG_GS_BASE);
}

enum mvmi_status
note_decode_qemu(struct mvmi_bytes desc, struct note_context *ctx,
		 struct mvmi_error *err)
{
	static const uint8_t order[] = {
		MVMI_REG_RAX, MVMI_REG_RBX,    MVMI_REG_RCX, MVMI_REG_RDX,
		MVMI_REG_RSI, MVMI_REG_RDI,    MVMI_REG_RSP, MVMI_REG_RBP,
		MVMI_REG_R8,  MVMI_REG_R9,     MVMI_REG_R10, MVMI_REG_R11,
		MVMI_REG_R12, MVMI_REG_R13,    MVMI_REG_R14, MVMI_REG_R15,
		MVMI_REG_RIP, MVMI_REG_RFLAGS,
	};
	struct cursor c = cursor_of(desc);
	uint32_t version = cursor_u32le(&c);
	uint32_t size = cursor_u32le(&c);
	struct mvmi_regs *regs = &ctx->regs;

	if (cursor_ok(&c) && version != QEMU_NOTE_VERSION)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "registers in QEMU's notes are of version %" PRIu32
			    ", which is not known here",
			    version);
	if (size > desc.len)
		return fail(err, MVMI_ERR_CORRUPT,
			    "it says %" PRIu32 " bytes and has %zu", size,
			    desc.len);
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		take_scalar(&c, regs, (enum mvmi_reg)order[i]);
	take_segments(&c, regs);
	take_scalar(&c, regs, MVMI_REG_CR0);
	(void)cursor_u64le(&c); /* there is no CR1 */
	take_scalar(&c, regs, MVMI_REG_CR2);
	take_scalar(&c, regs, MVMI_REG_CR3);
	take_scalar(&c, regs, MVMI_REG_CR4);
	if (!cursor_ok(&c) || size < desc.len - c.rest.len)
		return fail(err, MVMI_ERR_CORRUPT,
			    "only %zu bytes of a vCPU's registers", desc.len);
	/* Old QEMUs didn't write it. */
	if (size >= desc.len - c.rest.len + 8)
		take_scalar(&c, regs, MVMI_REG_KERNEL_GS_BASE);
	if (!ctx->is_own)
		(void)snprintf(ctx->image->hypervisor,
			       sizeof(ctx->image->hypervisor), "QEMU");
	return MVMI_OK;
}
