/* SPDX-License-Identifier: MIT */
/**
 * @file
 * An agent and its client in one process, over the real socket and the real
 * shared memory.
 */
#ifndef MICROVMI_TEST_AGENT_TEST_H
#define MICROVMI_TEST_AGENT_TEST_H

#include <unistd.h>

#include "drivers/agent/client.h"
#include "fake_host.h"
#include "harness.h"

#define TIMEOUT_MS 20000

/** One fake and one client; static, for a check that fails jumps out. */
static struct fake *fake;
static struct agent_client *client;
static struct mvmi_error err;

static inline void teardown(void)
{
	agent_client_close(client);
	client = NULL;
	fake_destroy(fake);
	fake = NULL;
}

static inline void setup(uint32_t vcpus)
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

static inline uint64_t enable(struct mvmi_subscription what)
{
	uint64_t id = 0;

	what.size = sizeof(what);
	CHECK(agent_client_enable(client, &what, &id, &err) == MVMI_OK);
	CHECK(id != 0);
	return id;
}

static inline uint64_t enable_cr3(void)
{
	return enable(
		(struct mvmi_subscription){ .kind = MVMI_EVENT_CR3_WRITE });
}

static inline struct mvmi_event next(void)
{
	struct mvmi_event event = { 0 };

	CHECK(agent_client_next(client, 5000, &event, &err) == MVMI_OK);
	return event;
}

static inline enum mvmi_status next_status(int timeout_ms)
{
	struct mvmi_event event;

	return agent_client_next(client, timeout_ms, &event, &err);
}

static inline enum mvmi_status reply(const struct mvmi_event *event)
{
	const struct mvmi_reply what = { .regs = mvmi_regs_empty() };

	return agent_client_reply(client, event->id, &what, &err);
}

static inline unsigned done(uint32_t vcpu)
{
	return atomic_load(&fake->vcpus[vcpu].done);
}

/** Whether any vCPU runs guest code now. */
static inline bool is_running(void)
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

static inline struct mvmi_subscription listen_to_cr3(bool hold_when_full)
{
	return (struct mvmi_subscription){ .kind = MVMI_EVENT_CR3_WRITE,
					   .async = true,
					   .hold_when_full = hold_when_full };
}

#endif /* MICROVMI_TEST_AGENT_TEST_H */
