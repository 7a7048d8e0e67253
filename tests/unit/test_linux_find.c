/* SPDX-License-Identifier: MIT */
/* Finding a Linux kernel, in guests that are small, strange or hostile. */
#include <microvmi/os.h>
#include <stdio.h>
#include <unistd.h>

#define RAMVM_PAGES ((size_t)6 << 8)

#include "harness.h"
#include "linux_gen.h"
#include "ramvm.h"

#define ROOT	 (LGEN_GPA + LGEN_PGD)
#define CR4_PAE	 (UINT64_C(1) << 5)
#define CR4_LA57 (UINT64_C(1) << 12)

static struct lgen guest;
static struct mvmi_error err;

/** A guest, whose vCPU shows the registers that long mode has. */
static void make_guest(bool five_level, bool large_btf)
{
	struct mvmi_regs *regs = &ramvm.regs;

	ramvm_reset();
	ramvm.frozen = true;
	lgen_make(&guest, ramvm.ram, five_level, large_btf);
	regs->x86.cr0 = 0x80050033;
	regs->x86.cr3 = ROOT;
	regs->x86.cr4 = CR4_PAE | (five_level ? CR4_LA57 : 0);
	regs->x86.efer = 0xd01;
	regs->x86.seg[MVMI_SEG_CS].selector = 0x10;
	mvmi_regset_add(&regs->valid, MVMI_REG_CR0);
	mvmi_regset_add(&regs->valid, MVMI_REG_CR3);
	mvmi_regset_add(&regs->valid, MVMI_REG_CR4);
	mvmi_regset_add(&regs->valid, MVMI_REG_EFER);
	mvmi_regset_add(&regs->valid, MVMI_REG_CS);
	err = (struct mvmi_error){ .status = MVMI_OK };
}

/** As a dump of nothing but memory. */
static void forget_registers(void)
{
	ramvm.regs = mvmi_regs_empty();
}

static enum mvmi_status
open_with(const struct mvmi_os_options *options, struct mvmi_os_info *info)
{
	struct mvmi_vm *vm = ramvm_open();
	struct mvmi_os *os = NULL;
	enum mvmi_status status = mvmi_os_open(vm, options, &os, &err);

	*info = (struct mvmi_os_info){ .size = sizeof(*info) };
	if (status == MVMI_OK)
		status = mvmi_os_get_info(os, info, &err);
	mvmi_os_close(os);
	mvmi_vm_close(vm);
	return status;
}

static enum mvmi_status open_guest(struct mvmi_os_info *info)
{
	return open_with(NULL, info);
}

static bool says(const char *text)
{
	if (strstr(err.msg, text))
		return true;
	printf("# the message is: %s\n", err.msg);
	return false;
}

static bool found(const char *by, const char *checked_by)
{
	struct mvmi_os_info info;

	if (open_guest(&info) != MVMI_OK) {
		printf("# %s\n", err.msg);
		return false;
	}
	if (strcmp(info.found_by, by) != 0 ||
	    strcmp(info.checked_by, checked_by) != 0) {
		printf("# by %s, checked by %s\n", info.found_by,
		       info.checked_by);
		return false;
	}
	return info.kernel_base.val == LGEN_BASE &&
	       info.kernel_gpa.val == LGEN_GPA;
}

static void wipe_vmcoreinfo(void)
{
	memset(guest.ram + LGEN_VMCOREINFO, 0, 4096);
}

static void wipe_kallsyms(void)
{
	memset(guest.ram + LGEN_RODATA_GPA + guest.kallsyms.token_table, 0,
	       512);
}

static void registers_lead_to_the_kernel(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	CHECK(found("registers", "VMCOREINFO"));
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(info.family == MVMI_OS_LINUX);
	CHECK(info.kernel_end.val == LGEN_BASE + 0x400000);
	CHECK(info.slide == LGEN_SLIDE);
	CHECK(info.paging == MVMI_PAGING_4LEVEL);
	CHECK(!info.page_table_isolation);
	CHECK(info.cpus == 2);
	CHECK(info.symbol_count == guest.kallsyms.count);
	CHECK(strcmp(info.build_id, lgen_build_id) == 0);
	CHECK(strcmp(info.release, "6.16.0-test") == 0);
}

