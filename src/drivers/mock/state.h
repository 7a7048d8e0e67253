/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The mock's guest and its far side. Internal to drivers/mock/.
 */
#ifndef MICROVMI_DRIVERS_MOCK_STATE_H
#define MICROVMI_DRIVERS_MOCK_STATE_H

#include "drivers/mock/mock.h"

#define mock_personality_find	mvmi__mock_personality_find
#define mock_enter		mvmi__mock_enter
#define mock_detach		mvmi__mock_detach
#define mock_memory_init	mvmi__mock_memory_init
#define mock_memory_fini	mvmi__mock_memory_fini
#define mock_memory_find	mvmi__mock_memory_find
#define mock_memory_has_spare	mvmi__mock_memory_has_spare
#define mock_memory_poke	mvmi__mock_memory_poke
#define mock_memory_windows	mvmi__mock_memory_windows
#define mock_vcpu_reset		mvmi__mock_vcpu_reset
#define mock_vcpu_apply		mvmi__mock_vcpu_apply
#define mock_vcpu_snapshot	mvmi__mock_vcpu_snapshot
#define mock_vcpu_is_held	mvmi__mock_vcpu_is_held
#define mock_guest_translate	mvmi__mock_guest_translate
#define mock_guest_msr		mvmi__mock_guest_msr
#define mock_guest_deliver	mvmi__mock_guest_deliver
#define mock_guest_execute	mvmi__mock_guest_execute
#define mock_guest_retire	mvmi__mock_guest_retire
#define mock_mem_ops		mvmi__mock_mem_ops
#define mock_write_ops		mvmi__mock_write_ops
#define mock_map_ops		mvmi__mock_map_ops
#define mock_vcpu_ops		mvmi__mock_vcpu_ops
#define mock_vcpu_set_ops	mvmi__mock_vcpu_set_ops
#define mock_run_ops		mvmi__mock_run_ops
#define mock_quiesce_ops	mvmi__mock_quiesce_ops
#define mock_enter_controller	mvmi__mock_enter_controller
#define mock_enter_memory	mvmi__mock_enter_memory
#define mock_event_desc		mvmi__mock_event_desc
#define mock_event_raise	mvmi__mock_event_raise
#define mock_event_note		mvmi__mock_event_note
#define mock_event_ring_is_full mvmi__mock_event_ring_is_full
#define mock_event_continue_all mvmi__mock_event_continue_all
#define mock_event_expire	mvmi__mock_event_expire
#define mock_event_signal	mvmi__mock_event_signal
#define mock_event_ops		mvmi__mock_event_ops
#define mock_describe_kind	mvmi__mock_describe_kind
#define mock_describe		mvmi__mock_describe
#define mock_describe_fetch	mvmi__mock_describe_fetch
#define mock_view_exists	mvmi__mock_view_exists
#define mock_view_access	mvmi__mock_view_access
#define mock_view_translate	mvmi__mock_view_translate
#define mock_view_drop_all	mvmi__mock_view_drop_all
#define mock_access_ops		mvmi__mock_access_ops
#define mock_view_ops		mvmi__mock_view_ops
#define mock_inject_ops		mvmi__mock_inject_ops
#define mock_snapshot_fini	mvmi__mock_snapshot_fini
#define mock_snapshot_ops	mvmi__mock_snapshot_ops

#define MOCK_VCPUS_MAX		64
#define MOCK_REGIONS_MAX	6
#define MOCK_SUBSCRIPTIONS_MAX	2048
#define MOCK_VIEWS_MAX		8
#define MOCK_SNAPSHOTS_MAX	4

/** When a driver learns that its VM has ended. */
enum mock_death {
	MOCK_DEATH_AT_ONCE,
	MOCK_DEATH_ONE_CALL_LATE, /**< one more call succeeds */
	MOCK_DEATH_AT_NEXT,	  /**< only next() and poll() find out */
};

/** What makes one hypervisor different from another. */
struct mock_personality {
	const char *name;
	const char *hypervisor;
	uint32_t tables;   /**< enum mvmi_capability */
	uint64_t readable; /**< bit N: enum mvmi_reg N */
	uint64_t writable;
	const struct mvmi_event_desc *descs;
	size_t desc_count;
	/** Bit N: the access combination N can't be had. */
	uint32_t forbidden_access;
	enum mvmi_hold_scope view_scope;
	unsigned view_limit;
	enum mock_death death;
};

/** Some RAM or ROM: the guest's bytes, and the window that a client sees. */
struct mock_region {
	struct mvmi_region info;
	uint8_t *host;	   /**< owned mapping */
	uint8_t *window;   /**< owned; PROT_NONE but for the present pages */
	uint64_t *backed;  /**< owned; bit N: page N was written */
	uint64_t *present; /**< owned; those that a client was told of */
	uint64_t *written; /**< owned; when each page was written last */
};

