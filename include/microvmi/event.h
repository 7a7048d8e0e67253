/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Hardware events: what a caller subscribes to, what it is told, what it
 * answers.
 *
 * Three words for three roles. A subscription is const and the caller's; an
 * event is const, the library's, and dies with the callback; a reply is the
 * caller's, starts as zero, and zero means "continue as if nobody had looked".
 */
#ifndef MICROVMI_EVENT_H
#define MICROVMI_EVENT_H

#include <microvmi/types.h>
#include <microvmi/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_vm;

/** What happened. New kinds are only appended. */
enum mvmi_event_kind {
	MVMI_EVENT_CR0_WRITE, /**< value, old_value */
	MVMI_EVENT_CR3_WRITE,
	MVMI_EVENT_CR4_WRITE,
	MVMI_EVENT_XCR0_WRITE,
	MVMI_EVENT_DR_ACCESS, /**< index is the DR; access; value if written */
	MVMI_EVENT_MSR_READ,  /**< index is the MSR */
	MVMI_EVENT_MSR_WRITE, /**< index is the MSR; value, old_value */
	MVMI_EVENT_EXCEPTION, /**< vector, error_code, value is CR2 for #PF */
	MVMI_EVENT_INTERRUPT, /**< vector */
	MVMI_EVENT_INT3,
	MVMI_EVENT_HW_BREAKPOINT,
	MVMI_EVENT_STEP,       /**< one instruction was executed */
	MVMI_EVENT_MEMORY,     /**< gpa, gva, access, len, value */
	MVMI_EVENT_DESCRIPTOR, /**< index is an mvmi_reg: GDTR IDTR LDTR TR */
	MVMI_EVENT_CPUID,      /**< index is the leaf, value the subleaf */
	MVMI_EVENT_HYPERCALL,
	MVMI_EVENT_PORT_IO, /**< index is the port; access, len, value */
	MVMI_EVENT_RDTSC,
	MVMI_EVENT_RESET,
	MVMI_EVENT_SHUTDOWN,
	MVMI_EVENT_GONE,       /**< the VM ended; delivered once, then GONE */
	MVMI_EVENT_KIND_COUNT, /**< grows: never store it */
};

/** When the vCPU is caught, relative to the instruction. */
enum mvmi_phase {
	MVMI_PHASE_BEFORE, /**< not executed; rip at the instruction */
	MVMI_PHASE_AFTER,  /**< executed; rip past it */
};

/** What stands still while a synchronous event is pending. */
enum mvmi_hold_scope {
	MVMI_HOLDS_NONE, /**< asynchronous only */
	MVMI_HOLDS_VCPU,
	MVMI_HOLDS_VM,
};

enum mvmi_access {
	MVMI_ACCESS_R = 1 << 0,
	MVMI_ACCESS_W = 1 << 1,
	MVMI_ACCESS_X = 1 << 2,
};

/** What a reply asks for. Exactly one, and register changes beside it. */
enum mvmi_action {
	MVMI_ACTION_CONTINUE, /**< as if nobody had looked */
	MVMI_ACTION_SKIP,     /**< leave the instruction out; BEFORE only */
	MVMI_ACTION_EMULATE,  /**< with reply.data as read data or bytes */
	MVMI_ACTION_DENY,     /**< execute, but let the write have no effect */
	MVMI_ACTION_REINJECT, /**< give the guest its own int3, exception */
	MVMI_ACTION_INJECT,   /**< another exception: reply.inject */
	MVMI_ACTION_STEP,     /**< execute one instruction, then re-arm */
	MVMI_ACTION_SWITCH_VIEW, /**< to reply.view, then continue */
	MVMI_ACTION_COUNT,
};

#define MVMI_ACTION_BIT(action) (UINT32_C(1) << (action))

