/* SPDX-License-Identifier: MIT */
/* An agent and its client, over the real socket and the real shared memory. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drivers/agent/client.h"
#include "fake_host.h"
#include "harness.h"

#define TIMEOUT_MS 20000

/** One fake and one client; static, for a check that fails jumps out. */
static struct fake *fake;
static struct agent_client *client;
static struct mvmi_error err;

static void teardown(void)
{
	agent_client_close(client);
	client = NULL;
	fake_destroy(fake);
	fake = NULL;
}

static void setup(uint32_t vcpus)
{
	teardown(); /* of a test that failed */
	fake = fake_create(vcpus);
	CHECK(fake != NULL);
	CHECK(agent_client_open(getpid(), TIMEOUT_MS, &client, &err) ==
	      MVMI_OK);
}

static const struct agent_event cr3_write = { .kind = MVMI_EVENT_CR3_WRITE,
					      .value = 0x5000,
					      .old_value = 0x4000 };

static uint64_t enable(struct mvmi_subscription what)
{
	uint64_t id = 0;

	what.size = sizeof(what);
	CHECK(agent_client_enable(client, &what, &id, &err) == MVMI_OK);
	CHECK(id != 0);
	return id;
}

static uint64_t enable_cr3(void)
{
	return enable(
		(struct mvmi_subscription){ .kind = MVMI_EVENT_CR3_WRITE });
}

static struct mvmi_event next(void)
{
	struct mvmi_event event = { 0 };

	CHECK(agent_client_next(client, 5000, &event, &err) == MVMI_OK);
	return event;
}

static enum mvmi_status next_status(int timeout_ms)
{
	struct mvmi_event event;

	return agent_client_next(client, timeout_ms, &event, &err);
}

static enum mvmi_status reply(const struct mvmi_event *event)
{
	const struct mvmi_reply what = { .regs = mvmi_regs_empty() };

	return agent_client_reply(client, event->id, &what, &err);
}

static unsigned done(uint32_t vcpu)
{
	return atomic_load(&fake->vcpus[vcpu].done);
}

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

/* ---- holds -------------------------------------------------------------- */

/** Whether any vCPU runs guest code now. */
static bool is_running(void)
{
	unsigned before = 0;
	unsigned after = 0;

	for (uint32_t i = 0; i < fake->count; i++)
		before += atomic_load(&fake->vcpus[i].loops);
	fake_sleep_ms(10);
	for (uint32_t i = 0; i < fake->count; i++)
		after += atomic_load(&fake->vcpus[i].loops);
	return before != after;
}

static void a_hold_stops_every_vcpu(void)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	setup(2);
	CHECK(agent_client_get_regs(client, 0, MVMI_REGS_ALL, &regs, &err) ==
	      MVMI_ERR_BUSY);
	atomic_store(&fake->spins, true);
	CHECK(FAKE_EVENTUALLY(is_running()));
	CHECK(agent_client_get_regs(client, 0, MVMI_REGS_ALL, &regs, &err) ==
	      MVMI_ERR_BUSY);
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	CHECK(!is_running());
	CHECK(agent_client_get_regs(client, 0, MVMI_REGS_ALL, &regs, &err) ==
	      MVMI_OK);
	CHECK(agent_client_release(client, &err) == MVMI_OK);
	CHECK(FAKE_EVENTUALLY(is_running()));
	CHECK(agent_client_release(client, &err) == MVMI_ERR_INVALID);
	teardown();
}

static void a_hold_never_waits_for_a_reply(void)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_event event;

	setup(2);
	(void)enable_cr3();
	fake_raise(fake, 0, cr3_write, 2);
	event = next();
	/* The registers of a vCPU that waits can be had without a hold. */
	CHECK(agent_client_get_regs(client, 0, MVMI_REGS_ALL, &regs, &err) ==
	      MVMI_OK);
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	CHECK(reply(&event) == MVMI_OK);
	/* Under the hold it does not go on to the next. */
	CHECK(next_status(50) == MVMI_ERR_TIMEOUT);
	CHECK(done(0) == 0);
	CHECK(agent_client_release(client, &err) == MVMI_OK);
	event = next();
	CHECK(done(0) == 1 && reply(&event) == MVMI_OK);
	teardown();
}

