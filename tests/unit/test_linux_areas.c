/* SPDX-License-Identifier: MIT */
#include "../harness.h"
#include "../tinylinux.h"

/** Nodes and areas from here on, 256 bytes each. */
#define NODE(n) (UINT64_C(0x10000) + (uint64_t)(n)*256)
#define AREA(n) (UINT64_C(0x14000) + (uint64_t)(n)*96)
#define TEXT	UINT64_C(0x18000)

/* Kinds of nodes, as a pointer to one carries them. */
#define DENSE(n)  (NODE(n) | 0 << 3 | 4)
#define LEAF(n)	  (NODE(n) | 1 << 3 | 4)
#define RANGE(n)  (NODE(n) | 2 << 3 | 4)
#define ARANGE(n) (NODE(n) | 3 << 3 | 4)
#define ROOT	  2

static void put_area(unsigned n, uint64_t start, uint64_t end, uint64_t flags)
{
	ramvm_put64(AREA(n), start);
	ramvm_put64(AREA(n) + 8, end);
	ramvm_put64(AREA(n) + 16, flags);
}

/** Put a slot of a leaf or range node, and the pivot after it; 0: none. */
static void put_slot(unsigned n, unsigned slot, uint64_t entry, uint64_t pivot)
{
	ramvm_put64(NODE(n) + 128 + (uint64_t)slot * 8, entry);
	if (slot < 15)
		ramvm_put64(NODE(n) + 8 + (uint64_t)slot * 8, pivot);
}

/** A guest of one process, with this tree of areas. */
static void reset(bool frozen, uint64_t root)
{
	uint64_t at;

	tiny_reset(frozen);
	at = tiny_process(0, 1, "init");
	ramvm_put64(at + TINY_TASK_MM, at + TINY_MM);
	ramvm_put64(at + TINY_MM + 88, root);
	ramvm_put64(at + TINY_MM + 48, 0x5000); /* the heap */
	ramvm_put64(at + TINY_MM + 56, 0x6800);
	ramvm_put64(at + TINY_MM + 64, 0x9800); /* the stack */
}

static const struct mvmi_area_list *list_areas(struct mvmi_os *os)
{
	const struct mvmi_area_list *list = NULL;
	struct mvmi_error err;

	if (mvmi_os_list_areas(os, 1, &list, &err) != MVMI_OK)
		printf("# %s\n", err.msg);
	CHECK(list != NULL);
	return list;
}

/** The list can't be made, for this reason. */
static void check_fails(enum mvmi_status want, const char *message)
{
	struct mvmi_os *os = tiny_open(NULL);
	const struct mvmi_area_list *list;
	struct mvmi_error err;

	CHECK(mvmi_os_list_areas(os, 1, &list, &err) == want);
	printf("# %s\n", err.msg);
	CHECK(strstr(err.msg, message) != NULL);
	tiny_close(os);
}

/** Three areas in two leaves, below a node that knows gaps. */
static void put_tree(void)
{
	ramvm_put64(NODE(0) + 80, LEAF(1));
	ramvm_put64(NODE(0) + 8, 0x4fff);
	ramvm_put64(NODE(0) + 88, LEAF(2));
	put_slot(1, 0, 0, 0x3fff);
	put_slot(1, 1, AREA(0), 0x4fff);
	put_slot(2, 0, AREA(1), 0x6fff);
	put_slot(2, 1, 0, 0x8fff);
	put_slot(2, 2, AREA(2), 0x9fff);
	put_slot(2, 3, 1030, 0xafff); /* XA_ZERO_ENTRY: no area */
	put_area(0, 0x4000, 0x5000, 5);
	put_area(1, 0x5000, 0x7000, 3);
	put_area(2, 0x9000, 0xa000, 0x83);
}