static void five_levels_are_told_by_cr4(void)
{
	struct mvmi_os_info info;

	make_guest(true, false);
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(info.paging == MVMI_PAGING_5LEVEL);
	CHECK(info.kernel_base.val == LGEN_BASE);
}

static void bits_of_cr3_that_are_no_address_are_dropped(void)
{
	make_guest(false, false);
	/* PCID 0x801, NOFLUSH, LAM_U57. */
	ramvm.regs.x86.cr3 = ROOT | 0x801 | UINT64_C(0xa000000000000000);
	CHECK(found("registers", "VMCOREINFO"));
}

static void user_half_of_a_pair_leads_to_the_kernels_half(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	lgen_isolate(&guest);
	ramvm.regs.x86.cr3 = ROOT | 0x1000 | 0x800;
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(info.page_table_isolation);
	CHECK(strcmp(info.found_by, "registers") == 0);
}

static void root_at_an_odd_page_is_no_user_half(void)
{
	/* A process's tables, and nothing like tables before them. */
	const uint64_t odd = 0x51000;
	struct mvmi_os_info info;

	make_guest(false, false);
	memcpy(guest.ram + odd, guest.ram + ROOT, 4096);
	memset(guest.ram + odd - 4096, 0xa5, 4096);
	ramvm.regs.x86.cr3 = odd;
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(strcmp(info.found_by, "registers") == 0);
	CHECK(!info.page_table_isolation);
}

static void encryption_bit_is_dropped_from_root_and_entries(void)
{
	const uint64_t bit = UINT64_C(1) << 47;

	make_guest(false, false);
	ramvm.regs.x86.cr3 = ROOT | bit;
	for (uint64_t at = ROOT; at < LGEN_GPA + LGEN_BANNER; at += 8) {
		if (guest.ram[at] & 1)
			guest.ram[at + 5] |= 0x80;
	}
	CHECK(found("registers", "VMCOREINFO"));
}

static void vmcoreinfo_leads_to_the_kernel(void)
{
	make_guest(false, false);
	forget_registers();
	CHECK(found("VMCOREINFO", "token table"));
	ramvm.mapped = false;
	CHECK(found("VMCOREINFO", "token table"));
	make_guest(true, false);
	forget_registers();
	CHECK(found("VMCOREINFO", "token table"));
}

static void token_table_leads_to_the_kernel(void)
{
	make_guest(false, false);
	forget_registers();
	wipe_vmcoreinfo();
	CHECK(found("token table", "page tables"));
	ramvm.mapped = false;
	CHECK(found("token table", "page tables"));
	make_guest(true, false);
	forget_registers();
	wipe_vmcoreinfo();
	CHECK(found("token table", "page tables"));
}

static void kernel_without_kallsyms_is_found_by_its_types(void)
{
	struct mvmi_os_info info;

	make_guest(false, true);
	wipe_kallsyms();
	CHECK(found("registers", "init_task"));
	forget_registers();
	CHECK(found("VMCOREINFO", "init_task"));
	wipe_vmcoreinfo();
	CHECK(found("init_task", "page tables"));
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(strcmp(info.release, "6.16.0-test") == 0);
}

/** The kernel's own struct btf has a copy of the header; others may lie. */
static void mere_headers_of_types_are_passed_over(void)
{
	uint8_t *types;

	make_guest(false, true);
	wipe_kallsyms();
	forget_registers();
	wipe_vmcoreinfo();
	types = ramvm.ram + LGEN_GPA + LGEN_BTF;
	memcpy(ramvm.ram + LGEN_VMCOREINFO, types, BTF_HEADER_LEN);
	memcpy(ramvm.ram + LGEN_VMCOREINFO + 1028, types, BTF_HEADER_LEN + 100);
	CHECK(found("init_task", "page tables"));
}

static void of_five_levels_the_false_root_of_four_is_not_taken(void)
{
	struct mvmi_os_info info;

	make_guest(true, true);
	wipe_kallsyms();
	wipe_vmcoreinfo();
	forget_registers();
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(info.paging == MVMI_PAGING_5LEVEL);
}

static void real_mode_is_looked_past(void)
{
	make_guest(false, false);
	ramvm.regs.x86.cr0 = 0x10;
	CHECK(found("VMCOREINFO", "token table"));
}

