/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A bit of everything that the library does with a VM, for tests of decorators.
 *
 * The mock's guest executes what is pushed; behind a replay there is none, and
 * everything must look the same.
 */
#ifndef MICROVMI_TEST_SCENARIO_H
#define MICROVMI_TEST_SCENARIO_H

#include <microvmi/driver.h>
#include <microvmi/microvmi.h>
#include <string.h>

#include "base/util.h"
#include "core/vm.h"
#include "drivers/decorator.h"
#include "drivers/fault/fault.h"
#include "drivers/mock/mock.h"
#include "drivers/registry.h"
#include "harness.h"

struct scenario {
	struct mvmi_vm *vm;
	struct mock_vm *mock; /**< counted; NULL: there is no guest */
	uint64_t fails_at;    /**< the call that a fault driver fails; or 0 */
	uint64_t calls;	      /**< made when it was last looked at */
	uint64_t digest;      /**< of all that was told */
	unsigned told;
	unsigned events;
	bool fired; /**< the last step met the failure */
};

/** Fold what was told into the digest (FNV-1a). */
static inline void tell(struct scenario *s, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		s->digest = (s->digest ^ bytes[i]) * UINT64_C(0x100000001b3);
	s->told++;
}

/**
 * Judge one library call: it fails if, and only if, a driver call in it was
 * made to fail.
 *
 * @return whether it succeeded.
 */
static inline bool did(struct scenario *s, enum mvmi_status status)
{
	uint64_t before = s->calls;

	if (s->fails_at)
		s->calls = fault_calls(s->vm->conn);
	s->fired = before < s->fails_at && s->fails_at <= s->calls;
	if (s->fired != (status != MVMI_OK))
		printf("# call %u to %u, fault at %u: %s\n", (unsigned)before,
		       (unsigned)s->calls, (unsigned)s->fails_at,
		       mvmi_status_name(status));
	CHECK(s->fired == (status != MVMI_OK));
	CHECK(!s->fired || status == MVMI_ERR_SYSTEM);
	tell(s, &status, sizeof(status));
	if (s->fired && s->vm->conn->run) {
		/* A release that failed left its hold: lift it. */
		if (s->vm->hold_count)
			CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	}
	return status == MVMI_OK;
}

/** Whether an object still has the bytes it was filled with. */
static inline bool is_untouched(const void *object, size_t len)
{
	const uint8_t *bytes = object;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != 0xa5)
			return false;
	}
	return true;
}

static inline void scenario_memory(struct scenario *s)
{
	static const uint8_t hello[] = { 'h', 'e', 'l', 'l', 'o' };
	uint8_t bytes[3][64];
	struct mvmi_mem_op ops[] = {
		{ .gpa = { 0x1ff0 }, .dst = { bytes[0], 64 } },
		{ .gpa = { MOCK_HIGH_START - 0x40000 },
		  .dst = { bytes[1], 64 } },
		{ .gpa = { 0x5000 }, .dst = { bytes[2], 64 } },
	};
	struct mvmi_region regions[8];
	struct mvmi_extent extent;
	size_t count;

	memset(bytes, 0, sizeof(bytes));
	memset(regions, 0, sizeof(regions));
	memset(&extent, 0xa5, sizeof(extent));
	memset(&count, 0xa5, sizeof(count));
	if (did(s, mvmi_mem_regions(s->vm, regions, 8, &count, NULL)))
		tell(s, regions, MIN(count, 8) * sizeof(regions[0]));
	else
		CHECK(is_untouched(&count, sizeof(count)));
	if (did(s, mvmi_mem_extent(s->vm, mvmi_gpa_at(0x1000), &extent, NULL)))
		tell(s, &extent.len, sizeof(extent.len));
	else
		CHECK(is_untouched(&extent, sizeof(extent)));
	(void)did(s, mvmi_mem_write(s->vm, mvmi_gpa_at(0x2000),
				    (struct mvmi_bytes){ hello, sizeof(hello) },
				    MVMI_WRITE_DATA_ONLY, NULL));
	if (did(s, mvmi_mem_read(s->vm, mvmi_gpa_at(0x1ffc),
				 (struct mvmi_span){ bytes[0], 16 }, NULL)))
		tell(s, bytes[0], 16);
	if (did(s, mvmi_mem_readv(s->vm, ops, ARRAY_LEN(ops), NULL))) {
		for (size_t i = 0; i < ARRAY_LEN(ops); i++)
			tell(s, &ops[i].status, sizeof(ops[i].status));
		tell(s, bytes, sizeof(bytes));
	}
}

