/* SPDX-License-Identifier: MIT */
/* Parts of the command that need no VM: text, sizes, trees, fields. */
#include <microvmi/os.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "symbols/btf_builder.h"
#include "tools/microvmi/address.h"
#include "tools/microvmi/cpunames.h"
#include "tools/microvmi/eventspec.h"
#include "tools/microvmi/fields.h"
#include "tools/microvmi/number.h"
#include "tools/microvmi/output.h"
#include "tools/microvmi/tree.h"
#include "tools/microvmi/utf8.h"

/* ---- text -------------------------------------------------------------- */

static bool becomes(const char *before, const char *after)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s", before);
	output_make_printable(text);
	return strcmp(text, after) == 0;
}

static void printable_text_is_left_alone(void)
{
	CHECK(becomes("", ""));
	CHECK(becomes("plain (text)", "plain (text)"));
	CHECK(becomes("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\xa7",
		      "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\xa7"));
}

static void controls_become_question_marks(void)
{
	static const char turned[] = { 'a', '\xe2', '\x80', '\xae', 'b', 0 };

	CHECK(becomes("a\x1b[31mb\n\t\x7f", "a?[31mb???"));
	/* CSI as one character of Latin-1, and as UTF-8 of it. */
	CHECK(becomes("\x9b"
		      "31m",
		      "?31m"));
	CHECK(becomes("\xc2\x9b"
		      "31m",
		      "??31m"));
	/* U+202E turns the direction of all that follows. */
	CHECK(becomes(turned, "a???b"));
}

static void bytes_that_are_no_utf8_become_question_marks(void)
{
	CHECK(becomes("\xff\xfe", "??"));
	CHECK(becomes("cut \xe2\x82", "cut ??"));
	/* Too long for what they say, a surrogate, and beyond Unicode. */
	CHECK(becomes("\xc0\xaf", "??"));
	CHECK(becomes("\xed\xa0\x80", "???"));
	CHECK(becomes("\xf4\x90\x80\x80", "????"));
}

static void json_text_keeps_all_that_is_utf8(void)
{
	json_t *text = output_text("\xc3\xa4\xff\x1b");

	CHECK(text);
	CHECK(strcmp(json_string_value(text), "\xc3\xa4\xef\xbf\xbd\x1b") == 0);
	json_decref(text);
}

static void width_counts_characters(void)
{
	CHECK(utf8_width("") == 0);
	CHECK(utf8_width("abc") == 3);
	CHECK(utf8_width("\xe2\x82\xac\xc3\xa4") == 2);
}

/* ---- numbers and addresses --------------------------------------------- */

static bool size_is(uint64_t bytes, const char *text)
{
	char buf[NUMBER_SIZE_LEN];

	return strcmp(number_format_size(buf, bytes), text) == 0;
}

static void sizes_are_rounded_to_the_nearest_tenth(void)
{
	CHECK(size_is(0, "0 B"));
	CHECK(size_is(1023, "1023 B"));
	CHECK(size_is(1536, "1.5 KiB"));
	CHECK(size_is((1 << 20) - 1, "1 MiB"));
	CHECK(size_is((UINT64_C(4) << 30) - (384 << 10), "4 GiB"));
	CHECK(size_is(UINT64_MAX, "16 EiB"));
}

static void an_address_is_a_number_or_a_symbol(void)
{
	struct address address;

	CHECK(!address_parse("0x1000", &address));
	CHECK(address.value == 0x1000 && !*address.name);
	CHECK(!address_parse("init_task", &address));
	CHECK(address.value == 0 && strcmp(address.name, "init_task") == 0);
	CHECK(!address_parse("ext4:sops+0x10", &address));
	CHECK(address.value == 16 && strcmp(address.name, "ext4:sops") == 0);
	CHECK(address_parse("", &address));
	CHECK(address_parse("-1", &address));
	CHECK(address_parse("1f", &address));
	CHECK(address_parse("init_task+", &address));
	CHECK(address_parse("init_task+x", &address));
}