static void no_linux_says_what_was_looked_for(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	memset(guest.ram, 0, LGEN_LEN);
	CHECK(open_guest(&info) == MVMI_ERR_UNSUPPORTED);
	CHECK(says("map no kernel"));
	CHECK(says("VMCOREINFO, kallsyms or BTF in 6 MiB"));
	forget_registers();
	CHECK(open_guest(&info) == MVMI_ERR_UNSUPPORTED);
	CHECK(says("cr0 is not known"));
}

static void page_tables_of_a_live_guest_have_the_last_word(void)
{
	struct mvmi_os_info info;

	/* A kernel lies in memory, and another system runs. */
	make_guest(false, false);
	ramvm.frozen = false;
	ramvm.regs.x86.cr3 = 0x51000;
	CHECK(open_guest(&info) == MVMI_ERR_UNSUPPORTED);
	CHECK(says("no x86-64 Linux kernel runs"));
	/* Of a dump it is found. */
	ramvm.frozen = true;
	CHECK(found("VMCOREINFO", "token table"));
}

static void symbols_that_put_the_kernel_elsewhere_are_corrupt(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	guest.kallsyms.symbols[0].addr = LGEN_BASE + 0x1000;
	guest.kallsyms.len = GEN_TABLES;
	memset(guest.ram + LGEN_RODATA_GPA, 0, GEN_MAX_IMAGE);
	gen_put(&guest.kallsyms, guest.kallsyms.count, 4);
	gen_align(&guest.kallsyms);
	gen_put_names(&guest.kallsyms);
	gen_put_tokens(&guest.kallsyms);
	gen_put_offsets(&guest.kallsyms);
	memcpy(guest.ram + LGEN_RODATA_GPA, guest.kallsyms.bytes,
	       guest.kallsyms.len);
	CHECK(open_guest(&info) == MVMI_ERR_CORRUPT);
	CHECK(says("symbols put _text at 0xffffffff9a201000"));
	CHECK(says("page tables map it from 0xffffffff9a200000"));
}

static void vmcoreinfo_that_contradicts_page_tables_is_corrupt(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	lgen_make_vmcoreinfo(&guest, LGEN_PHYS_BASE + 0x200000);
	CHECK(open_guest(&info) == MVMI_ERR_CORRUPT);
	CHECK(says("VMCOREINFO says 0x"));
}

static void lying_vmcoreinfo_does_not_hide_the_kernel(void)
{
	make_guest(false, false);
	forget_registers();
	/* One that the kernel does not know of, as malware would plant it. */
	wipe_vmcoreinfo();
	lgen_set(&guest, LGEN_VMCOREINFO_DATA, 0);
	lgen_make_vmcoreinfo(&guest, LGEN_PHYS_BASE + 0x1000000);
	CHECK(found("token table", "page tables"));
	/* Nor one that is cut off. */
	memset(guest.ram + LGEN_VMCOREINFO + 40, 0, 4056);
	CHECK(found("token table", "page tables"));
	ramvm.mapped = false;
	CHECK(found("token table", "page tables"));
}

static void banner_of_something_else_is_corrupt(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	guest.ram[LGEN_GPA + LGEN_BANNER] = 'X';
	CHECK(open_guest(&info) == MVMI_ERR_CORRUPT);
	CHECK(says("linux_banner"));
}

static void other_build_id_in_vmcoreinfo_is_corrupt(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	guest.ram[LGEN_GPA + LGEN_NOTES + 16] = 0xff;
	CHECK(open_guest(&info) == MVMI_ERR_CORRUPT);
	CHECK(says("build-id"));
}

static void lying_btf_is_corrupt(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	/* Its strings would reach 4 GiB beyond. */
	memset(guest.ram + LGEN_GPA + LGEN_BTF + 20, 0xff, 4);
	CHECK(open_guest(&info) == MVMI_ERR_CORRUPT);
	CHECK(says("BTF"));
}

static void four_billion_names_are_refused(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	memset(guest.ram + LGEN_RODATA_GPA + guest.kallsyms.num_syms, 0xff, 4);
	CHECK(open_guest(&info) != MVMI_OK);
	CHECK(err.msg[0]);
}

static void page_tables_that_map_themselves_end(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	for (uint64_t i = 0; i < 512; i++)
		lgen_entry(&guest, ROOT, i, ROOT | LGEN_TABLE);
	wipe_vmcoreinfo();
	CHECK(open_guest(&info) != MVMI_OK);
	CHECK(err.msg[0]);
}

