/* SPDX-License-Identifier: MIT */
/*
 * A Linux guest: whatever its memory and registers are, the result is an error
 * with words, or lists that end.
 *
 * An input is a list of changes to a good guest, for chance makes none: its
 * first byte chooses which ways to the kernel there are, and each four after
 * that change one byte of what is read on the way.
 */
#include <microvmi/os.h>
#include <stdlib.h>
#include <string.h>

#define RAMVM_PAGES ((size_t)6 << 8)

#include "../linux_gen.h"
#include "../ramvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Bits of an input's first byte. */
enum {
	WITH_FIVE_LEVELS = 1,
	NO_REGISTERS = 2,
	NO_VMCOREINFO = 4,
	NO_KALLSYMS = 8,
	NOT_MAPPED = 16,
	WITH_PTI = 32,
};

#define CHANGES_MAX 64
#define REGISTERS   8 /* the area that stands for them */

/** By five_level; and with BTF large enough for NO_KALLSYMS, behind. */
static struct lgen guests[4];
static uint8_t *pristine[4];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void make_guests(void)
{
	for (size_t i = 0; i < 4; i++) {
		pristine[i] = calloc(1, LGEN_LEN);
		require(pristine[i] != NULL);
		lgen_make(&guests[i], pristine[i], i % 2, i / 2);
	}
}

/** Where an area of an input's is in memory. */
static uint64_t area_at(const struct lgen *guest, uint8_t area)
{
	const uint64_t rodata = LGEN_RODATA_GPA;

	switch (area % (REGISTERS + 1)) {
	case 0:
		return LGEN_GPA + LGEN_PGD;
	case 1:
		return LGEN_GPA + LGEN_VARIABLES;
	case 2:
		return LGEN_TASKS;
	case 3:
		return LGEN_VMCOREINFO;
	case 4:
		return rodata + guest->kallsyms.num_syms;
	case 5:
		return rodata + guest->kallsyms.marker_table;
	case 6:
		return LGEN_GPA + LGEN_BTF;
	default:
		return LGEN_GPA + LGEN_NOTES;
	}
}

static void set_registers(uint8_t ways)
{
	struct mvmi_regs *regs = &ramvm.regs;

	*regs = mvmi_regs_empty();
	if (ways & NO_REGISTERS)
		return;
	for (int r = 0; r < MVMI_REG_COUNT; r++)
		mvmi_regset_add(&regs->valid, (enum mvmi_reg)r);
	regs->x86.cr0 = 0x80050033;
	regs->x86.cr3 = LGEN_GPA + LGEN_PGD + (ways & WITH_PTI ? 0x1800 : 0);
	regs->x86.cr4 = ways & WITH_FIVE_LEVELS ? 0x1020 : 0x20;
	regs->x86.efer = 0xd01;
	regs->x86.seg[MVMI_SEG_CS].selector = 0x10;
	regs->x86.seg[MVMI_SEG_GS].base = lgen_per_cpu(1);
}

static void change(const struct lgen *guest, const uint8_t *record)
{
	size_t off = record[1] | (size_t)record[2] << 8;

	if (record[0] % (REGISTERS + 1) == REGISTERS)
		((uint8_t *)&ramvm.regs.x86)[off % sizeof(ramvm.regs.x86)] =
			record[3];
	else
		ramvm.ram[area_at(guest, record[0]) + off] = record[3];
}

static void set_memory(const struct lgen *guest, size_t which, uint8_t ways)
{
	memcpy(ramvm.ram, pristine[which], LGEN_LEN);
	lgen_put(&(struct lgen){ .ram = ramvm.ram },
		 LGEN_CPUS + LGEN_CPU_LEN + UINT64_C(8) * LGEN_CURRENT_TASK,
		 LGEN_DIRECT + LGEN_TASKS);
	if (ways & WITH_PTI)
		lgen_isolate(&(struct lgen){ .ram = ramvm.ram });
	if (ways & NO_VMCOREINFO)
		memset(ramvm.ram + LGEN_VMCOREINFO, 0, 4096);
	if (ways & NO_KALLSYMS)
		memset(ramvm.ram + LGEN_RODATA_GPA +
			       guest->kallsyms.token_table,
		       0, 512);
}

/** A call failed: it says how. */
static bool worked(enum mvmi_status status, struct mvmi_error *err)
{
	if (status == MVMI_OK)
		return true;
	require(err->status == status && err->msg[0]);
	memset(err, 0, sizeof(*err));
	return false;
}

static void ask(struct mvmi_os *os)
{
	struct mvmi_os_info info = { .size = sizeof(info) };
	struct mvmi_error err = { .status = MVMI_OK };
	const struct mvmi_current_list *current;
	const struct mvmi_module_list *modules;
	const struct mvmi_task_list *tasks;
	struct mvmi_symbols *symbols;

	require(mvmi_os_get_info(os, &info, &err) == MVMI_OK);
	require(memchr(info.release, 0, sizeof(info.release)) &&
		memchr(info.version, 0, sizeof(info.version)) && info.cpus);
	if (worked(mvmi_os_list_current(os, &current, &err), &err)) {
		for (size_t i = 0; i < current->count; i++)
			require(current->items[i]->task->name != NULL);
		mvmi_os_free(current);
	}
	if (worked(mvmi_os_list_tasks(os, MVMI_TASK_THREADS, &tasks, &err),
		   &err))
		mvmi_os_free(tasks);
	if (worked(mvmi_os_list_modules(os, &modules, &err), &err))
		mvmi_os_free(modules);
	if (worked(mvmi_os_symbols(os, &symbols, &err), &err))
		mvmi_symbols_destroy(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mvmi_error err = { .status = MVMI_OK };
	const struct lgen *guest;
	struct mvmi_os *os;
	struct mvmi_vm *vm;
	size_t changes;
	size_t which;

	if (!pristine[0]) {
		make_guests();
		ramvm_reset();
	}
	if (size == 0)
		return 0;
	which = (data[0] & WITH_FIVE_LEVELS) + (data[0] & NO_KALLSYMS ? 2 : 0);
	guest = &guests[which];
	set_memory(guest, which, data[0]);
	set_registers(data[0]);
	changes = (size - 1) / 4 < CHANGES_MAX ? (size - 1) / 4 : CHANGES_MAX;
	for (size_t i = 0; i < changes; i++)
		change(guest, data + 1 + 4 * i);
	ramvm.mapped = !(data[0] & NOT_MAPPED);
	ramvm.frozen = true;
	vm = ramvm_open();
	if (worked(mvmi_os_open(vm, NULL, &os, &err), &err)) {
		ask(os);
		mvmi_os_close(os);
	}
	mvmi_vm_close(vm);
	return 0;
}