static void one_raised_before_a_hold_is_fetched_under_it(void)
{
	struct mvmi_event event;

	setup(1);
	(void)enable_cr3();
	fake_raise(fake, 0, cr3_write, 1);
	CHECK(FAKE_EVENTUALLY(atomic_load(&fake->vcpus[0].loops) == 1));
	fake_sleep_ms(20);
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	event = next();
	CHECK(reply(&event) == MVMI_OK);
	CHECK(next_status(20) == MVMI_ERR_TIMEOUT && done(0) == 0);
	teardown();
	/* The end of the client lifted the hold, or this would not end. */
}

static void holds_of_two_clients_are_counted(void)
{
	struct agent_client *reader = NULL;

	setup(1);
	atomic_store(&fake->spins, true);
	CHECK(agent_client_open(getpid(), TIMEOUT_MS, &reader, &err) ==
	      MVMI_OK);
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	CHECK(agent_client_hold(reader, &err) == MVMI_OK);
	CHECK(agent_client_release(client, &err) == MVMI_OK);
	CHECK(!is_running());
	agent_client_close(reader);
	CHECK(FAKE_EVENTUALLY(is_running()));
	teardown();
}

static void a_vcpu_that_never_comes_is_a_timeout(void)
{
	setup(1);
	atomic_store(&fake->deaf, true);
	atomic_store(&fake->spins, true);
	CHECK(FAKE_EVENTUALLY(is_running()));
	CHECK(agent_client_hold(client, &err) == MVMI_ERR_TIMEOUT);
	CHECK(atomic_load(&fake->kicks) > 10);
	/* And the hold is not in force. */
	atomic_store(&fake->deaf, false);
	CHECK(FAKE_EVENTUALLY(is_running()));
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	teardown();
}

/* ---- asynchronous ------------------------------------------------------- */

static struct mvmi_subscription listen_to_cr3(bool hold_when_full)
{
	return (struct mvmi_subscription){ .kind = MVMI_EVENT_CR3_WRITE,
					   .async = true,
					   .hold_when_full = hold_when_full };
}

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

/* ---- the end ------------------------------------------------------------ */

static void close_undoes_everything(void)
{
	setup(2);
	atomic_store(&fake->spins, true);
	(void)enable_cr3();
	(void)enable(listen_to_cr3(true));
	fake_raise(fake, 0, cr3_write, 1);
	(void)next(); /* the listener's */
	(void)next(); /* is never answered */
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	agent_client_close(client);
	client = NULL;
	CHECK(FAKE_EVENTUALLY(done(0) == 1));
	CHECK(FAKE_EVENTUALLY(atomic_load(&fake->subscriptions) == 0));
	CHECK(FAKE_EVENTUALLY(is_running()));
	/* Another can have it all. */
	CHECK(agent_client_open(getpid(), TIMEOUT_MS, &client, &err) ==
	      MVMI_OK);
	(void)enable_cr3();
	teardown();
}

static void the_end_of_the_vm_is_an_event_once_and_then_gone(void)
{
	struct mvmi_event event;

	setup(1);
	(void)enable((struct mvmi_subscription){ .kind = MVMI_EVENT_GONE });
	(void)enable_cr3();
	fake_raise(fake, 0, cr3_write, 1);
	event = next();
	fake_destroy(fake); /* with a vCPU that waits */
	fake = NULL;
	CHECK(reply(&event) == MVMI_ERR_GONE);
	CHECK(next().kind == MVMI_EVENT_GONE);
	CHECK(next_status(0) == MVMI_ERR_GONE);
	CHECK(agent_client_hold(client, &err) == MVMI_ERR_GONE);
	teardown();
}

static void a_far_side_that_is_gone_is_told_from_the_vms_end(void)
{
	setup(1);
	/* A reader shares no memory that could tell of the end. */
	fake_destroy(fake);
	fake = NULL;
	CHECK(next_status(0) == MVMI_ERR_SYSTEM);
	CHECK(next_status(0) == MVMI_ERR_SYSTEM);
	CHECK(agent_client_hold(client, &err) == MVMI_ERR_SYSTEM);
	teardown();
}

