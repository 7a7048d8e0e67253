/* SPDX-License-Identifier: MIT */
/* Raising an event, in the vCPU's own thread. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "state.h"

#define NS_PER_MS UINT64_C(1000000)
/* A wait without a deadline looks again by itself, should a wake be lost. */
#define LOOK_NS (100 * NS_PER_MS)
/* However long the client asks a vCPU to spin. */
#define SPIN_NS_MAX (UINT64_C(200) * 1000)

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

static uint32_t slot_state(const struct agent_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST);
}

static bool slot_swap(struct agent_slot *slot, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&slot->state, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* ---- asynchronous ------------------------------------------------------- */

/** Wait for room. @return false if there will be none. */
static bool
ring_wait(struct channel *channel, struct agent_ring *ring, uint32_t head)
{
	uint64_t ms = channel->deadline_ms ? channel->deadline_ms : 100;

	if (atomic_load(&channel->detached))
		return false;
	(void)futex_wait(&ring->head, head, ms * NS_PER_MS);
	return __atomic_load_n(&ring->head, __ATOMIC_SEQ_CST) != head;
}

static void post(struct agent *agent, struct channel *channel,
		 const struct agent_event *event, bool hold_when_full)
{
	struct agent_ring *ring = channel_ring(channel, event->vcpu);
	/* Ours alone: what the client may have put there is not believed. */
	struct vcpu *vcpu = &agent->vcpus[event->vcpu];
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);

	while (vcpu->tail - head >= AGENT_RING_LEN) {
		if (!hold_when_full || !ring_wait(channel, ring, head)) {
			ring->lost++;
			return;
		}
		head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	}
	memcpy(&ring->entries[vcpu->tail % AGENT_RING_LEN], event,
	       sizeof(*event));
	vcpu->tail++;
	__atomic_store_n(&ring->tail, vcpu->tail, __ATOMIC_RELEASE);
	channel_ring_bell(channel, channel->shared->ready, event->vcpu);
}

/* ---- synchronous -------------------------------------------------------- */

static void fill(struct agent_slot *slot, const struct agent_event *event,
		 const struct agent_context *context, uint32_t groups)
{
	slot->event = *event;
	memset(&slot->regs, 0, sizeof(slot->regs));
	context->regs(context->arg, event->vcpu, groups, &slot->regs);
	slot->event.regs_valid = groups != 0;
	/* Zero is continue: a client that replies nothing says that. */
	slot->reply.action = MVMI_ACTION_CONTINUE;
	memset(slot->reply.regs.dirty, 0, sizeof(slot->reply.regs.dirty));
}

/** Spin, as long as the client asks for; false if the reply is yet to come. */
static bool
spin(struct channel *channel, struct agent_slot *slot, uint32_t raised)
{
	uint64_t ns =
		__atomic_load_n(&channel->shared->spin_ns, __ATOMIC_RELAXED);
	uint64_t end;

	if (ns == 0)
		return slot_state(slot) != raised;
	end = now_ns() + (ns < SPIN_NS_MAX ? ns : SPIN_NS_MAX);
	do {
		for (unsigned i = 0; i < 64; i++) {
			if (slot_state(slot) != raised)
				return true;
			__builtin_ia32_pause();
		}
	} while (now_ns() < end);
	return false;
}

/** Wait for the reply. @return whether there is one. */
static bool
await(struct channel *channel, struct agent_slot *slot, uint32_t raised)
{
	uint64_t ms = channel->deadline_ms;
	uint64_t end = now_ns() + ms * NS_PER_MS;

	if (!spin(channel, slot, raised)) {
		while (slot_state(slot) == raised &&
		       !atomic_load(&channel->detached)) {
			uint64_t now = now_ns();

			if (ms && now >= end)
				break;
			(void)futex_wait(&slot->state, raised,
					 ms && end - now < LOOK_NS ? end - now
								   : LOOK_NS);
		}
	}
	if (slot_swap(slot, raised, AGENT_SLOT_IDLE)) {
		/* Nobody answered in time. */
		if (!atomic_load(&channel->detached))
			(void)__atomic_fetch_add(&channel->shared->overdue, 1,
						 __ATOMIC_RELAXED);
		return false;
	}
	return (slot_state(slot) & 3) == AGENT_SLOT_REPLIED;
}

static bool
ask(struct agent *agent, struct channel *channel, struct agent_slot *slot,
    const struct agent_event *event, struct agent_reply *reply)
{
	struct vcpu *vcpu = &agent->vcpus[event->vcpu];
	uint32_t raised = agent_slot_word(event->generation, AGENT_SLOT_RAISED);
	bool replied = await(channel, slot, raised);

	if (replied) {
		/* Once: the client can still write there. */
		memcpy(reply, &slot->reply, sizeof(*reply));
		__atomic_store_n(&slot->state, AGENT_SLOT_IDLE,
				 __ATOMIC_SEQ_CST);
	}
	atomic_store(&vcpu->state, VCPU_RUNS);
	agent_vcpu_park(agent, event->vcpu);
	return replied;
}

bool agent_raise(struct agent *agent, struct agent_event *event,
		 const struct agent_context *context, struct agent_reply *reply)
{
	struct agent_slot *slot = NULL;
	struct channel *channel;
	struct wanted wanted;

	if (!agent_listens(agent, event->kind) ||
	    pthread_rwlock_rdlock(&agent->lock) != 0)
		return false;
	channel = agent->channel;
	if (!channel || event->vcpu >= channel->vcpu_count) {
		(void)pthread_rwlock_unlock(&agent->lock);
		return false;
	}
	wanted = subscriptions_match(agent, event, context);
	if (!wanted.sync && !wanted.async) {
		(void)pthread_rwlock_unlock(&agent->lock);
		atomic_fetch_add_explicit(&agent->filtered, 1,
					  memory_order_relaxed);
		return false;
	}
	atomic_fetch_add(&channel->refs, 1);
	event->time_ns = now_ns();
	event->subscription = wanted.sync ? wanted.sync : wanted.async;
	if (wanted.sync) {
		/*
		 * It is raised under the lock, so that whoever takes a
		 * subscription away knows that nothing of it comes after.
		 */
		slot = channel_slot(channel, event->vcpu);
		event->generation = ++agent->vcpus[event->vcpu].generation;
		fill(slot, event, context, wanted.groups);
		atomic_fetch_add(&agent->raised, 1);
		atomic_store(&agent->vcpus[event->vcpu].state, VCPU_WAITS);
		__atomic_store_n(
			&slot->state,
			agent_slot_word(event->generation, AGENT_SLOT_RAISED),
			__ATOMIC_SEQ_CST);
		channel_ring_bell(channel, channel->shared->pending,
				  event->vcpu);
	}
	(void)pthread_rwlock_unlock(&agent->lock);
	if (!slot)
		post(agent, channel, event, wanted.hold_when_full);
	else if (atomic_load(&agent->holds)) {
		atomic_fetch_add(&agent->calm, 1);
		futex_wake(&agent->calm);
	}
	if (slot && !ask(agent, channel, slot, event, reply))
		slot = NULL;
	channel_unref(channel);
	return slot != NULL;
}
