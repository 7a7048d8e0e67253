/* SPDX-License-Identifier: MIT */
#include "../harness.h"
#include "../tinylinux.h"
#include "os/linux/pagecache.h"

/* What one open file is made of. */
#define FILE_AT	   UINT64_C(0x10000)
#define INODE_AT   UINT64_C(0x10100)
#define MAPPING_AT UINT64_C(0x10200)
#define SUPER_AT   UINT64_C(0x10300)
#define DENTRY_AT  UINT64_C(0x10400)
#define MOUNT_AT   UINT64_C(0x10500)
#define TYPE_AT	   UINT64_C(0x10600)
#define NAME_AT	   UINT64_C(0x10700)
#define LEAF_AT	   UINT64_C(0x11000)
#define AREA_AT	   UINT64_C(0x11100)
#define NODE(n)	   (UINT64_C(0x12000) + (uint64_t)(n)*1024)
#define SLOT(n)	   (NODE(0) + 40 + UINT64_C(8) * (n))
#define PAGE(n)	   (TINY_VMEMMAP + (uint64_t)(n)*64)
#define FRAME(n)   ((uint64_t)(n)*MVMI_PAGE_SIZE)

/* Page tables of the process: only their top is asked for to be empty. */
#define TABLES UINT64_C(0x30000)

/** Say that a frame holds page index of the file. */
static void put_page(unsigned frame, uint64_t index)
{
	ramvm_put64(PAGE(frame) + 24, MAPPING_AT);
	ramvm_put64(PAGE(frame) + 32, index);
}

static void put_file(uint64_t length)
{
	tiny_put_text(NAME_AT, "prog");
	tiny_put_text(NAME_AT + 16, "/");
	tiny_put_text(NAME_AT + 32, "ext4");
	ramvm_put64(FILE_AT, MOUNT_AT + 16);
	ramvm_put64(FILE_AT + 8, DENTRY_AT);
	ramvm_put64(FILE_AT + 16, INODE_AT);
	ramvm_put64(FILE_AT + 40, MAPPING_AT);
	ramvm_put32(INODE_AT, 0x81ed);
	ramvm_put64(INODE_AT + 8, 77);
	ramvm_put64(INODE_AT + 16, length);
	ramvm_put64(INODE_AT + 24, SUPER_AT);
	ramvm_put64(INODE_AT + 32, MAPPING_AT);
	ramvm_put64(MAPPING_AT, INODE_AT);
	ramvm_put64(MAPPING_AT + 16, NODE(0) | 2);
	ramvm_put32(SUPER_AT, 8 << 20 | 1);
	ramvm_put64(SUPER_AT + 16, TYPE_AT);
	ramvm_put64(TYPE_AT, NAME_AT + 32);
	/* "prog", in a root whose parent it is itself. */
	ramvm_put64(DENTRY_AT + 8, 1);
	ramvm_put64(DENTRY_AT + 16, DENTRY_AT + 96);
	ramvm_put32(DENTRY_AT + 28, 4);
	ramvm_put64(DENTRY_AT + 32, NAME_AT);
	ramvm_put64(DENTRY_AT + 40, INODE_AT);
	ramvm_put64(DENTRY_AT + 64, SUPER_AT);
	ramvm_put64(DENTRY_AT + 96 + 8, 1);
	ramvm_put64(DENTRY_AT + 96 + 16, DENTRY_AT + 96);
	ramvm_put32(DENTRY_AT + 96 + 28, 1);
	ramvm_put64(DENTRY_AT + 96 + 32, NAME_AT + 16);
	ramvm_put64(DENTRY_AT + 96 + 64, SUPER_AT);
	ramvm_put64(MOUNT_AT, MOUNT_AT);
	ramvm_put64(MOUNT_AT + 8, DENTRY_AT + 96);
	ramvm_put64(MOUNT_AT + 16, DENTRY_AT + 96);
	ramvm_put64(MOUNT_AT + 24, SUPER_AT);
	ramvm_put64(MOUNT_AT + 40, 1);
}

/**
 * A process that has mapped a file of 5 pages at 0x400000, page 1 first. Of
 * the file, pages 1 and 3 are cached in frames 40 and 41.
 */