static void tree_is_listed_by_address(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(true, ARANGE(0) | ROOT);
	put_tree();
	os = tiny_open(NULL);
	list = list_areas(os);
	CHECK(list->count == 3 && list->doubt[0] == '\0');
	CHECK(list->items[0]->start.val == 0x4000);
	CHECK(list->items[0]->end.val == 0x5000);
	CHECK(list->items[0]->flags == (MVMI_AREA_READ | MVMI_AREA_EXEC));
	CHECK(list->items[0]->object.val == AREA(0));
	CHECK(list->items[0]->path[0] == '\0' && list->items[0]->inode == 0);
	CHECK(strcmp(list->items[1]->path, "[heap]") == 0);
	CHECK(list->items[1]->flags ==
	      (MVMI_AREA_READ | MVMI_AREA_WRITE | MVMI_AREA_HEAP));
	CHECK(strcmp(list->items[2]->path, "[stack]") == 0);
	CHECK(list->items[2]->flags == (MVMI_AREA_READ | MVMI_AREA_WRITE |
					MVMI_AREA_SHARED | MVMI_AREA_STACK));
	mvmi_os_free(list);
	tiny_close(os);
}

static void full_node_has_one_slot_more_than_pivots(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(true, LEAF(0) | ROOT);
	for (unsigned i = 0; i < 16; i++) {
		uint64_t start = UINT64_C(0x1000) * i;

		put_slot(0, i, AREA(i), start + 0xfff);
		put_area(i, start, start + 0x1000, 1);
	}
	/* The last slot reaches to the end of the node's range. */
	ramvm_put64(AREA(15) + 8, UINT64_MAX);
	os = tiny_open(NULL);
	list = list_areas(os);
	CHECK(list->count == 16);
	CHECK(list->items[15]->end.val == UINT64_MAX);
	mvmi_os_free(list);
	put_slot(0, 14, 0, 0);
	list = list_areas(os);
	CHECK(list->count == 14);
	mvmi_os_free(list);
	tiny_close(os);
}

