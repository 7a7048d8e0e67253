/* SPDX-License-Identifier: MIT */
/* ELF cores: built by hand, lying in every way, and QEMU's own. */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump_elf.h"
#include "harness.h"

#define X86_64 62
#define I386   3

static struct build b;
static struct dump_image image;

static enum mvmi_status parse_error(struct mvmi_error *err)
{
	struct dump_image parsed = { 0 };
	enum mvmi_status status;

	image_fini(&image);
	status = parse_bytes((struct mvmi_bytes){ b.bytes, b.len }, &parsed,
			     err);
	if (status == MVMI_OK)
		image = parsed;
	return status;
}

static enum mvmi_status parse(void)
{
	return parse_error(NULL);
}

static bool segment_is(size_t i, uint64_t start, uint64_t len,
		       uint64_t file_len, uint64_t off)
{
	const struct dump_segment *s = &image.segments[i];

	return i < image.segment_count && s->start == start && s->len == len &&
	       s->file_len == file_len && s->off == off;
}

static bool has(unsigned vcpu, enum mvmi_reg reg)
{
	return vcpu < image.vcpu_count &&
	       mvmi_regset_has(image.vcpus[vcpu].valid, reg);
}

static bool is(unsigned vcpu, enum mvmi_reg reg, uint64_t value)
{
	return has(vcpu, reg) &&
	       *mvmi_regs_scalar(&image.vcpus[vcpu], reg) == value;
}

/* ---- notes by hand ----------------------------------------------------- */

static void put_prstatus64(uint64_t rip)
{
	build_note(&b, "CORE", 1, 336);
	put_zeros(&b, 112 + 16 * 8);
	put(&b, rip, 8);
	put_zeros(&b, 336 - 112 - 136);
}

/** QEMU's note: general registers are 100 and up, the rest tells its place. */
static void put_qemu(uint32_t version, uint32_t size)
{
	build_note(&b, "QEMU", 0, 440);
	put(&b, version, 4);
	put(&b, size, 4);
	for (unsigned i = 0; i < 18; i++)
		put(&b, 100 + i, 8);
	for (uint64_t i = 0; i < 10; i++) {
		put(&b, 8 * i, 4);
		put(&b, 0x1000 + i, 4);
		put(&b, i == 0 ? 0 : 0x00af9b00, 4);
		put(&b, 0, 4);
		put(&b, 0x200000 + i, 8);
	}
	for (unsigned i = 0; i < 5; i++)
		put(&b, 0xc0 + i, 8);
	put(&b, 0x6b, 8);
}

/** Our own note, every valid bit set; scalars are 1000 + enum mvmi_reg. */
static void put_own(uint32_t version, uint32_t vcpu, size_t len)
{
	size_t start;

	build_note(&b, "MICROVMI", 1, (uint32_t)len);
	start = b.len;
	put(&b, version, 4);
	put(&b, vcpu, 4);
	put(&b, UINT64_MAX, 8);
	put(&b, UINT64_MAX, 8);
	for (unsigned reg = 0; reg < MVMI_REG_ES; reg++)
		put(&b, 1000 + reg, 8);
	for (uint64_t i = 0; i < MVMI_SEG_COUNT; i++) {
		put(&b, 0x7000 + i, 8);
		put(&b, 0xfff0 + i, 4);
		put(&b, 0xa09b, 4);
		put(&b, 8 * i, 2);
		put_zeros(&b, 6);
	}
	for (unsigned i = 0; i < 2; i++) {
		put(&b, 0x8000 + i, 8);
		put(&b, 0x7f + i, 8);
	}
	for (unsigned reg = MVMI_REG_CR0; reg < MVMI_REG_X87; reg++)
		put(&b, 1000 + reg, 8);
	for (unsigned i = 0; i < 128; i++)
		put(&b, i, 1);
	put(&b, 0x037f, 2);
	put(&b, 0x3800, 2);
	put(&b, 0x80, 2);
	put(&b, 0x123, 2);
	put(&b, 0xf1, 8);
	put(&b, 0xf2, 8);
	put(&b, 0x1f80, 8);
	for (unsigned i = 0; i < 512; i++)
		put(&b, i, 1);
	/* A newer writer appends; a lying one stops early. */
	b.len = start + len;
}

