/* SPDX-License-Identifier: MIT */
/*
 * Walking the notes of an ELF core, and merging what the kinds of them say of
 * one vCPU: the better kind wins, register by register.
 */
#include "drivers/dump/notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/util.h"

/** One note; views into a copy. */
struct note {
	uint32_t type;
	struct mvmi_bytes name; /**< without its NUL */
	struct mvmi_bytes desc;
};

struct note_kind {
	const char *name;
	uint32_t type;
	bool of_vcpu; /**< one for each vCPU */
	enum mvmi_status (*decode)(struct mvmi_bytes desc,
				   struct note_context *ctx,
				   struct mvmi_error *err);
};

enum mvmi_status notes_add(struct notes *notes, size_t len,
			   struct mvmi_span *ret, struct mvmi_error *err)
{
	struct mvmi_span *piece;

	if (notes->count == NOTES_PIECES_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "more than %d segments of notes", NOTES_PIECES_MAX);
	if (!notes->pieces)
		notes->pieces = calloc(NOTES_PIECES_MAX, sizeof(*piece));
	if (!notes->pieces)
		return fail(err, MVMI_ERR_NOMEM, "no memory for notes");
	piece = &notes->pieces[notes->count];
	piece->ptr = malloc(len ? len : 1);
	if (!piece->ptr)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for %zu bytes of notes", len);
	piece->len = len;
	notes->count++;
	*ret = *piece;
	return MVMI_OK;
}

void notes_fini(struct notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		free(notes->pieces[i].ptr);
	free(notes->pieces);
	*notes = (struct notes){ 0 };
}

/**
 * NT_PRSTATUS, as Linux lays out struct elf_prstatus. The selectors in it come
 * without their hidden parts, and fs_base and gs_base are the user's, so
 * general registers are all that it is good for.
 */
static enum mvmi_status
decode_prstatus(struct mvmi_bytes desc, struct note_context *ctx,
		struct mvmi_error *err)
{
	static const uint8_t order64[] = {
		MVMI_REG_R15, MVMI_REG_R14,   MVMI_REG_R13,    MVMI_REG_R12,
		MVMI_REG_RBP, MVMI_REG_RBX,   MVMI_REG_R11,    MVMI_REG_R10,
		MVMI_REG_R9,  MVMI_REG_R8,    MVMI_REG_RAX,    MVMI_REG_RCX,
		MVMI_REG_RDX, MVMI_REG_RSI,   MVMI_REG_RDI,    MVMI_REG_COUNT,
		MVMI_REG_RIP, MVMI_REG_COUNT, MVMI_REG_RFLAGS, MVMI_REG_RSP,
	};
	static const uint8_t order32[] = {
		MVMI_REG_RBX,	MVMI_REG_RCX,	MVMI_REG_RDX,	 MVMI_REG_RSI,
		MVMI_REG_RDI,	MVMI_REG_RBP,	MVMI_REG_RAX,	 MVMI_REG_COUNT,
		MVMI_REG_COUNT, MVMI_REG_COUNT, MVMI_REG_COUNT,	 MVMI_REG_COUNT,
		MVMI_REG_RIP,	MVMI_REG_COUNT, MVMI_REG_RFLAGS, MVMI_REG_RSP,
	};
	bool wide = ctx->machine == NOTES_MACHINE_X86_64;
	const uint8_t *order = wide ? order64 : order32;
	size_t count = wide ? ARRAY_LEN(order64) : ARRAY_LEN(order32);
	struct cursor c = cursor_of(desc);

	(void)cursor_take(&c, wide ? 112 : 72);
	for (size_t i = 0; i < count; i++) {
		uint64_t value = cursor_le(&c, wide ? 8 : 4);
		uint64_t *at =
			mvmi_regs_scalar(&ctx->regs, (enum mvmi_reg)order[i]);

		if (at) {
			*at = value;
			mvmi_regset_add(&ctx->regs.valid,
					(enum mvmi_reg)order[i]);
		}
	}
	(void)cursor_take(&c, wide ? 64 : 8); /* more of it, of no use here */
	if (!cursor_ok(&c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "only %zu bytes of NT_PRSTATUS", desc.len);
	return MVMI_OK;
}

/**
 * VMCOREINFO: Linux's kdump was here, unless the file has more registers than
 * kdump knows: then it is of a VM, and the note is for debuggers' sake.
 */
static enum mvmi_status
decode_vmcoreinfo(struct mvmi_bytes desc, struct note_context *ctx,
		  struct mvmi_error *err)
{
	const struct dump_image *image = ctx->image;