/** A client in a process of its own, with an event pending and a hold. */
static void be_killed(int ready, int written)
{
	struct mvmi_subscription what = { .size = sizeof(what),
					  .kind = MVMI_EVENT_CR3_WRITE };
	struct agent_client *own = NULL;
	struct mvmi_event event;
	uint64_t id;
	char byte;

	/* Nobody kills it if a check fails first. */
	(void)alarm(30);
	if (read(ready, &byte, 1) != 1 ||
	    agent_client_open(getppid(), TIMEOUT_MS, &own, NULL) != MVMI_OK ||
	    agent_client_enable(own, &what, &id, NULL) != MVMI_OK ||
	    agent_client_next(own, 10000, &event, NULL) != MVMI_OK ||
	    agent_client_hold(own, NULL) != MVMI_OK)
		_exit(1);
	/* A child that keeps the socket open must not keep the hold. */
	if (fork() == 0) {
		(void)alarm(20);
		(void)pause();
		_exit(0);
	}
	if (write(written, "x", 1) != 1)
		_exit(1);
	(void)pause();
	_exit(0);
}

static void kill_minus_nine_undoes_everything(void)
{
	int ready[2];
	int written[2];
	pid_t child;
	char byte;

	teardown();
	CHECK(pipe(ready) == 0 && pipe(written) == 0);
	child = fork();
	if (child == 0)
		be_killed(ready[0], written[1]);
	setup(2);
	atomic_store(&fake->spins, true);
	CHECK(write(ready[1], "x", 1) == 1);
	/* What is raised before there is anybody to hear it, is not heard. */
	while (poll(&(struct pollfd){ .fd = written[0], .events = POLLIN }, 1,
		    1) == 0) {
		if (atomic_load(&fake->vcpus[0].left) == 0)
			fake_raise(fake, 0, cr3_write, 1);
	}
	CHECK(read(written[0], &byte, 1) == 1);
	CHECK(!is_running());
	CHECK(kill(child, SIGKILL) == 0);
	CHECK(waitpid(child, NULL, 0) == child);
	CHECK(FAKE_EVENTUALLY(is_running()));
	CHECK(FAKE_EVENTUALLY(atomic_load(&fake->subscriptions) == 0));
	CHECK(FAKE_EVENTUALLY(atomic_load(&fake->vcpus[0].left) == 0));
	for (unsigned i = 0; i < 2; i++) {
		(void)close(ready[i]);
		(void)close(written[i]);
	}
	teardown();
}

/** A client that does what clients do, as fast as it can, until it is killed. */
static void be_busy(void)
{
	const struct mvmi_subscription sync = { .size = sizeof(sync),
						.kind = MVMI_EVENT_CR3_WRITE,
						.groups = MVMI_REGS_ALL };
	const struct mvmi_subscription async = { .size = sizeof(async),
						 .kind = MVMI_EVENT_CR3_WRITE,
						 .async = true,
						 .hold_when_full = true };
	const struct mvmi_reply what = { .regs = mvmi_regs_empty() };
	struct agent_client *own = NULL;
	struct mvmi_event event;
	uint64_t id;

	(void)alarm(20);
	if (agent_client_open(getppid(), TIMEOUT_MS, &own, NULL) != MVMI_OK)
		_exit(1);
	/* The one before may not have been missed yet. */
	while (agent_client_enable(own, &sync, &id, NULL) != MVMI_OK)
		fake_sleep_ms(1);
	(void)agent_client_enable(own, &async, &id, NULL);
	for (unsigned i = 0;; i++) {
		if (i % 16 == 0)
			(void)agent_client_hold(own, NULL);
		if (i % 16 == 3)
			(void)agent_client_release(own, NULL);
		if (agent_client_next(own, 1, &event, NULL) == MVMI_OK)
			(void)agent_client_reply(own, event.id, &what, NULL);
	}
}

static void a_client_can_be_killed_at_any_moment(void)
{
	unsigned seed = 4711;

	setup(2);
	for (uint32_t i = 0; i < 2; i++)
		fake_raise(fake, i, cr3_write, UINT32_MAX);
	for (unsigned i = 0; i < 30; i++) {
		unsigned before;
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0)
			be_busy();
		seed = seed * 1103515245 + 12345;
		fake_sleep_ms((long)(seed >> 16) % 30);
		CHECK(kill(child, SIGKILL) == 0);
		CHECK(waitpid(child, NULL, 0) == child);
		CHECK(FAKE_EVENTUALLY(atomic_load(&fake->subscriptions) == 0));
		before = done(0) + done(1);
		CHECK(FAKE_EVENTUALLY(done(0) + done(1) > before + 10));
		CHECK(agent_client_hold(client, &err) == MVMI_OK);
		CHECK(agent_client_release(client, &err) == MVMI_OK);
	}
	teardown();
}

