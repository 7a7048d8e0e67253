/* SPDX-License-Identifier: MIT */
/* The kernel's log in copied memory: both kinds, wrapped, torn and lying. */
#include <string.h>

#include "harness.h"
#include "printk_shapes.h"

#define COUNT	  4
#define TEXT	  64
#define FINALIZED (UINT64_C(2) << 62)
#define REUSABLE  (UINT64_C(3) << 62)

static uint8_t descs[COUNT * 24];
static uint8_t infos[COUNT * 24];
static uint8_t text[TEXT];
static uint8_t later[COUNT * 24];
static struct ring ring;
static struct mvmi_error err;

static void put(uint8_t *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void put_text(uint8_t *at, const char *s)
{
	while (*s)
		*at++ = (uint8_t)*s++;
}

static void setup(void)
{
	memset(descs, 0, sizeof(descs));
	memset(infos, 0, sizeof(infos));
	memset(text, 0, sizeof(text));
	ring = (struct ring){
		.desc = &printk_desc,
		.info = &printk_info,
		.descs = { descs, sizeof(descs) },
		.infos = { infos, sizeof(infos) },
		.text = { text, sizeof(text) },
	};
}

/** Describe record id, whose block runs from begin to next. */
static void
describe(uint64_t id, uint64_t state, uint64_t begin, uint64_t next, size_t len)
{
	uint8_t *desc = descs + id % COUNT * 24;
	uint8_t *info = infos + id % COUNT * 24;

	put(desc, state | id, 8);
	put(desc + 8, begin, 8);
	put(desc + 16, next, 8);
	put(info, 100 + id, 8);
	put(info + 8, 5000 * id, 8);
	put(info + 16, len, 2);
	info[18] = 1;
	info[19] = 6 << 5 | 3;
}

static void put_block(size_t at, uint64_t id, const char *s)
{
	put(text + at, id, 8);
	put_text(text + at + 8, s);
}

static const struct mvmi_log *parse(void)
{
	struct list list = { .chunks = NULL };
	const struct mvmi_log *log = NULL;

	CHECK(ring_parse(&ring, &list, &err) == MVMI_OK);
	CHECK(list_finish(&list, sizeof(*log), (const void **)&log, NULL) ==
	      MVMI_OK);
	return log;
}

static void a_record_is_read_with_all_that_it_says(void)
{
	const struct mvmi_log *log;

	setup();
	ring.head = ring.tail = 1;
	describe(1, FINALIZED, 0, 16, 5);
	put_block(0, 1, "hello!!!");
	log = parse();
	CHECK(log->count == 1 && log->doubt[0] == '\0');
	CHECK(log->items[0]->sequence == 101);
	CHECK(log->items[0]->time_ns == 5000);
	CHECK(log->items[0]->level == 6 && log->items[0]->facility == 1);
	CHECK(strcmp(log->items[0]->text, "hello") == 0);
	mvmi_os_free(log);
}

static void a_block_that_would_pass_the_end_lies_at_the_beginning(void)
{
	const struct mvmi_log *log;

	setup();
	ring.head = ring.tail = 2;
	describe(2, FINALIZED, 48, 64 + 24, 4);
	put_block(0, 2, "wrap");
	log = parse();
	CHECK(log->count == 1 && strcmp(log->items[0]->text, "wrap") == 0);
	mvmi_os_free(log);
}

static void a_block_that_ends_at_the_end_is_whole(void)
{
	const struct mvmi_log *log;

	setup();
	ring.head = ring.tail = 2;
	describe(2, FINALIZED, 48, 64, 4);
	put_block(48, 2, "last");
	log = parse();
	CHECK(log->count == 1 && strcmp(log->items[0]->text, "last") == 0);
	mvmi_os_free(log);
}

static void ids_wrap_with_62_bits(void)
{
	uint64_t last = (UINT64_C(1) << 62) - 1;
	const struct mvmi_log *log;

	setup();
	ring.tail = last;
	ring.head = 0;
	describe(last, FINALIZED, 0, 16, 1);
	put_block(0, last, "a");
	describe(0, FINALIZED, 16, 32, 1);
	put_block(16, 0, "b");
	log = parse();
	CHECK(log->count == 2);
	CHECK(strcmp(log->items[0]->text, "a") == 0);
	CHECK(strcmp(log->items[1]->text, "b") == 0);
	mvmi_os_free(log);
}

static void an_empty_line_is_a_record_and_a_lost_one_is_none(void)
{
	const struct mvmi_log *log;

	setup();
	ring.tail = 1;
	ring.head = 3;
	describe(1, FINALIZED, 3, 3, 0);
	describe(2, FINALIZED, 1, 1, 9);
	describe(3, REUSABLE, 0, 16, 1);
	log = parse();
	CHECK(log->count == 1 && log->doubt[0] == '\0');
	CHECK(log->items[0]->sequence == 101);
	CHECK(strcmp(log->items[0]->text, "") == 0);
	mvmi_os_free(log);
}

static void a_block_of_another_record_is_doubted(void)
{
	const struct mvmi_log *log;

	setup();
	ring.tail = ring.head = 1;
	describe(1, FINALIZED, 0, 16, 5);
	put_block(0, 2, "hello");
	log = parse();
	CHECK(log->count == 0);
	CHECK(strstr(log->doubt, "record 0x1 is gone"));
	mvmi_os_free(log);
}

static void a_record_that_changed_meanwhile_is_left_out(void)
{
	const struct mvmi_log *log;

	setup();
	ring.tail = ring.head = 1;
	describe(1, FINALIZED, 0, 16, 5);
	put_block(0, 1, "hello");
	memcpy(later, descs, sizeof(later));
	ring.later = (struct mvmi_bytes){ later, sizeof(later) };
	log = parse();
	CHECK(log->count == 1);
	mvmi_os_free(log);
	put(later + 24, REUSABLE | 1, 8);
	log = parse();
	CHECK(log->count == 0 && log->doubt[0] == '\0');
	mvmi_os_free(log);
}

static void text_len_that_lies_ends_with_the_block(void)
{
	const struct mvmi_log *log;

	setup();
	ring.tail = ring.head = 1;
	describe(1, FINALIZED, 0, 16, 60000);
	put_block(0, 1, "12345678");
	put_block(16, 9, "secret");
	log = parse();
	CHECK(log->count == 1);
	CHECK(strcmp(log->items[0]->text, "12345678") == 0);
	mvmi_os_free(log);
}

static void more_records_than_descriptors_are_corrupt(void)
{
	struct list list = { .chunks = NULL };

	setup();
	ring.tail = 1;
	ring.head = 1 + COUNT;
	CHECK(ring_parse(&ring, &list, &err) == MVMI_ERR_CORRUPT);
	ring.head = 0;
	CHECK(ring_parse(&ring, &list, &err) == MVMI_ERR_CORRUPT);
	CHECK(list.count == 0);
}

/** A record of the old kind, whose text is s. */
static size_t put_old(size_t at, const char *s, size_t len)
{
	put(text + at, 7000, 8);
	put(text + at + 8, len, 2);
	put(text + at + 10, strlen(s), 2);
	text[at + 14] = 3;
	text[at + 15] = 4 << 5;
	put_text(text + at + 16, s);
	return at + len;
}

static void the_old_buffer_goes_on_at_its_beginning(void)
{
	struct ring_old old = { .log = &printk_old,
				.buffer = { text, sizeof(text) },
				.first_index = 24,
				.first = 9,
				.end = 11 };
	struct list list = { .chunks = NULL };
	const struct mvmi_log *log = NULL;

	setup();
	(void)put_old(24, "first", 24);
	(void)put_old(0, "second", 24);
	/* At 48 lies a record of no length: go on at 0. */
	CHECK(ring_parse_old(&old, &list, &err) == MVMI_OK);
	CHECK(list_finish(&list, sizeof(*log), (const void **)&log, NULL) ==
	      MVMI_OK);
	CHECK(log->count == 2);
	CHECK(log->items[0]->sequence == 9 && log->items[1]->sequence == 10);
	CHECK(log->items[0]->level == 4 && log->items[0]->facility == 3);
	CHECK(strcmp(log->items[0]->text, "first") == 0);
	CHECK(strcmp(log->items[1]->text, "second") == 0);
	mvmi_os_free(log);
}

static void an_old_record_that_does_not_fit_is_corrupt(void)
{
	struct ring_old old = { .log = &printk_old,
				.buffer = { text, sizeof(text) },
				.first_index = 40,
				.first = 0,
				.end = 1 };
	struct list list = { .chunks = NULL };

	setup();
	(void)put_old(40, "x", 32);
	CHECK(ring_parse_old(&old, &list, &err) == MVMI_ERR_CORRUPT);
	old.first_index = UINT64_MAX - 4;
	CHECK(ring_parse_old(&old, &list, &err) == MVMI_ERR_CORRUPT);
	old.end = UINT64_C(1) << 40;
	CHECK(ring_parse_old(&old, &list, &err) == MVMI_ERR_CORRUPT);
	list_fini(&list);
}

TESTS(T(a_record_is_read_with_all_that_it_says),
      T(a_block_that_would_pass_the_end_lies_at_the_beginning),
      T(a_block_that_ends_at_the_end_is_whole), T(ids_wrap_with_62_bits),
      T(an_empty_line_is_a_record_and_a_lost_one_is_none),
      T(a_block_of_another_record_is_doubted),
      T(a_record_that_changed_meanwhile_is_left_out),
      T(text_len_that_lies_ends_with_the_block),
      T(more_records_than_descriptors_are_corrupt),
      T(the_old_buffer_goes_on_at_its_beginning),
      T(an_old_record_that_does_not_fit_is_corrupt))
