/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The wire between a client and an agent inside a VMM's process.
 *
 * Shared by src/drivers/agent/ (the client) and agents/common/ (the server);
 * nothing else knows it. Two ways lead across:
 *
 * - A control socket, SOCK_SEQPACKET in the abstract namespace, named by the
 *   VMM's pid (AGENT_SOCKET_FORMAT). A packet is a struct agent_packet and its
 *   body; each request gets one answer with the same sequence number. The
 *   agent never speaks first. Its end is the client's end: whatever the client
 *   had set up is undone. A client of another user is refused unless it is
 *   root.
 * - Shared memory, one memfd a connection, which the agent makes, seals
 *   against resizing and passes with its answer to HELLO. Events and replies
 *   go through it without a system call but a futex wake.
 *
 * Neither side trusts the other's bytes: every index and length that is read
 * from shared memory is copied once, then checked.
 *
 * ## A synchronous event
 *
 * vCPU N's thread fills slot N, stores RAISED with the event's generation in
 * `state`, sets bit N of `pending`, increments `doorbell` and wakes the client
 * as `sleeping` says: not at all, by futex on `doorbell`, or by the eventfd
 * that came with HELLO. The client takes the bit, copies the event, fills the
 * slot's reply, swaps RAISED of this generation for REPLIED of it, and wakes
 * the futex on `state` if `sleeps` says so. If the agent's deadline passed first, or it detached,
 * `state` has moved on: the client's swap fails, which is STALE. All accesses
 * to `state`, `pending` and `doorbell` are sequentially consistent.
 *
 * ## An asynchronous event
 *
 * vCPU N's thread is the one producer of ring N: it writes the entry at
 * tail % AGENT_RING_LEN, then stores tail + 1 (release), then rings as above.
 * The client is the one consumer and owns head. A full ring loses the event
 * and counts it in `lost`, unless the subscription said to hold: then the vCPU
 * waits on the futex of head until there is room, the deadline, or the end.
 * The client wakes it when it takes the entry that half of the ring is left by.
 *
 * ## Versions
 *
 * Numbers in here never change their meaning; structs grow at the end, and
 * lengths travel with them. HELLO carries the range of versions that a side
 * speaks, the answer the one that is used. Each version is decoded as data by
 * one short function into the structs of the library.
 */
#ifndef MICROVMI_DRIVERS_AGENT_ABI_H
#define MICROVMI_DRIVERS_AGENT_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_ABI_OLDEST 1
#define AGENT_ABI_NEWEST 1

/** After the leading NUL of an abstract name. %lld: the VMM's pid. */
#define AGENT_SOCKET_FORMAT	"microvmi-agent/%lld"

#define AGENT_MAGIC		UINT32_C(0x416d566d) /* "mVmA" */

#define AGENT_VCPUS_MAX		1024
#define AGENT_RING_LEN		1024  /**< entries; a power of two */
#define AGENT_PACKET_MAX	65536 /**< bytes of a packet, head included */
#define AGENT_WRITE_MAX		32768 /**< bytes of one WRITE */
#define AGENT_TEXT_LEN		256   /**< of an error's message */
#define AGENT_SUBSCRIPTIONS_MAX 65536

/* ---- the control socket ------------------------------------------------- */

enum agent_request {
	/**
	 * agent_hello -> agent_welcome, descs; 2 fds for the controller. May be
	 * said again by a reader that wants to become the controller.
	 */
	AGENT_HELLO = 1,
	AGENT_ENABLE = 2,      /**< agent_subscription -> u64 id */
	AGENT_DISABLE = 3,     /**< u64 id -> */
	AGENT_HOLD = 4,	       /**< -> ; returns when no vCPU runs guest code */
	AGENT_RELEASE = 5,     /**< -> */
	AGENT_REGS_GET = 6,    /**< agent_regs_get -> agent_regs */
	AGENT_REGS_SET = 7,    /**< agent_regs_set -> */
	AGENT_WRITE = 8,       /**< agent_write, bytes -> */
	AGENT_ACCESS_SET = 9,  /**< agent_access -> */
	AGENT_ACCESS_GET = 10, /**< agent_access -> agent_access */
	AGENT_VIEW_CREATE = 11,	 /**< -> u32 view */
	AGENT_VIEW_DESTROY = 12, /**< agent_view -> */
	AGENT_VIEW_SWITCH = 13,	 /**< agent_view -> */
	AGENT_VIEW_REMAP = 14,	 /**< agent_view -> */
	AGENT_INJECT = 15,	 /**< agent_inject -> */
	AGENT_DEADLINE = 16,	 /**< u32 milliseconds -> */
	AGENT_STATE = 17,	 /**< -> agent_state */
};

/** Ahead of every packet, both ways. */
struct agent_packet {
	uint32_t len;	  /**< of the whole packet */
	uint16_t request; /**< enum agent_request; the answer repeats it */
	uint16_t reserved;
	uint32_t sequence;
	uint32_t status; /**< enum mvmi_status; 0 in a request */
};
static_assert(sizeof(struct agent_packet) == 16, "wire");

