/* SPDX-License-Identifier: MIT */
/* CONTRACT, the tables access and view. */
#include "conform.h"

#define ALL (MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X)

static const struct mvmi_view_ops *need_view(struct subject *s)
{
	NEED(s->vm->conn->view, "no views");
	return s->vm->conn->view;
}

static uint32_t create(struct subject *s)
{
	uint32_t view = 0;

	CHECK(need_view(s)->create(s->vm->conn, &view, NULL) == MVMI_OK);
	CHECK(view != 0);
	return view;
}

static void access_is_what_it_was_set_to(struct subject *s)
{
	const struct mvmi_access_ops *ops = s->vm->conn->access;
	mvmi_gfn gfn = mvmi_gfn_of(SUBJECT_PAGE);
	unsigned offered = 0;
	uint32_t got = 0;

	NEED(ops, "no permissions");
	CHECK(ops->get(s->vm->conn, 0, gfn, &got, NULL) == MVMI_OK);
	CHECK(got == ALL);
	for (uint32_t access = 0; access <= ALL; access++) {
		enum mvmi_status status =
			ops->set(s->vm->conn, 0, gfn, access, NULL);

		if (status == MVMI_ERR_UNSUPPORTED)
			continue;
		CHECK(status == MVMI_OK);
		CHECK(ops->get(s->vm->conn, 0, gfn, &got, NULL) == MVMI_OK);
		CHECK(got == access);
		offered++;
	}
	CHECK(offered >= 2);
}

static void a_combination_that_is_refused_changes_nothing(struct subject *s)
{
	const struct mvmi_access_ops *ops = s->vm->conn->access;
	mvmi_gfn gfn = mvmi_gfn_of(SUBJECT_PAGE);
	unsigned refused = 0;
	uint32_t got = 0;

	NEED(ops, "no permissions");
	for (uint32_t access = 0; access < ALL; access++) {
		if (ops->set(s->vm->conn, 0, gfn, access, NULL) == MVMI_OK)
			CHECK(ops->set(s->vm->conn, 0, gfn, ALL, NULL) ==
			      MVMI_OK);
		else
			refused++;
		CHECK(ops->get(s->vm->conn, 0, gfn, &got, NULL) == MVMI_OK);
		CHECK(got == ALL);
	}
	NEED(refused, "every combination can be had");
}

static void access_where_nothing_is_is_a_fault(struct subject *s)
{
	const struct mvmi_access_ops *ops = s->vm->conn->access;

	NEED(ops, "no permissions");
	CHECK(ops->set(s->vm->conn, 0, mvmi_gfn_of(SUBJECT_HOLE), ALL, NULL) ==
	      MVMI_ERR_FAULT);
}

static void a_view_has_permissions_of_its_own(struct subject *s)
{
	uint32_t view = create(s);
	const struct mvmi_access_ops *ops = s->vm->conn->access;
	mvmi_gfn gfn = mvmi_gfn_of(SUBJECT_PAGE);
	uint32_t got = 0;

	NEED(ops, "no permissions");
	CHECK(ops->set(s->vm->conn, view, gfn, MVMI_ACCESS_X, NULL) == MVMI_OK);
	CHECK(ops->get(s->vm->conn, 0, gfn, &got, NULL) == MVMI_OK);
	CHECK(got == ALL);
}

static void a_view_that_a_vcpu_is_in_is_not_destroyed(struct subject *s)
{
	uint32_t view = create(s);
	const struct mvmi_view_ops *ops = need_view(s);

	CHECK(ops->switch_to(s->vm->conn, 0, view, NULL) == MVMI_OK);
	CHECK(ops->destroy(s->vm->conn, view, NULL) == MVMI_ERR_BUSY);
	CHECK(ops->switch_to(s->vm->conn, 0, 0, NULL) == MVMI_OK);
	CHECK(ops->destroy(s->vm->conn, view, NULL) == MVMI_OK);
	CHECK(ops->switch_to(s->vm->conn, 0, view, NULL) == MVMI_ERR_INVALID);
}

static void views_run_out_with_limit(struct subject *s)
{
	const struct mvmi_view_ops *ops = need_view(s);
	enum mvmi_status status = MVMI_OK;
	uint32_t view;

	for (int i = 0; status == MVMI_OK && i < 1000; i++)
		status = ops->create(s->vm->conn, &view, NULL);
	CHECK(status == MVMI_ERR_LIMIT);
}

static void a_remapped_frame_is_another_in_that_view_only(struct subject *s)
{
	uint32_t view = create(s);
	const struct mvmi_view_ops *ops = need_view(s);
	const struct deed load = { DEED_LOAD, .gpa = SUBJECT_PAGE };
	const uint8_t one = 1;
	mvmi_gpa target = mvmi_gpa_at(0xa000);

	CHECK(mvmi_mem_write(s->vm, target, (struct mvmi_bytes){ &one, 1 },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
	CHECK(ops->remap(s->vm->conn, view, mvmi_gfn_of(SUBJECT_PAGE),
			 mvmi_gfn_of(target), NULL) == MVMI_OK);
	act(s, 0, &load);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).value == 0);
	CHECK(ops->switch_to(s->vm->conn, 0, view, NULL) == MVMI_OK);
	act(s, 0, &load);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).value == 1);
	CHECK(ops->remap(s->vm->conn, view, mvmi_gfn_of(SUBJECT_PAGE),
			 mvmi_gfn_of(SUBJECT_PAGE), NULL) == MVMI_OK);
	act(s, 0, &load);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).value == 0);
}

