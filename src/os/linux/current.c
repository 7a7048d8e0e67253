/* SPDX-License-Identifier: MIT */
/*
 * Which task each vCPU is in.  The guest's own number for it comes first, by
 * where its per-CPU area is: user mode can't change its task state segment, and
 * one of its two GS bases is the kernel's.
 */
#include <inttypes.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/find/kernel.h"
#include "os/linux/tasks.h"

/** Bits of a root that are an address; the last one tells PTI's user half. */
#define ROOT_FRAME (UINT64_C(0x000ffffffffff000))
#define VCPUS_MAX  8192U

/** What is the same for all vCPUs. */
struct current_walk {
	struct linux_os *guest;
	struct list *list;
	mvmi_gva current; /**< per-CPU: pointer to the task */
	mvmi_gva tss;	  /**< per-CPU: task state segment; 0: not told */
};

/** The per-CPU variable that names the task. */
static enum mvmi_status
find_current(struct linux_os *guest, mvmi_gva *ret, struct mvmi_error *err)
{
	struct mvmi_field field;

	if (linux_symbol(guest, "current_task", ret, NULL) == MVMI_OK)
		return MVMI_OK;
	if (linux_symbol(guest, "pcpu_hot", ret, NULL) == MVMI_OK &&
	    guest->os.types &&
	    mvmi_types_field(guest->os.types, "struct pcpu_hot", "current_task",
			     &field, NULL) == MVMI_OK) {
		ret->val += field.offset;
		return MVMI_OK;
	}
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "the guest's kernel tells its current tasks neither by "
		    "current_task nor by pcpu_hot");
}

/** The CPU whose per-CPU area begins at base; -1: none. */
static int32_t cpu_of_base(const struct linux_kernel *kernel, uint64_t base)
{
	for (unsigned i = 0; base && i < kernel->cpu_count; i++) {
		if (kernel->per_cpu[i] == base)
			return (int32_t)i;
	}
	return -1;
}

static bool in_user_mode(const struct mvmi_regs *regs)
{
	return (regs->x86.seg[MVMI_SEG_CS].selector & 3) == 3;
}

/**
 * By GS: the kernel's is in KERNEL_GS_BASE while user mode runs, else in GS but
 * for a few instructions, so the other one is the second choice.
 */
static int32_t
cpu_of_gs(const struct linux_kernel *kernel, const struct mvmi_regs *regs)
{
	bool user = in_user_mode(regs);
	bool has_gs = mvmi_regset_has(regs->valid, MVMI_REG_GS_BASE) ||
		      mvmi_regset_has(regs->valid, MVMI_REG_GS);
	bool has_kernel_gs =
		mvmi_regset_has(regs->valid, MVMI_REG_KERNEL_GS_BASE);
	int32_t gs =
		has_gs ? cpu_of_base(kernel, regs->x86.seg[MVMI_SEG_GS].base)
		       : -1;
	int32_t kernel_gs =
		has_kernel_gs ? cpu_of_base(kernel, regs->x86.kernel_gs_base)
			      : -1;

	if (user)
		return kernel_gs;
	return gs >= 0 ? gs : kernel_gs;
}

/**
 * By the task state segment. TR has an alias of it (in cpu_entry_area), so
 * physical addresses are compared.
 */
static int32_t
cpu_of_tss(const struct current_walk *walk, const struct mvmi_regs *regs)
{
	struct mvmi_space *space = walk->guest->os.space;
	const struct linux_kernel *kernel = &walk->guest->kernel;
	mvmi_gpa own;
	mvmi_gpa gpa;

	if (!walk->tss.val || !mvmi_regset_has(regs->valid, MVMI_REG_TR) ||
	    mvmi_space_translate(space,
				 mvmi_gva_at(regs->x86.seg[MVMI_SEG_TR].base),
				 &own, NULL) != MVMI_OK)
		return -1;
	for (unsigned i = 0; i < kernel->cpu_count; i++) {
		mvmi_gva tss = mvmi_gva_at(walk->tss.val + kernel->per_cpu[i]);

		if (mvmi_space_translate(space, tss, &gpa, NULL) == MVMI_OK &&
		    gpa.val == own.val)
			return (int32_t)i;
	}
	return -1;
}

static int32_t find_cpu(const struct current_walk *walk, unsigned vcpu,
			const struct mvmi_regs *regs)
{
	int32_t by_tss = cpu_of_tss(walk, regs);
	int32_t by_gs = cpu_of_gs(&walk->guest->kernel, regs);

	if (by_tss >= 0 && by_gs >= 0 && by_tss != by_gs)
		list_doubt(walk->list,
			   "vCPU %u is CPU %" PRId32
			   " by its task state segment, but %" PRId32 " by GS",
			   vcpu, by_tss, by_gs);
	if (by_tss >= 0)
		return by_tss;
	if (by_gs >= 0)
		return by_gs;
	/* Where there is but one on both sides, it is that one. */
	return walk->guest->kernel.cpu_count == 1 &&
			       mvmi_vcpu_count(walk->guest->os.vm) == 1
		       ? 0
		       : -1;
}

