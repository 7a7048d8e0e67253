/* SPDX-License-Identifier: MIT */
/*
 * VirtualBox's notes: VBCORE, one for the file, says who wrote it; VBCPU, one
 * for each vCPU, has its registers. Facts from VirtualBox's description of its
 * core format (manual, "VM core format") and its format versions.
 */
#include "drivers/dump/notes.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/util.h"

#define VBOX_MAGIC 0xc01ac0de
/* 4 and 5 lack TSC_AUX; what came before was laid out otherwise. */
#define VBOX_FORMAT_MIN	    0x00010004
#define VBOX_FORMAT_TSC_AUX 0x00010006

/* The component of XSAVE, SDM 1 13.1. */
#define XSAVE_AVX (1 << 2)

/** Leave out device memory: segments that have an address but no bytes. */
static void drop_device_memory(struct dump_image *image)
{
	size_t kept = 0;

	for (size_t i = 0; i < image->segment_count; i++) {
		if (image->segments[i].file_len)
			image->segments[kept++] = image->segments[i];
	}
	image->segment_count = kept;
}

enum mvmi_status
note_decode_vbcore(struct mvmi_bytes desc, struct note_context *ctx,
		   struct mvmi_error *err)
{
	struct cursor c = cursor_of(desc);
	uint32_t magic = cursor_u32le(&c);
	uint32_t format = cursor_u32le(&c);
	uint32_t version;
	uint32_t revision;

	(void)cursor_u32le(&c); /* its own size */
	version = cursor_u32le(&c);
	revision = cursor_u32le(&c);
	(void)cursor_u32le(&c); /* vCPUs, which the notes say too */
	if (!cursor_ok(&c) || magic != VBOX_MAGIC)
		return fail(err, MVMI_ERR_CORRUPT,
			    "it lacks VirtualBox's magic number");
	ctx->vbox_format = format;
	(void)snprintf(ctx->image->hypervisor, sizeof(ctx->image->hypervisor),
		       "VirtualBox %" PRIu32 ".%" PRIu32 ".%" PRIu32
		       " r%" PRIu32,
		       version >> 24, version >> 16 & 0xff, version & 0xffff,
		       revision);
	drop_device_memory(ctx->image);
	return MVMI_OK;
}

static void
take_scalar(struct cursor *c, struct mvmi_regs *regs, enum mvmi_reg reg)
{
	*mvmi_regs_scalar(regs, reg) = cursor_u64le(c);
	mvmi_regset_add(&regs->valid, reg);
}

static void take_scalars(struct cursor *c, struct mvmi_regs *regs,
			 const uint8_t *order, size_t count)
{
	for (size_t i = 0; i < count; i++)
		take_scalar(c, regs, (enum mvmi_reg)order[i]);
}

/** The attributes are VMX's, as ours are. */
static void
take_segment(struct cursor *c, struct mvmi_regs *regs, enum mvmi_reg reg)
{
	struct mvmi_segment segment = { .base = cursor_u64le(c) };

	segment.limit = cursor_u32le(c);
	segment.attributes = cursor_u32le(c) & 0x1f0ff;
	segment.selector = cursor_u16le(c);
	(void)cursor_take(c, 6);
	regs->x86.seg[reg - MVMI_REG_ES] = segment;
	mvmi_regset_add(&regs->valid, reg);
}

static struct mvmi_table take_table(struct cursor *c)
{
	struct mvmi_table table = { .base = cursor_u64le(c) };

	table.limit = cursor_u32le(c);
	(void)cursor_u32le(c);
	return table;
}

static void take_general(struct cursor *c, struct mvmi_regs *regs)
{
	static const uint8_t order[] = {
		MVMI_REG_RAX, MVMI_REG_RBX,    MVMI_REG_RCX, MVMI_REG_RDX,
		MVMI_REG_RSI, MVMI_REG_RDI,    MVMI_REG_R8,  MVMI_REG_R9,
		MVMI_REG_R10, MVMI_REG_R11,    MVMI_REG_R12, MVMI_REG_R13,
		MVMI_REG_R14, MVMI_REG_R15,    MVMI_REG_RIP, MVMI_REG_RSP,
		MVMI_REG_RBP, MVMI_REG_RFLAGS,
	};
	static const uint8_t segments[] = {
		MVMI_REG_CS, MVMI_REG_DS, MVMI_REG_ES,
		MVMI_REG_FS, MVMI_REG_GS, MVMI_REG_SS,
	};

	take_scalars(c, regs, order, ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(segments); i++)
		take_segment(c, regs, (enum mvmi_reg)segments[i]);
	mvmi_regset_add(&regs->valid, MVMI_REG_FS_BASE);
	mvmi_regset_add(&regs->valid, MVMI_REG_GS_BASE);
}