/** The body of an answer whose status is not 0. */
struct agent_failure {
	uint64_t addr;
	int32_t sys;
	uint32_t reserved;
	char text[AGENT_TEXT_LEN]; /**< NUL-terminated */
};
static_assert(sizeof(struct agent_failure) == 272, "wire");

enum agent_role {
	AGENT_READER = 0,     /**< memory, registers, holds, injection */
	AGENT_CONTROLLER = 1, /**< events, access and views, too */
};

struct agent_hello {
	uint32_t magic;
	uint16_t oldest; /**< versions that the client speaks */
	uint16_t newest;
	uint32_t role; /**< enum agent_role */
	uint32_t deadline_ms;
	int64_t pid; /**< the client's own, for messages */
};
static_assert(sizeof(struct agent_hello) == 24, "wire");

/** Followed by desc_count structs agent_desc. */
struct agent_welcome {
	uint32_t magic;
	uint16_t version;      /**< that both use */
	uint16_t desc_len;     /**< bytes of one agent_desc */
	uint32_t capabilities; /**< enum mvmi_capability that the agent adds */
	uint32_t desc_count;
	uint32_t vcpu_count;
	uint32_t shared_len; /**< bytes of the shared memory */
	uint64_t readable_regs[2];
	uint64_t writable_regs[2];
	uint32_t view_scope; /**< enum mvmi_hold_scope */
	uint32_t view_limit;
	char agent[64]; /**< e.g. "microvmi 0.1.0, QEMU plugin API 4" */
	char vmm[64];	/**< e.g. "QEMU 10.0.2 (TCG)" */
};
static_assert(sizeof(struct agent_welcome) == 192, "wire");

/** struct mvmi_event_desc. */
struct agent_desc {
	uint32_t kind;
	uint8_t phase;
	uint8_t holds;
	uint8_t async;
	uint8_t reserved;
	uint32_t replies;
	uint32_t filters;
	uint32_t fields;
	uint32_t limit;
};
static_assert(sizeof(struct agent_desc) == 24, "wire");

/** struct mvmi_subscription. */
struct agent_subscription {
	uint32_t kind;
	uint8_t async;
	uint8_t hold_when_full;
	uint8_t skip_page_walks;
	uint8_t reserved;
	uint32_t filters;
	uint32_t index;
	uint32_t access;
	uint32_t groups;
	uint64_t vectors[4];
	uint64_t vcpus;
	uint64_t value;
	uint64_t value_mask;
	uint64_t cr3;
	uint64_t cr3_mask;
	uint64_t start;
	uint64_t span; /**< bytes */
};
static_assert(sizeof(struct agent_subscription) == 112, "wire");

struct agent_regs_get {
	uint32_t vcpu;
	uint32_t groups;
};

struct agent_write {
	uint64_t gpa;
	uint32_t mode;	/**< enum mvmi_write_mode */
	uint32_t count; /**< bytes that follow */
};

struct agent_access {
	uint64_t gfn;
	uint32_t view;
	uint32_t access;
};

struct agent_view {
	uint32_t view;
	uint32_t vcpu;
	uint64_t gfn;
	uint64_t target;
};

struct agent_inject {
	uint32_t vcpu;
	uint32_t kind;
	uint32_t vector;
	uint32_t error_code;
	uint32_t has_error_code;
	uint32_t reserved;
	uint64_t cr2;
};

/** What changes without being asked. */
struct agent_state {
	uint64_t incarnation;
	uint64_t overdue;  /**< events continued because of the deadline */
	uint64_t raised;   /**< synchronous events so far */
	uint64_t filtered; /**< that no filter let through */
	uint32_t vcpu_count;
	uint32_t reserved;
};

/* ---- registers ---------------------------------------------------------- */

struct agent_segment {
	uint64_t base;
	uint32_t limit;
	uint32_t attributes;
	uint32_t selector;
	uint32_t reserved;
};

/** struct mvmi_regs_x86, without padding that compilers might choose. */
struct agent_regs {
	uint64_t valid[2]; /**< bits of enum mvmi_reg */
	uint64_t dirty[2];
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	struct agent_segment seg[8];
	uint64_t gdtr_base;
	uint64_t idtr_base;
	uint32_t gdtr_limit;
	uint32_t idtr_limit;
	uint64_t cr0, cr2, cr3, cr4, cr8, xcr0;
	uint64_t dr[8];
	uint64_t efer, star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t apic_base, pat, tsc_aux;
	uint8_t st[8][16];
	uint16_t fcw, fsw, ftw, fop;
	uint64_t fip, fdp;
	uint32_t mxcsr;
	uint32_t reserved;
	uint8_t xmm[16][16];
	uint8_t ymm_high[16][16];
};
static_assert(offsetof(struct agent_regs, seg) == 176, "wire");
static_assert(offsetof(struct agent_regs, st) == 600, "wire");
static_assert(sizeof(struct agent_regs) == 1272, "wire");