static void put_vbcore(uint32_t format)
{
	/* VirtualBox doesn't count the NUL in namesz. */
	put(&b, 6, 4);
	put(&b, 24, 4);
	put(&b, 0xb00, 4);
	memcpy(b.bytes + b.len, "VBCORE\0", 8);
	b.len += 8;
	put(&b, 0xc01ac0de, 4);
	put(&b, format, 4);
	put(&b, 24, 4);
	put(&b, 7 << 24 | 2 << 16 | 22, 4);
	put(&b, 170000, 4);
	put(&b, 1, 4);
}

/** VBCPU: quadwords number themselves, segments tell their place. */
static void put_vbcpu(uint32_t descsz, bool with_tsc_aux)
{
	size_t start;

	put(&b, 5, 4);
	put(&b, descsz, 4);
	put(&b, 0xb01, 4);
	memcpy(b.bytes + b.len, "VBCPU\0\0", 8);
	b.len += 8;
	start = b.len;
	put_zeros(&b, descsz);
	for (size_t at = 0; at + 8 <= descsz && at < 560; at += 8)
		put_le(b.bytes + start + at, at, 8);
	for (size_t i = 0; i < 6; i++) {
		put_le(b.bytes + start + 144 + 24 * i + 8, 0xffff, 4);
		put_le(b.bytes + start + 144 + 24 * i + 12, 0xa09b, 4);
	}
	if (!with_tsc_aux)
		return;
	put_le(b.bytes + start + 560, 7, 8);	       /* XCR0 */
	put_le(b.bytes + start + 576, 832, 4);	       /* XSAVE bytes */
	put_le(b.bytes + start + 592, 0x37f, 2);       /* FCW */
	put_le(b.bytes + start + 592 + 24, 0x1f80, 4); /* MXCSR */
	put_le(b.bytes + start + 592 + 160, 0x11, 8);  /* XMM0 */
	put_le(b.bytes + start + 592 + 576, 0x22, 8);  /* YMM0, upper half */
}

static size_t start_with_notes(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0, 16, 0x11);
	return b.len;
}

/* ---- memory ------------------------------------------------------------ */

static void segments_are_sorted_and_have_zero_tails(void)
{
	build_start(&b, 8, X86_64, 3);
	build_load(&b, 0x100000, 32, 0x22);
	build_phdr(&b, 1, 64, 0x5000, 16, 0x1000);
	build_phdr(&b, 1, 0, 0x8000, 0, 0x1000);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 3);
	CHECK(segment_is(0, 0x5000, 0x1000, 16, 64));
	CHECK(segment_is(1, 0x8000, 0x1000, 0, 0));
	CHECK(segment_is(2, 0x100000, 32, 32, 64 + 3 * 56));
}

static void cores_of_32_bit_are_read(void)
{
	build_start(&b, 4, I386, 2);
	build_load(&b, 0x1000, 32, 0x22);
	build_phdr(&b, 1, 0, 0xfffff000, 0, 0x1000);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 2);
	CHECK(segment_is(0, 0x1000, 32, 32, 52 + 2 * 32));
	CHECK(segment_is(1, 0xfffff000, 0x1000, 0, 0));
}

static void of_segments_that_overlap_the_lower_wins(void)
{
	build_start(&b, 8, X86_64, 4);
	build_phdr(&b, 1, 8, 0x20, 0x10, 0x20); /* lies in the first */
	build_phdr(&b, 1, 0, 0, 0x80, 0x80);
	build_phdr(&b, 1, 0, 0x70, 0x20, 0x40); /* its head does */
	build_phdr(&b, 1, 4, 0x78, 0x30, 0x40);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 3);
	CHECK(segment_is(0, 0, 0x80, 0x80, 0));
	CHECK(segment_is(1, 0x80, 0x30, 0x10, 0x10));
	CHECK(segment_is(2, 0xb0, 8, 0, 4 + 0x30));
}

