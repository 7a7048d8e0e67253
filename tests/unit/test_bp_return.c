/* SPDX-License-Identifier: MIT */
/* Return breakpoints, and what only the guest's operating system can tell. */
#include "bp_guest.h"
#include "drivers/fault/fault.h"

#define STACK UINT64_C(0x8000)

/* ---- returns ----------------------------------------------------------- */

static void write_word(uint64_t gpa, uint64_t word)
{
	uint8_t bytes[8];

	memcpy(bytes, &word, sizeof(bytes));
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(gpa),
			     (struct mvmi_bytes){ bytes, sizeof(bytes) },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
}

/** Be at an address with this stack pointer, and execute one instruction. */
static void go(unsigned vcpu, uint64_t rip, uint64_t rsp)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	regs.x86.gpr[MVMI_REG_RSP] = rsp;
	mvmi_regset_add(&regs.dirty, MVMI_REG_RSP);
	CHECK(mvmi_vcpu_set_regs(vm, vcpu, &regs, NULL) == MVMI_OK);
	walk(vcpu, rip, 1);
	run();
}

static void call(unsigned vcpu, uint64_t rsp)
{
	write_word(rsp, OTHER);
	go(vcpu, CODE, rsp);
}

static void come_back(unsigned vcpu, uint64_t rsp)
{
	go(vcpu, OTHER, rsp + 8);
}

static enum mvmi_status
add_returning(struct watcher *watcher, struct mvmi_bp_options options)
{
	options.on_return = true;
	return add(watcher, options);
}

static void a_return_is_told_once(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add_returning(&a, by(way, CODE)) == MVMI_OK);
		call(0, STACK);
		CHECK(a.calls == 1 && a.returns == 0);
		come_back(0, STACK);
		CHECK(a.returns == 1 && a.last.gva.val == OTHER);
		CHECK(a.last.frame == STACK && a.last.bp == a.bp);
		come_back(0, STACK);
		CHECK(a.returns == 1);
		CHECK(info_of(&a).returns == 1);
		CHECK(info_of(&a).returns_lost == 0);
		CHECK(mock_seen(far, 0).executed == 3);
		CHECK(mock_seen(far, 0).delivered == 0);
		CHECK(byte_at(OTHER) == 0x90);
		end();
	}
}

static void a_recursion_returns_from_the_inside_out(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add_returning(&a, by(way, CODE)) == MVMI_OK);
		call(0, STACK);
		call(0, STACK - 0x20);
		come_back(0, STACK - 0x20);
		CHECK(a.returns == 1 && a.last.frame == STACK - 0x20);
		come_back(0, STACK);
		CHECK(a.returns == 2 && a.last.frame == STACK);
		CHECK(strcmp(a.order, "EERR") == 0);
		end();
	}
}

/** longjmp() and exceptions leave frames without returning from them. */
static void a_frame_that_was_jumped_over_is_lost(void)
{
	begin("tcg");
	CHECK(add_returning(&a, at(CODE)) == MVMI_OK);
	call(0, STACK);
	call(0, STACK - 0x20);
	come_back(0, STACK);
	CHECK(a.returns == 1 && a.last.frame == STACK);
	CHECK(info_of(&a).returns_lost == 1);
	end();
}

static void removing_takes_the_returns_along(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add_returning(&a, by(way, CODE)) == MVMI_OK);
		call(0, STACK);
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
		check_code_is_untouched();
		come_back(0, STACK);
		CHECK(a.returns == 0 && mock_seen(far, 0).executed == 2);
		end();
	}
}

static void a_one_shot_still_returns(void)
{
	struct mvmi_bp_info info = { .size = sizeof(info) };
	struct mvmi_bp_options options = at(CODE);

	begin("tcg");
	options.one_shot = true;
	CHECK(add_returning(&a, options) == MVMI_OK);
	call(0, STACK);
	call(0, STACK - 0x20);
	CHECK(a.calls == 1);
	come_back(0, STACK);
	CHECK(a.returns == 1);
	CHECK(mvmi_bp_get(vm, a.bp, &info, NULL) == MVMI_ERR_INVALID);
	end();
}

static void a_stack_that_is_not_there_loses_the_return(void)
{
	begin("tcg");
	CHECK(add_returning(&a, at(CODE)) == MVMI_OK);
	go(0, CODE, UINT64_C(0x7fff0000));
	CHECK(a.calls == 1 && info_of(&a).returns_lost == 1);
	end();
}

/** A function is called from few places, but often. */
static void the_next_return_to_a_place_needs_no_arming(void)
{
	uint64_t calls[4];

	begin("tcg");
	vm->conn = fault_wrap(vm->conn, 0, MVMI_ERR_SYSTEM);
	CHECK(add_returning(&a, at(CODE)) == MVMI_OK);
	for (unsigned i = 0; i < 4; i++) {
		calls[i] = fault_calls(vm->conn);
		call(0, STACK + 0x40 * (uint64_t)i);
		come_back(0, STACK + 0x40 * (uint64_t)i);
		CHECK(a.returns == i + 1);
	}
	CHECK(calls[2] - calls[1] < calls[1] - calls[0]);
	CHECK(calls[3] - calls[2] == calls[2] - calls[1]);
	/* Nobody was called: it is no return. */
	come_back(0, STACK + 0x1000);
	CHECK(a.returns == 4 && info_of(&a).returns_lost == 0);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	CHECK(mock_is_untouched(far));
	end();
}

