/* SPDX-License-Identifier: MIT */
/* The register table: every register has a name, a group and one place. */
#include <microvmi/vcpu.h>
#include <string.h>

#include "harness.h"

static void every_register_is_found_by_its_name(void)
{
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		const char *name = mvmi_reg_name((enum mvmi_reg)i);
		enum mvmi_reg found;

		CHECK(name);
		CHECK(mvmi_reg_find(name, &found));
		CHECK((unsigned)found == i);
	}
	CHECK(!mvmi_reg_name(MVMI_REG_COUNT));
}

static void an_unknown_name_is_not_found(void)
{
	enum mvmi_reg reg = MVMI_REG_R9;

	CHECK(!mvmi_reg_find("eax", &reg));
	CHECK(!mvmi_reg_find("", &reg));
	CHECK(reg == MVMI_REG_R9);
}

static void every_register_is_in_exactly_one_group(void)
{
	unsigned seen[MVMI_REG_COUNT] = { 0 };

	for (unsigned group = 1; group <= MVMI_REGS_ALL; group <<= 1) {
		mvmi_regset set = mvmi_regset_of_groups(group);

		for (unsigned i = 0; i < MVMI_REG_COUNT; i++)
			seen[i] += mvmi_regset_has(set, (enum mvmi_reg)i);
	}
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++)
		CHECK(seen[i] == 1);
}

static void scalars_do_not_share_a_place(void)
{
	struct mvmi_regs regs = mvmi_regs_empty();

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		uint64_t *at = mvmi_regs_scalar(&regs, (enum mvmi_reg)i);

		if (!at)
			continue;
		CHECK(*at == 0);
		*at = i + 1;
	}
	CHECK(regs.x86.gpr[0] == MVMI_REG_RAX + 1);
	CHECK(regs.x86.seg[MVMI_SEG_GS].base == MVMI_REG_GS_BASE + 1);
	CHECK(regs.x86.dr[7] == MVMI_REG_DR7 + 1);
	CHECK(!mvmi_regs_scalar(&regs, MVMI_REG_CS));
	CHECK(!mvmi_regs_scalar(&regs, MVMI_REG_XMM));
	CHECK(!mvmi_regs_scalar(&regs, MVMI_REG_COUNT));
}

static void sets_add_remove_and_subtract(void)
{
	mvmi_regset all = mvmi_regset_of_groups(MVMI_REGS_ALL);
	mvmi_regset set = { { 0, 0 } };

	CHECK(mvmi_regset_is_empty(set));
	mvmi_regset_add(&set, MVMI_REG_YMM);
	mvmi_regset_add(&set, MVMI_REG_RAX);
	CHECK(mvmi_regset_has(set, MVMI_REG_YMM));
	CHECK(mvmi_regset_is_empty(mvmi_regset_minus(set, all)));
	mvmi_regset_remove(&set, MVMI_REG_YMM);
	CHECK(!mvmi_regset_has(set, MVMI_REG_YMM));
	CHECK(mvmi_regset_has(set, MVMI_REG_RAX));
}

TESTS(T(every_register_is_found_by_its_name), T(an_unknown_name_is_not_found),
      T(every_register_is_in_exactly_one_group),
      T(scalars_do_not_share_a_place), T(sets_add_remove_and_subtract))