static void many_headers_are_counted_in_a_section_header(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0x1000, 8, 1);
	build_load(&b, 0x2000, 8, 2);
	put_le(build_phnum_at(&b), 0xffff, 2);
	CHECK(parse() == MVMI_ERR_CORRUPT);
	put_le(build_shoff_at(&b), b.len, 8);
	CHECK(parse() == MVMI_ERR_CORRUPT);
	put_zeros(&b, 44);
	put(&b, 2, 4);
	put_zeros(&b, 16);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 2);
	put_le(b.bytes + b.len - 20, UINT32_MAX, 4);
	CHECK(parse() == MVMI_ERR_LIMIT);
	put_le(b.bytes + b.len - 20, 1000, 4);
	CHECK(parse() == MVMI_ERR_CORRUPT);
}

static void lying_segments_are_corrupt(void)
{
	static const struct {
		uint64_t off, paddr, filesz, memsz;
	} lies[] = {
		{ 0, 0x1000, 0x2000, 0x1000 }, /* more in the file */
		{ 0, 0x1000, 1, 0 },	       /* bytes without length */
		{ 0, 0x1000, 4096, 4096 },     /* beyond the file */
		{ UINT64_MAX, 0x1000, 2, 2 },  /* the sum wraps */
		{ 1, 0x1000, UINT64_MAX, UINT64_MAX },
		{ 0, UINT64_MAX - 1, 16, 16 }, /* beyond 2^64 */
		{ 0, 1, 0, UINT64_MAX },       /* exactly to 2^64 + 1 */
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		build_start(&b, 8, X86_64, 1);
		build_phdr(&b, 1, lies[i].off, lies[i].paddr, lies[i].filesz,
			   lies[i].memsz);
		if (i == 6)
			put_le(b.bytes + 64 + 24, 2, 8);
		CHECK(parse() == MVMI_ERR_CORRUPT);
	}
}

static void other_elf_files_are_told_apart(void)
{
	struct mvmi_error err = { 0 };

	build_start(&b, 8, X86_64, 1);
	build_load(&b, 0x1000, 8, 1);
	put_le(b.bytes + 16, 2, 2); /* ET_EXEC */
	CHECK(parse_error(&err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "format=raw"));
	put_le(b.bytes + 16, 4, 2);
	put_le(b.bytes + 18, 183, 2); /* EM_AARCH64 */
	CHECK(parse() == MVMI_ERR_UNSUPPORTED);
	put_le(b.bytes + 18, X86_64, 2);
	b.bytes[5] = 2; /* big-endian */
	CHECK(parse() == MVMI_ERR_UNSUPPORTED);
	b.bytes[5] = 1;
	b.bytes[4] = 3; /* no class */
	CHECK(parse() == MVMI_ERR_CORRUPT);
	b.bytes[4] = 2;
	b.bytes[0] = 0;
	CHECK(parse() == MVMI_ERR_INVALID);
}

static void a_core_of_a_process_is_refused(void)
{
	struct mvmi_error err = { 0 };

	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0x400000, 8, 1);
	build_load(&b, 0x600000, 8, 1);
	put_le(b.bytes + 64 + 24, 0, 8);
	put_le(b.bytes + 64 + 56 + 24, 0, 8);
	CHECK(parse_error(&err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "core of a process"));
}

static void a_core_without_memory_is_corrupt(void)
{
	build_start(&b, 8, X86_64, 0);
	CHECK(parse() == MVMI_ERR_CORRUPT);
}

static void virtual_only_memory_is_left_out(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0x1000, 8, 1);
	build_load(&b, UINT64_MAX, 8, 1);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 1);
}

static void cut_short_anywhere_it_is_an_error(void)
{
	size_t start = start_with_notes();
	size_t full;

	put_prstatus64(0x1234);
	put_qemu(1, 440);
	put_own(1, 0, 1272);
	build_notes_end(&b, start);
	full = b.len;
	CHECK(parse() == MVMI_OK);
	for (b.len = 0; b.len < full; b.len++) {
		enum mvmi_status status = parse();

		CHECK(status == MVMI_ERR_CORRUPT ||
		      (b.len < 4 && status == MVMI_ERR_INVALID));
	}
}

