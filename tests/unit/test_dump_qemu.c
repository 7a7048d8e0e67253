/* SPDX-License-Identifier: MIT */
/* QEMU's own cores, with what QEMU said of their vCPUs. */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

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
	char path[] = "test_dump_qemu.XXXXXX";
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

TESTS(T(the_paging_mode_is_known_without_efer),
      T(registers_of_a_long_mode_guest_are_qemus_own),
      T(registers_of_real_and_protected_mode_are_qemus_own))