/* ---- trees ------------------------------------------------------------- */

#define TASKS_MAX 8

/** A list of tasks on the stack. */
struct forest {
	struct mvmi_task tasks[TASKS_MAX];
	const struct mvmi_task *items[TASKS_MAX];
	struct mvmi_task_list list;
};

/** @param pairs  id and parent of each. */
static void
forest_init(struct forest *forest, const uint64_t (*pairs)[2], size_t count)
{
	memset(forest, 0, sizeof(*forest));
	for (size_t i = 0; i < count; i++) {
		forest->tasks[i].id = pairs[i][0];
		forest->tasks[i].process_id = pairs[i][0];
		forest->tasks[i].parent_id = pairs[i][1];
		forest->items[i] = &forest->tasks[i];
	}
	forest->list.items = forest->items;
	forest->list.count = count;
}

static void children_stand_under_their_parents(void)
{
	static const uint64_t pairs[][2] = {
		{ 1, 0 }, { 2, 0 }, { 5, 1 }, { 6, 2 }, { 7, 5 }, { 8, 1 },
	};
	static const size_t order[] = { 0, 2, 4, 5, 1, 3 };
	struct forest forest;
	struct tree tree;

	forest_init(&forest, pairs, 6);
	tree_init(&tree, &forest.list);
	CHECK(memcmp(tree.order, order, sizeof(order)) == 0);
	CHECK(strcmp(tree.prefix[0], "") == 0);
	CHECK(strcmp(tree.prefix[2], " \\_ ") == 0);
	CHECK(strcmp(tree.prefix[4], " |   \\_ ") == 0);
	CHECK(strcmp(tree.prefix[5], " \\_ ") == 0);
	tree_fini(&tree, &forest.list);
}

static void threads_stand_under_their_process(void)
{
	static const uint64_t pairs[][2] = { { 1, 0 }, { 9, 0 }, { 10, 0 } };
	struct forest forest;
	struct tree tree;

	forest_init(&forest, pairs, 3);
	forest.tasks[2].is_thread = true;
	forest.tasks[2].process_id = 1;
	tree_init(&tree, &forest.list);
	CHECK(tree.order[1] == 2 && tree.order[2] == 1);
	tree_fini(&tree, &forest.list);
}

static void a_loop_of_parents_is_shown_once(void)
{
	static const uint64_t pairs[][2] = {
		{ 1, 0 }, { 2, 3 }, { 3, 2 }, { 4, 4 }, { 5, 3 },
	};
	bool seen[5] = { false };
	struct forest forest;
	struct tree tree;

	forest_init(&forest, pairs, 5);
	tree_init(&tree, &forest.list);
	for (size_t i = 0; i < 5; i++) {
		CHECK(!seen[tree.order[i]]);
		seen[tree.order[i]] = true;
	}
	tree_fini(&tree, &forest.list);
}

/* ---- fields ------------------------------------------------------------ */

/** What a walk over fields said, a line each. */
struct log {
	char text[512];
	size_t count;
};

static void note(const struct field *field, void *arg)
{
	static const char marks[] = "-<>.";
	struct log *log = arg;
	size_t len = strlen(log->text);

	(void)snprintf(log->text + len, sizeof(log->text) - len,
		       "%c%u %s @%u.%u hole %u\n", marks[field->step],
		       field->depth, field->name ? field->name : "end",
		       (unsigned)(field->bit_offset / 8),
		       (unsigned)(field->bit_offset % 8),
		       (unsigned)field->hole);
	log->count++;
}

static struct mvmi_types *finish(struct btf_builder *builder)
{
	struct mvmi_types *types = NULL;
	enum mvmi_status status = btf_builder_finish(builder, &types, NULL);

	btf_builder_destroy(builder);
	CHECK(status == MVMI_OK && types);
	return types;
}

