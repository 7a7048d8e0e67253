/* SPDX-License-Identifier: MIT */
/*
 * Our own note: a struct mvmi_regs written out, registers in the order of enum
 * mvmi_reg, each with a fixed width (docs/formats.md).
 */
#include "drivers/dump/notes.h"

#include <inttypes.h>

#include "base/cursor.h"
#include "base/error.h"

#define OWN_NOTE_VERSION 1

static struct mvmi_segment take_segment(struct cursor *c)
{
	struct mvmi_segment segment = { .base = cursor_u64le(c) };

	segment.limit = cursor_u32le(c);
	segment.attributes = cursor_u32le(c);
	segment.selector = cursor_u16le(c);
	(void)cursor_take(c, 6);
	return segment;
}

static struct mvmi_table take_table(struct cursor *c)
{
	struct mvmi_table table = { .base = cursor_u64le(c) };

	table.limit = cursor_u32le(c);
	(void)cursor_u32le(c);
	return table;
}

static struct mvmi_x87 take_x87(struct cursor *c)
{
	struct mvmi_x87 x87 = { 0 };

	cursor_copy(c, (struct mvmi_span){ x87.st[0], sizeof(x87.st) });
	x87.fcw = cursor_u16le(c);
	x87.fsw = cursor_u16le(c);
	x87.ftw = cursor_u16le(c);
	x87.fop = cursor_u16le(c);
	x87.fip = cursor_u64le(c);
	x87.fdp = cursor_u64le(c);
	return x87;
}

/** Take one register's bytes, whether it is valid or not. */
static void
take_reg(struct cursor *c, struct mvmi_regs_x86 *x86, enum mvmi_reg reg)
{
	if (reg >= MVMI_REG_ES && reg <= MVMI_REG_TR)
		x86->seg[reg - MVMI_REG_ES] = take_segment(c);
	else if (reg == MVMI_REG_GDTR)
		x86->gdtr = take_table(c);
	else if (reg == MVMI_REG_IDTR)
		x86->idtr = take_table(c);
	else if (reg == MVMI_REG_X87)
		x86->x87 = take_x87(c);
	else if (reg == MVMI_REG_XMM)
		cursor_copy(
			c, (struct mvmi_span){ x86->xmm[0], sizeof(x86->xmm) });
	else if (reg == MVMI_REG_YMM)
		cursor_copy(c, (struct mvmi_span){ x86->ymm_high[0],
						   sizeof(x86->ymm_high) });
}

static void take_known(struct cursor *c, struct mvmi_regs *regs,
		       enum mvmi_reg reg, bool valid)
{
	uint64_t *scalar = mvmi_regs_scalar(regs, reg);

	if (reg == MVMI_REG_MXCSR) {
		regs->x86.mxcsr = cursor_u32le(c);
		(void)cursor_u32le(c);
	} else if (scalar) {
		uint64_t value = cursor_u64le(c);

		/* fs_base and gs_base are where a valid segment may lie. */
		if (valid)
			*scalar = value;
	} else {
		take_reg(c, &regs->x86, reg);
	}
}

/** A base comes with its segment; where both are given the segment's counts. */
static void settle_base(struct mvmi_regs *regs, enum mvmi_reg segment,
			enum mvmi_reg base, uint64_t value)
{
	if (!mvmi_regset_has(regs->valid, segment))
		return;
	*mvmi_regs_scalar(regs, base) = value;
	mvmi_regset_add(&regs->valid, base);
}

enum mvmi_status
note_decode_own(struct mvmi_bytes desc, struct note_context *ctx,
		struct mvmi_error *err)
{
	struct cursor c = cursor_of(desc);
	uint32_t version = cursor_u32le(&c);
	uint32_t vcpu = cursor_u32le(&c);
	mvmi_regset valid = { { cursor_u64le(&c), 0 } };
	struct mvmi_regs *regs = &ctx->regs;
	uint64_t fs_base = 0;
	uint64_t gs_base = 0;

	ctx->is_own = true;
	valid.bits[1] = cursor_u64le(&c);
	if (!cursor_ok(&c))
		return fail(err, MVMI_ERR_CORRUPT, "only %zu bytes", desc.len);
	if (version != OWN_NOTE_VERSION)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "registers in notes of version %" PRIu32
			    ", which is not known here",
			    version);
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		bool is_valid = mvmi_regset_has(valid, reg);

		take_known(&c, regs, reg, is_valid);
		if (is_valid && !cursor_ok(&c))
			return fail(err, MVMI_ERR_CORRUPT,
				    "it ends at %zu bytes, before %s", desc.len,
				    mvmi_reg_name(reg));
		if (is_valid)
			mvmi_regset_add(&regs->valid, reg);
		if (reg == MVMI_REG_FS)
			fs_base = regs->x86.seg[MVMI_SEG_FS].base;
		if (reg == MVMI_REG_GS)
			gs_base = regs->x86.seg[MVMI_SEG_GS].base;
	}
	settle_base(regs, MVMI_REG_FS, MVMI_REG_FS_BASE, fs_base);
	settle_base(regs, MVMI_REG_GS, MVMI_REG_GS_BASE, gs_base);
	ctx->vcpu = vcpu;
	return MVMI_OK;
}
