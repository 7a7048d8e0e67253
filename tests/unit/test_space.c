/* SPDX-License-Identifier: MIT */
/* Address spaces over tables in RAM: translate, read, write, remember. */
#include <microvmi/space.h>

#include <string.h>

#include "harness.h"
#include "ramvm.h"

#define P 1 /* present */
#define W 2
#define U 4

static struct mvmi_vm *vm;
static struct mvmi_space *space;

/** 4-level tables at 0x1000..0x4000; 0x400000 + n pages are at 0x10000. */
static void setup(bool mapped)
{
	struct mvmi_space_params params = {
		.size = sizeof(params),
		.paging = MVMI_PAGING_4LEVEL,
		.root = 0x1000,
		.nxe = true,
	};

	mvmi_space_destroy(space);
	mvmi_vm_close(vm);
	space = NULL;
	vm = NULL;
	ramvm_reset();
	ramvm.mapped = mapped;
	ramvm_put64(0x1000, 0x2000 | P | W | U);
	ramvm_put64(0x2000, 0x3000 | P | W | U);
	ramvm_put64(0x3000 + 2 * 8, 0x4000 | P | W | U);
	for (uint64_t i = 0; i < 8; i++)
		ramvm_put64(0x4000 + i * 8, (0x10000 + i * 0x1000) | P | W);
	vm = ramvm_open();
	CHECK(mvmi_space_create(vm, &params, &space, NULL) == MVMI_OK);
}

static void translates_through_four_levels(void)
{
	mvmi_gpa gpa;

	setup(true);
	CHECK(mvmi_space_translate(space, mvmi_gva_at(0x403123), &gpa, NULL) ==
	      MVMI_OK);
	CHECK(gpa.val == 0x13123);
	setup(false);
	CHECK(mvmi_space_translate(space, mvmi_gva_at(0x403123), &gpa, NULL) ==
	      MVMI_OK);
	CHECK(gpa.val == 0x13123);
}

static void read_crosses_pages(void)
{
	uint8_t buf[0x2000] = { 0 };

	for (int mapped = 0; mapped < 2; mapped++) {
		setup(mapped);
		ramvm_put64(0x4000 + 8, 0x20000 | P);
		memset(ramvm.ram + 0x10000, 1, 0x1000);
		memset(ramvm.ram + 0x20000, 2, 0x1000);
		memset(ramvm.ram + 0x12000, 3, 0x1000);
		CHECK(mvmi_space_read(space, mvmi_gva_at(0x400800),
				      (struct mvmi_span){ buf, sizeof(buf) },
				      NULL) == MVMI_OK);
		CHECK(buf[0] == 1 && buf[0x7ff] == 1);
		CHECK(buf[0x800] == 2 && buf[0x17ff] == 2);
		CHECK(buf[0x1800] == 3 && buf[0x1fff] == 3);
	}
}

static void read_names_the_first_missing_page(void)
{
	struct mvmi_error err;
	uint8_t buf[0x3000] = { 0 };

	for (int mapped = 0; mapped < 2; mapped++) {
		setup(mapped);
		ramvm_put64(0x4000 + 2 * 8, 0);
		CHECK(mvmi_space_read(space, mvmi_gva_at(0x400800),
				      (struct mvmi_span){ buf, sizeof(buf) },
				      &err) == MVMI_ERR_NOT_PRESENT);
		CHECK(err.status == MVMI_ERR_NOT_PRESENT);
		CHECK(err.addr == 0x402000);
		CHECK(strcmp(err.msg, "virtual 0x402000: PT entry 0x0 at "
				      "0x4010 is not present") == 0);
	}
}

static void read_of_a_page_beyond_ram_names_the_physical_address(void)
{
	struct mvmi_error err;
	uint8_t buf[0x2000] = { 0 };

	for (int mapped = 0; mapped < 2; mapped++) {
		setup(mapped);
		ramvm_put64(0x4000 + 8, 0x900000 | P);
		/* A page that is missing later does not hide it. */
		ramvm_put64(0x4000 + 2 * 8, 0);
		CHECK(mvmi_space_read(space, mvmi_gva_at(0x400800),
				      (struct mvmi_span){ buf, sizeof(buf) },
				      &err) == MVMI_ERR_FAULT);
		CHECK(err.addr == 0x900000);
	}
}

