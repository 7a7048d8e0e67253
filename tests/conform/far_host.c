/* SPDX-License-Identifier: MIT */
/* The host of an agent: what it asks for is done to the mock. */
#include <stdio.h>
#include <string.h>

#include "drivers/agent/wire.h"
#include "far.h"

static uint32_t host_vcpu_count(void *arg)
{
	(void)arg;
	return FAR_VCPUS;
}

static void host_kick(void *arg, uint32_t vcpu)
{
	/* It runs no longer than far_settle() lets it. */
	(void)arg;
	(void)vcpu;
}

static void take_status(enum mvmi_status status, const struct mvmi_error *err,
			struct agent_result *result)
{
	result->status = status;
	if (status != MVMI_OK)
		(void)snprintf(result->text, sizeof(result->text), "%.255s",
			       err->msg);
}

static void host_enable(void *arg, const struct agent_subscription *wire,
			uint64_t id, struct agent_result *result)
{
	struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = (enum mvmi_event_kind)wire->kind,
		.filters = wire->filters,
		.skip_page_walks = wire->skip_page_walks,
		.index = wire->index,
		.access = wire->access,
		.vcpus = wire->vcpus,
		.value = { wire->value, wire->value_mask },
		.cr3 = { wire->cr3, wire->cr3_mask },
		.start = wire->start,
		.len = wire->span,
	};
	struct far *far = arg;
	struct mvmi_error err;
	uint64_t inner = 0;

	far_lock(far);
	take_status(far->inner->event->enable(far->inner, &what, &inner, &err),
		    &err, result);
	for (size_t i = 0; inner && i < MOCK_SUBSCRIPTIONS_MAX; i++) {
		if (far->ids[i][0])
			continue;
		far->ids[i][0] = id;
		far->ids[i][1] = inner;
		break;
	}
	far_unlock(far);
}

static void host_disable(void *arg, uint64_t id)
{
	struct far *far = arg;

	far_lock(far);
	for (size_t i = 0; i < MOCK_SUBSCRIPTIONS_MAX; i++) {
		if (far->ids[i][0] != id)
			continue;
		(void)far->inner->event->disable(far->inner, far->ids[i][1],
						 NULL);
		far->ids[i][0] = 0;
	}
	far_unlock(far);
}

void far_read_regs(struct far *far, uint32_t vcpu, uint32_t groups,
		   struct agent_regs *wire)
{
	struct mvmi_regs regs;

	far_lock(far);
	mock_vcpu_snapshot(far->vm, vcpu, groups, &regs);
	far_unlock(far);
	wire_put_regs(wire, &regs);
}

static void host_regs_get(void *arg, uint32_t vcpu, uint32_t groups,
			  struct agent_regs *regs, struct agent_result *result)
{
	(void)result;
	far_read_regs(arg, vcpu, groups, regs);
}

struct mvmi_regs far_dirty_regs(const struct agent_regs *wire)
{
	struct mvmi_regs regs;

	wire_take_regs(&regs, wire, mvmi_regset_of_groups(MVMI_REGS_ALL));
	memcpy(regs.dirty.bits, wire->dirty, sizeof(regs.dirty.bits));
	return regs;
}

static void
host_regs_set(void *arg, uint32_t vcpu, const struct agent_regs *wire,
	      struct agent_result *result)
{
	struct mvmi_regs regs = far_dirty_regs(wire);
	struct far *far = arg;

	(void)result;
	far_lock(far);
	mock_vcpu_apply(&far->vm->vcpus[vcpu], &regs);
	far_unlock(far);
}

static void
host_write(void *arg, uint64_t gpa, const uint8_t *src, uint32_t len,
	   enum mvmi_write_mode mode, struct agent_result *result)
{
	struct far *far = arg;
	struct mvmi_error err;

	far_lock(far);
	take_status(far->inner->write->write(far->inner, mvmi_gpa_at(gpa),
					     (struct mvmi_bytes){ src, len },
					     mode, &err),
		    &err, result);
	far_unlock(far);
}

static void host_inject(void *arg, const struct agent_inject *what,
			struct agent_result *result)
{
	const struct mvmi_injection injection = {
		.kind = (enum mvmi_injection_kind)what->kind,
		.vector = what->vector,
		.has_error_code = what->has_error_code != 0,
		.error_code = what->error_code,
		.cr2 = what->cr2,
	};
	struct far *far = arg;
	struct mvmi_error err;

	far_lock(far);
	take_status(far->inner->inject->inject(far->inner, what->vcpu,
					       &injection, &err),
		    &err, result);
	far_unlock(far);
}

static void host_access_set(void *arg, uint64_t gfn, uint32_t access,
			    struct agent_result *result)
{
	struct far *far = arg;
	struct mvmi_error err;

	far_lock(far);
	take_status(far->inner->access->set(far->inner, 0, mvmi_gfn_at(gfn),
					    access, &err),
		    &err, result);
	far_unlock(far);
}

static void host_access_get(void *arg, uint64_t gfn, uint32_t *ret,
			    struct agent_result *result)
{
	struct far *far = arg;
	struct mvmi_error err;

	far_lock(far);
	take_status(far->inner->access->get(far->inner, 0, mvmi_gfn_at(gfn),
					    ret, &err),
		    &err, result);
	far_unlock(far);
}

static void host_access_reset(void *arg)
{
	struct far *far = arg;

	far_lock(far);
	mock_view_drop_all(far->vm);
	far_unlock(far);
}

void far_host_init(struct far *far)
{
	const struct mvmi_event_desc *descs;
	size_t count = far->inner->event->descs(far->inner, &descs);

	far->host = (struct agent_host){
		.agent = "conformance suite",
		.vmm = "mock",
		.descs = far->descs,
		.vcpu_limit = FAR_VCPUS,
		.vcpu_count = host_vcpu_count,
		.kick = host_kick,
		.enable = host_enable,
		.disable = host_disable,
		.regs_get = host_regs_get,
		.regs_set = host_regs_set,
		.write = host_write,
		.access_set = host_access_set,
		.access_get = host_access_get,
		.access_reset = host_access_reset,
		.inject = host_inject,
	};
	memcpy(far->host.readable_regs, far->inner->readable_regs.bits,
	       sizeof(far->host.readable_regs));
	memcpy(far->host.writable_regs, far->inner->writable_regs.bits,
	       sizeof(far->host.writable_regs));
	for (size_t i = 0; i < count && i < FAR_DESCS_MAX; i++)
		far->descs[far->host.desc_count++] = (struct agent_desc){
			.kind = (uint32_t)descs[i].kind,
			.phase = (uint8_t)descs[i].phase,
			.holds = (uint8_t)descs[i].holds,
			.async = descs[i].async,
			.replies = descs[i].replies,
			.filters = descs[i].filters,
			.fields = descs[i].fields,
			.limit = descs[i].limit,
		};
}
