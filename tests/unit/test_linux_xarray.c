/* SPDX-License-Identifier: MIT */
#include "../harness.h"
#include "../tinylinux.h"

#define NODE(n)		    (UINT64_C(0x10000) + UINT64_C(1024) * (n))
#define XA_SLOT(n, slot)    (NODE(n) + 40 + UINT64_C(8) * (slot))
#define RADIX_SLOT(n, slot) (NODE(n) + 16 + UINT64_C(8) * (slot))

/** An array in RAM, and how to read it. */
struct array {
	struct mvmi_os *os;
	struct xarray_shape shape;
};

static struct array array_open(const char *without)
{
	struct array array = { .os = tiny_open(without) };

	CHECK(xarray_prepare(&array.shape, array.os->types, NULL) == MVMI_OK);
	return array;
}

static uint64_t load(struct array *array, uint64_t head, uint64_t index)
{
	uint64_t entry = 1;
	struct mvmi_error err;
	enum mvmi_status status = xarray_load(array->os->space, &array->shape,
					      head, index, &entry, &err);

	if (status != MVMI_OK)
		printf("# %s\n", err.msg);
	CHECK(status == MVMI_OK);
	return entry;
}

/** What a walk gave: first, last and entry of each. */
struct given {
	uint64_t all[8][3];
	size_t count;
};

static enum mvmi_status take(uint64_t first, uint64_t last, uint64_t entry,
			     void *arg, struct mvmi_error *err)
{
	struct given *given = arg;

	(void)err;
	if (given->count < 8) {
		given->all[given->count][0] = first;
		given->all[given->count][1] = last;
		given->all[given->count][2] = entry;
	}
	given->count++;
	return MVMI_OK;
}

static struct given walk(struct array *array, uint64_t head)
{
	struct given given = { .count = 0 };

	CHECK(xarray_walk(array->os->space, &array->shape, head, take, &given,
			  NULL) == MVMI_OK);
	return given;
}

static void check_given(const struct given *given, size_t i, uint64_t first,
			uint64_t last, uint64_t entry)
{
	CHECK(i < given->count);
	CHECK(given->all[i][0] == first && given->all[i][1] == last);
	CHECK(given->all[i][2] == entry);
}

static void array_without_a_node_has_index_0(void)
{
	struct array array;
	struct given given;

	tiny_reset(true);
	array = array_open(NULL);
	CHECK(load(&array, 0, 0) == 0);
	CHECK(load(&array, 0x8000, 0) == 0x8000);
	CHECK(load(&array, 0x8000, 1) == 0);
	given = walk(&array, 0x8000);
	CHECK(given.count == 1);
	check_given(&given, 0, 0, 0, 0x8000);
	tiny_close(array.os);
}

static void entries_of_two_levels_are_found(void)
{
	struct array array;
	struct given given;

	tiny_reset(true);
	ramvm.ram[NODE(0)] = 6;
	ramvm_put64(XA_SLOT(0, 0), NODE(1) | 2);
	ramvm_put64(XA_SLOT(0, 63), NODE(2) | 2);
	ramvm_put64(XA_SLOT(1, 5), 0x8000);
	ramvm_put64(XA_SLOT(1, 6), 0x123); /* a value */
	ramvm_put64(XA_SLOT(1, 7), 1026);  /* the array's own: try again */
	ramvm_put64(XA_SLOT(2, 63), 0x9000);
	array = array_open(NULL);
	CHECK(load(&array, NODE(0) | 2, 5) == 0x8000);
	CHECK(load(&array, NODE(0) | 2, 6) == 0x123);
	CHECK(xarray_is_value(&array.shape, 0x123));
	CHECK(!xarray_is_value(&array.shape, 0x8000));
	CHECK(load(&array, NODE(0) | 2, 7) == 0);
	CHECK(load(&array, NODE(0) | 2, 64) == 0);
	CHECK(load(&array, NODE(0) | 2, 4095) == 0x9000);
	/* Past what the root holds, bits of the index must not be dropped. */
	CHECK(load(&array, NODE(0) | 2, 4096 + 5) == 0);
	given = walk(&array, NODE(0) | 2);
	CHECK(given.count == 3);
	check_given(&given, 0, 5, 5, 0x8000);
	check_given(&given, 2, 4095, 4095, 0x9000);
	tiny_close(array.os);
}

