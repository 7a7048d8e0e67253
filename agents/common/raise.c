/* SPDX-License-Identifier: MIT */
/* Raising an event, in the vCPU's own thread. */
#include <sched.h>
#include <string.h>

#include "state.h"

/* A wait without a deadline looks again by itself, should a wake be lost. */
#define LOOK_NS (100 * NS_PER_MS)
/* However long the client asks a vCPU to spin. */
#define SPIN_NS_MAX (UINT64_C(200) * 1000)

/** An event on its way. */
struct raising {
	struct agent *agent;
	struct channel *channel; /**< counted */
	struct vcpu *vcpu;
	struct sight sight;
};

static bool slot_swap(struct agent_slot *slot, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&slot->state, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/** How long a wait that ends at end (0: never) may sleep now. */
static uint64_t slice(uint64_t end, uint64_t now)
{
	return end && end - now < LOOK_NS ? end - now : LOOK_NS;
}

/** When a wait that begins now has to end; 0: never. */
static uint64_t deadline_of(struct channel *channel)
{
	uint64_t ms = atomic_load(&channel->deadline_ms);

	return ms ? clock_ns() + ms * NS_PER_MS : 0;
}

/** A deadline passed, or would: the client is no longer waited for. */
static void note_overdue(struct channel *channel)
{
	SHARED_STORE(&channel->shared->stalled, 1);
	(void)SHARED_ADD(&channel->shared->overdue, 1);
}

/* ---- asynchronous ------------------------------------------------------- */

static bool ring_has_room(const struct raising *raising)
{
	const struct agent_ring *ring =
		channel_ring(raising->channel, raising->sight.event->vcpu);

	/* The tail is ours: what the client put into its copy is not read. */
	return raising->vcpu->tail -
		       __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) <
	       AGENT_RING_LEN;
}

/** Wait for room. The lock is given up meanwhile. @return whether there is. */
static bool ring_wait(struct raising *raising)
{
	struct agent *agent = raising->agent;
	struct channel *channel = raising->channel;
	uint32_t vcpu = raising->sight.event->vcpu;
	struct agent_ring *ring = channel_ring(channel, vcpu);
	uint64_t end = deadline_of(channel);

	if (SHARED_LOAD(&channel->shared->stalled))
		return false;
	(void)pthread_rwlock_unlock(&agent->lock);
	agent_vcpu_calm(agent, vcpu, VCPU_FULL);
	while (!atomic_load(&channel->detached)) {
		uint32_t head = SHARED_LOAD(&ring->head);
		uint64_t now = clock_ns();

		if (ring_has_room(raising))
			break;
		if (end && now >= end) {
			note_overdue(channel);
			break;
		}
		futex_wait(&ring->head, head, slice(end, now));
	}
	atomic_store(&agent->vcpus[vcpu].state, VCPU_RUNS);
	agent_vcpu_park(agent, vcpu);
	(void)pthread_rwlock_rdlock(&agent->lock);
	return agent->channel == channel && ring_has_room(raising);
}

/** What little a ring tells of registers, as far as it is wanted. */
static void complete(struct raising *raising, uint32_t groups)
{
	const struct agent_context *context = raising->sight.context;
	struct agent_event *event = raising->sight.event;
	struct agent_regs regs = { .valid = { 0 } };

	if (groups & MVMI_REGS_CONTROL)
		sight_cr3(&raising->sight);
	if (!(groups & MVMI_REGS_GENERAL) || (event->known & AGENT_KNOWS_RIP))
		return;
	context->regs(context->arg, event->vcpu, MVMI_REGS_GENERAL, &regs);
	event->rip = regs.rip;
	event->known |= AGENT_KNOWS_RIP;
}

/** Put it there, if there is room: else it is lost. */
static void ring_put(struct raising *raising)
{
	struct channel *channel = raising->channel;
	const struct agent_event *event = raising->sight.event;
	struct agent_ring *ring = channel_ring(channel, event->vcpu);
	struct vcpu *vcpu = raising->vcpu;

	/* A reset is told on vCPU 0's ring by another thread. */
	while (atomic_flag_test_and_set_explicit(&vcpu->posts,
						 memory_order_acquire))
		(void)sched_yield();
	if (ring_has_room(raising)) {
		memcpy(&ring->entries[vcpu->tail % AGENT_RING_LEN], event,
		       sizeof(*event));
		vcpu->tail++;
		__atomic_store_n(&ring->tail, vcpu->tail, __ATOMIC_RELEASE);
	} else {
		(void)SHARED_ADD(&ring->lost, 1);
	}
	atomic_flag_clear_explicit(&vcpu->posts, memory_order_release);
	channel_tell_ring(channel, event->vcpu);
}

