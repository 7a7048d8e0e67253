/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The host of an agent in this process: threads for vCPUs, which raise events
 * when they are told to. For tests, the fuzzer and the benchmark.
 */
#ifndef MICROVMI_TEST_FAKE_HOST_H
#define MICROVMI_TEST_FAKE_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agents/common/agent.h"

#define FAKE_VCPUS_MAX 8
#define FAKE_RAM       65536

struct fake_vcpu {
	struct fake *fake;
	uint32_t index;
	pthread_t thread;
	struct agent_regs regs;	 /**< its own, but while it is held */
	struct agent_event next; /**< what it raises; set while it is idle */
	atomic_uint left;	 /**< events yet to be raised */
	atomic_uint done;	 /**< those that it went past */
	atomic_uint replies;	 /**< those that somebody answered */
	atomic_uint loops;	 /**< of guest code */
	atomic_uint action;	 /**< of the last reply */
	atomic_uint injected;	 /**< vector of the last injection */
};

struct fake {
	struct agent *agent;
	uint32_t count;
	atomic_bool spins; /**< run guest code even without events to raise */
	atomic_bool ends;
	atomic_uint kicks;
	atomic_uint subscriptions;
	atomic_bool refuses; /**< enable fails */
	atomic_bool deaf;    /**< vCPUs don't come when they are kicked */
	uint8_t ram[FAKE_RAM];
	struct fake_vcpu vcpus[FAKE_VCPUS_MAX];
};

#define FAKE_FIELDS (MVMI_FIELD_GVA | MVMI_FIELD_VALUE | MVMI_FIELD_OLD_VALUE)

static const struct agent_desc fake_descs[] = {
	{ .kind = MVMI_EVENT_CR3_WRITE,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .async = 1,
	  .replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE) |
		     MVMI_ACTION_BIT(MVMI_ACTION_SKIP) |
		     MVMI_ACTION_BIT(MVMI_ACTION_EMULATE),
	  .filters = MVMI_FILTER_VALUE | MVMI_FILTER_CR3 | MVMI_FILTER_VCPU,
	  .fields = FAKE_FIELDS },
	{ .kind = MVMI_EVENT_HW_BREAKPOINT,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .async = 1,
	  .replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE),
	  .filters = MVMI_FILTER_CR3,
	  .fields = MVMI_FIELD_GVA },
	{ .kind = MVMI_EVENT_CPUID,
	  .phase = MVMI_PHASE_BEFORE,
	  .holds = MVMI_HOLDS_VCPU,
	  .replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE),
	  .fields = MVMI_FIELD_INDEX,
	  .limit = 2 },
	/* Of a later release: a client has to pass over it. */
	{ .kind = 4711, .replies = 1, .async = 1 },
};

static inline void fake_sleep_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
				     .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/** Wait until cond holds, for some seconds. @return whether it does. */
#define FAKE_EVENTUALLY(cond)                                    \
	__extension__({                                          \
		int fake_tries = 5000;                           \
		bool fake_met;                                   \
		while (!(fake_met = (cond)) && fake_tries-- > 0) \
			fake_sleep_ms(1);                        \
		fake_met;                                        \
	})

/* ---- the host's operations ---------------------------------------------- */

static uint32_t fake_vcpu_count(void *arg)
{
	return ((struct fake *)arg)->count;
}

static void fake_kick(void *arg, uint32_t vcpu)
{
	struct fake *fake = arg;

	(void)vcpu; /* They look at every turn. */
	atomic_fetch_add(&fake->kicks, 1);
}

static void fake_enable(void *arg, const struct agent_subscription *what,
			uint64_t id, struct agent_result *result)
{
	struct fake *fake = arg;

	(void)what;
	(void)id;
	if (atomic_load(&fake->refuses)) {
		result->status = MVMI_ERR_UNSUPPORTED;
		strcpy(result->text, "not today");
		return;
	}
	atomic_fetch_add(&fake->subscriptions, 1);
}

static void fake_disable(void *arg, uint64_t id)
{
	(void)id;
	atomic_fetch_sub(&((struct fake *)arg)->subscriptions, 1);
}

static void fake_regs_get(void *arg, uint32_t vcpu, uint32_t groups,
			  struct agent_regs *regs, struct agent_result *result)
{
	(void)groups;
	(void)result;
	*regs = ((struct fake *)arg)->vcpus[vcpu].regs;
	regs->valid[0] = UINT64_MAX;
}

static void fake_apply(struct agent_regs *to, const struct agent_regs *from)
{
	for (unsigned i = 0; i < 16; i++) {
		if (from->dirty[0] >> i & 1)
			to->gpr[i] = from->gpr[i];
	}
	if (from->dirty[0] >> MVMI_REG_RIP & 1)
		to->rip = from->rip;
	if (from->dirty[0] >> MVMI_REG_CR3 & 1)
		to->cr3 = from->cr3;
}

static void
fake_regs_set(void *arg, uint32_t vcpu, const struct agent_regs *regs,
	      struct agent_result *result)
{
	(void)result;
	fake_apply(&((struct fake *)arg)->vcpus[vcpu].regs, regs);
}

static void
fake_write(void *arg, uint64_t gpa, const uint8_t *src, uint32_t len,
	   enum mvmi_write_mode mode, struct agent_result *result)
{
	struct fake *fake = arg;

