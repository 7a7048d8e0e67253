/* SPDX-License-Identifier: MIT */
/* CONTRACT, Events 6 and 7, Registers: what is legal while a callback runs. */
#include <string.h>

#include "conform.h"

/** What a callback is told to do, and what it got. */
struct script {
	struct subject *s;
	uint64_t token;
	unsigned calls;
	enum mvmi_status status;
	void (*play)(struct script *script, const struct mvmi_event *event,
		     struct mvmi_reply *reply);
	uint64_t value;
};

static void on_event(struct mvmi_vm *vm, const struct mvmi_event *event,
		     struct mvmi_reply *reply_to, void *arg)
{
	struct script *script = arg;

	(void)vm;
	script->calls++;
	if (script->play)
		script->play(script, event, reply_to);
}

static struct mvmi_vm *vm_of(struct script *script)
{
	return script->s->vm;
}

/** Subscribe the script to a kind that holds, and let that happen. */
static struct trigger subscribe(struct subject *s, struct script *script)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);

	script->s = s;
	CHECK(mvmi_event_subscribe(s->vm, &what, on_event, script,
				   &script->token, NULL) == MVMI_OK);
	if (trigger.desc->kind == MVMI_EVENT_MEMORY && s->vm->conn->access)
		CHECK(s->vm->conn->access->set(
			      s->vm->conn, 0, mvmi_gfn_of(SUBJECT_PAGE),
			      MVMI_ACCESS_R | MVMI_ACCESS_X, NULL) == MVMI_OK);
	return trigger;
}

static enum mvmi_status play(struct subject *s, struct script *script)
{
	struct trigger trigger = subscribe(s, script);
	enum mvmi_status status;

	act(s, 0, &trigger.deed);
	status = mvmi_vm_dispatch(s->vm, 0, NULL);
	CHECK(script->calls == 1);
	return status;
}

static void read_memory(struct script *script, const struct mvmi_event *event,
			struct mvmi_reply *reply_to)
{
	uint8_t byte;

	(void)event;
	(void)reply_to;
	script->status = mvmi_mem_read(vm_of(script), SUBJECT_PAGE,
				       (struct mvmi_span){ &byte, 1 }, NULL);
}

static void memory_is_legal_in_a_callback(struct subject *s)
{
	struct script script = { .play = read_memory, .status = MVMI_ERR_GONE };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK);
}

static void read_own(struct script *script, const struct mvmi_event *event,
		     struct mvmi_reply *reply_to)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	(void)reply_to;
	script->status = mvmi_vcpu_get_regs(vm_of(script), event->id.vcpu,
					    MVMI_REGS_GENERAL, &regs, NULL);
	script->value = regs.x86.rip;
}

static void
registers_of_the_held_vcpu_are_legal_in_a_callback(struct subject *s)
{
	struct script script = { .play = read_own, .status = MVMI_ERR_GONE };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK && script.value != 0);
}

static void read_other(struct script *script, const struct mvmi_event *event,
		       struct mvmi_reply *reply_to)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	(void)reply_to;
	script->status = mvmi_vcpu_get_regs(vm_of(script), 1 - event->id.vcpu,
					    MVMI_REGS_GENERAL, &regs, NULL);
}

static void registers_of_another_vcpu_are_busy_never_a_wait(struct subject *s)
{
	struct script script = { .play = read_other };
	bool holds_vm = any_trigger(s, 0).desc->holds == MVMI_HOLDS_VM;

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == (holds_vm ? MVMI_OK : MVMI_ERR_BUSY));
}

static void hold_and_read(struct script *script, const struct mvmi_event *event,
			  struct mvmi_reply *reply_to)
{
	struct mvmi_vm *vm = vm_of(script);

	script->status = mvmi_vm_hold(vm, NULL);
	if (script->status == MVMI_OK)
		read_other(script, event, reply_to);
	if (mvmi_vm_release(vm, NULL) != MVMI_OK)
		script->status = MVMI_ERR_INVALID;
}

static void hold_may_be_called_in_a_callback(struct subject *s)
{
	struct script script = { .play = hold_and_read,
				 .status = MVMI_ERR_GONE };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK);
}

static void
dispatch_again(struct script *script, const struct mvmi_event *event,
	       struct mvmi_reply *reply_to)
{
	(void)event;
	(void)reply_to;
	script->status = mvmi_vm_dispatch(vm_of(script), 0, NULL);
}

static void dispatch_in_a_callback_is_busy(struct subject *s)
{
	struct script script = { .play = dispatch_again };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_ERR_BUSY);
}

static void leave(struct script *script, const struct mvmi_event *event,
		  struct mvmi_reply *reply_to)
{
	(void)event;
	(void)reply_to;
	script->status =
		mvmi_event_unsubscribe(vm_of(script), script->token, NULL);
}

static void unsubscribing_in_a_callback_holds_at_once(struct subject *s)
{
	struct script script = { .play = leave, .status = MVMI_ERR_GONE };
	struct trigger trigger = any_trigger(s, 0);

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK);
	act(s, 0, &trigger.deed);
	CHECK(mvmi_vm_dispatch(s->vm, 0, NULL) == MVMI_ERR_TIMEOUT);
	CHECK(script.calls == 1);
	CHECK(s->ops->ask(s, 0).left == 0);
}

static void join(struct script *script, const struct mvmi_event *event,
		 struct mvmi_reply *reply_to)
{
	const struct mvmi_event_desc *desc = desc_of(script->s, event->kind);
	struct mvmi_subscription what = subscription_to(desc);
	uint64_t token;