static void only_so_many_returns_are_waited_for(void)
{
	enum {
		MANY = 300,
		MAX = 256
	};

	begin("tcg");
	CHECK(add_returning(&a, at(CODE)) == MVMI_OK);
	for (uint64_t i = 0; i < MANY; i++)
		call(0, STACK + 0x8000 - 0x10 * i);
	CHECK(a.calls == MANY && info_of(&a).returns_lost == MANY - MAX);
	for (uint64_t i = MANY; i-- > 0;)
		come_back(0, STACK + 0x8000 - 0x10 * i);
	CHECK(a.returns == MAX);
	end();
}

/* ---- processes --------------------------------------------------------- */

/** By vCPU: which process and thread runs there; 0: it can't be told. */
static uint64_t processes[2];
static uint64_t threads[2];
static bool is_file;

static enum mvmi_status
current(struct mvmi_vm *of, unsigned vcpu, const struct mvmi_regs *regs,
	struct mvmi_bp_current *ret, void *arg, struct mvmi_error *err)
{
	(void)of;
	(void)err;
	if (arg != processes || !regs || !processes[vcpu])
		return MVMI_ERR_NOT_PRESENT;
	ret->process = processes[vcpu];
	ret->thread = threads[vcpu];
	return MVMI_OK;
}

static enum mvmi_status
file_backed(struct mvmi_vm *of, struct mvmi_space *space, mvmi_gva gva,
	    bool *ret, void *arg, struct mvmi_error *err)
{
	(void)of;
	(void)space;
	(void)arg;
	(void)err;
	*ret = is_file && gva.val;
	return MVMI_OK;
}

static void know_the_guest(void)
{
	const struct mvmi_bp_guest guest = {
		.size = sizeof(guest),
		.arg = processes,
		.current = current,
		.file_backed = file_backed,
	};

	CHECK(mvmi_bp_set_guest(vm, &guest, NULL) == MVMI_OK);
	processes[0] = 70;
	processes[1] = 80;
	threads[0] = 71;
	threads[1] = 81;
}

static void a_process_is_kept_apart_from_others(void)
{
	EACH_WAY(way)
	{
		struct mvmi_bp_options options = by(way, CODE);

		begin(way->personality);
		options.process = 80;
		CHECK(add(&a, options) == MVMI_ERR_INVALID);
		know_the_guest();
		CHECK(add(&a, options) == MVMI_OK);
		CHECK(mvmi_bp_set_guest(vm, NULL, NULL) == MVMI_ERR_BUSY);
		options.thread = 82;
		CHECK(add(&b, options) == MVMI_OK);
		walk(0, CODE, 1);
		walk(1, CODE, 1);
		run();
		CHECK(a.calls == 1 && a.by_vcpu[1] == 1 && b.calls == 0);
		CHECK(a.last.process == 80 && a.last.thread == 81);
		processes[1] = 0;
		walk(1, CODE, 1);
		run();
		CHECK(a.calls == 1 && mock_seen(far, 1).executed == 2);
		end();
	}
}

static void the_end_of_a_process_ends_its_breakpoints(void)
{
	EACH_WAY(way)
	{
		struct mvmi_bp_options options = by(way, CODE);

		begin(way->personality);
		know_the_guest();
		options.process = 70;
		CHECK(add(&a, options) == MVMI_OK);
		CHECK(add(&b, by(way, OTHER)) == MVMI_OK);
		CHECK(mvmi_bp_end_process(vm, 0, NULL) == MVMI_ERR_INVALID);
		CHECK(mvmi_bp_end_process(vm, 70, NULL) == MVMI_OK);
		CHECK(info_of(&a).state == MVMI_BP_ENDED);
		CHECK(info_of(&b).state == MVMI_BP_ARMED);
		CHECK(byte_at(CODE) == 0x90);
		walk(0, CODE, 1);
		walk(0, OTHER, 1);
		run();
		CHECK(a.calls == 0 && b.calls == 1);
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
		end();
	}
}

static void another_thread_does_not_return_for_one(void)
{
	begin("tcg");
	know_the_guest();
	CHECK(add_returning(&a, at(CODE)) == MVMI_OK);
	call(0, STACK);
	come_back(1, STACK + 0x100);
	CHECK(a.returns == 0);
	come_back(0, STACK);
	CHECK(a.returns == 1);
	end();
}

static void a_files_page_is_not_written_unless_allowed(void)
{
	struct mvmi_bp_options options = at(CODE);
	struct watcher slots[4] = { 0 };

	begin("kvm");
	know_the_guest();
	for (unsigned i = 0; i < 4; i++)
		CHECK(add(&slots[i], at(OTHER + i)) == MVMI_OK);
	options.visible = true;
	is_file = true;
	CHECK(add(&a, options) == MVMI_ERR_LIMIT);
	options.file_backed = true;
	CHECK(add(&a, options) == MVMI_OK);
	options.file_backed = false;
	is_file = false;
	CHECK(add(&b, options) == MVMI_OK);
	CHECK(info_of(&b).means == MVMI_BP_INT3);
	end();
}

TESTS(T(a_return_is_told_once), T(a_recursion_returns_from_the_inside_out),
      T(a_frame_that_was_jumped_over_is_lost),
      T(removing_takes_the_returns_along), T(a_one_shot_still_returns),
      T(a_stack_that_is_not_there_loses_the_return),
      T(the_next_return_to_a_place_needs_no_arming),
      T(only_so_many_returns_are_waited_for),
      T(a_process_is_kept_apart_from_others),
      T(the_end_of_a_process_ends_its_breakpoints),
      T(another_thread_does_not_return_for_one),
      T(a_files_page_is_not_written_unless_allowed))
