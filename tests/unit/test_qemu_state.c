/* SPDX-License-Identifier: MIT */
/*
 * QEMU's device state against what QEMU itself printed at the same stop.
 *
 * tests/data/qemu-state/ has recordings of QEMU 7.2, 10.0 and 11.1: a .bin from
 * xen-save-devices-state and a .txt from "info registers -a". The guest of all
 * but the kvm ones is tests/guests/tiny.S, whose MSRs the text lacks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/qemu/state.h"
#include "harness.h"

#define VCPUS_MAX 4

static const struct recording {
	const char *name;
	bool kvm;
	size_t count;
	uint32_t index[VCPUS_MAX];
} recordings[] = {
	{ "7.2-pc-1", false, 1, { 0 } },
	{ "7.2-q35-4", false, 4, { 0, 1, 2, 3 } },
	{ "7.2-hotplug", false, 2, { 0, 4 } },
	{ "7.2-kvm", true, 2, { 0, 1 } },
	{ "10.0-pc-1", false, 1, { 0 } },
	{ "10.0-q35-4", false, 4, { 0, 1, 2, 3 } },
	{ "11.1-pc-1", false, 1, { 0 } },
	{ "11.1-q35-4", false, 4, { 0, 1, 2, 3 } },
	{ "11.1-hotplug", false, 2, { 0, 4 } },
	{ "11.1-kvm", true, 2, { 0, 1 } },
};
#define RECORDINGS (sizeof(recordings) / sizeof(recordings[0]))

/* The two that the cases with changed bytes begin with. */
static const struct recording *const walked = &recordings[0];
static const struct recording *const searched = &recordings[1];

static uint8_t bytes[1 << 18];
static char text[1 << 14];
static struct qemu_state_vcpu vcpus[VCPUS_MAX];
static struct mvmi_error error;

static size_t
load_file(const char *name, const char *ext, void *dst, size_t max)
{
	char path[512];
	size_t len;
	FILE *fp;

	(void)snprintf(path, sizeof(path), "%s/qemu-state/%s.%s", TEST_DATA,
		       name, ext);
	fp = fopen(path, "rb");
	CHECK(fp);
	len = fread(dst, 1, max, fp);
	CHECK(len < max && fclose(fp) == 0);
	return len;
}

/* Load a recording, and ask for all its vCPUs. */
static struct mvmi_bytes load(const struct recording *rec)
{
	struct mvmi_bytes stream = { bytes, 0 };

	stream.len = load_file(rec->name, "bin", bytes, sizeof(bytes));
	text[load_file(rec->name, "txt", text, sizeof(text) - 1)] = 0;
	memset(vcpus, 0, sizeof(vcpus));
	for (size_t i = 0; i < rec->count; i++)
		vcpus[i].index = rec->index[i];
	return stream;
}

static enum mvmi_status
parse(const struct recording *rec, struct mvmi_bytes stream)
{
	return qemu_state_parse(stream, rec->kvm, rec->count, vcpus, &error);
}

