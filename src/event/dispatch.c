/* SPDX-License-Identifier: MIT */
/*
 * Subscriptions, and bringing events to them.
 *
 * An event goes to every subscriber that it matches, in the order in which
 * they subscribed; their replies are merged into one (reply.c). Subscribers
 * that ask for the same share one subscription of the driver.
 */
#include <microvmi/event.h>

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "core/vm.h"
#include "event/filter.h"
#include "event/reply.h"

/* Far more than any ring holds: one that never ends is the driver's fault. */
#define DRAIN_MAX 65536

struct subscriber {
	struct subscriber *next; /**< owned */
	uint64_t token;		 /**< the caller's */
	uint64_t id;		 /**< the driver's; may be shared */
	bool ended;		 /**< in a callback: freed once that is over */
	struct mvmi_subscription what;
	mvmi_event_fn fn;
	void *arg;
};

struct dispatcher {
	struct subscriber *first; /**< owned; in order of subscription */
	uint64_t last_token;
	bool drain; /**< the last subscriber left in a callback */
};

size_t
mvmi_event_descs(const struct mvmi_vm *vm, const struct mvmi_event_desc **ret)
{
	*ret = NULL;
	if (!vm->conn->event || vm->read_only)
		return 0;
	return vm->conn->event->descs(vm->conn, ret);
}

static const struct mvmi_event_desc *
find_desc(const struct mvmi_vm *vm, enum mvmi_event_kind kind)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);

	for (size_t i = 0; i < count; i++) {
		if (descs[i].kind == kind)
			return &descs[i];
	}
	return NULL;
}

static enum mvmi_status check_event(struct mvmi_vm *vm, struct mvmi_error *err)
{
	if (!vm->conn->event)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "this %s VM has no events", vm->conn->driver->name);
	if (vm->read_only)
		return fail(err, MVMI_ERR_DENIED, "the VM was opened to read");
	return MVMI_OK;
}

/** A live subscriber with this id of the driver, or NULL. */
static struct subscriber *find_id(const struct dispatcher *d, uint64_t id)
{
	struct subscriber *s = d->first;

	while (s && (s->ended || s->id != id))
		s = s->next;
	return s;
}

/** A live subscriber that asks for the same, or NULL. */
static struct subscriber *
find_equal(const struct dispatcher *d, const struct mvmi_subscription *what)
{
	struct subscriber *s = d->first;

	while (s && (s->ended || !filter_equal(&s->what, what)))
		s = s->next;
	return s;
}

/** Subscriptions of one kind that the driver has from us. */
static unsigned
slots_used(const struct dispatcher *d, enum mvmi_event_kind kind)
{
	unsigned used = 0;

	for (const struct subscriber *s = d->first; s; s = s->next) {
		if (s->what.kind == kind && find_id(d, s->id) == s)
			used++;
	}
	return used;
}

/** Answer one event; one that is gone needs no answer. */
static enum mvmi_status
answer(struct mvmi_vm *vm, const struct mvmi_event *event,
       const struct mvmi_reply *reply, struct mvmi_error *err)
{
	struct mvmi_reply now = *reply;
	enum mvmi_status status;

	if (vm->patcher && now.action == MVMI_ACTION_CONTINUE)
		vm->patcher->resume(vm, event, &now);
	status = vm_settle(
		vm, vm->conn->event->reply(vm->conn, event->id, &now, err));
	vm_new_epoch(vm);
	if (status == MVMI_ERR_STALE || status == MVMI_ERR_GONE)
		return MVMI_OK;
	return fail_context(err, status, "reply to a %s event of vCPU %u",
			    mvmi_event_kind_name(event->kind),
			    (unsigned)event->id.vcpu);
}

static bool
wants_reply(const struct mvmi_event *event, const struct mvmi_event_desc *desc)
{
	return !event->async && desc && desc->holds != MVMI_HOLDS_NONE;
}

/** Nobody is left to hear of what was raised before: continue it all. */
static enum mvmi_status drain(struct mvmi_vm *vm, struct mvmi_error *err)
{
	struct mvmi_reply reply = { .regs = mvmi_regs_empty() };
	enum mvmi_status status = MVMI_OK;
	struct mvmi_event event;

	for (unsigned n = 0; n < DRAIN_MAX; n++) {
		status = vm_settle(
			vm, vm->conn->event->next(vm->conn, 0, &event, err));
		if (status == MVMI_ERR_TIMEOUT || status == MVMI_ERR_GONE)
			return MVMI_OK;
		if (status == MVMI_OK &&
		    wants_reply(&event, find_desc(vm, event.kind)))
			status = answer(vm, &event, &reply, err);
		if (status != MVMI_OK)
			return fail_context(err, status,
					    "events that were raised already "
					    "may be left unanswered");
	}
	return fail(err, MVMI_ERR_LIMIT,
		    "the driver still raises events after %d", DRAIN_MAX);
}

/** Free the subscribers that ended. Not while any callback runs. */
static void sweep(struct dispatcher *d)
{
	struct subscriber **at = &d->first;

	while (*at) {
		struct subscriber *s = *at;

		if (s->ended) {
			*at = s->next;
			free(s);
		} else {
			at = &s->next;
		}
	}
}

