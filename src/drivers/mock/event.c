/* SPDX-License-Identifier: MIT */
/*
 * The far side's half of events: which instruction raises what, where raised
 * events wait, and what a reply does to the vCPU.
 */
#include "drivers/mock/state.h"

#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/error.h"
#include "base/util.h"

#define KIND_BIT(kind) (UINT32_C(1) << (kind))

static_assert(MVMI_EVENT_KIND_COUNT <= 32, "kinds are kept in 32 bits");

const struct mvmi_event_desc *
mock_event_desc(const struct mock_vm *vm, enum mvmi_event_kind kind)
{
	for (size_t i = 0; i < vm->personality->desc_count; i++) {
		if (vm->personality->descs[i].kind == kind)
			return &vm->personality->descs[i];
	}
	return NULL;
}

/* ---- filters ----------------------------------------------------------- */

static bool matches_place(const struct mvmi_subscription *what,
			  const struct mvmi_event *event)
{
	uint64_t len = what->len ? what->len : 1;

	if (event->kind == MVMI_EVENT_HW_BREAKPOINT)
		return event->gva.val - what->start < len;
	if (!(what->filters & MVMI_FILTER_RANGE))
		return true;
	/* Either end of the access may lie in the range. */
	return event->gpa.val - what->start < len ||
	       what->start - event->gpa.val < event->len;
}

static bool
matches_value(const struct mvmi_subscription *what,
	      const struct mvmi_event *event, const struct mock_vcpu *cpu)
{
	if ((what->filters & MVMI_FILTER_INDEX) && what->index != event->index)
		return false;
	if ((what->filters & MVMI_FILTER_VECTOR) &&
	    !(what->vectors[event->vector / 64 % 4] >> (event->vector % 64) &
	      1))
		return false;
	if ((what->filters & MVMI_FILTER_VALUE) &&
	    !mvmi_match_accepts(what->value, event->value))
		return false;
	return !(what->filters & MVMI_FILTER_CR3) ||
	       mvmi_match_accepts(what->cr3, cpu->regs.cr3);
}

static bool matches(const struct mvmi_subscription *what,
		    const struct mvmi_event *event, const struct mock_vcpu *cpu)
{
	uint32_t bit = MIN(event->id.vcpu, 63U);
	bool walks = !what->skip_page_walks &&
		     !(what->filters & MVMI_FILTER_PAGE_WALK);

	if (what->kind != event->kind || (event->page_walk && !walks))
		return false;
	if (what->access && event->access && !(what->access & event->access))
		return false;
	if ((what->filters & MVMI_FILTER_VCPU) && !(what->vcpus >> bit & 1))
		return false;
	return matches_place(what, event) && matches_value(what, event, cpu);
}

/**
 * Whether a subscription hears of a memory access: one by range arms its
 * frames by itself, others need a permission that was taken away.
 */
static bool hears(const struct mock_vm *vm, const struct mock_subscription *sub,
		  const struct mvmi_event *event)
{
	const struct mock_vcpu *cpu = &vm->vcpus[event->id.vcpu];

	if (!sub->id || !matches(&sub->what, event, cpu))
		return false;
	if (event->kind != MVMI_EVENT_MEMORY ||
	    (sub->what.filters & MVMI_FILTER_RANGE))
		return true;
	return (event->access & ~mock_view_access(vm, cpu->seen.view,
						  mvmi_gfn_of(event->gpa))) !=
	       0;
}

/* ---- raising ----------------------------------------------------------- */

/** Leave in only what the personality can tell. */
static void keep_fields(struct mvmi_event *event, uint32_t fields)
{
	event->fields = fields;
	if (!(fields & MVMI_FIELD_GVA))
		event->gva = mvmi_gva_at(0);
	if (!(fields & MVMI_FIELD_GPA))
		event->gpa = mvmi_gpa_at(0);
	if (!(fields & MVMI_FIELD_ACCESS))
		event->access = 0;
	if (!(fields & MVMI_FIELD_VALUE))
		event->value = 0;
	if (!(fields & MVMI_FIELD_OLD_VALUE))
		event->old_value = 0;
	if (!(fields & MVMI_FIELD_LEN))
		event->len = 0;
	if (!(fields & MVMI_FIELD_INSN_LEN))
		event->insn_len = 0;
	if (!(fields & MVMI_FIELD_VIEW))
		event->view = 0;
}