/* Padding is compared too: what is left alone is left alone to the byte. */
static bool is_same(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

static bool was_left_alone(const struct recording *rec)
{
	for (size_t i = 0; i < rec->count; i++) {
		struct qemu_state_vcpu fresh;

		memset(&fresh, 0, sizeof(fresh));
		fresh.index = rec->index[i];
		if (!is_same(&fresh, &vcpus[i], sizeof(fresh)))
			return false;
	}
	return true;
}

/* What is behind "name=" in one vCPU's lines; NULL if it is not there. */
static const char *find_printed(const char *lines, const char *name)
{
	const char *at = lines, *end = strstr(lines + 1, "\nCPU#");

	while ((at = strstr(at, name)) != NULL && (!end || at < end)) {
		const char *eq = at + strlen(name);
		bool starts = at[-1] == ' ' || at[-1] == '\n';

		eq += strspn(eq, " ");
		if (*eq == '=' && starts)
			return eq + 1;
		at++;
	}
	return NULL;
}

/* The nth hexadecimal number behind "name=". */
static uint64_t printed(const char *lines, const char *name, unsigned nth)
{
	const char *at = find_printed(lines, name);
	uint64_t value = 0;
	char *next;

	if (!at)
		printf("# %s is not in the text\n", name);
	CHECK(at);
	for (unsigned i = 0; i <= nth; i++, at = next) {
		value = strtoull(at, &next, 16);
		CHECK(next != at);
	}
	return value;
}

static const char *lines_of(uint32_t index)
{
	char head[32];
	const char *lines;

	(void)snprintf(head, sizeof(head), "\nCPU#%" PRIu32 "\n", index);
	lines = strstr(text, head);
	CHECK(lines);
	return lines;
}

/* Outside of long mode QEMU prints 32 bits, and E for R. */
static void check_general(const char *lines, const struct mvmi_regs_x86 *x86)
{
	static const char *const names[] = { "AX", "CX", "DX", "BX",
					     "SP", "BP", "SI", "DI" };
	char prefix = find_printed(lines, "RIP") ? 'R' : 'E';
	char name[16];

	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(name, sizeof(name), "%c%s", prefix, names[i]);
		CHECK(x86->gpr[i] == printed(lines, name, 0));
	}
	(void)snprintf(name, sizeof(name), "%cIP", prefix);
	CHECK(x86->rip == printed(lines, name, 0));
	(void)snprintf(name, sizeof(name), "%cFL", prefix);
	CHECK(x86->rflags == printed(lines, name, 0));
	for (unsigned i = 8; i < 16 && prefix == 'R'; i++) {
		(void)snprintf(name, sizeof(name), "R%u", i);
		CHECK(x86->gpr[i] == printed(lines, name, 0));
	}
}

static void check_segments(const char *lines, const struct mvmi_regs_x86 *x86)
{
	static const char *const names[] = { "ES", "CS", "SS",	"DS",
					     "FS", "GS", "LDT", "TR" };

	for (unsigned i = 0; i < MVMI_SEG_COUNT; i++) {
		const struct mvmi_segment *seg = &x86->seg[i];
		uint64_t flags = printed(lines, names[i], 3);

		CHECK(seg->selector == printed(lines, names[i], 0));
		CHECK(seg->base == printed(lines, names[i], 1));
		CHECK(seg->limit == printed(lines, names[i], 2));
		CHECK((seg->attributes & 0xffff) == (flags >> 8 & 0xf0ff));
		CHECK((seg->attributes >> 16 & 1) != (flags >> 15 & 1));
	}
	CHECK(x86->gdtr.base == printed(lines, "GDT", 0));
	CHECK(x86->gdtr.limit == printed(lines, "GDT", 1));
	CHECK(x86->idtr.base == printed(lines, "IDT", 0));
	CHECK(x86->idtr.limit == printed(lines, "IDT", 1));
}

static void check_control(const char *lines, const struct mvmi_regs_x86 *x86)
{
	CHECK(x86->cr0 == printed(lines, "CR0", 0));
	CHECK(x86->cr2 == printed(lines, "CR2", 0));
	CHECK(x86->cr3 == printed(lines, "CR3", 0));
	CHECK(x86->cr4 == printed(lines, "CR4", 0));
	CHECK(x86->efer == printed(lines, "EFER", 0));
	CHECK(x86->dr[0] == printed(lines, "DR0", 0));
	CHECK(x86->dr[1] == printed(lines, "DR1", 0));
	CHECK(x86->dr[2] == printed(lines, "DR2", 0));
	CHECK(x86->dr[3] == printed(lines, "DR3", 0));
	CHECK(x86->dr[6] == printed(lines, "DR6", 0));
	CHECK(x86->dr[7] == printed(lines, "DR7", 0));
}

static uint64_t le64(const uint8_t *at)
{
	uint64_t value = 0;

	for (size_t i = 8; i > 0; i--)
		value = value << 8 | at[i - 1];
	return value;
}

static void check_x87(const char *lines, const struct mvmi_x87 *x87, bool kvm)
{
	unsigned top = kvm ? 0 : x87->fsw >> 11 & 7;
	char name[16];

	CHECK(x87->fcw == printed(lines, "FCW", 0));
	CHECK(x87->fsw == printed(lines, "FSW", 0));
	CHECK(x87->ftw == printed(lines, "FTW", 0));
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *st = x87->st[(i - top) & 7];

		(void)snprintf(name, sizeof(name), "FPR%u", i);
		CHECK(le64(st) == printed(lines, name, 0));
		CHECK((le64(st + 8) & 0xffff) == printed(lines, name, 1));
	}
}

