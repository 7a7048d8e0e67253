/* SPDX-License-Identifier: MIT */
/* CONTRACT, Events 8 and 9, "Undone on every way out", "Who may connect". */
#include <string.h>

#include "conform.h"

/** Take everything that a client can take, with an event pending. */
static void take_it_all(struct subject *s)
{
	struct mvmi_conn *conn = s->vm->conn;
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	uint32_t view = 0;

	(void)enable(s, &what);
	act(s, 0, &trigger.deed);
	s->ops->run(s);
	if (conn->access)
		CHECK(conn->access->set(conn, 0, mvmi_gfn_at(0x10),
					MVMI_ACCESS_R | MVMI_ACCESS_X,
					NULL) == MVMI_OK ||
		      conn->access->set(conn, 0, mvmi_gfn_at(0x10),
					MVMI_ACCESS_X, NULL) == MVMI_OK);
	if (conn->view) {
		CHECK(conn->view->create(conn, &view, NULL) == MVMI_OK);
		CHECK(conn->view->switch_to(conn, 1, view, NULL) == MVMI_OK);
	}
	if (conn->run)
		CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	CHECK(!s->ops->is_untouched(s));
}

static void close_vm(struct subject *s)
{
	mvmi_vm_close(s->vm);
	s->vm = NULL;
}

static void close_leaves_nothing_of_ours(struct subject *s)
{
	take_it_all(s);
	close_vm(s);
	CHECK(s->ops->is_untouched(s));
}

static void close_answers_what_is_pending(struct subject *s)
{
	take_it_all(s);
	close_vm(s);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
	CHECK(s->ops->ask(s, 0).left == 0);
}

static void the_death_of_the_client_leaves_nothing_of_ours(struct subject *s)
{
	take_it_all(s);
	s->ops->drop(s);
	CHECK(s->ops->is_untouched(s));
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
}

static void detaching_twice_is_as_detaching_once(struct subject *s)
{
	take_it_all(s);
	s->ops->drop(s);
	s->ops->drop(s);
	close_vm(s);
	CHECK(s->ops->is_untouched(s));
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
}