/* ---- who may connect ---------------------------------------------------- */

static void a_second_controller_is_busy_and_told_of_the_first(void)
{
	struct mvmi_subscription what = { .size = sizeof(what),
					  .kind = MVMI_EVENT_CR3_WRITE };
	struct agent_client *other = NULL;
	struct mvmi_regs regs = mvmi_regs_empty();
	char pid[24];
	uint64_t id;

	setup(1);
	(void)enable_cr3();
	CHECK(agent_client_open(getpid(), TIMEOUT_MS, &other, &err) == MVMI_OK);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK(agent_client_enable(other, &what, &id, &err) == MVMI_ERR_BUSY);
	CHECK(strstr(err.msg, pid) != NULL);
	/* As a reader it goes on. */
	CHECK(agent_client_hold(other, &err) == MVMI_OK);
	CHECK(agent_client_get_regs(other, 0, MVMI_REGS_ALL, &regs, &err) ==
	      MVMI_OK);
	CHECK(agent_client_release(other, &err) == MVMI_OK);
	/* And once the first is gone, it can be what that was. */
	agent_client_close(client);
	client = other;
	CHECK(FAKE_EVENTUALLY(agent_client_enable(client, &what, &id, &err) ==
			      MVMI_OK));
	teardown();
}

static void the_clients_there_can_be_are_there_and_no_more(void)
{
	struct agent_client *clients[34] = { NULL };
	unsigned opened = 0;

	setup(1);
	for (unsigned i = 0; i < 34; i++)
		opened += agent_client_open(getpid(), 500, &clients[i], NULL) ==
			  MVMI_OK;
	CHECK(opened == 31); /* and the first */
	for (unsigned i = 0; i < 34; i++)
		agent_client_close(clients[i]);
	CHECK(FAKE_EVENTUALLY(agent_client_open(getpid(), TIMEOUT_MS,
						&clients[0], NULL) == MVMI_OK));
	agent_client_close(clients[0]);
	teardown();
}

static void what_a_vm_without_vcpus_or_with_too_many_says(void)
{
	setup(0);
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	(void)enable_cr3();
	CHECK(next_status(0) == MVMI_ERR_TIMEOUT);
	agent_client_close(client);
	client = NULL;
	fake->count = AGENT_VCPUS_MAX + 1;
	CHECK(agent_client_open(getpid(), TIMEOUT_MS, &client, &err) ==
	      MVMI_OK);
	CHECK(agent_client_hold(client, &err) == MVMI_ERR_LIMIT);
	CHECK(FAKE_EVENTUALLY(
		agent_client_enable(client,
				    &(struct mvmi_subscription){
					    .kind = MVMI_EVENT_CR3_WRITE },
				    &(uint64_t){ 0 }, &err) == MVMI_OK));
	CHECK(client->channel.slots == AGENT_VCPUS_MAX);
	fake->count = 0;
	teardown();
}

static void memory_and_registers_are_written(void)
{
	static uint8_t src[40000];
	struct mvmi_regs regs = mvmi_regs_empty();
	const struct mvmi_injection nmi = { .kind = MVMI_INJECT_NMI,
					    .vector = 2 };

	setup(1);
	memset(src, 0x5a, sizeof(src));
	/* In more than one packet. */
	CHECK(agent_client_write(client, mvmi_gpa_at(100),
				 (struct mvmi_bytes){ src, sizeof(src) },
				 MVMI_WRITE_COHERENT, &err) == MVMI_OK);
	CHECK(memcmp(fake->ram + 100, src, sizeof(src)) == 0);
	CHECK(fake->ram[99] == 0 && fake->ram[40100] == 0);
	CHECK(agent_client_write(client, mvmi_gpa_at(FAKE_RAM),
				 (struct mvmi_bytes){ src, 1 },
				 MVMI_WRITE_COHERENT, &err) == MVMI_ERR_FAULT);
	regs.x86.gpr[MVMI_REG_R15] = 15;
	mvmi_regset_add(&regs.dirty, MVMI_REG_R15);
	CHECK(agent_client_set_regs(client, 0, &regs, &err) == MVMI_ERR_BUSY);
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	CHECK(agent_client_set_regs(client, 0, &regs, &err) == MVMI_OK);
	CHECK(fake->vcpus[0].regs.gpr[MVMI_REG_R15] == 15);
	CHECK(agent_client_inject(client, 0, &nmi, &err) == MVMI_OK);
	CHECK(atomic_load(&fake->vcpus[0].injected) == 2);
	mvmi_regset_add(&regs.dirty, MVMI_REG_CR0);
	CHECK(agent_client_set_regs(client, 0, &regs, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(agent_client_set_regs(client, 7, &(struct mvmi_regs){ 0 },
				    &err) == MVMI_ERR_INVALID);
	teardown();
}

/* ---- bytes that no client of ours would send ---------------------------- */

static int raw_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1,
			   AGENT_SOCKET_FORMAT, (long long)getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (struct sockaddr *)&addr,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  (size_t)len)) == 0);
	return fd;
}

