/* SPDX-License-Identifier: MIT */
/* CONTRACT, Events 3, 8, 10, 11, 12, 13: what is told, and when. */
#include <poll.h>
#include <string.h>

#include "conform.h"

static void at_most_one_event_is_pending_per_vcpu(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	struct mvmi_event event;

	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	act(s, 0, &trigger.deed);
	event = next(s);
	CHECK(next_status(s) == MVMI_ERR_TIMEOUT);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	(void)next(s);
}

static void events_of_a_vcpu_come_in_program_order(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MSR_WRITE);
	struct mvmi_subscription what;
	struct deed deed;

	NEED(desc && (desc->fields & MVMI_FIELD_VALUE), "no MSR writes");
	what = subscription_to(desc);
	deed = deed_for(desc->kind);
	(void)enable(s, &what);
	for (deed.value = 1; deed.value <= 3; deed.value++)
		act(s, 0, &deed);
	for (uint64_t n = 1; n <= 3; n++) {
		struct mvmi_event event = next(s);

		CHECK(event.value == n);
		CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	}
}

static void a_step_is_told_after_what_the_instruction_did(struct subject *s)
{
	const struct mvmi_event_desc *step = desc_of(s, MVMI_EVENT_STEP);
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);
	const struct mvmi_event_desc *after = NULL;
	struct mvmi_subscription what;
	struct mvmi_event event;
	struct deed deed;

	for (size_t i = 0; i < count && !after; i++) {
		if (descs[i].phase == MVMI_PHASE_AFTER && &descs[i] != step &&
		    descs[i].holds != MVMI_HOLDS_NONE)
			after = &descs[i];
	}
	NEED(step && after, "no step, or nothing else comes after");
	what = subscription_to(step);
	(void)enable(s, &what);
	what = subscription_to(after);
	(void)enable(s, &what);
	deed = deed_for(after->kind);
	act(s, 0, &deed);
	event = next(s);
	CHECK(event.kind == after->kind);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	event = next(s);
	CHECK(event.kind == MVMI_EVENT_STEP);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
	CHECK(next_status(s) == MVMI_ERR_TIMEOUT);
}

/** Each kind that holds is raised by its deed; fn looks at the event. */
static void
each_kind(struct subject *s,
	  void (*fn)(struct subject *s, const struct trigger *trigger,
		     const struct mvmi_event *event))
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);

	NEED(count, "no events");
	for (size_t i = 0; i < count; i++) {
		struct trigger trigger = { &descs[i], deed_for(descs[i].kind) };
		struct mvmi_subscription what = subscription_to(&descs[i]);
		struct mvmi_event event;
		uint64_t id;

		if (descs[i].holds == MVMI_HOLDS_NONE)
			continue;
		id = enable(s, &what);
		act(s, 0, &trigger.deed);
		event = next(s);
		fn(s, &trigger, &event);
		CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_OK);
		CHECK(s->vm->conn->event->disable(s->vm->conn, id, NULL) ==
		      MVMI_OK);
		s->ops->run(s);
		CHECK(s->ops->ask(s, 0).left == 0);
	}
}

static void is_as_published(struct subject *s, const struct trigger *trigger,
			    const struct mvmi_event *event)
{
	(void)s;
	CHECK(event->kind == trigger->desc->kind);
	CHECK(event->phase == trigger->desc->phase);
	CHECK(event->fields == trigger->desc->fields);
	CHECK(!event->async && event->id.generation != 0);
}

static void every_kind_comes_as_its_descriptor_says(struct subject *s)
{
	each_kind(s, is_as_published);
}

static uint64_t rip_before;

static void rip_fits_the_phase(struct subject *s, const struct trigger *trigger,
			       const struct mvmi_event *event)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	bool moves = trigger->deed.kind != DEED_INTERRUPT;
	uint64_t at = trigger->deed.rip ? trigger->deed.rip : rip_before;

	CHECK(s->vm->conn->vcpu->get(s->vm->conn, 0, MVMI_REGS_GENERAL, &regs,
				     NULL) == MVMI_OK);
	if (event->phase == MVMI_PHASE_BEFORE || !moves)
		CHECK(regs.x86.rip == at);
	else
		CHECK(regs.x86.rip == at + 1);
	rip_before = at + (moves ? 1 : 0);
}