static inline void scenario_registers(struct scenario *s)
{
	struct mvmi_regs regs;
	struct mvmi_vm_info info;
	struct mvmi_space *space = NULL;
	uint64_t word = 0;

	memset(&regs, 0xa5, sizeof(regs));
	regs.size = sizeof(regs);
	if (did(s, mvmi_vcpu_get_regs(s->vm, 0, MVMI_REGS_ALL, &regs, NULL)))
		tell(s, &regs, sizeof(regs));
	else
		CHECK(is_untouched(&regs.valid,
				   sizeof(regs) - sizeof(regs.size)));
	regs = mvmi_regs_empty();
	regs.x86.gpr[MVMI_REG_RBX] = 0xb0b;
	mvmi_regset_add(&regs.dirty, MVMI_REG_RBX);
	(void)did(s, mvmi_vcpu_set_regs(s->vm, 0, &regs, NULL));
	if (did(s, mvmi_space_of_vcpu(s->vm, 0, &space, NULL))) {
		if (did(s, mvmi_space_read_u64(space, mvmi_gva_at(0x2000),
					       &word, NULL)))
			tell(s, &word, sizeof(word));
		else
			CHECK(word == 0);
		mvmi_space_destroy(space);
	} else {
		CHECK(!space);
	}
	memset(&info, 0xa5, sizeof(info));
	info.size = sizeof(info);
	if (did(s, mvmi_vm_get_info(s->vm, &info, NULL)))
		tell(s, info.hypervisor, sizeof(info.hypervisor));
	else
		CHECK(is_untouched(info.target,
				   sizeof(info) - sizeof(info.size)));
}

static inline void scenario_run(struct scenario *s)
{
	if (did(s, mvmi_vm_hold(s->vm, NULL)))
		(void)did(s, mvmi_vm_release(s->vm, NULL));
	(void)did(s, mvmi_vm_stop(s->vm, NULL));
	(void)did(s, mvmi_vm_start(s->vm, NULL));
	/* If it failed, the guest is still stopped: not what comes next wants. */
	if (s->fired)
		CHECK(mvmi_vm_start(s->vm, NULL) == MVMI_OK);
	s->calls = s->fails_at ? fault_calls(s->vm->conn) : 0;
}

static inline void
scenario_event(struct mvmi_vm *vm, const struct mvmi_event *event,
	       struct mvmi_reply *reply, void *arg)
{
	struct scenario *s = arg;

	(void)vm;
	s->events++;
	tell(s, &event->value, sizeof(event->value));
	tell(s, &event->regs->x86.rip, sizeof(event->regs->x86.rip));
	reply->regs.x86.gpr[MVMI_REG_RCX] = event->value;
	mvmi_regset_add(&reply->regs.dirty, MVMI_REG_RCX);
}

static inline bool has_cr3_writes(const struct mvmi_vm *vm)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);

	while (count && descs[count - 1].kind != MVMI_EVENT_CR3_WRITE)
		count--;
	return count != 0;
}

static inline void scenario_events(struct scenario *s)
{
	const struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_CR3_WRITE,
		.groups = MVMI_REGS_GENERAL,
	};
	struct mock_insn insn = { .op = MOCK_MOV_CR3, .value = 0x7000 };
	uint64_t token = 0;

	if (!did(s, mvmi_event_subscribe(s->vm, &what, scenario_event, s,
					 &token, NULL))) {
		CHECK(token == 0);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (s->mock)
			CHECK(mock_push(s->mock, 0, &insn));
		insn.value += 0x1000;
		if (!did(s, mvmi_vm_dispatch(s->vm, 0, NULL)))
			break;
	}
	if (!did(s, mvmi_event_unsubscribe(s->vm, token, NULL)))
		CHECK(mvmi_event_unsubscribe(s->vm, token, NULL) !=
		      MVMI_ERR_SYSTEM);
}

/** Run it on a VM that is open, and close that. */
static inline void scenario(struct scenario *s)
{
	struct mvmi_conn *conn = s->vm->conn;

	while (conn && conn->driver != &mock_driver)
		conn = container_of(conn, struct decorator, conn)->inner;
	s->mock = conn ? mock_vm_of(conn) : NULL;
	scenario_memory(s);
	scenario_registers(s);
	scenario_run(s);
	if (has_cr3_writes(s->vm))
		scenario_events(s);
	s->calls = s->fails_at ? fault_calls(s->vm->conn) : 0;
	mvmi_vm_close(s->vm);
	s->vm = NULL;
	if (s->mock)
		CHECK(mock_is_untouched(s->mock));
	mock_vm_unref(s->mock);
	s->mock = NULL;
}

#endif /* MICROVMI_TEST_SCENARIO_H */
