/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What a driver implements. For driver authors: this may change between minor
 * releases, and MVMI_DRIVER_ABI with it.
 *
 * ## How to write a driver
 *
 * 1. Embed a struct mvmi_conn in a structure of your own; open() allocates it
 *    and sets the pointers to the tables that this VM has.
 * 2. The bare minimum is `mem`: two functions, and every reader works.
 * 3. Add `vcpu`, then `run`; debuggers and dumps become consistent.
 * 4. Add `write`, `set`, `map` where the hypervisor allows; then `event`.
 * 5. Run the conformance suite on it. A driver is done when that passes.
 *
 * A capability is a pointer to a table of operations. A NULL pointer is an
 * absent capability; no member of a table is NULL. So the core tests for a
 * capability in one place, and a driver never answers "unsupported" for a
 * whole operation. Finer variation is data: event descriptors, register masks.
 *
 * Drivers move bytes and events. Policy lives above: counting holds, caching,
 * merging replies, what a breakpoint means, whether a caller may.
 *
 * ## What holds for every operation
 *
 * - One thread at a time per connection; the core is that thread.
 * - Outputs are untouched on failure; `err` may be NULL.
 * - MVMI_ERR_GONE once the VM has ended, from every operation, for ever, and
 *   within a second of its end. Nothing waits without a bound.
 * - No operation prints, reads the environment or installs signal handlers.
 * - What a driver changed in a guest for its own sake is undone by close(), and
 *   by the far side, or the kernel, or a guardian when this process dies.
 */
#ifndef MICROVMI_DRIVER_H
#define MICROVMI_DRIVER_H

#include <microvmi/event.h>
#include <microvmi/mem.h>
#include <microvmi/types.h>
#include <microvmi/vcpu.h>
#include <microvmi/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MVMI_DRIVER_ABI 1

struct mvmi_conn;

/* ---- memory ------------------------------------------------------------ */

/** Guest-physical memory. Every driver has it. */
struct mvmi_mem_ops {
	/**
	 * List RAM and ROM, sorted, without overlap. Fill at most capacity
	 * elements; *ret is how many there are.
	 */
	enum mvmi_status (*regions)(struct mvmi_conn *conn,
				    struct mvmi_region *regions,
				    size_t capacity, size_t *ret,
				    struct mvmi_error *err);
	/**
	 * How gpa is backed now, and for how many bytes at least. *ret->start is
	 * gpa and ret->len at least 1. Must not allocate guest pages.
	 */
	enum mvmi_status (*extent)(struct mvmi_conn *conn, mvmi_gpa gpa,
				   struct mvmi_extent *ret,
				   struct mvmi_error *err);
	/**
	 * Scatter read, the primitive. The core guarantees for each element
	 * 0 < dst.len and that gpa + dst.len does not wrap. Set done and status
	 * of each: OK, FAULT at gpa + done (no RAM), DENIED (private memory).
	 * A range may cross regions. RAM that was never touched gives zeros and
	 * stays untouched. Fail as a whole only if the VM or host is at fault.
	 */
	enum mvmi_status (*readv)(struct mvmi_conn *conn,
				  struct mvmi_mem_op *ops, size_t count,
				  struct mvmi_error *err);
};

/** Memory writes. */
struct mvmi_write_ops {
	/**
	 * Write src at gpa; the core guarantees a non-empty range without wrap.
	 *
	 * COHERENT: on return, data reads and instruction fetches of every vCPU
	 * see it, and the VMM's dirty tracking knows. A driver that can't
	 * promise this sets MVMI_TRAIT_DATA_ONLY_WRITES; the core then refuses
	 * COHERENT before the driver is called.
	 */
	enum mvmi_status (*write)(struct mvmi_conn *conn, mvmi_gpa gpa,
				  struct mvmi_bytes src,
				  enum mvmi_write_mode mode,
				  struct mvmi_error *err);
};

/**
 * A run of guest RAM that is mapped, PROT_READ, into this process.
 *
 * Reading a page whose `present` bit is 0 could allocate it in the guest's RAM
 * file, so the core never does: it calls readv, which asks the host first and
 * may set the bit.
 */
struct mvmi_window {
	mvmi_gpa start; /**< page-aligned */
	uint64_t len;	/**< bytes, whole pages */
	const uint8_t *host;
	/** Bit N of word N/64: page N may be touched. NULL: every page may. */
	const uint64_t *present;
};

/**
 * Zero-copy memory. Only for RAM that can't shrink under us (a live VMM's
 * shared RAM, a sealed memfd), never under userfaultfd or post-copy.
 */
