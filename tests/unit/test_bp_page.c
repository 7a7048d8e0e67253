/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints by page: what a guest sees of the page that one is on, and where
 * they go when the page does.
 */
#include "bp_guest.h"

/* ---- a page that is cloaked -------------------------------------------- */

/** Reads and writes of the guest, by an instruction that lies elsewhere. */
static uint64_t load(uint64_t gpa)
{
	const struct mock_insn insn = { .op = MOCK_LOAD,
					.gpa = mvmi_gpa_at(gpa),
					.rip = OTHER };

	CHECK(mock_push(far, 0, &insn));
	run();
	return mock_seen(far, 0).value;
}

static void store(unsigned vcpu, uint64_t gpa, uint64_t value)
{
	const struct mock_insn insn = { .op = MOCK_STORE,
					.gpa = mvmi_gpa_at(gpa),
					.value = value,
					.rip = OTHER };

	CHECK(mock_push(far, vcpu, &insn));
	run();
}

#define NOPS UINT64_C(0x9090909090909090)

static void a_guest_that_reads_a_cloaked_page_sees_its_own(void)
{
	begin("xen");
	CHECK(add(&a, at(CODE + 3)) == MVMI_OK);
	CHECK(info_of(&a).means == MVMI_BP_VIEW);
	CHECK(load(CODE) == NOPS);
	CHECK(mock_seen(far, 0).view != 0);
	check_code_is_untouched();
	walk(0, CODE + 3, 1);
	run();
	CHECK(a.calls == 1);
	end();
}

static void a_write_to_a_cloaked_page_is_fetched_later(void)
{
	begin("xen");
	CHECK(add(&a, at(CODE)) == MVMI_OK);
	store(1, CODE + 8, NOPS - 0x90 + INT3);
	CHECK(byte_at(CODE + 8) == INT3);
	CHECK(load(CODE + 8) == NOPS - 0x90 + INT3);
	walk(0, CODE + 8, 1);
	run();
	CHECK(a.calls == 0 && mock_seen(far, 0).delivered == 1);
	end();
}

/** What the guest writes under a patch is what lies there afterwards. */
static void a_write_under_a_patch_stays(void)
{
	begin("xen");
	CHECK(add(&a, at(CODE)) == MVMI_OK);
	store(0, CODE, 0x9090909090909055);
	CHECK(load(CODE) == 0x9090909090909055);
	walk(1, CODE, 1);
	run();
	CHECK(a.calls == 1 && mock_seen(far, 1).executed == 1);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	CHECK(byte_at(CODE) == 0x55);
	end();
}

static void an_int3_that_the_guest_wrote_over_is_not_put_back(void)
{
	begin("tcg");
	CHECK(add(&a, int3_at(CODE)) == MVMI_OK);
	CHECK(byte_at(CODE) == INT3);
	store(0, CODE, 0x9090909090909055);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	CHECK(byte_at(CODE) == 0x55);
	end();
}

static void the_view_is_left_with_the_last_breakpoint(void)
{
	begin("xen");
	CHECK(add(&a, at(CODE)) == MVMI_OK);
	CHECK(add(&b, at(OTHER)) == MVMI_OK);
	CHECK(mock_seen(far, 0).view && mock_seen(far, 1).view);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	CHECK(mock_seen(far, 0).view && mock_seen(far, 1).view);
	CHECK(mvmi_bp_remove(vm, b.bp, NULL) == MVMI_OK);
	CHECK(!mock_seen(far, 0).view && !mock_seen(far, 1).view);
	CHECK(mock_is_untouched(far));
	end();
}

static void bytes_that_were_read_can_be_cleaned(void)
{
	uint8_t bytes[4];
	struct mvmi_span span = { bytes, sizeof(bytes) };

	begin("tcg");
	CHECK(add(&a, int3_at(CODE + 1)) == MVMI_OK);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(CODE), span, NULL) == MVMI_OK);
	CHECK(bytes[1] == INT3);
	mvmi_bp_hide(vm, mvmi_gpa_at(CODE), span);
	CHECK(bytes[0] == 0x90 && bytes[1] == 0x90 && bytes[2] == 0x90);
	end();
}

/* ---- a page that moves ------------------------------------------------- */

#define TABLES	   UINT64_C(0x10000) /* four of them, one a level */
#define GVA	   UINT64_C(0x400000)
#define PRESENT	   UINT64_C(7)

#define CR0_PE_PG  UINT64_C(0x80000011)
#define CR4_PAE	   UINT64_C(0x20)
#define EFER_LME_A UINT64_C(0x500)
#define MSR_EFER   UINT32_C(0xc0000080)

static void write_entry(uint64_t gpa, uint64_t entry)
{
	uint8_t bytes[8];

	memcpy(bytes, &entry, sizeof(bytes));
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(gpa),
			     (struct mvmi_bytes){ bytes, sizeof(bytes) },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
}

/** Map GVA to a page; 0: to none. */
static void map(uint64_t page)
{
	write_entry(TABLES + 0x3000 + (GVA >> 12 & 511) * 8,
		    page ? page | PRESENT : 0);
}

static void execute(struct mock_insn insn)
{
	CHECK(mock_push(far, 0, &insn));
	run();
}

