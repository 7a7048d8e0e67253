/* SPDX-License-Identifier: MIT */
/* The constants of a kernel's address space, and its CPUs. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/find/kernel.h"

/** CONFIG_NR_CPUS of x86 goes no higher (MAXSMP). */
#define CPUS_MAX 8192U

/**
 * Where the direct map is when no variable tells, because no KASLR moves it.
 * Linux: Documentation/arch/x86/x86_64/mm.rst; the last is that before 4.20.
 */
static const uint64_t page_offsets[] = {
	UINT64_C(0xffff888000000000),
	UINT64_C(0xff11000000000000),
	UINT64_C(0xffff880000000000),
};

static bool is_page_offset(const struct linux_os *guest, uint64_t page_offset)
{
	mvmi_gpa gpa;

	return mvmi_space_translate(
		       guest->os.space,
		       mvmi_gva_at(page_offset + guest->kernel.gpa.val), &gpa,
		       NULL) == MVMI_OK &&
	       gpa.val == guest->kernel.gpa.val;
}

/**
 * What init_task's neighbour says: a task_struct lies in the direct map, so it
 * is as far from its physical address as all of RAM.
 */
static uint64_t page_offset_of_tasks(const struct linux_os *guest)
{
	struct mvmi_field field;
	mvmi_gva init_task;
	uint64_t next;
	mvmi_gpa gpa;

	if (!guest->os.types ||
	    linux_symbol(guest, "init_task", &init_task, NULL) != MVMI_OK ||
	    mvmi_types_field(guest->os.types, "struct task_struct",
			     "tasks.next", &field, NULL) != MVMI_OK ||
	    mvmi_space_read_u64(guest->os.space,
				mvmi_gva_at(init_task.val + field.offset),
				&next, NULL) != MVMI_OK ||
	    mvmi_space_translate(guest->os.space, mvmi_gva_at(next), &gpa,
				 NULL) != MVMI_OK)
		return 0;
	return next - gpa.val;
}

static enum mvmi_status
find_page_offset(struct linux_os *guest, struct mvmi_error *err)
{
	uint64_t told = 0;

	if (kernel_read_u64(guest, "page_offset_base", &told, NULL) ==
		    MVMI_OK &&
	    is_page_offset(guest, told)) {
		guest->kernel.page_offset = told;
		return MVMI_OK;
	}
	guest->kernel.page_offset = page_offset_of_tasks(guest);
	if (is_page_offset(guest, guest->kernel.page_offset))
		return MVMI_OK;
	for (size_t i = 0; i < ARRAY_LEN(page_offsets); i++) {
		if (!is_page_offset(guest, page_offsets[i]))
			continue;
		guest->kernel.page_offset = page_offsets[i];
		return MVMI_OK;
	}
	return fail(err, MVMI_ERR_CORRUPT,
		    "the kernel's direct map of RAM is neither where "
		    "page_offset_base says (0x%" PRIx64 "), nor where its "
		    "first process is, nor where it is by default",
		    told);
}

/**
 * A variable of randomised layouts, or what it is where nothing is randomised;
 * 0: unknown.
 */
static uint64_t variable_or(const struct linux_os *guest, const char *name,
			    uint64_t level_4, uint64_t level_5)
{
	uint64_t value;

	if (kernel_read_u64(guest, name, &value, NULL) == MVMI_OK)
		return value;
	if (guest->kernel.page_offset == page_offsets[0])
		return level_4;
	return guest->kernel.page_offset == page_offsets[1] ? level_5 : 0;
}

/** One more than the highest CPU that is online. */
static unsigned count_cpus(const struct linux_os *guest)
{
	uint8_t mask[CPUS_MAX / 8] = { 0 };
	uint32_t ids = 0;
	unsigned count = 1;
	mvmi_gva gva;

	if (kernel_read_u32(guest, "nr_cpu_ids", &ids, NULL) != MVMI_OK ||
	    linux_symbol(guest, "__cpu_online_mask", &gva, NULL) != MVMI_OK)
		return count;
	ids = MIN(ids, CPUS_MAX);
	if (mvmi_space_read(guest->os.space, gva,
			    (struct mvmi_span){ mask, (ids + 7) / 8 },
			    NULL) != MVMI_OK)
		return count;
	for (unsigned cpu = 0; cpu < ids; cpu++) {
		if (mask[cpu / 8] >> cpu % 8 & 1)
			count = cpu + 1;
	}
	return count;
}

