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
	uint8_t buf[0x2000];

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
	uint8_t buf[0x3000];

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

TESTS(T(translates_through_four_levels), T(read_crosses_pages),
      T(read_names_the_first_missing_page))