static void a_table_beyond_ram_is_no_memory(void)
{
	struct mvmi_translation to = { .gva = { 0x400000 } };
	struct mvmi_error err;
	mvmi_gpa gpa;

	for (int mapped = 0; mapped < 2; mapped++) {
		setup(mapped);
		ramvm_put64(0x2000, 0x900000 | P);
		CHECK(mvmi_space_translate(space, mvmi_gva_at(0x400000), &gpa,
					   &err) == MVMI_ERR_NOT_PRESENT);
		CHECK(strcmp(err.msg,
			     "virtual 0x400000: the PD entry at 0x900010 "
			     "lies where there is no memory") == 0);
		CHECK(mvmi_space_translate_batch(space, &to, 1, NULL) ==
		      MVMI_OK);
		CHECK(to.fault == MVMI_WALK_NO_MEMORY && to.level == 2);
		CHECK(to.entry_gpa.val == 0x900010);
	}
}

static void a_table_in_private_memory_ends_only_its_own_walk(void)
{
	struct mvmi_translation to[2] = { { .gva = { 0x400000 } },
					  { .gva = { 0x8000400000 } } };
	struct mvmi_error err;
	mvmi_gpa gpa;

	setup(0);
	ramvm.private_len = MVMI_PAGE_SIZE;
	ramvm_put64(0x1000 + 8, (RAMVM_LEN - MVMI_PAGE_SIZE) | P);
	CHECK(mvmi_space_translate_batch(space, to, 2, NULL) == MVMI_OK);
	CHECK(to[0].fault == MVMI_WALK_OK);
	CHECK(to[1].fault == MVMI_WALK_DENIED && to[1].level == 3);
	CHECK(mvmi_space_translate(space, to[1].gva, &gpa, &err) ==
	      MVMI_ERR_NOT_PRESENT);
	CHECK(strstr(err.msg, "lies in private memory"));
	ramvm.private_len = 0;
}