/** A synchronous event between being raised and being answered. */
struct mock_pending {
	bool raised;
	bool fetched;
	bool holds_vm;
	uint64_t order; /**< among all events of this VM */
	uint64_t raised_ms;
	uint32_t groups; /**< registers that are wanted with it */
	struct mvmi_event event;
};

/** An asynchronous event on its way. */
struct mock_note {
	uint64_t order;
	struct mvmi_event event;
};

struct mock_vcpu {
	struct mvmi_regs_x86 regs;
	struct mock_insn program[MOCK_PROGRAM_MAX];
	unsigned head;
	unsigned left;
	uint32_t passed; /**< kinds answered for the instruction at head */
	uint32_t passed_access; /**< enum mvmi_access, likewise */
	bool original;		/**< execute what an int3 was written over */
	bool step_due;		/**< it has executed, and nobody was told yet */
	struct mock_pending pending;
	struct mock_note ring[MOCK_RING_MAX];
	unsigned ring_head;
	unsigned ring_count;
	uint64_t lost;
	bool has_injection;
	struct mvmi_injection injection;
	struct mock_seen seen;
};

struct mock_subscription {
	uint64_t id; /**< 0: free */
	struct mvmi_subscription what;
};

/** One frame that a view treats in its own way. */
struct mock_frame {
	uint32_t view;
	uint32_t access; /**< enum mvmi_access */
	mvmi_gfn gfn;
	mvmi_gfn target;
};

struct mock_snapshot;

struct mock_vm {
	unsigned refs;
	const struct mock_personality *personality;
	uint64_t incarnation;
	uint64_t now_ms;
	uint64_t killed_ms;
	bool dead;
	bool dead_call_left; /**< MOCK_DEATH_ONE_CALL_LATE */
	bool dead_known;     /**< the client was told */
	bool dead_delivered; /**< as an event */
	bool far_gone;
	bool stopped;
	bool held;
	bool quiesced;
	int64_t controller;

	struct mock_region regions[MOCK_REGIONS_MAX];
	size_t region_count;
	struct mock_region
		spare; /**< frames that a client made; none is told */
	bool spares[MOCK_SPARE_MAX];
	uint64_t writes; /**< counts; what mock_region.written is in */

	struct mock_vcpu *vcpus; /**< owned */
	unsigned vcpu_count;

	struct mock_subscription subscriptions[MOCK_SUBSCRIPTIONS_MAX];
	uint64_t last_id;
	uint64_t last_generation;
	uint64_t last_order;
	uint32_t deadline_ms;
	uint64_t overdue;
	struct mock_note notes[MOCK_RING_MAX]; /**< of the VM as a whole */
	unsigned note_count;
	struct mvmi_regs event_regs;
	bool has_waitable;
	int waitable; /**< owned eventfd */

	struct mock_frame *frames; /**< owned */
	size_t frame_count;
	bool views[MOCK_VIEWS_MAX];
	struct mock_snapshot *snapshots[MOCK_SNAPSHOTS_MAX]; /**< owned */
};

/** A client's end. */
struct mock_conn {
	struct mvmi_conn base;
	struct mock_vm *vm; /**< counted */
	struct mvmi_window windows[MOCK_REGIONS_MAX];
};

/** NULL if there is no such personality. */
const struct mock_personality *mock_personality_find(const char *name);

/** What every operation begins with: does the VM live, which life is it? */
enum mvmi_status mock_enter(struct mvmi_conn *conn, struct mock_vm **ret,
			    struct mvmi_error *err);
/** As mock_enter(), for what does not need the far side. */
enum mvmi_status mock_enter_memory(struct mvmi_conn *conn, struct mock_vm **ret,
				   struct mvmi_error *err);
/** As mock_enter(), for what only one client may do. */
enum mvmi_status
mock_enter_controller(struct mvmi_conn *conn, struct mock_vm **ret,
		      struct mvmi_error *err);
/** CONTRACT, Events 9. Idempotent. */
void mock_detach(struct mock_vm *vm);

/** @param private_gpa  One private page, or UINT64_MAX. */
enum mvmi_status mock_memory_init(struct mock_vm *vm, uint64_t ram,
				  uint64_t private_gpa, struct mvmi_error *err);
void mock_memory_fini(struct mock_vm *vm);
/** The region that gpa is in, or NULL. */
struct mock_region *mock_memory_find(struct mock_vm *vm, mvmi_gpa gpa);
/** Whether gpa lies in a frame that a client made. */
bool mock_memory_has_spare(const struct mock_vm *vm, mvmi_gpa gpa);
/** Write as the guest or the client does. @return false: not all is there. */
bool mock_memory_poke(struct mock_vm *vm, mvmi_gpa gpa, struct mvmi_bytes src);
/** Fill windows with one a region that may be mapped; how many there are. */
size_t mock_memory_windows(struct mock_vm *vm, struct mvmi_window *windows);

