/* SPDX-License-Identifier: MIT */
/*
 * Notes for four kinds of readers: CORE for gdb, QEMU for crash, MICROVMI with
 * every register we know (docs/formats.md), and for drgn and crash VMCOREINFO,
 * which tells where the guest's kernel is.
 */
#include "elfcore.h"

#include <assert.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"

/* Values are stored as the host holds them, and the file is little-endian. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stores are native");

/* struct elf_prstatus of x86-64 Linux: 27 registers between pid and fpvalid. */
#define PRSTATUS_LEN	336
#define PRSTATUS_PID_AT 32
#define PRSTATUS_REG_AT 112

/* QEMUCPUState, version 1, of target/i386/arch_dump.c. */
#define QEMU_STATE_LEN	       440
#define QEMU_STATE_VERSION     1
#define QEMU_NOTE_TYPE	       0

#define MICROVMI_STATE_LEN     1272
#define MICROVMI_STATE_VERSION 1
#define MICROVMI_NOTE_TYPE     1

#define VMCOREINFO_NAME	       "VMCOREINFO"
#define VMCOREINFO_TYPE	       0

#define NOTE_LEN_MAX	       (sizeof(Elf64_Nhdr) + 12 + MICROVMI_STATE_LEN)
#define NOTES_PER_VCPU	       3

/** Bytes that are appended to; the room was counted beforehand. */
struct writer {
	uint8_t *ptr;
	size_t len;
	size_t size;
};

static void put(struct writer *w, const void *src, size_t len)
{
	assert(len <= w->size - w->len);
	memcpy(w->ptr + w->len, src, len);
	w->len += len;
}

static void put_u32(struct writer *w, uint32_t value)
{
	put(w, &value, sizeof(value));
}

static void put_u64(struct writer *w, uint64_t value)
{
	put(w, &value, sizeof(value));
}

static void put_zeros(struct writer *w, size_t len)
{
	assert(len <= w->size - w->len);
	memset(w->ptr + w->len, 0, len);
	w->len += len;
}

static void put_note_head(struct writer *w, const char *name, uint32_t type,
			  uint32_t desc_len)
{
	Elf64_Nhdr head = {
		.n_namesz = (Elf64_Word)strlen(name) + 1,
		.n_descsz = desc_len,
		.n_type = type,
	};

	put(w, &head, sizeof(head));
	put(w, name, head.n_namesz);
	put_zeros(w, (4 - head.n_namesz % 4) % 4);
}

static uint16_t
selector(const struct mvmi_regs *regs, enum mvmi_segment_index i)
{
	return regs->x86.seg[i].selector;
}

static void
put_prstatus(struct writer *w, const struct mvmi_regs *regs, unsigned vcpu)
{
	/* The order of struct user_regs_struct up to orig_rax. */
	static const uint8_t order[] = {
		MVMI_REG_R15, MVMI_REG_R14, MVMI_REG_R13, MVMI_REG_R12,
		MVMI_REG_RBP, MVMI_REG_RBX, MVMI_REG_R11, MVMI_REG_R10,
		MVMI_REG_R9,  MVMI_REG_R8,  MVMI_REG_RAX, MVMI_REG_RCX,
		MVMI_REG_RDX, MVMI_REG_RSI, MVMI_REG_RDI,
	};
	const struct mvmi_regs_x86 *x86 = &regs->x86;
	size_t begin;

	put_note_head(w, "CORE", NT_PRSTATUS, PRSTATUS_LEN);
	begin = w->len;
	put_zeros(w, PRSTATUS_PID_AT);
	/* A debugger takes pid 0 for none. */
	put_u32(w, vcpu + 1);
	put_zeros(w, PRSTATUS_REG_AT - PRSTATUS_PID_AT - 4);
	for (size_t i = 0; i < sizeof(order); i++)
		put_u64(w, x86->gpr[order[i]]);
	put_u64(w, UINT64_MAX); /* orig_rax: in no system call */
	put_u64(w, x86->rip);
	put_u64(w, selector(regs, MVMI_SEG_CS));
	put_u64(w, x86->rflags);
	put_u64(w, x86->gpr[MVMI_REG_RSP]);
	put_u64(w, selector(regs, MVMI_SEG_SS));
	put_u64(w, x86->seg[MVMI_SEG_FS].base);
	put_u64(w, x86->seg[MVMI_SEG_GS].base);
	put_u64(w, selector(regs, MVMI_SEG_DS));
	put_u64(w, selector(regs, MVMI_SEG_ES));
	put_u64(w, selector(regs, MVMI_SEG_FS));
	put_u64(w, selector(regs, MVMI_SEG_GS));
	put_zeros(w, PRSTATUS_LEN - (w->len - begin));
}

