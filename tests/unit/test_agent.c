/* SPDX-License-Identifier: MIT */
/* An agent and its client: what is offered, events and their replies. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "agent_test.h"

/* ---- what is offered ---------------------------------------------------- */

static void it_tells_what_it_is_and_offers(void)
{
	setup(2);
	CHECK(strcmp(client->agent, "fake agent") == 0);
	CHECK(strcmp(client->vmm, "fake VMM") == 0);
	/* The unknown kind is passed over; the end of the VM is our own. */
	CHECK(client->desc_count == 4);
	CHECK(client->descs[0].kind == MVMI_EVENT_CR3_WRITE);
	CHECK(client->descs[3].kind == MVMI_EVENT_GONE);
	CHECK(client->capabilities ==
	      (MVMI_CAP_REGS | MVMI_CAP_SET_REGS | MVMI_CAP_WRITE |
	       MVMI_CAP_RUN | MVMI_CAP_EVENT | MVMI_CAP_INJECT));
	CHECK(agent_client_vcpu_count(client) == 2);
	teardown();
}

static void without_an_agent_there_is_none(void)
{
	teardown();
	CHECK(agent_client_open(getpid(), 100, &client, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	client = NULL;
}

static void a_process_has_one_agent(void)
{
	setup(1);
	CHECK(agent_create(&fake_host, fake) == NULL && errno == EBUSY);
	teardown();
}

/* ---- events and replies ------------------------------------------------- */

static void an_event_waits_for_its_reply(void)
{
	struct mvmi_event event;

	setup(2);
	(void)enable_cr3();
	fake_raise(fake, 1, cr3_write, 1);
	event = next();
	CHECK(event.kind == MVMI_EVENT_CR3_WRITE && event.id.vcpu == 1);
	CHECK(event.value == 0x5000 && event.old_value == 0x4000);
	CHECK(!event.async && event.phase == MVMI_PHASE_BEFORE);
	CHECK(event.fields == FAKE_FIELDS);
	CHECK(event.regs && event.regs->x86.rip == 0x1000);
	CHECK(next_status(20) == MVMI_ERR_TIMEOUT);
	CHECK(done(1) == 0);
	CHECK(reply(&event) == MVMI_OK);
	CHECK(FAKE_EVENTUALLY(done(1) == 1));
	CHECK(reply(&event) == MVMI_ERR_STALE);
	teardown();
}

static void registers_come_with_the_event_and_go_with_the_reply(void)
{
	struct mvmi_reply what = { .action = MVMI_ACTION_SKIP,
				   .regs = mvmi_regs_empty() };
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_event event;

	setup(1);
	fake->vcpus[0].regs.gpr[MVMI_REG_RBX] = 0xb;
	fake->vcpus[0].regs.xmm[15][3] = 0x77;
	(void)enable((struct mvmi_subscription){ .kind = MVMI_EVENT_CR3_WRITE,
						 .groups = MVMI_REGS_ALL });
	fake_raise(fake, 0, cr3_write, 2);
	event = next();
	CHECK(event.regs && event.regs->x86.gpr[MVMI_REG_RBX] == 0xb);
	CHECK(event.regs->x86.xmm[15][3] == 0x77);
	what.regs.x86.gpr[MVMI_REG_RAX] = 0x4711;
	what.regs.x86.rip = 0x9000;
	mvmi_regset_add(&what.regs.dirty, MVMI_REG_RAX);
	CHECK(agent_client_reply(client, event.id, &what, &err) == MVMI_OK);
	event = next();
	CHECK(atomic_load(&fake->vcpus[0].action) == MVMI_ACTION_SKIP);
	CHECK(event.regs->x86.gpr[MVMI_REG_RAX] == 0x4711);
	CHECK(event.regs->x86.rip == 0x1001); /* it was not dirty */
	/* Under a hold, what a reply wrote is seen at once. */
	what.regs.x86.gpr[MVMI_REG_RAX] = 0x4712;
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	CHECK(agent_client_reply(client, event.id, &what, &err) == MVMI_OK);
	CHECK(agent_client_get_regs(client, 0, MVMI_REGS_ALL, &regs, &err) ==
	      MVMI_OK);
	CHECK(regs.x86.gpr[MVMI_REG_RAX] == 0x4712);
	teardown();
}

static void a_reply_that_was_not_offered_is_continue(void)
{
	struct mvmi_reply what = { .action = MVMI_ACTION_DENY,
				   .data_len = UINT32_MAX,
				   .regs = mvmi_regs_empty() };
	struct mvmi_event event;

	setup(1);
	(void)enable_cr3();
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	mvmi_regset_add(&what.regs.dirty, MVMI_REG_CR0); /* not writable */
	CHECK(agent_client_reply(client, event.id, &what, &err) == MVMI_OK);
	CHECK(FAKE_EVENTUALLY(done(0) == 1));
	CHECK(atomic_load(&fake->vcpus[0].action) == MVMI_ACTION_CONTINUE);
	teardown();
}

static void filters_are_the_far_sides(void)
{
	const struct mvmi_match exact = { 0x5000, UINT64_MAX };
	struct agent_event other = cr3_write;
	struct mvmi_event event;

	setup(2);
	(void)enable((struct mvmi_subscription){ .kind = MVMI_EVENT_CR3_WRITE,
						 .filters = MVMI_FILTER_VALUE |
							    MVMI_FILTER_VCPU,
						 .value = exact,
						 .vcpus = 1 << 1 });
	other.value = 0x6000;
	fake_raise(fake, 0, cr3_write, 3); /* another vCPU */
	fake_raise(fake, 1, other, 3);	   /* another value */
	CHECK(FAKE_EVENTUALLY(done(0) == 3 && done(1) == 3));
	CHECK(next_status(0) == MVMI_ERR_TIMEOUT);
	fake_raise(fake, 1, cr3_write, 1);
	event = next();
	CHECK(event.id.vcpu == 1 && reply(&event) == MVMI_OK);
	teardown();
}

static void a_cr3_filter_leaves_bits_out_by_its_mask(void)
{
	struct mvmi_event event;

	setup(2);
	fake->vcpus[0].regs.cr3 = 0x7003;
	fake->vcpus[1].regs.cr3 = 0x8003;
	(void)enable((struct mvmi_subscription){
		.kind = MVMI_EVENT_CR3_WRITE,
		.filters = MVMI_FILTER_CR3,
		/* Bits outside of the mask don't count on either side. */
		.cr3 = { 0x7001, ~UINT64_C(0xfff) } });
	fake_raise(fake, 1, cr3_write, 1);
	CHECK(FAKE_EVENTUALLY(done(1) == 1));
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	CHECK(event.id.vcpu == 0 && event.regs->x86.cr3 == 0x7003);
	CHECK(reply(&event) == MVMI_OK);
	teardown();
}

static void what_the_descriptor_lacks_is_refused(void)
{
	struct mvmi_subscription what = { .size = sizeof(what),
					  .kind = MVMI_EVENT_RDTSC };
	uint64_t id;

	setup(1);
	CHECK(agent_client_enable(client, &what, &id, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	what.kind = MVMI_EVENT_CPUID;
	what.filters = MVMI_FILTER_CR3;
	CHECK(agent_client_enable(client, &what, &id, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	what.filters = 0;
	what.async = true;
	CHECK(agent_client_enable(client, &what, &id, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	what.async = false;
	(void)enable(what);
	id = enable(what);
	CHECK(agent_client_enable(client, &what, &id, &err) == MVMI_ERR_LIMIT);
	CHECK(agent_client_disable(client, id, &err) == MVMI_OK);
	CHECK(agent_client_disable(client, id, &err) == MVMI_ERR_INVALID);
	(void)enable(what);
	atomic_store(&fake->refuses, true);
	CHECK(agent_client_enable(client,
				  &(struct mvmi_subscription){
					  .size = sizeof(what),
					  .kind = MVMI_EVENT_CR3_WRITE },
				  &id, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strcmp(err.msg, "not today") == 0);
	teardown();
}

static void a_thousand_breakpoints_find_theirs(void)
{
	struct agent_event hit = { .kind = MVMI_EVENT_HW_BREAKPOINT };
	uint64_t ids[1000];
	struct mvmi_event event;

	setup(1);
	for (unsigned i = 0; i < 1000; i++)
		ids[i] = enable((struct mvmi_subscription){
			.kind = MVMI_EVENT_HW_BREAKPOINT,
			.start = 0xffffffff81000000 + UINT64_C(16) * i });
	CHECK(atomic_load(&fake->subscriptions) == 1000);
	for (unsigned i = 0; i < 1000; i += 37) {
		hit.gva = 0xffffffff81000000 + UINT64_C(16) * i;
		fake_raise(fake, 0, hit, 1);
		event = next();
		CHECK(event.subscription == ids[i]);
		CHECK(event.gva.val == hit.gva && reply(&event) == MVMI_OK);
		CHECK(FAKE_EVENTUALLY(atomic_load(&fake->vcpus[0].left) == 0));
	}
	hit.gva = 0xffffffff81000001;
	fake_raise(fake, 0, hit, 1);
	CHECK(FAKE_EVENTUALLY(atomic_load(&fake->vcpus[0].left) == 0));
	CHECK(next_status(0) == MVMI_ERR_TIMEOUT);
	for (unsigned i = 0; i < 1000; i++)
		CHECK(agent_client_disable(client, ids[i], &err) == MVMI_OK);
	CHECK(atomic_load(&fake->subscriptions) == 0);
	teardown();
}

static void after_disable_nothing_more_is_raised(void)
{
	struct mvmi_event event;
	uint64_t id;

	setup(1);
	id = enable_cr3();
	fake_raise(fake, 0, cr3_write, 2);
	event = next();
	CHECK(agent_client_disable(client, id, &err) == MVMI_OK);
	/* What was raised can still be answered. */
	CHECK(reply(&event) == MVMI_OK);
	CHECK(FAKE_EVENTUALLY(done(0) == 2));
	CHECK(next_status(0) == MVMI_ERR_TIMEOUT);
	teardown();
}

static void every_vcpu_can_have_an_event_pending(void)
{
	struct mvmi_event events[8];
	unsigned seen = 0;

	setup(8);
	(void)enable_cr3();
	for (uint32_t i = 0; i < 8; i++)
		fake_raise(fake, i, cr3_write, 1);
	for (unsigned i = 0; i < 8; i++) {
		events[i] = next();
		seen |= 1U << events[i].id.vcpu;
	}
	CHECK(seen == 0xff);
	CHECK(next_status(0) == MVMI_ERR_TIMEOUT);
	for (unsigned i = 8; i-- > 0;)
		CHECK(reply(&events[i]) == MVMI_OK);
	for (uint32_t i = 0; i < 8; i++)
		CHECK(FAKE_EVENTUALLY(done(i) == 1));
	teardown();
}

/* ---- deadline ----------------------------------------------------------- */

static void an_event_that_is_overdue_is_continued_and_counted(void)
{
	struct mvmi_event event;

	setup(2);
	CHECK(agent_client_set_deadline(client, 50, &err) == MVMI_OK);
	(void)enable_cr3();
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	CHECK(FAKE_EVENTUALLY(done(0) == 1));
	CHECK(agent_client_overdue(client) == 1);
	/* Nobody waits twice for a client that stalls. */
	fake_raise(fake, 1, cr3_write, 100);
	CHECK(FAKE_EVENTUALLY(done(1) == 100));
	CHECK(agent_client_overdue(client) == 101);
	/* The reply comes too late, but shows that it lives. */
	CHECK(reply(&event) == MVMI_ERR_STALE);
	fake_raise(fake, 1, cr3_write, 1);
	event = next();
	CHECK(reply(&event) == MVMI_OK);
	CHECK(FAKE_EVENTUALLY(done(1) == 101));
	CHECK(agent_client_overdue(client) == 101);
	teardown();
}

static void a_deadline_can_be_lifted_and_set_while_one_waits(void)
{
	struct mvmi_event event;

	setup(1);
	(void)enable_cr3();
	CHECK(agent_client_set_deadline(client, 0, &err) == MVMI_OK);
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	CHECK(next_status(150) == MVMI_ERR_TIMEOUT);
	CHECK(done(0) == 0);
	CHECK(agent_client_set_deadline(client, 1, &err) == MVMI_OK);
	CHECK(FAKE_EVENTUALLY(done(0) == 1));
	CHECK(reply(&event) == MVMI_ERR_STALE);
	teardown();
}

static void a_reset_voids_what_is_pending(void)
{
	struct mvmi_event event;

	setup(1);
	(void)enable_cr3();
	CHECK(agent_client_incarnation(client) == 1);
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	agent_new_incarnation(fake->agent);
	CHECK(agent_client_incarnation(client) == 2);
	CHECK(reply(&event) == MVMI_ERR_STALE);
	CHECK(FAKE_EVENTUALLY(done(0) == 1));
	CHECK(agent_client_overdue(client) == 0);
	teardown();
}

/* ---- waking ------------------------------------------------------------- */

static bool is_readable(struct mvmi_waitable waitable, int timeout_ms)
{
	struct pollfd pollfd = { .fd = (int)waitable.handle, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1;
}

static void the_waitable_is_readable_while_an_event_waits(void)
{
	struct mvmi_waitable waitable;
	struct mvmi_event event;

	setup(2);
	waitable = agent_client_waitable(client);
	CHECK(waitable.handle >= 0);
	(void)enable_cr3();
	CHECK(!is_readable(waitable, 0));
	fake_raise(fake, 0, cr3_write, 1);
	CHECK(is_readable(waitable, 5000));
	fake_raise(fake, 1, cr3_write, 1);
	CHECK(FAKE_EVENTUALLY(atomic_load(&fake->vcpus[1].loops) == 1));
	fake_sleep_ms(20);
	event = next();
	CHECK(is_readable(waitable, 0)); /* the other one's */
	CHECK(reply(&event) == MVMI_OK);
	event = next();
	CHECK(!is_readable(waitable, 0));
	CHECK(reply(&event) == MVMI_OK);
	fake_raise(fake, 0, cr3_write, 1);
	CHECK(is_readable(waitable, 5000));
	event = next();
	CHECK(reply(&event) == MVMI_OK);
	/* The end is something to wake for, too. */
	agent_destroy(fake->agent);
	CHECK(is_readable(waitable, 5000));
	CHECK(next().kind == MVMI_EVENT_GONE);
	agent_client_close(client);
	client = NULL;
	atomic_store(&fake->ends, true);
	for (uint32_t i = 0; i < fake->count; i++)
		(void)pthread_join(fake->vcpus[i].thread, NULL);
	free(fake);
	fake = NULL;
}

static void a_client_that_sleeps_is_woken(void)
{
	struct mvmi_event event;

	setup(1);
	(void)enable_cr3();
	/* Without spinning, every event takes both futexes. */
	client->channel.spin_max_ns = 0;
	client->channel.spin_ns = 0;
	client->channel.shared->spin_ns = 0;
	fake_raise(fake, 0, cr3_write, 500);
	for (unsigned i = 0; i < 500; i++) {
		event = next();
		CHECK(reply(&event) == MVMI_OK);
	}
	CHECK(FAKE_EVENTUALLY(done(0) == 500));
	teardown();
}

TESTS(T(it_tells_what_it_is_and_offers), T(without_an_agent_there_is_none),
      T(a_process_has_one_agent), T(an_event_waits_for_its_reply),
      T(registers_come_with_the_event_and_go_with_the_reply),
      T(a_reply_that_was_not_offered_is_continue), T(filters_are_the_far_sides),
      T(a_cr3_filter_leaves_bits_out_by_its_mask),
      T(what_the_descriptor_lacks_is_refused),
      T(a_thousand_breakpoints_find_theirs),
      T(after_disable_nothing_more_is_raised),
      T(every_vcpu_can_have_an_event_pending),
      T(an_event_that_is_overdue_is_continued_and_counted),
      T(a_deadline_can_be_lifted_and_set_while_one_waits),
      T(a_reset_voids_what_is_pending),
      T(the_waitable_is_readable_while_an_event_waits),
      T(a_client_that_sleeps_is_woken))
