/* SPDX-License-Identifier: MIT */
/* The vCPUs of an agent's VM: threads that bring it the mock's events. */
#include <string.h>

#include "agents/common/state.h"
#include "far.h"

#define SETTLE_MAX 5000 /* looks, of 200 us at least */

static uint64_t context_cr3(void *arg, uint32_t vcpu)
{
	struct agent_regs regs;

	far_read_regs(((struct far_vcpu *)arg)->far, vcpu, MVMI_REGS_CONTROL,
		      &regs);
	return regs.cr3;
}

static void
context_regs(void *arg, uint32_t vcpu, uint32_t groups, struct agent_regs *regs)
{
	far_read_regs(((struct far_vcpu *)arg)->far, vcpu, groups, regs);
}

/** Let the mock's vCPU go on. */
static void
context_reply(void *arg, uint32_t vcpu, const struct agent_reply *wire)
{
	struct far_vcpu *own = arg;
	struct far *far = own->far;
	struct mvmi_reply reply = {
		.action = (enum mvmi_action)wire->action,
		.inject = { .kind = (enum mvmi_injection_kind)wire->inject.kind,
			    .vector = wire->inject.vector,
			    .has_error_code = wire->inject.has_error_code != 0,
			    .error_code = wire->inject.error_code,
			    .cr2 = wire->inject.cr2 },
		.data_len = wire->data_len,
		.regs = far_dirty_regs(&wire->regs),
	};

	(void)vcpu;
	memcpy(reply.data, wire->data, sizeof(reply.data));
	far_lock(far);
	(void)far->inner->event->reply(far->inner, own->event.id, &reply, NULL);
	own->answered = true;
	far_unlock(far);
}

static struct agent_event wire_event(const struct mvmi_event *event)
{
	return (struct agent_event){
		.kind = (uint32_t)event->kind,
		.fields = event->fields,
		.vcpu = event->id.vcpu,
		.access = event->access,
		.insn_len = event->insn_len,
		.page_walk = event->page_walk,
		.phase = (uint8_t)event->phase,
		.index = event->index,
		.vector = event->vector,
		.error_code = event->error_code,
		.span = event->len,
		.gva = event->gva.val,
		.gpa = event->gpa.val,
		.value = event->value,
		.old_value = event->old_value,
		.view = event->view,
	};
}

static void bring(struct far_vcpu *own)
{
	const struct agent_context context = { .cr3 = context_cr3,
					       .regs = context_regs,
					       .reply = context_reply,
					       .arg = own };
	const struct agent_reply plain = { .action = MVMI_ACTION_CONTINUE };
	struct agent_event event = wire_event(&own->event);
	struct far *far = own->far;
	struct agent_reply reply;

	/* What can't be waited for is not the vCPU's, but the VM's. */
	if (own->event.async) {
		(void)agent_raise(far->agent, &event, &context, &reply);
		return;
	}
	if (agent_vcpu_run(far->agent, event.vcpu))
		agent_vcpu_park(far->agent, event.vcpu);
	if (!agent_raise(far->agent, &event, &context, &reply))
		context_reply(own, event.vcpu, &plain);
	agent_vcpu_idle(far->agent, event.vcpu);
}

void *far_vcpu_thread(void *arg)
{
	struct far_vcpu *own = arg;

	while (!atomic_load(&own->far->ends)) {
		if (atomic_load(&own->busy)) {
			bring(own);
			atomic_store(&own->busy, false);
		}
		far_pause_us(100);
	}
	return NULL;
}

/** Whether the vCPU's event lies in its slot, for the client to answer. */
static bool is_raised(const struct far *far, uint32_t vcpu)
{
	struct agent *agent = far->agent;
	bool raised = false;

	(void)pthread_rwlock_rdlock(&agent->lock);
	if (agent->channel)
		raised = (SHARED_LOAD(
				  &channel_slot(agent->channel, vcpu)->state) &
			  3) == AGENT_SLOT_RAISED;
	(void)pthread_rwlock_unlock(&agent->lock);
	return raised;
}

/** Whether an event has gone as far as it goes without the client. */
static bool is_settled(const struct far *far, uint32_t vcpu)
{
	const struct agent *agent = far->agent;

	if (!atomic_load(&far->vcpus[vcpu].busy))
		return true;
	switch (atomic_load(&agent->vcpus[vcpu].state)) {
	case VCPU_PARKED:
		return atomic_load(&agent->holds) != 0;
	case VCPU_WAITS:
		return is_raised(far, vcpu);
	default:
		return false;
	}
}

void far_wait_for_vcpus(const struct far *far)
{
	for (unsigned n = 0; n < SETTLE_MAX; n++) {
		bool settled = true;

		for (uint32_t i = 0; i < FAR_VCPUS; i++)
			settled &= is_settled(far, i);
		if (settled)
			return;
		far_pause_us(200);
	}
}

/** Let the guest run once. @return whether it raised anything. */
static bool run_once(struct far *far)
{
	struct mvmi_event event;
	bool runs[FAR_VCPUS];
	bool held = false;
	bool raised = false;

	for (uint32_t i = 0; i < FAR_VCPUS; i++) {
		runs[i] = !atomic_load(&far->vcpus[i].busy);
		held |= runs[i] && agent_vcpu_run(far->agent, i);
	}
	held |= atomic_load(&far->agent->holds) != 0;
	far_lock(far);
	while (!held && far->inner->event->next(far->inner, 0, &event, NULL) ==
				MVMI_OK) {
		struct far_vcpu *vcpu = &far->vcpus[event.id.vcpu];

		if (event.kind == MVMI_EVENT_GONE)
			break;
		vcpu->event = event;
		vcpu->answered = false;
		atomic_store(&vcpu->busy, true);
		raised = true;
		/* One at a time each; the other vCPU may have one as well. */
		if (event.async)
			break;
	}
	far_unlock(far);
	for (uint32_t i = 0; i < FAR_VCPUS; i++) {
		if (runs[i] && !atomic_load(&far->vcpus[i].busy))
			agent_vcpu_idle(far->agent, i);
	}
	return raised;
}

void far_settle(struct far *far)
{
	far_wait_for_vcpus(far);
	while (run_once(far))
		far_wait_for_vcpus(far);
}