	(void)reply_to;
	script->status =
		mvmi_event_subscribe(vm_of(script), &what, on_event,
				     &(struct script){ 0 }, &token, NULL);
	if (script->status == MVMI_OK)
		script->status =
			mvmi_event_unsubscribe(vm_of(script), token, NULL);
}

static void subscribing_is_legal_in_a_callback(struct subject *s)
{
	struct script script = { .play = join, .status = MVMI_ERR_GONE };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK);
}

static void after_unsubscribe_what_was_raised_is_continued(struct subject *s)
{
	struct script script = { 0 };
	struct trigger trigger = subscribe(s, &script);

	act(s, 0, &trigger.deed);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 0 ||
	      trigger.desc->phase == MVMI_PHASE_AFTER);
	CHECK(mvmi_event_unsubscribe(s->vm, script.token, NULL) == MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
	CHECK(mvmi_vm_dispatch(s->vm, 0, NULL) == MVMI_ERR_TIMEOUT);
	CHECK(script.calls == 0);
}

static void set_rax(struct script *script, const struct mvmi_event *event,
		    struct mvmi_reply *reply_to)
{
	(void)event;
	mvmi_regset_add(&reply_to->regs.dirty, MVMI_REG_RAX);
	reply_to->regs.x86.gpr[MVMI_REG_RAX] = script->value;
}

static uint64_t rax_of(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	CHECK(mvmi_vcpu_get_regs(s->vm, 0, MVMI_REGS_GENERAL, &regs, NULL) ==
	      MVMI_OK);
	return regs.x86.gpr[MVMI_REG_RAX];
}

static void registers_travel_with_the_reply(struct subject *s)
{
	struct script script = { .play = set_rax, .value = 0x4711 };
	uint64_t rip = s->ops->ask(s, 0).rip;

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(rax_of(s) == 0x4711);
	/* rip was not dirty: the driver chose it. */
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
	CHECK(s->ops->ask(s, 0).rip != rip);
}

static void set_now(struct script *script, const struct mvmi_event *event,
		    struct mvmi_reply *reply_to)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	(void)reply_to;
	mvmi_regset_add(&regs.dirty, MVMI_REG_RAX);
	regs.x86.gpr[MVMI_REG_RAX] = script->value;
	script->status =
		mvmi_vcpu_set_regs(vm_of(script), event->id.vcpu, &regs, NULL);
}

static void registers_set_in_a_callback_are_written(struct subject *s)
{
	struct script script = { .play = set_now, .value = 0x42 };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK);
	CHECK(rax_of(s) == 0x42);
}

static void two_writers_of_different_values_are_reported(struct subject *s)
{
	struct script first = { .play = set_rax, .value = 1 };
	struct script second = { .play = set_rax, .value = 2 };
	struct mvmi_error err;
	struct trigger trigger;

	(void)subscribe(s, &first);
	trigger = subscribe(s, &second);
	act(s, 0, &trigger.deed);
	CHECK(mvmi_vm_dispatch(s->vm, 0, &err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "rax") != NULL);
	CHECK(first.calls == 1 && second.calls == 1);
	CHECK(rax_of(s) == 2);
}

static void jump(struct script *script, const struct mvmi_event *event,
		 struct mvmi_reply *reply_to)
{
	(void)event;
	mvmi_regset_add(&reply_to->regs.dirty, MVMI_REG_RIP);
	reply_to->regs.x86.rip = script->value;
}

static void rip_is_applied_if_dirty(struct subject *s)
{
	struct script script = { .play = jump, .value = 0x6000 };

	CHECK(play(s, &script) == MVMI_OK);
	CHECK(s->ops->ask(s, 0).rip == 0x6000);
}

static void pin(struct script *script, const struct mvmi_event *event,
		struct mvmi_reply *reply_to)
{
	struct mvmi_vm *vm = vm_of(script);
	uint64_t epoch;

	(void)event;
	(void)reply_to;
	script->status = mvmi_vm_pin_epoch(vm, NULL);
	epoch = vm_epoch(vm);
	script->value = vm_epoch(vm) - epoch;
	mvmi_vm_unpin_epoch(vm);
}

static void a_callback_may_pin_an_epoch(struct subject *s)
{
	struct script script = { .play = pin,
				 .status = MVMI_ERR_GONE,
				 .value = 1 };

	CHECK(mvmi_vm_pin_epoch(s->vm, NULL) == MVMI_ERR_INVALID);
	CHECK(play(s, &script) == MVMI_OK);
	CHECK(script.status == MVMI_OK && script.value == 0);
}

const struct conform_case cases_callback[] = {
	CASE("Events 6", memory_is_legal_in_a_callback),
	CASE("Events 6", registers_of_the_held_vcpu_are_legal_in_a_callback),
	CASE("Events 6", registers_of_another_vcpu_are_busy_never_a_wait),
	CASE("Events 2", hold_may_be_called_in_a_callback),
	CASE("Events 6", dispatch_in_a_callback_is_busy),
	CASE("Events 6", subscribing_is_legal_in_a_callback),
	CASE("Events 6", unsubscribing_in_a_callback_holds_at_once),
	CASE("Events 7", after_unsubscribe_what_was_raised_is_continued),
	CASE("Registers", registers_travel_with_the_reply),
	CASE("Registers", registers_set_in_a_callback_are_written),
	CASE("Registers", two_writers_of_different_values_are_reported),
	CASE("Registers", rip_is_applied_if_dirty),
	CASE("Epochs", a_callback_may_pin_an_epoch),
	{ 0 },
};
