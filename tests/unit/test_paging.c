/* SPDX-License-Identifier: MIT */
/*
 * The formats of page tables, mode by mode, as the tables of SDM 3A chapter 4
 * give them. Each case is one entry at one level, so it is data.
 */
#include <microvmi/space.h>

#include <string.h>

#include "base/util.h"
#include "harness.h"
#include "xlat/walk.h"

#define BIT(n) (UINT64_C(1) << (n))
#define ALL_RIGHTS                                           \
	(MVMI_PAGE_WRITE | MVMI_PAGE_USER | MVMI_PAGE_EXEC | \
	 MVMI_PAGE_ACCESSED | MVMI_PAGE_DIRTY | MVMI_PAGE_GLOBAL)
/* Present, writable, user, accessed, dirty, global. */
#define FULL UINT64_C(0x167)
/* As FULL, for an entry that points to a table. */
#define TABLE UINT64_C(0x27)
#define LARGE (FULL | PTE_PAGE_SIZE)

static struct paging_rules rules;

static void use(enum mvmi_paging paging, unsigned maxphyaddr)
{
	struct mvmi_space_params params = {
		.size = sizeof(params),
		.paging = paging,
		.root = 0x1000,
		.pse = true,
		.nxe = true,
		.maxphyaddr = (uint8_t)maxphyaddr,
	};

	paging_rules_init(&rules, &params);
}

/** Walk down to a level through tables that allow all, then feed entry. */
static struct walk at_level(unsigned level, uint64_t gva, uint64_t entry)
{
	struct walk walk;

	walk_begin(&walk, &rules, mvmi_gva_at(gva));
	while (walk.wants && walk.to.level > level)
		walk_feed(&walk, &rules,
			  rules.level[walk.to.level].rights_absent ? PTE_PRESENT
								   : TABLE);
	walk_feed(&walk, &rules, entry);
	return walk;
}

static enum mvmi_walk_fault
fault_of(enum mvmi_paging paging, unsigned level, uint64_t entry)
{
	struct walk walk;

	use(paging, 40);
	walk = at_level(level, 0, entry);
	return walk.wants ? MVMI_WALK_OK : walk.to.fault;
}

/** One bit that is, or is not, reserved in a present entry of a level. */
struct bit_case {
	enum mvmi_paging paging;
	unsigned level;
	uint64_t entry; /**< without the bits under test */
	uint64_t reserved;
};

#define LONG_HIGH 0x000fff0000000000 /* 40 to 51 */
#define PAE_HIGH  0x7fffff0000000000 /* 40 to 62 */

static const struct bit_case bit_cases[] = {
	{ MVMI_PAGING_32BIT, 1, FULL, 0 },
	{ MVMI_PAGING_32BIT, 2, TABLE, 0 },
	{ MVMI_PAGING_32BIT, 2, LARGE, BIT(21) },
	{ MVMI_PAGING_PAE, 1, FULL, PAE_HIGH },
	{ MVMI_PAGING_PAE, 2, TABLE, PAE_HIGH },
	{ MVMI_PAGING_PAE, 2, LARGE, PAE_HIGH | 0x1fe000 },
	{ MVMI_PAGING_PAE, 3, 1, PAE_HIGH | BIT(63) | 0x1e6 },
	{ MVMI_PAGING_4LEVEL, 1, FULL, LONG_HIGH },
	{ MVMI_PAGING_4LEVEL, 2, TABLE, LONG_HIGH },
	{ MVMI_PAGING_4LEVEL, 2, LARGE, LONG_HIGH | 0x1fe000 },
	{ MVMI_PAGING_4LEVEL, 3, TABLE, LONG_HIGH },
	{ MVMI_PAGING_4LEVEL, 3, LARGE, LONG_HIGH | 0x3fffe000 },
	{ MVMI_PAGING_4LEVEL, 4, TABLE, LONG_HIGH | BIT(7) },
	{ MVMI_PAGING_5LEVEL, 1, FULL, LONG_HIGH },
	{ MVMI_PAGING_5LEVEL, 3, LARGE, LONG_HIGH | 0x3fffe000 },
	{ MVMI_PAGING_5LEVEL, 4, TABLE, LONG_HIGH | BIT(7) },
	{ MVMI_PAGING_5LEVEL, 5, TABLE, LONG_HIGH | BIT(7) },
};

