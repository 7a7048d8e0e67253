/* SPDX-License-Identifier: MIT */
/* Files that end early, shrink, have holes, or are no files. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"

static char path[] = "test_file.XXXXXX";

/** A file of the given size with "data" at off; its name is unlinked. */
static struct file make(uint64_t size, uint64_t off)
{
	struct file f;
	int fd;

	strcpy(path, "test_file.XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	CHECK(pwrite(fd, "data", 4, (off_t)off) == 4);
	CHECK(file_open(&f, path, NULL) == MVMI_OK);
	CHECK(unlink(path) == 0);
	CHECK(close(fd) == 0);
	return f;
}

static void a_read_past_the_end_says_how_much_is_missing(void)
{
	struct file f = make(8, 4);
	uint8_t got[8];
	struct mvmi_error err;

	CHECK(file_read_at(&f, 4, (struct mvmi_span){ got, 4 }, NULL) ==
	      MVMI_OK);
	CHECK(memcmp(got, "data", 4) == 0);
	CHECK(file_read_at(&f, 4, (struct mvmi_span){ got, 8 }, &err) ==
	      MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "offset 0x8, 4 bytes early"));
	file_close(&f);
}

static void one_run_goes_to_many_places(void)
{
	struct file f = make(300, 96);
	static uint8_t got[100][3];
	struct mvmi_span dsts[100];
	struct mvmi_error err;

	for (size_t i = 0; i < 100; i++)
		dsts[i] = (struct mvmi_span){ got[i], sizeof(got[i]) };
	CHECK(file_readv_at(&f, 0, dsts, 100, NULL) == MVMI_OK);
	CHECK(memcmp(got[32], "dat", 3) == 0 && got[33][0] == 'a');
	CHECK(file_readv_at(&f, 192, dsts, 36, NULL) == MVMI_OK);
	CHECK(file_readv_at(&f, 192, dsts, 37, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "offset 0x12c, 3 bytes early"));
	CHECK(file_readv_at(&f, 0, dsts, 0, NULL) == MVMI_OK);
	file_close(&f);
}

static void an_offset_beyond_off_t_is_refused(void)
{
	struct file f = make(8, 4);
	uint8_t got;

	CHECK(file_read_at(&f, UINT64_MAX, (struct mvmi_span){ &got, 1 },
			   NULL) == MVMI_ERR_CORRUPT);
	file_close(&f);
}

static void a_hole_is_told_from_data(void)
{
	const uint64_t mib = UINT64_C(1) << 20;
	struct file f = make(4 * mib, 2 * mib);
	uint64_t len;

	if (file_extent(&f, 0, &len) == MVMI_EXTENT_ZERO)
		CHECK(len > 0 && len <= 2 * mib);
	CHECK(file_extent(&f, 2 * mib, &len) == MVMI_EXTENT_DATA);
	CHECK(len > 0 && len <= 2 * mib);
	file_close(&f);
}

static void a_directory_is_not_a_file(void)
{
	struct file f;
	struct mvmi_error err;

	CHECK(file_open(&f, ".", &err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "neither a file nor a block device"));
}

static void a_missing_file_is_named(void)
{
	struct file f;
	struct mvmi_error err;

	CHECK(file_open(&f, "no/such", &err) == MVMI_ERR_SYSTEM);
	CHECK(strstr(err.msg, "no/such"));
}

static void closing_twice_is_harmless(void)
{
	struct file f = make(8, 4);

	file_close(&f);
	file_close(&f);
}

static void descriptor_0_is_not_taken(void)
{
	int saved = dup(0);
	struct file f;

	(void)close(0);
	CHECK(file_open(&f, "/proc/self/exe", NULL) == MVMI_OK);
	CHECK(f.fd > 0 && fcntl(0, F_GETFD) == -1);
	file_close(&f);
	CHECK(saved < 0 || (dup2(saved, 0) == 0 && close(saved) == 0));
}

TESTS(T(a_read_past_the_end_says_how_much_is_missing),
      T(one_run_goes_to_many_places), T(an_offset_beyond_off_t_is_refused),
      T(a_hole_is_told_from_data), T(a_directory_is_not_a_file),
      T(a_missing_file_is_named), T(closing_twice_is_harmless),
      T(descriptor_0_is_not_taken))
