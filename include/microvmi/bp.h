/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Breakpoints: stop a vCPU where code is, in the process that is meant, and
 * let it go on as if nobody had looked.
 *
 * A breakpoint is set at a virtual address, in one address space or in all, or
 * at a physical address. How the guest is stopped is chosen for each, the least
 * visible way first (enum mvmi_bp_means); mvmi_bp_get() tells which it became,
 * and why not an earlier one. docs/breakpoints.md says what a guest can see of
 * each.
 *
 * Callbacks run in mvmi_vm_dispatch(). All of this may be called in callbacks,
 * of breakpoints too; a breakpoint that is removed in its own callback is not
 * heard of again. Code that hits none is as fast with thousands as with one.
 *
 * mvmi_vm_close() undoes them all. One thread per VM, as everywhere.
 */
#ifndef MICROVMI_BP_H
#define MICROVMI_BP_H

#include <microvmi/event.h>
#include <microvmi/mem.h>
#include <microvmi/space.h>
#include <microvmi/types.h>
#include <microvmi/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_vm;

/** How the guest is stopped, in the order in which they are tried. */
enum mvmi_bp_means {
	MVMI_BP_NONE, /**< not at all at present */
	/** The hypervisor looks at each address; nothing is written. */
	MVMI_BP_INTERCEPT,
	/** An int3 in a copy of the page, which only fetches see. */
	MVMI_BP_VIEW,
	/** A debug register, or what stands for one; there are few. */
	MVMI_BP_SLOT,
	/** An int3 in the guest's memory, which it can read. */
	MVMI_BP_INT3,
	MVMI_BP_MEANS_COUNT, /**< grows: never store it */
};

/** Lower-case name, e.g. "intercept"; NULL if there is no such means. */
MVMI_API const char *mvmi_bp_means_name(enum mvmi_bp_means means);

enum mvmi_bp_state {
	MVMI_BP_ARMED,
	MVMI_BP_WAITING, /**< its page is not there; armed once it is */
	MVMI_BP_ENDED,	 /**< its process ended, or the VM began anew */
};

/** One passage of a vCPU over a breakpoint. Alive for the callback. */
struct mvmi_bp_hit {
	uint64_t bp; /**< which: what mvmi_bp_add() gave */
	enum mvmi_bp_means means;
	bool is_return; /**< not at the breakpoint: back from its function */
	mvmi_gva gva;	/**< of the instruction, not executed yet */
	uint64_t count; /**< of hits so far, this one included; returns apart */
	uint64_t process; /**< as the guest table names it; 0: unknown */
	uint64_t thread;  /**< likewise */
	/** rsp when the function was entered: equal for entry and return. */
	uint64_t frame;
	/** General, control and segment registers; never NULL. */
	const struct mvmi_regs *regs;
	const struct mvmi_event *event; /**< what the hypervisor said */
};

/**
 * What to do at a hit.
 *
 * @param reply  As for events; zero means: execute the instruction and go on.
 *               Breakpoints of one address answer one after the other, each
 *               seeing what those before it asked for. A rip set here is gone
 *               to, and the instruction left out. SWITCH_VIEW is not for
 *               breakpoints: views may be what they are made of.
 */
typedef void (*mvmi_bp_fn)(struct mvmi_vm *vm, const struct mvmi_bp_hit *hit,
			   struct mvmi_reply *reply, void *arg);

/** @return false: this passage is none; it is not counted. */
typedef bool (*mvmi_bp_condition_fn)(struct mvmi_vm *vm,
				     const struct mvmi_bp_hit *hit, void *arg);

/** The bits of CR3 that name an address space: no PCID, no flags. */
#define MVMI_BP_CR3_MASK UINT64_C(0x000ffffffffff000)
/** The same, but both halves of a page-table-isolation pair match. */
#define MVMI_BP_CR3_MASK_PTI UINT64_C(0x000fffffffffe000)

/** What and where. Zero means default everywhere. */
struct mvmi_bp_options {
	size_t size;   /**< sizeof, set by the caller */
	bool physical; /**< at gpa, wherever it is mapped; else at gva */
	mvmi_gva gva;
	mvmi_gpa gpa;
	/**
	 * Whose gva it is; copied. NULL: that of every address space, which a
	 * means that needs a page looks up in those that vCPUs run in.
	 */
	const struct mvmi_space *space;
	bool every_space; /**< space only says where it is; stop in all */
	/**
	 * The CR3 to stop under. Mask 0: the root of space, with its PCID
	 * masked out; see MVMI_BP_CR3_MASK_PTI.
	 */
	struct mvmi_match cr3;
	uint64_t vcpus;	  /**< bit N: vCPU N, the last bit all above; 0: all */
	uint64_t process; /**< as the guest table names it; 0: any */
	uint64_t thread;  /**< likewise */
	bool visible;	  /**< an int3 that the guest could read is allowed */
	bool file_backed; /**< even in pages that belong to a file */
	bool one_shot;	  /**< removed before its first callback returns */
	/**
	 * It lies at the entry of a function: call back on return from there,
	 * too, once for each hit that was called back for.
	 */
	bool on_return;
	uint64_t ignore_count; /**< hits to count before the first callback */
	mvmi_bp_condition_fn condition; /**< NULL: none; called with arg */
};