static void direct_map_that_is_nowhere_is_corrupt(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	lgen_entry(&guest, ROOT, LGEN_DIRECT >> 39 & 511, 0);
	CHECK(open_guest(&info) == MVMI_ERR_CORRUPT);
	CHECK(says("direct map"));
}

static void direct_map_is_found_without_its_variable(void)
{
	make_guest(false, false);
	lgen_set(&guest, LGEN_PAGE_OFFSET_BASE, 0x1234000);
	CHECK(found("registers", "VMCOREINFO"));
}

static void more_cpus_than_there_can_be_are_not_believed(void)
{
	struct mvmi_os_info info;

	make_guest(false, false);
	lgen_set(&guest, LGEN_NR_CPU_IDS, 0xffffffff);
	CHECK(open_guest(&info) == MVMI_OK);
	CHECK(info.cpus >= 1 && info.cpus <= 8192);
}

/** Let CPU cpu be in init_task, by which register is said. */
static const struct mvmi_current_list *
list_current(struct mvmi_vm **vm, struct mvmi_os **os, uint64_t cpu)
{
	const struct mvmi_current_list *list = NULL;

	lgen_put(&guest,
		 LGEN_CPUS + cpu * LGEN_CPU_LEN +
			 UINT64_C(8) * LGEN_CURRENT_TASK,
		 LGEN_BASE + LGEN_TASK);
	*vm = ramvm_open();
	CHECK(mvmi_os_open(*vm, NULL, os, &err) == MVMI_OK);
	if (mvmi_os_list_current(*os, &list, &err) != MVMI_OK)
		printf("# %s\n", err.msg);
	return list;
}

static void current_task_is_found_by_gs(void)
{
	const struct mvmi_current_list *list;
	struct mvmi_vm *vm;
	struct mvmi_os *os;

	make_guest(false, false);
	ramvm.regs.x86.seg[MVMI_SEG_GS].base = lgen_per_cpu(1);
	mvmi_regset_add(&ramvm.regs.valid, MVMI_REG_GS_BASE);
	list = list_current(&vm, &os, 1);
	CHECK(list && list->count == 1);
	CHECK(list->items[0]->cpu == 1);
	CHECK(!list->items[0]->user_mode);
	CHECK(strcmp(list->items[0]->task->name, "swapper/0") == 0);
	mvmi_os_free(list);
	mvmi_os_close(os);
	mvmi_vm_close(vm);
}

static void user_mode_can_not_feign_another_cpu_by_gs(void)
{
	const struct mvmi_current_list *list;
	struct mvmi_vm *vm;
	struct mvmi_os *os;

	make_guest(false, false);
	ramvm.regs.x86.seg[MVMI_SEG_CS].selector = 0x33;
	ramvm.regs.x86.seg[MVMI_SEG_GS].base = lgen_per_cpu(0);
	ramvm.regs.x86.kernel_gs_base = lgen_per_cpu(1);
	mvmi_regset_add(&ramvm.regs.valid, MVMI_REG_GS_BASE);
	mvmi_regset_add(&ramvm.regs.valid, MVMI_REG_KERNEL_GS_BASE);
	list = list_current(&vm, &os, 1);
	CHECK(list && list->count == 1);
	CHECK(list->items[0]->cpu == 1);
	CHECK(list->items[0]->user_mode);
	mvmi_os_free(list);
	mvmi_os_close(os);
	mvmi_vm_close(vm);
}

static void current_task_is_found_by_the_task_state_segment(void)
{
	const struct mvmi_current_list *list;
	struct mvmi_vm *vm;
	struct mvmi_os *os;

	make_guest(false, false);
	/* Another address of the same bytes, as cpu_entry_area is. */
	ramvm.regs.x86.seg[MVMI_SEG_TR].base = LGEN_DIRECT + LGEN_CPUS +
					       LGEN_CPU_LEN + LGEN_TSS -
					       LGEN_VARIABLES;
	mvmi_regset_add(&ramvm.regs.valid, MVMI_REG_TR);
	list = list_current(&vm, &os, 1);
	CHECK(list && list->count == 1);
	CHECK(list->items[0]->cpu == 1);
	mvmi_os_free(list);
	mvmi_os_close(os);
	mvmi_vm_close(vm);
}