static void raise_async(struct mock_vm *vm, const struct mvmi_event *event)
{
	struct mock_vcpu *cpu = &vm->vcpus[event->id.vcpu];
	struct mock_note *note;

	if (cpu->ring_count == MOCK_RING_MAX) {
		cpu->lost++;
		return;
	}
	note = &cpu->ring[(cpu->ring_head + cpu->ring_count++) % MOCK_RING_MAX];
	note->order = ++vm->last_order;
	note->event = *event;
	note->event.async = true;
	note->event.lost = cpu->lost;
}

bool mock_event_raise(struct mock_vm *vm, const struct mvmi_event *what)
{
	const struct mvmi_event_desc *desc = mock_event_desc(vm, what->kind);
	struct mock_vcpu *cpu = &vm->vcpus[what->id.vcpu];
	const struct mock_subscription *async = NULL;
	const struct mock_subscription *sync = NULL;
	struct mvmi_event event = *what;

	if (!desc)
		return false;
	event.phase = desc->phase;
	keep_fields(&event, desc->fields);
	for (size_t i = 0; i < ARRAY_LEN(vm->subscriptions); i++) {
		const struct mock_subscription *sub = &vm->subscriptions[i];

		if (!hears(vm, sub, what))
			continue;
		if (sub->what.async)
			async = async ? async : sub;
		else
			sync = sync ? sync : sub;
	}
	/* One event of each sort, whoever else would have it. */
	if (async) {
		event.id.generation = ++vm->last_generation;
		event.subscription = async->id;
		raise_async(vm, &event);
	}
	if (!sync)
		return false;
	event.id.generation = ++vm->last_generation;
	event.subscription = sync->id;
	cpu->pending = (struct mock_pending){
		.raised = true,
		.holds_vm = desc->holds == MVMI_HOLDS_VM,
		.order = ++vm->last_order,
		.raised_ms = vm->now_ms,
		.groups = sync->what.groups,
		.event = event,
	};
	return true;
}

void mock_event_note(struct mock_vm *vm, enum mvmi_event_kind kind)
{
	bool wanted = false;

	for (size_t i = 0; i < ARRAY_LEN(vm->subscriptions); i++)
		wanted |= vm->subscriptions[i].id &&
			  vm->subscriptions[i].what.kind == kind;
	if (!wanted || vm->note_count == MOCK_RING_MAX)
		return;
	vm->notes[vm->note_count++] = (struct mock_note){
		.order = ++vm->last_order,
		.event = { .id.generation = ++vm->last_generation,
			   .kind = kind,
			   .async = true },
	};
}

bool mock_event_ring_is_full(const struct mock_vm *vm, unsigned vcpu)
{
	if (vm->vcpus[vcpu].ring_count < MOCK_RING_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(vm->subscriptions); i++) {
		if (vm->subscriptions[i].id &&
		    vm->subscriptions[i].what.async &&
		    vm->subscriptions[i].what.hold_when_full)
			return true;
	}
	return false;
}

/* ---- answering --------------------------------------------------------- */

/** Whether an action lets the instruction at head execute later. */
static bool executes(const struct mvmi_event *event, enum mvmi_action action)
{
	switch (action) {
	case MVMI_ACTION_CONTINUE:
	case MVMI_ACTION_REINJECT:
	case MVMI_ACTION_STEP:
	case MVMI_ACTION_SWITCH_VIEW:
		return true;
	case MVMI_ACTION_EMULATE: /* bytes of an instruction, or read data */
		return event->kind == MVMI_EVENT_INT3 ||
		       (event->access & MVMI_ACCESS_X);
	case MVMI_ACTION_SKIP:
	case MVMI_ACTION_DENY:
	case MVMI_ACTION_INJECT:
	case MVMI_ACTION_COUNT:
		break;
	}
	return false;
}

static void emulate(struct mock_vcpu *cpu, const struct mvmi_reply *reply)
{
	size_t len = MIN((size_t)reply->data_len, sizeof(cpu->seen.value));

	cpu->seen.value = 0;
	memcpy(&cpu->seen.value, reply->data, len);
	cpu->seen.executed++;
}