	(void)desc;
	(void)err;
	if (image->vcpu_count &&
	    mvmi_regset_has(image->vcpus[0].valid, MVMI_REG_CR3))
		return MVMI_OK;
	if (image->hypervisor[0] == '\0')
		(void)snprintf(ctx->image->hypervisor,
			       sizeof(ctx->image->hypervisor), "Linux vmcore");
	return MVMI_OK;
}

/* The best first; VBCORE before VBCPU, which needs its version. */
static const struct note_kind note_kinds[] = {
	{ "MICROVMI", 1, true, note_decode_own },
	{ "VBCORE", 0xb00, false, note_decode_vbcore },
	{ "VBCPU", 0xb01, true, note_decode_vbcpu },
	{ "QEMU", 0, true, note_decode_qemu },
	{ "CORE", 1, true, decode_prstatus },
	{ "VMCOREINFO", 0, false, decode_vmcoreinfo },
};

static void skip_padding(struct cursor *c, size_t len)
{
	/* The last note of a segment may lack it. */
	(void)cursor_take(c, MIN((4 - len % 4) % 4, c->rest.len));
}

/** Take one note: three words, the name, the descriptor, each padded to 4. */
static struct note take_note(struct cursor *c)
{
	uint32_t namesz = cursor_u32le(c);
	uint32_t descsz = cursor_u32le(c);
	struct note note = { .type = cursor_u32le(c) };

	note.name = cursor_take(c, namesz);
	skip_padding(c, namesz);
	note.desc = cursor_take(c, descsz);
	skip_padding(c, descsz);
	/* VirtualBox doesn't count the NUL, all others do. */
	if (note.name.len && note.name.ptr[note.name.len - 1] == '\0')
		note.name.len--;
	return note;
}

static bool is_kind(const struct note *note, const struct note_kind *kind)
{
	size_t len = strlen(kind->name);

	return note->type == kind->type && note->name.len == len &&
	       memcmp(note->name.ptr, kind->name, len) == 0;
}

/** Make image->vcpus reach beyond vcpu. */
static enum mvmi_status
grow_vcpus(struct dump_image *image, unsigned vcpu, struct mvmi_error *err)
{
	struct mvmi_regs *grown;

	if (vcpu >= DUMP_VCPUS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "registers of vCPU %u; %d vCPUs are the limit",
			    vcpu, DUMP_VCPUS_MAX);
	if (vcpu < image->vcpu_count)
		return MVMI_OK;
	grown = realloc(image->vcpus, ((size_t)vcpu + 1) * sizeof(*grown));
	if (!grown)
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for registers of %u vCPUs", vcpu + 1);
	image->vcpus = grown;
	while (image->vcpu_count <= vcpu)
		image->vcpus[image->vcpu_count++] = mvmi_regs_empty();
	return MVMI_OK;
}

static void copy_segment(struct mvmi_regs *to, const struct mvmi_regs *from,
			 unsigned index, enum mvmi_reg base)
{
	uint64_t kept = to->x86.seg[index].base;

	to->x86.seg[index] = from->x86.seg[index];
	/* The base may be known from a better note, the rest not. */
	if (base != MVMI_REG_COUNT && mvmi_regset_has(to->valid, base))
		to->x86.seg[index].base = kept;
}

/** Copy the value of one register. */
static void
copy_reg(struct mvmi_regs *to, struct mvmi_regs *from, enum mvmi_reg reg)
{
	uint64_t *scalar = mvmi_regs_scalar(to, reg);

	if (scalar)
		*scalar = *mvmi_regs_scalar(from, reg);
	else if (reg == MVMI_REG_FS)
		copy_segment(to, from, MVMI_SEG_FS, MVMI_REG_FS_BASE);
	else if (reg == MVMI_REG_GS)
		copy_segment(to, from, MVMI_SEG_GS, MVMI_REG_GS_BASE);
	else if (reg >= MVMI_REG_ES && reg <= MVMI_REG_TR)
		copy_segment(to, from, (unsigned)reg - MVMI_REG_ES,
			     MVMI_REG_COUNT);
	else if (reg == MVMI_REG_GDTR)
		to->x86.gdtr = from->x86.gdtr;
	else if (reg == MVMI_REG_IDTR)
		to->x86.idtr = from->x86.idtr;
	else if (reg == MVMI_REG_X87)
		to->x86.x87 = from->x86.x87;
	else if (reg == MVMI_REG_MXCSR)
		to->x86.mxcsr = from->x86.mxcsr;
	else if (reg == MVMI_REG_XMM)
		memcpy(to->x86.xmm, from->x86.xmm, sizeof(to->x86.xmm));
	else if (reg == MVMI_REG_YMM)
		memcpy(to->x86.ymm_high, from->x86.ymm_high,
		       sizeof(to->x86.ymm_high));
}

/** Take in what a better note didn't say. */
static enum mvmi_status
merge_regs(struct note_context *ctx, struct mvmi_error *err)
{
	mvmi_regset missing;
	struct mvmi_regs *to;
	enum mvmi_status status = grow_vcpus(ctx->image, ctx->vcpu, err);

	if (status != MVMI_OK)
		return status;
	to = &ctx->image->vcpus[ctx->vcpu];
	missing = mvmi_regset_minus(ctx->regs.valid, to->valid);
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;

		if (!mvmi_regset_has(missing, reg))
			continue;
		copy_reg(to, &ctx->regs, reg);
		mvmi_regset_add(&to->valid, reg);
	}
	return MVMI_OK;
}