/** Let vCPU 0 run with four levels of paging. */
static void begin_paging(const char *personality, uint64_t page)
{
	begin(personality);
	for (uint64_t level = 0; level < 3; level++)
		write_entry(TABLES + level * 0x1000 +
				    (GVA >> (39 - 9 * level) & 511) * 8,
			    (TABLES + (level + 1) * 0x1000) | PRESENT);
	map(page);
	execute((struct mock_insn){ .op = MOCK_MOV_CR4, .value = CR4_PAE });
	execute((struct mock_insn){
		.op = MOCK_WRMSR, .index = MSR_EFER, .value = EFER_LME_A });
	execute((struct mock_insn){ .op = MOCK_MOV_CR3, .value = TABLES });
	execute((struct mock_insn){ .op = MOCK_MOV_CR0, .value = CR0_PE_PG });
}

/** A breakpoint in the space of those tables; visible, for it may be. */
static void add_in_space(struct watcher *watcher)
{
	const struct mvmi_space_params params = {
		.size = sizeof(params),
		.paging = MVMI_PAGING_4LEVEL,
		.root = TABLES,
	};
	struct mvmi_bp_options options = at(GVA);
	struct mvmi_space *space;
	enum mvmi_status status;

	CHECK(mvmi_space_create(vm, &params, &space, NULL) == MVMI_OK);
	options.space = space;
	options.visible = true;
	options.file_backed = true;
	status = add(watcher, options);
	mvmi_space_destroy(space);
	CHECK(status == MVMI_OK);
}

/** The guest loads its CR3 again, as after a change of its tables. */
static void reload_cr3(void)
{
	execute((struct mock_insn){
		.op = MOCK_MOV_CR3, .value = TABLES, .rip = GVA + 0x100 });
}

static void a_breakpoint_follows_its_page(void)
{
	begin_paging("xen", CODE);
	add_in_space(&a);
	CHECK(info_of(&a).means == MVMI_BP_VIEW);
	CHECK(info_of(&a).gpa.val == CODE);
	walk(0, GVA, 1);
	run();
	CHECK(a.calls == 1);
	map(OTHER);
	reload_cr3();
	CHECK(info_of(&a).gpa.val == OTHER && info_of(&a).moves == 1);
	walk(0, GVA, 1);
	run();
	CHECK(a.calls == 2 && mock_seen(far, 0).delivered == 0);
	end();
}

static void a_breakpoint_waits_for_its_page(void)
{
	begin_paging("xen", 0);
	add_in_space(&a);
	CHECK(info_of(&a).state == MVMI_BP_WAITING);
	CHECK(info_of(&a).means == MVMI_BP_NONE);
	map(CODE);
	CHECK(mvmi_bp_rearm(vm, NULL) == MVMI_OK);
	CHECK(info_of(&a).state == MVMI_BP_ARMED);
	walk(0, GVA, 1);
	run();
	CHECK(a.calls == 1);
	map(0);
	CHECK(mvmi_bp_rearm(vm, NULL) == MVMI_OK);
	CHECK(info_of(&a).state == MVMI_BP_WAITING);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	check_code_is_untouched();
	end();
}

/** Without CR3 events someone has to say when. */
static void an_int3_follows_its_page_when_told(void)
{
	static const unsigned slots = 4;
	struct watcher others[4] = { 0 };

	begin_paging("kvm", CODE);
	for (unsigned i = 0; i < slots; i++)
		CHECK(add(&others[i], at(GVA + 0x800 + i)) == MVMI_OK);
	add_in_space(&a);
	CHECK(info_of(&a).means == MVMI_BP_INT3);
	CHECK(byte_at(CODE) == INT3);
	map(OTHER);
	CHECK(mvmi_bp_rearm(vm, NULL) == MVMI_OK);
	CHECK(byte_at(CODE) == 0x90 && byte_at(OTHER) == INT3);
	walk(0, GVA, 1);
	run();
	CHECK(a.calls == 1 && mock_seen(far, 0).delivered == 0);
	CHECK(mvmi_bp_remove(vm, a.bp, NULL) == MVMI_OK);
	check_code_is_untouched();
	end();
}

/** The same frame, mapped elsewhere, is another address. */
static void another_address_of_the_frame_is_no_hit(void)
{
	begin_paging("xen", CODE);
	write_entry(TABLES + 0x3000 + ((GVA >> 12 & 511) + 1) * 8,
		    CODE | PRESENT);
	add_in_space(&a);
	walk(0, GVA + 0x1000, 1);
	run();
	CHECK(a.calls == 0 && mock_seen(far, 0).delivered == 0);
	walk(0, GVA, 1);
	run();
	CHECK(a.calls == 1);
	end();
}

static void another_space_is_no_hit(void)
{
	begin_paging("kvm", CODE);
	add_in_space(&a);
	CHECK(info_of(&a).means == MVMI_BP_SLOT);
	walk(0, GVA, 1);
	run();
	CHECK(a.calls == 1);
	/* vCPU 1 has paging off, and its CR3 is 0. */
	walk(1, GVA, 1);
	run();
	CHECK(a.calls == 1 && mock_seen(far, 1).executed == 1);
	end();
}

TESTS(T(a_guest_that_reads_a_cloaked_page_sees_its_own),
      T(a_write_to_a_cloaked_page_is_fetched_later),
      T(a_write_under_a_patch_stays),
      T(an_int3_that_the_guest_wrote_over_is_not_put_back),
      T(the_view_is_left_with_the_last_breakpoint),
      T(bytes_that_were_read_can_be_cleaned), T(a_breakpoint_follows_its_page),
      T(a_breakpoint_waits_for_its_page), T(an_int3_follows_its_page_when_told),
      T(another_address_of_the_frame_is_no_hit), T(another_space_is_no_hit))