/* QEMU prints YMM if XCR0 has it, else XMM, and eight outside of long mode. */
static void check_vectors(const char *lines, const struct mvmi_regs_x86 *x86)
{
	bool is_ymm = find_printed(lines, "YMM00");
	unsigned count = find_printed(lines, "RIP") ? 16 : 8;
	unsigned low = is_ymm ? 3 : 1;
	char name[16];

	CHECK(x86->mxcsr == printed(lines, "MXCSR", 0));
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "%cMM%02u",
			       is_ymm ? 'Y' : 'X', i);
		CHECK(le64(x86->xmm[i]) == printed(lines, name, low));
		CHECK(le64(x86->xmm[i] + 8) == printed(lines, name, low - 1));
	}
	for (unsigned i = 0; i < count && is_ymm; i++) {
		(void)snprintf(name, sizeof(name), "YMM%02u", i);
		CHECK(le64(x86->ymm_high[i]) == printed(lines, name, 1));
		CHECK(le64(x86->ymm_high[i] + 8) == printed(lines, name, 0));
	}
}

static void check_vcpu(const struct qemu_state_vcpu *vcpu, bool kvm)
{
	const struct mvmi_regs_x86 *x86 = &vcpu->regs.x86;
	const char *lines = lines_of(vcpu->index);

	CHECK(vcpu->halted == printed(lines, "HLT", 0));
	check_general(lines, x86);
	check_segments(lines, x86);
	check_control(lines, x86);
	check_x87(lines, &x86->x87, kvm);
	check_vectors(lines, x86);
}

static void state_equals_what_qemu_printed(void)
{
	for (size_t r = 0; r < RECORDINGS; r++) {
		const struct recording *rec = &recordings[r];

		printf("# %s\n", rec->name);
		CHECK(parse(rec, load(rec)) == MVMI_OK);
		for (size_t i = 0; i < rec->count; i++)
			check_vcpu(&vcpus[i], rec->kvm);
	}
}

static void state_has_the_msrs_that_the_guest_wrote(void)
{
	for (size_t r = 0; r < RECORDINGS; r++) {
		const struct mvmi_regs_x86 *x86 = &vcpus[0].regs.x86;
		const struct recording *rec = &recordings[r];

		if (rec->kvm)
			continue;
		CHECK(parse(rec, load(rec)) == MVMI_OK);
		CHECK(x86->star == UINT64_C(0x0023001000000000));
		CHECK(x86->lstar == UINT64_C(0xffffffff81c00080));
		CHECK(x86->cstar == UINT64_C(0xffffffff81c00200));
		CHECK(x86->sfmask == 0x257fd5);
		CHECK(x86->kernel_gs_base == UINT64_C(0xffff891122334477));
		CHECK(x86->seg[MVMI_SEG_FS].base ==
		      UINT64_C(0x00007f1122334455));
		CHECK(x86->seg[MVMI_SEG_GS].base ==
		      UINT64_C(0xffff881122334466));
		CHECK(x86->sysenter_cs == 0x10);
		CHECK(x86->sysenter_esp == UINT64_C(0xfffffe0000003000));
		CHECK(x86->sysenter_eip == UINT64_C(0xffffffff81c01430));
		CHECK(x86->pat == UINT64_C(0x0007040600070106));
		CHECK(x86->tsc_aux == 0x2a);
		CHECK(x86->cr8 == 5);
		CHECK(x86->apic_base == 0xfee00900);
		CHECK(x86->xcr0 == (strstr(rec->name, "hotplug") ? 1 : 7));
	}
}

static void state_puts_st0_first(void)
{
	static const uint8_t pi[10] = { 0x35, 0xc2, 0x68, 0x21, 0xa2,
					0xda, 0x0f, 0xc9, 0x00, 0x40 };
	const struct mvmi_x87 *x87 = &vcpus[0].regs.x86.x87;

	/* The guest pushed two values, so that ST0 is physical register 6. */
	CHECK(parse(walked, load(walked)) == MVMI_OK);
	CHECK(memcmp(x87->st[0], pi, sizeof(pi)) == 0);
	CHECK(x87->ftw == 0xc0);
	/* KVM's order is that of the stack already. */
	CHECK(qemu_state_parse(load(walked), true, 1, vcpus, NULL) == MVMI_OK);
	CHECK(memcmp(x87->st[6], pi, sizeof(pi)) == 0);
}