static void
rip_is_at_the_instruction_before_and_past_it_after(struct subject *s)
{
	NEED(s->vm->conn->vcpu, "no registers");
	rip_before = s->ops->ask(s, 0).rip;
	each_kind(s, rip_fits_the_phase);
}

static void fields_that_are_not_published_are_zero(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MEMORY);
	struct mvmi_subscription what;
	struct mvmi_event event;
	struct deed deed;

	NEED(desc, "no memory events");
	what = subscription_to(desc);
	deed = deed_for(desc->kind);
	(void)enable(s, &what);
	act(s, 0, &deed);
	event = next(s);
	if (!(desc->fields & MVMI_FIELD_VALUE))
		CHECK(event.value == 0);
	if (!(desc->fields & MVMI_FIELD_GPA))
		CHECK(event.gpa.val == 0);
	if (!(desc->fields & MVMI_FIELD_LEN))
		CHECK(event.len == 0);
}

static void a_memory_event_tells_where_and_how(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MEMORY);
	struct mvmi_subscription what;
	struct mvmi_event event;
	struct deed deed;

	NEED(desc, "no memory events");
	what = subscription_to(desc);
	deed = deed_for(desc->kind);
	(void)enable(s, &what);
	act(s, 0, &deed);
	event = next(s);
	CHECK(event.access == MVMI_ACCESS_W);
	if (desc->fields & MVMI_FIELD_GPA)
		CHECK(event.gpa.val == deed.gpa.val);
	else
		CHECK(event.gva.val == deed.gpa.val);
	if (desc->fields & MVMI_FIELD_VALUE)
		CHECK(event.value == deed.value && event.len == 8);
}

static void page_walks_can_be_left_out(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MEMORY);
	const struct deed walk = { DEED_PAGE_WALK, .value = 1,
				   .gpa = { 0x8020 } };
	const struct deed store = { DEED_STORE, .value = 1, .gpa = { 0x8030 } };
	struct mvmi_subscription what;
	struct mvmi_event event;

	NEED(desc && (desc->fields & MVMI_FIELD_PAGE_WALK),
	     "page walks aren't told apart");
	what = subscription_to(desc);
	what.skip_page_walks = true;
	(void)enable(s, &what);
	act(s, 0, &walk);
	act(s, 0, &store);
	event = next(s);
	CHECK(!event.page_walk && event.gpa.val == store.gpa.val);
}

static void a_page_walk_is_told_as_one(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MEMORY);
	const struct deed walk = { DEED_PAGE_WALK, .value = 1,
				   .gpa = { 0x8020 } };
	struct mvmi_subscription what;
	struct mvmi_event event;

	NEED(desc && (desc->fields & MVMI_FIELD_PAGE_WALK),
	     "page walks aren't told apart");
	what = subscription_to(desc);
	(void)enable(s, &what);
	act(s, 0, &walk);
	event = next(s);
	CHECK(event.page_walk);
}

static void a_cr3_filter_is_a_value_under_a_mask(struct subject *s)
{
	struct deed cr3 = { DEED_CR3_WRITE, .value = 0x5000 };
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);
	const struct mvmi_event_desc *desc = NULL;
	struct mvmi_subscription what;
	struct deed deed;

	for (size_t i = 0; i < count && !desc; i++) {
		if (descs[i].holds != MVMI_HOLDS_NONE &&
		    (descs[i].filters & MVMI_FILTER_CR3) &&
		    descs[i].kind != MVMI_EVENT_CR3_WRITE)
			desc = &descs[i];
	}
	NEED(desc, "no kind filters by CR3");
	what = subscription_to(desc);
	what.filters |= MVMI_FILTER_CR3;
	what.cr3 = (struct mvmi_match){ 0x5000, ~UINT64_C(0xfff) };
	deed = deed_for(desc->kind);
	(void)enable(s, &what);
	act(s, 0, &deed);
	CHECK(next_status(s) == MVMI_ERR_TIMEOUT);
	cr3.value = 0x5003; /* a PCID, which the mask leaves out */
	act(s, 0, &cr3);
	act(s, 0, &deed);
	CHECK(next(s).kind == desc->kind);
}

/** A kind that can be had without a hold. */
static struct trigger async_trigger(struct subject *s)
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);
	const struct mvmi_event_desc *found = NULL;

	for (size_t i = 0; i < count && !found; i++) {
		if (descs[i].async && descs[i].holds != MVMI_HOLDS_NONE)
			found = &descs[i];
	}
	NEED(found, "no kind can be had asynchronously");
	return (struct trigger){ found, deed_for(found->kind) };
}