static void vcpu_that_is_no_cpu_of_the_guests_is_doubted(void)
{
	const struct mvmi_current_list *list;
	struct mvmi_vm *vm;
	struct mvmi_os *os;

	make_guest(false, false);
	list = list_current(&vm, &os, 1);
	CHECK(list && list->count == 0);
	CHECK(list->doubt[0]);
	mvmi_os_free(list);
	mvmi_os_close(os);
	mvmi_vm_close(vm);
}

static char file_path[64];

/** Write what a kernel of this guest would have as its System.map. */
static void write_system_map(uint64_t slide)
{
	FILE *f;

	(void)snprintf(file_path, sizeof(file_path),
		       "/tmp/microvmi-test-%ld.map", (long)getpid());
	f = fopen(file_path, "w");
	CHECK(f);
	for (size_t i = 0; i < guest.kallsyms.count; i++)
		(void)fprintf(
			f, "%016llx %c %s\n",
			(unsigned long long)(guest.kallsyms.symbols[i].addr -
					     slide),
			guest.kallsyms.symbols[i].type,
			guest.kallsyms.symbols[i].name);
	CHECK(fclose(f) == 0);
}

static void symbols_file_serves_a_kernel_without_kallsyms(void)
{
	struct mvmi_os_options options = { .size = sizeof(options),
					   .symbols_file = file_path };
	struct mvmi_os_info info;

	make_guest(false, false);
	wipe_kallsyms();
	write_system_map(LGEN_SLIDE);
	CHECK(open_with(&options, &info) == MVMI_OK);
	CHECK(info.symbol_count == guest.kallsyms.count);
	CHECK(info.cpus == 2);
	/* Of another kernel, where things are elsewhere. */
	guest.kallsyms.symbols[LGEN_COUNT + 1].addr += 0x1000;
	write_system_map(LGEN_SLIDE);
	CHECK(open_with(&options, &info) == MVMI_ERR_CORRUPT);
	CHECK(says(file_path));
	CHECK(unlink(file_path) == 0);
}

static void types_file_is_checked_against_the_guest(void)
{
	struct mvmi_os_options options = { .size = sizeof(options),
					   .types_file = file_path };
	struct mvmi_os_info info;
	FILE *f;

	make_guest(false, false);
	(void)snprintf(file_path, sizeof(file_path),
		       "/tmp/microvmi-test-%ld.btf", (long)getpid());
	f = fopen(file_path, "wb");
	CHECK(f);
	CHECK(fwrite(guest.ram + LGEN_GPA + LGEN_BTF, guest.btf_len, 1, f) ==
	      1);
	CHECK(fclose(f) == 0);
	CHECK(open_with(&options, &info) == MVMI_OK);
	guest.ram[LGEN_GPA + LGEN_TASK + LGEN_TASK_COMM] = 'X';
	CHECK(open_with(&options, &info) == MVMI_ERR_CORRUPT);
	CHECK(says(file_path));
	CHECK(unlink(file_path) == 0);
	CHECK(open_with(&options, &info) == MVMI_ERR_SYSTEM);
}

static void copies_of_a_kernel_that_are_none_end_the_search(void)
{
	struct mvmi_os_info info;

	/* Each page of VMCOREINFO leads to the same image without names. */
	make_guest(false, false);
	forget_registers();
	memset(guest.ram + LGEN_RODATA_GPA, 0, GEN_MAX_IMAGE);
	for (uint64_t gpa = 0x30000; gpa < LGEN_GPA; gpa += 4096)
		memcpy(guest.ram + gpa, guest.ram + LGEN_VMCOREINFO, 4096);
	CHECK(open_guest(&info) != MVMI_OK);
	CHECK(err.msg[0]);
}

/** Open the guest as a dump whose call number n fails. */
static enum mvmi_status open_failing(unsigned n, const char *status)
{
	char target[256];
	struct mvmi_vm *vm = NULL;
	struct mvmi_os *os = NULL;
	enum mvmi_status got;

	(void)snprintf(target, sizeof(target),
		       "fault:%u?target=dump:%s&status=%s", n, file_path,
		       status);
	err = (struct mvmi_error){ .status = MVMI_OK };
	got = mvmi_vm_open(target, NULL, &vm, &err);
	if (got == MVMI_OK)
		got = mvmi_os_open(vm, NULL, &os, &err);
	mvmi_os_close(os);
	mvmi_vm_close(vm);
	return got;
}

