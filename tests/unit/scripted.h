/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A driver whose events are written by the test: one small VM, in one global.
 * For tests that need to know exactly what reaches the driver.
 */
#ifndef MICROVMI_TEST_SCRIPTED_H
#define MICROVMI_TEST_SCRIPTED_H

#include <microvmi/driver.h>
#include <microvmi/microvmi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SCRIPTED_RAM 0x4000
#define SCRIPTED_MAX 8

static struct scripted {
	struct mvmi_conn conn;
	uint8_t ram[SCRIPTED_RAM];
	struct mvmi_regs regs[2];
	bool held;
	uint64_t held_count;
	bool gone;

	struct mvmi_event queue[SCRIPTED_MAX]; /**< what next() gives */
	size_t queued;
	size_t fetched;
	uint64_t ids; /**< bit N: subscription N is enabled */
	uint64_t last_id;
	struct mvmi_subscription enabled; /**< the last one */

	struct mvmi_reply replies[SCRIPTED_MAX]; /**< what reply() got */
	size_t replied;
	enum mvmi_status reply_status; /**< what the next reply() gives */
} scripted;

static inline enum mvmi_status
scripted_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
		 size_t capacity, size_t *ret, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	if (capacity)
		regions[0] = (struct mvmi_region){ .len = SCRIPTED_RAM,
						   .name = "ram" };
	*ret = 1;
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
		struct mvmi_error *err)
{
	bool in = gpa.val < SCRIPTED_RAM;

	(void)conn;
	(void)err;
	*ret = (struct mvmi_extent){
		.start = gpa,
		.len = in ? SCRIPTED_RAM - gpa.val : 0 - gpa.val,
		.kind = in ? MVMI_EXTENT_DATA : MVMI_EXTENT_NONE,
	};
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	       struct mvmi_error *err)
{
	(void)conn;
	if (scripted.gone)
		return fail(err, MVMI_ERR_GONE, "gone");
	for (size_t i = 0; i < count; i++) {
		uint64_t at = ops[i].gpa.val;
		size_t len = ops[i].dst.len;
		size_t left = at < SCRIPTED_RAM ? SCRIPTED_RAM - at : 0;

		ops[i].done = len < left ? len : left;
		ops[i].status = len <= left ? MVMI_OK : MVMI_ERR_FAULT;
		if (ops[i].done)
			memcpy(ops[i].dst.ptr, scripted.ram + at, ops[i].done);
	}
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_write(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	       enum mvmi_write_mode mode, struct mvmi_error *err)
{
	(void)conn;
	(void)mode;
	if (gpa.val > SCRIPTED_RAM || src.len > SCRIPTED_RAM - gpa.val)
		return fail_fault(err, gpa.val);
	memcpy(scripted.ram + gpa.val, src.ptr, src.len);
	return MVMI_OK;
}

static inline unsigned scripted_count(struct mvmi_conn *conn)
{
	(void)conn;
	return 2;
}

static inline enum mvmi_status
scripted_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	     struct mvmi_regs *regs, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	regs->x86 = scripted.regs[vcpu].x86;
	regs->valid = mvmi_regset_of_groups(groups);
	return MVMI_OK;
}

static inline void scripted_apply(unsigned vcpu, const struct mvmi_regs *regs)
{
	struct mvmi_regs from = *regs;

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		uint64_t *at = mvmi_regs_scalar(&scripted.regs[vcpu], reg);

		if (mvmi_regset_has(regs->dirty, reg) && at)
			*at = *mvmi_regs_scalar(&from, reg);
	}
}

static inline enum mvmi_status
scripted_set(struct mvmi_conn *conn, unsigned vcpu,
	     const struct mvmi_regs *regs, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	scripted_apply(vcpu, regs);
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	scripted.held = true;
	scripted.held_count++;
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	scripted.held = false;
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	       struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	*ret = MVMI_RUN_STATE_RUNNING;
	return MVMI_OK;
}

static const struct mvmi_event_desc scripted_descs_table[] = {
	{
		.kind = MVMI_EVENT_CR3_WRITE,
		.phase = MVMI_PHASE_BEFORE,
		.holds = MVMI_HOLDS_VCPU,
		.replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE) |
			   MVMI_ACTION_BIT(MVMI_ACTION_SKIP) |
			   MVMI_ACTION_BIT(MVMI_ACTION_DENY) |
			   MVMI_ACTION_BIT(MVMI_ACTION_SWITCH_VIEW),
		.filters = MVMI_FILTER_VALUE | MVMI_FILTER_CR3,
		.fields = MVMI_FIELD_VALUE | MVMI_FIELD_OLD_VALUE,
	},
	{
		.kind = MVMI_EVENT_HW_BREAKPOINT,
		.phase = MVMI_PHASE_BEFORE,
		.holds = MVMI_HOLDS_VM,
		.replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE),
		.limit = 2,
	},
	{
		.kind = MVMI_EVENT_CPUID,
		.holds = MVMI_HOLDS_VCPU,
		.replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE) |
			   MVMI_ACTION_BIT(MVMI_ACTION_EMULATE),
		.filters = MVMI_FILTER_INDEX,
		.fields = MVMI_FIELD_INDEX,
		.async = true,
	},
	{ .kind = MVMI_EVENT_GONE, .holds = MVMI_HOLDS_NONE, .async = true },
};

