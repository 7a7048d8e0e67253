/* SPDX-License-Identifier: MIT */
/* Holds of an agent, and what is done under them. */
#include <unistd.h>

#include "agent_test.h"

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

TESTS(T(a_hold_stops_every_vcpu), T(a_hold_never_waits_for_a_reply),
      T(one_raised_before_a_hold_is_fetched_under_it),
      T(holds_of_two_clients_are_counted),
      T(a_vcpu_that_never_comes_is_a_timeout),
      T(memory_and_registers_are_written))
