/* SPDX-License-Identifier: MIT */
/* Subscriptions, delivery, and replies of several subscribers made one. */
#include "core/vm.h"
#include "harness.h"
#include "scripted.h"

/** What a subscriber does in its callback, and what it saw. */
struct watcher {
	unsigned calls;
	struct mvmi_event last;
	struct mvmi_reply reply;
	void (*also)(struct mvmi_vm *vm, struct watcher *self);
	uint64_t token;
	enum mvmi_status got;
	uint64_t value;
};

static struct watcher a;
static struct watcher b;
static struct mvmi_vm *vm;

static void watch(struct mvmi_vm *of, const struct mvmi_event *event,
		  struct mvmi_reply *reply, void *arg)
{
	struct watcher *self = arg;

	self->calls++;
	self->last = *event;
	if (self->reply.regs.size)
		*reply = self->reply;
	if (self->also)
		self->also(of, self);
}

static void begin(void)
{
	mvmi_vm_close(vm);
	vm = NULL;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	CHECK(mvmi_vm_open_driver(&scripted_driver, "x", NULL, &vm, NULL) ==
	      MVMI_OK);
}

static void end(void)
{
	mvmi_vm_close(vm);
	vm = NULL;
}

static struct mvmi_subscription on(enum mvmi_event_kind kind)
{
	return (struct mvmi_subscription){
		.size = sizeof(struct mvmi_subscription),
		.kind = kind,
	};
}

static enum mvmi_status
subscribe(struct watcher *watcher, struct mvmi_subscription what)
{
	return mvmi_event_subscribe(vm, &what, watch, watcher, &watcher->token,
				    NULL);
}

/** Let watchers a and b see CR3 writes. */
static void watch_cr3(void)
{
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	CHECK(subscribe(&b, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
}

static struct mvmi_reply answer(enum mvmi_action action)
{
	return (struct mvmi_reply){ .action = action,
				    .regs = mvmi_regs_empty() };
}

static struct mvmi_reply set(enum mvmi_reg reg, uint64_t value)
{
	struct mvmi_reply reply = answer(MVMI_ACTION_CONTINUE);

	*mvmi_regs_scalar(&reply.regs, reg) = value;
	mvmi_regset_add(&reply.regs.dirty, reg);
	return reply;
}

static void what_is_not_published_is_refused_before_the_driver(void)
{
	struct mvmi_subscription filtered = on(MVMI_EVENT_CR3_WRITE);
	struct mvmi_subscription async = on(MVMI_EVENT_CR3_WRITE);

	begin();
	filtered.filters = MVMI_FILTER_VCPU;
	async.async = true;
	CHECK(subscribe(&a, on(MVMI_EVENT_RDTSC)) == MVMI_ERR_UNSUPPORTED);
	CHECK(subscribe(&a, on((enum mvmi_event_kind)99)) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(subscribe(&a, filtered) == MVMI_ERR_UNSUPPORTED);
	CHECK(subscribe(&a, async) == MVMI_ERR_UNSUPPORTED);
	CHECK(scripted.last_id == 0 && a.token == 0);
	end();
}

static void a_read_only_vm_has_no_events(void)
{
	struct mvmi_vm_options options = { .size = sizeof(options),
					   .read_only = true };
	const struct mvmi_event_desc *descs;

	CHECK(mvmi_vm_open_driver(&scripted_driver, "x", &options, &vm, NULL) ==
	      MVMI_OK);
	CHECK(mvmi_event_descs(vm, &descs) == 0);
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_ERR_DENIED);
	CHECK(mvmi_vm_waitable(vm).handle == -1);
	end();
}

static void slots_are_counted_and_equals_share_one(void)
{
	struct mvmi_subscription at = on(MVMI_EVENT_HW_BREAKPOINT);

	begin();
	at.start = 0x1000;
	CHECK(subscribe(&a, at) == MVMI_OK);
	CHECK(subscribe(&b, at) == MVMI_OK);
	CHECK(scripted.last_id == 1 && a.token != b.token);
	at.start = 0x2000;
	CHECK(subscribe(&a, at) == MVMI_OK);
	at.start = 0x3000;
	CHECK(subscribe(&a, at) == MVMI_ERR_LIMIT);
	CHECK(mvmi_event_unsubscribe(vm, a.token, NULL) == MVMI_OK);
	CHECK(subscribe(&a, at) == MVMI_OK);
	CHECK(mvmi_event_unsubscribe(vm, b.token, NULL) == MVMI_OK);
	CHECK(scripted.ids & 1 << 1); /* Its equal is still there. */
	end();
	CHECK(scripted.ids == 0);
}

static void an_event_reaches_all_that_match_under_their_own_token(void)
{
	struct mvmi_subscription only = on(MVMI_EVENT_CR3_WRITE);
	struct mvmi_event *event;

	begin();
	only.filters = MVMI_FILTER_VALUE;
	only.value = (struct mvmi_match){ .value = 0x2000, .mask = ~0xfffull };
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	CHECK(subscribe(&b, only) == MVMI_OK);
	for (unsigned i = 1; i <= 2; i++) {
		event = scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
		event->fields = MVMI_FIELD_VALUE;
		event->value = UINT64_C(0x1000) * i;
		CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	}
	CHECK(a.calls == 2 && b.calls == 1);
	CHECK(a.last.subscription == a.token);
	CHECK(b.last.subscription == b.token && b.last.value == 0x2000);
	CHECK(scripted.replied == 2);
	CHECK(scripted.replies[1].action == MVMI_ACTION_CONTINUE);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_TIMEOUT);
	end();
}

static void a_cr3_filter_is_kept_for_an_event_that_names_another(void)
{
	struct mvmi_subscription only = on(MVMI_EVENT_CR3_WRITE);

	begin();
	only.filters = MVMI_FILTER_CR3;
	only.cr3 = (struct mvmi_match){ .value = 0x5000, .mask = ~0xfffull };
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	CHECK(subscribe(&b, only) == MVMI_OK);
	scripted.regs[0].x86.cr3 = 0x4000;
	scripted.regs[1].x86.cr3 = 0x5000;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.calls == 1 && b.calls == 0);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 1, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.calls == 2 && b.calls == 1 && !b.last.regs);
	end();
}