/** Tell each subscription that only listens. Under the lock, at the end too. */
static void post_all(struct raising *raising)
{
	struct agent *agent = raising->agent;
	struct agent_event *event = raising->sight.event;
	struct agent_ring *ring = channel_ring(raising->channel, event->vcpu);
	const struct subscription *sub;
	uint64_t id = 0;
	bool room;

	while ((sub = subscriptions_match_async(agent, &raising->sight, id))) {
		id = sub->id;
		complete(raising, sub->what.groups);
		event->generation = 0;
		event->subscription = id;
		/* Who would rather hold may be gone when there is room. */
		room = ring_has_room(raising) ||
		       (sub->what.hold_when_full && ring_wait(raising) &&
			subscriptions_find(agent, id));
		if (agent->channel != raising->channel)
			break;
		if (room)
			ring_put(raising);
		else
			(void)SHARED_ADD(&ring->lost, 1);
	}
}

/* ---- synchronous -------------------------------------------------------- */

static void
fill(const struct raising *raising, struct agent_slot *slot, uint32_t groups)
{
	const struct agent_context *context = raising->sight.context;
	struct agent_event *event = raising->sight.event;

	memset(&slot->regs, 0, sizeof(slot->regs));
	context->regs(context->arg, event->vcpu, groups, &slot->regs);
	event->known &= ~(uint32_t)AGENT_KNOWS_REGS;
	event->known |= groups ? AGENT_KNOWS_REGS : 0;
	slot->event = *event;
	/* Zero is continue: a client that replies nothing says that. */
	slot->reply.action = MVMI_ACTION_CONTINUE;
	memset(slot->reply.regs.dirty, 0, sizeof(slot->reply.regs.dirty));
}

/** Put it into the slot. Under the lock, so that nothing comes after disable. */
static void raise_sync(struct raising *raising, struct wanted wanted)
{
	struct agent_event *event = raising->sight.event;
	struct channel *channel = raising->channel;
	struct agent_slot *slot = channel_slot(channel, event->vcpu);

	event->subscription = wanted.id;
	event->generation = ++raising->vcpu->generation;
	fill(raising, slot, wanted.groups);
	atomic_fetch_add(&raising->agent->raised, 1);
	SHARED_STORE(&slot->state,
		     agent_slot_word(event->generation, AGENT_SLOT_RAISED));
	agent_vcpu_calm(raising->agent, event->vcpu, VCPU_WAITS);
	channel_tell_slot(channel, event->vcpu);
}

/** Spin, as long as the client asks for. @return whether the wait is over. */
static bool
spin(struct channel *channel, struct agent_slot *slot, uint32_t raised)
{
	uint64_t ns =
		__atomic_load_n(&channel->shared->spin_ns, __ATOMIC_RELAXED);
	uint64_t end;

	if (ns == 0)
		return SHARED_LOAD(&slot->state) != raised;
	end = clock_ns() + (ns < SPIN_NS_MAX ? ns : SPIN_NS_MAX);
	do {
		for (unsigned i = 0; i < 64; i++) {
			if (SHARED_LOAD(&slot->state) != raised)
				return true;
			__builtin_ia32_pause();
		}
	} while (clock_ns() < end);
	return false;
}

