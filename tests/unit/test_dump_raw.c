/* SPDX-License-Identifier: MIT */
/* Raw dumps: lists of regions, holes, gaps, and files that get shorter. */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drivers/dump/raw.h"
#include "harness.h"

#define PAGE ((size_t)4096)

static char path[64];

/** A file of len bytes; byte N is N / 4096 + 1. */
static void make_file(size_t len)
{
	FILE *file;
	int fd;

	(void)strcpy(path, "test_dump_raw.XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	file = fdopen(fd, "wb");
	CHECK(file);
	for (size_t i = 0; i < len; i++)
		CHECK(fputc((int)(i / PAGE + 1), file) != EOF);
	CHECK(fclose(file) == 0);
}

static enum mvmi_status open_file(const char *prefix, const char *options,
				  struct mvmi_vm **ret, struct mvmi_error *err)
{
	char target[256];

	(void)snprintf(target, sizeof(target), "%s%s%s", prefix, path, options);
	return mvmi_vm_open(target, NULL, ret, err);
}

/** Open as dump:FILE, and remove the file's name. */
static struct mvmi_vm *must_open(const char *options)
{
	struct mvmi_vm *vm = NULL;
	enum mvmi_status status = open_file("dump:", options, &vm, NULL);

	(void)unlink(path);
	CHECK(status == MVMI_OK);
	return vm;
}

static enum mvmi_status read_byte(struct mvmi_vm *vm, uint64_t gpa,
				  uint8_t *ret, struct mvmi_error *err)
{
	return mvmi_mem_read(vm, mvmi_gpa_at(gpa), (struct mvmi_span){ ret, 1 },
			     err);
}

static bool reads(struct mvmi_vm *vm, uint64_t gpa, uint8_t expected)
{
	uint8_t got = 0xee;

	return read_byte(vm, gpa, &got, NULL) == MVMI_OK && got == expected;
}

static enum mvmi_status parse(const char *list)
{
	struct dump_image image = { 0 };
	enum mvmi_status status = raw_parse(list, 16 * PAGE, &image, NULL);

	image_fini(&image);
	return status;
}

static void without_a_list_the_file_begins_at_zero(void)
{
	struct mvmi_region region;
	struct mvmi_vm *vm;
	size_t count = 0;

	make_file(3 * PAGE);
	vm = must_open("");
	CHECK(mvmi_mem_regions(vm, &region, 1, &count, NULL) == MVMI_OK);
	CHECK(count == 1 && region.start.val == 0 && region.len == 3 * PAGE);
	CHECK(reads(vm, 0, 1) && reads(vm, 3 * PAGE - 1, 3));
	CHECK(mvmi_vcpu_count(vm) == 0);
	mvmi_vm_close(vm);
}

static void info_says_that_it_is_a_dump_without_registers(void)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	struct mvmi_vm *vm;

	make_file(PAGE);
	vm = must_open("");
	CHECK(mvmi_vm_get_info(vm, &info, NULL) == MVMI_OK);
	CHECK(info.state == MVMI_RUN_STATE_DUMP);
	CHECK(info.traits == MVMI_TRAIT_STATIC);
	CHECK(info.capabilities == MVMI_CAP_MEM);
	CHECK(strcmp(info.memory_path, "pread of raw file") == 0);
	CHECK(strstr(info.note, "without registers"));
	mvmi_vm_close(vm);
}

static void regions_put_the_file_where_they_say(void)
{
	struct mvmi_vm *vm;

	make_file(4 * PAGE);
	vm = must_open("?regions=0x100000+0x1000,0x200000+4096@0x3000");
	CHECK(reads(vm, 0x100000, 1));
	CHECK(reads(vm, 0x200000, 4));
	mvmi_vm_close(vm);
}

static void without_an_offset_a_region_follows_the_one_before(void)
{
	struct dump_image image = { 0 };

	CHECK(raw_parse("0x5000+0x1000@0x2000, 0+0x1000", 16 * PAGE, &image,
			NULL) == MVMI_OK);
	CHECK(image.segment_count == 2);
	CHECK(image.segments[0].start == 0 && image.segments[0].off == 0x3000);
	CHECK(image.segments[1].off == 0x2000);
	image_fini(&image);
}