/* ---- notes ------------------------------------------------------------- */

static void prstatus_gives_general_registers(void)
{
	size_t start = start_with_notes();

	put_prstatus64(0x1234);
	put_prstatus64(0x5678);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(image.vcpu_count == 2);
	CHECK(is(0, MVMI_REG_RIP, 0x1234) && is(1, MVMI_REG_RIP, 0x5678));
	CHECK(has(0, MVMI_REG_RAX) && has(0, MVMI_REG_RFLAGS));
	/* A selector without its hidden part is no segment. */
	CHECK(!has(0, MVMI_REG_CS) && !has(0, MVMI_REG_FS_BASE));
	CHECK(!has(0, MVMI_REG_CR3));
}

static void qemu_gives_segments_and_control_registers(void)
{
	size_t start = start_with_notes();
	const struct mvmi_regs_x86 *x86;

	put_prstatus64(0x1234);
	put_qemu(1, 440);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(image.vcpu_count == 1);
	CHECK(strcmp(image.hypervisor, "QEMU") == 0);
	x86 = &image.vcpus[0].x86;
	CHECK(is(0, MVMI_REG_RAX, 100) && is(0, MVMI_REG_RBX, 101));
	CHECK(is(0, MVMI_REG_RSP, 106) && is(0, MVMI_REG_R15, 115));
	CHECK(is(0, MVMI_REG_RIP, 116) && is(0, MVMI_REG_RFLAGS, 117));
	CHECK(is(0, MVMI_REG_CR0, 0xc0) && is(0, MVMI_REG_CR2, 0xc2));
	CHECK(is(0, MVMI_REG_CR3, 0xc3) && is(0, MVMI_REG_CR4, 0xc4));
	CHECK(is(0, MVMI_REG_KERNEL_GS_BASE, 0x6b));
	CHECK(is(0, MVMI_REG_FS_BASE, 0x200003));
	CHECK(!has(0, MVMI_REG_EFER) && !has(0, MVMI_REG_CR8));
	CHECK(x86->seg[MVMI_SEG_CS].attributes == MVMI_SEGMENT_UNUSABLE);
	CHECK(x86->seg[MVMI_SEG_DS].attributes == 0xa09b);
	CHECK(x86->seg[MVMI_SEG_SS].selector == 40);
	CHECK(x86->seg[MVMI_SEG_TR].base == 0x200007);
	CHECK(x86->gdtr.base == 0x200008 && x86->gdtr.limit == 0x1008);
	CHECK(x86->idtr.base == 0x200009);
}

static void a_qemu_note_without_kernel_gs_base_is_read(void)
{
	size_t start = start_with_notes();

	put_qemu(1, 432);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(has(0, MVMI_REG_CR4) && !has(0, MVMI_REG_KERNEL_GS_BASE));
}

static void an_unknown_version_leaves_memory_usable(void)
{
	size_t start = start_with_notes();

	put_prstatus64(0x1234);
	put_qemu(2, 440);
	put_own(7, 0, 1272);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(is(0, MVMI_REG_RIP, 0x1234) && !has(0, MVMI_REG_CR3));
	CHECK(strstr(image.note, "version 2"));
	CHECK(image.segment_count == 1);
}

static void our_note_gives_every_register_and_wins(void)
{
	size_t start = start_with_notes();
	const struct mvmi_regs_x86 *x86;

	put_qemu(1, 440);
	put_own(1, 0, 1272);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(image.vcpu_count == 1);
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;

		CHECK(has(0, reg));
		if (mvmi_regs_scalar(&image.vcpus[0], reg) &&
		    reg != MVMI_REG_FS_BASE && reg != MVMI_REG_GS_BASE)
			CHECK(is(0, reg, 1000 + i));
	}
	/* A QEMU note beside ours doesn't say that QEMU ran the guest. */
	CHECK(image.hypervisor[0] == '\0');
	/* The segment's base counts. */
	CHECK(is(0, MVMI_REG_FS_BASE, 0x7000 + MVMI_SEG_FS));
	CHECK(is(0, MVMI_REG_GS_BASE, 0x7000 + MVMI_SEG_GS));
	x86 = &image.vcpus[0].x86;
	CHECK(x86->seg[MVMI_SEG_TR].limit == 0xfff7);
	CHECK(x86->seg[MVMI_SEG_TR].selector == 56);
	CHECK(x86->seg[MVMI_SEG_TR].attributes == 0xa09b);
	CHECK(x86->idtr.base == 0x8001 && x86->idtr.limit == 0x80);
	CHECK(x86->x87.st[7][15] == 127 && x86->x87.fcw == 0x37f);
	CHECK(x86->x87.fop == 0x123 && x86->x87.fdp == 0xf2);
	CHECK(x86->mxcsr == 0x1f80);
	CHECK(x86->xmm[15][15] == 255 && x86->ymm_high[0][1] == 1);
}