static void a_frame_made_for_a_view_is_none_of_the_guests(struct subject *s)
{
	const struct mvmi_view_ops *ops = need_view(s);
	const uint8_t one = 1;
	uint8_t byte = 0xff;
	mvmi_gfn gfn = { 0 };
	mvmi_gpa gpa;
	struct mvmi_region regions[16];
	size_t count;

	CHECK(ops->frame_create(s->vm->conn, &gfn, NULL) == MVMI_OK);
	gpa = mvmi_gpa_at(gfn.val * MVMI_PAGE_SIZE);
	CHECK(mvmi_mem_regions(s->vm, regions, 16, &count, NULL) == MVMI_OK);
	for (size_t i = 0; i < count && i < 16; i++)
		CHECK(gpa.val - regions[i].start.val >= regions[i].len);
	CHECK(mvmi_mem_read(s->vm, gpa, (struct mvmi_span){ &byte, 1 }, NULL) ==
	      MVMI_OK);
	CHECK(byte == 0);
	CHECK(mvmi_mem_write(s->vm, gpa, (struct mvmi_bytes){ &one, 1 },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
	CHECK(mvmi_mem_read(s->vm, gpa, (struct mvmi_span){ &byte, 1 }, NULL) ==
	      MVMI_OK);
	CHECK(byte == 1);
	CHECK(ops->frame_destroy(s->vm->conn, gfn, NULL) == MVMI_OK);
	CHECK(ops->frame_destroy(s->vm->conn, gfn, NULL) == MVMI_ERR_INVALID);
}

static void a_frame_that_a_view_shows_is_not_destroyed(struct subject *s)
{
	const struct mvmi_view_ops *ops = need_view(s);
	mvmi_gfn page = mvmi_gfn_of(SUBJECT_PAGE);
	uint32_t view = create(s);
	mvmi_gfn gfn = { 0 };

	CHECK(ops->frame_create(s->vm->conn, &gfn, NULL) == MVMI_OK);
	CHECK(ops->remap(s->vm->conn, view, page, gfn, NULL) == MVMI_OK);
	CHECK(ops->frame_destroy(s->vm->conn, gfn, NULL) == MVMI_ERR_BUSY);
	CHECK(ops->remap(s->vm->conn, view, page, page, NULL) == MVMI_OK);
	CHECK(ops->frame_destroy(s->vm->conn, gfn, NULL) == MVMI_OK);
}

static void a_view_is_of_the_vcpu_or_of_the_vm_as_published(struct subject *s)
{
	uint32_t view = create(s);
	const struct mvmi_view_ops *ops = need_view(s);
	const struct mvmi_access_ops *access = s->vm->conn->access;
	bool of_vm = ops->scope(s->vm->conn) == MVMI_HOLDS_VM;
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MEMORY);
	struct mvmi_subscription what;
	struct deed deed;

	NEED(access && desc, "no memory events");
	what = (struct mvmi_subscription){ .size = sizeof(what),
					   .kind = desc->kind };
	deed = deed_for(desc->kind);
	CHECK(access->set(s->vm->conn, view, mvmi_gfn_of(SUBJECT_PAGE),
			  MVMI_ACCESS_R | MVMI_ACCESS_X, NULL) == MVMI_OK);
	CHECK(s->vm->conn->event->enable(s->vm->conn, &what, &(uint64_t){ 0 },
					 NULL) == MVMI_OK);
	CHECK(ops->switch_to(s->vm->conn, 0, view, NULL) == MVMI_OK);
	act(s, 1, &deed);
	CHECK((next_status(s) == MVMI_OK) == of_vm);
	act(s, 0, &deed);
	CHECK(next(s).id.vcpu == 0);
}

static void a_reply_can_switch_the_view_and_try_again(struct subject *s)
{
	struct mvmi_reply what = { .action = MVMI_ACTION_SWITCH_VIEW,
				   .regs = { .size = sizeof(what.regs) } };
	const struct mvmi_event_desc *desc = desc_of(s, MVMI_EVENT_MEMORY);
	struct mvmi_subscription subscription;
	struct mvmi_event event;
	struct deed deed;

	NEED(desc && (desc->replies & MVMI_ACTION_BIT(what.action)),
	     "no memory event switches views");
	what.view = create(s);
	subscription = subscription_to(desc);
	deed = deed_for(desc->kind);
	(void)enable(s, &subscription);
	act(s, 0, &deed);
	event = next(s);
	CHECK(s->vm->conn->event->reply(s->vm->conn, event.id, &what, NULL) ==
	      MVMI_OK);
	CHECK(next_status(s) == MVMI_ERR_TIMEOUT);
	CHECK(s->ops->ask(s, 0).executed == 1);
}

const struct conform_case cases_view[] = {
	CASE("Capability tables", access_is_what_it_was_set_to),
	CASE("Capability tables",
	     a_combination_that_is_refused_changes_nothing),
	CASE("Capability tables", access_where_nothing_is_is_a_fault),
	CASE("Capability tables", a_view_has_permissions_of_its_own),
	CASE("Capability tables", a_view_that_a_vcpu_is_in_is_not_destroyed),
	CASE("Capability tables", views_run_out_with_limit),
	CASE("Capability tables",
	     a_remapped_frame_is_another_in_that_view_only),
	CASE("Capability tables",
	     a_frame_made_for_a_view_is_none_of_the_guests),
	CASE("Capability tables", a_frame_that_a_view_shows_is_not_destroyed),
	CASE("Capability tables",
	     a_view_is_of_the_vcpu_or_of_the_vm_as_published),
	CASE("Capability tables", a_reply_can_switch_the_view_and_try_again),
	{ 0 },
};
