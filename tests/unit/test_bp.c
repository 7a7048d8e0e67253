/* SPDX-License-Identifier: MIT */
/* Breakpoints, by every means, on the four personalities of the mock. */
#include "bp_guest.h"

static bool
on_condition(struct mvmi_vm *of, const struct mvmi_bp_hit *hit, void *arg)
{
	(void)of;
	return ((struct watcher *)arg)->condition && hit->count;
}

static void each_vm_has_its_means(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		CHECK(info_of(&a).means == way->means);
		CHECK(info_of(&a).state == MVMI_BP_ARMED);
		CHECK((byte_at(CODE) == INT3) == way->int3);
		end();
	}
}

static void a_hit_is_told_and_the_guest_goes_on(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE + 1)) == MVMI_OK);
		walk(0, CODE, 3);
		run();
		CHECK(a.calls == 1 && a.last.gva.val == CODE + 1);
		CHECK(a.last.count == 1 && a.last.means == way->means);
		CHECK(mock_seen(far, 0).executed == 3);
		CHECK(mock_seen(far, 0).skipped == 0);
		CHECK(mock_seen(far, 0).delivered == 0);
		CHECK(mock_seen(far, 0).regs.rip == CODE + 3);
		end();
	}
}

static void it_stays_armed(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		for (unsigned i = 0; i < 5; i++) {
			walk(0, CODE, 2);
			run();
		}
		CHECK(a.calls == 5 && a.last.count == 5);
		CHECK(mock_seen(far, 0).executed == 10);
		end();
	}
}

static void one_on_the_instruction_stepped_to_is_hit(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		CHECK(add(&b, by(way, CODE + 1)) == MVMI_OK);
		walk(0, CODE, 3);
		run();
		CHECK(a.calls == 1 && b.calls == 1);
		CHECK(mock_seen(far, 0).executed == 3);
		end();
	}
}

static void two_vcpus_in_one_loop_are_counted_exactly(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		for (unsigned i = 0; i < 10; i++) {
			walk(0, CODE, 2);
			walk(1, CODE, 2);
		}
		run();
		CHECK(a.by_vcpu[0] == 10 && a.by_vcpu[1] == 10);
		CHECK(mock_seen(far, 0).executed == 20);
		CHECK(mock_seen(far, 1).executed == 20);
		CHECK(mock_seen(far, 0).delivered == 0);
		end();
	}
}

static void two_at_one_address_share_its_patch(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		CHECK(add(&b, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1 && b.calls == 1);
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1 && b.calls == 2);
		CHECK(mvmi_bp_remove(vm, b.bp, NULL) == MVMI_OK);
		check_code_is_untouched();
		walk(0, CODE, 1);
		run();
		CHECK(b.calls == 2 && mock_seen(far, 0).executed == 3);
		end();
	}
}

static void remove_self(struct watcher *self)
{
	self->got = mvmi_bp_remove(vm, self->bp, NULL);
}

static void removing_in_the_callback_holds_at_once(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		a.also = remove_self;
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 1);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1 && a.got == MVMI_OK);
		CHECK(mock_seen(far, 0).executed == 2);
		CHECK(mock_seen(far, 0).delivered == 0);
		check_code_is_untouched();
		end();
	}
}

/** Both are there: the one hit second may not be lost, or told. */
static void what_was_raised_before_a_removal_goes_on(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 2);
		walk(1, CODE, 2);
		mock_run(far);
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
		run();
		CHECK(a.calls == 0);
		check_both_went_on(2);
		check_code_is_untouched();
		end();
	}
}

static void close_undoes_all_and_lets_the_guest_go_on(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		CHECK(add(&b, by(way, OTHER)) == MVMI_OK);
		walk(0, CODE, 2);
		walk(1, OTHER, 2);
		mock_run(far);
		mvmi_vm_close(vm);
		vm = NULL;
		mock_run(far);
		CHECK(a.calls == 0 && b.calls == 0);
		CHECK(mock_is_untouched(far));
		check_code_is_untouched();
		check_both_went_on(2);
		end();
	}
}

static void a_one_shot_is_told_once(void)
{
	EACH_WAY(way)
	{
		struct mvmi_bp_options options = by(way, CODE);
		struct mvmi_bp_info info = { .size = sizeof(info) };

		begin(way->personality);
		options.one_shot = true;
		CHECK(add(&a, options) == MVMI_OK);
		walk(0, CODE, 2);
		walk(1, CODE, 2);
		run();
		CHECK(a.calls == 1);
		CHECK(mock_seen(far, 0).executed == 2);
		CHECK(mock_seen(far, 1).executed == 2);
		CHECK(mvmi_bp_get(vm, a.bp, &info, NULL) == MVMI_ERR_INVALID);
		check_code_is_untouched();
		end();
	}
}

