/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints while a call of the driver fails, each in its turn: whatever
 * becomes of them, the guest is as it was in the end.
 */
#include "bp_guest.h"
#include "drivers/fault/fault.h"
#include "drivers/registry.h"

/** Dispatches of the scenario, with some that fail. */
#define DISPATCHES 40

static char inner_target[64];
static uint64_t fault_at;

static enum mvmi_status
faulty_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	    struct mvmi_error *err)
{
	struct mvmi_conn *inner;
	enum mvmi_status status =
		registry_open(inner_target, args, &inner, err);

	if (status != MVMI_OK)
		return status;
	far = mock_vm_of(inner);
	*ret = fault_wrap(inner, fault_at, MVMI_ERR_SYSTEM);
	if (!*ret)
		return MVMI_ERR_NOMEM;
	/* Reads that need no call could not fail. */
	(*ret)->map = NULL;
	return MVMI_OK;
}

static void begin_faulty(const char *personality, uint64_t call)
{
	struct mvmi_driver driver = fault_driver;

	end();
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	fault_at = call;
	(void)snprintf(inner_target, sizeof(inner_target), "mock:%s?vcpus=2",
		       personality);
	driver.open = faulty_open;
	CHECK(mvmi_vm_open_driver(&driver, "x", NULL, &vm, NULL) == MVMI_OK);
	fill_code(CODE);
	fill_code(OTHER);
}

static void dispatch_all(void)
{
	for (unsigned i = 0; i < DISPATCHES; i++) {
		enum mvmi_status status = mvmi_vm_dispatch(vm, 0, NULL);

		CHECK(status == MVMI_OK || status == MVMI_ERR_TIMEOUT ||
		      status == MVMI_ERR_SYSTEM);
	}
}

/** Two breakpoints hit by two vCPUs, one removed while hits of it wait. */
static void live(const struct way *way)
{
	bool has_a = add(&a, by(way, CODE)) == MVMI_OK;
	bool has_b = add(&b, by(way, OTHER)) == MVMI_OK;

	walk(0, CODE, 3);
	walk(1, OTHER, 3);
	dispatch_all();
	walk(0, CODE, 3);
	walk(1, CODE, 3);
	mock_run(far);
	/* What could not be taken out is still there, and then can. */
	if (has_a && mvmi_bp_remove(vm, a.bp, NULL) != MVMI_OK)
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	dispatch_all();
	CHECK(!has_b || info_of(&b).state == MVMI_BP_ARMED);
	walk(0, OTHER, 3);
	walk(1, OTHER, 3);
	mock_run(far);
}

/** @return How many calls the driver had, setting up and all. */
static uint64_t live_with_fault(const struct way *way, uint64_t call)
{
	uint64_t calls;

	begin_faulty(way->personality, call);
	live(way);
	calls = fault_calls(vm->conn);
	mvmi_vm_close(vm);
	vm = NULL;
	mock_run(far);
	CHECK(mock_is_untouched(far));
	check_code_is_untouched();
	check_both_went_on(9);
	end();
	return calls;
}

static void no_call_that_fails_leaves_anything_in_the_guest(void)
{
	EACH_WAY(way)
	{
		uint64_t first;
		uint64_t last = live_with_fault(way, 0);

		begin_faulty(way->personality, 0);
		first = fault_calls(vm->conn) + 1;
		end();
		CHECK(last > first + 10);
		/* Some more, for those of closing. */
		for (uint64_t call = first; call < last + 10; call++)
			(void)live_with_fault(way, call);
	}
}

/** @return How many calls were made until it was armed, and in all. */
static uint64_t
shoot_once(const struct way *way, uint64_t call, uint64_t *ret_armed)
{
	struct mvmi_bp_info info = { .size = sizeof(info) };
	struct mvmi_bp_options options = by(way, CODE);
	uint64_t calls;

	begin_faulty(way->personality, call);
	options.one_shot = true;
	CHECK(add(&a, options) == MVMI_OK);
	*ret_armed = fault_calls(vm->conn);
	for (unsigned i = 0; i < 3; i++) {
		walk(0, CODE, 1);
		dispatch_all();
	}
	calls = fault_calls(vm->conn);
	CHECK(a.calls == 1 && mock_seen(far, 0).executed == 3);
	CHECK(mock_seen(far, 0).delivered == 0);
	CHECK(mvmi_bp_get(vm, a.bp, &info, NULL) == MVMI_ERR_INVALID);
	check_code_is_untouched();
	end();
	return calls;
}

/** One that can't be taken out at its hit is at the next passage. */
static void a_one_shot_is_told_once_whatever_fails(void)
{
	EACH_WAY(way)
	{
		uint64_t armed;
		uint64_t last = shoot_once(way, 0, &armed);

		CHECK(last > armed);
		for (uint64_t call = armed + 1; call <= last; call++)
			(void)shoot_once(way, call, &armed);
	}
}

static void a_vm_that_ended_is_closed_all_the_same(void)
{
	EACH_WAY(way)
	{
		struct mvmi_bp_options options = by(way, CODE);

		begin(way->personality);
		options.on_return = true;
		CHECK(add(&a, options) == MVMI_OK);
		CHECK(add(&b, by(way, OTHER)) == MVMI_OK);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1);
		mock_kill(far);
		CHECK(mvmi_vm_dispatch(vm, 0, NULL) != MVMI_ERR_TIMEOUT);
		end();
	}
}

/** Nothing of the VM's former life is a breakpoint in the new one. */
static void a_reset_ends_them_and_is_told_once(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 1);
		run();
		mock_reset(far);
		run(); /* That it was is seen with the next call. */
		CHECK(mvmi_bp_rearm(vm, NULL) == MVMI_ERR_STALE);
		CHECK(mvmi_bp_rearm(vm, NULL) == MVMI_OK);
		CHECK(info_of(&a).state == MVMI_BP_ENDED);
		CHECK(info_of(&a).hits == 1);
		fill_code(CODE);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1);
		CHECK(add(&b, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1 && b.calls == 1);
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
		CHECK(mvmi_bp_remove(vm, b.bp, NULL) == MVMI_OK);
		CHECK(mock_is_untouched(far));
		check_code_is_untouched();
		end();
	}
}

TESTS(T(no_call_that_fails_leaves_anything_in_the_guest),
      T(a_one_shot_is_told_once_whatever_fails),
      T(a_vm_that_ended_is_closed_all_the_same),
      T(a_reset_ends_them_and_is_told_once))