/** @return the status of the answer; -1 if the agent hung up. */
static int raw_call(int fd, uint16_t request, const void *body, size_t body_len)
{
	static uint8_t buf[AGENT_PACKET_MAX];
	struct agent_packet head = {
		.len = (uint32_t)(sizeof(head) + body_len),
		.request = request,
	};

	memcpy(buf, &head, sizeof(head));
	if (body_len)
		memcpy(buf + sizeof(head), body, body_len);
	if (send(fd, buf, head.len, MSG_NOSIGNAL) != (ssize_t)head.len ||
	    recv(fd, buf, sizeof(buf), 0) < (ssize_t)sizeof(head))
		return -1;
	memcpy(&head, buf, sizeof(head));
	CHECK(head.request == request);
	return (int)head.status;
}

static struct agent_hello good_hello(enum agent_role role)
{
	return (struct agent_hello){ .magic = AGENT_MAGIC,
				     .oldest = AGENT_ABI_OLDEST,
				     .newest = AGENT_ABI_NEWEST,
				     .role = role };
}

static void another_version_is_told_both(void)
{
	struct agent_hello hello = good_hello(AGENT_READER);
	int fd;

	setup(1);
	fd = raw_connect();
	hello.oldest = AGENT_ABI_NEWEST + 1;
	hello.newest = AGENT_ABI_NEWEST + 9;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) ==
	      MVMI_ERR_UNSUPPORTED);
	/* A newer client that still speaks ours is served. */
	hello.oldest = AGENT_ABI_OLDEST;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	(void)close(fd);
	teardown();
}

static void requests_out_of_order_are_refused(void)
{
	struct agent_hello hello = good_hello(AGENT_READER);
	uint8_t zeros[sizeof(struct agent_subscription)] = { 0 };
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(raw_call(fd, AGENT_HOLD, NULL, 0) == MVMI_ERR_INVALID);
	hello.magic++;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) ==
	      MVMI_ERR_CORRUPT);
	hello.magic--;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello) - 1) ==
	      MVMI_ERR_CORRUPT);
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) ==
	      MVMI_ERR_INVALID);
	CHECK(raw_call(fd, AGENT_ENABLE, zeros, sizeof(zeros)) ==
	      MVMI_ERR_DENIED);
	CHECK(raw_call(fd, AGENT_DEADLINE, zeros, 4) == MVMI_ERR_DENIED);
	CHECK(raw_call(fd, AGENT_VIEW_CREATE, NULL, 0) == MVMI_ERR_UNSUPPORTED);
	CHECK(raw_call(fd, UINT16_MAX, NULL, 0) == MVMI_ERR_UNSUPPORTED);
	CHECK(raw_call(fd, 0, NULL, 0) == MVMI_ERR_UNSUPPORTED);
	(void)close(fd);
	teardown();
}

static void bodies_of_wrong_lengths_are_refused(void)
{
	static const uint16_t requests[] = {
		AGENT_ENABLE, AGENT_DISABLE, AGENT_REGS_GET, AGENT_REGS_SET,
		AGENT_WRITE,  AGENT_INJECT,  AGENT_DEADLINE,
	};
	struct agent_hello hello = good_hello(AGENT_CONTROLLER);
	struct agent_write wide = { .gpa = 0, .count = 100 };
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		CHECK(raw_call(fd, requests[i], "abc", 3) == MVMI_ERR_CORRUPT);
	CHECK(raw_call(fd, AGENT_WRITE, &wide, sizeof(wide)) ==
	      MVMI_ERR_CORRUPT);
	wide.count = UINT32_MAX;
	CHECK(raw_call(fd, AGENT_WRITE, &wide, sizeof(wide)) ==
	      MVMI_ERR_CORRUPT);
	wide.count = 0;
	CHECK(raw_call(fd, AGENT_WRITE, &wide, sizeof(wide)) ==
	      MVMI_ERR_INVALID);
	(void)close(fd);
	teardown();
}

