/* SPDX-License-Identifier: MIT */
/* A recording played again gives what was recorded, and nothing else. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "scenario.h"

static char path[128];
static char text[320];

/** A name that no file has. */
static void new_path(void)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	(void)snprintf(path, sizeof(path), "%s/mvmi-record-XXXXXX",
		       dir ? dir : "/tmp");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	(void)close(fd);
	(void)unlink(path);
}

static struct mvmi_vm *open_vm(const char *format, const char *target)
{
	struct mvmi_vm *vm = NULL;
	struct mvmi_error err;
	enum mvmi_status status;

	(void)snprintf(text, sizeof(text), "%s:%s%s%s", format, path,
		       target ? "?target=" : "", target ? target : "");
	status = mvmi_vm_open(text, NULL, &vm, &err);
	if (status != MVMI_OK)
		printf("# %s: %s\n", text, err.msg);
	CHECK(status == MVMI_OK);
	return vm;
}

/** Record the scenario on a target; its digest. */
static struct scenario record(const char *target)
{
	struct scenario s = { 0 };

	new_path();
	s.vm = open_vm("record", target);
	scenario(&s);
	return s;
}

static void check_replay(const char *target)
{
	struct scenario recorded = record(target);
	struct scenario replayed = { 0 };

	replayed.vm = open_vm("replay", NULL);
	scenario(&replayed);
	CHECK(recorded.told > 10 && replayed.told == recorded.told);
	CHECK(replayed.digest == recorded.digest);
	CHECK(replayed.events == recorded.events);
	CHECK(unlink(path) == 0);
}

static void a_replay_tells_what_was_recorded(void)
{
	check_replay("mock:tcg");
	check_replay("mock:xen");
	check_replay("mock:kvm");
	check_replay("mock:gdbstub");
}

static void a_recording_is_small_and_private(void)
{
	struct stat st;

	(void)record("mock:tcg");
	CHECK(stat(path, &st) == 0);
	CHECK((st.st_mode & 0777) == 0600);
	CHECK(st.st_size > 500 && st.st_size < 6000);
	CHECK(unlink(path) == 0);
}

static void a_file_that_exists_is_not_overwritten(void)
{
	struct mvmi_vm *vm = NULL;

	(void)record("mock:tcg");
	(void)snprintf(text, sizeof(text), "record:%s?target=mock:tcg", path);
	CHECK(mvmi_vm_open(text, NULL, &vm, NULL) == MVMI_ERR_SYSTEM);
	CHECK(unlink(path) == 0);
}

static void another_question_is_stale_and_names_what_was_recorded(void)
{
	uint8_t byte;
	struct mvmi_span dst = { &byte, 1 };
	struct mvmi_error err;
	struct mvmi_vm *vm;

	new_path();
	vm = open_vm("record", "mock:gdbstub");
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x40), dst, NULL) == MVMI_OK);
	mvmi_vm_close(vm);

	vm = open_vm("replay", NULL);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x41), dst, &err) ==
	      MVMI_ERR_STALE);
	CHECK(strcmp(err.msg, "call 1: recorded is readv(0x1, 0x40, 0x1), "
			      "asked for is readv(0x1, 0x41, 0x1)") == 0);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x40), dst, NULL) == MVMI_OK);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x40), dst, &err) ==
	      MVMI_ERR_STALE);
	CHECK(strcmp(err.msg, "call 2: recorded is the end, asked for is "
			      "readv(0x1, 0x40, 0x1)") == 0);
	mvmi_vm_close(vm);
	CHECK(unlink(path) == 0);
}

static void a_failure_is_replayed_with_its_words(void)
{
	uint8_t byte;
	struct mvmi_span dst = { &byte, 1 };
	struct mvmi_error then;
	struct mvmi_error now;
	struct mvmi_vm *vm;

	new_path();
	vm = open_vm("record", "fault:1?target=mock:gdbstub");
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), dst, &then) == MVMI_ERR_SYSTEM);
	mvmi_vm_close(vm);
	vm = open_vm("replay", NULL);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), dst, &now) == MVMI_ERR_SYSTEM);
	CHECK(strcmp(then.msg, now.msg) == 0);
	mvmi_vm_close(vm);
	CHECK(unlink(path) == 0);
}