void mock_vcpu_reset(struct mock_vcpu *vcpu);
/** Write the dirty registers. */
void mock_vcpu_apply(struct mock_vcpu *vcpu, const struct mvmi_regs *regs);
/** Copy those of the groups that the personality can read. */
void mock_vcpu_snapshot(const struct mock_vm *vm, unsigned vcpu,
			unsigned groups, struct mvmi_regs *ret);
/** CONTRACT, Events 1: whether anything holds it. */
bool mock_vcpu_is_held(const struct mock_vm *vm, unsigned vcpu);

/**
 * Where a virtual address lies: as it stands without paging, else by a walk of
 * four levels. UINT64_MAX: nowhere.
 */
mvmi_gpa mock_guest_translate(struct mock_vm *vm, const struct mock_vcpu *cpu,
			      mvmi_gva gva);
/** Where the vCPU keeps an MSR; NULL: it has no such. */
uint64_t *mock_guest_msr(struct mock_vcpu *cpu, uint32_t msr);
/** Deliver to the guest; it has no handler, it only remembers. */
void mock_guest_deliver(struct mock_vcpu *cpu,
			const struct mvmi_injection *what);
/** Let an instruction have its effect on the vCPU and on memory. */
void mock_guest_execute(struct mock_vm *vm, struct mock_vcpu *cpu,
			const struct mock_insn *insn);
/** The instruction at head is done with: on to the next. */
void mock_guest_retire(struct mock_vcpu *cpu);

#define MOCK_NO_EVENT (-1)
/** The enum mvmi_event_kind of an instruction, or MOCK_NO_EVENT. */
int mock_describe_kind(enum mock_op op);
/** The instruction as an event that every field of is known. */
struct mvmi_event
mock_describe(struct mock_vm *vm, unsigned vcpu, const struct mock_insn *insn);
/** The same for being at rip: a fetch, a breakpoint, a step. */
struct mvmi_event mock_describe_fetch(struct mock_vm *vm, unsigned vcpu,
				      enum mvmi_event_kind kind);

/** NULL: the personality doesn't have this kind. */
const struct mvmi_event_desc *
mock_event_desc(const struct mock_vm *vm, enum mvmi_event_kind kind);
/** Tell all who want to know. @return Whether the vCPU now waits for a reply. */
bool mock_event_raise(struct mock_vm *vm, const struct mvmi_event *what);
/** An event of the VM as a whole; it holds nothing. */
void mock_event_note(struct mock_vm *vm, enum mvmi_event_kind kind);
/**
 * Whether the vCPU has to wait for room, for a subscriber would rather have
 * that than lose events. It waits whatever its next instruction is.
 */
bool mock_event_ring_is_full(const struct mock_vm *vm, unsigned vcpu);
/** Continue all that are pending; the deadline's version counts them. */
void mock_event_continue_all(struct mock_vm *vm);
void mock_event_expire(struct mock_vm *vm);
/** Bring the waitable up to date. */
void mock_event_signal(struct mock_vm *vm);

bool mock_view_exists(const struct mock_vm *vm, uint32_t view);
uint32_t
mock_view_access(const struct mock_vm *vm, uint32_t view, mvmi_gfn gfn);
/** Where a guest-physical address leads in a view. */
mvmi_gpa
mock_view_translate(const struct mock_vm *vm, uint32_t view, mvmi_gpa gpa);
/** Every vCPU in the ordinary view, and that without restrictions. */
void mock_view_drop_all(struct mock_vm *vm);

void mock_snapshot_fini(struct mock_vm *vm);

extern const struct mvmi_mem_ops mock_mem_ops;
extern const struct mvmi_write_ops mock_write_ops;
extern const struct mvmi_map_ops mock_map_ops;
extern const struct mvmi_vcpu_ops mock_vcpu_ops;
extern const struct mvmi_vcpu_set_ops mock_vcpu_set_ops;
extern const struct mvmi_run_ops mock_run_ops;
extern const struct mvmi_quiesce_ops mock_quiesce_ops;
extern const struct mvmi_event_ops mock_event_ops;
extern const struct mvmi_access_ops mock_access_ops;
extern const struct mvmi_view_ops mock_view_ops;
extern const struct mvmi_inject_ops mock_inject_ops;
extern const struct mvmi_snapshot_ops mock_snapshot_ops;

#endif /* MICROVMI_DRIVERS_MOCK_STATE_H */
