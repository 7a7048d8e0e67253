/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Finding, opening and closing virtual machines, and their run state.
 *
 * One thread per struct mvmi_vm; several VMs in several threads are
 * independent. The library starts no threads.
 */
#ifndef MICROVMI_VM_H
#define MICROVMI_VM_H

#include <microvmi/types.h>
#include <microvmi/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_driver;
struct mvmi_vm;

/** What a VM offers. A bit is set where the driver has the whole table. */
enum mvmi_capability {
	MVMI_CAP_MEM = 1 << 0,	 /**< regions, reads; always set */
	MVMI_CAP_WRITE = 1 << 1, /**< memory writes */
	MVMI_CAP_MAP = 1 << 2,	 /**< RAM is mapped: reads are copies */
	MVMI_CAP_REGS = 1 << 3,	 /**< registers can be read */
	MVMI_CAP_SET_REGS = 1 << 4,
	MVMI_CAP_RUN = 1 << 5,	   /**< hold, release, stop, start */
	MVMI_CAP_QUIESCE = 1 << 6, /**< devices can be drained as well */
	MVMI_CAP_EVENT = 1 << 7,
	MVMI_CAP_ACCESS = 1 << 8,
	MVMI_CAP_VIEW = 1 << 9,
	MVMI_CAP_INJECT = 1 << 10,
	MVMI_CAP_SNAPSHOT = 1 << 11,
};

/** Circumstances that change what a reader may believe or a tool may do. */
enum mvmi_trait {
	/** Writes reach data reads only; instruction fetches may lag. */
	MVMI_TRAIT_DATA_ONLY_WRITES = 1 << 0,
	MVMI_TRAIT_ENCRYPTED = 1 << 1, /**< SEV, SEV-ES, TDX, guest_memfd */
	MVMI_TRAIT_VFIO = 1 << 2,      /**< a device writes RAM unseen */
	MVMI_TRAIT_POSTCOPY = 1 << 3,  /**< pages are still on their way here */
	MVMI_TRAIT_BALLOON = 1 << 4,   /**< RAM may vanish and come back */
	MVMI_TRAIT_USERFAULT = 1
			       << 5, /**< RAM under userfaultfd: never mapped */
	MVMI_TRAIT_STATIC = 1 << 6,  /**< nothing ever changes: a dump */
	/** No registers because another client holds the control channel. */
	MVMI_TRAIT_NO_CONTROL = 1 << 7,
};

enum mvmi_run_state {
	MVMI_RUN_STATE_UNKNOWN,
	MVMI_RUN_STATE_RUNNING,
	MVMI_RUN_STATE_STOPPED, /**< by its own VMM's stop, as virsh suspend */
	MVMI_RUN_STATE_DUMP,	/**< it never ran: a file */
};

/** What is known of an open VM. */
struct mvmi_vm_info {
	size_t size;	      /**< sizeof, set by the caller */
	char target[256];     /**< opens this VM again */
	char driver[16];      /**< e.g. "qemu" */
	char name[64];	      /**< the VM's own name, or "" */
	char hypervisor[64];  /**< e.g. "QEMU 7.2.22 (TCG)" */
	char memory_path[64]; /**< how reads travel, e.g. "map of memfd" */
	uint64_t ram_len;     /**< bytes of RAM */
	int64_t pid;	      /**< of the VMM; 0 where there is none */
	unsigned vcpus;	      /**< 0 where there are no registers */
	enum mvmi_run_state state;
	uint32_t capabilities; /**< enum mvmi_capability */
	uint32_t traits;       /**< enum mvmi_trait */
	mvmi_regset readable_regs;
	mvmi_regset writable_regs;
	uint64_t incarnation; /**< see mvmi_vm_incarnation() */
	char note[256];	      /**< what would give more, or "" */
};

/** How to open; every member may be zero. */
struct mvmi_vm_options {
	size_t size; /**< sizeof, set by the caller */
	/** Only read: no write, no set, no stop, no events. */
	bool read_only;
	/** How long an answer from the VMM may take; 0 is 5000. */
	uint32_t timeout_ms;
};

