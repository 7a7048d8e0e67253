/* SPDX-License-Identifier: MIT */
/* Clients of an agent: how many there can be, and how they end. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_test.h"

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

TESTS(T(a_second_controller_is_busy_and_told_of_the_first),
      T(the_clients_there_can_be_are_there_and_no_more),
      T(what_a_vm_without_vcpus_or_with_too_many_says),
      T(close_undoes_everything),
      T(the_end_of_the_vm_is_an_event_once_and_then_gone),
      T(a_far_side_that_is_gone_is_told_from_the_vms_end),
      T(kill_minus_nine_undoes_everything),
      T(a_client_can_be_killed_at_any_moment))