static void bytes_and_registers_written_on_purpose_stay(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	const uint8_t one = 1;
	uint8_t byte = 0;

	NEED(s->vm->conn->write && s->vm->conn->vcpu_set, "nothing to write");
	CHECK(mvmi_mem_write(s->vm, SUBJECT_PAGE,
			     (struct mvmi_bytes){ &one, 1 },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
	mvmi_regset_add(&regs.dirty, MVMI_REG_RIP);
	regs.x86.rip = 0x3000;
	CHECK(mvmi_vcpu_set_regs(s->vm, 0, &regs, NULL) == MVMI_OK);
	close_vm(s);
	CHECK(s->ops->peek(s, SUBJECT_PAGE, (struct mvmi_span){ &byte, 1 }));
	CHECK(byte == 1);
	CHECK(s->ops->ask(s, 0).rip == 0x3000);
}

static void a_stop_outlives_the_connection(struct subject *s)
{
	NEED(s->vm->conn->run, "the VM can't be stopped");
	CHECK(mvmi_vm_stop(s->vm, NULL) == MVMI_OK);
	close_vm(s);
	CHECK(s->ops->is_stopped(s));
}

static void the_end_of_the_vm_is_an_event_once_and_then_gone(struct subject *s)
{
	NEED(s->vm->conn->event, "no events");
	s->ops->kill(s);
	CHECK(next(s).kind == MVMI_EVENT_GONE);
	CHECK(next_status(s) == MVMI_ERR_GONE);
	CHECK(next_status(s) == MVMI_ERR_GONE);
}

static void every_operation_says_gone_within_a_second(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_conn *conn = s->vm->conn;
	struct mvmi_extent extent;
	enum mvmi_run_state state;
	size_t count;

	s->ops->kill(s);
	s->ops->wait(s, 1000);
	CHECK(conn->mem->regions(conn, NULL, 0, &count, NULL) == MVMI_ERR_GONE);
	CHECK(conn->mem->extent(conn, SUBJECT_PAGE, &extent, NULL) ==
	      MVMI_ERR_GONE);
	CHECK(conn->mem->readv(conn, NULL, 0, NULL) == MVMI_ERR_GONE);
	if (conn->vcpu)
		CHECK(conn->vcpu->get(conn, 0, MVMI_REGS_GENERAL, &regs,
				      NULL) == MVMI_ERR_GONE);
	if (!conn->run)
		return;
	CHECK(conn->run->hold(conn, NULL) == MVMI_ERR_GONE);
	CHECK(conn->run->release(conn, NULL) == MVMI_ERR_GONE);
	CHECK(conn->run->stop(conn, NULL) == MVMI_ERR_GONE);
	CHECK(conn->run->start(conn, NULL) == MVMI_ERR_GONE);
	CHECK(conn->run->state(conn, &state, NULL) == MVMI_ERR_GONE);
}

static void gone_is_for_ever(struct subject *s)
{
	uint8_t byte;
	struct mvmi_span dst = { &byte, 1 };

	s->ops->kill(s);
	s->ops->wait(s, 1000);
	CHECK(s->vm->conn->driver->poll(s->vm->conn, NULL) == MVMI_ERR_GONE);
	CHECK(mvmi_vm_dispatch(s->vm, 0, NULL) == MVMI_OK);
	CHECK(mvmi_vm_dispatch(s->vm, 0, NULL) == MVMI_ERR_GONE);
	CHECK(mvmi_mem_read(s->vm, SUBJECT_PAGE, dst, NULL) == MVMI_ERR_GONE);
	CHECK(mvmi_mem_read(s->vm, SUBJECT_PAGE, dst, NULL) == MVMI_ERR_GONE);
}

static void a_far_side_that_is_gone_is_told_from_the_vms_end(struct subject *s)
{
	uint8_t byte;

	NEED(s->vm->conn->event, "no far side");
	s->ops->drop(s);
	CHECK(next_status(s) == MVMI_ERR_SYSTEM);
	CHECK(next_status(s) == MVMI_ERR_SYSTEM);
	CHECK(mvmi_mem_read(s->vm, SUBJECT_PAGE, (struct mvmi_span){ &byte, 1 },
			    NULL) == MVMI_OK);
}

static void a_second_controller_is_busy_and_told_of_the_first(struct subject *s)
{
	struct trigger trigger = any_trigger(s, 0);
	struct mvmi_subscription what = subscription_to(trigger.desc);
	struct mvmi_error err;
	char pid[24];
	uint64_t id;

	(void)snprintf(pid, sizeof(pid), "%lld",
		       (long long)s->ops->occupy(s, 4711));
	CHECK(s->vm->conn->event->enable(s->vm->conn, &what, &id, &err) ==
	      MVMI_ERR_BUSY);
	CHECK(strstr(err.msg, pid) != NULL);
}

static void readers_are_not_kept_out_by_a_controller(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	uint8_t byte;

	(void)s->ops->occupy(s, 4711);
	CHECK(mvmi_mem_read(s->vm, SUBJECT_PAGE, (struct mvmi_span){ &byte, 1 },
			    NULL) == MVMI_OK);
	NEED(s->vm->conn->vcpu, "no registers");
	CHECK(mvmi_vcpu_get_regs(s->vm, 0, MVMI_REGS_GENERAL, &regs, NULL) ==
	      MVMI_OK);
}

static void a_reset_begins_a_new_incarnation(struct subject *s)
{
	uint64_t before = mvmi_vm_incarnation(s->vm);
	uint64_t epoch = vm_epoch(s->vm);
	size_t count;

	CHECK(before == 1);
	s->ops->reset(s);
	CHECK(mvmi_mem_regions(s->vm, NULL, 0, &count, NULL) == MVMI_OK);
	CHECK(mvmi_vm_incarnation(s->vm) == before + 1);
	CHECK(vm_epoch(s->vm) != epoch);
}

static void a_reset_and_a_shutdown_are_events_where_published(struct subject *s)
{
	struct mvmi_subscription what = { .size = sizeof(what),
					  .kind = MVMI_EVENT_SHUTDOWN,
					  .async = true };
	struct deed deed = deed_for(MVMI_EVENT_SHUTDOWN);

	NEED(desc_of(s, what.kind), "no shutdown events");
	(void)enable(s, &what);
	act(s, 0, &deed);
	CHECK(next(s).kind == MVMI_EVENT_SHUTDOWN);
	what.kind = MVMI_EVENT_RESET;
	if (!desc_of(s, what.kind))
		return;
	(void)enable(s, &what);
	s->ops->reset(s);
	CHECK(next(s).kind == MVMI_EVENT_RESET);
}

const struct conform_case cases_life[] = {
	CASE("Events 9", close_leaves_nothing_of_ours),
	CASE("Events 9", close_answers_what_is_pending),
	CASE("Undone", the_death_of_the_client_leaves_nothing_of_ours),
	CASE("Events 9", detaching_twice_is_as_detaching_once),
	CASE("Undone", bytes_and_registers_written_on_purpose_stay),
	CASE("Undone", a_stop_outlives_the_connection),
	CASE("Events 8", the_end_of_the_vm_is_an_event_once_and_then_gone),
	CASE("Events 8", every_operation_says_gone_within_a_second),
	CASE("Events 8", gone_is_for_ever),
	CASE("Events 8", a_far_side_that_is_gone_is_told_from_the_vms_end),
	CASE("Who may connect",
	     a_second_controller_is_busy_and_told_of_the_first),
	CASE("Who may connect", readers_are_not_kept_out_by_a_controller),
	CASE("Incarnations", a_reset_begins_a_new_incarnation),
	CASE("Capability tables",
	     a_reset_and_a_shutdown_are_events_where_published),
	{ 0 },
};