/**
 * Open a VM by a target string, `driver:where[?key=value&…]`, e.g.
 * "qemu:/run/vm.qmp", "qemu:pid=4711", "dump:mem.elf". A bare path is a dump or
 * a QMP socket, told apart by looking. Opening never changes the guest.
 *
 * @param options  NULL for defaults.
 * @param ret      Receives the VM; unchanged on failure. Release with
 *                 mvmi_vm_close().
 *
 * @retval MVMI_ERR_INVALID      The target is misspelt or names no driver.
 * @retval MVMI_ERR_SYSTEM       Its file or socket can't be opened.
 * @retval MVMI_ERR_CORRUPT      A dump contradicts its own format.
 * @retval MVMI_ERR_BUSY         Someone else has the only way in.
 * @retval MVMI_ERR_DENIED       This user may not.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_open(const char *target, const struct mvmi_vm_options *options,
	     struct mvmi_vm **ret, struct mvmi_error *err);

/**
 * Open a VM through a driver that this library does not contain.
 *
 * @param driver  Must outlive the VM; see microvmi/driver.h.
 * @param where   What follows "driver:" in a target, options included.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_open_driver(const struct mvmi_driver *driver, const char *where,
		    const struct mvmi_vm_options *options, struct mvmi_vm **ret,
		    struct mvmi_error *err);

/**
 * Close a VM and undo what the library did to it for itself: holds, events,
 * views, breakpoints. Bytes and registers that the caller wrote stay, and so
 * does stop. NULL is a no-op. Not legal in an event callback.
 */
MVMI_API void mvmi_vm_close(struct mvmi_vm *vm);

/** Describe an open VM. @param ret  Its size set; unchanged on failure. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_get_info(struct mvmi_vm *vm, struct mvmi_vm_info *ret,
		 struct mvmi_error *err);

/** enum mvmi_capability bits of this VM. */
MVMI_API uint32_t mvmi_vm_capabilities(const struct mvmi_vm *vm);

/**
 * Which life of the VM this is; counts from 1. Reset, loadvm, migration and
 * memory hotplug begin a new one: whatever the caller cached is then void.
 */
MVMI_API uint64_t mvmi_vm_incarnation(const struct mvmi_vm *vm);

/**
 * Keep every vCPU from executing guest code until the matching release.
 *
 * Counted; undone by close and by this process's death. Never waits for an
 * event's reply. Devices still run: see mvmi_vm_quiesce().
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_hold(struct mvmi_vm *vm, struct mvmi_error *err);

/**
 * Lift one hold. If that fails the hold stays, and may be lifted again.
 *
 * @retval MVMI_ERR_INVALID  There is none to lift.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_release(struct mvmi_vm *vm, struct mvmi_error *err);

/**
 * Drain the devices too, for the length of a hold that is in force.
 *
 * @retval MVMI_ERR_INVALID  Nothing is held.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_quiesce(struct mvmi_vm *vm, struct mvmi_error *err);

/** Stop the VM as `virsh suspend` does. It outlives this process. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_stop(struct mvmi_vm *vm, struct mvmi_error *err);

/** Undo a stop, by whomever. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_start(struct mvmi_vm *vm, struct mvmi_error *err);

/**
 * Accept, until the matching unpin, that memory and translations may be as old
 * as this call, although other vCPUs run. For the length of a callback.
 *
 * @retval MVMI_ERR_INVALID  No vCPU is held: nothing may outlive a call then.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_pin_epoch(struct mvmi_vm *vm, struct mvmi_error *err);
MVMI_API void mvmi_vm_unpin_epoch(struct mvmi_vm *vm);

/** One VM that some driver could, or could not, open. */
struct mvmi_candidate {
	size_t size;	    /**< sizeof in the library that calls */
	const char *target; /**< give this to mvmi_vm_open() */
	const char *driver;
	const char *name;	 /**< "" where it has none */
	int64_t pid;		 /**< 0 where there is none */
	enum mvmi_status status; /**< OK if it can be opened now */
	uint32_t capabilities;	 /**< enum mvmi_capability, when status is OK */
	const char *reason;	 /**< why not, or what is missing; or "" */
	const char *advice;	 /**< what to do about it; or "" */
};

/** @return false to end the walk. Pointers die with the call. */
typedef bool (*mvmi_list_fn)(const struct mvmi_candidate *candidate, void *arg);

/**
 * Find every VM on this host that a driver of this library knows of, with why
 * each can or can't be opened. Changes nothing in any of them.
 *
 * @retval MVMI_OK  All drivers looked; also when they found nothing.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_list(mvmi_list_fn fn, void *arg, struct mvmi_error *err);

/** "1.2.3" of the library at run time. */
MVMI_API const char *mvmi_version(void);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_VM_H */
