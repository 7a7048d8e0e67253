/* SPDX-License-Identifier: MIT */
/** @file Shapes of printk's structs, for tests that have no types. */
#ifndef MICROVMI_TEST_PRINTK_SHAPES_H
#define MICROVMI_TEST_PRINTK_SHAPES_H

#include "os/linux/ring.h"

/** struct prb_desc since 5.10: a state, and two positions. */
static const struct shape printk_desc = {
	.size = 24,
	.fields = {
		[DESC_STATE] = { .offset = 0, .size = 8 },
		[DESC_BEGIN] = { .offset = 8, .size = 8 },
		[DESC_NEXT] = { .offset = 16, .size = 8 },
	},
};

/** The part of struct printk_info that is read. */
static const struct shape printk_info = {
	.size = 24,
	.fields = {
		[INFO_SEQUENCE] = { .offset = 0, .size = 8 },
		[INFO_TIME] = { .offset = 8, .size = 8 },
		[INFO_TEXT_LEN] = { .offset = 16, .size = 2 },
		[INFO_FACILITY] = { .offset = 18, .size = 1 },
		[INFO_LEVEL] = { .offset = 19, .size = 1, .bit_offset = 5,
				 .bit_size = 3 },
	},
};

/** struct printk_log from 3.11 to 5.9. */
static const struct shape printk_old = {
	.size = 16,
	.fields = {
		[INFO_TIME] = { .offset = 0, .size = 8 },
		[INFO_LEN] = { .offset = 8, .size = 2 },
		[INFO_TEXT_LEN] = { .offset = 10, .size = 2 },
		[INFO_FACILITY] = { .offset = 14, .size = 1 },
		[INFO_LEVEL] = { .offset = 15, .size = 1, .bit_offset = 5,
				 .bit_size = 3 },
	},
};

#endif /* MICROVMI_TEST_PRINTK_SHAPES_H */