static enum mvmi_status
read_per_cpu(struct linux_os *guest, struct mvmi_error *err)
{
	struct linux_kernel *kernel = &guest->kernel;
	unsigned count = count_cpus(guest);
	size_t len = count * sizeof(*kernel->per_cpu);
	enum mvmi_status status;
	mvmi_gva gva;

	kernel->per_cpu = calloc(count, sizeof(*kernel->per_cpu));
	if (!kernel->per_cpu)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %u CPUs",
			    count);
	kernel->cpu_count = count;
	/* A kernel for one processor has none: its areas are not moved. */
	if (linux_symbol(guest, "__per_cpu_offset", &gva, NULL) != MVMI_OK)
		return MVMI_OK;
	status = mvmi_space_read(
		guest->os.space, gva,
		(struct mvmi_span){ (uint8_t *)kernel->per_cpu, len }, err);
	for (unsigned i = 0; status == MVMI_OK && i < count; i++)
		kernel->per_cpu[i] = load_le64(&kernel->per_cpu[i]);
	return fail_context(err, status, "__per_cpu_offset");
}

/** CPU_ENTRY_AREA_BASE: what user mode needs of the kernel, since 4.15. */
#define CPU_ENTRY_AREA UINT64_C(0xfffffe0000000000)

/**
 * With PTI the page behind the kernel's top-level table is the top of a second
 * set, in which little of the kernel is mapped: the entry code of system calls
 * is, and the area that CPUs enter by.
 */
static bool has_page_table_isolation(const struct linux_os *guest)
{
	static const char *const entries[] = { "entry_SYSCALL_64",
					       "__entry_text_start" };
	const struct linux_kernel *kernel = &guest->kernel;
	struct mvmi_space_params user = kernel->params;
	mvmi_gva gva;
	mvmi_gpa gpa;

	if (user.root & MVMI_PAGE_SIZE)
		return false;
	user.root |= MVMI_PAGE_SIZE;
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		if (linux_symbol(guest, entries[i], &gva, NULL) != MVMI_OK)
			continue;
		return anchor_maps(guest->os.vm, &user, gva,
				   mvmi_gpa_at(gva.val - kernel->base.val +
					       kernel->gpa.val));
	}
	return mvmi_space_translate(guest->os.space,
				    mvmi_gva_at(CPU_ENTRY_AREA), &gpa,
				    NULL) == MVMI_OK &&
	       anchor_maps(guest->os.vm, &user, mvmi_gva_at(CPU_ENTRY_AREA),
			   gpa);
}

enum mvmi_status
kernel_read_layout(struct linux_os *guest, struct mvmi_error *err)
{
	struct linux_kernel *kernel = &guest->kernel;
	enum mvmi_status status = find_page_offset(guest, err);

	if (status == MVMI_OK)
		status = read_per_cpu(guest, err);
	if (status != MVMI_OK)
		return status;
	kernel->vmalloc_base =
		variable_or(guest, "vmalloc_base", UINT64_C(0xffffc90000000000),
			    UINT64_C(0xffa0000000000000));
	kernel->vmemmap_base =
		variable_or(guest, "vmemmap_base", UINT64_C(0xffffea0000000000),
			    UINT64_C(0xffd4000000000000));
	if (kernel_read_u64(guest, "sme_me_mask",
			    &kernel->memory_encryption_mask, NULL) != MVMI_OK)
		kernel->memory_encryption_mask = kernel->params.ignored_bits;
	kernel->page_table_isolation = has_page_table_isolation(guest);
	return MVMI_OK;
}