static void a_breakpoint_hears_of_its_own_address_only(void)
{
	struct mvmi_subscription at = on(MVMI_EVENT_HW_BREAKPOINT);
	struct mvmi_event *event;

	begin();
	at.start = 0x1000;
	CHECK(subscribe(&a, at) == MVMI_OK);
	at.start = 0x2000;
	CHECK(subscribe(&b, at) == MVMI_OK);
	event = scripted_raise(MVMI_EVENT_HW_BREAKPOINT, 0, 2);
	event->fields = MVMI_FIELD_GVA;
	event->gva = mvmi_gva_at(0x2000);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.calls == 0 && b.calls == 1);
	end();
}

static void an_asynchronous_event_is_not_answered(void)
{
	struct mvmi_subscription async = on(MVMI_EVENT_CPUID);

	begin();
	async.async = true;
	CHECK(subscribe(&a, async) == MVMI_OK);
	CHECK(subscribe(&b, on(MVMI_EVENT_CPUID)) == MVMI_OK);
	scripted_raise(MVMI_EVENT_CPUID, 0, 1)->async = true;
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.calls == 1 && b.calls == 0 && scripted.replied == 0);
	end();
}

static void registers_of_two_subscribers_are_merged(void)
{
	begin();
	watch_cr3();
	a.reply = set(MVMI_REG_RAX, 1);
	b.reply = set(MVMI_REG_RBX, 2);
	b.reply.action = MVMI_ACTION_SKIP;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 1, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(scripted.replies[0].action == MVMI_ACTION_SKIP);
	CHECK(scripted.regs[1].x86.gpr[MVMI_REG_RAX] == 1);
	CHECK(scripted.regs[1].x86.gpr[MVMI_REG_RBX] == 2);
	CHECK(!mvmi_regset_has(scripted.replies[0].regs.dirty, MVMI_REG_RIP));
	end();
}

