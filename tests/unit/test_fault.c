/* SPDX-License-Identifier: MIT */
/* The fault decorator: transparent but for the call it fails. */
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "scenario.h"
#include "scripted.h"

static uint64_t fault_at;

static enum mvmi_status
wrapped_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	     struct mvmi_error *err)
{
	struct mvmi_conn *inner = NULL;
	enum mvmi_status status = scripted_open(args, &inner, err);

	if (status == MVMI_OK)
		*ret = fault_wrap(inner, fault_at, MVMI_ERR_SYSTEM);
	return status;
}

/** The scripted VM behind a decorator that fails call n. */
static struct mvmi_vm *open_wrapped(uint64_t n)
{
	struct mvmi_driver driver = scripted_driver;
	struct mvmi_vm *vm = NULL;

	fault_at = n;
	driver.open = wrapped_open;
	CHECK(mvmi_vm_open_driver(&driver, "x", NULL, &vm, NULL) == MVMI_OK);
	return vm;
}

static void offers_what_the_inner_driver_offers(void)
{
	struct mvmi_vm *vm = open_wrapped(0);

	CHECK(mvmi_vm_capabilities(vm) ==
	      (MVMI_CAP_MEM | MVMI_CAP_WRITE | MVMI_CAP_REGS |
	       MVMI_CAP_SET_REGS | MVMI_CAP_RUN | MVMI_CAP_EVENT));
	CHECK(mvmi_vcpu_count(vm) == 2);
	mvmi_vm_close(vm);
}

static void the_call_it_was_asked_for_fails_and_no_other(void)
{
	struct mvmi_vm *vm = open_wrapped(2);
	uint8_t byte = 0;
	struct mvmi_span dst = { &byte, 1 };
	struct mvmi_error err;

	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(1), dst, NULL) == MVMI_OK);
	CHECK(byte == 7);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(1), dst, &err) == MVMI_ERR_SYSTEM);
	CHECK(strcmp(err.msg, "call 2, readv, fails as it was asked to") == 0);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(2), dst, NULL) == MVMI_OK);
	CHECK(byte == 14);
	mvmi_vm_close(vm);
}

static void follows_the_incarnation(void)
{
	struct mvmi_vm *vm = open_wrapped(0);
	uint8_t byte;

	scripted.conn.incarnation = 5;
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), (struct mvmi_span){ &byte, 1 },
			    NULL) == MVMI_OK);
	CHECK(mvmi_vm_incarnation(vm) == 5);
	mvmi_vm_close(vm);
}

static void a_target_must_name_a_call_a_status_and_a_target(void)
{
	static const char *const bad[] = {
		"fault:x?target=scripted:y",
		"fault:1",
		"fault:1?target=scripted:y&status=fine",
		"fault:-1?target=scripted:y",
	};
	struct mvmi_vm *vm;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(mvmi_vm_open(bad[i], NULL, &vm, NULL) ==
		      MVMI_ERR_INVALID);
}

/** Fail each driver call of the scenario in turn. */
static void sweep(const char *target, unsigned events)
{
	uint64_t n = 0;
	bool fired = true;

	while (fired) {
		struct scenario s = { .fails_at = ++n };
		char text[64];

		(void)snprintf(text, sizeof(text), "fault:%u?target=%s",
			       (unsigned)n, target);
		CHECK(mvmi_vm_open(text, NULL, &s.vm, NULL) == MVMI_OK);
		scenario(&s);
		fired = n <= s.calls;
		CHECK(fired || s.events == events);
	}
	printf("# %s: %u calls\n", target, (unsigned)n - 1);
	CHECK(n > 20);
}

static void each_call_that_fails_fails_one_library_call_on_tcg(void)
{
	sweep("mock:tcg", 2);
}

static void each_call_that_fails_fails_one_library_call_on_kvm(void)
{
	sweep("mock:kvm", 0);
}

static void each_call_that_fails_fails_one_library_call_on_xen(void)
{
	sweep("mock:xen", 2);
}

static void each_call_that_fails_fails_one_library_call_on_gdbstub(void)
{
	sweep("mock:gdbstub", 0);
}

/** What can be asked of a dump, with each driver call failing in turn. */
static void each_call_that_fails_fails_one_library_call_on_a_dump(void)
{
	static const uint8_t page[8192] = { 1, 2, 3 };
	char path[] = "/tmp/mvmi-fault-XXXXXX";
	bool fired = true;
	uint64_t n = 0;
	int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, page, sizeof(page)) == sizeof(page));
	CHECK(close(fd) == 0);
	while (fired) {
		struct scenario s = { .fails_at = ++n };
		uint8_t bytes[16];
		struct mvmi_mem_op op = { .dst = { bytes, sizeof(bytes) } };
		struct mvmi_vm_info info = { .size = sizeof(info) };
		struct mvmi_extent extent = { .len = 99 };
		size_t count = 99;
		char text[128];

		(void)snprintf(text, sizeof(text), "fault:%u?target=dump:%s",
			       (unsigned)n, path);
		CHECK(mvmi_vm_open(text, NULL, &s.vm, NULL) == MVMI_OK);
		if (!did(&s, mvmi_mem_regions(s.vm, NULL, 0, &count, NULL)))
			CHECK(count == 99);
		if (!did(&s,
			 mvmi_mem_extent(s.vm, mvmi_gpa_at(0), &extent, NULL)))
			CHECK(extent.len == 99);
		if (did(&s, mvmi_mem_readv(s.vm, &op, 1, NULL)))
			CHECK(memcmp(bytes, page, sizeof(bytes)) == 0);
		if (!did(&s, mvmi_vm_get_info(s.vm, &info, NULL)))
			CHECK(info.ram_len == 0 && info.driver[0] == '\0');
		fired = n <= s.calls;
		mvmi_vm_close(s.vm);
	}
	CHECK(n > 5 && unlink(path) == 0);
}

TESTS(T(offers_what_the_inner_driver_offers),
      T(the_call_it_was_asked_for_fails_and_no_other),
      T(follows_the_incarnation),
      T(a_target_must_name_a_call_a_status_and_a_target),
      T(each_call_that_fails_fails_one_library_call_on_tcg),
      T(each_call_that_fails_fails_one_library_call_on_kvm),
      T(each_call_that_fails_fails_one_library_call_on_xen),
      T(each_call_that_fails_fails_one_library_call_on_gdbstub),
      T(each_call_that_fails_fails_one_library_call_on_a_dump))
