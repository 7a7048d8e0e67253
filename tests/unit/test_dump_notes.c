/* SPDX-License-Identifier: MIT */
/* The notes of an ELF core: vCPUs as Linux, QEMU and we tell of them. */
#include <microvmi/microvmi.h>

#include <string.h>

#include "dump_elf.h"
#include "harness.h"

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

TESTS(T(prstatus_gives_general_registers),
      T(qemu_gives_segments_and_control_registers),
      T(a_qemu_note_without_kernel_gs_base_is_read),
      T(an_unknown_version_leaves_memory_usable),
      T(our_note_gives_every_register_and_wins),
      T(our_note_may_be_longer_but_not_shorter_than_it_says),
      T(a_base_without_its_segment_survives_a_worse_note),
      T(our_note_names_its_vcpu), T(unknown_notes_are_skipped),
      T(lying_notes_are_corrupt),
      T(a_qemu_note_that_lies_about_its_size_is_corrupt),
      T(notes_too_long_to_be_true_are_refused),
      T(cut_short_anywhere_it_is_an_error))