/** Close: detach them all. The driver's close would, but not as gently. */
static void dispatcher_fini(struct mvmi_vm *vm)
{
	struct dispatcher *d = vm->dispatcher;

	for (struct subscriber *s = d->first; s; s = s->next) {
		s->ended = true;
		if (!find_id(d, s->id))
			(void)vm->conn->event->disable(vm->conn, s->id, NULL);
	}
	sweep(d);
	(void)drain(vm, NULL);
	free(d);
	vm->dispatcher = NULL;
}

static struct dispatcher *dispatcher_of(struct mvmi_vm *vm)
{
	if (!vm->dispatcher) {
		vm->dispatcher = calloc(1, sizeof(*vm->dispatcher));
		if (vm->dispatcher)
			vm->dispatcher_fini = dispatcher_fini;
	}
	return vm->dispatcher;
}

static enum mvmi_status
check_subscription(struct mvmi_vm *vm, const struct mvmi_subscription *what,
		   struct mvmi_error *err)
{
	const struct mvmi_event_desc *desc;
	enum mvmi_status status = check_event(vm, err);

	if (status != MVMI_OK)
		return status;
	if (!mvmi_event_kind_name(what->kind))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "there is no event kind %d", (int)what->kind);
	desc = find_desc(vm, what->kind);
	if (!desc)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "this %s VM has no %s events",
			    vm->conn->driver->name,
			    mvmi_event_kind_name(what->kind));
	return filter_check(what, desc, err);
}

/** Let the driver raise it, unless it does so already. */
static enum mvmi_status
enable(struct mvmi_vm *vm, const struct mvmi_subscription *what, uint64_t *ret,
       struct mvmi_error *err)
{
	const struct mvmi_event_desc *desc = find_desc(vm, what->kind);
	struct subscriber *equal = find_equal(vm->dispatcher, what);
	enum mvmi_status status;

	if (equal) {
		*ret = equal->id;
		return MVMI_OK;
	}
	if (desc->limit &&
	    slots_used(vm->dispatcher, what->kind) >= desc->limit)
		return fail(err, MVMI_ERR_LIMIT,
			    "all %u slots for %s events are in use",
			    (unsigned)desc->limit,
			    mvmi_event_kind_name(what->kind));
	status = vm_settle(vm,
			   vm->conn->event->enable(vm->conn, what, ret, err));
	return fail_context(err, status, "cannot subscribe to %s events",
			    mvmi_event_kind_name(what->kind));
}

enum mvmi_status
mvmi_event_subscribe(struct mvmi_vm *vm,
		     const struct mvmi_subscription *subscription,
		     mvmi_event_fn fn, void *arg, uint64_t *ret,
		     struct mvmi_error *err)
{
	struct mvmi_subscription what = { 0 };
	struct subscriber **end;
	struct subscriber *s;
	enum mvmi_status status;

	assert(subscription->size >= offsetof(struct mvmi_subscription, async));
	memcpy(&what, subscription, MIN(subscription->size, sizeof(what)));
	what.size = sizeof(what);
	status = check_subscription(vm, &what, err);
	if (status == MVMI_OK)
		status = vm_poll(vm, err);
	if (status != MVMI_OK)
		return status;
	s = calloc(1, sizeof(*s));
	if (!s || !dispatcher_of(vm)) {
		free(s);
		return fail(err, MVMI_ERR_NOMEM, "no memory to subscribe");
	}
	status = enable(vm, &what, &s->id, err);
	if (status != MVMI_OK) {
		free(s);
		return status;
	}
	s->token = ++vm->dispatcher->last_token;
	s->what = what;
	s->fn = fn;
	s->arg = arg;
	for (end = &vm->dispatcher->first; *end; end = &(*end)->next)
		;
	*end = s;
	*ret = s->token;
	return MVMI_OK;
}

enum mvmi_status mvmi_event_unsubscribe(struct mvmi_vm *vm, uint64_t token,
					struct mvmi_error *err)
{
	struct dispatcher *d = vm->dispatcher;
	struct subscriber *s = d ? d->first : NULL;
	enum mvmi_status status = MVMI_OK;

	while (s && (s->ended || s->token != token))
		s = s->next;
	if (!s)
		return fail(err, MVMI_ERR_INVALID,
			    "there is no subscription %" PRIu64, token);
	s->ended = true;
	if (!find_id(d, s->id))
		status = vm_settle(
			vm, vm->conn->event->disable(vm->conn, s->id, err));
	if (status != MVMI_OK) {
		s->ended = false;
		return fail_context(err, status,
				    "cannot unsubscribe from %s "
				    "events",
				    mvmi_event_kind_name(s->what.kind));
	}
	if (vm->pending) {
		d->drain = true;
		return MVMI_OK;
	}
	sweep(d);
	return d->first ? MVMI_OK : drain(vm, err);
}

struct mvmi_waitable mvmi_vm_waitable(struct mvmi_vm *vm)
{
	if (!vm->conn->event || vm->read_only)
		return (struct mvmi_waitable){ .handle = -1 };
	return vm->conn->event->waitable(vm->conn);
}