static void reset(uint64_t length)
{
	uint64_t at;

	tiny_reset(true);
	at = tiny_process(0, 1, "prog");
	ramvm_put64(at + TINY_TASK_MM, at + TINY_MM);
	ramvm_put64(at + TINY_MM, TABLES);
	ramvm_put64(at + TINY_MM + 40, FILE_AT);
	ramvm_put64(at + TINY_MM + 88, LEAF_AT | 1 << 3 | 4 | 2);
	ramvm_put64(LEAF_AT + 8, 0x3fffff);
	ramvm_put64(LEAF_AT + 16, 0x404fff);
	ramvm_put64(LEAF_AT + 128 + 8, AREA_AT);
	ramvm_put64(AREA_AT, 0x400000);
	ramvm_put64(AREA_AT + 8, 0x405000);
	ramvm_put64(AREA_AT + 16, 5);
	ramvm_put64(AREA_AT + 24, 1);
	ramvm_put64(AREA_AT + 32, FILE_AT);
	put_file(length);
	ramvm_put64(SLOT(1), PAGE(40));
	ramvm_put64(SLOT(2), 0x1001); /* a shadow */
	ramvm_put64(SLOT(3), PAGE(41));
	put_page(40, 1);
	put_page(41, 3);
	memset(ramvm.ram + FRAME(40), 'b', MVMI_PAGE_SIZE);
	memset(ramvm.ram + FRAME(41), 'd', MVMI_PAGE_SIZE);
}

/** The process's own page tables are real ones, of four levels. */
static struct mvmi_os *open_process(void)
{
	struct mvmi_os *os = tiny_open(NULL);

	linux_of(os)->kernel.params.paging = MVMI_PAGING_4LEVEL;
	return os;
}

/** Map one page of the process, or put another entry there. */
static void put_pte(uint64_t gva, uint64_t entry)
{
	ramvm_put64(TABLES, (TABLES + 0x1000) | 7);
	ramvm_put64(TABLES + 0x1000, (TABLES + 0x2000) | 7);
	ramvm_put64(TABLES + 0x2000 + (gva >> 21 & 511) * 8,
		    (TABLES + 0x3000) | 7);
	ramvm_put64(TABLES + 0x3000 + (gva >> 12 & 511) * 8, entry);
}

static enum mvmi_status read_byte(struct mvmi_os *os, uint64_t gva,
				  uint8_t *ret, struct mvmi_error *err)
{
	return mvmi_os_process_read(os, 1, mvmi_gva_at(gva),
				    (struct mvmi_span){ ret, 1 }, err);
}

static void untouched_page_comes_from_the_cache(void)
{
	struct mvmi_error err;
	struct mvmi_os *os;
	uint8_t byte = 0;

	reset(5 * MVMI_PAGE_SIZE);
	os = open_process();
	CHECK(read_byte(os, 0x400010, &byte, &err) == MVMI_OK && byte == 'b');
	CHECK(read_byte(os, 0x402fff, &byte, &err) == MVMI_OK && byte == 'd');
	tiny_close(os);
}