/**
 * Set a breakpoint.
 *
 * Where its page is not there, it waits: mvmi_bp_get() says so.
 *
 * @param options  Copied.
 * @param ret      Names it from now on; never 0.
 *
 * @retval MVMI_ERR_INVALID      A filter by process or thread, and no guest
 *                               table; an impossible address.
 * @retval MVMI_ERR_LIMIT        The VM's slots are used up.
 * @retval MVMI_ERR_DENIED       It could be had only with an int3 that the
 *                               options don't allow.
 * @retval MVMI_ERR_UNSUPPORTED  There is no means for it on this VM.
 *         The message of these three says what was tried and why it failed.
 * @retval MVMI_ERR_FAULT        There is no memory at gpa.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_bp_add(struct mvmi_vm *vm, const struct mvmi_bp_options *options,
	    mvmi_bp_fn fn, void *arg, uint64_t *ret, struct mvmi_error *err);

/**
 * Remove one, with the returns that it waits for. When this returns, fn is not
 * called again, and the guest's memory is its own; vCPUs that had hit it go on.
 *
 * @retval MVMI_ERR_INVALID  There is no such breakpoint.
 *         Others: it could not be taken out, and is still there.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_bp_remove(struct mvmi_vm *vm, uint64_t bp, struct mvmi_error *err);

struct mvmi_bp_info {
	size_t size; /**< sizeof, set by the caller */
	enum mvmi_bp_state state;
	enum mvmi_bp_means means;
	mvmi_gva gva;
	mvmi_gpa gpa;	  /**< of a page that was looked up; else 0 */
	uint64_t hits;	  /**< that filters and condition let pass */
	uint64_t returns; /**< called back for */
	uint64_t
		returns_lost; /**< that could not be waited for, or never came */
	uint64_t moves;	      /**< how often its page was another */
	char refused[256];    /**< earlier means, and why not; may be "" */
};

/** @retval MVMI_ERR_INVALID  There is no such breakpoint. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_bp_get(struct mvmi_vm *vm, uint64_t bp, struct mvmi_bp_info *ret,
	    struct mvmi_error *err);

/** Whose code a vCPU executes, by numbers that are never 0. Frozen layout. */
struct mvmi_bp_current {
	uint64_t process;
	uint64_t thread;
};

/** What only someone who understands the guest's OS can tell. */
struct mvmi_bp_guest {
	size_t size; /**< sizeof, set by the caller */
	void *arg;   /**< given back to both; must outlive the VM's handle */
	/** Name the process and thread that a held vCPU runs. */
	enum mvmi_status (*current)(struct mvmi_vm *vm, unsigned vcpu,
				    const struct mvmi_regs *regs,
				    struct mvmi_bp_current *ret, void *arg,
				    struct mvmi_error *err);
	/**
	 * Whether the page belongs to a file, so that what is written to it may
	 * be seen by other processes or reach the disk. space is NULL where gva
	 * is that of every space. NULL: unknown, and taken to be so for what is
	 * not in the upper half of the addresses.
	 */
	enum mvmi_status (*file_backed)(struct mvmi_vm *vm,
					struct mvmi_space *space, mvmi_gva gva,
					bool *ret, void *arg,
					struct mvmi_error *err);
};

/**
 * Say who understands the guest. Copied; NULL: nobody.
 *
 * @retval MVMI_ERR_BUSY  There are breakpoints that need the one before.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_bp_set_guest(struct mvmi_vm *vm, const struct mvmi_bp_guest *guest,
		  struct mvmi_error *err);

/**
 * Look all pages up again, and follow those that moved, came or went. Done
 * without asking for an address space when the guest loads its CR3, where the
 * VM tells of that. Else call it when the guest may have changed a mapping.
 *
 * @retval MVMI_ERR_STALE  The VM began anew (reset, snapshot): all breakpoints
 *                         ended. Said once.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_bp_rearm(struct mvmi_vm *vm, struct mvmi_error *err);

/**
 * A process ended, or runs another program from now on: end its breakpoints,
 * before its pages serve another purpose.
 *
 * @retval MVMI_ERR_INVALID  process is 0.
 *         Others: some could not be taken out, and are still there.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_bp_end_process(struct mvmi_vm *vm, uint64_t process,
		    struct mvmi_error *err);

/**
 * Put into bytes that were read from gpa what is there for the guest: without
 * the int3s of this VM's breakpoints.
 */
MVMI_API void
mvmi_bp_hide(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_span bytes);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_BP_H */