static void our_note_may_be_longer_but_not_shorter_than_it_says(void)
{
	size_t start;

	for (size_t len = 0; len < 1272; len += 8) {
		start = start_with_notes();
		put_own(1, 0, len);
		build_notes_end(&b, start);
		CHECK(parse() == MVMI_ERR_CORRUPT);
	}
	start = start_with_notes();
	put_own(1, 0, 1280);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
}

static void a_base_without_its_segment_survives_a_worse_note(void)
{
	size_t start = start_with_notes();
	size_t own;

	put_qemu(1, 440);
	own = b.len + 12 + 12;
	put_own(1, 0, 1272);
	memset(b.bytes + own + 8, 0, 16);
	put_le(b.bytes + own + 8, UINT64_C(1) << MVMI_REG_FS_BASE, 8);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(is(0, MVMI_REG_FS_BASE, 1000 + MVMI_REG_FS_BASE));
	CHECK(image.vcpus[0].x86.seg[MVMI_SEG_FS].selector == 24);
	CHECK(is(0, MVMI_REG_GS_BASE, 0x200004) && is(0, MVMI_REG_RAX, 100));
}

static void our_note_names_its_vcpu(void)
{
	size_t start = start_with_notes();

	put_own(1, 2, 1272);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(image.vcpu_count == 3);
	CHECK(!has(0, MVMI_REG_RAX) && has(2, MVMI_REG_RAX));
	start = start_with_notes();
	put_own(1, DUMP_VCPUS_MAX, 1272);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_ERR_LIMIT);
}

static void virtualbox_gives_its_version_and_registers(void)
{
	size_t start;
	const struct mvmi_regs_x86 *x86;

	build_start(&b, 8, X86_64, 3);
	build_load(&b, 0, 16, 0x11);
	build_phdr(&b, 1, 0, 0xe0000000, 0, 0x1000); /* device memory */
	start = b.len;
	put_vbcore(0x00010006);
	put_vbcpu(0x2250, true);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(strcmp(image.hypervisor, "VirtualBox 7.2.22 r170000") == 0);
	CHECK(image.segment_count == 1);
	CHECK(image.vcpu_count == 1);
	x86 = &image.vcpus[0].x86;
	CHECK(is(0, MVMI_REG_RBX, 8) && is(0, MVMI_REG_RSP, 120));
	CHECK(is(0, MVMI_REG_RFLAGS, 136));
	CHECK(x86->seg[MVMI_SEG_CS].base == 144);
	CHECK(x86->seg[MVMI_SEG_SS].base == 144 + 5 * 24);
	CHECK(x86->seg[MVMI_SEG_SS].attributes == 0xa09b);
	CHECK(is(0, MVMI_REG_CR0, 288) && is(0, MVMI_REG_CR4, 312));
	CHECK(is(0, MVMI_REG_DR0, 320) && is(0, MVMI_REG_DR7, 376));
	CHECK(x86->gdtr.base == 384 && x86->idtr.base == 400);
	CHECK(x86->seg[MVMI_SEG_TR].base == 440);
	CHECK(is(0, MVMI_REG_SYSENTER_CS, 464) && is(0, MVMI_REG_EFER, 488));
	CHECK(is(0, MVMI_REG_APIC_BASE, 544) && is(0, MVMI_REG_TSC_AUX, 552));
	CHECK(is(0, MVMI_REG_XCR0, 7));
	CHECK(x86->x87.fcw == 0x37f && x86->mxcsr == 0x1f80);
	CHECK(x86->xmm[0][0] == 0x11 && x86->ymm_high[0][0] == 0x22);
	CHECK(has(0, MVMI_REG_YMM) && !has(0, MVMI_REG_CR8));
}