/** What a reply to an event before its instruction makes of that. */
static void answer_before(struct mock_vcpu *cpu, const struct mvmi_event *event,
			  const struct mvmi_reply *reply)
{
	bool jumps = mvmi_regset_has(reply->regs.dirty, MVMI_REG_RIP);

	if (executes(event, reply->action) && !jumps) {
		/* In another view the access is judged anew. */
		if (event->kind == MVMI_EVENT_MEMORY &&
		    reply->action == MVMI_ACTION_SWITCH_VIEW)
			return;
		cpu->original = reply->action == MVMI_ACTION_EMULATE;
		cpu->passed_access |= event->access;
		if (event->kind != MVMI_EVENT_MEMORY)
			cpu->passed |= KIND_BIT(event->kind);
		return;
	}
	if (reply->action == MVMI_ACTION_EMULATE)
		emulate(cpu, reply);
	else
		cpu->seen.skipped++;
	mock_guest_retire(cpu);
}

static void answer(struct mock_vcpu *cpu, const struct mvmi_reply *reply)
{
	const struct mvmi_event event = cpu->pending.event;

	cpu->pending.raised = false;
	if (reply->action == MVMI_ACTION_SWITCH_VIEW)
		cpu->seen.view = reply->view;
	if (reply->action == MVMI_ACTION_INJECT) {
		cpu->has_injection = true;
		cpu->injection = reply->inject;
	}
	if (event.phase == MVMI_PHASE_BEFORE)
		answer_before(cpu, &event, reply);
	/* After it, so that a rip that is dirty wins over the driver's. */
	mock_vcpu_apply(cpu, &reply->regs);
}

void mock_event_continue_all(struct mock_vm *vm)
{
	const struct mvmi_reply reply = { .action = MVMI_ACTION_CONTINUE };

	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i].pending.raised)
			answer(&vm->vcpus[i], &reply);
	}
}

void mock_event_expire(struct mock_vm *vm)
{
	const struct mvmi_reply reply = { .action = MVMI_ACTION_CONTINUE };

	for (unsigned i = 0; vm->deadline_ms && i < vm->vcpu_count; i++) {
		const struct mock_pending *pending = &vm->vcpus[i].pending;

		if (!pending->raised ||
		    vm->now_ms - pending->raised_ms < vm->deadline_ms)
			continue;
		answer(&vm->vcpus[i], &reply);
		vm->overdue++;
	}
}

/* ---- fetching ---------------------------------------------------------- */

/** Where the oldest event waits. */
struct oldest {
	uint64_t order;
	struct mock_vcpu *cpu; /**< NULL: among the VM's own */
	bool is_sync;
};

static bool find_oldest(struct mock_vm *vm, struct oldest *ret)
{
	struct oldest oldest = { .order = UINT64_MAX };

	if (vm->note_count)
		oldest.order = vm->notes[0].order;
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		struct mock_vcpu *cpu = &vm->vcpus[i];

		if (cpu->pending.raised && !cpu->pending.fetched &&
		    cpu->pending.order < oldest.order)
			oldest = (struct oldest){ cpu->pending.order, cpu,
						  true };
		if (cpu->ring_count &&
		    cpu->ring[cpu->ring_head].order < oldest.order)
			oldest = (struct oldest){
				cpu->ring[cpu->ring_head].order, cpu, false
			};
	}
	*ret = oldest;
	return oldest.order != UINT64_MAX;
}

static bool take(struct mock_vm *vm, struct mvmi_event *ret)
{
	struct oldest oldest;
	struct mock_vcpu *cpu;

	if (!find_oldest(vm, &oldest))
		return false;
	cpu = oldest.cpu;
	if (!cpu) {
		*ret = vm->notes[0].event;
		memmove(&vm->notes[0], &vm->notes[1],
			--vm->note_count * sizeof(vm->notes[0]));
	} else if (oldest.is_sync) {
		cpu->pending.fetched = true;
		*ret = cpu->pending.event;
	} else {
		*ret = cpu->ring[cpu->ring_head].event;
		cpu->ring_head = (cpu->ring_head + 1) % MOCK_RING_MAX;
		cpu->ring_count--;
	}
	if (cpu && oldest.is_sync && cpu->pending.groups) {
		mock_vcpu_snapshot(vm, ret->id.vcpu, cpu->pending.groups,
				   &vm->event_regs);
		ret->regs = &vm->event_regs;
	}
	return true;
}

void mock_event_signal(struct mock_vm *vm)
{
	struct oldest oldest;
	eventfd_t drained;

	if (!vm->has_waitable)
		return;
	if (find_oldest(vm, &oldest) || vm->dead || vm->far_gone)
		(void)eventfd_write(vm->waitable, 1);
	else
		(void)eventfd_read(vm->waitable, &drained);
}

/* ---- the table --------------------------------------------------------- */