/** Members of struct mvmi_event that a driver fills. */
enum mvmi_event_field {
	MVMI_FIELD_GVA = 1 << 0,
	MVMI_FIELD_GPA = 1 << 1,
	MVMI_FIELD_ACCESS = 1 << 2,
	MVMI_FIELD_VALUE = 1 << 3,
	MVMI_FIELD_OLD_VALUE = 1 << 4,
	MVMI_FIELD_INDEX = 1 << 5,
	MVMI_FIELD_VECTOR = 1 << 6,
	MVMI_FIELD_ERROR_CODE = 1 << 7,
	MVMI_FIELD_LEN = 1 << 8,
	MVMI_FIELD_INSN_LEN = 1 << 9,
	MVMI_FIELD_PAGE_WALK = 1 << 10,
	MVMI_FIELD_DEVICE = 1 << 11, /**< device accesses are events too */
	MVMI_FIELD_VIEW = 1 << 12,
};

/** Filters that the far side evaluates, before anything is woken. */
enum mvmi_event_filter {
	MVMI_FILTER_INDEX = 1 << 0,	/**< one MSR, port, leaf, DR */
	MVMI_FILTER_VECTOR = 1 << 1,	/**< some exception vectors */
	MVMI_FILTER_VALUE = 1 << 2,	/**< the value, under a mask */
	MVMI_FILTER_CR3 = 1 << 3,	/**< CR3, under a mask */
	MVMI_FILTER_RANGE = 1 << 4,	/**< gpa or gva range */
	MVMI_FILTER_VCPU = 1 << 5,	/**< some vCPUs */
	MVMI_FILTER_PAGE_WALK = 1 << 6, /**< leave page-walk accesses out */
};

/** One event kind as a driver offers it. What isn't here is refused. */
struct mvmi_event_desc {
	enum mvmi_event_kind kind;
	enum mvmi_phase phase;
	enum mvmi_hold_scope holds;
	uint32_t replies; /**< MVMI_ACTION_BIT() of each legal action */
	uint32_t filters; /**< enum mvmi_event_filter */
	uint32_t fields;  /**< enum mvmi_event_field */
	bool async;	  /**< can be had without a hold */
	uint32_t limit;	  /**< how many at once, as slots; 0: no limit */
};

/** Names one event; a reply to one that is gone gives STALE. */
struct mvmi_event_id {
	uint32_t vcpu;
	uint32_t reserved;
	uint64_t generation; /**< never 0 */
};

/** A value to match under a mask; mask 0 matches everything. */
struct mvmi_match {
	uint64_t value;
	uint64_t mask;
};

/** Whether a value has the bits of match.value that are in match.mask. */
static inline bool mvmi_match_accepts(struct mvmi_match match, uint64_t value)
{
	return ((value ^ match.value) & match.mask) == 0;
}

/** What to catch. Zero means default everywhere. */
struct mvmi_subscription {
	size_t size; /**< sizeof, set by the caller */
	enum mvmi_event_kind kind;
	bool async;	      /**< tell me, but don't hold the vCPU */
	bool hold_when_full;  /**< async: hold instead of losing events */
	bool skip_page_walks; /**< memory: leave page-walk accesses out */
	uint32_t filters;     /**< which of the members below count */
	uint32_t index;	      /**< MSR, port, leaf, DR */
	uint32_t access;      /**< memory, port, DR: enum mvmi_access */
	uint64_t vectors[4];  /**< bit N: vector N */
	uint64_t vcpus;	      /**< bit N: vCPU N, the last bit all above */
	struct mvmi_match value;
	struct mvmi_match cr3;
	uint64_t start;	 /**< breakpoint gva, or gpa of memory */
	uint64_t len;	 /**< bytes; 0 is one byte */
	uint32_t groups; /**< registers wanted with it: mvmi_reg_group bits */
};

/** One event. The library's; alive for the callback; grows at the end. */
struct mvmi_event {
	struct mvmi_event_id id;
	enum mvmi_event_kind kind;
	enum mvmi_phase phase;
	bool async;
	bool page_walk; /**< made by the walk, not by the instruction */
	uint8_t access; /**< enum mvmi_access */
	uint8_t insn_len;
	uint32_t fields; /**< which members below are filled */
	uint32_t index;
	uint32_t vector;
	uint32_t error_code;
	uint32_t len; /**< bytes accessed */
	uint32_t view;
	mvmi_gva gva;
	mvmi_gpa gpa;
	uint64_t value;
	uint64_t old_value;
	uint64_t subscription; /**< token of the subscription that matched */
	uint64_t lost; /**< asynchronous events lost on this vCPU so far */
	const struct mvmi_regs *regs; /**< the registers that were asked for */
};