static void check_bit(const struct bit_case *c, unsigned bit)
{
	bool reserved = (c->reserved & BIT(bit)) != 0;
	enum mvmi_walk_fault fault =
		fault_of(c->paging, c->level, c->entry | BIT(bit));

	/* Elsewhere bit 7 makes a page's entry of a table's. */
	if (bit != 7 || c->level == 1 || reserved)
		CHECK(fault == (reserved ? MVMI_WALK_RESERVED : MVMI_WALK_OK));
}

static void exactly_the_reserved_bits_are_refused(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bit_cases); i++) {
		const struct bit_case *c = &bit_cases[i];
		unsigned bits = c->paging == MVMI_PAGING_32BIT ? 32 : 64;

		for (unsigned bit = 1; bit < bits; bit++)
			check_bit(c, bit);
	}
}

static void an_entry_without_bit_0_is_not_present_whatever_else(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bit_cases); i++) {
		const struct bit_case *c = &bit_cases[i];

		CHECK(fault_of(c->paging, c->level, 0) ==
		      MVMI_WALK_NOT_PRESENT);
		CHECK(fault_of(c->paging, c->level,
			       (c->entry | c->reserved) & ~PTE_PRESENT) ==
		      MVMI_WALK_NOT_PRESENT);
	}
}

struct page_case {
	enum mvmi_paging paging;
	unsigned level;
	uint64_t entry;
	uint64_t gva;
	uint64_t gpa;
	uint64_t page_size;
};

static const struct page_case page_cases[] = {
	{ MVMI_PAGING_32BIT, 1, 0xabcde000 | FULL, 0xffffffff, 0xabcdefff,
	  0x1000 },
	{ MVMI_PAGING_32BIT, 2, 0xabc00000 | LARGE, 0x12345678, 0xabf45678,
	  0x400000 },
	/* PSE-36: bits 13-20 are 0xab. */
	{ MVMI_PAGING_32BIT, 2, 0xabd56000 | LARGE, 0x345678, 0xababf45678,
	  0x400000 },
	{ MVMI_PAGING_PAE, 1, 0xabcdef1000 | FULL, 0x12345678, 0xabcdef1678,
	  0x1000 },
	{ MVMI_PAGING_PAE, 2, 0xabcde00000 | LARGE, 0x12345678, 0xabcdf45678,
	  0x200000 },
	{ MVMI_PAGING_4LEVEL, 1, 0xabcdef1000 | FULL, 0xffff812345678fff,
	  0xabcdef1fff, 0x1000 },
	{ MVMI_PAGING_4LEVEL, 2, 0xabcde00000 | LARGE, 0x7fff12345678,
	  0xabcdf45678, 0x200000 },
	{ MVMI_PAGING_4LEVEL, 3, 0xab80000000 | LARGE, 0x7fff12345678,
	  0xab92345678, 0x40000000 },
	{ MVMI_PAGING_5LEVEL, 1, 0xabcdef1000 | FULL, 0xff00000012345678,
	  0xabcdef1678, 0x1000 },
	{ MVMI_PAGING_5LEVEL, 2, 0xabcde00000 | LARGE, 0xff00000012345678,
	  0xabcdf45678, 0x200000 },
	{ MVMI_PAGING_5LEVEL, 3, 0xab80000000 | LARGE, 0xff00000012345678,
	  0xab92345678, 0x40000000 },
};

static void a_leaf_maps_a_page_of_its_level(void)
{
	for (size_t i = 0; i < ARRAY_LEN(page_cases); i++) {
		const struct page_case *c = &page_cases[i];
		struct walk walk;

		use(c->paging, 40);
		walk = at_level(c->level, c->gva, c->entry);
		CHECK(!walk.wants && walk.to.fault == MVMI_WALK_OK);
		CHECK(walk.to.gpa.val == c->gpa);
		CHECK(walk.to.page_size == c->page_size);
		CHECK(walk.to.level == c->level);
		CHECK(walk.to.entry == c->entry);
		CHECK(walk.to.rights == ALL_RIGHTS);
	}
}

/** Rights that are missing when one entry lacks, or sets, one bit. */
struct rights_case {
	uint64_t bit;
	uint8_t missing;
	bool leaf_only;
};

static const struct rights_case rights_cases[] = {
	{ PTE_WRITE, MVMI_PAGE_WRITE, false },
	{ PTE_USER, MVMI_PAGE_USER, false },
	{ PTE_NO_EXECUTE, MVMI_PAGE_EXEC, false },
	{ PTE_ACCESSED, MVMI_PAGE_ACCESSED, false },
	{ PTE_DIRTY, MVMI_PAGE_DIRTY, true },
	{ PTE_GLOBAL, MVMI_PAGE_GLOBAL, true },
};