static void state_has_every_register(void)
{
	CHECK(parse(searched, load(searched)) == MVMI_OK);
	for (size_t i = 0; i < searched->count; i++) {
		for (unsigned reg = 0; reg < MVMI_REG_COUNT; reg++)
			CHECK(mvmi_regset_has(vcpus[i].regs.valid,
					      (enum mvmi_reg)reg));
		CHECK(mvmi_regset_is_empty(vcpus[i].regs.dirty));
	}
}

static void state_gives_one_vcpu_of_many(void)
{
	struct mvmi_bytes stream = load(searched);
	struct qemu_state_vcpu all[VCPUS_MAX];

	CHECK(parse(searched, stream) == MVMI_OK);
	memcpy(all, vcpus, sizeof(all));
	for (uint32_t i = 0; i < searched->count; i++) {
		struct qemu_state_vcpu one = { .index = i };

		CHECK(qemu_state_parse(stream, false, 1, &one, NULL) ==
		      MVMI_OK);
		CHECK(one.halted == all[i].halted);
		CHECK(is_same(&one.regs.x86, &all[i].regs.x86,
			      sizeof(one.regs.x86)));
	}
}

/* Parse the first len bytes. */
static enum mvmi_status parse_cut(const struct recording *rec, size_t len)
{
	/* Exactly as long, so that ASan sees a read past it. */
	uint8_t *copy = malloc(len + !len);
	struct mvmi_bytes cut = { copy, len };
	enum mvmi_status status;

	CHECK(copy);
	memcpy(copy, bytes, len);
	status = parse(rec, cut);
	free(copy);
	return status;
}

static void state_cut_anywhere_is_an_error(void)
{
	for (size_t r = 0; r < RECORDINGS; r++) {
		const struct recording *rec = &recordings[r];
		size_t whole = load(rec).len;

		for (size_t len = 0; len < whole; len++)
			CHECK(parse_cut(rec, len) == MVMI_ERR_CORRUPT);
		CHECK(was_left_alone(rec));
	}
}

/* The first place of the needle. */
static uint8_t *find(struct mvmi_bytes stream, const void *needle, size_t len)
{
	for (size_t i = 0; i + len <= stream.len; i++) {
		if (memcmp(bytes + i, needle, len) == 0)
			return bytes + i;
	}
	CHECK(false);
	return NULL;
}

static uint8_t *find_cpu(struct mvmi_bytes stream)
{
	return find(stream, "\3cpu\0\0\0\0\0\0\0\14", 12);
}

static void state_refuses_another_version_by_name(void)
{
	const struct recording *const both[] = { walked, searched };

	for (size_t i = 0; i < 2; i++) {
		struct mvmi_bytes stream = load(both[i]);

		find_cpu(stream)[11] = 13;
		CHECK(parse(both[i], stream) == MVMI_ERR_UNSUPPORTED);
		CHECK(strstr(error.msg, "\"cpu\" version 13"));
		CHECK(was_left_alone(both[i]));
	}
}

static void state_refuses_an_unknown_subsection_by_name(void)
{
	struct mvmi_bytes stream = load(walked);

	find(stream, "cpu/poll_control_msr", 20)[19] = 'x';
	CHECK(parse(walked, stream) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(error.msg, "\"cpu/poll_control_msx\" version 1"));
	CHECK(was_left_alone(walked));
}

static void state_refuses_another_subsection_version(void)
{
	struct mvmi_bytes stream = load(walked);

	find(stream, "cpu/poll_control_msr", 20)[23] = 2;
	CHECK(parse(walked, stream) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(error.msg, "\"cpu/poll_control_msr\" version 2"));
}

static void state_refuses_another_stream_version(void)
{
	struct mvmi_bytes stream = load(walked);

	bytes[7] = 4;
	CHECK(parse(walked, stream) == MVMI_ERR_UNSUPPORTED);
	bytes[0] = 'q';
	CHECK(parse(walked, stream) == MVMI_ERR_CORRUPT);
}

static void state_refuses_the_old_x87_format(void)
{
	struct mvmi_bytes stream = load(walked);

	/* Behind the header: 18 words, hflags, then fpuc, fpus, fptag. */
	find_cpu(stream)[12 + 18 * 8 + 4 + 7] = 1;
	CHECK(parse(walked, stream) == MVMI_ERR_UNSUPPORTED);
	CHECK(was_left_alone(walked));
}