static void an_asynchronous_event_holds_nothing(struct subject *s)
{
	struct trigger trigger = async_trigger(s);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	struct mvmi_event event;

	what.async = true;
	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	event = next(s);
	CHECK(event.async);
	CHECK(s->ops->ask(s, 0).left == 0);
	CHECK(reply(s, &event, MVMI_ACTION_CONTINUE) == MVMI_ERR_STALE);
}

#define MANY 20 /* more than any ring of the suite's subjects holds */

static void a_full_ring_loses_events_and_counts_them(struct subject *s)
{
	struct trigger trigger = async_trigger(s);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	unsigned got = 0;
	struct mvmi_event event;

	NEED(s->ring_len < MANY, "its rings are longer than a case is");
	what.async = true;
	(void)enable(s, &what);
	for (int i = 0; i < MANY; i++)
		act(s, 0, &trigger.deed);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).left == 0);
	while (s->vm->conn->event->next(s->vm->conn, 0, &event, NULL) ==
	       MVMI_OK)
		got++;
	act(s, 0, &trigger.deed);
	event = next(s);
	CHECK(got < MANY && got + event.lost == MANY);
}

static void a_subscriber_may_rather_hold_than_lose(struct subject *s)
{
	struct trigger trigger = async_trigger(s);
	struct mvmi_subscription what = subscription_to(trigger.desc);

	what.async = true;
	what.hold_when_full = true;
	(void)enable(s, &what);
	for (int i = 0; i < MANY; i++)
		act(s, 0, &trigger.deed);
	for (int i = 0; i < MANY; i++)
		CHECK(next(s).lost == 0);
}

static bool is_readable(struct mvmi_waitable waitable)
{
	struct pollfd pollfd = { .fd = (int)waitable.handle, .events = POLLIN };

	return poll(&pollfd, 1, 0) == 1;
}

static void the_waitable_is_readable_while_an_event_waits(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	struct mvmi_waitable waitable = mvmi_vm_waitable(s->vm);

	NEED(waitable.handle >= 0, "nothing to wait on");
	(void)enable(s, &what);
	CHECK(!is_readable(waitable));
	act(s, 0, &trigger.deed);
	s->ops->run(s);
	CHECK(is_readable(waitable));
	(void)next(s);
	CHECK(!is_readable(waitable));
}

static void nothing_within_the_time_is_a_timeout(struct subject *s)
{
	NEED(s->vm->conn->event, "no events");
	CHECK(next_status(s) == MVMI_ERR_TIMEOUT);
}

static void the_registers_asked_for_come_with_the_event(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	struct mvmi_event event;

	what.groups = MVMI_REGS_GENERAL;
	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	event = next(s);
	CHECK(event.regs != NULL);
	CHECK(mvmi_regset_has(event.regs->valid, MVMI_REG_RIP));
	CHECK(event.regs->x86.rip == s->ops->ask(s, 0).rip);
}

const struct conform_case cases_event[] = {
	CASE("Events 3", at_most_one_event_is_pending_per_vcpu),
	CASE("Events 3", events_of_a_vcpu_come_in_program_order),
	CASE("Events 3", a_step_is_told_after_what_the_instruction_did),
	CASE("Capability tables", every_kind_comes_as_its_descriptor_says),
	CASE("Events 4", rip_is_at_the_instruction_before_and_past_it_after),
	CASE("Capability tables", fields_that_are_not_published_are_zero),
	CASE("Events 11", a_memory_event_tells_where_and_how),
	CASE("Events 11", a_page_walk_is_told_as_one),
	CASE("Events 11", page_walks_can_be_left_out),
	CASE("Events 12", a_cr3_filter_is_a_value_under_a_mask),
	CASE("Events 13", an_asynchronous_event_holds_nothing),
	CASE("Events 13", a_full_ring_loses_events_and_counts_them),
	CASE("Events 13", a_subscriber_may_rather_hold_than_lose),
	CASE("Events 13", the_waitable_is_readable_while_an_event_waits),
	CASE("Events 8", nothing_within_the_time_is_a_timeout),
	CASE("Registers", the_registers_asked_for_come_with_the_event),
	{ 0 },
};