static void older_virtualbox_has_no_tsc_aux_and_unknown_is_refused(void)
{
	static const uint32_t unknown[] = { 0, 0x00010003, 0x00010007 };
	size_t start = start_with_notes();

	put_vbcore(0x00010005);
	put_vbcpu(0x2240, false);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(is(0, MVMI_REG_XCR0, 552) && !has(0, MVMI_REG_TSC_AUX));
	CHECK(!has(0, MVMI_REG_X87));
	for (size_t i = 0; i < 3; i++) {
		start = start_with_notes();
		put_vbcore(unknown[i]);
		put_vbcpu(0x2250, true);
		build_notes_end(&b, start);
		CHECK(parse() == MVMI_OK);
		CHECK(image.vcpu_count == 0 && image.note[0]);
	}
}

static void unknown_notes_are_skipped(void)
{
	size_t start = start_with_notes();

	build_note(&b, "CORE", 3, 5);
	put_zeros(&b, 8);
	build_note(&b, "QEMUX", 0, 0);
	build_note(&b, "", 1, 0);
	put_zeros(&b, 12); /* what is zeroed is a note without a name */
	build_note(&b, "VMCOREINFO", 0, 4);
	put(&b, 0x41, 4);
	put_prstatus64(0x77);
	build_notes_end(&b, start);
	CHECK(parse() == MVMI_OK);
	CHECK(image.vcpu_count == 1 && is(0, MVMI_REG_RIP, 0x77));
	CHECK(strcmp(image.hypervisor, "Linux vmcore") == 0);
}

static void lying_notes_are_corrupt(void)
{
	static const uint32_t lies[][2] = {
		{ 5, 337 },
		{ 5, UINT32_MAX },
		{ UINT32_MAX, 336 },
		{ 5, UINT32_MAX - 3 },
		{ 360, 336 },
		{ 5, 335 },
		{ 5, 0 },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		size_t start = start_with_notes();

		put_prstatus64(0x1234);
		put_le(b.bytes + start, lies[i][0], 4);
		put_le(b.bytes + start + 4, lies[i][1], 4);
		build_notes_end(&b, start);
		CHECK(parse() == MVMI_ERR_CORRUPT);
	}
}

static void a_qemu_note_that_lies_about_its_size_is_corrupt(void)
{
	static const uint32_t sizes[] = { 0, 8, 431, 441, UINT32_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t start = start_with_notes();

		put_qemu(1, sizes[i]);
		build_notes_end(&b, start);
		CHECK(parse() == MVMI_ERR_CORRUPT);
	}
}

static void notes_too_long_to_be_true_are_refused(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0, 16, 0x11);
	build_phdr(&b, 4, 64, 0, UINT64_C(1) << 32, 0);
	CHECK(parse() == MVMI_ERR_LIMIT);
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0, 16, 0x11);
	build_phdr(&b, 4, UINT64_MAX - 8, 0, 16, 0);
	CHECK(parse() == MVMI_ERR_CORRUPT);
}

/* ---- QEMU's own ---------------------------------------------------------*/

static size_t load(const char *name, char *buf, size_t size)
{
	char path[512];
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/dump/%s", TEST_DATA, name);
	file = fopen(path, "rb");
	CHECK(file);
	n = fread(buf, 1, size - 1, file);
	CHECK(fclose(file) == 0);
	buf[n] = '\0';
	return n;
}