static void a_list_may_come_from_a_file_with_comments(void)
{
	char list_path[] = "test_dump_list.XXXXXX";
	char options[128];
	static const char text[] = "# low memory\n0+0x1000\n\n"
				   "0x8000+0x1000 # and high\n";
	struct mvmi_vm *vm;
	int fd = mkstemp(list_path);

	CHECK(fd >= 0);
	CHECK(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	CHECK(close(fd) == 0);
	make_file(2 * PAGE);
	(void)snprintf(options, sizeof(options), "?regions=@%s", list_path);
	vm = must_open(options);
	CHECK(unlink(list_path) == 0);
	CHECK(reads(vm, 0, 1) && reads(vm, 0x8000, 2));
	mvmi_vm_close(vm);
}

static void misspelt_lists_are_invalid(void)
{
	static const char *const lists[] = {
		"",
		",",
		"0",
		"0+",
		"0+0",
		"+0x1000",
		"0+0x1000@",
		"0x+1",
		"0+0x1000x",
		"0-1",
		"1+1+1",
		"0+1;2+1",
		"-1+1",
		"0+1@1@2",
		"#0+1",
		"0+1 @0",
		"0x1g+1",
		"0+1@-1",
		"18446744073709551616+1",
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (parse(lists[i]) != MVMI_ERR_INVALID)
			printf("# list \"%s\"\n", lists[i]);
		CHECK(parse(lists[i]) == MVMI_ERR_INVALID);
	}
}

static void regions_that_overlap_are_invalid(void)
{
	CHECK(parse("0+0x1000,0xfff+1@0") == MVMI_ERR_INVALID);
	CHECK(parse("0+0x1000,0x1000+1@0") == MVMI_OK);
	CHECK(parse("0x1000+0x1000,0+0x3000@0") == MVMI_ERR_INVALID);
}

static void regions_beyond_the_file_are_corrupt(void)
{
	CHECK(parse("0+0x10000") == MVMI_OK);
	CHECK(parse("0+0x10001") == MVMI_ERR_CORRUPT);
	CHECK(parse("0+1@0x10000") == MVMI_ERR_CORRUPT);
	CHECK(parse("0+0xffffffffffffffff@1") == MVMI_ERR_CORRUPT);
	CHECK(parse("0+1@0xffffffffffffffff") == MVMI_ERR_CORRUPT);
}

static void regions_beyond_the_last_address_are_corrupt(void)
{
	CHECK(parse("0xffffffffffffffff+1") == MVMI_OK);
	CHECK(parse("0xffffffffffffffff+2") == MVMI_ERR_CORRUPT);
}

static void a_read_over_a_gap_names_the_first_missing_byte(void)
{
	uint8_t buf[2 * PAGE];
	struct mvmi_error err = { 0 };
	struct mvmi_vm *vm;

	make_file(2 * PAGE);
	vm = must_open("?regions=0x1000+0x1000,0x3000+0x1000");
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0x1800),
			    (struct mvmi_span){ buf, sizeof(buf) },
			    &err) == MVMI_ERR_FAULT);
	CHECK(err.addr == 0x2000);
	CHECK(read_byte(vm, 0xfff, buf, &err) == MVMI_ERR_FAULT);
	CHECK(err.addr == 0xfff);
	mvmi_vm_close(vm);
}

static void a_read_crosses_regions_that_touch(void)
{
	uint8_t buf[2] = { 0, 0 };
	struct mvmi_vm *vm;

	make_file(2 * PAGE);
	vm = must_open("?regions=0+0x1000@0x1000,0x1000+0x1000@0");
	CHECK(mvmi_mem_read(vm, mvmi_gpa_at(0xfff),
			    (struct mvmi_span){ buf, 2 }, NULL) == MVMI_OK);
	CHECK(buf[0] == 2 && buf[1] == 1);
	mvmi_vm_close(vm);
}

