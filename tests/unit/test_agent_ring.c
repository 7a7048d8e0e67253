/* SPDX-License-Identifier: MIT */
/* What an agent tells without waiting for a reply. */
#include "agent_test.h"

static void a_full_ring_loses_events_and_counts_them(void)
{
	struct mvmi_event event;
	unsigned got = 0;

	setup(1);
	(void)enable(listen_to_cr3(false));
	fake_raise(fake, 0, cr3_write, AGENT_RING_LEN + 100);
	CHECK(FAKE_EVENTUALLY(done(0) == AGENT_RING_LEN + 100));
	while (agent_client_next(client, 0, &event, &err) == MVMI_OK) {
		CHECK(event.async && event.value == 0x5000);
		CHECK(event.regs && event.regs->x86.rip == 0x1000 + got);
		CHECK(reply(&event) == MVMI_ERR_STALE);
		got++;
	}
	CHECK(got == AGENT_RING_LEN && event.lost == 100);
	teardown();
}

static void a_subscriber_may_rather_hold_than_lose(void)
{
	struct mvmi_event event;

	setup(1);
	(void)enable(listen_to_cr3(true));
	fake_raise(fake, 0, cr3_write, 5000);
	CHECK(FAKE_EVENTUALLY(done(0) == AGENT_RING_LEN));
	fake_sleep_ms(20);
	CHECK(done(0) == AGENT_RING_LEN);
	/* Waiting for room, it counts as held. */
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	CHECK(agent_client_release(client, &err) == MVMI_OK);
	for (unsigned i = 0; i < 5000; i++) {
		event = next();
		CHECK(event.lost == 0 && event.regs->x86.rip == 0x1000 + i);
	}
	CHECK(FAKE_EVENTUALLY(done(0) == 5000));
	teardown();
}

static void a_full_ring_waits_no_longer_than_the_deadline(void)
{
	setup(1);
	CHECK(agent_client_set_deadline(client, 50, &err) == MVMI_OK);
	(void)enable(listen_to_cr3(true));
	fake_raise(fake, 0, cr3_write, AGENT_RING_LEN + 1000);
	/* Not for each of them: the client stalls. */
	CHECK(FAKE_EVENTUALLY(done(0) == AGENT_RING_LEN + 1000));
	CHECK(agent_client_overdue(client) == 1);
	teardown();
}

static void each_listener_has_the_event_for_itself(void)
{
	struct mvmi_event event;
	uint64_t ids[3];

	setup(1);
	ids[0] = enable(listen_to_cr3(false));
	ids[1] = enable_cr3();
	ids[2] = enable(listen_to_cr3(true));
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	CHECK(event.async && event.subscription == ids[0]);
	event = next();
	CHECK(event.async && event.subscription == ids[2]);
	/* In program order: what is told comes before what is waited for. */
	event = next();
	CHECK(!event.async && event.subscription == ids[1]);
	CHECK(reply(&event) == MVMI_OK);
	teardown();
}

static void a_listener_gets_rip_and_cr3(void)
{
	struct mvmi_subscription what = listen_to_cr3(false);
	struct mvmi_event event;

	setup(1);
	fake->vcpus[0].regs.cr3 = 0x1234000;
	what.groups = MVMI_REGS_GENERAL | MVMI_REGS_CONTROL;
	(void)enable(what);
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	CHECK(event.regs && event.regs->x86.rip == 0x1000);
	CHECK(mvmi_regset_has(event.regs->valid, MVMI_REG_CR3));
	CHECK(!mvmi_regset_has(event.regs->valid, MVMI_REG_RAX));
	CHECK(event.regs->x86.cr3 == 0x1234000);
	teardown();
}

TESTS(T(a_full_ring_loses_events_and_counts_them),
      T(a_subscriber_may_rather_hold_than_lose),
      T(a_full_ring_waits_no_longer_than_the_deadline),
      T(each_listener_has_the_event_for_itself), T(a_listener_gets_rip_and_cr3))
