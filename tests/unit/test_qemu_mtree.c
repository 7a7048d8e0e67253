/* SPDX-License-Identifier: MIT */
/* The memory map out of the human monitor's text, as QEMU 7.2 and 11.1 say. */
#include <string.h>

#include "base/util.h"
#include "drivers/qemu/mtree.h"
#include "harness.h"

#define HEAD                                                              \
	"FlatView #0\n AS \"I/O\", root: io\n Root memory region: io\n"   \
	"  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan\n\n" \
	"FlatView #1\n AS \"mch\", root: bus master container\n"          \
	" Root memory region: (none)\n  No rendered FlatView\n\n"         \
	"FlatView #2\n AS \"memory\", root: system\n"                     \
	" AS \"cpu-memory-0\", root: system\n Root memory region: system\n"

/* QEMU 7.2, q35, -m 4G, before the firmware ran. */
static const char text_7_2[] =
	HEAD "  0000000000000000-00000000000bffff (prio 0, ram): pc.ram\n"
	     "  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\n"
	     "  00000000000e0000-00000000000fffff (prio 0, rom): pc.bios "
	     "@0000000000020000\n"
	     "  0000000000100000-000000007fffffff (prio 0, ram): pc.ram "
	     "@0000000000100000\n"
	     "  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic\n"
	     "  00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi\n"
	     "  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios\n"
	     "  0000000100000000-000000017fffffff (prio 0, ram): pc.ram "
	     "@0000000080000000\n\n";

/* QEMU 11.1, pc with KVM and a VGA card; carriage returns as over QMP. */
static const char text_11_1[] = HEAD
	"  0000000000000000-000000000009ffff (prio 0, ram): m KVM\r\n"
	"  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\r\n"
	"  00000000000c0000-00000000000cafff (prio 0, rom): m "
	"@00000000000c0000 KVM\r\n"
	"  00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram KVM\r\n"
	"  00000000febd4400-00000000febd441f (prio 0, i/o): vga ioports "
	"remapped\r\n"
	"  00000000fffc0000-00000000ffffffff (prio 0, romd): system.flash0 "
	"KVM\r\n\r\n"
	"FlatView #3\r\n AS \"cpu-smm-0\", root: memory\r\n";

static struct mvmi_region regions[MTREE_REGIONS_MAX];

static size_t parse(const char *text)
{
	size_t count = 99;

	CHECK(mtree_parse(text, regions, &count, NULL) == MVMI_OK);
	return count;
}

static void refuse(const char *lines, enum mvmi_status status)
{
	char text[4096];
	struct mvmi_error err;
	size_t count = 99;

	CHECK((size_t)snprintf(text, sizeof(text), "%s%s", HEAD, lines) <
	      sizeof(text));
	CHECK(mtree_parse(text, regions, &count, &err) == status);
	CHECK(count == 99);
	CHECK(strlen(err.msg) > 0);
}

static void ram_and_rom_of_7_2_are_found(void)
{
	CHECK(parse(text_7_2) == 6);
	CHECK(regions[0].start.val == 0 && regions[0].len == 0xc0000);
	CHECK(regions[1].kind == MVMI_REGION_ROM);
	CHECK(strcmp(regions[2].name, "pc.bios") == 0);
	CHECK(regions[5].start.val == UINT64_C(1) << 32);
	CHECK(regions[5].len == UINT64_C(2) << 30);
	CHECK(strcmp(regions[5].name, "pc.ram") == 0);
}

static void marks_of_11_1_are_not_part_of_names(void)
{
	CHECK(parse(text_11_1) == 4);
	CHECK(strcmp(regions[0].name, "m") == 0);
	CHECK(strcmp(regions[1].name, "m") == 0);
	CHECK(strcmp(regions[2].name, "vga.vram") == 0);
	CHECK(regions[3].kind == MVMI_REGION_ROM);
}

static void other_address_spaces_are_passed_over(void)
{
	size_t count = 99;

	CHECK(mtree_parse("FlatView #0\n AS \"I/O\", root: io\n", regions,
			  &count, NULL) == MVMI_ERR_CORRUPT);
	CHECK(mtree_parse("", regions, &count, NULL) == MVMI_ERR_CORRUPT);
	CHECK(count == 99);
}

static void a_line_that_is_cut_short_fails_the_whole(void)
{
	static const char line[] =
		"  0000000000000000-00000000000bffff (prio 0, ram): pc.ram\n";

	for (size_t n = 1; n < sizeof(line) - sizeof("pc.ram\n"); n++) {
		char cut[sizeof(line)] = { 0 };

		memcpy(cut, line, n);
		refuse(cut, MVMI_ERR_CORRUPT);
	}
}

static void overlapping_and_unsorted_regions_are_refused(void)
{
	refuse("  0000000000000000-00000000000bffff (prio 0, ram): a\n"
	       "  00000000000bffff-00000000000fffff (prio 0, ram): b\n",
	       MVMI_ERR_CORRUPT);
	refuse("  0000000000100000-00000000001fffff (prio 0, ram): a\n"
	       "  0000000000000000-0000000000000fff (prio 0, ram): b\n",
	       MVMI_ERR_CORRUPT);
}

static void ranges_that_end_before_they_begin_are_refused(void)
{
	refuse("  0000000000001000-0000000000000fff (prio 0, ram): a\n",
	       MVMI_ERR_CORRUPT);
	refuse("  0000000000000000-ffffffffffffffff (prio 0, ram): a\n",
	       MVMI_ERR_CORRUPT);
	refuse("  00000000000000000-0000000000000fff (prio 0, ram): a\n",
	       MVMI_ERR_CORRUPT);
}

static void a_kind_nobody_knows_is_refused(void)
{
	refuse("  0000000000000000-0000000000000fff (prio 0, foo): a\n",
	       MVMI_ERR_CORRUPT);
}

static void memory_of_passed_through_devices_is_not_ram(void)
{
	CHECK(parse(HEAD "  00000000fe000000-00000000fe000fff (prio 0, ramd): "
			 "0000:01:00.0 BAR 0 mmaps[0]\n") == 0);
}

TESTS(T(ram_and_rom_of_7_2_are_found), T(marks_of_11_1_are_not_part_of_names),
      T(other_address_spaces_are_passed_over),
      T(a_line_that_is_cut_short_fails_the_whole),
      T(overlapping_and_unsorted_regions_are_refused),
      T(ranges_that_end_before_they_begin_are_refused),
      T(a_kind_nobody_knows_is_refused),
      T(memory_of_passed_through_devices_is_not_ram))