static void page_that_is_not_cached_names_its_address(void)
{
	uint8_t bytes[32];
	struct mvmi_error err;
	struct mvmi_os *os;

	reset(5 * MVMI_PAGE_SIZE);
	os = open_process();
	CHECK(mvmi_os_process_read(os, 1, mvmi_gva_at(0x400ff0),
				   (struct mvmi_span){ bytes, sizeof(bytes) },
				   &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(err.addr == 0x401000);
	printf("# %s\n", err.msg);
	/* Page 4 has no slot, page 5 is past the end, and then no area is. */
	CHECK(read_byte(os, 0x403000, bytes, &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(read_byte(os, 0x404000, bytes, &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(strstr(err.msg, "the mapped file is shorter") != NULL);
	CHECK(read_byte(os, 0x405000, bytes, &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(err.addr == 0x405000);
	CHECK(strstr(err.msg, "no area holds") != NULL);
	tiny_close(os);
}

static void own_copy_of_a_page_comes_first(void)
{
	struct mvmi_os *os;
	uint8_t byte = 0;

	reset(5 * MVMI_PAGE_SIZE);
	put_pte(0x400000, FRAME(42) | 7);
	ramvm.ram[FRAME(42)] = 'B';
	os = open_process();
	CHECK(read_byte(os, 0x400000, &byte, NULL) == MVMI_OK && byte == 'B');
	tiny_close(os);
}

/** What is cached is not what the process wrote and what was swapped out. */
static void swapped_page_is_not_taken_from_the_cache(void)
{
	struct mvmi_error err;
	struct mvmi_os *os;
	uint8_t byte = 0;

	reset(5 * MVMI_PAGE_SIZE);
	put_pte(0x400000, 0x3f00000000000200);
	os = open_process();
	CHECK(read_byte(os, 0x400000, &byte, &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(strstr(err.msg, "swapped out") != NULL);
	tiny_close(os);
}

static void page_without_rights_is_read(void)
{
	struct mvmi_os *os;
	uint8_t byte = 0;

	reset(5 * MVMI_PAGE_SIZE);
	put_pte(0x400000, (~FRAME(42) & UINT64_C(0x000ffffffffff000)) | 0x160);
	ramvm.ram[FRAME(42)] = 'n';
	os = open_process();
	CHECK(read_byte(os, 0x400000, &byte, NULL) == MVMI_OK && byte == 'n');
	tiny_close(os);
}

static void large_folio_holds_pages_behind_its_first(void)
{
	struct mvmi_os *os;
	uint8_t byte = 0;

	reset(5 * MVMI_PAGE_SIZE);
	/* Two pages from 2 on: the second slot is a sibling of the first. */
	ramvm_put64(SLOT(2), PAGE(41));
	ramvm_put64(SLOT(3), 2 << 2 | 2);
	put_page(41, 2);
	ramvm.ram[FRAME(42) + 5] = 'z';
	os = open_process();
	CHECK(read_byte(os, 0x401000, &byte, NULL) == MVMI_OK && byte == 'd');
	CHECK(read_byte(os, 0x402005, &byte, NULL) == MVMI_OK && byte == 'z');
	tiny_close(os);
}

static void page_of_another_file_is_corrupt(void)
{
	struct mvmi_error err;
	struct mvmi_os *os;
	uint8_t byte;

	reset(5 * MVMI_PAGE_SIZE);
	os = open_process();
	ramvm_put64(PAGE(40) + 24, MAPPING_AT + 8);
	CHECK(read_byte(os, 0x400000, &byte, &err) == MVMI_ERR_CORRUPT);
	ramvm_put64(PAGE(40) + 24, MAPPING_AT);
	ramvm_put64(PAGE(40) + 32, 2);
	CHECK(read_byte(os, 0x400000, &byte, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "is number 2 of its file, not 1") != NULL);
	ramvm_put64(SLOT(1), PAGE(40) + 8);
	CHECK(read_byte(os, 0x400000, &byte, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "which is no page") != NULL);
	tiny_close(os);
}

static void node_below_itself_is_corrupt(void)
{
	struct mvmi_error err;
	struct mvmi_os *os;
	uint8_t byte;

	reset(5 * MVMI_PAGE_SIZE);
	ramvm_put64(SLOT(1), NODE(0) | 2);
	os = open_process();
	CHECK(read_byte(os, 0x400000, &byte, &err) == MVMI_ERR_CORRUPT);
	CHECK(strstr(err.msg, "has shift 0 below one of shift 0") != NULL);
	tiny_close(os);
}

static void executable_is_read_with_its_gaps(void)
{
	const struct mvmi_content *content = NULL;
	struct mvmi_os *os;

	reset(4 * MVMI_PAGE_SIZE + 100);
	os = open_process();
	CHECK(mvmi_os_read_executable(os, 1, &content, NULL) == MVMI_OK);
	CHECK(content->bytes.len == 4 * MVMI_PAGE_SIZE + 100);
	CHECK(content->missing == 2 * MVMI_PAGE_SIZE + 100);
	CHECK(strcmp(content->path, "/prog") == 0);
	CHECK(content->bytes.ptr[0] == 0);
	CHECK(content->bytes.ptr[MVMI_PAGE_SIZE] == 'b');
	CHECK(content->bytes.ptr[4 * MVMI_PAGE_SIZE - 1] == 'd');
	CHECK(content->bytes.ptr[4 * MVMI_PAGE_SIZE] == 0);
	mvmi_os_free(content);
	tiny_close(os);
}

/** Of an overlay, only the file that stands behind is cached. */
static void executable_of_an_overlay_is_read_from_behind_it(void)
{
	const uint64_t front = 0x10800, mapping = 0x10900;
	const struct mvmi_content *content = NULL;
	struct mvmi_os *os;

	reset(4 * MVMI_PAGE_SIZE);
	memcpy(ramvm.ram + front, ramvm.ram + FILE_AT, 64);
	ramvm_put64(front + 40, mapping);
	ramvm_put64(mapping, INODE_AT);
	ramvm_put64(tiny_task_at(0) + TINY_MM + 40, front);
	ramvm_put64(tiny_task_at(0) + TINY_MM + 96, 0x400010);
	os = open_process();
	CHECK(mvmi_os_read_executable(os, 1, &content, NULL) == MVMI_OK);
	CHECK(content->missing == 2 * MVMI_PAGE_SIZE);
	CHECK(content->bytes.ptr[MVMI_PAGE_SIZE] == 'b');
	mvmi_os_free(content);
	/* Not if what is mapped there is another file. */
	ramvm_put64(FILE_AT + 8, DENTRY_AT + 96);
	CHECK(mvmi_os_read_executable(os, 1, &content, NULL) == MVMI_OK);
	CHECK(content->missing == 4 * MVMI_PAGE_SIZE);
	mvmi_os_free(content);
	tiny_close(os);
}

static void executable_of_more_than_a_gibibyte_is_a_limit(void)
{
	const struct mvmi_content *content;
	struct mvmi_error err;
	struct mvmi_os *os;

	reset(UINT64_MAX);
	os = open_process();
	CHECK(mvmi_os_read_executable(os, 1, &content, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "18446744073709551615 bytes") != NULL);
	tiny_close(os);
}

static void area_tells_its_file(void)
{
	const struct mvmi_area_list *list = NULL;
	struct mvmi_os *os;

	reset(5 * MVMI_PAGE_SIZE);
	os = open_process();
	CHECK(mvmi_os_list_areas(os, 1, &list, NULL) == MVMI_OK);
	CHECK(list->count == 1 && list->doubt[0] == '\0');
	CHECK(list->items[0]->offset == MVMI_PAGE_SIZE);
	CHECK(list->items[0]->inode == 77);
	CHECK(list->items[0]->device_major == 8);
	CHECK(list->items[0]->device_minor == 1);
	CHECK(strcmp(list->items[0]->path, "/prog") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

/** An ELF head that has no segment: enough to be listed. */
static void put_elf(uint8_t *at)
{
	static const uint8_t head[64] = {
		0x7f,	   'E',	      'L',	 'F',	    2,
		1,	   1,	      [16] = 3,	 [18] = 62, [20] = 1,
		[52] = 64, [54] = 56, [58] = 64,
	};

	memcpy(at, head, sizeof(head));
}

static void image_is_where_an_elf_head_is_mapped(void)
{
	const struct mvmi_image_list *list = NULL;
	struct mvmi_os *os;

	reset(5 * MVMI_PAGE_SIZE);
	put_elf(ramvm.ram + FRAME(40));
	os = open_process();
	/* It is not mapped from the file's first page on. */
	CHECK(mvmi_os_list_images(os, 1, &list, NULL) == MVMI_OK);
	CHECK(list->count == 0);
	mvmi_os_free(list);
	ramvm_put64(AREA_AT + 24, 0);
	ramvm_put64(SLOT(0), PAGE(40));
	ramvm_put64(PAGE(40) + 32, 0);
	CHECK(mvmi_os_list_images(os, 1, &list, NULL) == MVMI_OK);
	CHECK(list->count == 1);
	CHECK(list->items[0]->base.val == 0x400000);
	CHECK(list->items[0]->end.val >= 0x405000);
	CHECK(strcmp(list->items[0]->path, "/prog") == 0);
	CHECK(strcmp(list->items[0]->build_id, "") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

/** Of a kernel before 6.1: areas are a list. */
static void areas_of_old_are_found_for_a_read(void)
{
	const uint64_t next = AREA_AT + 96;
	uint8_t bytes[2];
	struct mvmi_error err;
	struct mvmi_os *os;

	reset(5 * MVMI_PAGE_SIZE);
	ramvm_put64(tiny_task_at(0) + TINY_MM + 72, AREA_AT);
	ramvm_put64(AREA_AT + 8, 0x401000);
	ramvm_put64(AREA_AT + 56, next);
	memcpy(ramvm.ram + next, ramvm.ram + AREA_AT, 56);
	ramvm_put64(next, 0x401000);
	ramvm_put64(next + 8, 0x402000);
	ramvm_put64(next + 24, 3);
	os = tiny_open("mm_struct.mm_mt");
	linux_of(os)->kernel.params.paging = MVMI_PAGING_4LEVEL;
	CHECK(mvmi_os_process_read(os, 1, mvmi_gva_at(0x400fff),
				   (struct mvmi_span){ bytes, 2 },
				   NULL) == MVMI_OK);
	CHECK(bytes[0] == 'b' && bytes[1] == 'd');
	CHECK(mvmi_os_process_read(os, 1, mvmi_gva_at(0x401fff),
				   (struct mvmi_span){ bytes, 2 },
				   &err) == MVMI_ERR_NOT_PRESENT);
	CHECK(err.addr == 0x402000);
	tiny_close(os);
}

/** A call must end in a success, or in an error that says something. */
static void check_end(enum mvmi_status status, const struct mvmi_error *err)
{
	CHECK(status == MVMI_OK ||
	      (err->status == status && err->msg[0] != '\0'));
}

static void call_all(struct mvmi_os *os)
{
	const struct mvmi_task_list *tasks = NULL;
	const struct mvmi_area_list *areas = NULL;
	const struct mvmi_image_list *images = NULL;
	const struct mvmi_content *content = NULL;
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_error err;
	uint8_t byte;

	check_end(mvmi_os_list_tasks(os, 0x1f, &tasks, &err), &err);
	mvmi_os_free(tasks);
	check_end(mvmi_os_list_areas(os, 1, &areas, &err), &err);
	mvmi_os_free(areas);
	check_end(mvmi_os_list_images(os, 1, &images, &err), &err);
	mvmi_os_free(images);
	check_end(mvmi_os_read_executable(os, 1, &content, &err), &err);
	mvmi_os_free(content);
	check_end(mvmi_os_image_symbols(os, 1, mvmi_gva_at(0x400000), &symbols,
					&err),
		  &err);
	mvmi_symbols_destroy(symbols);
	check_end(read_byte(os, 0x402000, &byte, &err), &err);
}

/** Whatever is not there, a call ends, and leaks nothing. */
static void memory_that_ends_anywhere_is_survived(void)
{
	reset(5 * MVMI_PAGE_SIZE);
	put_elf(ramvm.ram + FRAME(40));
	ramvm_put64(AREA_AT + 24, 0);
	ramvm_put64(SLOT(0), PAGE(40));
	ramvm_put64(PAGE(40) + 32, 0);
	for (size_t len = 0x1000; len <= RAMVM_LEN;
	     len += len < 0x2400 || len > 0x12800 ? 0x400 : 0x40) {
		struct mvmi_os *os;

		ramvm.len = len;
		ramvm.frozen = (len & 0x40) != 0;
		os = open_process();
		call_all(os);
		tiny_close(os);
	}
	ramvm.len = RAMVM_LEN;
}

static void space_of_a_process_has_its_root(void)
{
	struct mvmi_space *space = NULL;
	struct mvmi_error err;
	struct mvmi_os *os;

	reset(5 * MVMI_PAGE_SIZE);
	os = open_process();
	CHECK(mvmi_os_process_space(os, 1, &space, NULL) == MVMI_OK);
	CHECK(mvmi_space_get_params(space)->root == TABLES);
	mvmi_space_destroy(space);
	CHECK(mvmi_os_process_space(os, 2, &space, &err) == MVMI_ERR_INVALID);
	CHECK(strcmp(err.msg, "there is no process 2") == 0);
	tiny_close(os);
}

TESTS(T(untouched_page_comes_from_the_cache),
      T(page_that_is_not_cached_names_its_address),
      T(own_copy_of_a_page_comes_first),
      T(swapped_page_is_not_taken_from_the_cache),
      T(page_without_rights_is_read),
      T(large_folio_holds_pages_behind_its_first),
      T(page_of_another_file_is_corrupt), T(node_below_itself_is_corrupt),
      T(executable_is_read_with_its_gaps),
      T(executable_of_an_overlay_is_read_from_behind_it),
      T(executable_of_more_than_a_gibibyte_is_a_limit), T(area_tells_its_file),
      T(image_is_where_an_elf_head_is_mapped),
      T(space_of_a_process_has_its_root), T(areas_of_old_are_found_for_a_read),
      T(memory_that_ends_anywhere_is_survived))