static void faults_say_what_is_wrong(void)
{
	struct mvmi_error err;
	mvmi_gpa gpa;

	setup(true);
	ramvm_put64(0x4000, 0x10000 | P | UINT64_C(1) << 52);
	ramvm_put64(0x1000 + 8, 0x2000 | P | 0x80);
	CHECK(mvmi_space_translate(space, mvmi_gva_at(0x400000), &gpa, NULL) ==
	      MVMI_OK);
	CHECK(mvmi_space_translate(space, mvmi_gva_at(0x8000000000), &gpa,
				   &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(err.addr == 0x8000000000);
	CHECK(strcmp(err.msg, "virtual 0x8000000000: PML4 entry 0x2081 at "
			      "0x1008 sets reserved bits 0x80") == 0);
	CHECK(mvmi_space_translate(space, mvmi_gva_at(0x800000000000), &gpa,
				   &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(strcmp(err.msg, "virtual 0x800000000000 is not a canonical "
			      "48-bit address") == 0);
}

static void tables_that_point_to_themselves_are_walked(void)
{
	/* Slot 511 of the PML4 is the PML4, as Windows has it. */
	mvmi_gva self = mvmi_gva_at(0xfffffffffffff000);
	mvmi_gpa gpa;
	uint64_t entry;

	setup(true);
	ramvm_put64(0x1000 + 511 * 8, 0x1000 | P | W);
	CHECK(mvmi_space_translate(space, self, &gpa, NULL) == MVMI_OK);
	CHECK(gpa.val == 0x1000);
	CHECK(mvmi_space_read_u64(space, mvmi_gva_at(0xfffffffffffffff8),
				  &entry, NULL) == MVMI_OK);
	CHECK(entry == (0x1000 | P | W));
}

static void walk_shows_each_entry(void)
{
	struct mvmi_walk_step steps[MVMI_WALK_STEPS_MAX];
	struct mvmi_translation result;
	size_t count;

	setup(true);
	CHECK(mvmi_space_walk(space, mvmi_gva_at(0x403123), steps, &count,
			      &result, NULL) == MVMI_OK);
	CHECK(count == 4);
	CHECK(steps[0].level == 4 && steps[0].entry_gpa.val == 0x1000);
	CHECK(steps[2].level == 2 && steps[2].index == 2 && !steps[2].leaf);
	CHECK(steps[3].entry_gpa.val == 0x4018 && steps[3].leaf);
	CHECK(steps[3].entry == (0x13000 | P | W));
	CHECK(result.gpa.val == 0x13123);
	CHECK(result.rights == (MVMI_PAGE_WRITE | MVMI_PAGE_EXEC));
	CHECK(mvmi_space_walk(space, mvmi_gva_at(0x408000), steps, &count,
			      &result, NULL) == MVMI_OK);
	CHECK(count == 4 && steps[3].fault == MVMI_WALK_NOT_PRESENT);
	CHECK(result.fault == MVMI_WALK_NOT_PRESENT);
}

static void without_paging_addresses_are_physical(void)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_space *flat;
	uint64_t value;
	mvmi_gpa gpa;

	setup(true);
	CHECK(mvmi_space_create(vm, &params, &flat, NULL) == MVMI_OK);
	CHECK(mvmi_space_read_u64(flat, mvmi_gva_at(0x1000), &value, NULL) ==
	      MVMI_OK);
	CHECK(value == (0x2000 | P | W | U));
	CHECK(mvmi_space_translate(flat, mvmi_gva_at(UINT64_C(1) << 32), &gpa,
				   NULL) == MVMI_ERR_NOT_PRESENT);
	mvmi_space_destroy(flat);
}

static void a_long_read_through_a_large_page_is_one_scatter_read(void)
{
	static uint8_t buf[RAMVM_LEN];

	setup(false);
	ramvm_put64(0x3000, 0x0 | P | W | 0x80);
	memset(ramvm.ram + 0x30000, 7, 0x1000);
	ramvm.readv_calls = 0;
	CHECK(mvmi_space_read(space, mvmi_gva_at(0),
			      (struct mvmi_span){ buf, sizeof(buf) },
			      NULL) == MVMI_OK);
	CHECK(memcmp(buf, ramvm.ram, sizeof(buf)) == 0);
	/* Three entries, then all of it. */
	CHECK(ramvm.readv_calls == 4);
}

static void a_long_read_walks_its_pages_together(void)
{
	static uint8_t buf[8 * 0x1000];

	setup(false);
	for (uint64_t i = 0; i < 8; i++) {
		ramvm_put64(0x4000 + i * 8, (0x27000 - i * 0x1000) | P);
		memset(ramvm.ram + 0x27000 - i * 0x1000, (int)i + 1, 0x1000);
	}
	ramvm.readv_calls = 0;
	CHECK(mvmi_space_read(space, mvmi_gva_at(0x400000),
			      (struct mvmi_span){ buf, sizeof(buf) },
			      NULL) == MVMI_OK);
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK(buf[i] == i / 0x1000 + 1);
	/* The first page alone, the others together, then the bytes. */
	CHECK(ramvm.readv_calls == 4 + 4 + 1);
}

static void ranges_that_wrap_are_refused(void)
{
	uint8_t buf[16] = { 0 };
	mvmi_gva high = mvmi_gva_at(UINT64_MAX - 7);
	uint64_t value = 7;

	setup(true);
	CHECK(mvmi_space_read(space, high, (struct mvmi_span){ buf, 9 },
			      NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_space_write(space, high, (struct mvmi_bytes){ buf, 9 },
			       MVMI_WRITE_COHERENT, NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_space_read_u64(space, mvmi_gva_at(UINT64_MAX), &value,
				  NULL) == MVMI_ERR_INVALID);
	CHECK(value == 7);
	CHECK(mvmi_space_read(space, high, (struct mvmi_span){ buf, 8 },
			      NULL) == MVMI_ERR_NOT_PRESENT);
	CHECK(mvmi_space_read(space, high, (struct mvmi_span){ NULL, 0 },
			      NULL) == MVMI_OK);
}

static void write_changes_nothing_if_a_page_is_missing(void)
{
	struct mvmi_error err;
	uint8_t src[0x2000];

	setup(true);
	memset(src, 9, sizeof(src));
	ramvm_put64(0x4000 + 8, 0);
	CHECK(mvmi_space_write(space, mvmi_gva_at(0x400800),
			       (struct mvmi_bytes){ src, sizeof(src) },
			       MVMI_WRITE_COHERENT,
			       &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(err.addr == 0x401000);
	for (size_t i = 0x10000; i < 0x14000; i++)
		CHECK(ramvm.ram[i] == 0);
}

static void write_crosses_pages(void)
{
	uint8_t src[0x1000];

	setup(true);
	memset(src, 9, sizeof(src));
	ramvm_put64(0x4000 + 8, 0x20000 | P);
	CHECK(mvmi_space_write(space, mvmi_gva_at(0x400ff0),
			       (struct mvmi_bytes){ src, 0x20 },
			       MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
	CHECK(ramvm.ram[0x10fef] == 0 && ramvm.ram[0x10ff0] == 9);
	CHECK(ramvm.ram[0x2000f] == 9 && ramvm.ram[0x20010] == 0);
}

static uint64_t translated(uint64_t gva)
{
	mvmi_gpa gpa = { 0 };

	return mvmi_space_translate(space, mvmi_gva_at(gva), &gpa, NULL) ==
			       MVMI_OK
		       ? gpa.val
		       : 0;
}

static void a_running_vm_is_translated_anew_each_time(void)
{
	setup(true);
	CHECK(translated(0x400000) == 0x10000);
	ramvm_put64(0x4000, 0x30000 | P);
	CHECK(translated(0x400000) == 0x30000);
}

static void a_held_vm_is_remembered_until_its_release(void)
{
	setup(true);
	CHECK(mvmi_vm_hold(vm, NULL) == MVMI_OK);
	CHECK(translated(0x400000) == 0x10000);
	ramvm_put64(0x4000, 0x30000 | P);
	CHECK(translated(0x400000) == 0x10000);
	CHECK(mvmi_vm_release(vm, NULL) == MVMI_OK);
	CHECK(mvmi_vm_hold(vm, NULL) == MVMI_OK);
	CHECK(translated(0x400000) == 0x30000);
	ramvm_put64(0x4000, 0x31000 | P);
	mvmi_space_flush(space);
	CHECK(translated(0x400000) == 0x31000);
	CHECK(mvmi_vm_release(vm, NULL) == MVMI_OK);
}

static void a_write_to_a_table_is_noticed_under_a_hold(void)
{
	uint8_t entry[8] = { P, 0, 3 };

	setup(true);
	CHECK(mvmi_vm_hold(vm, NULL) == MVMI_OK);
	CHECK(translated(0x400000) == 0x10000);
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(0x4000),
			     (struct mvmi_bytes){ entry, sizeof(entry) },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
	CHECK(translated(0x400000) == 0x30000);
	CHECK(mvmi_vm_release(vm, NULL) == MVMI_OK);
}

static void large_and_small_pages_do_not_shadow_each_other(void)
{
	setup(true);
	ramvm_put64(0x3000, 0x0 | P | 0x80);
	CHECK(mvmi_vm_hold(vm, NULL) == MVMI_OK);
	for (int i = 0; i < 2; i++) {
		CHECK(translated(0x100123) == 0x100123);
		CHECK(translated(0x400123) == 0x10123);
		CHECK(translated(0x401123) == 0x11123);
		CHECK(translated(0x000123) == 0x123);
	}
	CHECK(mvmi_vm_release(vm, NULL) == MVMI_OK);
}

static uint64_t random_state;

/** xorshift64: the same tables each time. */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/** An entry that often leads on, and sometimes breaks a rule. */
static uint64_t random_entry(void)
{
	uint64_t r = random_next();
	uint64_t entry = (r & 0x3f000) | (r >> 40 & 0x166);

	entry |= r >> 20 & 15 ? P : 0;
	entry |= r >> 24 & 7 ? 0 : 0x80;
	entry |= r >> 28 & 15 ? 0 : UINT64_C(1) << (r >> 32 & 63);
	return entry;
}

static void check_batch_against_singles(enum mvmi_paging paging)
{
	struct mvmi_space_params params = { .size = sizeof(params),
					    .paging = paging,
					    .pse = true,
					    .nxe = true,
					    .maxphyaddr = 46 };
	struct mvmi_translation items[150];
	size_t count = sizeof(items) / sizeof(items[0]);

	CHECK(mvmi_space_create(vm, &params, &space, NULL) == MVMI_OK);
	for (size_t i = 0; i < count; i++) {
		uint64_t r = random_next();

		items[i].gva = mvmi_gva_at(r >> (r & 1 ? 17 : 32));
	}
	CHECK(mvmi_space_translate_batch(space, items, count, NULL) == MVMI_OK);
	for (size_t i = 0; i < count; i++) {
		struct mvmi_walk_step steps[MVMI_WALK_STEPS_MAX];
		struct mvmi_translation one;
		size_t n;

		CHECK(mvmi_space_walk(space, items[i].gva, steps, &n, &one,
				      NULL) == MVMI_OK);
		CHECK(one.fault == items[i].fault);
		CHECK(one.gpa.val == items[i].gpa.val);
		CHECK(one.entry == items[i].entry);
		CHECK(one.level == items[i].level);
		CHECK(one.rights == items[i].rights);
		CHECK(one.page_size == items[i].page_size);
		CHECK((translated(items[i].gva.val) == one.gpa.val) ||
		      one.fault != MVMI_WALK_OK);
	}
}

static void a_batch_comes_to_what_singles_come_to(void)
{
	random_state = 42;
	for (int round = 0; round < 40; round++) {
		setup(round & 1);
		for (uint64_t gpa = 0; gpa < RAMVM_LEN; gpa += 8)
			ramvm_put64(gpa, random_entry());
		mvmi_space_destroy(space);
		space = NULL;
		check_batch_against_singles((enum mvmi_paging)(round % 5));
	}
}

static void parameters_are_checked(void)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_space *other = NULL;

	setup(true);
	params.paging = (enum mvmi_paging)5;
	CHECK(mvmi_space_create(vm, &params, &other, NULL) == MVMI_ERR_INVALID);
	params.paging = MVMI_PAGING_4LEVEL;
	params.maxphyaddr = 53;
	CHECK(mvmi_space_create(vm, &params, &other, NULL) == MVMI_ERR_INVALID);
	params.maxphyaddr = 31;
	CHECK(mvmi_space_create(vm, &params, &other, NULL) == MVMI_ERR_INVALID);
	CHECK(!other);
}

struct mode_case {
	uint64_t cr0, cr4, efer;
	enum mvmi_paging paging;
	bool pse, nxe;
};

static const struct mode_case mode_cases[] = {
	{ 0x11, 0x30, 0xd00, MVMI_PAGING_NONE, false, false },
	{ 0x80000011, 0x0, 0x800, MVMI_PAGING_32BIT, false, false },
	{ 0x80000011, 0x10, 0x0, MVMI_PAGING_32BIT, true, false },
	{ 0x80000011, 0x20, 0x0, MVMI_PAGING_PAE, false, false },
	{ 0x80000011, 0x20, 0x800, MVMI_PAGING_PAE, false, true },
	{ 0x80000011, 0x20, 0xd00, MVMI_PAGING_4LEVEL, false, true },
	{ 0x80000011, 0x1020, 0x500, MVMI_PAGING_5LEVEL, false, false },
};

static void the_mode_follows_from_control_registers(void)
{
	for (size_t i = 0; i < sizeof(mode_cases) / sizeof(mode_cases[0]);
	     i++) {
		const struct mode_case *c = &mode_cases[i];
		struct mvmi_space_params params = { .size = sizeof(params) };
		struct mvmi_regs regs = mvmi_regs_empty();

		regs.valid = mvmi_regset_of_groups(MVMI_REGS_CONTROL);
		regs.x86.cr0 = c->cr0;
		regs.x86.cr3 = 0x1000;
		regs.x86.cr4 = c->cr4;
		regs.x86.efer = c->efer;
		CHECK(mvmi_space_params_of_regs(&regs, &params, NULL) ==
		      MVMI_OK);
		CHECK(params.paging == c->paging);
		CHECK(params.pse == c->pse && params.nxe == c->nxe);
	}
}

static void a_register_that_is_not_known_is_not_guessed(void)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_error err;

	CHECK(mvmi_space_params_of_regs(&regs, &params, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	regs.valid = mvmi_regset_of_groups(MVMI_REGS_CONTROL);
	mvmi_regset_remove(&regs.valid, MVMI_REG_EFER);
	regs.x86.cr0 = 0x80000001;
	CHECK(mvmi_space_params_of_regs(&regs, &params, NULL) == MVMI_OK);
	regs.x86.cr4 = 0x20;
	CHECK(mvmi_space_params_of_regs(&regs, &params, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(strncmp(err.msg, "efer is not known", 17) == 0);
}

static void a_vcpu_runs_in_the_space_of_its_cr3(void)
{
	struct mvmi_space *own;
	mvmi_gpa gpa;

	setup(true);
	ramvm.regs.valid = mvmi_regset_of_groups(MVMI_REGS_CONTROL);
	ramvm.regs.x86.cr0 = 0x80000001;
	ramvm.regs.x86.cr3 = 0x8000000000001007;
	ramvm.regs.x86.cr4 = 0x20;
	ramvm.regs.x86.efer = 0xd00;
	CHECK(mvmi_space_of_vcpu(vm, 0, &own, NULL) == MVMI_OK);
	CHECK(mvmi_space_get_params(own)->paging == MVMI_PAGING_4LEVEL);
	CHECK(mvmi_space_get_params(own)->root == 0x1000);
	CHECK(mvmi_space_translate(own, mvmi_gva_at(0x400000), &gpa, NULL) ==
	      MVMI_OK);
	CHECK(gpa.val == 0x10000);
	CHECK(ramvm.held == 0);
	mvmi_space_destroy(own);
}

TESTS(T(translates_through_four_levels), T(read_crosses_pages),
      T(read_names_the_first_missing_page),
      T(read_of_a_page_beyond_ram_names_the_physical_address),
      T(a_table_beyond_ram_is_no_memory),
      T(a_table_in_private_memory_ends_only_its_own_walk),
      T(faults_say_what_is_wrong),
      T(tables_that_point_to_themselves_are_walked), T(walk_shows_each_entry),
      T(without_paging_addresses_are_physical),
      T(a_long_read_through_a_large_page_is_one_scatter_read),
      T(a_long_read_walks_its_pages_together), T(ranges_that_wrap_are_refused),
      T(write_changes_nothing_if_a_page_is_missing), T(write_crosses_pages),
      T(a_running_vm_is_translated_anew_each_time),
      T(a_held_vm_is_remembered_until_its_release),
      T(a_write_to_a_table_is_noticed_under_a_hold),
      T(large_and_small_pages_do_not_shadow_each_other),
      T(a_batch_comes_to_what_singles_come_to), T(parameters_are_checked),
      T(the_mode_follows_from_control_registers),
      T(a_register_that_is_not_known_is_not_guessed),
      T(a_vcpu_runs_in_the_space_of_its_cr3))