static void contradicting_registers_are_reported_and_the_last_wins(void)
{
	struct mvmi_error err;

	begin();
	watch_cr3();
	a.reply = set(MVMI_REG_RAX, 1);
	b.reply = set(MVMI_REG_RAX, 2);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, &err) == MVMI_ERR_INVALID);
	CHECK(strcmp(err.msg, "two subscribers set rax of vCPU 0 differently; "
			      "the last one won") == 0);
	CHECK(scripted.replies[0].regs.x86.gpr[MVMI_REG_RAX] == 2);

	b.reply = set(MVMI_REG_RAX, 1);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, &err) == MVMI_OK);
	end();
}

static void contradicting_actions_are_reported_and_the_last_wins(void)
{
	begin();
	watch_cr3();
	a.reply = answer(MVMI_ACTION_DENY);
	b.reply = answer(MVMI_ACTION_SKIP);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_INVALID);
	CHECK(scripted.replies[0].action == MVMI_ACTION_SKIP);

	a.reply = answer(MVMI_ACTION_SWITCH_VIEW);
	b.reply = a.reply;
	b.reply.view = 1;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_INVALID);
	CHECK(scripted.replies[1].view == 1);
	end();
}

static void what_cannot_be_had_is_left_out_and_reported(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	a.reply = answer(MVMI_ACTION_INJECT);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_INVALID);
	CHECK(scripted.replies[0].action == MVMI_ACTION_CONTINUE);

	a.reply = set(MVMI_REG_LSTAR, 1);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_regset_is_empty(scripted.replies[1].regs.dirty));
	end();
}

static void set_and_read_back(struct mvmi_vm *of, struct watcher *self)
{
	struct mvmi_regs regs = set(MVMI_REG_RIP, 0x1234).regs;

	self->got = mvmi_vcpu_set_regs(of, 0, &regs, NULL);
	if (self->got == MVMI_OK)
		self->got = mvmi_vcpu_get_regs(of, 0, MVMI_REGS_GENERAL, &regs,
					       NULL);
	self->value = regs.x86.rip;
	/* It may change its own mind without contradicting itself. */
	regs = set(MVMI_REG_RIP, 0x5678).regs;
	if (self->got == MVMI_OK)
		self->got = mvmi_vcpu_set_regs(of, 0, &regs, NULL);
}

static void registers_set_in_a_callback_travel_with_the_reply(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	a.also = set_and_read_back;
	scripted.regs[0].x86.rip = 0x1000;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.got == MVMI_OK && a.value == 0x1234);
	CHECK(scripted.replies[0].regs.x86.rip == 0x5678);
	CHECK(scripted.regs[0].x86.rip == 0x5678);
	CHECK(scripted.held_count == 0);
	end();
}

static void read_the_other_vcpu(struct mvmi_vm *of, struct watcher *self)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	self->got = mvmi_vcpu_get_regs(of, 1, MVMI_REGS_GENERAL, &regs, NULL);
}

static void registers_of_a_running_vcpu_are_busy_in_a_callback(void)
{
	begin();
	a.also = read_the_other_vcpu;
	b.also = read_the_other_vcpu;
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	CHECK(subscribe(&b, on(MVMI_EVENT_HW_BREAKPOINT)) == MVMI_OK);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.got == MVMI_ERR_BUSY);
	/* A breakpoint holds the whole VM here. */
	scripted_raise(MVMI_EVENT_HW_BREAKPOINT, 0, 2);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(b.calls == 1 && b.got == MVMI_OK);
	end();
}

static void dispatch_again(struct mvmi_vm *of, struct watcher *self)
{
	self->got = mvmi_vm_dispatch(of, 0, NULL);
}

static void dispatch_in_a_callback_is_busy(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	a.also = dispatch_again;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.got == MVMI_ERR_BUSY && a.calls == 1);
	end();
}

static void end_the_other(struct mvmi_vm *of, struct watcher *self)
{
	self->got = mvmi_event_unsubscribe(of, b.token, NULL);
}

static void end_itself(struct mvmi_vm *of, struct watcher *self)
{
	self->got = mvmi_event_unsubscribe(of, self->token, NULL);
}