static void anonymous_members_are_opened_and_holes_counted(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t word = btf_builder_int(b, 0, "int", 4, BTF_INT_SIGNED);
	uint32_t inner = btf_builder_reserve(b);
	uint32_t outer = btf_builder_reserve(b);
	struct log log = { .count = 0 };
	struct mvmi_types *types;

	btf_builder_union(b, inner, "", 8);
	btf_builder_member(b, "pid", word, 0, 0);
	btf_builder_member(b, "raw", word, 0, 0);
	btf_builder_struct(b, outer, "task", 24);
	btf_builder_member(b, "flags", word, 0, 0);
	btf_builder_member(b, "", inner, 64, 0);
	btf_builder_member(b, "last", word, 128, 0);
	types = finish(b);
	CHECK(fields_walk(types, outer, note, &log));
	CHECK(strcmp(log.text, "-0 flags @0.0 hole 0\n"
			       "<0  @8.0 hole 32\n"
			       "-1 pid @8.0 hole 0\n"
			       "-1 raw @8.0 hole 0\n"
			       ">0  @8.0 hole 0\n"
			       "-0 last @16.0 hole 0\n"
			       ".0 end @0.0 hole 32\n") == 0);
	mvmi_types_destroy(types);
}

static void count_field(const struct field *field, void *arg)
{
	size_t *count = arg;

	(void)field;
	++*count;
}

/* Two anonymous members of its own type: 2^n of them at depth n. */
static void a_struct_that_holds_itself_ends(void)
{
	struct btf_builder *b = btf_builder_create();
	uint32_t inner = btf_builder_reserve(b);
	struct mvmi_types *types;
	size_t count = 0;

	btf_builder_struct(b, inner, "", 64);
	for (unsigned i = 0; i < 4; i++)
		btf_builder_member(b, "", inner, UINT64_C(8) * i, 0);
	types = finish(b);
	CHECK(!fields_walk(types, inner, count_field, &count));
	CHECK(count < 300000);
	mvmi_types_destroy(types);
}

/* ---- events ------------------------------------------------------------ */

/** The only thing that an option makes; asserts that it makes one. */
static struct mvmi_subscription
spec_of(enum mvmi_event_kind kind, const char *text)
{
	static struct eventspecs specs;

	specs.count = 0;
	CHECK(eventspecs_add(&specs, kind, text) == NULL);
	CHECK(specs.count == 1);
	return specs.items[0].what;
}

static bool is_wrong(enum mvmi_event_kind kind, const char *text)
{
	static struct eventspecs specs;

	specs.count = 0;
	return eventspecs_add(&specs, kind, text) != NULL && specs.count == 0;
}

static void an_msr_is_read_and_written_unless_it_says_which(void)
{
	static struct eventspecs specs;
	struct mvmi_subscription what;

	CHECK(eventspecs_add(&specs, MVMI_EVENT_MSR_WRITE, "lstar") == NULL);
	CHECK(specs.count == 2);
	CHECK(specs.items[0].what.kind == MVMI_EVENT_MSR_WRITE);
	CHECK(specs.items[1].what.kind == MVMI_EVENT_MSR_READ);
	CHECK(specs.items[1].implied && !specs.items[0].implied);
	what = spec_of(MVMI_EVENT_MSR_WRITE, "0xc0000080:r");
	CHECK(what.kind == MVMI_EVENT_MSR_READ);
	CHECK(what.filters == MVMI_FILTER_INDEX && what.index == 0xc0000080);
	CHECK(is_wrong(MVMI_EVENT_MSR_WRITE, "LSTAR:"));
	CHECK(is_wrong(MVMI_EVENT_MSR_WRITE, "LSTAR:x"));
	CHECK(is_wrong(MVMI_EVENT_MSR_WRITE, "0x100000000"));
	CHECK(is_wrong(MVMI_EVENT_MSR_WRITE, ""));
}