static void packets_that_are_none_end_the_connection(void)
{
	struct agent_packet head = { .len = 4711, .request = AGENT_STATE };
	uint8_t byte;
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(send(fd, "abc", 3, MSG_NOSIGNAL) == 3);
	CHECK(recv(fd, &byte, 1, 0) == 0);
	(void)close(fd);
	fd = raw_connect();
	CHECK(send(fd, &head, sizeof(head), MSG_NOSIGNAL) == sizeof(head));
	CHECK(recv(fd, &byte, 1, 0) == 0);
	(void)close(fd);
	teardown();
}

static void a_client_that_never_reads_is_dropped(void)
{
	struct agent_hello hello = good_hello(AGENT_READER);
	struct agent_packet head = { .len = sizeof(head),
				     .request = AGENT_STATE };
	bool dropped = false;
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	for (unsigned i = 0; i < 100000 && !dropped; i++)
		dropped = send(fd, &head, sizeof(head), MSG_NOSIGNAL) < 0;
	CHECK(dropped);
	/* Others are served meanwhile. */
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	(void)close(fd);
	teardown();
}

static void nonsense_in_shared_memory_harms_nobody(void)
{
	struct agent_channel *c;
	struct mvmi_event event;

	setup(1);
	CHECK(agent_client_set_deadline(client, 20, &err) == MVMI_OK);
	(void)enable_cr3();
	(void)enable(listen_to_cr3(true));
	c = &client->channel;
	/* The layout was copied on both sides. */
	c->shared->slot_offset = UINT32_MAX;
	c->shared->ring_stride = 1;
	c->shared->vcpu_count = 0;
	memset((char *)c->shared + c->ring_offset, 0xff, 128);
	fake_raise(fake, 0, cr3_write, 3);
	while (agent_client_next(client, 100, &event, &err) == MVMI_OK)
		(void)reply(&event);
	CHECK(FAKE_EVENTUALLY(done(0) == 3));
	/* A state that is neither of the three is no reply. */
	memset((char *)c->shared + c->slot_offset, 0xff,
	       sizeof(struct agent_slot));
	fake_raise(fake, 0, cr3_write, 3);
	CHECK(FAKE_EVENTUALLY(done(0) == 6));
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
      T(a_reset_voids_what_is_pending), T(a_hold_stops_every_vcpu),
      T(a_hold_never_waits_for_a_reply),
      T(one_raised_before_a_hold_is_fetched_under_it),
      T(holds_of_two_clients_are_counted),
      T(a_vcpu_that_never_comes_is_a_timeout),
      T(a_full_ring_loses_events_and_counts_them),
      T(a_subscriber_may_rather_hold_than_lose),
      T(a_full_ring_waits_no_longer_than_the_deadline),
      T(each_listener_has_the_event_for_itself), T(a_listener_gets_rip_and_cr3),
      T(the_waitable_is_readable_while_an_event_waits),
      T(a_client_that_sleeps_is_woken), T(close_undoes_everything),
      T(the_end_of_the_vm_is_an_event_once_and_then_gone),
      T(a_far_side_that_is_gone_is_told_from_the_vms_end),
      T(kill_minus_nine_undoes_everything),
      T(a_client_can_be_killed_at_any_moment),
      T(a_second_controller_is_busy_and_told_of_the_first),
      T(the_clients_there_can_be_are_there_and_no_more),
      T(what_a_vm_without_vcpus_or_with_too_many_says),
      T(memory_and_registers_are_written), T(another_version_is_told_both),
      T(requests_out_of_order_are_refused),
      T(bodies_of_wrong_lengths_are_refused),
      T(packets_that_are_none_end_the_connection),
      T(a_client_that_never_reads_is_dropped),
      T(nonsense_in_shared_memory_harms_nobody))
