/* SPDX-License-Identifier: MIT */
/* Breakpoints, by every means, on the four personalities of the mock. */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <string.h>

#include "core/vm.h"
#include "drivers/mock/mock.h"
#include "harness.h"

#define CODE  UINT64_C(0x5000)
#define OTHER UINT64_C(0x6000)
#define INT3  0xcc

static struct mvmi_vm *vm;
static struct mock_vm *far;

/** What a callback does, and what it was told. */
struct watcher {
	unsigned calls;
	unsigned returns;
	unsigned by_vcpu[2];
	struct mvmi_bp_hit last;
	enum mvmi_action answer;
	uint64_t go_to; /**< rip, if not 0 */
	void (*also)(struct watcher *self);
	enum mvmi_status got;
	uint64_t bp;
	bool condition;
	char order[64]; /**< E and R: entries and returns */
};

static struct watcher a;
static struct watcher b;

static void watch(struct mvmi_vm *of, const struct mvmi_bp_hit *hit,
		  struct mvmi_reply *reply, void *arg)
{
	struct watcher *self = arg;

	(void)of;
	if (self->calls + self->returns < sizeof(self->order) - 1)
		self->order[self->calls + self->returns] =
			hit->is_return ? 'R' : 'E';
	self->calls += !hit->is_return;
	self->returns += hit->is_return;
	self->by_vcpu[hit->event->id.vcpu % 2]++;
	self->last = *hit;
	if (self->answer != MVMI_ACTION_CONTINUE)
		reply->action = self->answer;
	if (self->go_to) {
		reply->regs.x86.rip = self->go_to;
		mvmi_regset_add(&reply->regs.dirty, MVMI_REG_RIP);
	}
	if (self->also)
		self->also(self);
}

static bool
on_condition(struct mvmi_vm *of, const struct mvmi_bp_hit *hit, void *arg)
{
	(void)of;
	return ((struct watcher *)arg)->condition && hit->count;
}

static void fill_code(uint64_t page)
{
	uint8_t bytes[MVMI_PAGE_SIZE];

	memset(bytes, 0x90, sizeof(bytes));
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(page),
			     (struct mvmi_bytes){ bytes, sizeof(bytes) },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
}

static void end(void)
{
	mvmi_vm_close(vm);
	vm = NULL;
	mock_vm_unref(far);
	far = NULL;
}

static void begin(const char *personality)
{
	char target[64];

	end();
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	(void)snprintf(target, sizeof(target), "mock:%s?vcpus=2", personality);
	CHECK(mvmi_vm_open(target, NULL, &vm, NULL) == MVMI_OK);
	far = mock_vm_of(vm->conn);
	fill_code(CODE);
	fill_code(OTHER);
}

/** What the guest's memory holds; the guest reads it so, too. */
static uint8_t byte_at(uint64_t gpa)
{
	uint8_t byte = 0;

	CHECK(mock_peek(far, mvmi_gpa_at(gpa), (struct mvmi_span){ &byte, 1 }));
	return byte;
}

static void check_code_is_untouched(void)
{
	for (uint64_t i = 0; i < MVMI_PAGE_SIZE; i++) {
		CHECK(byte_at(CODE + i) == 0x90);
		CHECK(byte_at(OTHER + i) == 0x90);
	}
}

static struct mvmi_bp_options at(uint64_t gva)
{
	return (struct mvmi_bp_options){
		.size = sizeof(struct mvmi_bp_options),
		.gva = mvmi_gva_at(gva),
	};
}

/** Such that only an int3 in memory will do. */
static struct mvmi_bp_options int3_at(uint64_t gpa)
{
	struct mvmi_bp_options options = at(0);

	options.physical = true;
	options.gpa = mvmi_gpa_at(gpa);
	options.visible = true;
	options.file_backed = true;
	return options;
}

static enum mvmi_status
add(struct watcher *watcher, struct mvmi_bp_options options)
{
	return mvmi_bp_add(vm, &options, watch, watcher, &watcher->bp, NULL);
}

static struct mvmi_bp_info info_of(const struct watcher *watcher)
{
	struct mvmi_bp_info info = { .size = sizeof(info) };

	CHECK(mvmi_bp_get(vm, watcher->bp, &info, NULL) == MVMI_OK);
	return info;
}

/** Let a vCPU execute a number of instructions from an address on. */
static void walk(unsigned vcpu, uint64_t rip, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct mock_insn nop = { .op = MOCK_NOP,
					       .rip = i ? 0 : rip };

		CHECK(mock_push(far, vcpu, &nop));
	}
}

static void run(void)
{
	unsigned n = 0;

	while (mvmi_vm_dispatch(vm, 0, NULL) == MVMI_OK)
		CHECK(++n < 10000);
	mock_run(far);
}

/** Both executed this many, and nothing else came to them. */
static void check_both_went_on(unsigned executed)
{
	for (unsigned i = 0; i < 2; i++) {
		CHECK(mock_seen(far, i).executed == executed);
		CHECK(mock_seen(far, i).delivered == 0);
	}
}

/** How it is done on each. */
static const struct way {
	const char *personality;
	enum mvmi_bp_means means;
	bool int3;
} ways[] = {
	{ "tcg", MVMI_BP_INTERCEPT, false },
	{ "gdbstub", MVMI_BP_INTERCEPT, false },
	{ "xen", MVMI_BP_VIEW, false },
	{ "kvm", MVMI_BP_SLOT, false },
	{ "kvm", MVMI_BP_INT3, true },
	{ "tcg", MVMI_BP_INT3, true },
};

#define EACH_WAY(way)                        \
	for (const struct way *(way) = ways; \
	     (way) < ways + sizeof(ways) / sizeof(ways[0]); (way)++)

static struct mvmi_bp_options by(const struct way *way, uint64_t where)
{
	return way->int3 ? int3_at(where) : at(where);
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

static void the_guests_own_int3_is_its_own(void)
{
	static const uint8_t own = INT3;
	const struct mock_insn int3 = { .op = MOCK_INT3, .rip = CODE + 9 };

	EACH_WAY(way)
	{
		begin(way->personality);
		CHECK(mvmi_mem_write(vm, mvmi_gpa_at(CODE + 9),
				     (struct mvmi_bytes){ &own, 1 },
				     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
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

TESTS(T(each_vm_has_its_means), T(a_hit_is_told_and_the_guest_goes_on),
      T(it_stays_armed), T(one_on_the_instruction_stepped_to_is_hit),
      T(two_vcpus_in_one_loop_are_counted_exactly),
      T(two_at_one_address_share_its_patch),
      T(removing_in_the_callback_holds_at_once),
      T(what_was_raised_before_a_removal_goes_on),
      T(close_undoes_all_and_lets_the_guest_go_on), T(a_one_shot_is_told_once),
      T(a_condition_decides_and_ignored_hits_are_counted),
      T(a_filter_by_vcpu_keeps_others_out), T(the_guests_own_int3_is_its_own),
      T(a_skip_leaves_the_instruction_out), T(a_rip_that_is_set_is_gone_to))
