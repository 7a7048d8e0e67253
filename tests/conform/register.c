/* SPDX-License-Identifier: MIT */
/* CONTRACT, "Registers", and injection. */
#include "conform.h"

static struct mvmi_regs get(struct subject *s, unsigned groups)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	NEED(s->vm->conn->vcpu, "no registers");
	CHECK(mvmi_vcpu_get_regs(s->vm, 0, groups, &regs, NULL) == MVMI_OK);
	return regs;
}

static void what_cannot_be_read_is_not_valid(struct subject *s)
{
	struct mvmi_regs regs = get(s, MVMI_REGS_ALL);
	mvmi_regset made_up =
		mvmi_regset_minus(regs.valid, s->vm->conn->readable_regs);

	CHECK(mvmi_regset_is_empty(made_up));
}

static void all_that_can_be_read_is_read(struct subject *s)
{
	struct mvmi_regs regs = get(s, MVMI_REGS_ALL);
	mvmi_regset missing =
		mvmi_regset_minus(s->vm->conn->readable_regs, regs.valid);

	CHECK(mvmi_regset_is_empty(missing));
	CHECK(mvmi_regset_is_empty(regs.dirty));
}

static void every_scalar_that_can_be_written_keeps_its_value(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_regs after;

	NEED(s->vm->conn->vcpu_set, "registers can't be written");
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		uint64_t *at = mvmi_regs_scalar(&regs, reg);

		if (!at || reg == MVMI_REG_FS_BASE || reg == MVMI_REG_GS_BASE ||
		    !mvmi_regset_has(s->vm->conn->writable_regs, reg))
			continue;
		*at = 0x1000 + i;
		mvmi_regset_add(&regs.dirty, reg);
	}
	CHECK(mvmi_vcpu_set_regs(s->vm, 0, &regs, NULL) == MVMI_OK);
	after = get(s, MVMI_REGS_ALL);
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;

		if (mvmi_regset_has(regs.dirty, reg))
			CHECK(*mvmi_regs_scalar(&after, reg) == 0x1000 + i);
	}
}

static void only_dirty_registers_are_written(struct subject *s)
{
	struct mvmi_regs before = get(s, MVMI_REGS_GENERAL);
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_regs after;

	NEED(s->vm->conn->vcpu_set, "registers can't be written");
	mvmi_regset_add(&regs.dirty, MVMI_REG_RBX);
	regs.x86.gpr[MVMI_REG_RBX] = 0xb;
	regs.x86.rip = 0xbad;
	CHECK(mvmi_vcpu_set_regs(s->vm, 0, &regs, NULL) == MVMI_OK);
	after = get(s, MVMI_REGS_GENERAL);
	CHECK(after.x86.gpr[MVMI_REG_RBX] == 0xb);
	CHECK(after.x86.rip == before.x86.rip);
}

static void
a_register_that_cannot_be_written_stops_the_whole_write(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	unsigned i = 0;

	NEED(s->vm->conn->vcpu_set, "registers can't be written");
	while (i < MVMI_REG_COUNT &&
	       mvmi_regset_has(s->vm->conn->writable_regs, (enum mvmi_reg)i))
		i++;
	NEED(i < MVMI_REG_COUNT, "every register can be written");
	mvmi_regset_add(&regs.dirty, (enum mvmi_reg)i);
	mvmi_regset_add(&regs.dirty, MVMI_REG_RBX);
	regs.x86.gpr[MVMI_REG_RBX] = 0xb;
	CHECK(mvmi_vcpu_set_regs(s->vm, 0, &regs, NULL) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(get(s, MVMI_REGS_GENERAL).x86.gpr[MVMI_REG_RBX] != 0xb);
}

static void a_running_vcpu_is_held_for_the_call_only(struct subject *s)
{
	const struct deed nop = { .kind = DEED_NOP };

	(void)get(s, MVMI_REGS_GENERAL);
	act(s, 0, &nop);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).executed == 1);
}

static void a_vcpu_that_is_not_there_is_invalid(struct subject *s)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	NEED(s->vm->conn->vcpu, "no registers");
	CHECK(mvmi_vcpu_get_regs(s->vm, mvmi_vcpu_count(s->vm),
				 MVMI_REGS_GENERAL, &regs,
				 NULL) == MVMI_ERR_INVALID);
}

static void an_injection_comes_before_the_next_instruction(struct subject *s)
{
	const struct mvmi_injection fault = { .vector = 14,
					      .has_error_code = true,
					      .error_code = 2,
					      .cr2 = 0xdead000 };
	const struct mvmi_inject_ops *inject = s->vm->conn->inject;

	NEED(inject, "nothing can be injected");
	CHECK(inject->inject(s->vm->conn, 0, &fault, NULL) == MVMI_OK);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).trapped == 1);
	CHECK(s->ops->ask(s, 0).vector == 14);
	CHECK(s->ops->ask(s, 0).cr2 == 0xdead000);
}

static void a_second_injection_before_delivery_is_busy(struct subject *s)
{
	const struct mvmi_injection nmi = { .kind = MVMI_INJECT_NMI,
					    .vector = 2 };
	const struct mvmi_inject_ops *inject = s->vm->conn->inject;

	NEED(inject, "nothing can be injected");
	CHECK(inject->inject(s->vm->conn, 0, &nmi, NULL) == MVMI_OK);
	CHECK(inject->inject(s->vm->conn, 0, &nmi, NULL) == MVMI_ERR_BUSY);
	CHECK(inject->inject(s->vm->conn, 1, &nmi, NULL) == MVMI_OK);
}

const struct conform_case cases_register[] = {
	CASE("Registers", what_cannot_be_read_is_not_valid),
	CASE("Registers", all_that_can_be_read_is_read),
	CASE("Registers", every_scalar_that_can_be_written_keeps_its_value),
	CASE("Registers", only_dirty_registers_are_written),
	CASE("Registers",
	     a_register_that_cannot_be_written_stops_the_whole_write),
	CASE("Events 6", a_running_vcpu_is_held_for_the_call_only),
	CASE("Registers", a_vcpu_that_is_not_there_is_invalid),
	CASE("Capability tables",
	     an_injection_comes_before_the_next_instruction),
	CASE("Capability tables", a_second_injection_before_delivery_is_busy),
	{ 0 },
};