struct mvmi_map_ops {
	/**
	 * All windows, sorted. Borrowed: valid until the incarnation changes or
	 * the connection closes. *count may become 0.
	 */
	void (*windows)(struct mvmi_conn *conn, const struct mvmi_window **ret,
			size_t *count);
};

/* ---- registers --------------------------------------------------------- */

/** Reading registers. */
struct mvmi_vcpu_ops {
	/** vCPUs now, at least 1. Cheap: called often. */
	unsigned (*count)(struct mvmi_conn *conn);
	/**
	 * Fill regs->x86 and regs->valid. The core guarantees that vcpu is below
	 * count(), and that this vCPU is held where `run` or `event` exist.
	 * More groups than asked for may be filled. regs is empty on entry.
	 */
	enum mvmi_status (*get)(struct mvmi_conn *conn, unsigned vcpu,
				unsigned groups, struct mvmi_regs *regs,
				struct mvmi_error *err);
};

/** Writing registers. */
struct mvmi_vcpu_set_ops {
	/**
	 * Write regs->dirty, a subset of facts.writable_regs. rip is applied
	 * only if dirty. The vCPU is held, with no synchronous event pending:
	 * those registers travel with the reply.
	 */
	enum mvmi_status (*set)(struct mvmi_conn *conn, unsigned vcpu,
				const struct mvmi_regs *regs,
				struct mvmi_error *err);
};

/* ---- run state --------------------------------------------------------- */

/**
 * Two different things. hold/release is ours: scoped, undone by close and by
 * our death. stop/start is the VM's own run state; it survives us.
 */
struct mvmi_run_ops {
	/**
	 * Return when no vCPU executes guest code. The core counts: hold and
	 * release come in pairs, never nested. Never waits for a reply: a vCPU
	 * with a pending event, or one inside the VMM, counts as held and is
	 * caught before its next guest instruction. A VM that others stopped is
	 * held at once, and release must not start it.
	 */
	enum mvmi_status (*hold)(struct mvmi_conn *conn,
				 struct mvmi_error *err);
	enum mvmi_status (*release)(struct mvmi_conn *conn,
				    struct mvmi_error *err);
	/** Stop, as `virsh suspend`. Stopping a stopped VM is OK. */
	enum mvmi_status (*stop)(struct mvmi_conn *conn,
				 struct mvmi_error *err);
	/** Start. Under a hold it takes effect at the release. */
	enum mvmi_status (*start)(struct mvmi_conn *conn,
				  struct mvmi_error *err);
	/** What the VM's own run state is, holds left out of account. */
	enum mvmi_status (*state)(struct mvmi_conn *conn,
				  enum mvmi_run_state *ret,
				  struct mvmi_error *err);
};

/** Draining devices, where that is possible too. */
struct mvmi_quiesce_ops {
	/** Under a hold: on return no device writes RAM until the release. */
	enum mvmi_status (*quiesce)(struct mvmi_conn *conn,
				    struct mvmi_error *err);
};

/* ---- events ------------------------------------------------------------ */

/**
 * Events. CONTRACT: at most one synchronous event is pending per vCPU; one
 * vCPU's events come in program order; under a hold no new one is raised, and
 * one raised before is kept and can be fetched and answered.
 *
 * However many synchronous subscriptions match what the guest did, it raises
 * one event; mvmi_event.subscription names one that matched, and the core finds
 * the others. An asynchronous subscription has each event for itself, because
 * it loses or holds by itself. Where subscription is 0, the event belongs to
 * all subscriptions of its kind.
 */