static void scattered_reads_each_have_their_own_status(void)
{
	static uint8_t buf[80][64];
	struct mvmi_mem_op ops[80];
	struct mvmi_vm *vm;

	make_file(3 * PAGE);
	vm = must_open("?regions=0+0x2000,0x3000+0x1000");
	/* In a row, more than one call takes; then a gap; then the rest. */
	for (size_t i = 0; i < 80; i++)
		ops[i] = (struct mvmi_mem_op){
			.gpa = mvmi_gpa_at(0x600 + i * 64),
			.dst = { buf[i], sizeof(buf[i]) },
		};
	ops[77].gpa = mvmi_gpa_at(0x1ff0);
	ops[78].gpa = mvmi_gpa_at(0x2ff0);
	ops[79].gpa = mvmi_gpa_at(0x3000);
	CHECK(mvmi_mem_readv(vm, ops, 80, NULL) == MVMI_OK);
	for (size_t i = 0; i < 77; i++) {
		CHECK(ops[i].status == MVMI_OK && ops[i].done == 64);
		CHECK(buf[i][0] == (i < 40 ? 1 : 2) && buf[i][63] == buf[i][0]);
	}
	CHECK(ops[77].status == MVMI_ERR_FAULT && ops[77].done == 16);
	CHECK(buf[77][15] == 2);
	CHECK(ops[78].status == MVMI_ERR_FAULT && ops[78].done == 0);
	CHECK(ops[79].status == MVMI_OK && buf[79][63] == 3);
	mvmi_vm_close(vm);
}

static void extents_tell_holes_and_gaps(void)
{
	struct mvmi_extent e = { 0 };
	struct mvmi_vm *vm;

	make_file(16 * PAGE);
	CHECK(truncate(path, 0x100000) == 0);
	vm = must_open("?regions=0x100000+0x100000");
	CHECK(mvmi_mem_extent(vm, mvmi_gpa_at(0x800), &e, NULL) == MVMI_OK);
	CHECK(e.kind == MVMI_EXTENT_NONE && e.len == 0xff800);
	CHECK(mvmi_mem_extent(vm, mvmi_gpa_at(0x100800), &e, NULL) == MVMI_OK);
	CHECK(e.kind == MVMI_EXTENT_DATA && e.start.val == 0x100800);
	CHECK(e.len >= 1 && e.len <= 0xff800);
	/* Where the file system knows no holes it is data, up to the end. */
	CHECK(mvmi_mem_extent(vm, mvmi_gpa_at(0x1f0000), &e, NULL) == MVMI_OK);
	CHECK(e.kind != MVMI_EXTENT_NONE && e.len == 0x10000);
	CHECK(mvmi_mem_extent(vm, mvmi_gpa_at(0x200000), &e, NULL) == MVMI_OK);
	CHECK(e.kind == MVMI_EXTENT_NONE && e.len == UINT64_MAX - 0x200000);
	CHECK(mvmi_mem_extent(vm, mvmi_gpa_at(UINT64_MAX), &e, NULL) ==
	      MVMI_OK);
	CHECK(e.kind == MVMI_EXTENT_NONE && e.len == 1);
	mvmi_vm_close(vm);
}

static void a_dump_that_gets_shorter_is_corrupt_and_says_where(void)
{
	struct mvmi_error err = { 0 };
	struct mvmi_vm *vm;
	uint8_t byte = 0xee;

	make_file(4 * PAGE);
	CHECK(open_file("dump:", "", &vm, NULL) == MVMI_OK);
	CHECK(truncate(path, 0x1000) == 0);
	CHECK(unlink(path) == 0);
	CHECK(reads(vm, PAGE - 1, 1));
	CHECK(read_byte(vm, 2 * PAGE, &byte, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "ends at offset 0x2000"));
	mvmi_vm_close(vm);
}

