/* SPDX-License-Identifier: MIT */
/* CONTRACT, run state, and Events 1 to 3: what holds a vCPU, what lifts it. */
#include "conform.h"

static const struct deed store = { DEED_STORE, .value = 0x77,
				   .gpa = { 0x9000 } };

/** Whether vCPU 0 executes what is put before it. */
static bool executes(struct subject *s)
{
	unsigned before = s->ops->ask(s, 0).executed;

	act(s, 0, &store);
	s->ops->run(s);
	return s->ops->ask(s, 0).executed > before;
}

static void need_run(struct subject *s)
{
	NEED(s->vm->conn->run, "vCPUs can't be held");
}

static void
a_held_vm_executes_nothing_and_a_released_one_does(struct subject *s)
{
	need_run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(!executes(s));
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(executes(s));
}

static void holds_are_counted(struct subject *s)
{
	need_run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(!executes(s));
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(executes(s));
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_ERR_INVALID);
}

static void release_never_starts_a_vm_that_someone_stopped(struct subject *s)
{
	need_run(s);
	s->ops->stop(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(s->ops->is_stopped(s));
	CHECK(!executes(s));
}

static void start_under_a_hold_takes_effect_at_the_release(struct subject *s)
{
	need_run(s);
	CHECK(mvmi_vm_stop(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_start(s->vm, NULL) == MVMI_OK);
	CHECK(!executes(s));
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(executes(s));
}

static void stopping_a_stopped_vm_is_ok(struct subject *s)
{
	need_run(s);
	CHECK(mvmi_vm_stop(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_stop(s->vm, NULL) == MVMI_OK);
	CHECK(s->ops->is_stopped(s));
}

static void the_state_leaves_holds_out_of_account(struct subject *s)
{
	enum mvmi_run_state state = MVMI_RUN_STATE_UNKNOWN;

	need_run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(s->vm->conn->run->state(s->vm->conn, &state, NULL) == MVMI_OK);
	CHECK(state == MVMI_RUN_STATE_RUNNING);
	s->ops->stop(s);
	CHECK(s->vm->conn->run->state(s->vm->conn, &state, NULL) == MVMI_OK);
	CHECK(state == MVMI_RUN_STATE_STOPPED);
}

static void devices_are_drained_under_a_hold_only(struct subject *s)
{
	NEED(s->vm->conn->quiesce, "devices can't be drained");
	CHECK(mvmi_vm_quiesce(s->vm, NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_quiesce(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(s->ops->is_untouched(s));
}

/** Let vCPU 0 raise an event that holds; it is fetched. */
static struct mvmi_event raise(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);

	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	return next(s);
}

static void a_vcpu_with_a_pending_event_stands_still(struct subject *s)
{
	struct mvmi_event event = raise(s);

	CHECK(!executes(s));
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).left == 0);
}

static void a_reply_lifts_only_its_own_hold(struct subject *s)
{
	struct mvmi_event event = raise(s);

	need_run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	CHECK(!executes(s));
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(executes(s));
}

static void release_lifts_only_the_hold_of_the_client(struct subject *s)
{
	struct mvmi_event event = raise(s);

	need_run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(!executes(s));
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	CHECK(executes(s));
}

static void neither_lifts_a_stop_by_others(struct subject *s)
{
	struct mvmi_event event = raise(s);

	need_run(s);
	s->ops->stop(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(!executes(s));
}

static void hold_never_waits_for_a_reply(struct subject *s)
{
	struct mvmi_event event = raise(s);

	need_run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
}

static void under_a_hold_no_new_event_is_raised(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);

	need_run(s);
	(void)enable(s, &what);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	act(s, 0, &trigger.deed);
	CHECK(next_status(s) == MVMI_ERR_TIMEOUT);
	CHECK(mvmi_vm_release(s->vm, NULL) == MVMI_OK);
	(void)next(s);
}

static void
one_raised_before_a_hold_is_fetched_and_answered_under_it(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	struct mvmi_event event;

	need_run(s);
	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	s->ops->run(s);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	event = next(s);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	CHECK(!executes(s));
}

static void an_event_holds_its_vcpu_or_the_vm_as_published(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	bool holds_vm = trigger.desc->holds == MVMI_HOLDS_VM;

	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	(void)next(s);
	act(s, 1, &store);
	s->ops->run(s);
	CHECK((s->ops->ask(s, 1).executed == 0) == holds_vm);
}

const struct conform_case cases_run[] = {
	CASE("Events 1", a_held_vm_executes_nothing_and_a_released_one_does),
	CASE("Capability tables", holds_are_counted),
	CASE("Capability tables",
	     release_never_starts_a_vm_that_someone_stopped),
	CASE("Capability tables",
	     start_under_a_hold_takes_effect_at_the_release),
	CASE("Capability tables", stopping_a_stopped_vm_is_ok),
	CASE("Capability tables", the_state_leaves_holds_out_of_account),
	CASE("Capability tables", devices_are_drained_under_a_hold_only),
	CASE("Events 1", a_vcpu_with_a_pending_event_stands_still),
	CASE("Events 1", a_reply_lifts_only_its_own_hold),
	CASE("Events 1", release_lifts_only_the_hold_of_the_client),
	CASE("Events 1", neither_lifts_a_stop_by_others),
	CASE("Events 2", hold_never_waits_for_a_reply),
	CASE("Events 3", under_a_hold_no_new_event_is_raised),
	CASE("Events 3",
	     one_raised_before_a_hold_is_fetched_and_answered_under_it),
	CASE("Capability tables",
	     an_event_holds_its_vcpu_or_the_vm_as_published),
	{ 0 },
};
