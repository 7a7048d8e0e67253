/* SPDX-License-Identifier: MIT */
/* CONTRACT, Events 4, 5, 10: what an answer does, and when it comes too late. */
#include <string.h>

#include "conform.h"

/** Raise one event whose kind has this reply. */
static struct mvmi_event raise(struct subject *s, enum mvmi_action action)
{
	struct trigger trigger = any_trigger(s, MVMI_ACTION_BIT(action));
	struct mvmi_subscription what = subscription_to(trigger.desc);

	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	return next(s);
}

/** What became of vCPU 0 after one deed of this kind, watched or not. */
static struct witness
fare(struct subject *s, const struct mvmi_event_desc *desc, bool watched)
{
	struct mvmi_subscription what = subscription_to(desc);
	struct deed deed = deed_for(desc->kind);
	uint64_t id = 0;
	struct mvmi_event event;

	s->ops->reset(s);
	if (watched)
		id = enable(s, &what);
	act(s, 0, &deed);
	if (watched) {
		event = next(s);
		CHECK(event.kind == desc->kind);
		CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
		CHECK(s->vm->conn->event->disable(s->vm->conn, id, NULL) ==
		      MVMI_OK);
	}
	s->ops->run(s);
	return s->ops->ask(s, 0);
}

static void continue_is_as_if_nobody_had_looked_on_every_kind(struct subject *s)
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);

	NEED(count, "no events");
	for (size_t i = 0; i < count; i++) {
		struct witness unseen;
		struct witness seen;

		if (descs[i].holds == MVMI_HOLDS_NONE)
			continue;
		unseen = fare(s, &descs[i], false);
		seen = fare(s, &descs[i], true);
		CHECK(unseen.executed == 1 && seen.executed == 1);
		CHECK(seen.left == 0 && seen.skipped == 0);
		CHECK(seen.rip == unseen.rip && seen.cr3 == unseen.cr3);
		CHECK(seen.trapped == unseen.trapped &&
		      seen.vector == unseen.vector && seen.cr2 == unseen.cr2);
		CHECK(seen.value == unseen.value);
	}
}

static void skip_leaves_the_instruction_out(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_SKIP);
	uint64_t rip = s->ops->ask(s, 0).rip;
	struct witness witness;

	CHECK(reply(s, &event, MVMI_ACTION_SKIP) == MVMI_OK);
	s->ops->run(s);
	witness = s->ops->ask(s, 0);
	CHECK(witness.executed == 0 && witness.skipped == 1);
	CHECK(witness.left == 0 && witness.rip == rip + 1);
}

static void deny_lets_a_write_have_no_effect(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_CR3_WRITE);
	struct mvmi_subscription what;
	struct mvmi_event event;
	struct deed deed;
	uint64_t rip;

	NEED(desc && (desc->replies & MVMI_ACTION_BIT(MVMI_ACTION_DENY)),
	     "a CR3 write can't be denied");
	what = subscription_to(desc);
	deed = deed_for(desc->kind);
	(void)enable(s, &what);
	act(s, 0, &deed);
	event = next(s);
	rip = s->ops->ask(s, 0).rip;
	CHECK(reply(s, &event, MVMI_ACTION_DENY) == MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).cr3 != deed.value);
	CHECK(s->ops->ask(s, 0).rip == rip + 1);
}

static void emulate_gives_the_guest_the_data(struct subject *s)
{
	struct mvmi_reply what = { .action = MVMI_ACTION_EMULATE,
				   .data_len = 8,
				   .regs = { .size = sizeof(what.regs) } };
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_CPUID);
	struct mvmi_subscription subscription;
	const uint64_t value = 0x1234567890abcdef;
	struct mvmi_event event;
	struct deed deed;

	if (!desc || !(desc->replies & MVMI_ACTION_BIT(what.action)))
		desc = desc_of(s, MVMI_EVENT_MSR_READ);
	NEED(desc && (desc->replies & MVMI_ACTION_BIT(what.action)),
	     "no read can be emulated");
	memcpy(what.data, &value, sizeof(value));
	subscription = subscription_to(desc);
	deed = deed_for(desc->kind);
	(void)enable(s, &subscription);
	act(s, 0, &deed);
	event = next(s);
	CHECK(s->vm->conn->event->reply(s->vm->conn, event.id, &what, NULL) ==
	      MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).value == value);
	CHECK(s->ops->ask(s, 0).left == 0);
}

static void reinject_gives_the_guest_its_own_int3(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_REINJECT);

	CHECK(s->ops->ask(s, 0).trapped == 0);
	CHECK(reply(s, &event, MVMI_ACTION_REINJECT) == MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).trapped == 1);
}

static void inject_gives_another_exception_instead(struct subject *s)
{
	struct mvmi_reply what = { .action = MVMI_ACTION_INJECT,
				   .inject = { .vector = 13,
					       .has_error_code = true },
				   .regs = { .size = sizeof(what.regs) } };
	struct mvmi_event event = raise(s, MVMI_ACTION_INJECT);

	CHECK(s->vm->conn->event->reply(s->vm->conn, event.id, &what, NULL) ==
	      MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 0);
	CHECK(s->ops->ask(s, 0).trapped == 1);
	CHECK(s->ops->ask(s, 0).vector == 13);
}

