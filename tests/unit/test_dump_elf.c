/* SPDX-License-Identifier: MIT */
/* ELF cores: headers and segments, built by hand, lying in every way. */
#include <microvmi/microvmi.h>

#include <string.h>

#include "dump_elf.h"
#include "harness.h"

static bool segment_is(size_t i, uint64_t start, uint64_t len,
		       uint64_t file_len, uint64_t off)
{
	const struct dump_segment *s = &image.segments[i];

	return i < image.segment_count && s->start == start && s->len == len &&
	       s->file_len == file_len && s->off == off;
}

static void segments_are_sorted_and_have_zero_tails(void)
{
	build_start(&b, 8, X86_64, 3);
	build_load(&b, 0x100000, 32, 0x22);
	build_phdr(&b, 1, 64, 0x5000, 16, 0x1000);
	build_phdr(&b, 1, 0, 0x8000, 0, 0x1000);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 3);
	CHECK(segment_is(0, 0x5000, 0x1000, 16, 64));
	CHECK(segment_is(1, 0x8000, 0x1000, 0, 0));
	CHECK(segment_is(2, 0x100000, 32, 32, 64 + 3 * 56));
}

static void cores_of_32_bit_are_read(void)
{
	build_start(&b, 4, I386, 2);
	build_load(&b, 0x1000, 32, 0x22);
	build_phdr(&b, 1, 0, 0xfffff000, 0, 0x1000);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 2);
	CHECK(segment_is(0, 0x1000, 32, 32, 52 + 2 * 32));
	CHECK(segment_is(1, 0xfffff000, 0x1000, 0, 0));
}

static void of_segments_that_overlap_the_lower_wins(void)
{
	build_start(&b, 8, X86_64, 4);
	build_phdr(&b, 1, 8, 0x20, 0x10, 0x20); /* lies in the first */
	build_phdr(&b, 1, 0, 0, 0x80, 0x80);
	build_phdr(&b, 1, 0, 0x70, 0x20, 0x40); /* its head does */
	build_phdr(&b, 1, 4, 0x78, 0x30, 0x40);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 3);
	CHECK(segment_is(0, 0, 0x80, 0x80, 0));
	CHECK(segment_is(1, 0x80, 0x30, 0x10, 0x10));
	CHECK(segment_is(2, 0xb0, 8, 0, 4 + 0x30));
}

static void many_headers_are_counted_in_a_section_header(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0x1000, 8, 1);
	build_load(&b, 0x2000, 8, 2);
	put_le(build_phnum_at(&b), 0xffff, 2);
	CHECK(parse() == MVMI_ERR_CORRUPT);
	put_le(build_shoff_at(&b), b.len, 8);
	CHECK(parse() == MVMI_ERR_CORRUPT);
	put_zeros(&b, 44);
	put(&b, 2, 4);
	put_zeros(&b, 16);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 2);
	put_le(b.bytes + b.len - 20, UINT32_MAX, 4);
	CHECK(parse() == MVMI_ERR_LIMIT);
	put_le(b.bytes + b.len - 20, 1000, 4);
	CHECK(parse() == MVMI_ERR_CORRUPT);
}

static void lying_segments_are_corrupt(void)
{
	static const struct {
		uint64_t off, paddr, filesz, memsz;
	} lies[] = {
		{ 0, 0x1000, 0x2000, 0x1000 }, /* more in the file */
		{ 0, 0x1000, 1, 0 },	       /* bytes without length */
		{ 0, 0x1000, 4096, 4096 },     /* beyond the file */
		{ UINT64_MAX, 0x1000, 2, 2 },  /* the sum wraps */
		{ 1, 0x1000, UINT64_MAX, UINT64_MAX },
		{ 0, UINT64_MAX - 1, 16, 16 }, /* beyond 2^64 */
		{ 0, 1, 0, UINT64_MAX },       /* exactly to 2^64 + 1 */
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		build_start(&b, 8, X86_64, 1);
		build_phdr(&b, 1, lies[i].off, lies[i].paddr, lies[i].filesz,
			   lies[i].memsz);
		if (i == 6)
			put_le(b.bytes + 64 + 24, 2, 8);
		CHECK(parse() == MVMI_ERR_CORRUPT);
	}
}

static void other_elf_files_are_told_apart(void)
{
	struct mvmi_error err = { 0 };

	build_start(&b, 8, X86_64, 1);
	build_load(&b, 0x1000, 8, 1);
	put_le(b.bytes + 16, 2, 2); /* ET_EXEC */
	CHECK(parse_error(&err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "format=raw"));
	put_le(b.bytes + 16, 4, 2);
	put_le(b.bytes + 18, 183, 2); /* EM_AARCH64 */
	CHECK(parse() == MVMI_ERR_UNSUPPORTED);
	put_le(b.bytes + 18, X86_64, 2);
	b.bytes[5] = 2; /* big-endian */
	CHECK(parse() == MVMI_ERR_UNSUPPORTED);
	b.bytes[5] = 1;
	b.bytes[4] = 3; /* no class */
	CHECK(parse() == MVMI_ERR_CORRUPT);
	b.bytes[4] = 2;
	b.bytes[0] = 0;
	CHECK(parse() == MVMI_ERR_INVALID);
}

static void a_core_of_a_process_is_refused(void)
{
	struct mvmi_error err = { 0 };

	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0x400000, 8, 1);
	build_load(&b, 0x600000, 8, 1);
	put_le(b.bytes + 64 + 24, 0, 8);
	put_le(b.bytes + 64 + 56 + 24, 0, 8);
	CHECK(parse_error(&err) == MVMI_ERR_INVALID);
	CHECK(strstr(err.msg, "core of a process"));
}

static void a_core_without_memory_is_corrupt(void)
{
	build_start(&b, 8, X86_64, 0);
	CHECK(parse() == MVMI_ERR_CORRUPT);
}

static void virtual_only_memory_is_left_out(void)
{
	build_start(&b, 8, X86_64, 2);
	build_load(&b, 0x1000, 8, 1);
	build_load(&b, UINT64_MAX, 8, 1);
	CHECK(parse() == MVMI_OK);
	CHECK(image.segment_count == 1);
}

TESTS(T(segments_are_sorted_and_have_zero_tails), T(cores_of_32_bit_are_read),
      T(of_segments_that_overlap_the_lower_wins),
      T(many_headers_are_counted_in_a_section_header),
      T(lying_segments_are_corrupt), T(other_elf_files_are_told_apart),
      T(a_core_of_a_process_is_refused), T(a_core_without_memory_is_corrupt),
      T(virtual_only_memory_is_left_out))
