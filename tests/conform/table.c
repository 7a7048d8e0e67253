/* SPDX-License-Identifier: MIT */
/* CONTRACT, "Capability tables": what is offered, and what is not. */
#include <string.h>

#include "conform.h"

/** Whether a table, an array of pointers to functions, has none that is NULL. */
static bool is_complete(const void *table, size_t size)
{
	void (*fn)(void);
	const char *bytes = table;

	for (size_t off = 0; table && off < size; off += sizeof(fn)) {
		memcpy(&fn, bytes + off, sizeof(fn));
		if (!fn)
			return false;
	}
	return true;
}

#define COMPLETE(table) is_complete(table, sizeof(*(table)))

static void no_member_of_a_table_is_null(struct subject *s)
{
	const struct mvmi_conn *conn = s->vm->conn;

	CHECK(conn->mem && COMPLETE(conn->mem));
	CHECK(COMPLETE(conn->write) && COMPLETE(conn->map));
	CHECK(COMPLETE(conn->vcpu) && COMPLETE(conn->vcpu_set));
	CHECK(COMPLETE(conn->run) && COMPLETE(conn->quiesce));
	CHECK(COMPLETE(conn->event) && COMPLETE(conn->access));
	CHECK(COMPLETE(conn->view) && COMPLETE(conn->inject));
	CHECK(COMPLETE(conn->snapshot));
}

static void a_capability_is_a_table(struct subject *s)
{
	uint32_t caps = mvmi_vm_capabilities(s->vm);
	const struct mvmi_conn *conn = s->vm->conn;

	CHECK(!(caps & MVMI_CAP_EVENT) == !conn->event);
	CHECK(!(caps & MVMI_CAP_VIEW) == !conn->view);
	CHECK(!(caps & MVMI_CAP_SNAPSHOT) == !conn->snapshot);
	CHECK(!(caps & MVMI_CAP_MAP) == !conn->map);
}

static void each_kind_has_one_descriptor(struct subject *s)
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);
	uint32_t seen = 0;

	NEED(count, "no events");
	for (size_t i = 0; i < count; i++) {
		CHECK((unsigned)descs[i].kind < MVMI_EVENT_KIND_COUNT);
		CHECK(!(seen >> descs[i].kind & 1));
		seen |= UINT32_C(1) << descs[i].kind;
	}
}

static void every_kind_can_be_continued(struct subject *s)
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);

	NEED(count, "no events");
	for (size_t i = 0; i < count; i++)
		CHECK(descs[i].replies & MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE));
}

static void skip_deny_and_emulate_exist_only_before(struct subject *s)
{
	const uint32_t before = MVMI_ACTION_BIT(MVMI_ACTION_SKIP) |
				MVMI_ACTION_BIT(MVMI_ACTION_DENY) |
				MVMI_ACTION_BIT(MVMI_ACTION_EMULATE);
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);

	NEED(count, "no events");
	for (size_t i = 0; i < count; i++)
		CHECK(descs[i].phase == MVMI_PHASE_BEFORE ||
		      !(descs[i].replies & before));
}

static void ignore(struct mvmi_vm *vm, const struct mvmi_event *event,
		   struct mvmi_reply *reply_to, void *arg)
{
	(void)vm;
	(void)event;
	(void)reply_to;
	(void)arg;
}

static enum mvmi_status
subscribe(struct subject *s, const struct mvmi_subscription *what)
{
	uint64_t token;

	return mvmi_event_subscribe(s->vm, what, ignore, NULL, &token, NULL);
}

static void a_kind_without_descriptor_is_refused(struct subject *s)
{
	struct mvmi_subscription what = { .size = sizeof(what) };
	unsigned missing = 0;

	for (unsigned k = 0; k < MVMI_EVENT_KIND_COUNT; k++) {
		what.kind = (enum mvmi_event_kind)k;
		if (desc_of(s, what.kind))
			continue;
		missing++;
		CHECK(subscribe(s, &what) == MVMI_ERR_UNSUPPORTED);
	}
	NEED(missing, "every kind has a descriptor");
}

static void a_filter_that_is_not_published_is_refused(struct subject *s)
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);
	unsigned tried = 0;

	for (size_t i = 0; i < count; i++) {
		struct mvmi_subscription what = subscription_to(&descs[i]);

		if (descs[i].filters & MVMI_FILTER_CR3)
			continue;
		what.filters |= MVMI_FILTER_CR3;
		what.async = descs[i].holds == MVMI_HOLDS_NONE;
		tried++;
		CHECK(subscribe(s, &what) == MVMI_ERR_UNSUPPORTED);
	}
	NEED(tried, "every kind can filter by CR3");
}

static void a_kind_that_only_holds_is_not_had_asynchronously(struct subject *s)
{
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_STEP);
	struct mvmi_subscription what;

	NEED(desc && !desc->async, "steps can be had asynchronously");
	what = subscription_to(desc);
	what.async = true;
	CHECK(subscribe(s, &what) == MVMI_ERR_UNSUPPORTED);
}

static void slots_run_out_at_the_published_limit(struct subject *s)
{
	const struct mvmi_event_desc *desc =
		desc_of(s, MVMI_EVENT_HW_BREAKPOINT);
	struct mvmi_subscription what;
	uint64_t id = 0;

	if (!desc || !desc->limit)
		desc = desc_of(s, MVMI_EVENT_MEMORY);
	NEED(desc && desc->limit, "no kind has slots");
	what = subscription_to(desc);
	for (uint32_t i = 0; i < desc->limit; i++) {
		what.start += MVMI_PAGE_SIZE;
		id = enable(s, &what);
	}
	what.start += MVMI_PAGE_SIZE;
	CHECK(s->vm->conn->event->enable(s->vm->conn, &what, &id, NULL) ==
	      MVMI_ERR_LIMIT);
	CHECK(s->vm->conn->event->disable(s->vm->conn, id, NULL) == MVMI_OK);
	(void)enable(s, &what);
}

const struct conform_case cases_table[] = {
	CASE("Capability tables", no_member_of_a_table_is_null),
	CASE("Capability tables", a_capability_is_a_table),
	CASE("Capability tables", each_kind_has_one_descriptor),
	CASE("Capability tables", every_kind_can_be_continued),
	CASE("Events 4", skip_deny_and_emulate_exist_only_before),
	CASE("Capability tables", a_kind_without_descriptor_is_refused),
	CASE("Capability tables", a_filter_that_is_not_published_is_refused),
	CASE("Capability tables",
	     a_kind_that_only_holds_is_not_had_asynchronously),
	CASE("Capability tables", slots_run_out_at_the_published_limit),
	{ 0 },
};
