/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The VM handle: a connection, and what the core keeps beside it.
 */
#ifndef MICROVMI_CORE_VM_H
#define MICROVMI_CORE_VM_H

#include <microvmi/driver.h>

#define vm_take_in   mvmi__vm_take_in
#define vm_poll	     mvmi__vm_poll
#define vm_epoch     mvmi__vm_epoch
#define vm_new_epoch mvmi__vm_new_epoch
#define pending_set  mvmi__pending_set

struct bp_manager;
struct dispatcher;

/** An event while its callbacks run, and the registers to go with the reply. */
struct pending_event {
	uint32_t vcpu;
	enum mvmi_hold_scope holds;
	struct mvmi_regs regs; /**< the dirty ones are written by the reply */
	mvmi_regset own;       /**< those that the present subscriber set */
	/** The first that two subscribers set differently, or COUNT. */
	enum mvmi_reg contradicted;
};

/** What bp/ has the layers under it call. */
struct vm_patcher {
	/** At close, while events still work: take out what was put in. */
	void (*undo)(struct mvmi_vm *vm);
	/**
	 * The one subscription that an event is for, since what raised it is a
	 * patch; 0: it is for all, UINT64_MAX: for none, the patch is gone.
	 */
	uint64_t (*owner)(struct mvmi_vm *vm, const struct mvmi_event *event);
	/**
	 * An event is about to be continued. If its vCPU stands on a patch, or
	 * on what was one when it was raised, make the reply one after which
	 * the guest goes on as if there had never been any (CONTRACT, Events
	 * 7). The vCPU is held.
	 */
	void (*resume)(struct mvmi_vm *vm, const struct mvmi_event *event,
		       struct mvmi_reply *reply);
	/** At close, last. */
	void (*fini)(struct mvmi_vm *vm);
};

struct mvmi_vm {
	struct mvmi_conn *conn; /**< owned */
	char *target;		/**< owned; what opens this VM again */
	bool read_only;
	unsigned hold_count;
	unsigned pin_count;
	uint64_t epoch;		 /**< see vm_epoch() */
	uint64_t incarnation;	 /**< of conn, when it was last looked at */
	uint64_t polled_ms;	 /**< when the driver was last asked */
	unsigned reads_unpolled; /**< by the driver, since the last vm_poll() */
	bool gone;		 /**< the VM ended; every call says so */

	/* Borrowed from the driver until the incarnation changes. */
	const struct mvmi_window *windows;
	size_t window_count;
	const struct mvmi_window *window_last; /**< used; NULL: there is none */

	/** Events; NULL until the first subscription. Owned by event/. */
	struct dispatcher *dispatcher;
	/** Set with dispatcher: detaches all subscriptions, at close. */
	void (*dispatcher_fini)(struct mvmi_vm *vm);
	/** Breakpoints; NULL until the first. Owned by bp/. */
	struct bp_manager *bp;
	const struct vm_patcher *patcher; /**< NULL until then */
	/** The event whose callbacks run; NULL outside of callbacks. */
	struct pending_event *pending;
};

/** What vm_settle() does where there is something to do. */
enum mvmi_status vm_take_in(struct mvmi_vm *vm, enum mvmi_status status);

/**
 * Take in what a driver call did besides: a new incarnation voids windows and
 * epoch, GONE is remembered. Call it after every driver call that can fail.
 *
 * @return status, so that callers can `return` it.
 */
static inline enum mvmi_status
vm_settle(struct mvmi_vm *vm, enum mvmi_status status)
{
	if (status == MVMI_ERR_GONE || vm->incarnation != vm->conn->incarnation)
		return vm_take_in(vm, status);
	return status;
}

/** Ask the driver whether the VM lives, if that was not done just now. */
enum mvmi_status vm_poll(struct mvmi_vm *vm, struct mvmi_error *err);

/**
 * A number that is equal in two calls only if what was read in the first still
 * holds in the second (CONTRACT, "Epochs").
 */
uint64_t vm_epoch(struct mvmi_vm *vm);

/** Something was changed: nothing that was cached holds any longer. */
void vm_new_epoch(struct mvmi_vm *vm);

/**
 * Merge the dirty registers into the reply: the last writer wins, and two
 * subscribers who want different values are remembered.
 */
void pending_set(struct pending_event *pending, const struct mvmi_regs *regs);

#endif /* MICROVMI_CORE_VM_H */