static void an_exception_has_a_number_or_a_name(void)
{
	struct mvmi_subscription what = spec_of(MVMI_EVENT_EXCEPTION, "#pf");

	CHECK(what.filters == MVMI_FILTER_VECTOR);
	CHECK(what.vectors[0] == 1 << 14);
	what = spec_of(MVMI_EVENT_EXCEPTION, "13");
	CHECK(what.vectors[0] == 1 << 13);
	what = spec_of(MVMI_EVENT_INTERRUPT, "0xff");
	CHECK(what.vectors[3] == UINT64_C(1) << 63 && !what.vectors[0]);
	CHECK(spec_of(MVMI_EVENT_EXCEPTION, NULL).filters == 0);
	CHECK(is_wrong(MVMI_EVENT_EXCEPTION, "32"));
	CHECK(is_wrong(MVMI_EVENT_INTERRUPT, "256"));
	CHECK(is_wrong(MVMI_EVENT_INTERRUPT, "GP"));
}

static void memory_is_a_range_with_an_access(void)
{
	struct mvmi_subscription what =
		spec_of(MVMI_EVENT_MEMORY, "wx:0x1000+4K");

	CHECK(what.access == (MVMI_ACCESS_W | MVMI_ACCESS_X));
	CHECK(what.start == 0x1000 && what.len == 4096);
	CHECK(what.filters == MVMI_FILTER_RANGE);
	what = spec_of(MVMI_EVENT_MEMORY, "8");
	CHECK(what.access == (MVMI_ACCESS_R | MVMI_ACCESS_W));
	CHECK(what.start == 8 && what.len == 1);
	what = spec_of(MVMI_EVENT_MEMORY, "r:0xffffffffffffffff+1");
	CHECK(what.len == 1);
	CHECK(is_wrong(MVMI_EVENT_MEMORY, "r:0xffffffffffffffff+2"));
	CHECK(is_wrong(MVMI_EVENT_MEMORY, ":0x1000"));
	CHECK(is_wrong(MVMI_EVENT_MEMORY, "r:0x1000+0"));
	CHECK(is_wrong(MVMI_EVENT_MEMORY, "r:"));
}

static void too_many_kinds_are_refused(void)
{
	static struct eventspecs specs;
	size_t count = 0;

	while (!eventspecs_add(&specs, MVMI_EVENT_CPUID, "1"))
		CHECK(++count <= EVENTSPECS_MAX);
	CHECK(specs.count == count && count > EVENTSPECS_MAX / 2);
}

static void names_of_the_processor_are_found_both_ways(void)
{
	uint32_t index = 0;

	CHECK(cpunames_find_msr("Kernel_GS_Base", &index));
	CHECK(index == 0xc0000102);
	CHECK(strcmp(cpunames_msr(index), "KERNEL_GS_BASE") == 0);
	CHECK(cpunames_msr(0x12345678) == NULL);
	CHECK(cpunames_find_exception("NMI", &index) && index == 2);
	CHECK(!cpunames_find_exception("PFX", &index));
	CHECK(cpunames_exception(9) == NULL && cpunames_exception(99) == NULL);
	CHECK(strcmp(cpunames_bit(CPUNAMES_CR0, 16), "WP") == 0);
	CHECK(cpunames_bit(CPUNAMES_CR4, 63) == NULL);
}

TESTS(T(printable_text_is_left_alone), T(controls_become_question_marks),
      T(bytes_that_are_no_utf8_become_question_marks),
      T(json_text_keeps_all_that_is_utf8), T(width_counts_characters),
      T(sizes_are_rounded_to_the_nearest_tenth),
      T(an_address_is_a_number_or_a_symbol),
      T(children_stand_under_their_parents),
      T(threads_stand_under_their_process), T(a_loop_of_parents_is_shown_once),
      T(anonymous_members_are_opened_and_holes_counted),
      T(a_struct_that_holds_itself_ends),
      T(an_msr_is_read_and_written_unless_it_says_which),
      T(an_exception_has_a_number_or_a_name),
      T(memory_is_a_range_with_an_access), T(too_many_kinds_are_refused),
      T(names_of_the_processor_are_found_both_ways))