static void each_call_may_fail(void)
{
	enum mvmi_status status;
	unsigned calls = 0;
	FILE *f;

	make_guest(false, true);
	(void)snprintf(file_path, sizeof(file_path),
		       "/tmp/microvmi-test-%ld.raw", (long)getpid());
	f = fopen(file_path, "wb");
	CHECK(f);
	CHECK(fwrite(guest.ram, LGEN_LEN, 1, f) == 1);
	CHECK(fclose(f) == 0);
	/* A VM that ends stays so: it is found only if nobody noticed. */
	do {
		status = open_failing(++calls, "gone");
		CHECK(status == MVMI_OK || status == MVMI_ERR_GONE);
		CHECK(status == MVMI_OK || err.msg[0]);
	} while (status != MVMI_OK && calls < 5000);
	CHECK(status == MVMI_OK && calls > 10);
	/* Memory that can't be read is no reason to give up. */
	for (unsigned n = 1; n < calls; n++) {
		status = open_failing(n, "fault");
		CHECK(status == MVMI_OK || err.msg[0]);
	}
	CHECK(unlink(file_path) == 0);
}

static char profiles[64];

static void remove_profiles(void)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s.profile", profiles,
		       lgen_build_id);
	(void)unlink(path);
	(void)rmdir(profiles);
}

static void profile_is_used_where_the_bytes_are_the_same(void)
{
	struct mvmi_os_options options = { .size = sizeof(options),
					   .profile_dir = profiles };
	struct mvmi_os_info info;

	(void)snprintf(profiles, sizeof(profiles), "/tmp/microvmi-test.XXXXXX");
	CHECK(mkdtemp(profiles));
	make_guest(false, false);
	CHECK(open_with(&options, &info) == MVMI_OK);
	CHECK(!info.from_profile);
	CHECK(open_with(&options, &info) == MVMI_OK);
	CHECK(info.from_profile);
	CHECK(info.symbol_count == guest.kallsyms.count);
	/* The same build-id, and one other type: it is not believed. */
	guest.ram[LGEN_RODATA_GPA + guest.kallsyms.names + 1] = 'B';
	CHECK(open_with(&options, &info) == MVMI_OK);
	CHECK(!info.from_profile);
	remove_profiles();
}

TESTS(T(registers_lead_to_the_kernel), T(five_levels_are_told_by_cr4),
      T(bits_of_cr3_that_are_no_address_are_dropped),
      T(user_half_of_a_pair_leads_to_the_kernels_half),
      T(root_at_an_odd_page_is_no_user_half),
      T(encryption_bit_is_dropped_from_root_and_entries),
      T(vmcoreinfo_leads_to_the_kernel), T(token_table_leads_to_the_kernel),
      T(kernel_without_kallsyms_is_found_by_its_types),
      T(mere_headers_of_types_are_passed_over),
      T(of_five_levels_the_false_root_of_four_is_not_taken),
      T(real_mode_is_looked_past), T(no_linux_says_what_was_looked_for),
      T(page_tables_of_a_live_guest_have_the_last_word),
      T(symbols_that_put_the_kernel_elsewhere_are_corrupt),
      T(vmcoreinfo_that_contradicts_page_tables_is_corrupt),
      T(lying_vmcoreinfo_does_not_hide_the_kernel),
      T(banner_of_something_else_is_corrupt),
      T(other_build_id_in_vmcoreinfo_is_corrupt), T(lying_btf_is_corrupt),
      T(four_billion_names_are_refused), T(page_tables_that_map_themselves_end),
      T(direct_map_that_is_nowhere_is_corrupt),
      T(direct_map_is_found_without_its_variable),
      T(more_cpus_than_there_can_be_are_not_believed),
      T(current_task_is_found_by_gs),
      T(user_mode_can_not_feign_another_cpu_by_gs),
      T(current_task_is_found_by_the_task_state_segment),
      T(vcpu_that_is_no_cpu_of_the_guests_is_doubted),
      T(symbols_file_serves_a_kernel_without_kallsyms),
      T(types_file_is_checked_against_the_guest),
      T(copies_of_a_kernel_that_are_none_end_the_search), T(each_call_may_fail),
      T(profile_is_used_where_the_bytes_are_the_same))
