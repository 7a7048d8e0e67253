/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A hypervisor in memory, `mock:PERSONALITY[?vcpus=N&ram=BYTES&private=GPA]`,
 * and what a test does to its guest.
 *
 * The personalities xen, kvm, tcg and gdbstub are data (personality.c). The
 * guest executes instructions that a test pushed, only inside mock_run(),
 * next() and hold(), and only on vCPUs that nothing holds. Time is virtual:
 * everything is deterministic. A guest outlives its connection, so that a test
 * can look at what was left in it.
 */
#ifndef MICROVMI_DRIVERS_MOCK_H
#define MICROVMI_DRIVERS_MOCK_H

#include <microvmi/driver.h>

#define mock_vm_of	    mvmi__mock_vm_of
#define mock_vm_unref	    mvmi__mock_vm_unref
#define mock_kill	    mvmi__mock_kill
#define mock_reset	    mvmi__mock_reset
#define mock_stop	    mvmi__mock_stop
#define mock_start	    mvmi__mock_start
#define mock_is_stopped	    mvmi__mock_is_stopped
#define mock_advance	    mvmi__mock_advance
#define mock_drop_far_side  mvmi__mock_drop_far_side
#define mock_set_controller mvmi__mock_set_controller
#define mock_peek	    mvmi__mock_peek
#define mock_page_is_backed mvmi__mock_page_is_backed
#define mock_push	    mvmi__mock_push
#define mock_run	    mvmi__mock_run
#define mock_seen	    mvmi__mock_seen
#define mock_is_untouched   mvmi__mock_is_untouched

/** Where the high part of RAM begins; between it and the low part is a hole. */
#define MOCK_HIGH_START UINT64_C(0x100000000)
/** A ROM of 64 KiB that ends at 4 GiB, as firmware does. */
#define MOCK_ROM_START UINT64_C(0xffff0000)
#define MOCK_ROM_LEN   UINT64_C(0x10000)
/** Where frames begin that a client made, far above the guest's own. */
#define MOCK_SPARE_START UINT64_C(0x1000000000)
#define MOCK_SPARE_MAX	 16
/** Instructions that a vCPU can have before it, not yet executed. */
#define MOCK_PROGRAM_MAX 32
/** Asynchronous events that a vCPU keeps before it loses some. */
#define MOCK_RING_MAX 8

/** The far side: the VM, and what a VMM keeps for its client. */
struct mock_vm;

/** What one guest instruction does. */
enum mock_op {
	MOCK_NOP,
	MOCK_MOV_CR0, /**< value */
	MOCK_MOV_CR3,
	MOCK_MOV_CR4,
	MOCK_XSETBV,
	MOCK_MOV_DR, /**< index, value */
	MOCK_RDMSR,  /**< index */
	MOCK_WRMSR,  /**< index, value */
	MOCK_INT3,
	MOCK_FAULT,	/**< index is the vector, value CR2 */
	MOCK_INTERRUPT, /**< index is the vector: it comes from outside */
	MOCK_LOAD,	/**< eight bytes at gpa */
	MOCK_STORE,	/**< value to gpa, eight bytes */
	MOCK_WALK,	/**< a page walk sets an accessed bit at gpa */
	MOCK_LGDT,	/**< value is the base */
	MOCK_CPUID,	/**< index is the leaf */
	MOCK_VMCALL,
	MOCK_OUT, /**< index is the port */
	MOCK_IN,
	MOCK_RDTSC,
	MOCK_TRIPLE_FAULT, /**< shuts the VM down */
	MOCK_OP_COUNT,
};

/** One guest instruction; it lies, one byte long, where rip points. */
struct mock_insn {
	enum mock_op op;
	uint32_t index;
	uint64_t value;
	mvmi_gpa gpa;
	uint64_t rip; /**< if not 0, the guest jumped there first */
};

/** What became of a vCPU, as the guest itself would know it. */
struct mock_seen {
	struct mvmi_regs_x86 regs;
	unsigned executed;	    /**< instructions that had their effect */
	unsigned skipped;	    /**< that were passed without it */
	unsigned delivered;	    /**< exceptions and interrupts it took */
	struct mvmi_injection last; /**< the last of those */
	uint64_t value; /**< the last one that it read from anywhere */
	unsigned left;	/**< instructions not yet executed */
	uint32_t view;
};

/** The guest behind conn. Give it back with mock_vm_unref(). */
struct mock_vm *mock_vm_of(struct mvmi_conn *conn);
/** NULL is a no-op. */
void mock_vm_unref(struct mock_vm *vm);

/** End the VM. When that is noticed depends on the personality. */
void mock_kill(struct mock_vm *vm);
/** Reset the VM: a new incarnation, and no event of the old one is left. */
void mock_reset(struct mock_vm *vm);
/** Stop or start it as someone else would, behind the client's back. */
void mock_stop(struct mock_vm *vm);
void mock_start(struct mock_vm *vm);
bool mock_is_stopped(const struct mock_vm *vm);
/** Let time pass, for hold deadlines. */
void mock_advance(struct mock_vm *vm, uint32_t ms);
/** End the far side, or the client, while the VM lives on: it detaches. */
void mock_drop_far_side(struct mock_vm *vm);
/** Let another process be the VM's controller; 0: nobody. */
void mock_set_controller(struct mock_vm *vm, int64_t pid);

/** Copy guest memory as the guest sees it, private or not. */
bool mock_peek(struct mock_vm *vm, mvmi_gpa gpa, struct mvmi_span dst);
/** Whether the page has memory of the host behind it. */
bool mock_page_is_backed(struct mock_vm *vm, mvmi_gpa gpa);

/** Put an instruction behind those that the vCPU has before it. */
bool mock_push(struct mock_vm *vm, unsigned vcpu, const struct mock_insn *insn);
/** Execute until every vCPU is held or has nothing before it. */
void mock_run(struct mock_vm *vm);
struct mock_seen mock_seen(const struct mock_vm *vm, unsigned vcpu);
/** Whether nothing of a client is left: CONTRACT, "Undone on every way out". */
bool mock_is_untouched(const struct mock_vm *vm);

#endif /* MICROVMI_DRIVERS_MOCK_H */