/** Open a trimmed core, made as long again as it was (tests/data/dump). */
static struct mvmi_vm *open_trimmed(const char *head, uint64_t size,
				    const char *state, uint64_t state_off)
{
	char path[] = "test_dump_elf.XXXXXX";
	static char buf[4096];
	struct mvmi_vm *vm = NULL;
	enum mvmi_status status;
	int fd = mkstemp(path);
	size_t n = load(head, buf, sizeof(buf));

	CHECK(fd >= 0);
	CHECK(pwrite(fd, buf, n, 0) == (ssize_t)n);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	if (state) {
		n = load(state, buf, sizeof(buf));
		CHECK(pwrite(fd, buf, n, (off_t)state_off) == (ssize_t)n);
	}
	CHECK(close(fd) == 0);
	/* A bare path: the magic tells. */
	status = mvmi_vm_open(path, NULL, &vm, NULL);
	CHECK(unlink(path) == 0);
	CHECK(status == MVMI_OK);
	return vm;
}

/** The text after "NAME=", with blanks between NAME and "=" allowed. */
static const char *find_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *s = text; (s = strstr(s, name)); s += len) {
		const char *end = s + len;

		end += strspn(end, " ");
		if ((s == text || s[-1] == ' ' || s[-1] == '\n') && *end == '=')
			return end + 1;
	}
	return NULL;
}

/** Compare one register with what QEMU said; false if it said nothing. */
static bool
same(const char *text, const char *name, uint64_t value, unsigned *compared)
{
	const char *s = find_value(text, name);

	if (!s)
		return true;
	(*compared)++;
	if (strtoull(s, NULL, 16) == value)
		return true;
	printf("# %s is %llx, QEMU said %.20s\n", name,
	       (unsigned long long)value, s);
	return false;
}

static unsigned compare_scalars(const char *text, struct mvmi_regs *regs)
{
	static const char *const names[][2] = {
		{ "RAX", "EAX" }, { "RCX", "ECX" }, { "RDX", "EDX" },
		{ "RBX", "EBX" }, { "RSP", "ESP" }, { "RBP", "EBP" },
		{ "RSI", "ESI" }, { "RDI", "EDI" }, { "R8", "R8" },
		{ "R9", "R9" },	  { "R10", "R10" }, { "R11", "R11" },
		{ "R12", "R12" }, { "R13", "R13" }, { "R14", "R14" },
		{ "R15", "R15" }, { "RIP", "EIP" }, { "RFL", "EFL" },
	};
	static const enum mvmi_reg control[] = { MVMI_REG_CR0, MVMI_REG_CR2,
						 MVMI_REG_CR3, MVMI_REG_CR4 };
	static const char *const control_names[] = { "CR0", "CR2", "CR3",
						     "CR4" };
	unsigned compared = 0;

	for (unsigned i = 0; i < 18; i++) {
		uint64_t value = *mvmi_regs_scalar(regs, (enum mvmi_reg)i);

		CHECK(same(text, names[i][0], value, &compared));
		if (strcmp(names[i][0], names[i][1]) != 0)
			CHECK(same(text, names[i][1], value, &compared));
	}
	for (unsigned i = 0; i < 4; i++)
		CHECK(same(text, control_names[i],
			   *mvmi_regs_scalar(regs, control[i]), &compared));
	return compared;
}

static void compare_segments(const char *text, const struct mvmi_regs *regs)
{
	static const char *const names[] = { "ES", "CS", "SS",	"DS",
					     "FS", "GS", "LDT", "TR" };

	for (unsigned i = 0; i < 8; i++) {
		const struct mvmi_segment *segment = &regs->x86.seg[i];
		const char *s = find_value(text, names[i]);
		char *end;

		CHECK(s);
		CHECK(segment->selector == strtoul(s, &end, 16));
		CHECK(segment->base == strtoull(end, &end, 16));
		CHECK(segment->limit == strtoul(end, &end, 16));
		CHECK(segment->attributes ==
		      (strtoul(end, &end, 16) >> 8 & 0xf0ff));
	}
}

static void compare_vcpu(struct mvmi_vm *vm, unsigned vcpu, const char *name,
			 unsigned expected)
{
	static char text[4096];
	struct mvmi_regs regs = mvmi_regs_empty();

	(void)load(name, text, sizeof(text));
	CHECK(mvmi_vcpu_get_regs(vm, vcpu, MVMI_REGS_ALL, &regs, NULL) ==
	      MVMI_OK);
	CHECK(compare_scalars(text, &regs) == expected);
	compare_segments(text, &regs);
}