static void step_executes_one_instruction_and_arms_again(struct subject *s)
{
	struct trigger trigger =
		any_trigger(s, MVMI_ACTION_BIT(MVMI_ACTION_STEP));
	struct mvmi_event event = raise(s, MVMI_ACTION_STEP);

	CHECK(reply(s, &event, MVMI_ACTION_STEP) == MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
	act(s, 0, &trigger.deed);
	CHECK(next(s).kind == trigger.desc->kind);
}

static void a_second_reply_is_stale(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);

	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_ERR_STALE);
}

static void a_reply_to_an_older_event_of_the_vcpu_is_stale(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_event older = raise(s, MVMI_ACTION_CONTINUE);
	struct mvmi_event newer;

	CHECK(reply(s, &older, MVMI_ACTION_CONTINUE) == MVMI_OK);
	act(s, 0, &trigger.deed);
	newer = next(s);
	CHECK(newer.id.generation != older.id.generation);
	CHECK(reply(s, &older, MVMI_ACTION_CONTINUE) == MVMI_ERR_STALE);
	CHECK(reply(s, &newer, MVMI_ACTION_CONTINUE) == MVMI_OK);
}

static void a_reply_to_a_vcpu_that_is_gone_is_stale(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);

	event.id.vcpu = 999;
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_ERR_STALE);
}

static void a_reply_after_a_reset_is_stale(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);

	s->ops->reset(s);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_ERR_STALE);
}

static void a_stale_reply_changes_nothing(struct subject *s)
{
	struct mvmi_reply what = { .regs = { .size = sizeof(what.regs) } };
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);
	uint64_t rip;

	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	rip = s->ops->ask(s, 0).rip;
	mvmi_regset_add(&what.regs.dirty, MVMI_REG_RIP);
	what.regs.x86.rip = 0x123456;
	CHECK(s->vm->conn->event->reply(s->vm->conn, event.id, &what, NULL) ==
	      MVMI_ERR_STALE);
	CHECK(s->ops->ask(s, 0).rip == rip);
}

static void
the_far_side_continues_what_is_overdue_and_counts_it(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);
	const struct mvmi_event_ops *ops = s->vm->conn->event;

	s->ops->wait(s, MVMI_HOLD_DEADLINE_DEFAULT_MS - 1);
	CHECK(ops->overdue(s->vm->conn) == 0);
	s->ops->wait(s, 1);
	CHECK(ops->overdue(s->vm->conn) == 1);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_ERR_STALE);
}

static void a_deadline_of_zero_never_comes(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);
	const struct mvmi_event_ops *ops = s->vm->conn->event;

	CHECK(ops->set_deadline(s->vm->conn, 0, NULL) == MVMI_OK);
	s->ops->wait(s, 1000000);
	CHECK(ops->overdue(s->vm->conn) == 0);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
}

static void
memory_and_held_registers_are_served_while_a_vcpu_is_held(struct subject *s)
{
	struct mvmi_event event = raise(s, MVMI_ACTION_CONTINUE);
	struct mvmi_regs regs = mvmi_regs_empty();
	uint8_t byte = 1;

	CHECK(mvmi_mem_read(s->vm, SUBJECT_PAGE, (struct mvmi_span){ &byte, 1 },
			    NULL) == MVMI_OK);
	CHECK(s->vm->conn->vcpu->get(s->vm->conn, event.id.vcpu,
				     MVMI_REGS_GENERAL, &regs,
				     NULL) == MVMI_OK);
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
}

const struct conform_case cases_reply[] = {
	CASE("Events 4", continue_is_as_if_nobody_had_looked_on_every_kind),
	CASE("Events 4", skip_leaves_the_instruction_out),
	CASE("Events 4", deny_lets_a_write_have_no_effect),
	CASE("Events 4", emulate_gives_the_guest_the_data),
	CASE("Events 4", reinject_gives_the_guest_its_own_int3),
	CASE("Events 4", inject_gives_another_exception_instead),
	CASE("Events 4", step_executes_one_instruction_and_arms_again),
	CASE("Events 5", a_second_reply_is_stale),
	CASE("Events 5", a_reply_to_an_older_event_of_the_vcpu_is_stale),
	CASE("Events 5", a_reply_to_a_vcpu_that_is_gone_is_stale),
	CASE("Events 5", a_reply_after_a_reset_is_stale),
	CASE("Events 5", a_stale_reply_changes_nothing),
	CASE("Events 10", the_far_side_continues_what_is_overdue_and_counts_it),
	CASE("Events 10", a_deadline_of_zero_never_comes),
	CASE("Events 10",
	     memory_and_held_registers_are_served_while_a_vcpu_is_held),
	{ 0 },
};
