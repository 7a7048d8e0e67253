/* SPDX-License-Identifier: MIT */
/* CONTRACT, "Memory", "Epochs", and snapshots. */
#include <string.h>

#include "conform.h"

#define REGIONS_MAX 16

static enum mvmi_status read_byte(struct subject *s, mvmi_gpa gpa, uint8_t *ret)
{
	return mvmi_mem_read(s->vm, gpa, (struct mvmi_span){ ret, 1 }, NULL);
}

static void write_byte(struct subject *s, mvmi_gpa gpa, uint8_t byte)
{
	NEED(s->vm->conn->write, "memory can't be written");
	CHECK(mvmi_mem_write(s->vm, gpa, (struct mvmi_bytes){ &byte, 1 },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
}

static void regions_are_sorted_and_do_not_overlap(struct subject *s)
{
	struct mvmi_region regions[REGIONS_MAX];
	size_t count = 0;

	CHECK(mvmi_mem_regions(s->vm, regions, REGIONS_MAX, &count, NULL) ==
	      MVMI_OK);
	CHECK(count > 0 && count <= REGIONS_MAX);
	for (size_t i = 1; i < count; i++)
		CHECK(regions[i].start.val - regions[i - 1].start.val >=
		      regions[i - 1].len);
}

static void regions_counts_them_all_whatever_the_capacity(struct subject *s)
{
	struct mvmi_region regions[REGIONS_MAX];
	size_t one = 0;
	size_t all = 0;

	CHECK(mvmi_mem_regions(s->vm, regions, 1, &one, NULL) == MVMI_OK);
	CHECK(mvmi_mem_regions(s->vm, regions, REGIONS_MAX, &all, NULL) ==
	      MVMI_OK);
	CHECK(one == all);
}

static void untouched_ram_is_zeros_and_stays_untouched(struct subject *s)
{
	uint8_t bytes[3 * MVMI_PAGE_SIZE];
	struct mvmi_extent extent;

	memset(bytes, 0xff, sizeof(bytes));
	CHECK(mvmi_mem_read(s->vm, SUBJECT_PAGE,
			    (struct mvmi_span){ bytes, sizeof(bytes) },
			    NULL) == MVMI_OK);
	for (size_t i = 0; i < sizeof(bytes); i++)
		CHECK(bytes[i] == 0);
	CHECK(!s->ops->page_is_backed(s, SUBJECT_PAGE));
	CHECK(mvmi_mem_extent(s->vm, SUBJECT_PAGE, &extent, NULL) == MVMI_OK);
	CHECK(extent.kind == MVMI_EXTENT_ZERO && extent.len > 0);
	CHECK(!s->ops->page_is_backed(s, SUBJECT_PAGE));
}

static void extents_tell_data_from_nothing(struct subject *s)
{
	struct mvmi_extent extent;

	write_byte(s, SUBJECT_PAGE, 1);
	CHECK(mvmi_mem_extent(s->vm, SUBJECT_PAGE, &extent, NULL) == MVMI_OK);
	CHECK(extent.kind == MVMI_EXTENT_DATA);
	CHECK(extent.start.val == SUBJECT_PAGE.val);
	CHECK(mvmi_mem_extent(s->vm, SUBJECT_HOLE, &extent, NULL) == MVMI_OK);
	CHECK(extent.kind == MVMI_EXTENT_NONE && extent.len > 0);
}

static void a_read_into_a_hole_names_the_first_missing_byte(struct subject *s)
{
	struct mvmi_region regions[REGIONS_MAX];
	uint8_t bytes[32] = { 0 };
	struct mvmi_error err;
	uint64_t end;
	size_t count;

	CHECK(mvmi_mem_regions(s->vm, regions, REGIONS_MAX, &count, NULL) ==
	      MVMI_OK);
	end = regions[0].start.val + regions[0].len;
	NEED(count < 2 || regions[1].start.val > end, "no hole after RAM");
	CHECK(mvmi_mem_read(s->vm, mvmi_gpa_at(end - 16),
			    (struct mvmi_span){ bytes, sizeof(bytes) },
			    &err) == MVMI_ERR_FAULT);
	CHECK(err.addr == end);
}

static void each_element_of_a_scatter_read_reports_for_itself(struct subject *s)
{
	uint8_t bytes[3] = { 0 };
	struct mvmi_mem_op ops[3] = {
		{ .gpa = SUBJECT_PAGE, .dst = { &bytes[0], 1 } },
		{ .gpa = SUBJECT_HOLE, .dst = { &bytes[1], 1 } },
		{ .gpa = SUBJECT_PAGE, .dst = { &bytes[2], 1 } },
	};

	write_byte(s, SUBJECT_PAGE, 7);
	CHECK(mvmi_mem_readv(s->vm, ops, 3, NULL) == MVMI_OK);
	CHECK(ops[0].status == MVMI_OK && ops[0].done == 1 && bytes[0] == 7);
	CHECK(ops[1].status == MVMI_ERR_FAULT && ops[1].done == 0);
	CHECK(ops[2].status == MVMI_OK && ops[2].done == 1 && bytes[2] == 7);
}

static void a_range_beyond_2_64_is_invalid(struct subject *s)
{
	uint8_t bytes[2] = { 0 };

	CHECK(mvmi_mem_read(s->vm, mvmi_gpa_at(UINT64_MAX),
			    (struct mvmi_span){ bytes, 2 },
			    NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_mem_read(s->vm, mvmi_gpa_at(UINT64_MAX),
			    (struct mvmi_span){ bytes, 1 },
			    NULL) == MVMI_ERR_FAULT);
}

static void private_memory_is_an_error_of_its_own(struct subject *s)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	uint8_t byte;

	CHECK(mvmi_vm_get_info(s->vm, &info, NULL) == MVMI_OK);
	NEED(info.traits & MVMI_TRAIT_ENCRYPTED, "no private memory");
	CHECK(read_byte(s, SUBJECT_PRIVATE, &byte) == MVMI_ERR_DENIED);
}

static void private_memory_is_never_mapped(struct subject *s)
{
	const struct mvmi_window *windows;
	size_t count;

	NEED(s->vm->conn->map, "memory isn't mapped");
	s->vm->conn->map->windows(s->vm->conn, &windows, &count);
	for (size_t i = 0; i < count; i++)
		CHECK(SUBJECT_PRIVATE.val - windows[i].start.val >=
		      windows[i].len);
}

static void a_write_is_seen_by_data_reads(struct subject *s)
{
	struct deed load = { DEED_LOAD, .gpa = SUBJECT_PAGE };

	write_byte(s, SUBJECT_PAGE, 0x5a);
	act(s, 0, &load);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).value == 0x5a);
}