static void a_bare_path_of_whole_pages_is_a_dump(void)
{
	struct mvmi_error err = { 0 };
	struct mvmi_vm *vm;

	make_file(2 * PAGE);
	CHECK(open_file("", "", &vm, NULL) == MVMI_OK);
	mvmi_vm_close(vm);
	CHECK(truncate(path, 0x1fff) == 0);
	CHECK(open_file("", "", &vm, &err) == MVMI_ERR_INVALID);
	CHECK(open_file("dump:", "", &vm, NULL) == MVMI_OK);
	mvmi_vm_close(vm);
	CHECK(truncate(path, 0) == 0);
	CHECK(open_file("", "", &vm, NULL) == MVMI_ERR_INVALID);
	CHECK(open_file("dump:", "", &vm, NULL) == MVMI_ERR_CORRUPT);
	CHECK(unlink(path) == 0);
}

static void format_overrules_content(void)
{
	struct mvmi_error err = { 0 };
	struct mvmi_vm *vm;

	make_file(PAGE);
	CHECK(open_file("dump:", "?format=elf", &vm, &err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "not an ELF file"));
	CHECK(open_file("dump:", "?format=lime", &vm, NULL) ==
	      MVMI_ERR_INVALID);
	CHECK(open_file("dump:", "?format=elf&regions=0+1", &vm, NULL) ==
	      MVMI_ERR_INVALID);
	CHECK(open_file("dump:", "?format=raw", &vm, NULL) == MVMI_OK);
	mvmi_vm_close(vm);
	CHECK(unlink(path) == 0);
}

static void other_dumps_are_not_taken_for_raw_memory(void)
{
	static const char magic[] = "\x28\xb5\x2f\xfd";
	struct mvmi_error err = { 0 };
	struct mvmi_vm *vm;
	FILE *file;

	make_file(PAGE);
	file = fopen(path, "r+b");
	CHECK(file);
	CHECK(fwrite(magic, 1, 4, file) == 4);
	CHECK(fclose(file) == 0);
	CHECK(open_file("", "", &vm, &err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "zstd -d"));
	/* A bare path says so too, whatever its length. */
	CHECK(truncate(path, 100) == 0);
	CHECK(open_file("", "", &vm, &err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "zstd -d"));
	CHECK(open_file("dump:", "?format=raw", &vm, NULL) == MVMI_OK);
	mvmi_vm_close(vm);
	CHECK(unlink(path) == 0);
}

static void what_is_no_file_is_refused(void)
{
	struct mvmi_vm *vm;

	CHECK(mvmi_vm_open("dump:/nonexistent/x", NULL, &vm, NULL) ==
	      MVMI_ERR_SYSTEM);
	CHECK(mvmi_vm_open("dump:/dev/null", NULL, &vm, NULL) ==
	      MVMI_ERR_INVALID);
	CHECK(mvmi_vm_open("/dev/zero", NULL, &vm, NULL) == MVMI_ERR_INVALID);
	CHECK(mvmi_vm_open("dump:.", NULL, &vm, NULL) == MVMI_ERR_INVALID);
}

TESTS(T(without_a_list_the_file_begins_at_zero),
      T(info_says_that_it_is_a_dump_without_registers),
      T(regions_put_the_file_where_they_say),
      T(without_an_offset_a_region_follows_the_one_before),
      T(a_list_may_come_from_a_file_with_comments),
      T(misspelt_lists_are_invalid), T(regions_that_overlap_are_invalid),
      T(regions_beyond_the_file_are_corrupt),
      T(regions_beyond_the_last_address_are_corrupt),
      T(a_read_over_a_gap_names_the_first_missing_byte),
      T(a_read_crosses_regions_that_touch),
      T(scattered_reads_each_have_their_own_status),
      T(extents_tell_holes_and_gaps),
      T(a_dump_that_gets_shorter_is_corrupt_and_says_where),
      T(a_bare_path_of_whole_pages_is_a_dump), T(format_overrules_content),
      T(other_dumps_are_not_taken_for_raw_memory),
      T(what_is_no_file_is_refused))
