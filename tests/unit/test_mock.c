/* SPDX-License-Identifier: MIT */
/* The mock driver's own promises: targets, layout, windows, late death. */
#include <string.h>

#include <microvmi/microvmi.h>

#include "core/vm.h"
#include "drivers/mock/mock.h"
#include "harness.h"

static struct mvmi_vm *vm;
static struct mock_vm *mock;

static void open_mock(const char *target)
{
	CHECK(mvmi_vm_open(target, NULL, &vm, NULL) == MVMI_OK);
	mock = mock_vm_of(vm->conn);
}

static void close_mock(void)
{
	mvmi_vm_close(vm);
	mock_vm_unref(mock);
}

static enum mvmi_status read_at(uint64_t gpa, uint8_t *ret)
{
	return mvmi_mem_read(vm, mvmi_gpa_at(gpa), (struct mvmi_span){ ret, 1 },
			     NULL);
}

/** Past the core, which asks the driver now and then whether the VM lives. */
static enum mvmi_status count_regions(void)
{
	size_t count;

	return vm->conn->mem->regions(vm->conn, NULL, 0, &count, NULL);
}

static void a_misspelt_target_is_refused(void)
{
	static const char *const targets[] = {
		"mock:vmware",	      "mock:kvm?vcpus=0",
		"mock:kvm?vcpus=65",  "mock:kvm?ram=1x",
		"mock:kvm?ram=4096",  "mock:kvm?ram=-1",
		"mock:kvm?private=1", "mock:kvm?colour=red",
	};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		CHECK(mvmi_vm_open(targets[i], NULL, &vm, NULL) ==
		      MVMI_ERR_INVALID);
}

static void half_of_ram_lies_above_a_hole_and_a_rom(void)
{
	struct mvmi_region regions[3];
	size_t count;

	open_mock("mock:kvm?ram=0x200000");
	CHECK(mvmi_mem_regions(vm, regions, 3, &count, NULL) == MVMI_OK);
	CHECK(count == 3);
	CHECK(regions[0].start.val == 0 && regions[0].len == 0x100000);
	CHECK(regions[1].kind == MVMI_REGION_ROM);
	CHECK(regions[2].start.val == MOCK_HIGH_START);
	CHECK(regions[2].len == 0x100000);
	close_mock();
}

static void a_private_page_is_denied_and_its_neighbours_are_not(void)
{
	uint8_t byte;

	open_mock("mock:kvm?private=0x5000");
	CHECK(read_at(0x4fff, &byte) == MVMI_OK);
	CHECK(read_at(0x5000, &byte) == MVMI_ERR_DENIED);
	CHECK(read_at(0x6000, &byte) == MVMI_OK);
	CHECK(vm->conn->traits & MVMI_TRAIT_ENCRYPTED);
	close_mock();
}

static void a_read_of_untouched_ram_does_not_back_it(void)
{
	uint8_t byte = 1;

	open_mock("mock:kvm");
	CHECK(read_at(0x5000, &byte) == MVMI_OK && byte == 0);
	CHECK(!mock_page_is_backed(mock, mvmi_gpa_at(0x5000)));
	close_mock();
}

static void a_window_shows_a_page_once_it_was_read(void)
{
	const struct mvmi_window *windows;
	const uint8_t one = 1;
	uint8_t byte = 0;
	size_t count;

	open_mock("mock:kvm");
	vm->conn->map->windows(vm->conn, &windows, &count);
	CHECK(count > 0 && windows[0].present);
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(0x5000),
			     (struct mvmi_bytes){ &one, 1 },
			     MVMI_WRITE_COHERENT, NULL) == MVMI_OK);
	CHECK(!(windows[0].present[0] >> 5 & 1));
	CHECK(read_at(0x5000, &byte) == MVMI_OK && byte == 1);
	CHECK(windows[0].present[0] >> 5 & 1);
	CHECK(windows[0].host[0x5000] == 1);
	close_mock();
}

static void the_guest_runs_only_while_nothing_holds_it(void)
{
	const struct mock_insn insn = { .op = MOCK_MOV_CR3, .value = 0x7000 };

	open_mock("mock:xen");
	CHECK(mvmi_vm_hold(vm, NULL) == MVMI_OK);
	CHECK(mock_push(mock, 0, &insn));
	mock_run(mock);
	CHECK(mock_seen(mock, 0).regs.cr3 == 0);
	CHECK(mvmi_vm_release(vm, NULL) == MVMI_OK);
	mock_run(mock);
	CHECK(mock_seen(mock, 0).regs.cr3 == 0x7000);
	close_mock();
}

static void a_late_personality_lets_one_more_call_succeed(void)
{
	open_mock("mock:xen");
	mock_kill(mock);
	CHECK(count_regions() == MVMI_OK);
	CHECK(count_regions() == MVMI_ERR_GONE);
	close_mock();
}

static void no_personality_is_later_than_a_second(void)
{
	open_mock("mock:tcg");
	mock_kill(mock);
	CHECK(count_regions() == MVMI_OK);
	CHECK(count_regions() == MVMI_OK);
	mock_advance(mock, 1000);
	CHECK(count_regions() == MVMI_ERR_GONE);
	close_mock();
}

TESTS(T(a_misspelt_target_is_refused),
      T(half_of_ram_lies_above_a_hole_and_a_rom),
      T(a_private_page_is_denied_and_its_neighbours_are_not),
      T(a_read_of_untouched_ram_does_not_back_it),
      T(a_window_shows_a_page_once_it_was_read),
      T(the_guest_runs_only_while_nothing_holds_it),
      T(a_late_personality_lets_one_more_call_succeed),
      T(no_personality_is_later_than_a_second))
