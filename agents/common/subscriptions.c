/* SPDX-License-Identifier: MIT */
/*
 * What the controller wants to hear of, and the filters.
 *
 * Subscriptions of one kind share a bucket; breakpoints of one address have
 * their own, so that a thousand of them cost what one does.
 */
#include <stdlib.h>

#include "state.h"

static bool is_point(const struct agent_subscription *what)
{
	return what->kind == MVMI_EVENT_HW_BREAKPOINT && what->span <= 1;
}

static size_t bucket_of_address(uint64_t gva)
{
	/* Fibonacci hashing: the golden ratio of 2^64. */
	uint64_t hash = gva * UINT64_C(0x9e3779b97f4a7c15) >> 40;

	return MVMI_EVENT_KIND_COUNT + hash % (BUCKETS - MVMI_EVENT_KIND_COUNT);
}

static size_t bucket_of(const struct agent_subscription *what)
{
	return is_point(what) ? bucket_of_address(what->start) : what->kind;
}

uint64_t
subscriptions_add(struct agent *agent, const struct agent_subscription *what)
{
	struct subscription *sub = malloc(sizeof(*sub));
	struct subscription **end = &agent->buckets[bucket_of(what)];

	if (!sub)
		return 0;
	while (*end)
		end = &(*end)->next;
	*sub = (struct subscription){ .id = ++agent->last_id, .what = *what };
	*end = sub;
	atomic_fetch_add(&agent->listeners[what->kind], 1);
	return sub->id;
}

bool subscriptions_remove(struct agent *agent, uint64_t id)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct subscription **at = &agent->buckets[i];

		while (*at && (*at)->id != id)
			at = &(*at)->next;
		if (*at) {
			struct subscription *sub = *at;

			*at = sub->next;
			atomic_fetch_sub(&agent->listeners[sub->what.kind], 1);
			free(sub);
			return true;
		}
	}
	return false;
}

uint64_t subscriptions_any(const struct agent *agent)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		if (agent->buckets[i])
			return agent->buckets[i]->id;
	}
	return 0;
}

/** CR3, asked of the host at most once an event. */
struct cr3 {
	const struct agent_context *context;
	uint32_t vcpu;
	bool known;
	uint64_t value;
};

static uint64_t cr3_value(struct cr3 *cr3)
{
	if (!cr3->known)
		cr3->value = cr3->context->cr3(cr3->context->arg, cr3->vcpu);
	cr3->known = true;
	return cr3->value;
}

static bool matches_place(const struct agent_subscription *what,
			  const struct agent_event *event)
{
	uint64_t span = what->span ? what->span : 1;

	if (event->kind == MVMI_EVENT_HW_BREAKPOINT)
		return event->gva - what->start < span;
	if (!(what->filters & MVMI_FILTER_RANGE))
		return true;
	/* Either end of the access may lie in the range. */
	return event->gpa - what->start < span ||
	       what->start - event->gpa < event->span;
}

static bool matches(const struct agent_subscription *what,
		    const struct agent_event *event, struct cr3 *cr3)
{
	uint32_t filters = what->filters;
	uint32_t bit = event->vcpu < 63 ? event->vcpu : 63;

	if (what->kind != event->kind)
		return false;
	if (event->page_walk &&
	    (what->skip_page_walks || (filters & MVMI_FILTER_PAGE_WALK)))
		return false;
	if (what->access && event->access && !(what->access & event->access))
		return false;
	if ((filters & MVMI_FILTER_VCPU) && !(what->vcpus >> bit & 1))
		return false;
	if ((filters & MVMI_FILTER_INDEX) && what->index != event->index)
		return false;
	if ((filters & MVMI_FILTER_VECTOR) &&
	    !(what->vectors[event->vector / 64 % 4] >> event->vector % 64 & 1))
		return false;
	if ((filters & MVMI_FILTER_VALUE) &&
	    (event->value & what->value_mask) != what->value)
		return false;
	if (!matches_place(what, event))
		return false;
	return !(filters & MVMI_FILTER_CR3) ||
	       (cr3_value(cr3) & what->cr3_mask) == what->cr3;
}

static void
match_bucket(const struct subscription *sub, const struct agent_event *event,
	     struct cr3 *cr3, struct wanted *wanted)
{
	for (; sub; sub = sub->next) {
		if (!matches(&sub->what, event, cr3))
			continue;
		if (sub->what.async) {
			if (!wanted->async)
				wanted->async = sub->id;
			wanted->hold_when_full |= sub->what.hold_when_full != 0;
		} else if (!wanted->sync) {
			wanted->sync = sub->id;
		}
		wanted->groups |= sub->what.groups;
	}
}

struct wanted
subscriptions_match(const struct agent *agent, const struct agent_event *event,
		    const struct agent_context *context)
{
	struct cr3 cr3 = { .context = context, .vcpu = event->vcpu };
	struct wanted wanted = { 0 };

	if (event->kind == MVMI_EVENT_HW_BREAKPOINT)
		match_bucket(agent->buckets[bucket_of_address(event->gva)],
			     event, &cr3, &wanted);
	match_bucket(agent->buckets[event->kind], event, &cr3, &wanted);
	return wanted;
}

bool agent_listens(const struct agent *agent, enum mvmi_event_kind kind)
{
	return atomic_load_explicit(&agent->listeners[kind],
				    memory_order_relaxed) != 0;
}