static void put_qemu_segment(struct writer *w, const struct mvmi_segment *seg)
{
	/* As the upper half of a descriptor (SDM 3A 3.4.5) has them. */
	uint32_t flags =
		(seg->attributes & 0xff) << 8 | (seg->attributes & 0xf000) << 8;

	put_u32(w, seg->selector);
	put_u32(w, seg->limit);
	put_u32(w, flags);
	put_u32(w, 0);
	put_u64(w, seg->base);
}

static void put_qemu(struct writer *w, const struct mvmi_regs *regs)
{
	static const uint8_t order[] = {
		MVMI_REG_RAX, MVMI_REG_RBX, MVMI_REG_RCX, MVMI_REG_RDX,
		MVMI_REG_RSI, MVMI_REG_RDI, MVMI_REG_RSP, MVMI_REG_RBP,
		MVMI_REG_R8,  MVMI_REG_R9,  MVMI_REG_R10, MVMI_REG_R11,
		MVMI_REG_R12, MVMI_REG_R13, MVMI_REG_R14, MVMI_REG_R15,
	};
	static const uint8_t segments[] = {
		MVMI_SEG_CS, MVMI_SEG_DS, MVMI_SEG_ES,	 MVMI_SEG_FS,
		MVMI_SEG_GS, MVMI_SEG_SS, MVMI_SEG_LDTR, MVMI_SEG_TR,
	};
	const struct mvmi_regs_x86 *x86 = &regs->x86;
	const struct mvmi_segment gdt = { .base = x86->gdtr.base,
					  .limit = x86->gdtr.limit };
	const struct mvmi_segment idt = { .base = x86->idtr.base,
					  .limit = x86->idtr.limit };

	put_note_head(w, "QEMU", QEMU_NOTE_TYPE, QEMU_STATE_LEN);
	put_u32(w, QEMU_STATE_VERSION);
	put_u32(w, QEMU_STATE_LEN);
	for (size_t i = 0; i < sizeof(order); i++)
		put_u64(w, x86->gpr[order[i]]);
	put_u64(w, x86->rip);
	put_u64(w, x86->rflags);
	for (size_t i = 0; i < sizeof(segments); i++)
		put_qemu_segment(w, &x86->seg[segments[i]]);
	put_qemu_segment(w, &gdt);
	put_qemu_segment(w, &idt);
	put_u64(w, x86->cr0);
	put_u64(w, 0); /* there is no CR1 */
	put_u64(w, x86->cr2);
	put_u64(w, x86->cr3);
	put_u64(w, x86->cr4);
	put_u64(w, x86->kernel_gs_base);
}

static void put_x87(struct writer *w, const struct mvmi_x87 *x87)
{
	put(w, x87->st, sizeof(x87->st));
	put(w, &x87->fcw, 2);
	put(w, &x87->fsw, 2);
	put(w, &x87->ftw, 2);
	put(w, &x87->fop, 2);
	put_u64(w, x87->fip);
	put_u64(w, x87->fdp);
}

static void put_segments(struct writer *w, const struct mvmi_regs_x86 *x86)
{
	for (size_t i = 0; i < MVMI_SEG_COUNT; i++) {
		put_u64(w, x86->seg[i].base);
		put_u32(w, x86->seg[i].limit);
		put_u32(w, x86->seg[i].attributes);
		put(w, &x86->seg[i].selector, 2);
		put_zeros(w, 6);
	}
	put_u64(w, x86->gdtr.base);
	put_u32(w, x86->gdtr.limit);
	put_u32(w, 0);
	put_u64(w, x86->idtr.base);
	put_u32(w, x86->idtr.limit);
	put_u32(w, 0);
}

static void put_scalars(struct writer *w, struct mvmi_regs *regs,
			enum mvmi_reg first, enum mvmi_reg last)
{
	for (unsigned reg = first; reg <= (unsigned)last; reg++) {
		const uint64_t *value =
			mvmi_regs_scalar(regs, (enum mvmi_reg)reg);

		assert(value);
		put_u64(w, *value);
	}
}