/** Wait for the reply. @return whether there is one. */
static bool
await(struct channel *channel, struct agent_slot *slot, uint64_t generation)
{
	uint32_t raised = agent_slot_word(generation, AGENT_SLOT_RAISED);
	bool over = spin(channel, slot, raised);
	uint64_t began = clock_ns();

	while (!over && SHARED_LOAD(&slot->state) == raised &&
	       !atomic_load(&channel->detached)) {
		/* Anew each time: the client may change it. */
		uint64_t ms = atomic_load(&channel->deadline_ms);
		uint64_t end = ms ? began + ms * NS_PER_MS : 0;
		uint64_t now = clock_ns();

		if (end && now >= end)
			break;
		SHARED_STORE(&slot->sleeps, 1);
		futex_wait(&slot->state, raised, slice(end, now));
	}
	SHARED_STORE(&slot->sleeps, 0);
	if (slot_swap(slot, raised, AGENT_SLOT_IDLE)) {
		/* Nobody answered in time. */
		if (!atomic_load(&channel->detached))
			note_overdue(channel);
		return false;
	}
	return SHARED_LOAD(&slot->state) ==
	       agent_slot_word(generation, AGENT_SLOT_REPLIED);
}

/** Leave in a reply, which is our own copy, only what was offered. */
static void
check_reply(const struct agent *agent, const struct agent_event *event,
	    struct agent_reply *reply)
{
	const struct agent_desc *desc = agent_desc(agent, event->kind);

	if (!desc || reply->action >= MVMI_ACTION_COUNT ||
	    !(desc->replies & MVMI_ACTION_BIT(reply->action)))
		reply->action = MVMI_ACTION_CONTINUE;
	if (reply->data_len > sizeof(reply->data))
		reply->data_len = sizeof(reply->data);
	reply->inject.vcpu = event->vcpu;
	for (unsigned i = 0; i < 2; i++)
		reply->regs.dirty[i] &= agent->host->writable_regs[i];
}

static bool take_reply(struct raising *raising, struct agent_reply *reply)
{
	const struct agent_context *context = raising->sight.context;
	const struct agent_event *event = raising->sight.event;
	struct agent_slot *slot = channel_slot(raising->channel, event->vcpu);
	bool replied = await(raising->channel, slot, event->generation);

	if (replied) {
		/* Once: the client can still write there. */
		memcpy(reply, &slot->reply, sizeof(*reply));
		check_reply(raising->agent, event, reply);
		if (context->reply)
			context->reply(context->arg, event->vcpu, reply);
		SHARED_STORE(&slot->state, AGENT_SLOT_IDLE);
	}
	atomic_store(&raising->vcpu->state, VCPU_RUNS);
	if (!context->parks)
		agent_vcpu_park(raising->agent, event->vcpu);
	return replied;
}

/** Whoever is to hear of it. Under the lock. @return whether vCPU waits now. */
static bool tell(struct raising *raising)
{
	struct agent *agent = raising->agent;
	const struct sight *sight = &raising->sight;
	struct channel *channel = raising->channel;
	struct wanted wanted;

	sight->event->time_ns = clock_ns();
	post_all(raising);
	/* The lock may have been given up: another client, other wishes. */
	wanted = subscriptions_match_sync(agent, sight);
	if (!wanted.id || agent->channel != channel)
		return false;
	if (SHARED_LOAD(&channel->shared->stalled)) {
		(void)SHARED_ADD(&channel->shared->overdue, 1);
		return false;
	}
	raise_sync(raising, wanted);
	return true;
}

bool agent_raise(struct agent *agent, struct agent_event *event,
		 const struct agent_context *context, struct agent_reply *reply)
{
	struct raising raising = {
		.agent = agent,
		.sight = { .event = event, .context = context },
	};
	bool waits;

	if (!agent_listens(agent, event->kind) ||
	    pthread_rwlock_rdlock(&agent->lock) != 0)
		return false;
	raising.channel = agent->channel;
	if (!raising.channel || event->vcpu >= raising.channel->vcpu_count) {
		(void)pthread_rwlock_unlock(&agent->lock);
		return false;
	}
	if (!subscriptions_match_sync(agent, &raising.sight).id &&
	    !subscriptions_match_async(agent, &raising.sight, 0)) {
		(void)pthread_rwlock_unlock(&agent->lock);
		atomic_fetch_add_explicit(&agent->filtered, 1,
					  memory_order_relaxed);
		return false;
	}
	atomic_fetch_add(&raising.channel->refs, 1);
	raising.vcpu = &agent->vcpus[event->vcpu];
	waits = tell(&raising);
	(void)pthread_rwlock_unlock(&agent->lock);
	waits = waits && take_reply(&raising, reply);
	channel_unref(raising.channel);
	return waits;
}