static void a_condition_decides_and_ignored_hits_are_counted(void)
{
	struct mvmi_bp_options options = at(CODE);

	begin("tcg");
	options.condition = on_condition;
	options.ignore_count = 2;
	CHECK(add(&a, options) == MVMI_OK);
	walk(0, CODE, 1);
	run();
	CHECK(info_of(&a).hits == 0);
	a.condition = true;
	for (unsigned i = 0; i < 3; i++) {
		walk(0, CODE, 1);
		run();
	}
	CHECK(info_of(&a).hits == 3 && a.calls == 1 && a.last.count == 3);
	end();
}

static void a_filter_by_vcpu_keeps_others_out(void)
{
	EACH_WAY(way)
	{
		struct mvmi_bp_options options = by(way, CODE);

		begin(way->personality);
		options.vcpus = 1 << 1;
		CHECK(add(&a, options) == MVMI_OK);
		walk(0, CODE, 1);
		walk(1, CODE, 1);
		run();
		CHECK(a.by_vcpu[0] == 0 && a.by_vcpu[1] == 1);
		CHECK(mock_seen(far, 0).executed == 1);
		end();
	}
}

static void store_byte(uint64_t gpa, uint8_t byte)
{
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(gpa),
			     (struct mvmi_bytes){ &byte, 1 },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
}

static void the_guests_own_int3_is_its_own(void)
{
	const struct mock_insn int3 = { .op = MOCK_INT3, .rip = CODE + 9 };

	EACH_WAY(way)
	{
		begin(way->personality);
		store_byte(CODE + 9, INT3);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		CHECK(mock_push(far, 0, &int3));
		run();
		CHECK(a.calls == 0);
		CHECK(mock_seen(far, 0).delivered == 1);
		CHECK(mock_seen(far, 0).last.vector == 3);
		/* And one with a breakpoint on it: told, and the guest's. */
		CHECK(add(&b, by(way, CODE + 9)) == MVMI_OK);
		CHECK(mock_push(far, 0, &int3));
		run();
		CHECK(b.calls == 1);
		CHECK(mock_seen(far, 0).delivered == 2);
		CHECK(mvmi_bp_remove(vm, b.bp, NULL) == MVMI_OK);
		CHECK(byte_at(CODE + 9) == INT3);
		end();
	}
}

static void count_event(struct mvmi_vm *of, const struct mvmi_event *event,
			struct mvmi_reply *reply, void *arg)
{
	(void)of;
	(void)event;
	(void)reply;
	++*(unsigned *)arg;
}

/** Someone else subscribed to int3s hears of no breakpoint's. */
static void others_hear_of_the_guests_int3s_only(void)
{
	static const struct mvmi_subscription int3s = {
		.size = sizeof(int3s),
		.kind = MVMI_EVENT_INT3,
	};
	static const struct mock_insn own = { .op = MOCK_INT3, .rip = OTHER };

	EACH_WAY(way)
	{
		unsigned heard = 0;
		uint64_t token;

		if (way->means != MVMI_BP_INT3 && way->means != MVMI_BP_VIEW)
			continue;
		begin(way->personality);
		store_byte(OTHER, INT3);
		CHECK(mvmi_event_subscribe(vm, &int3s, count_event, &heard,
					   &token, NULL) == MVMI_OK);
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 1);
		run();
		CHECK(a.calls == 1 && heard == 0);
		/* Raised, and removed before anyone was told. */
		walk(0, CODE, 1);
		mock_run(far);
		CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
		run();
		CHECK(a.calls == 1 && heard == 0);
		CHECK(mock_seen(far, 0).executed == 2);
		CHECK(mock_push(far, 0, &own));
		run();
		CHECK(heard == 1 && mock_seen(far, 0).delivered == 1);
		end();
	}
}

static void a_skip_leaves_the_instruction_out(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		a.answer = MVMI_ACTION_SKIP;
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 2);
		run();
		CHECK(a.calls == 1);
		CHECK(mock_seen(far, 0).skipped == 1);
		CHECK(mock_seen(far, 0).executed == 1);
		end();
	}
}

static void a_rip_that_is_set_is_gone_to(void)
{
	EACH_WAY(way)
	{
		begin(way->personality);
		a.go_to = OTHER;
		CHECK(add(&a, by(way, CODE)) == MVMI_OK);
		walk(0, CODE, 2);
		run();
		CHECK(a.calls == 1);
		CHECK(mock_seen(far, 0).regs.rip == OTHER + 1);
		CHECK(mock_seen(far, 0).executed == 1);
		end();
	}
}

/* ---- what can't be had --------------------------------------------------- */