static uint8_t rights_with(unsigned level, uint64_t bit)
{
	struct walk walk;

	walk_begin(&walk, &rules, mvmi_gva_at(0));
	while (walk.wants) {
		uint64_t entry = walk.to.level == 1 ? FULL : TABLE;

		if (rules.level[walk.to.level].rights_absent)
			entry = PTE_PRESENT;
		else if (walk.to.level == level)
			entry ^= bit;
		walk_feed(&walk, &rules, entry);
	}
	return walk.to.rights;
}

static void check_rights(enum mvmi_paging paging, unsigned level,
			 const struct rights_case *c)
{
	unsigned want = ALL_RIGHTS;

	if (paging == MVMI_PAGING_32BIT && c->bit == PTE_NO_EXECUTE)
		return;
	if (!rules.level[level].rights_absent && (level == 1 || !c->leaf_only))
		want &= ~(unsigned)c->missing;
	CHECK(rights_with(level, c->bit) == want);
}

static void rights_are_those_that_all_levels_give(void)
{
	for (int mode = MVMI_PAGING_32BIT; mode <= MVMI_PAGING_5LEVEL; mode++) {
		enum mvmi_paging paging = (enum mvmi_paging)mode;

		use(paging, 40);
		for (size_t i = 0; i < ARRAY_LEN(rights_cases); i++)
			for (unsigned n = 1; n <= rules.levels; n++)
				check_rights(paging, n, &rights_cases[i]);
	}
}

static void check_no_nxe(enum mvmi_paging paging)
{
	struct mvmi_space_params params = {
		.paging = paging,
		.maxphyaddr = 52,
	};

	paging_rules_init(&rules, &params);
	for (unsigned level = 1; level <= rules.levels; level++) {
		struct walk walk = at_level(level, 0, TABLE | PTE_NO_EXECUTE);

		CHECK(walk.to.fault == MVMI_WALK_RESERVED);
	}
}

static void without_nxe_bit_63_is_reserved(void)
{
	check_no_nxe(MVMI_PAGING_PAE);
	check_no_nxe(MVMI_PAGING_4LEVEL);
	check_no_nxe(MVMI_PAGING_5LEVEL);
}

static void without_1g_pages_bit_7_of_a_pdpte_is_reserved(void)
{
	struct mvmi_space_params params = {
		.paging = MVMI_PAGING_4LEVEL,
		.maxphyaddr = 52,
		.no_1g_pages = true,
	};
	struct walk walk;

	paging_rules_init(&rules, &params);
	walk = at_level(3, 0, LARGE);
	CHECK(walk.to.fault == MVMI_WALK_RESERVED);
	walk = at_level(2, 0, LARGE);
	CHECK(walk.to.fault == MVMI_WALK_OK && !walk.wants);
}

static void without_pse_bit_7_of_a_pde_is_ignored(void)
{
	struct mvmi_space_params params = {
		.paging = MVMI_PAGING_32BIT,
		.maxphyaddr = 40,
	};
	struct walk walk;

	paging_rules_init(&rules, &params);
	walk = at_level(2, 0, 0x5000 | LARGE);
	CHECK(walk.wants && walk.to.level == 1);
	CHECK(walk.to.entry_gpa.val == 0x5000);
}

static void pse36_bits_follow_the_width_of_an_address(void)
{
	struct walk walk;

	use(MVMI_PAGING_32BIT, 36);
	walk = at_level(2, 0, LARGE | BIT(16));
	CHECK(walk.to.fault == MVMI_WALK_OK);
	CHECK(walk.to.gpa.val == BIT(35));
	walk = at_level(2, 0, LARGE | BIT(17));
	CHECK(walk.to.fault == MVMI_WALK_RESERVED);
	use(MVMI_PAGING_32BIT, 52);
	walk = at_level(2, 0, LARGE | BIT(20));
	CHECK(walk.to.gpa.val == BIT(39));
	use(MVMI_PAGING_32BIT, 32);
	walk = at_level(2, 0, LARGE | BIT(13));
	CHECK(walk.to.fault == MVMI_WALK_RESERVED);
}

struct canonical_case {
	uint64_t gva;
	enum mvmi_paging paging;
	bool is;
};

