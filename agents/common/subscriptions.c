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

const struct agent_desc *agent_desc(const struct agent *agent, uint32_t kind)
{
	const struct agent_host *host = agent->host;

	for (uint32_t i = 0; i < host->desc_count; i++) {
		if (host->descs[i].kind == kind)
			return &host->descs[i];
	}
	return NULL;
}

/* ---- the table ---------------------------------------------------------- */

/* An id is a count, and its bucket in the low bits. */
static uint32_t bucket_of_id(uint64_t id)
{
	return (uint32_t)(id % BUCKETS);
}

uint64_t
subscriptions_add(struct agent *agent, const struct agent_subscription *what)
{
	size_t bucket = bucket_of(what);
	struct subscription **end = &agent->buckets[bucket];
	struct subscription *sub;

	if (agent->subscription_count == AGENT_SUBSCRIPTIONS_MAX)
		return 0;
	sub = malloc(sizeof(*sub));
	if (!sub)
		return 0;
	while (*end)
		end = &(*end)->next;
	*sub = (struct subscription){
		.id = ++agent->last_id << BUCKETS_LOG2 | bucket,
		.what = *what,
	};
	*end = sub;
	agent->subscription_count++;
	atomic_fetch_add(&agent->listeners[what->kind], 1);
	return sub->id;
}

const struct subscription *
subscriptions_find(const struct agent *agent, uint64_t id)
{
	const struct subscription *sub = agent->buckets[bucket_of_id(id)];

	while (sub && sub->id != id)
		sub = sub->next;
	return sub;
}

bool subscriptions_remove(struct agent *agent, uint64_t id)
{
	struct subscription **at = &agent->buckets[bucket_of_id(id)];
	struct subscription *sub;

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	sub = *at;
	if (!sub)
		return false;
	*at = sub->next;
	agent->subscription_count--;
	atomic_fetch_sub(&agent->listeners[sub->what.kind], 1);
	free(sub);
	return true;
}

uint64_t subscriptions_any(const struct agent *agent, uint32_t *bucket)
{
	for (; *bucket < BUCKETS; ++*bucket) {
		if (agent->buckets[*bucket])
			return agent->buckets[*bucket]->id;
	}
	return 0;
}

/* ---- filters ------------------------------------------------------------ */

void sight_cr3(const struct sight *sight)
{
	struct agent_event *event = sight->event;

	if (event->known & AGENT_KNOWS_CR3)
		return;
	event->cr3 = sight->context->cr3(sight->context->arg, event->vcpu);
	event->known |= AGENT_KNOWS_CR3;
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

static bool matches_mask(uint64_t value, uint64_t wanted, uint64_t mask)
{
	return mvmi_match_accepts((struct mvmi_match){ wanted, mask }, value);
}

static bool
matches(const struct agent_subscription *what, const struct sight *sight)
{
	const struct agent_event *event = sight->event;
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
	    !matches_mask(event->value, what->value, what->value_mask))
		return false;
	if (!matches_place(what, event))
		return false;
	if (!(filters & MVMI_FILTER_CR3))
		return true;
	sight_cr3(sight);
	return matches_mask(event->cr3, what->cr3, what->cr3_mask);
}

/** The next that matches in a list, of those after an id, or NULL. */
static const struct subscription *
find_match(const struct subscription *sub, const struct sight *sight,
	   uint64_t after, bool async)
{
	while (sub && (sub->id <= after || (sub->what.async != 0) != async ||
		       !matches(&sub->what, sight)))
		sub = sub->next;
	return sub;
}

static const struct subscription *
point_list(const struct agent *agent, const struct agent_event *event)
{
	if (event->kind != MVMI_EVENT_HW_BREAKPOINT)
		return NULL;
	return agent->buckets[bucket_of_address(event->gva)];
}

struct wanted
subscriptions_match_sync(const struct agent *agent, const struct sight *sight)
{
	const struct subscription *lists[2] = {
		point_list(agent, sight->event),
		agent->buckets[sight->event->kind],
	};
	struct wanted wanted = { 0 };

	for (size_t i = 0; i < 2; i++) {
		const struct subscription *sub =
			find_match(lists[i], sight, 0, false);

		while (sub) {
			if (!wanted.id)
				wanted.id = sub->id;
			wanted.groups |= sub->what.groups;
			sub = find_match(sub->next, sight, 0, false);
		}
	}
	return wanted;
}

const struct subscription *
subscriptions_match_async(const struct agent *agent, const struct sight *sight,
			  uint64_t after)
{
	const struct subscription *point =
		find_match(point_list(agent, sight->event), sight, after, true);
	const struct subscription *kind = find_match(
		agent->buckets[sight->event->kind], sight, after, true);

	if (!point || !kind)
		return point ? point : kind;
	return point->id < kind->id ? point : kind;
}

bool agent_listens(const struct agent *agent, enum mvmi_event_kind kind)
{
	return atomic_load_explicit(&agent->listeners[kind],
				    memory_order_relaxed) != 0;
}