static void tree_of_nothing_is_empty(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(true, 0);
	os = tiny_open(NULL);
	list = list_areas(os);
	CHECK(list->count == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void node_that_points_at_itself_is_a_limit(void)
{
	reset(true, RANGE(0) | ROOT);
	put_slot(0, 0, RANGE(0), UINT64_MAX);
	check_fails(MVMI_ERR_LIMIT, "31 levels");
}

static void tree_that_is_too_deep_is_a_limit(void)
{
	reset(true, RANGE(0) | ROOT);
	for (unsigned n = 0; n < MAPLE_HEIGHT_MAX; n++) {
		put_slot(n, 0, RANGE(n + 1), 0xffff - n);
		put_slot(n, 1, LEAF(50), n ? 0x10000 - n : UINT64_MAX);
	}
	check_fails(MVMI_ERR_LIMIT, "31 levels");
}

static void pivot_that_goes_back_is_corrupt(void)
{
	reset(true, LEAF(0) | ROOT);
	put_slot(0, 0, 0, 0x8fff);
	put_slot(0, 1, AREA(0), 0x7fff);
	check_fails(MVMI_ERR_CORRUPT, "slot 1 ends at 0x7fff");
}

static void node_past_its_parents_range_is_corrupt(void)
{
	reset(true, RANGE(0) | ROOT);
	put_slot(0, 0, LEAF(1), 0x4fff);
	put_slot(0, 1, LEAF(2), UINT64_MAX);
	put_slot(1, 0, 0, 0x5fff);
	check_fails(MVMI_ERR_CORRUPT, "slot 0 ends at 0x5fff");
}

static void node_of_unknown_type_is_corrupt(void)
{
	reset(true, (NODE(0) | 4 << 3 | 4) | ROOT);
	check_fails(MVMI_ERR_CORRUPT, "is of unknown type 4");
}

static void node_without_a_child_is_corrupt(void)
{
	reset(true, RANGE(0) | ROOT);
	put_slot(0, 0, 0, 0x4fff);
	put_slot(0, 1, LEAF(1), UINT64_MAX);
	check_fails(MVMI_ERR_CORRUPT, "has no child");
}

/** As a stack that grows: it is there, and that it moves is said. */
static void check_displaced(bool frozen)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(frozen, ARANGE(0) | ROOT);
	put_tree();
	ramvm_put64(AREA(1), 0x4800);
	os = tiny_open(NULL);
	list = list_areas(os);
	CHECK(list->count == 3);
	CHECK(list->items[1]->start.val == 0x4800);
	printf("# %s\n", list->doubt);
	CHECK(strstr(list->doubt, "was changing its areas") != NULL);
	mvmi_os_free(list);
	tiny_close(os);
}

static void area_that_its_tree_has_elsewhere_is_a_doubt(void)
{
	check_displaced(true);
	check_displaced(false);
}

static void area_that_ends_before_it_begins_is_corrupt(void)
{
	reset(true, ARANGE(0) | ROOT);
	put_tree();
	ramvm_put64(AREA(1), 0x7000);
	check_fails(MVMI_ERR_CORRUPT, "is from 0x7000 to 0x7000");
}

static void running_guest_gives_what_was_seen(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(false, ARANGE(0) | ROOT);
	put_tree();
	ramvm_put64(AREA(1), 0x7000);
	os = tiny_open(NULL);
	list = list_areas(os);
	CHECK(list->count == 1);
	CHECK(strstr(list->doubt, "the list ends early") != NULL);
	mvmi_os_free(list);
	tiny_close(os);
}

/** Of a kernel before 6.1: a list, as long as each area is behind the last. */
static void list_of_old_is_walked(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(true, 0);
	ramvm_put64(tiny_task_at(0) + TINY_MM + 72, AREA(0));
	put_area(0, 0x4000, 0x5000, 5);
	put_area(1, 0x5000, 0x7000, 3);
	ramvm_put64(AREA(0) + 56, AREA(1));
	os = tiny_open("mm_struct.mm_mt");
	list = list_areas(os);
	CHECK(list->count == 2);
	CHECK(strcmp(list->items[1]->path, "[heap]") == 0);
	mvmi_os_free(list);
	ramvm_put64(AREA(1) + 56, AREA(0));
	CHECK(mvmi_os_list_areas(os, 1, &list, NULL) == MVMI_ERR_CORRUPT);
	ramvm_put64(AREA(1) + 56, AREA(1));
	CHECK(mvmi_os_list_areas(os, 1, &list, NULL) == MVMI_ERR_CORRUPT);
	tiny_close(os);
}

static void kernel_names_its_own_areas(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_os *os;

	reset(true, LEAF(0) | ROOT);
	put_slot(0, 0, 0, 0xfff);
	put_slot(0, 1, AREA(0), 0x1fff);
	put_slot(0, 2, AREA(1), 0x2fff);
	put_area(0, 0x1000, 0x2000, 5);
	put_area(1, 0x2000, 0x3000, 5);
	ramvm_put64(AREA(0) + 40, TEXT);
	ramvm_put64(TEXT + 8, TINY_SPECIAL_NAME);
	ramvm_put64(AREA(0) + 48, TEXT + 16);
	ramvm_put64(TEXT + 16, TEXT + 32);
	tiny_put_text(TEXT + 32, "[vdso]");
	ramvm_put64(AREA(1) + 64, TEXT + 64);
	tiny_put_text(TEXT + 68, "arena");
	os = tiny_open(NULL);
	list = list_areas(os);
	CHECK(list->count == 2);
	CHECK(strcmp(list->items[0]->path, "[vdso]") == 0);
	CHECK(strcmp(list->items[1]->path, "[anon:arena]") == 0);
	mvmi_os_free(list);
	/* Another kind of operations names nothing. */
	ramvm_put64(TEXT + 8, 0x1234);
	list = list_areas(os);
	CHECK(list->items[0]->path[0] == '\0');
	mvmi_os_free(list);
	tiny_close(os);
}

static void kernel_thread_has_no_areas(void)
{
	const struct mvmi_area_list *list;
	struct mvmi_error err;
	struct mvmi_os *os;

	tiny_reset(true);
	(void)tiny_process(0, 2, "kthreadd");
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_areas(os, 2, &list, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(strstr(err.msg, "has no user memory") != NULL);
	CHECK(mvmi_os_list_areas(os, 3, &list, &err) == MVMI_ERR_INVALID);
	tiny_close(os);
}

TESTS(T(tree_is_listed_by_address), T(full_node_has_one_slot_more_than_pivots),
      T(tree_of_nothing_is_empty), T(node_that_points_at_itself_is_a_limit),
      T(tree_that_is_too_deep_is_a_limit), T(pivot_that_goes_back_is_corrupt),
      T(node_past_its_parents_range_is_corrupt),
      T(node_of_unknown_type_is_corrupt), T(node_without_a_child_is_corrupt),
      T(area_that_its_tree_has_elsewhere_is_a_doubt),
      T(area_that_ends_before_it_begins_is_corrupt),
      T(running_guest_gives_what_was_seen), T(list_of_old_is_walked),
      T(kernel_names_its_own_areas), T(kernel_thread_has_no_areas))