/**
 * A filter by CR3 of another subscription than the one that was named: find
 * CR3, unless the event tells it. A vCPU that runs on has none to compare.
 */
static enum mvmi_status find_cr3(struct mvmi_vm *vm, struct mvmi_event *event,
				 struct mvmi_regs *regs, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (vm->pending->holds == MVMI_HOLDS_NONE || !vm->conn->vcpu ||
	    event->id.vcpu >= vm->conn->vcpu->count(vm->conn) ||
	    (event->regs && mvmi_regset_has(event->regs->valid, MVMI_REG_CR3)))
		return MVMI_OK;
	*regs = mvmi_regs_empty();
	status = vm_settle(vm,
			   vm->conn->vcpu->get(vm->conn, event->id.vcpu,
					       MVMI_REGS_CONTROL, regs, err));
	if (status == MVMI_OK)
		event->regs = regs;
	return fail_context(err, status, "CR3 of vCPU %u",
			    (unsigned)event->id.vcpu);
}

/** Whether an event is for this subscriber. */
static bool is_for(struct mvmi_vm *vm, const struct subscriber *s,
		   const struct mvmi_event *event, struct mvmi_error *err)
{
	struct mvmi_event known = *event;
	struct mvmi_regs regs;

	if (s->ended)
		return false;
	if (s->id == event->subscription)
		return true;
	/* An asynchronous event is of the one subscription that it names. */
	if (s->what.kind != event->kind ||
	    (event->async && event->subscription) ||
	    (s->what.async && !event->async))
		return false;
	if ((s->what.filters & MVMI_FILTER_CR3) &&
	    find_cr3(vm, &known, &regs, err) != MVMI_OK)
		return false;
	return filter_accept(&s->what, &known);
}

/** Run the callbacks of one event, and make their replies one. */
static void deliver(struct mvmi_vm *vm, const struct mvmi_event *event,
		    const struct mvmi_event_desc *desc, struct reply *reply)
{
	struct dispatcher *d = vm->dispatcher;
	uint64_t last =
		d->last_token; /* Who comes later, waits for the next. */
	uint64_t owner = vm->patcher ? vm->patcher->owner(vm, event) : 0;

	for (struct subscriber *s = d->first; s && s->token <= last;
	     s = s->next) {
		struct mvmi_event told = *event;
		struct mvmi_reply own = { .regs = mvmi_regs_empty() };

		if ((owner && s->token != owner) ||
		    !is_for(vm, s, event, reply_complaint(reply)))
			continue;
		told.subscription = s->token;
		vm->pending->own = (mvmi_regset){ { 0, 0 } };
		s->fn(vm, &told, &own, s->arg);
		if (vm->pending->holds != MVMI_HOLDS_NONE)
			reply_merge(reply, vm, desc, &own);
	}
}

/** Bring one event to its subscribers and answer it. */
static enum mvmi_status
handle(struct mvmi_vm *vm, const struct mvmi_event *event,
       struct mvmi_error *err)
{
	const struct mvmi_event_desc *desc = find_desc(vm, event->kind);
	struct mvmi_reply plain = { .regs = mvmi_regs_empty() };
	bool sync = wants_reply(event, desc);
	enum mvmi_status status = MVMI_OK;
	struct reply reply;
	struct pending_event pending = {
		.vcpu = event->id.vcpu,
		.holds = sync ? desc->holds : MVMI_HOLDS_NONE,
		.regs = mvmi_regs_empty(),
		.contradicted = MVMI_REG_COUNT,
	};

	reply_init(&reply);
	vm_new_epoch(vm);
	if (vm->dispatcher) {
		vm->pending = &pending;
		deliver(vm, event, desc, &reply);
		vm->pending = NULL;
	}
	if (sync) {
		reply_finish(&reply, &pending);
		status = answer(vm, event, &reply.merged, err);
		/* No vCPU is left standing because of a reply that failed. */
		if (status != MVMI_OK)
			(void)answer(vm, event, &plain, NULL);
	}
	if (status == MVMI_OK && reply.complaint.status != MVMI_OK) {
		if (err)
			*err = reply.complaint;
		status = reply.complaint.status;
	}
	return status;
}

enum mvmi_status
mvmi_vm_dispatch(struct mvmi_vm *vm, int timeout_ms, struct mvmi_error *err)
{
	enum mvmi_status status = check_event(vm, err);
	struct dispatcher *d;
	struct mvmi_event event;

	if (status != MVMI_OK)
		return status;
	if (vm->pending)
		return fail(err, MVMI_ERR_BUSY,
			    "events aren't dispatched in a callback");
	status = vm_settle(
		vm, vm->conn->event->next(vm->conn, timeout_ms, &event, err));
	if (status != MVMI_OK)
		return status;
	status = handle(vm, &event, err);
	d = vm->dispatcher;
	if (d)
		sweep(d);
	if (!d || !d->drain)
		return status;
	d->drain = false;
	if (d->first)
		return status;
	if (status != MVMI_OK) {
		(void)drain(vm, NULL);
		return status;
	}
	return drain(vm, err);
}