/** Let one kind's decoder see one note, and keep what it found. */
static enum mvmi_status
apply_note(const struct note_kind *kind, struct mvmi_bytes desc,
	   struct note_context *ctx, struct mvmi_error *err)
{
	struct mvmi_error why;
	enum mvmi_status status;

	ctx->regs = mvmi_regs_empty();
	status = kind->decode(desc, ctx, &why);
	if (status == MVMI_ERR_UNSUPPORTED) {
		(void)snprintf(ctx->image->note, sizeof(ctx->image->note),
			       "%.255s", why.msg);
		return MVMI_OK;
	}
	if (status != MVMI_OK) {
		if (err)
			*err = why;
		return fail_context(err, status, "note %s", kind->name);
	}
	return kind->of_vcpu ? merge_regs(ctx, err) : MVMI_OK;
}

static enum mvmi_status
apply_kind(const struct notes *notes, const struct note_kind *kind,
	   struct note_context *ctx, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	unsigned nth = 0;

	for (size_t i = 0; i < notes->count; i++) {
		struct cursor c = cursor_of((struct mvmi_bytes){
			notes->pieces[i].ptr, notes->pieces[i].len });

		while (status == MVMI_OK && c.rest.len) {
			size_t at = notes->pieces[i].len - c.rest.len;
			struct note note = take_note(&c);

			if (!cursor_ok(&c))
				return fail(err, MVMI_ERR_CORRUPT,
					    "the note at offset 0x%zx of its "
					    "segment ends beyond it",
					    at);
			if (!is_kind(&note, kind))
				continue;
			ctx->vcpu = nth++;
			status = apply_note(kind, note.desc, ctx, err);
		}
	}
	return status;
}

enum mvmi_status notes_apply(const struct notes *notes, uint16_t machine,
			     struct dump_image *image, struct mvmi_error *err)
{
	struct note_context ctx = { .image = image, .machine = machine };
	enum mvmi_status status = MVMI_OK;

	for (size_t i = 0; status == MVMI_OK && i < ARRAY_LEN(note_kinds); i++)
		status = apply_kind(notes, &note_kinds[i], &ctx, err);
	return status;
}