static void a_refusal_says_what_was_tried(void)
{
	struct mvmi_bp_options options = at(CODE);
	struct mvmi_error err;

	begin("kvm");
	options.physical = true;
	options.gpa = mvmi_gpa_at(CODE);
	CHECK(mvmi_bp_add(vm, &options, watch, &a, &a.bp, &err) ==
	      MVMI_ERR_DENIED);
	CHECK(strcmp(err.msg, "no breakpoint at guest-physical 0x5000: "
			      "intercept: only 4 slots; view: no views; "
			      "slot: for virtual addresses only; "
			      "int3: visible isn't allowed") == 0);
	options.visible = true;
	CHECK(add(&a, options) == MVMI_ERR_DENIED);
	options.file_backed = true;
	CHECK(add(&a, options) == MVMI_OK);
	CHECK(strcmp(info_of(&a).refused,
		     "intercept: only 4 slots; view: no views; "
		     "slot: for virtual addresses only") == 0);
	options.gpa = mvmi_gpa_at(UINT64_C(0x7fff00000000));
	CHECK(add(&b, options) == MVMI_ERR_FAULT);
	end();
	begin("gdbstub");
	options.gpa = mvmi_gpa_at(CODE);
	CHECK(add(&a, options) == MVMI_ERR_UNSUPPORTED);
	end();
}

static void an_impossible_address_is_refused(void)
{
	struct mvmi_bp_options options = at(UINT64_C(0x1234567800000000));

	begin("tcg");
	CHECK(add(&a, options) == MVMI_ERR_INVALID);
	options.physical = true;
	options.gpa = mvmi_gpa_at(UINT64_C(1) << 52);
	CHECK(add(&a, options) == MVMI_ERR_INVALID);
	CHECK(add(&a, at(UINT64_C(0xffffffff81000000))) == MVMI_OK);
	end();
}

static void slots_run_out_and_come_back(void)
{
	struct watcher slots[4] = { 0 };

	begin("kvm");
	for (unsigned i = 0; i < 4; i++)
		CHECK(add(&slots[i], at(CODE + i)) == MVMI_OK);
	CHECK(add(&a, at(CODE + 4)) == MVMI_ERR_LIMIT);
	/* One that is there already is shared. */
	CHECK(add(&a, at(CODE + 3)) == MVMI_OK);
	CHECK(mvmi_bp_remove(vm, slots[0].bp, NULL) == MVMI_OK);
	CHECK(add(&b, at(CODE + 4)) == MVMI_OK);
	walk(0, CODE, 5);
	run();
	CHECK(slots[0].calls == 0 && slots[1].calls == 1);
	CHECK(slots[3].calls == 1 && a.calls == 1 && b.calls == 1);
	end();
}

static void what_is_not_there_is_not_removed(void)
{
	struct mvmi_bp_info info = { .size = sizeof(info) };

	begin("tcg");
	CHECK(mvmi_bp_remove(vm, 1, NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_bp_get(vm, 1, &info, NULL) == MVMI_ERR_INVALID);
	CHECK(add(&a, at(CODE)) == MVMI_OK);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_ERR_INVALID);
	end();
}

static void thousands_are_kept_apart(void)
{
	EACH_WAY(way)
	{
		if (way->means == MVMI_BP_SLOT)
			continue;
		begin(way->personality);
		for (unsigned i = 0; i < 2000; i++)
			CHECK(add(i == 1234 ? &a : &b, by(way, CODE + i)) ==
			      MVMI_OK);
		walk(0, CODE + 1233, 3);
		run();
		CHECK(a.calls == 1 && a.last.gva.val == CODE + 1234);
		CHECK(b.calls == 2 && mock_seen(far, 0).executed == 3);
		mvmi_vm_close(vm);
		vm = NULL;
		CHECK(mock_is_untouched(far));
		check_code_is_untouched();
		end();
	}
}

TESTS(T(each_vm_has_its_means), T(a_hit_is_told_and_the_guest_goes_on),
      T(it_stays_armed), T(one_on_the_instruction_stepped_to_is_hit),
      T(two_vcpus_in_one_loop_are_counted_exactly),
      T(two_at_one_address_share_its_patch),
      T(removing_in_the_callback_holds_at_once),
      T(what_was_raised_before_a_removal_goes_on),
      T(close_undoes_all_and_lets_the_guest_go_on), T(a_one_shot_is_told_once),
      T(a_condition_decides_and_ignored_hits_are_counted),
      T(a_filter_by_vcpu_keeps_others_out), T(the_guests_own_int3_is_its_own),
      T(others_hear_of_the_guests_int3s_only),
      T(a_skip_leaves_the_instruction_out), T(a_rip_that_is_set_is_gone_to),
      T(a_refusal_says_what_was_tried), T(an_impossible_address_is_refused),
      T(slots_run_out_and_come_back), T(what_is_not_there_is_not_removed),
      T(thousands_are_kept_apart))