/** An exception or interrupt to give to the guest. */
struct mvmi_injection {
	enum mvmi_injection_kind {
		MVMI_INJECT_EXCEPTION,
		MVMI_INJECT_INTERRUPT,
		MVMI_INJECT_NMI,
	} kind;
	uint32_t vector;
	bool has_error_code;
	uint32_t error_code;
	uint64_t cr2; /**< for #PF */
};

/** What becomes of a synchronous event. All zero: continue. */
struct mvmi_reply {
	enum mvmi_action action;
	uint32_t view;		      /**< SWITCH_VIEW */
	struct mvmi_injection inject; /**< INJECT */
	uint32_t data_len;	      /**< EMULATE: bytes in data */
	uint8_t data[64];
	struct mvmi_regs regs; /**< its dirty registers are written; size set */
};

typedef void (*mvmi_event_fn)(struct mvmi_vm *vm,
			      const struct mvmi_event *event,
			      struct mvmi_reply *reply, void *arg);

/**
 * The event kinds that this VM offers.
 *
 * @param ret  Borrowed from vm.
 * @return How many; 0 for a VM without events.
 */
MVMI_API size_t mvmi_event_descs(const struct mvmi_vm *vm,
				 const struct mvmi_event_desc **ret);

/** Lower-case name, e.g. "cr3-write"; NULL if there is no such kind. */
MVMI_API const char *mvmi_event_kind_name(enum mvmi_event_kind kind);

/** Lower-case name, e.g. "switch-view"; NULL if there is no such action. */
MVMI_API const char *mvmi_action_name(enum mvmi_action action);

/**
 * Call fn for each event that matches. Legal in a callback.
 *
 * @param subscription  Copied.
 * @param ret           Token for mvmi_event_unsubscribe(); never 0.
 *
 * @retval MVMI_ERR_UNSUPPORTED  The driver doesn't publish this kind, or not
 *                               with this filter, or not asynchronously.
 * @retval MVMI_ERR_LIMIT        Its slots are all in use.
 * @retval MVMI_ERR_BUSY         Another process controls this VM; the message
 *                               names its pid.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_event_subscribe(struct mvmi_vm *vm,
		     const struct mvmi_subscription *subscription,
		     mvmi_event_fn fn, void *arg, uint64_t *ret,
		     struct mvmi_error *err);

/**
 * End a subscription. When this returns, fn is not called again; events that
 * were already raised for it are continued. Legal in a callback.
 *
 * @retval MVMI_ERR_INVALID  No such token.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_event_unsubscribe(struct mvmi_vm *vm, uint64_t token,
		       struct mvmi_error *err);

/** For the caller's own loop: readable when mvmi_vm_dispatch() has work. */
MVMI_API struct mvmi_waitable mvmi_vm_waitable(struct mvmi_vm *vm);

/**
 * Wait for an event, run the callbacks of all subscriptions that it matches,
 * in the order in which they were made, and answer it. One event a call.
 *
 * @param timeout_ms  How long to wait for it; 0 polls, -1 waits.
 *
 * @retval MVMI_OK           An event was handled.
 * @retval MVMI_ERR_TIMEOUT  None came.
 * @retval MVMI_ERR_BUSY     Called in a callback.
 * @retval MVMI_ERR_GONE     The VM ended, and MVMI_EVENT_GONE was delivered.
 * @retval MVMI_ERR_SYSTEM   The far side is gone while the VM lives.
 * @retval MVMI_ERR_INVALID  The event was answered, but not as all wanted: two
 *                           subscribers contradicted each other, and the last
 *                           one won; or an action or a register was asked for
 *                           that can't be had, and was left out. err says
 *                           which.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_vm_dispatch(struct mvmi_vm *vm, int timeout_ms, struct mvmi_error *err);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_EVENT_H */