static const struct canonical_case canonical_cases[] = {
	{ 0xffffffff, MVMI_PAGING_NONE, true },
	{ 0x100000000, MVMI_PAGING_NONE, false },
	{ 0xffffffff, MVMI_PAGING_32BIT, true },
	{ 0x100000000, MVMI_PAGING_32BIT, false },
	{ UINT64_MAX, MVMI_PAGING_32BIT, false },
	{ 0xffffffff, MVMI_PAGING_PAE, true },
	{ 0xffffffff80000000, MVMI_PAGING_PAE, false },
	{ 0x7fffffffffff, MVMI_PAGING_4LEVEL, true },
	{ 0x800000000000, MVMI_PAGING_4LEVEL, false },
	{ 0xffff7fffffffffff, MVMI_PAGING_4LEVEL, false },
	{ 0xffff800000000000, MVMI_PAGING_4LEVEL, true },
	{ UINT64_MAX, MVMI_PAGING_4LEVEL, true },
	{ 0x800000000000, MVMI_PAGING_5LEVEL, true },
	{ 0xffffffffffffff, MVMI_PAGING_5LEVEL, true },
	{ 0x100000000000000, MVMI_PAGING_5LEVEL, false },
	{ 0xfeffffffffffffff, MVMI_PAGING_5LEVEL, false },
	{ 0xff00000000000000, MVMI_PAGING_5LEVEL, true },
};

static void addresses_are_canonical_by_mode(void)
{
	for (size_t i = 0; i < ARRAY_LEN(canonical_cases); i++) {
		const struct canonical_case *c = &canonical_cases[i];
		struct walk walk;

		use(c->paging, 52);
		walk_begin(&walk, &rules, mvmi_gva_at(c->gva));
		CHECK((walk.to.fault == MVMI_WALK_NOT_CANONICAL) == !c->is);
	}
}

static uint64_t
root_of(enum mvmi_paging paging, uint64_t root, uint64_t ignored)
{
	struct mvmi_space_params params = {
		.paging = paging,
		.root = root,
		.maxphyaddr = 52,
		.ignored_bits = ignored,
	};

	paging_rules_init(&rules, &params);
	return rules.root;
}

static void a_root_keeps_its_address_bits_only(void)
{
	/* PCID in 0-11, LAM in 61 and 62, NOFLUSH in 63. */
	CHECK(root_of(MVMI_PAGING_4LEVEL, 0xe000000012345fff, 0) == 0x12345000);
	CHECK(root_of(MVMI_PAGING_5LEVEL, 0xe000000012345fff, 0) == 0x12345000);
	CHECK(root_of(MVMI_PAGING_PAE, 0x12345fff, 0) == 0x12345fe0);
	CHECK(root_of(MVMI_PAGING_32BIT, 0x12345fff, 0) == 0x12345000);
	CHECK(root_of(MVMI_PAGING_4LEVEL, BIT(47) | 0x1000, BIT(47)) == 0x1000);
}

static void ignored_bits_are_dropped_from_entries(void)
{
	struct mvmi_space_params params = {
		.paging = MVMI_PAGING_4LEVEL,
		.maxphyaddr = 40,
		.ignored_bits = BIT(47),
	};
	struct walk walk;

	paging_rules_init(&rules, &params);
	walk = at_level(1, 0, BIT(47) | 0x5000 | FULL);
	CHECK(walk.to.fault == MVMI_WALK_OK);
	CHECK(walk.to.gpa.val == 0x5000);
	CHECK(walk.to.entry == (0x5000 | FULL));
}

static void levels_and_modes_have_names(void)
{
	CHECK(strcmp(paging_level_name(1), "PT") == 0);
	CHECK(strcmp(paging_level_name(5), "PML5") == 0);
	CHECK(strcmp(paging_level_name(6), "no table") == 0);
	CHECK(strcmp(mvmi_paging_name(MVMI_PAGING_PAE), "pae") == 0);
	CHECK(strcmp(mvmi_paging_name((enum mvmi_paging)99), "unknown") == 0);
	CHECK(strcmp(mvmi_walk_fault_name(MVMI_WALK_RESERVED),
		     "reserved bit set") == 0);
}

TESTS(T(exactly_the_reserved_bits_are_refused),
      T(an_entry_without_bit_0_is_not_present_whatever_else),
      T(a_leaf_maps_a_page_of_its_level),
      T(rights_are_those_that_all_levels_give),
      T(without_nxe_bit_63_is_reserved),
      T(without_1g_pages_bit_7_of_a_pdpte_is_reserved),
      T(without_pse_bit_7_of_a_pde_is_ignored),
      T(pse36_bits_follow_the_width_of_an_address),
      T(addresses_are_canonical_by_mode), T(a_root_keeps_its_address_bits_only),
      T(ignored_bits_are_dropped_from_entries), T(levels_and_modes_have_names))