static void state_wants_the_footer_of_its_section(void)
{
	struct mvmi_bytes stream = load(walked);

	find_cpu(stream)[-1] ^= 1;
	CHECK(parse(walked, stream) == MVMI_ERR_CORRUPT);
	CHECK(was_left_alone(walked));
}

static void state_names_a_missing_vcpu(void)
{
	struct mvmi_bytes stream = load(searched);

	vcpus[2].index = 7;
	CHECK(parse(searched, stream) == MVMI_ERR_CORRUPT);
	CHECK(strstr(error.msg, "vCPU 7"));
}

/*
 * Put a copy of bytes from a place of the stream into the last device, as a
 * guest that knows QEMU's format could, with another RAX.
 */
static struct mvmi_bytes
imitate(struct mvmi_bytes stream, const uint8_t *from, size_t len)
{
	uint8_t copy[4096];
	uint8_t *tail = bytes + stream.len - 6;

	CHECK(len <= sizeof(copy) && stream.len + len <= sizeof(bytes));
	memcpy(copy, from, len);
	for (size_t i = 0; i + 13 <= len; i++) {
		if (memcmp(copy + i, "\3cpu", 4) == 0)
			copy[i + 12] ^= 0xff;
	}
	memmove(tail + len, tail, 6);
	memcpy(tail, copy, len);
	stream.len += len;
	return stream;
}

static void state_walked_to_is_not_confused_by_an_imitation(void)
{
	struct mvmi_bytes stream = load(walked);
	const uint8_t *common = find(stream, "\12cpu_common", 11) - 5;
	struct mvmi_regs_x86 truth;

	CHECK(parse(walked, stream) == MVMI_OK);
	truth = vcpus[0].regs.x86;
	stream = imitate(stream, common, 37 + 1904);
	CHECK(parse(walked, stream) == MVMI_OK);
	CHECK(is_same(&truth, &vcpus[0].regs.x86, sizeof(truth)));
}

static void state_searched_for_is_refused_with_an_imitation(void)
{
	struct mvmi_bytes stream = load(searched);
	const uint8_t *common = find(stream, "\12cpu_common", 11) - 5;

	stream = imitate(stream, common, 37 + 1904);
	CHECK(parse(searched, stream) == MVMI_ERR_CORRUPT);
	CHECK(strstr(error.msg, "2 places"));
	CHECK(strstr(error.msg, "vCPU 0"));
	CHECK(was_left_alone(searched));
}

static void state_imitated_header_alone_hides_nothing(void)
{
	struct mvmi_bytes stream = load(searched);

	stream = imitate(stream, find_cpu(stream) - 5, 17);
	CHECK(parse(searched, stream) == MVMI_ERR_CORRUPT);
	CHECK(was_left_alone(searched));
}

static void state_imitated_apic_costs_only_its_registers(void)
{
	struct mvmi_bytes stream = load(searched);

	stream = imitate(stream, find(stream, "\4apic", 5) - 5, 204);
	CHECK(parse(searched, stream) == MVMI_OK);
	CHECK(!mvmi_regset_has(vcpus[0].regs.valid, MVMI_REG_CR8));
	CHECK(!mvmi_regset_has(vcpus[0].regs.valid, MVMI_REG_APIC_BASE));
	CHECK(mvmi_regset_has(vcpus[0].regs.valid, MVMI_REG_LSTAR));
	CHECK(mvmi_regset_has(vcpus[1].regs.valid, MVMI_REG_CR8));
}

TESTS(T(state_equals_what_qemu_printed),
      T(state_has_the_msrs_that_the_guest_wrote), T(state_puts_st0_first),
      T(state_has_every_register), T(state_gives_one_vcpu_of_many),
      T(state_cut_anywhere_is_an_error),
      T(state_refuses_another_version_by_name),
      T(state_refuses_an_unknown_subsection_by_name),
      T(state_refuses_another_subsection_version),
      T(state_refuses_another_stream_version),
      T(state_refuses_the_old_x87_format),
      T(state_wants_the_footer_of_its_section), T(state_names_a_missing_vcpu),
      T(state_walked_to_is_not_confused_by_an_imitation),
      T(state_searched_for_is_refused_with_an_imitation),
      T(state_imitated_header_alone_hides_nothing),
      T(state_imitated_apic_costs_only_its_registers))