struct agent_regs_set {
	uint32_t vcpu;
	uint32_t reserved;
	struct agent_regs regs; /**< the dirty ones are written */
};

/* ---- shared memory ------------------------------------------------------ */

/** What is known of the vCPU's registers along with an event. */
enum agent_known {
	AGENT_KNOWS_REGS = 1 << 0, /**< regs, beside it in the slot */
	AGENT_KNOWS_RIP = 1 << 1,
	AGENT_KNOWS_CR3 = 1 << 2,
};

/** struct mvmi_event. */
struct agent_event {
	uint64_t generation;   /**< of the slot; 0 in a ring */
	uint64_t subscription; /**< id that ENABLE gave */
	uint32_t kind;
	uint32_t fields;
	uint32_t vcpu;
	uint8_t access;
	uint8_t insn_len;
	uint8_t page_walk;
	uint8_t phase;
	uint32_t index;
	uint32_t vector;
	uint32_t error_code;
	uint32_t span; /**< bytes accessed */
	uint64_t gva;
	uint64_t gpa;
	uint64_t value;
	uint64_t old_value;
	uint32_t view;
	uint32_t known;	  /**< enum agent_known */
	uint64_t time_ns; /**< CLOCK_MONOTONIC when it was raised */
	/** Few, so that a ring tells who and where. */
	uint64_t rip;
	uint64_t cr3;
};
static_assert(sizeof(struct agent_event) == 112, "wire");

/** struct mvmi_reply. */
struct agent_reply {
	uint32_t action; /**< enum mvmi_action */
	uint32_t view;
	struct agent_inject inject;
	uint32_t data_len;
	uint32_t reserved;
	uint8_t data[64];
	struct agent_regs regs; /**< its dirty ones are written */
};
static_assert(sizeof(struct agent_reply) == 1384, "wire");

/** The low two bits of a slot's state; above are the generation's low 30. */
enum agent_slot_state {
	AGENT_SLOT_IDLE = 0,
	AGENT_SLOT_RAISED = 1,	/**< by the agent: the vCPU waits */
	AGENT_SLOT_REPLIED = 2, /**< by the client */
};

static inline uint32_t
agent_slot_word(uint64_t generation, enum agent_slot_state state)
{
	return (uint32_t)(generation << 2) | (uint32_t)state;
}

/** One vCPU's synchronous event. */
struct agent_slot {
	uint32_t state;	    /**< agent_slot_word(); a futex */
	uint32_t sleeps;    /**< by the agent: the vCPU is to be woken */
	uint64_t unused[7]; /**< the futex has a cache line of its own */
	struct agent_event event;
	uint64_t reserved_2;
	struct agent_regs regs;
	struct agent_reply reply;
	uint64_t reserved_3[14];
};
static_assert(sizeof(struct agent_slot) == 2952, "wire");

/** One vCPU's asynchronous events: one producer, one consumer. */
struct agent_ring {
	uint32_t head; /**< the client's: next to be read; a futex */
	uint32_t reserved[15];
	uint32_t tail; /**< the agent's: next to be written */
	uint32_t reserved_2;
	uint64_t lost;
	uint64_t reserved_3[6];
	struct agent_event entries[AGENT_RING_LEN];
};
static_assert(offsetof(struct agent_ring, tail) == 64, "wire");
static_assert(offsetof(struct agent_ring, entries) == 128, "wire");

enum agent_sleep {
	AGENT_AWAKE = 0, /**< it looks by itself: don't ring */
	AGENT_SLEEPS_FUTEX = 1,
	AGENT_SLEEPS_POLL = 2, /**< ring the eventfd */
};

/** The first page of shared memory; slots and rings follow, page-aligned. */
struct agent_shared {
	uint32_t magic;
	uint32_t version;
	uint32_t vcpu_count;  /**< slots and rings that there are */
	uint32_t slot_offset; /**< bytes from the start */
	uint32_t slot_stride;
	uint32_t ring_offset;
	uint32_t ring_stride;
	uint32_t gone; /**< the VM ended; set by the agent, once */
	uint64_t unused[4];
	uint32_t doorbell; /**< counts rings; a futex */
	uint32_t sleeping; /**< enum agent_sleep; set by the client */
	uint64_t unused_2[7];
	uint64_t pending[AGENT_VCPUS_MAX / 64]; /**< slots that were raised */
	uint64_t ready[AGENT_VCPUS_MAX / 64];	/**< rings that got entries */
	uint64_t overdue;
	uint64_t incarnation;
	uint32_t
		spin_ns; /**< by the client: how long a vCPU spins for a reply */
	/**
	 * Set by the agent when a deadline passed: until the client clears it,
	 * which next() does, no vCPU waits for it again.
	 */
	uint32_t stalled;
};
static_assert(offsetof(struct agent_shared, doorbell) == 64, "wire");
static_assert(offsetof(struct agent_shared, pending) == 128, "wire");
static_assert(sizeof(struct agent_shared) <= 4096, "one page");

#endif /* MICROVMI_DRIVERS_AGENT_ABI_H */