static inline size_t
scripted_descs(struct mvmi_conn *conn, const struct mvmi_event_desc **ret)
{
	(void)conn;
	*ret = scripted_descs_table;
	return sizeof(scripted_descs_table) / sizeof(scripted_descs_table[0]);
}

static inline enum mvmi_status
scripted_enable(struct mvmi_conn *conn, const struct mvmi_subscription *what,
		uint64_t *ret, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	scripted.enabled = *what;
	scripted.last_id++;
	scripted.ids |= UINT64_C(1) << scripted.last_id;
	*ret = scripted.last_id;
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_disable(struct mvmi_conn *conn, uint64_t id, struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	scripted.ids &= ~(UINT64_C(1) << id);
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_next(struct mvmi_conn *conn, int timeout_ms, struct mvmi_event *ret,
	      struct mvmi_error *err)
{
	(void)conn;
	(void)timeout_ms;
	if (scripted.fetched == scripted.queued)
		return fail(err,
			    scripted.gone ? MVMI_ERR_GONE : MVMI_ERR_TIMEOUT,
			    "no event");
	*ret = scripted.queue[scripted.fetched++];
	return MVMI_OK;
}

static inline enum mvmi_status
scripted_reply(struct mvmi_conn *conn, struct mvmi_event_id id,
	       const struct mvmi_reply *reply, struct mvmi_error *err)
{
	enum mvmi_status status = scripted.reply_status;

	(void)conn;
	scripted.reply_status = MVMI_OK;
	if (status != MVMI_OK)
		return fail(err, status, "no such event");
	scripted.replies[scripted.replied++] = *reply;
	scripted_apply(id.vcpu, &reply->regs);
	return MVMI_OK;
}

static inline struct mvmi_waitable scripted_waitable(struct mvmi_conn *conn)
{
	(void)conn;
	return (struct mvmi_waitable){ .handle = 7 };
}

static inline enum mvmi_status
scripted_set_deadline(struct mvmi_conn *conn, uint32_t deadline_ms,
		      struct mvmi_error *err)
{
	(void)conn;
	(void)deadline_ms;
	(void)err;
	return MVMI_OK;
}

static inline uint64_t scripted_overdue(struct mvmi_conn *conn)
{
	(void)conn;
	return 0;
}

static const struct mvmi_mem_ops scripted_mem_ops = {
	.regions = scripted_regions,
	.extent = scripted_extent,
	.readv = scripted_readv,
};
static const struct mvmi_write_ops scripted_write_ops = {
	.write = scripted_write,
};
static const struct mvmi_vcpu_ops scripted_vcpu_ops = {
	.count = scripted_count,
	.get = scripted_get,
};
static const struct mvmi_vcpu_set_ops scripted_vcpu_set_ops = {
	.set = scripted_set,
};
static const struct mvmi_run_ops scripted_run_ops = {
	.hold = scripted_hold,
	.release = scripted_release,
	.stop = scripted_stop,
	.start = scripted_stop,
	.state = scripted_state,
};
static const struct mvmi_event_ops scripted_event_ops = {
	.descs = scripted_descs,
	.enable = scripted_enable,
	.disable = scripted_disable,
	.next = scripted_next,
	.reply = scripted_reply,
	.waitable = scripted_waitable,
	.set_deadline = scripted_set_deadline,
	.overdue = scripted_overdue,
};

static const struct mvmi_driver scripted_driver;

static inline enum mvmi_status
scripted_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	      struct mvmi_error *err)
{
	(void)args;
	(void)err;
	memset(&scripted, 0, sizeof(scripted));
	scripted.conn = (struct mvmi_conn){
		.driver = &scripted_driver,
		.mem = &scripted_mem_ops,
		.write = &scripted_write_ops,
		.vcpu = &scripted_vcpu_ops,
		.vcpu_set = &scripted_vcpu_set_ops,
		.run = &scripted_run_ops,
		.event = &scripted_event_ops,
		.readable_regs = mvmi_regset_of_groups(MVMI_REGS_ALL),
		.writable_regs = mvmi_regset_of_groups(MVMI_REGS_GENERAL |
						       MVMI_REGS_CONTROL),
		.incarnation = 1,
	};
	for (size_t i = 0; i < SCRIPTED_RAM; i++)
		scripted.ram[i] = (uint8_t)(i * 7 + i / 256);
	*ret = &scripted.conn;
	return MVMI_OK;
}

static inline void scripted_close(struct mvmi_conn *conn)
{
	(void)conn;
}

static inline enum mvmi_status
scripted_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	      struct mvmi_error *err)
{
	(void)conn;
	(void)err;
	(void)snprintf(info->name, sizeof(info->name), "scripted");
	info->state = MVMI_RUN_STATE_RUNNING;
	return MVMI_OK;
}

static const struct mvmi_driver scripted_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "scripted",
	.open = scripted_open,
	.close = scripted_close,
	.info = scripted_info,
};

/** Let the VM raise an event. */
static inline struct mvmi_event *
scripted_raise(enum mvmi_event_kind kind, uint32_t vcpu, uint64_t id)
{
	struct mvmi_event *event = &scripted.queue[scripted.queued++];

	*event = (struct mvmi_event){
		.id = { .vcpu = vcpu, .generation = scripted.queued },
		.kind = kind,
		.subscription = id,
	};
	return event;
}

#endif /* MICROVMI_TEST_SCRIPTED_H */