static void who_is_ended_in_a_callback_is_not_called_again(void)
{
	begin();
	watch_cr3();
	a.also = end_the_other;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.got == MVMI_OK && b.calls == 0);
	a.also = end_itself;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 1, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	/* Nobody is left: what was raised already is continued at once. */
	CHECK(a.calls == 2 && scripted.ids == 0);
	CHECK(scripted.replied == 3 && scripted.fetched == 3);
	end();
}

static void join(struct mvmi_vm *of, struct watcher *self)
{
	struct mvmi_subscription what = on(MVMI_EVENT_CR3_WRITE);

	self->also = NULL;
	self->got = mvmi_event_subscribe(of, &what, watch, &b, &b.token, NULL);
}

static void who_joins_in_a_callback_hears_the_next_event(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	a.also = join;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.got == MVMI_OK && b.calls == 0);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.calls == 2 && b.calls == 1);
	end();
}

static void unsubscribing_continues_what_was_raised(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 1, 1);
	CHECK(mvmi_event_unsubscribe(vm, a.token, NULL) == MVMI_OK);
	CHECK(a.calls == 0 && scripted.replied == 2);
	CHECK(mvmi_event_unsubscribe(vm, a.token, NULL) == MVMI_ERR_INVALID);
	end();
}

static void close_continues_what_was_raised(void)
{
	begin();
	watch_cr3();
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	end();
	CHECK(a.calls == 0 && scripted.replied == 1 && scripted.ids == 0);
}

static void a_stale_reply_does_not_fail_dispatch(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	scripted.reply_status = MVMI_ERR_STALE;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(scripted.replied == 0);
	end();
}

static void a_reply_that_fails_is_followed_by_a_plain_one(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	a.reply = answer(MVMI_ACTION_SKIP);
	scripted.reply_status = MVMI_ERR_SYSTEM;
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_SYSTEM);
	CHECK(scripted.replied == 1);
	CHECK(scripted.replies[0].action == MVMI_ACTION_CONTINUE);
	end();
}

static void gone_is_delivered_once_and_then_a_status(void)
{
	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_GONE)) == MVMI_OK);
	scripted.gone = true;
	scripted_raise(MVMI_EVENT_GONE, 0, 0)->async = true;
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(a.calls == 1 && scripted.replied == 0);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_GONE);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_ERR_GONE);
	CHECK(a.calls == 1);
	end();
}

static void each_reply_begins_an_epoch(void)
{
	uint64_t before;

	begin();
	CHECK(subscribe(&a, on(MVMI_EVENT_CR3_WRITE)) == MVMI_OK);
	CHECK(mvmi_vm_hold(vm, NULL) == MVMI_OK);
	scripted_raise(MVMI_EVENT_CR3_WRITE, 0, 1);
	before = vm_epoch(vm);
	CHECK(vm_epoch(vm) == before);
	CHECK(mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK);
	CHECK(vm_epoch(vm) != before);
	end();
}

TESTS(T(what_is_not_published_is_refused_before_the_driver),
      T(a_read_only_vm_has_no_events),
      T(slots_are_counted_and_equals_share_one),
      T(an_event_reaches_all_that_match_under_their_own_token),
      T(a_cr3_filter_is_kept_for_an_event_that_names_another),
      T(a_breakpoint_hears_of_its_own_address_only),
      T(an_asynchronous_event_is_not_answered),
      T(registers_of_two_subscribers_are_merged),
      T(contradicting_registers_are_reported_and_the_last_wins),
      T(contradicting_actions_are_reported_and_the_last_wins),
      T(what_cannot_be_had_is_left_out_and_reported),
      T(registers_set_in_a_callback_travel_with_the_reply),
      T(registers_of_a_running_vcpu_are_busy_in_a_callback),
      T(dispatch_in_a_callback_is_busy),
      T(who_is_ended_in_a_callback_is_not_called_again),
      T(who_joins_in_a_callback_hears_the_next_event),
      T(unsubscribing_continues_what_was_raised),
      T(close_continues_what_was_raised),
      T(a_stale_reply_does_not_fail_dispatch),
      T(a_reply_that_fails_is_followed_by_a_plain_one),
      T(gone_is_delivered_once_and_then_a_status),
      T(each_reply_begins_an_epoch))