struct mvmi_event_ops {
	/** What is offered. Constant for the life of the connection. */
	size_t (*descs)(struct mvmi_conn *conn,
			const struct mvmi_event_desc **ret);
	/**
	 * Start raising. The core has checked kind, filters and async against
	 * the descriptor. *ret identifies it in disable() and in
	 * mvmi_event.subscription. LIMIT when slots run out; BUSY, naming the
	 * pid, when another process is the VM's controller.
	 */
	enum mvmi_status (*enable)(struct mvmi_conn *conn,
				   const struct mvmi_subscription *what,
				   uint64_t *ret, struct mvmi_error *err);
	/**
	 * Stop raising. On return no further event of it is raised; those
	 * already raised can still be fetched, and the core continues them.
	 */
	enum mvmi_status (*disable)(struct mvmi_conn *conn, uint64_t id,
				    struct mvmi_error *err);
	/**
	 * Fetch the next event. timeout_ms 0 polls, -1 waits.
	 *
	 * OK: *ret is filled; ret->regs, if not NULL, is borrowed until the
	 * reply or the next call. TIMEOUT: none came. GONE: the VM ended, after
	 * MVMI_EVENT_GONE was delivered once. SYSTEM: the far side is gone
	 * while the VM lives.
	 */
	enum mvmi_status (*next)(struct mvmi_conn *conn, int timeout_ms,
				 struct mvmi_event *ret,
				 struct mvmi_error *err);
	/**
	 * Answer a synchronous event; lifts only its own hold. The core has
	 * checked the action against the descriptor. reply->regs.dirty is
	 * written before the vCPU runs; rip only if dirty, else the driver
	 * chooses the rip that the action needs. STALE, and nothing changes,
	 * when the event is gone: deadline, detach, reset, vCPU unplugged.
	 */
	enum mvmi_status (*reply)(struct mvmi_conn *conn,
				  struct mvmi_event_id id,
				  const struct mvmi_reply *reply,
				  struct mvmi_error *err);
	/**
	 * Readable while next() would not time out. Signalled only for a client
	 * that said it sleeps, which asking for it says.
	 */
	struct mvmi_waitable (*waitable)(struct mvmi_conn *conn);
	/**
	 * How long a synchronous event may stay unanswered before the far side
	 * continues it by itself and counts that. 0: for ever.
	 */
	enum mvmi_status (*set_deadline)(struct mvmi_conn *conn,
					 uint32_t deadline_ms,
					 struct mvmi_error *err);
	/** Events continued because of the deadline so far. */
	uint64_t (*overdue)(struct mvmi_conn *conn);
};

#define MVMI_HOLD_DEADLINE_DEFAULT_MS 2000

/** r/w/x permission of guest frames, in a view; view 0 is the ordinary one. */
struct mvmi_access_ops {
	/**
	 * Allow only the enum mvmi_access bits in access on gfn; what is not
	 * allowed is an MVMI_EVENT_MEMORY. Combinations that the hardware, or
	 * a bug of the hypervisor, forbids give UNSUPPORTED.
	 */
	enum mvmi_status (*set)(struct mvmi_conn *conn, uint32_t view,
				mvmi_gfn gfn, uint32_t access,
				struct mvmi_error *err);
	enum mvmi_status (*get)(struct mvmi_conn *conn, uint32_t view,
				mvmi_gfn gfn, uint32_t *ret,
				struct mvmi_error *err);
};

/** Several guest-physical to host mappings of one VM (EPT views, altp2m). */
struct mvmi_view_ops {
	/** MVMI_HOLDS_VCPU: each vCPU has its own; MVMI_HOLDS_VM: all share. */
	enum mvmi_hold_scope (*scope)(struct mvmi_conn *conn);
	/** *ret is never 0. LIMIT when there are no more. */
	enum mvmi_status (*create)(struct mvmi_conn *conn, uint32_t *ret,
				   struct mvmi_error *err);
	/** Not while a vCPU is in it: BUSY. */
	enum mvmi_status (*destroy)(struct mvmi_conn *conn, uint32_t view,
				    struct mvmi_error *err);
	/** vcpu is ignored where the scope is the VM. */
	enum mvmi_status (*switch_to)(struct mvmi_conn *conn, unsigned vcpu,
				      uint32_t view, struct mvmi_error *err);
	/** In view, let gfn be backed by the frame of target; itself: undo. */
	enum mvmi_status (*remap)(struct mvmi_conn *conn, uint32_t view,
				  mvmi_gfn gfn, mvmi_gfn target,
				  struct mvmi_error *err);
	/**
	 * Make a frame that the guest was not given, full of zeros, to be the
	 * target of a remap. `mem` and `write` reach it; regions() leaves it
	 * out. close() takes it away. LIMIT when there are no more.
	 */
	enum mvmi_status (*frame_create)(struct mvmi_conn *conn, mvmi_gfn *ret,
					 struct mvmi_error *err);
	/** BUSY while a view is remapped to it. */
	enum mvmi_status (*frame_destroy)(struct mvmi_conn *conn, mvmi_gfn gfn,
					  struct mvmi_error *err);
};

/** Giving the guest an exception or interrupt. */
struct mvmi_inject_ops {
	/** Delivered before the vCPU's next instruction. BUSY: one is pending. */
	enum mvmi_status (*inject)(struct mvmi_conn *conn, unsigned vcpu,
				   const struct mvmi_injection *injection,
				   struct mvmi_error *err);
};