static void
put_microvmi(struct writer *w, const struct mvmi_regs *regs, unsigned vcpu)
{
	struct mvmi_regs copy = *regs;
	size_t begin;

	put_note_head(w, "MICROVMI", MICROVMI_NOTE_TYPE, MICROVMI_STATE_LEN);
	begin = w->len;
	put_u32(w, MICROVMI_STATE_VERSION);
	put_u32(w, vcpu);
	put(w, regs->valid.bits, sizeof(regs->valid.bits));
	put_scalars(w, &copy, MVMI_REG_RAX, MVMI_REG_RFLAGS);
	put_segments(w, &regs->x86);
	put_scalars(w, &copy, MVMI_REG_CR0, MVMI_REG_TSC_AUX);
	put_x87(w, &regs->x86.x87);
	put_u32(w, regs->x86.mxcsr);
	put_u32(w, 0);
	put(w, regs->x86.xmm, sizeof(regs->x86.xmm));
	put(w, regs->x86.ymm_high, sizeof(regs->x86.ymm_high));
	assert(w->len - begin == MICROVMI_STATE_LEN);
	(void)begin;
}

/** A QEMU note must tell the paging, or crash walks from zero. */
static bool has_paging(const struct mvmi_regs *regs)
{
	return mvmi_regset_has(regs->valid, MVMI_REG_CR0) &&
	       mvmi_regset_has(regs->valid, MVMI_REG_CR3) &&
	       mvmi_regset_has(regs->valid, MVMI_REG_CR4);
}

static void put_vmcoreinfo(struct writer *w, struct mvmi_bytes text)
{
	if (!text.len)
		return;
	put_note_head(w, VMCOREINFO_NAME, VMCOREINFO_TYPE, (uint32_t)text.len);
	put(w, text.ptr, text.len);
	put_zeros(w, (4 - text.len % 4) % 4);
}

static void put_vcpu_notes(struct writer *w, const struct mvmi_regs *regs,
			   unsigned vcpu_count)
{
	/* A reader matches kinds by their order, so each kind is together. */
	for (unsigned i = 0; i < vcpu_count; i++)
		put_prstatus(w, &regs[i], i);
	for (unsigned i = 0; i < vcpu_count; i++) {
		if (has_paging(&regs[i]))
			put_qemu(w, &regs[i]);
	}
	for (unsigned i = 0; i < vcpu_count; i++)
		put_microvmi(w, &regs[i], i);
}

static uint64_t align(uint64_t value)
{
	return (value + ELFCORE_ALIGN - 1) & ~(ELFCORE_ALIGN - 1);
}

uint64_t elfcore_padding(uint64_t len)
{
	return align(len) - len;
}

static void put_headers(struct writer *w, const struct mvmi_region *regions,
			size_t region_count, uint64_t notes_len, uint64_t head)
{
	Elf64_Ehdr ehdr = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)(region_count + 1),
	};
	Elf64_Phdr phdr = {
		.p_type = PT_NOTE,
		.p_offset = sizeof(ehdr) + (region_count + 1) * sizeof(phdr),
		.p_filesz = notes_len,
		.p_align = 4,
	};
	uint64_t offset = head;

	put(w, &ehdr, sizeof(ehdr));
	put(w, &phdr, sizeof(phdr));
	for (size_t i = 0; i < region_count; i++) {
		/* Without paging a debugger sees physical addresses. */
		phdr = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_W | PF_X,
			.p_offset = offset,
			.p_vaddr = regions[i].start.val,
			.p_paddr = regions[i].start.val,
			.p_filesz = regions[i].len,
			.p_memsz = regions[i].len,
			/* As of kdump and QEMU; crash takes a core with any
			   other for one of netdump, which has no KASLR. */
			.p_align = 0,
		};
		put(w, &phdr, sizeof(phdr));
		offset += align(regions[i].len);
	}
}

const char *elfcore_head(const struct mvmi_region *regions, size_t region_count,
			 const struct mvmi_regs *regs, unsigned vcpu_count,
			 struct mvmi_bytes vmcoreinfo, struct mvmi_span *ret)
{
	struct writer notes = {
		.size = (size_t)vcpu_count * NOTES_PER_VCPU * NOTE_LEN_MAX +
			vmcoreinfo.len + NOTE_LEN_MAX,
	};
	size_t before =
		sizeof(Elf64_Ehdr) + (region_count + 1) * sizeof(Elf64_Phdr);
	struct writer w;

	if (region_count + 1 >= PN_XNUM)
		return "more regions of memory than an ELF core has headers";
	notes.ptr = malloc(notes.size);
	if (!notes.ptr)
		diag_no_memory();
	put_vcpu_notes(&notes, regs, vcpu_count);
	put_vmcoreinfo(&notes, vmcoreinfo);
	w = (struct writer){ .size = (size_t)align(before + notes.len) };
	w.ptr = malloc(w.size);
	if (!w.ptr)
		diag_no_memory();
	put_headers(&w, regions, region_count, notes.len, w.size);
	put(&w, notes.ptr, notes.len);
	put_zeros(&w, w.size - w.len);
	free(notes.ptr);
	*ret = (struct mvmi_span){ w.ptr, w.len };
	return NULL;
}