static void a_write_is_seen_by_instruction_fetches(struct subject *s)
{
	const struct deed nop = { DEED_NOP, .rip = 0x8800 };

	NEED(!(s->vm->conn->traits & MVMI_TRAIT_DATA_ONLY_WRITES),
	     "writes are for data only");
	write_byte(s, mvmi_gpa_at(0x8800), 0xcc);
	act(s, 0, &nop);
	s->ops->run(s);
	CHECK(s->ops->ask(s, 0).trapped == 1);
	CHECK(s->ops->ask(s, 0).vector == 3);
}

static void a_write_to_a_hole_changes_nothing(struct subject *s)
{
	struct mvmi_region regions[REGIONS_MAX];
	const uint8_t bytes[32] = { 1 };
	uint8_t byte = 0;
	mvmi_gpa start;
	size_t count;

	NEED(s->vm->conn->write, "memory can't be written");
	CHECK(mvmi_mem_regions(s->vm, regions, REGIONS_MAX, &count, NULL) ==
	      MVMI_OK);
	start = mvmi_gpa_at(regions[0].start.val + regions[0].len - 16);
	NEED(count < 2 || regions[1].start.val > start.val + 16,
	     "no hole after RAM");
	CHECK(mvmi_mem_write(s->vm, start,
			     (struct mvmi_bytes){ bytes, sizeof(bytes) },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_ERR_FAULT);
	CHECK(read_byte(s, start, &byte) == MVMI_OK && byte == 0);
}

static void what_the_guest_writes_is_read_by_the_next_call(struct subject *s)
{
	struct deed store = { DEED_STORE, .value = 1, .gpa = SUBJECT_PAGE };
	uint8_t byte = 0;

	for (store.value = 1; store.value < 4; store.value++) {
		act(s, 0, &store);
		s->ops->run(s);
		CHECK(read_byte(s, SUBJECT_PAGE, &byte) == MVMI_OK);
		CHECK(byte == store.value);
	}
}

static void windows_hold_what_a_scatter_read_gives(struct subject *s)
{
	struct mvmi_mem_op op = { .gpa = SUBJECT_PAGE };
	const struct mvmi_window *windows;
	uint8_t byte = 0;
	size_t count;

	NEED(s->vm->conn->map, "memory isn't mapped");
	op.dst = (struct mvmi_span){ &byte, 1 };
	write_byte(s, SUBJECT_PAGE, 0x21);
	CHECK(s->vm->conn->mem->readv(s->vm->conn, &op, 1, NULL) == MVMI_OK);
	s->vm->conn->map->windows(s->vm->conn, &windows, &count);
	CHECK(count > 0 && windows[0].start.val == 0);
	CHECK(byte == 0x21 && windows[0].host[SUBJECT_PAGE.val] == 0x21);
}

static void under_a_hold_an_epoch_lasts_until_a_write(struct subject *s)
{
	uint64_t epoch;

	NEED(s->vm->conn->run, "vCPUs can't be held");
	CHECK(mvmi_vm_hold(s->vm, NULL) == MVMI_OK);
	epoch = vm_epoch(s->vm);
	CHECK(vm_epoch(s->vm) == epoch);
	write_byte(s, SUBJECT_PAGE, 1);
	CHECK(vm_epoch(s->vm) != epoch);
}

static void while_it_runs_no_epoch_outlives_the_call(struct subject *s)
{
	uint64_t epoch = vm_epoch(s->vm);

	CHECK(vm_epoch(s->vm) != epoch);
}

static const struct mvmi_snapshot_ops *need_snapshot(struct subject *s)
{
	NEED(s->vm->conn->snapshot, "no snapshots");
	return s->vm->conn->snapshot;
}

static void a_snapshot_brings_memory_and_registers_back(struct subject *s)
{
	const struct mvmi_snapshot_ops *ops = need_snapshot(s);
	struct deed store = { DEED_STORE, .value = 9, .gpa = SUBJECT_PAGE };
	uint64_t rip = s->ops->ask(s, 0).rip;
	uint8_t byte = 0;
	uint32_t id;

	write_byte(s, SUBJECT_PAGE, 1);
	CHECK(ops->take(s->vm->conn, &id, NULL) == MVMI_OK);
	act(s, 0, &store);
	s->ops->run(s);
	CHECK(ops->restore(s->vm->conn, id, NULL) == MVMI_OK);
	CHECK(read_byte(s, SUBJECT_PAGE, &byte) == MVMI_OK && byte == 1);
	CHECK(s->ops->ask(s, 0).rip == rip);
}

static void restoring_begins_a_new_incarnation(struct subject *s)
{
	const struct mvmi_snapshot_ops *ops = need_snapshot(s);
	uint64_t before = s->vm->conn->incarnation;
	uint32_t id;

	CHECK(ops->take(s->vm->conn, &id, NULL) == MVMI_OK);
	CHECK(ops->restore(s->vm->conn, id, NULL) == MVMI_OK);
	CHECK(s->vm->conn->incarnation == before + 1);
}

static void dirty_names_the_frames_written_since(struct subject *s)
{
	const struct mvmi_snapshot_ops *ops = need_snapshot(s);
	mvmi_gfn gfns[2];
	size_t count = 1;
	uint32_t id;

	write_byte(s, mvmi_gpa_at(0x5000), 1);
	CHECK(ops->take(s->vm->conn, &id, NULL) == MVMI_OK);
	CHECK(ops->dirty(s->vm->conn, id, gfns, 2, &count, NULL) == MVMI_OK);
	CHECK(count == 0);
	write_byte(s, SUBJECT_PAGE, 1);
	CHECK(ops->dirty(s->vm->conn, id, gfns, 2, &count, NULL) == MVMI_OK);
	CHECK(count == 1 && gfns[0].val == mvmi_gfn_of(SUBJECT_PAGE).val);
	CHECK(ops->discard(s->vm->conn, id, NULL) == MVMI_OK);
	CHECK(ops->discard(s->vm->conn, id, NULL) == MVMI_ERR_INVALID);
}

const struct conform_case cases_memory[] = {
	CASE("Memory", regions_are_sorted_and_do_not_overlap),
	CASE("Memory", regions_counts_them_all_whatever_the_capacity),
	CASE("Memory", untouched_ram_is_zeros_and_stays_untouched),
	CASE("Memory", extents_tell_data_from_nothing),
	CASE("Memory", a_read_into_a_hole_names_the_first_missing_byte),
	CASE("Memory", each_element_of_a_scatter_read_reports_for_itself),
	CASE("Memory", a_range_beyond_2_64_is_invalid),
	CASE("Memory", private_memory_is_an_error_of_its_own),
	CASE("Memory", private_memory_is_never_mapped),
	CASE("Memory", a_write_is_seen_by_data_reads),
	CASE("Memory", a_write_is_seen_by_instruction_fetches),
	CASE("Memory", a_write_to_a_hole_changes_nothing),
	CASE("Epochs", what_the_guest_writes_is_read_by_the_next_call),
	CASE("Memory", windows_hold_what_a_scatter_read_gives),
	CASE("Epochs", under_a_hold_an_epoch_lasts_until_a_write),
	CASE("Epochs", while_it_runs_no_epoch_outlives_the_call),
	CASE("Capability tables", a_snapshot_brings_memory_and_registers_back),
	CASE("Incarnations", restoring_begins_a_new_incarnation),
	CASE("Capability tables", dirty_names_the_frames_written_since),
	{ 0 },
};
