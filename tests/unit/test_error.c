/* SPDX-License-Identifier: MIT */
/* Errors: formatting is skipped for NULL, context goes in front. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "harness.h"

static void fail_without_error_only_returns_the_status(void)
{
	CHECK(fail(NULL, MVMI_ERR_BUSY, "x") == MVMI_ERR_BUSY);
	CHECK(fail_sys(NULL, EIO, "x") == MVMI_ERR_SYSTEM);
	CHECK(fail_fault(NULL, 1) == MVMI_ERR_FAULT);
	CHECK(fail_context(NULL, MVMI_ERR_GONE, "x") == MVMI_ERR_GONE);
}

static void fail_sys_tells_permission_from_failure(void)
{
	struct mvmi_error err;

	CHECK(fail_sys(&err, EACCES, "open %s", "f") == MVMI_ERR_DENIED);
	CHECK(err.sys == EACCES);
	CHECK(strcmp(err.msg, "open f: Permission denied") == 0);
}

static void context_goes_in_front_and_keeps_the_rest(void)
{
	struct mvmi_error err;

	(void)fail_fault(&err, 0x1000);
	CHECK(fail_context(&err, MVMI_ERR_FAULT, "vcpu %d", 3) ==
	      MVMI_ERR_FAULT);
	CHECK(err.addr == 0x1000);
	CHECK(strcmp(err.msg, "vcpu 3: no memory at guest-physical 0x1000") ==
	      0);
}

static void context_of_success_is_success(void)
{
	struct mvmi_error err = { .msg = "untouched" };

	CHECK(fail_context(&err, MVMI_OK, "x") == MVMI_OK);
	CHECK(strcmp(err.msg, "untouched") == 0);
}

static void a_long_message_is_cut_and_terminated(void)
{
	struct mvmi_error err;

	(void)fail(&err, MVMI_ERR_INVALID, "%1000d", 1);
	(void)fail_context(&err, MVMI_ERR_INVALID, "%1000d", 2);
	CHECK(strlen(err.msg) == sizeof(err.msg) - 1);
}

static void every_status_has_a_name(void)
{
	for (int s = MVMI_OK; s <= MVMI_ERR_CORRUPT; s++)
		CHECK(strcmp(mvmi_status_name((enum mvmi_status)s),
			     "unknown") != 0);
	CHECK(strcmp(mvmi_status_name((enum mvmi_status)99), "unknown") == 0);
}

TESTS(T(fail_without_error_only_returns_the_status),
      T(fail_sys_tells_permission_from_failure),
      T(context_goes_in_front_and_keeps_the_rest),
      T(context_of_success_is_success), T(a_long_message_is_cut_and_terminated),
      T(every_status_has_a_name))