/** Do the page tables in use belong to none, or to another, process? */
static bool
uses_foreign_tables(const struct linux_kernel *kernel,
		    const struct mvmi_regs *regs, const struct mvmi_task *task)
{
	uint64_t root = regs->x86.cr3 & ROOT_FRAME;

	if (kernel->page_table_isolation)
		root &= ~(uint64_t)MVMI_PAGE_SIZE;
	return task->is_kernel && root != (kernel->params.root & ROOT_FRAME);
}

/** Read the task that CPU cpu is in, until it stays the same. */
static enum mvmi_status
read_current(struct current_walk *walk, int32_t cpu, struct mvmi_task *ret,
	     struct mvmi_error *err)
{
	struct linux_os *guest = walk->guest;
	mvmi_gva at =
		mvmi_gva_at(walk->current.val + guest->kernel.per_cpu[cpu]);
	struct object task;
	enum mvmi_status status = MVMI_OK;
	uint64_t before = 0;
	uint64_t after = 1;

	for (unsigned i = 0; i < LINUX_TRIES && before != after; i++) {
		status = mvmi_space_read_u64(guest->os.space, at, &before, err);
		if (status == MVMI_OK)
			status = task_read(guest, mvmi_gva_at(before), &task,
					   err);
		if (status == MVMI_OK)
			status = mvmi_space_read_u64(guest->os.space, at,
						     &after, err);
		if (status != MVMI_OK && !linux_is_running(guest))
			break;
	}
	if (status != MVMI_OK)
		return fail_context(err, status, "current task of CPU %" PRId32,
				    cpu);
	if (before != after)
		list_doubt(walk->list,
			   "CPU %" PRId32 " changed its task in every try",
			   cpu);
	return task_record(
		&(struct task_recorder){ .guest = guest, .list = walk->list },
		&task, ret, err);
}

static enum mvmi_status
add_vcpu(struct current_walk *walk, unsigned vcpu, struct mvmi_error *err)
{
	struct linux_os *guest = walk->guest;
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_current *current;
	struct mvmi_task *task;
	int32_t cpu;
	enum mvmi_status status = mvmi_vcpu_get_regs(
		guest->os.vm, vcpu,
		MVMI_REGS_CONTROL | MVMI_REGS_SEGMENT | MVMI_REGS_MSR, &regs,
		err);

	if (status != MVMI_OK)
		return status;
	cpu = find_cpu(walk, vcpu, &regs);
	if (cpu < 0) {
		list_doubt(walk->list,
			   "vCPU %u is none that the guest brought up, or was "
			   "between two states",
			   vcpu);
		return MVMI_OK;
	}
	current = list_add(walk->list, sizeof(*current));
	task = list_alloc(walk->list, sizeof(*task));
	if (!current || !task)
		return MVMI_OK; /* list_finish() says why */
	status = read_current(walk, cpu, task, err);
	if (status != MVMI_OK)
		return status;
	current->vcpu = vcpu;
	current->cpu = cpu;
	current->user_mode = in_user_mode(&regs);
	current->lazy_memory = uses_foreign_tables(&guest->kernel, &regs, task);
	current->task = task;
	return MVMI_OK;
}

enum mvmi_status
linux_list_current(struct mvmi_os *os, const struct mvmi_current_list **ret,
		   struct mvmi_error *err)
{
	struct linux_os *guest = linux_of(os);
	unsigned count = MIN(mvmi_vcpu_count(os->vm), VCPUS_MAX);
	struct list list = { .count = 0 };
	struct current_walk walk = { .guest = guest, .list = &list };
	const void *made = NULL;
	enum mvmi_status status;

	if (count == 0)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the VM shows no registers, and without them "
			    "nothing tells what its CPUs do");
	status = tasks_prepare(guest, err);
	if (status == MVMI_OK)
		status = find_current(guest, &walk.current, err);
	if (linux_symbol(guest, "cpu_tss_rw", &walk.tss, NULL) != MVMI_OK &&
	    linux_symbol(guest, "cpu_tss", &walk.tss, NULL) != MVMI_OK)
		walk.tss = mvmi_gva_at(0);
	for (unsigned i = 0; status == MVMI_OK && i < count; i++)
		status = add_vcpu(&walk, i, err);
	if (status == MVMI_OK)
		status = list_finish(&list, sizeof(**ret), &made, err);
	if (status == MVMI_OK)
		*ret = made;
	list_fini(&list);
	return status;
}