static void an_incarnation_changes_where_it_did(void)
{
	uint8_t byte;
	struct mvmi_span dst = { &byte, 1 };
	struct mvmi_vm *vm;
	struct mock_vm *mock;

	new_path();
	vm = open_vm("record", "mock:gdbstub");
	mock = mock_vm_of(
		container_of(vm->conn, struct decorator, conn)->inner);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), dst, NULL) == MVMI_OK);
	mock_reset(mock);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), dst, NULL) == MVMI_OK);
	CHECK(mvmi_vm_incarnation(vm) == 2);
	mvmi_vm_close(vm);
	mock_vm_unref(mock);

	vm = open_vm("replay", NULL);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), dst, NULL) == MVMI_OK);
	CHECK(mvmi_vm_incarnation(vm) == 1);
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0), dst, NULL) == MVMI_OK);
	CHECK(mvmi_vm_incarnation(vm) == 2);
	mvmi_vm_close(vm);
	CHECK(unlink(path) == 0);
}

static void a_recording_cut_anywhere_is_corrupt_or_ends_early(void)
{
	struct stat st;

	(void)record("mock:tcg");
	CHECK(stat(path, &st) == 0);
	for (off_t len = st.st_size - 1; len >= 0; len -= 7) {
		enum mvmi_status status;
		struct mvmi_vm *vm = NULL;
		struct mvmi_region regions[8];
		struct mvmi_extent extent;
		size_t count;

		CHECK(truncate(path, len) == 0);
		(void)snprintf(text, sizeof(text), "replay:%s", path);
		status = mvmi_vm_open(text, NULL, &vm, NULL);
		if (status == MVMI_OK)
			status = mvmi_mem_regions(vm, regions, 8, &count, NULL);
		if (status == MVMI_OK)
			status = mvmi_mem_extent(vm, mvmi_gpa_at(0x1000),
						 &extent, NULL);
		if (status == MVMI_OK)
			status = mvmi_mem_extent(vm, mvmi_gpa_at(1), &extent,
						 NULL);
		CHECK(status == MVMI_ERR_CORRUPT || status == MVMI_ERR_STALE);
		mvmi_vm_close(vm);
	}
	CHECK(unlink(path) == 0);
}

static void a_full_disk_is_reported_and_nothing_is_done_unrecorded(void)
{
	const struct rlimit full = { 4096, RLIM_INFINITY };
	const struct rlimit free_again = { RLIM_INFINITY, RLIM_INFINITY };
	static uint8_t page[8192];
	struct mvmi_span dst = { page, sizeof(page) };
	struct mvmi_error err;
	struct mvmi_vm *vm;
	struct stat st;

	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i | 1);
	new_path();
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	vm = open_vm("record", "mock:gdbstub");
	CHECK(setrlimit(RLIMIT_FSIZE, &full) == 0);
	CHECK(mvmi_mem_write(vm, mvmi_gpa_at(0x4000),
			     (struct mvmi_bytes){ page, sizeof(page) },
			     MVMI_WRITE_DATA_ONLY, &err) == MVMI_ERR_SYSTEM);
	CHECK(strstr(err.msg, "call 1 was made but not recorded in"));
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x4000), dst, &err) ==
	      MVMI_ERR_SYSTEM);
	CHECK(strstr(err.msg, "broke off at call 1"));
	CHECK(setrlimit(RLIMIT_FSIZE, &free_again) == 0);
	mvmi_vm_close(vm);
	CHECK(stat(path, &st) == 0 && st.st_size < 4096);

	vm = open_vm("replay", NULL);
	mvmi_vm_close(vm);
	CHECK(unlink(path) == 0);
}

TESTS(T(a_replay_tells_what_was_recorded), T(a_recording_is_small_and_private),
      T(a_file_that_exists_is_not_overwritten),
      T(another_question_is_stale_and_names_what_was_recorded),
      T(a_failure_is_replayed_with_its_words),
      T(an_incarnation_changes_where_it_did),
      T(a_recording_cut_anywhere_is_corrupt_or_ends_early),
      T(a_full_disk_is_reported_and_nothing_is_done_unrecorded))
