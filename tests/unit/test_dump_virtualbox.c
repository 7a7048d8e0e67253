/* SPDX-License-Identifier: MIT */
/* The notes of VirtualBox's cores. */
#include <microvmi/microvmi.h>

#include <string.h>

#include "dump_elf.h"
#include "harness.h"

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

TESTS(T(virtualbox_gives_its_version_and_registers),
      T(older_virtualbox_has_no_tsc_aux_and_unknown_is_refused))