static void take_system(struct cursor *c, struct mvmi_regs *regs)
{
	static const uint8_t control[] = {
		MVMI_REG_CR0, MVMI_REG_CR2, MVMI_REG_CR3, MVMI_REG_CR4,
		MVMI_REG_DR0, MVMI_REG_DR1, MVMI_REG_DR2, MVMI_REG_DR3,
	};
	static const uint8_t msrs[] = {
		MVMI_REG_SYSENTER_CS,  MVMI_REG_SYSENTER_EIP,
		MVMI_REG_SYSENTER_ESP, MVMI_REG_EFER,
		MVMI_REG_STAR,	       MVMI_REG_PAT,
		MVMI_REG_LSTAR,	       MVMI_REG_CSTAR,
		MVMI_REG_SFMASK,       MVMI_REG_KERNEL_GS_BASE,
		MVMI_REG_APIC_BASE,
	};

	take_scalars(c, regs, control, ARRAY_LEN(control));
	(void)cursor_take(c, 16); /* DR4 and DR5 */
	take_scalar(c, regs, MVMI_REG_DR6);
	take_scalar(c, regs, MVMI_REG_DR7);
	regs->x86.gdtr = take_table(c);
	regs->x86.idtr = take_table(c);
	mvmi_regset_add(&regs->valid, MVMI_REG_GDTR);
	mvmi_regset_add(&regs->valid, MVMI_REG_IDTR);
	take_segment(c, regs, MVMI_REG_LDTR);
	take_segment(c, regs, MVMI_REG_TR);
	take_scalars(c, regs, msrs, ARRAY_LEN(msrs));
}

/** An XSAVE area in the standard format, SDM 1 13.4. */
static void take_xsave(struct cursor *c, struct mvmi_regs *regs)
{
	struct mvmi_x87 *x87 = &regs->x86.x87;

	x87->fcw = cursor_u16le(c);
	x87->fsw = cursor_u16le(c);
	x87->ftw = cursor_u16le(c) & 0xff;
	x87->fop = cursor_u16le(c);
	x87->fip = cursor_u64le(c);
	x87->fdp = cursor_u64le(c);
	regs->x86.mxcsr = cursor_u32le(c);
	(void)cursor_u32le(c);
	for (size_t i = 0; i < ARRAY_LEN(x87->st); i++) {
		cursor_copy(c, (struct mvmi_span){ x87->st[i], 10 });
		(void)cursor_take(c, 6);
	}
	cursor_copy(c, (struct mvmi_span){ regs->x86.xmm[0],
					   sizeof(regs->x86.xmm) });
	(void)cursor_take(c, 96 + 64); /* reserved, the XSAVE header */
	cursor_copy(c, (struct mvmi_span){ regs->x86.ymm_high[0],
					   sizeof(regs->x86.ymm_high) });
	mvmi_regset_add(&regs->valid, MVMI_REG_X87);
	mvmi_regset_add(&regs->valid, MVMI_REG_MXCSR);
	mvmi_regset_add(&regs->valid, MVMI_REG_XMM);
	if (regs->x86.xcr0 & XSAVE_AVX)
		mvmi_regset_add(&regs->valid, MVMI_REG_YMM);
}

enum mvmi_status
note_decode_vbcpu(struct mvmi_bytes desc, struct note_context *ctx,
		  struct mvmi_error *err)
{
	struct cursor c = cursor_of(desc);
	struct mvmi_regs *regs = &ctx->regs;
	bool with_tsc_aux = ctx->vbox_format >= VBOX_FORMAT_TSC_AUX;

	if (ctx->vbox_format < VBOX_FORMAT_MIN ||
	    ctx->vbox_format > VBOX_FORMAT_TSC_AUX)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "registers in VirtualBox's notes are of version "
			    "0x%" PRIx32 ", which is not known here",
			    ctx->vbox_format);
	take_general(&c, regs);
	take_system(&c, regs);
	if (with_tsc_aux)
		take_scalar(&c, regs, MVMI_REG_TSC_AUX);
	take_scalar(&c, regs, MVMI_REG_XCR0);
	(void)cursor_u64le(&c); /* XCR1 */
	if (with_tsc_aux) {
		/* Bytes of XSAVE area, padding to 16; none: it is zeros. */
		uint32_t len = cursor_u32le(&c);

		(void)cursor_take(&c, 12);
		if (len)
			take_xsave(&c, regs);
	}
	if (!cursor_ok(&c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "only %zu bytes of a vCPU's registers", desc.len);
	return MVMI_OK;
}
