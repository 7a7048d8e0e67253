/* SPDX-License-Identifier: MIT */
/*
 * Holds: keeping every vCPU from guest code.
 *
 * Two words are watched by both sides, in opposite order: a vCPU stores that it
 * runs, then looks for holds; the agent's thread stores a hold, then looks who
 * runs.  So at least one of them sees the other.
 */
#include "state.h"

/* How long to wait for a vCPU before it is kicked again. */
#define KICK_NS UINT64_C(2000000)
/* A vCPU that is parked looks again by itself, should a wake be lost. */
#define LOOK_NS UINT64_C(100000000)

void agent_vcpu_calm(struct agent *agent, uint32_t vcpu, enum vcpu_state state)
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
		agent_vcpu_calm(agent, vcpu, VCPU_IDLE);
}

bool agent_vcpu_park_for(struct agent *agent, uint32_t vcpu, uint64_t ns)
{
	unsigned holds;

	if (vcpu >= AGENT_VCPUS_MAX)
		return true;
	holds = atomic_load(&agent->holds);
	if (holds) {
		agent_vcpu_calm(agent, vcpu, VCPU_PARKED);
		futex_wait(&agent->holds, holds, ns);
		if (atomic_load(&agent->holds))
			return false;
	}
	/* As it runs, then looks: a hold that begins now sees one of both. */
	atomic_store(&agent->vcpus[vcpu].state, VCPU_RUNS);
	return atomic_load(&agent->holds) == 0;
}

void agent_vcpu_park(struct agent *agent, uint32_t vcpu)
{
	while (!agent_vcpu_park_for(agent, vcpu, LOOK_NS))
		continue;
}

/**
 * Whether a vCPU runs no guest code, and will run none while a hold is in
 * force. One that has its reply does not count yet: it still has to write the
 * registers that came with it.
 */
static bool is_calm(const struct agent *agent, uint32_t vcpu)
{
	const struct channel *channel = agent->channel;

	switch (atomic_load(&agent->vcpus[vcpu].state)) {
	case VCPU_RUNS:
		return false;
	case VCPU_WAITS:
		return channel && vcpu < channel->vcpu_count &&
		       (SHARED_LOAD(&channel_slot(channel, vcpu)->state) & 3) ==
			       AGENT_SLOT_RAISED;
	default:
		return true;
	}
}

/** Kick every vCPU that runs. @return whether there was none. */
static bool all_are_calm(struct agent *agent)
{
	uint32_t count = agent->host->vcpu_count(agent->arg);
	bool calm = true;

	for (uint32_t i = 0; i < count && i < AGENT_VCPUS_MAX; i++) {
		if (is_calm(agent, i))
			continue;
		calm = false;
		if (atomic_load(&agent->vcpus[i].state) == VCPU_RUNS)
			agent->host->kick(agent->arg, i);
	}
	return calm;
}

bool agent_hold(struct agent *agent, uint32_t timeout_ms)
{
	uint64_t end = clock_ns() + timeout_ms * NS_PER_MS;

	atomic_fetch_add(&agent->holds, 1);
	for (;;) {
		unsigned calm = atomic_load(&agent->calm);

		if (all_are_calm(agent))
			return true;
		if (clock_ns() >= end || atomic_load(&agent->ends)) {
			agent_release(agent, 1);
			return false;
		}
		futex_wait(&agent->calm, calm, KICK_NS);
	}
}

void agent_release(struct agent *agent, uint32_t count)
{
	if (count && atomic_fetch_sub(&agent->holds, count) == count)
		futex_wake(&agent->holds);
}

bool agent_vcpu_is_held(struct agent *agent, uint32_t vcpu, uint32_t timeout_ms)
{
	bool others = atomic_load(&agent->holds) > 1;
	uint64_t end = clock_ns() + timeout_ms * NS_PER_MS;

	if (!others && atomic_load(&agent->vcpus[vcpu].state) == VCPU_RUNS)
		return false;
	for (;;) {
		unsigned calm = atomic_load(&agent->calm);

		if (is_calm(agent, vcpu))
			break;
		if (clock_ns() >= end || atomic_load(&agent->ends))
			return false;
		futex_wait(&agent->calm, calm, KICK_NS);
	}
	switch (atomic_load(&agent->vcpus[vcpu].state)) {
	case VCPU_WAITS:
	case VCPU_FULL:
		return true;
	default:
		/* Parked for the caller's own hold only, it is the guest's. */
		return others;
	}
}
