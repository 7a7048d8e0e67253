/* SPDX-License-Identifier: MIT */
/**
 * @file
 * One driver call as data, so that a decorator is one function: it gets the
 * call, and passes it on, fails it, or writes it down.
 */
#ifndef MICROVMI_DRIVERS_CALL_H
#define MICROVMI_DRIVERS_CALL_H

#include <microvmi/driver.h>

#define call_forward mvmi__call_forward
#define call_name    mvmi__call_name
#define call_inputs  mvmi__call_inputs
#define call_fails   mvmi__call_fails

/** An operation of a driver. Recordings store these: only append. */
enum call_kind {
	CALL_INFO,
	CALL_POLL,
	CALL_REGIONS,
	CALL_EXTENT,
	CALL_READV,
	CALL_WRITE,
	CALL_WINDOWS,
	CALL_VCPU_COUNT,
	CALL_GET_REGS,
	CALL_SET_REGS,
	CALL_HOLD,
	CALL_RELEASE,
	CALL_STOP,
	CALL_START,
	CALL_RUN_STATE,
	CALL_QUIESCE,
	CALL_DESCS,
	CALL_ENABLE,
	CALL_DISABLE,
	CALL_NEXT,
	CALL_REPLY,
	CALL_WAITABLE,
	CALL_SET_DEADLINE,
	CALL_OVERDUE,
	CALL_ACCESS_SET,
	CALL_ACCESS_GET,
	CALL_VIEW_SCOPE,
	CALL_VIEW_CREATE,
	CALL_VIEW_DESTROY,
	CALL_VIEW_SWITCH,
	CALL_VIEW_REMAP,
	CALL_INJECT,
	CALL_SNAPSHOT_TAKE,
	CALL_SNAPSHOT_RESTORE,
	CALL_SNAPSHOT_DISCARD,
	CALL_SNAPSHOT_DIRTY,
	CALL_FRAME_CREATE,
	CALL_FRAME_DESTROY,
	CALL_KIND_COUNT,
};

#define CALL_INPUTS_MAX 3

/** Results by value, which the caller gets if the call succeeds. */
union call_result {
	uint64_t value; /**< a number: vCPUs, an id, a state, a count… */
	struct mvmi_vm_info info; /**< what the core has set, on entry */
	struct mvmi_extent extent;
	struct mvmi_regs regs; /**< empty on entry */
	struct mvmi_event event;
	struct {
		const struct mvmi_event_desc *descs;
		size_t count;
	} descs;
	struct {
		const struct mvmi_window *windows;
		size_t count;
	} windows;
	struct mvmi_waitable waitable;
};

/** A call of one operation. Which members count is the kind's affair. */
struct call {
	enum call_kind kind;
	/** Numbers, in the order of the operation's parameters. */
	uint64_t in[CALL_INPUTS_MAX];
	struct mvmi_bytes src;
	const struct mvmi_regs *regs;
	const struct mvmi_subscription *subscription;
	const struct mvmi_reply *reply;
	const struct mvmi_injection *injection;
	/* Arrays of the caller's, of as many elements as an input says. */
	struct mvmi_mem_op *ops;
	struct mvmi_region *regions;
	mvmi_gfn *gfns;
	union call_result out;
};

/** Do the call on conn, which must offer its table. */
enum mvmi_status
call_forward(struct mvmi_conn *conn, struct call *call, struct mvmi_error *err);

/** The operation's name, e.g. "readv". kind must be one. */
const char *call_name(enum call_kind kind);

/** How many of call.in the operation has. */
size_t call_inputs(enum call_kind kind);

/** Whether the operation can fail at all. */
bool call_fails(enum call_kind kind);

#endif /* MICROVMI_DRIVERS_CALL_H */