static void the_paging_mode_is_known_without_efer(void)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_vm *vm = open_trimmed("tiny.head", 0x240498, NULL, 0);

	CHECK(mvmi_vcpu_get_regs(vm, 0, MVMI_REGS_ALL, &regs, NULL) == MVMI_OK);
	CHECK(!mvmi_regset_has(regs.valid, MVMI_REG_EFER));
	CHECK(mvmi_space_params_of_regs(&regs, &params, NULL) == MVMI_OK);
	CHECK(params.paging == MVMI_PAGING_4LEVEL && params.nxe);
	CHECK(params.root == 0x130000);
	/* Compatibility mode under a 64-bit kernel: its GDT is high. */
	regs.x86.seg[MVMI_SEG_CS].attributes &= ~MVMI_SEGMENT_LONG;
	regs.x86.gdtr.base = 0xfffffe0000001000;
	CHECK(mvmi_space_params_of_regs(&regs, &params, NULL) == MVMI_OK);
	CHECK(params.paging == MVMI_PAGING_4LEVEL);
	mvmi_vm_close(vm);
}

static void registers_of_a_long_mode_guest_are_qemus_own(void)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	struct mvmi_vm *vm = open_trimmed("tiny.head", 0x240498, "tiny.state",
					  0x498 + 0x110000);
	uint8_t got[16];

	CHECK(mvmi_vm_get_info(vm, &info, NULL) == MVMI_OK);
	CHECK(info.vcpus == 1 && info.ram_len == 0x240000);
	CHECK(strcmp(info.hypervisor, "QEMU") == 0 && info.note[0] == '\0');
	CHECK(strcmp(info.memory_path, "pread of ELF core") == 0);
	CHECK(info.capabilities == (MVMI_CAP_MEM | MVMI_CAP_REGS));
	CHECK(mvmi_regset_has(info.readable_regs, MVMI_REG_CR3));
	compare_vcpu(vm, 0, "tiny.cpu0.txt", 22);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x110010),
			    (struct mvmi_span){ got, sizeof(got) },
			    NULL) == MVMI_OK);
	CHECK(memcmp(got, "microvmi tiny ok", 16) == 0);
	mvmi_vm_close(vm);
}

static void registers_of_real_and_protected_mode_are_qemus_own(void)
{
	struct mvmi_vm *vm = open_trimmed("bios.head", 0x140648, NULL, 0);

	CHECK(mvmi_vcpu_count(vm) == 2);
	compare_vcpu(vm, 0, "bios.cpu0.txt", 14);
	compare_vcpu(vm, 1, "bios.cpu1.txt", 14);
	mvmi_vm_close(vm);
}

TESTS(T(segments_are_sorted_and_have_zero_tails), T(cores_of_32_bit_are_read),
      T(of_segments_that_overlap_the_lower_wins),
      T(many_headers_are_counted_in_a_section_header),
      T(lying_segments_are_corrupt), T(other_elf_files_are_told_apart),
      T(a_core_of_a_process_is_refused), T(a_core_without_memory_is_corrupt),
      T(virtual_only_memory_is_left_out), T(cut_short_anywhere_it_is_an_error),
      T(prstatus_gives_general_registers),
      T(qemu_gives_segments_and_control_registers),
      T(a_qemu_note_without_kernel_gs_base_is_read),
      T(an_unknown_version_leaves_memory_usable),
      T(our_note_gives_every_register_and_wins),
      T(our_note_may_be_longer_but_not_shorter_than_it_says),
      T(a_base_without_its_segment_survives_a_worse_note),
      T(our_note_names_its_vcpu), T(virtualbox_gives_its_version_and_registers),
      T(older_virtualbox_has_no_tsc_aux_and_unknown_is_refused),
      T(unknown_notes_are_skipped), T(lying_notes_are_corrupt),
      T(a_qemu_note_that_lies_about_its_size_is_corrupt),
      T(notes_too_long_to_be_true_are_refused),
      T(the_paging_mode_is_known_without_efer),
      T(registers_of_a_long_mode_guest_are_qemus_own),
      T(registers_of_real_and_protected_mode_are_qemus_own))