static void siblings_are_their_first(void)
{
	struct array array;
	struct given given;

	tiny_reset(true);
	ramvm.ram[NODE(0)] = 6;
	ramvm_put64(XA_SLOT(0, 2), 0x8000);
	ramvm_put64(XA_SLOT(0, 3), 2 << 2 | 2);
	array = array_open(NULL);
	CHECK(load(&array, NODE(0) | 2, 130) == 0x8000);
	CHECK(load(&array, NODE(0) | 2, 255) == 0x8000);
	CHECK(load(&array, NODE(0) | 2, 256) == 0);
	given = walk(&array, NODE(0) | 2);
	CHECK(given.count == 1);
	check_given(&given, 0, 128, 255, 0x8000);
	/* A sibling of a sibling is nothing. */
	ramvm_put64(XA_SLOT(0, 4), 3 << 2 | 2);
	CHECK(load(&array, NODE(0) | 2, 256) == 0);
	tiny_close(array.os);
}

static void radix_tree_has_tags_of_its_own(void)
{
	struct array array;
	struct given given;

	tiny_reset(true);
	ramvm.ram[NODE(0)] = 6;
	ramvm_put64(RADIX_SLOT(0, 1), NODE(1) | 1);
	ramvm_put64(RADIX_SLOT(1, 0), 0x8000);
	ramvm_put64(RADIX_SLOT(1, 1), 0x8002); /* exceptional */
	array = array_open("xa_node");
	CHECK(array.shape.radix);
	CHECK(load(&array, NODE(0) | 1, 64) == 0x8000);
	CHECK(xarray_is_value(&array.shape, load(&array, NODE(0) | 1, 65)));
	given = walk(&array, NODE(0) | 1);
	CHECK(given.count == 2);
	check_given(&given, 0, 64, 64, 0x8000);
	tiny_close(array.os);
}

/** Of 4.6: nodes know their height, and children have no tag. */
static void radix_tree_of_old_tells_its_height(void)
{
	struct array array;
	struct given given;

	tiny_reset(true);
	ramvm_put32(NODE(0) + 4, 2);
	ramvm_put32(NODE(1) + 4, 7 << 12 | 1);
	ramvm_put64(RADIX_SLOT(0, 3), NODE(1));
	ramvm_put64(RADIX_SLOT(1, 4), 0x8000);
	array = array_open("xa_node,radix_tree_node.shift");
	CHECK(load(&array, NODE(0) | 1, 3 * 64 + 4) == 0x8000);
	given = walk(&array, NODE(0) | 1);
	CHECK(given.count == 1);
	check_given(&given, 0, 196, 196, 0x8000);
	tiny_close(array.os);
}

/** The walk, and the load of index, both say that it is corrupt. */
static void check_corrupt(struct array *array, uint64_t head, uint64_t index)
{
	struct given given = { .count = 0 };
	struct mvmi_error err;
	uint64_t entry;

	CHECK(xarray_load(array->os->space, &array->shape, head, index, &entry,
			  &err) == MVMI_ERR_CORRUPT);
	printf("# %s\n", err.msg);
	CHECK(xarray_walk(array->os->space, &array->shape, head, take, &given,
			  &err) == MVMI_ERR_CORRUPT);
}

static void node_that_is_not_below_its_parent_is_corrupt(void)
{
	struct array array;

	tiny_reset(true);
	array = array_open(NULL);
	ramvm_put64(XA_SLOT(0, 1), NODE(0) | 2);
	ramvm.ram[NODE(0)] = 6;
	check_corrupt(&array, NODE(0) | 2, 64);
	/* Nor may it be two levels below. */
	ramvm.ram[NODE(0)] = 12;
	ramvm_put64(XA_SLOT(0, 1), NODE(1) | 2);
	check_corrupt(&array, NODE(0) | 2, 4096);
	ramvm.ram[NODE(0)] = 7;
	check_corrupt(&array, NODE(0) | 2, 0);
	ramvm.ram[NODE(0)] = 66;
	check_corrupt(&array, NODE(0) | 2, 0);
	tiny_close(array.os);
}

/** Eight levels of nodes whose slots all lead to the next: 2^48 entries. */
static void array_without_an_end_is_a_limit(void)
{
	struct given given = { .count = 0 };
	struct array array;
	struct mvmi_error err;

	tiny_reset(true);
	for (unsigned n = 0; n < 8; n++) {
		ramvm.ram[NODE(n)] = (uint8_t)(42 - 6 * n);
		for (unsigned slot = 0; n < 7 && slot < 64; slot++)
			ramvm_put64(XA_SLOT(n, slot), NODE(n + 1) | 2);
	}
	array = array_open(NULL);
	CHECK(xarray_walk(array.os->space, &array.shape, NODE(0) | 2, take,
			  &given, &err) == MVMI_ERR_LIMIT);
	printf("# %s\n", err.msg);
	tiny_close(array.os);
}

TESTS(T(array_without_a_node_has_index_0), T(entries_of_two_levels_are_found),
      T(siblings_are_their_first), T(radix_tree_has_tags_of_its_own),
      T(radix_tree_of_old_tells_its_height),
      T(node_that_is_not_below_its_parent_is_corrupt),
      T(array_without_an_end_is_a_limit))