	(void)mode;
	if (gpa > FAKE_RAM || len > FAKE_RAM - gpa) {
		result->status = MVMI_ERR_FAULT;
		strcpy(result->text, "no RAM");
		return;
	}
	memcpy(fake->ram + gpa, src, len);
}

static void fake_inject(void *arg, const struct agent_inject *what,
			struct agent_result *result)
{
	(void)result;
	atomic_store(&((struct fake *)arg)->vcpus[what->vcpu].injected,
		     what->vector);
}

#define FAKE_REGS ((UINT64_C(1) << MVMI_REG_COUNT) - 1)

static const struct agent_host fake_host = {
	.agent = "fake agent",
	.vmm = "fake VMM",
	.descs = fake_descs,
	.desc_count = sizeof(fake_descs) / sizeof(fake_descs[0]),
	.readable_regs = { FAKE_REGS },
	.writable_regs = { UINT64_C(0xffff) | UINT64_C(1) << MVMI_REG_RIP |
			   UINT64_C(1) << MVMI_REG_CR3 },
	.vcpu_count = fake_vcpu_count,
	.kick = fake_kick,
	.enable = fake_enable,
	.disable = fake_disable,
	.regs_get = fake_regs_get,
	.regs_set = fake_regs_set,
	.write = fake_write,
	.inject = fake_inject,
};

/* ---- vCPUs -------------------------------------------------------------- */

static uint64_t fake_cr3(void *arg, uint32_t vcpu)
{
	(void)vcpu;
	return ((struct fake_vcpu *)arg)->regs.cr3;
}

static void
fake_regs(void *arg, uint32_t vcpu, uint32_t groups, struct agent_regs *regs)
{
	(void)vcpu;
	(void)groups;
	*regs = ((struct fake_vcpu *)arg)->regs;
	regs->valid[0] = UINT64_MAX;
}

static void
fake_reply(void *arg, uint32_t vcpu, const struct agent_reply *reply)
{
	(void)vcpu;
	fake_apply(&((struct fake_vcpu *)arg)->regs, &reply->regs);
}

/** Raise its event, once, and do what the reply says. */
static void fake_step(struct fake_vcpu *vcpu)
{
	const struct agent_context context = { .cr3 = fake_cr3,
					       .regs = fake_regs,
					       .reply = fake_reply,
					       .arg = vcpu };
	struct agent_event event = vcpu->next;
	struct agent_reply reply;

	event.vcpu = vcpu->index;
	event.rip = vcpu->regs.rip;
	event.known = AGENT_KNOWS_RIP;
	if (agent_raise(vcpu->fake->agent, &event, &context, &reply)) {
		atomic_store(&vcpu->action, reply.action);
		atomic_fetch_add(&vcpu->replies, 1);
	}
	vcpu->regs.rip++;
}

static void *fake_run(void *arg)
{
	struct fake_vcpu *vcpu = arg;
	struct fake *fake = vcpu->fake;

	while (!atomic_load(&fake->ends)) {
		if (atomic_load(&vcpu->left) == 0 &&
		    !atomic_load(&fake->spins)) {
			fake_sleep_ms(1);
			continue;
		}
		if (agent_vcpu_run(fake->agent, vcpu->index))
			agent_vcpu_park(fake->agent, vcpu->index);
		while (!atomic_load(&fake->ends) &&
		       (atomic_load(&vcpu->left) ||
			atomic_load(&fake->spins))) {
			if (!atomic_load(&fake->deaf))
				agent_vcpu_park(fake->agent, vcpu->index);
			atomic_fetch_add(&vcpu->loops, 1);
			if (atomic_load(&vcpu->left) == 0)
				continue;
			fake_step(vcpu);
			atomic_fetch_add(&vcpu->done, 1);
			atomic_fetch_sub(&vcpu->left, 1);
		}
		agent_vcpu_idle(fake->agent, vcpu->index);
	}
	return NULL;
}

/** Let a vCPU raise count events, once it has raised those before. */
static inline void fake_raise(struct fake *fake, uint32_t vcpu,
			      struct agent_event what, uint32_t count)
{
	(void)FAKE_EVENTUALLY(atomic_load(&fake->vcpus[vcpu].left) == 0);
	fake->vcpus[vcpu].next = what;
	atomic_store(&fake->vcpus[vcpu].left, count);
}

/** NULL if the agent can't be. */
static inline struct fake *fake_create(uint32_t vcpus)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return NULL;
	fake->count = vcpus;
	fake->agent = agent_create(&fake_host, fake);
	if (!fake->agent) {
		free(fake);
		return NULL;
	}
	for (uint32_t i = 0; i < vcpus && i < FAKE_VCPUS_MAX; i++) {
		struct fake_vcpu *vcpu = &fake->vcpus[i];

		vcpu->fake = fake;
		vcpu->index = i;
		vcpu->regs.rip = 0x1000;
		if (pthread_create(&vcpu->thread, NULL, fake_run, vcpu) != 0)
			abort();
	}
	return fake;
}

static inline void fake_destroy(struct fake *fake)
{
	if (!fake)
		return;
	agent_destroy(fake->agent);
	atomic_store(&fake->ends, true);
	for (uint32_t i = 0; i < fake->count && i < FAKE_VCPUS_MAX; i++)
		(void)pthread_join(fake->vcpus[i].thread, NULL);
	free(fake);
}

#endif /* MICROVMI_TEST_FAKE_HOST_H */