/** Taking a VM back to an earlier moment. */
struct mvmi_snapshot_ops {
	enum mvmi_status (*take)(struct mvmi_conn *conn, uint32_t *ret,
				 struct mvmi_error *err);
	/** Begins a new incarnation. */
	enum mvmi_status (*restore)(struct mvmi_conn *conn, uint32_t snapshot,
				    struct mvmi_error *err);
	enum mvmi_status (*discard)(struct mvmi_conn *conn, uint32_t snapshot,
				    struct mvmi_error *err);
	/** Frames written since; *ret may exceed capacity. */
	enum mvmi_status (*dirty)(struct mvmi_conn *conn, uint32_t snapshot,
				  mvmi_gfn *gfns, size_t capacity, size_t *ret,
				  struct mvmi_error *err);
};

/* ---- the connection ---------------------------------------------------- */

/** One open VM, embedded in the driver's own structure. */
struct mvmi_conn {
	const struct mvmi_driver *driver;
	const struct mvmi_mem_ops *mem; /**< never NULL */
	const struct mvmi_write_ops *write;
	const struct mvmi_map_ops *map;
	const struct mvmi_vcpu_ops *vcpu;
	const struct mvmi_vcpu_set_ops *vcpu_set;
	const struct mvmi_run_ops *run;
	const struct mvmi_quiesce_ops *quiesce;
	const struct mvmi_event_ops *event;
	const struct mvmi_access_ops *access;
	const struct mvmi_view_ops *view;
	const struct mvmi_inject_ops *inject;
	const struct mvmi_snapshot_ops *snapshot;

	uint32_t traits; /**< enum mvmi_trait; may change with incarnation */
	mvmi_regset readable_regs;
	mvmi_regset writable_regs;
	/**
	 * Counts from 1. The driver adds one when it learns of a reset, loadvm,
	 * migration, hotplug or slot change, in whatever operation it learns
	 * that; the core looks at it after each.
	 */
	uint64_t incarnation;
};

/** One `key=value` of a target. */
struct mvmi_target_option {
	const char *key;
	const char *value;
};

/** What open() is told. All of it is borrowed for the call. */
struct mvmi_open_args {
	const char *where; /**< %-escapes are resolved; never NULL */
	const struct mvmi_target_option *options;
	size_t option_count;
	bool read_only;
	uint32_t timeout_ms; /**< for an answer from the VMM; never 0 */
};

/** A driver: one constant object per hypervisor or file format. */
struct mvmi_driver {
	uint32_t abi; /**< MVMI_DRIVER_ABI */
	/** Scheme of its targets: two or more letters or digits. */
	const char *name;
	/** Keys that options may have, NULL-terminated; others are refused. */
	const char *const *option_keys;

	/**
	 * Does a bare path look like mine? Looks at no more than the file's type
	 * and first bytes, never connects. NULL: never.
	 */
	bool (*claims)(const char *path);
	/**
	 * Connect. Sets *ret only on success. Never changes the guest. The
	 * connection's tables, masks and incarnation are set.
	 */
	enum mvmi_status (*open)(const struct mvmi_open_args *args,
				 struct mvmi_conn **ret,
				 struct mvmi_error *err);
	/**
	 * Detach in this order: stop raising, undo patches, answer all pending,
	 * leave views, clear steps, lift holds, close. Each step is idempotent,
	 * for a watchdog runs the same code. Cannot fail.
	 */
	void (*close)(struct mvmi_conn *conn);
	/**
	 * Fill what the driver knows of target, name, hypervisor, memory_path,
	 * pid, note and state; the core has set the rest.
	 */
	enum mvmi_status (*info)(struct mvmi_conn *conn,
				 struct mvmi_vm_info *info,
				 struct mvmi_error *err);
	/**
	 * Look whether the VM still lives, and take in what its VMM had to say;
	 * may raise conn->incarnation. The core calls it every 100 ms or so of
	 * use, so that reads through windows notice the end of the VM. Must not
	 * wait. NULL: nothing can end or change.
	 */
	enum mvmi_status (*poll)(struct mvmi_conn *conn,
				 struct mvmi_error *err);
	/**
	 * Report every VM on this host that could be this driver's, with why it
	 * can't be opened. NULL: there is nothing to look for.
	 */
	enum mvmi_status (*list)(mvmi_list_fn fn, void *arg,
				 struct mvmi_error *err);
};

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_DRIVER_H */
