/* SPDX-License-Identifier: MIT */
/*
 * Holds: keeping every vCPU from guest code.
 *
 * Two words are watched by both sides, in opposite order: a vCPU stores that it
 * runs, then looks for holds; the agent's thread stores a hold, then looks who
 * runs.  So at least one of them sees the other.
 */
#include <errno.h>
#include <time.h>

#include "state.h"

/* How long to wait for a vCPU before it is kicked again. */
#define KICK_NS UINT64_C(2000000)
/* A vCPU that is parked looks again by itself, should a wake be lost. */
#define LOOK_NS UINT64_C(100000000)

static void
stopped_running(struct agent *agent, uint32_t vcpu, enum vcpu_state state)
{
	atomic_store(&agent->vcpus[vcpu].state, state);
	if (atomic_load(&agent->holds)) {
		atomic_fetch_add(&agent->calm, 1);
		futex_wake(&agent->calm);
	}
}

bool agent_vcpu_run(struct agent *agent, uint32_t vcpu)
{
	if (vcpu >= AGENT_VCPUS_MAX)
		return false;
	atomic_store(&agent->vcpus[vcpu].state, VCPU_RUNS);
	return atomic_load(&agent->holds) != 0;
}

void agent_vcpu_idle(struct agent *agent, uint32_t vcpu)
{
	if (vcpu < AGENT_VCPUS_MAX)
		stopped_running(agent, vcpu, VCPU_IDLE);
}

void agent_vcpu_park(struct agent *agent, uint32_t vcpu)
{
	unsigned holds;

	if (vcpu >= AGENT_VCPUS_MAX)
		return;
	while ((holds = atomic_load(&agent->holds)) != 0) {
		stopped_running(agent, vcpu, VCPU_PARKED);
		(void)futex_wait(&agent->holds, holds, LOOK_NS);
		atomic_store(&agent->vcpus[vcpu].state, VCPU_RUNS);
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/** Kick every vCPU that runs. @return whether there was none. */
static bool all_are_calm(struct agent *agent)
{
	uint32_t count = agent->host->vcpu_count(agent->arg);
	bool calm = true;

	for (uint32_t i = 0; i < count && i < AGENT_VCPUS_MAX; i++) {
		if (atomic_load(&agent->vcpus[i].state) == VCPU_RUNS) {
			agent->host->kick(agent->arg, i);
			calm = false;
		}
	}
	return calm;
}

bool agent_hold(struct agent *agent, uint32_t timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	atomic_fetch_add(&agent->holds, 1);
	for (;;) {
		unsigned calm = atomic_load(&agent->calm);

		if (all_are_calm(agent))
			return true;
		if (now_ms() >= end || atomic_load(&agent->ends)) {
			agent_release(agent, 1);
			return false;
		}
		(void)futex_wait(&agent->calm, calm, KICK_NS);
	}
}

void agent_release(struct agent *agent, uint32_t count)
{
	if (count && atomic_fetch_sub(&agent->holds, count) == count)
		futex_wake(&agent->holds);
}

bool agent_vcpu_is_held(const struct agent *agent, uint32_t vcpu)
{
	unsigned state = atomic_load(&agent->vcpus[vcpu].state);

	if (state == VCPU_WAITS || state == VCPU_PARKED)
		return true;
	return state == VCPU_IDLE && atomic_load(&agent->holds) != 0;
}