static size_t
mock_descs(struct mvmi_conn *conn, const struct mvmi_event_desc **ret)
{
	const struct mock_vm *vm =
		container_of(conn, struct mock_conn, base)->vm;

	*ret = vm->personality->descs;
	return vm->personality->desc_count;
}

static enum mvmi_status
mock_enable(struct mvmi_conn *conn, const struct mvmi_subscription *what,
	    uint64_t *ret, struct mvmi_error *err)
{
	const struct mvmi_event_desc *desc;
	struct mock_subscription *free_slot = NULL;
	uint32_t used = 0;
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < ARRAY_LEN(vm->subscriptions); i++) {
		struct mock_subscription *sub = &vm->subscriptions[i];

		if (!sub->id)
			free_slot = free_slot ? free_slot : sub;
		else
			used += sub->what.kind == what->kind;
	}
	desc = mock_event_desc(vm, what->kind);
	if (!free_slot || (desc && desc->limit && used >= desc->limit))
		return fail(err, MVMI_ERR_LIMIT, "all %u slots for %s are used",
			    used, mvmi_event_kind_name(what->kind));
	free_slot->id = ++vm->last_id;
	free_slot->what = *what;
	*ret = free_slot->id;
	return MVMI_OK;
}

static enum mvmi_status
mock_disable(struct mvmi_conn *conn, uint64_t id, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < ARRAY_LEN(vm->subscriptions); i++) {
		if (id && vm->subscriptions[i].id == id) {
			vm->subscriptions[i].id = 0;
			return MVMI_OK;
		}
	}
	return fail(err, MVMI_ERR_INVALID, "there is no such subscription");
}

/** The end of the VM is an event, once. */
static enum mvmi_status
next_of_dead(struct mock_vm *vm, struct mvmi_event *ret, struct mvmi_error *err)
{
	if (vm->dead_delivered)
		return fail(err, MVMI_ERR_GONE, "the mock VM has ended");
	vm->dead_delivered = true;
	*ret = (struct mvmi_event){ .id.generation = ++vm->last_generation,
				    .kind = MVMI_EVENT_GONE,
				    .async = true };
	return MVMI_OK;
}

static enum mvmi_status
mock_next(struct mvmi_conn *conn, int timeout_ms, struct mvmi_event *ret,
	  struct mvmi_error *err)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;
	bool found;
	enum mvmi_status status;

	if (vm->dead) {
		vm->dead_known = true;
		return next_of_dead(vm, ret, err);
	}
	status = mock_enter(conn, &vm, err);
	if (status != MVMI_OK)
		return status;
	mock_run(vm);
	found = take(vm, ret);
	if (!found && timeout_ms > 0) {
		mock_advance(vm, (uint32_t)timeout_ms);
		mock_run(vm);
		found = take(vm, ret);
	}
	mock_event_signal(vm);
	if (!found)
		return fail(err, MVMI_ERR_TIMEOUT, "no event came");
	return MVMI_OK;
}

static enum mvmi_status
mock_reply(struct mvmi_conn *conn, struct mvmi_event_id id,
	   const struct mvmi_reply *reply, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (id.vcpu >= vm->vcpu_count || !vm->vcpus[id.vcpu].pending.raised ||
	    vm->vcpus[id.vcpu].pending.event.id.generation != id.generation)
		return fail(err, MVMI_ERR_STALE, "that event is gone");
	if (reply->action == MVMI_ACTION_SWITCH_VIEW &&
	    !mock_view_exists(vm, reply->view))
		return fail(err, MVMI_ERR_INVALID, "there is no view %u",
			    reply->view);
	answer(&vm->vcpus[id.vcpu], reply);
	return MVMI_OK;
}

static struct mvmi_waitable mock_waitable(struct mvmi_conn *conn)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;

	if (!vm->has_waitable) {
		vm->waitable = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vm->has_waitable = vm->waitable >= 0;
		mock_event_signal(vm);
	}
	return (struct mvmi_waitable){ vm->has_waitable ? vm->waitable : -1 };
}

static enum mvmi_status
mock_set_deadline(struct mvmi_conn *conn, uint32_t deadline_ms,
		  struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status == MVMI_OK)
		vm->deadline_ms = deadline_ms;
	return status;
}

static uint64_t mock_overdue(struct mvmi_conn *conn)
{
	return container_of(conn, struct mock_conn, base)->vm->overdue;
}

const struct mvmi_event_ops mock_event_ops = {
	mock_descs, mock_enable,   mock_disable,      mock_next,
	mock_reply, mock_waitable, mock_set_deadline, mock_overdue,
};
