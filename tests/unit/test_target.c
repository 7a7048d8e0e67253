/* SPDX-License-Identifier: MIT */
/* Target strings: schemes, options, escapes, and what is only a path. */
#include <string.h>

#include "drivers/target.h"
#include "harness.h"

static struct target target;

static bool
is(const char *string, const char *scheme, const char *where, size_t options)
{
	return target_parse(string, &target, NULL) == MVMI_OK &&
	       strcmp(target.scheme, scheme) == 0 &&
	       strcmp(target.where, where) == 0 &&
	       target.option_count == options;
}

static void scheme_and_place_are_split_at_the_first_colon(void)
{
	CHECK(is("qemu:/run/vm.qmp", "qemu", "/run/vm.qmp", 0));
	CHECK(is("gdb:localhost:1234", "gdb", "localhost:1234", 0));
}

static void one_letter_is_a_drive_not_a_scheme(void)
{
	CHECK(is("C:\\x.dmp", "", "C:\\x.dmp", 0));
}

static void a_path_with_a_colon_later_is_a_path(void)
{
	CHECK(is("./a:b", "", "./a:b", 0));
	CHECK(is("/a:b", "", "/a:b", 0));
}

static void a_place_that_is_an_option_is_an_option(void)
{
	CHECK(is("qemu:pid=4711", "qemu", "", 1));
	CHECK(strcmp(target.options[0].key, "pid") == 0);
	CHECK(strcmp(target.options[0].value, "4711") == 0);
}

static void options_follow_a_question_mark_before_a_key(void)
{
	CHECK(is("dump:a?b.raw?format=raw&start=0x1000", "dump", "a?b.raw", 2));
	CHECK(strcmp(target.options[1].key, "start") == 0);
	CHECK(strcmp(target.options[1].value, "0x1000") == 0);
}

static void a_question_mark_without_a_key_is_part_of_the_name(void)
{
	CHECK(is("dump:what?", "dump", "what?", 0));
	CHECK(is("dump:what?=x", "dump", "what?=x", 0));
}

static void escapes_are_bytes(void)
{
	CHECK(is("dump:a%3fb%25", "dump", "a?b%", 0));
	CHECK(is("xen:x?name=a%26b", "xen", "x", 1));
	CHECK(strcmp(target.options[0].value, "a&b") == 0);
}

static void a_bad_escape_is_refused(void)
{
	CHECK(target_parse("dump:a%2", &target, NULL) == MVMI_ERR_INVALID);
	CHECK(target_parse("dump:a%zz", &target, NULL) == MVMI_ERR_INVALID);
	CHECK(target_parse("dump:a%00", &target, NULL) == MVMI_ERR_INVALID);
}

static void too_long_and_empty_are_refused(void)
{
	char text[TARGET_LEN_MAX + 1];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK(target_parse(text, &target, NULL) == MVMI_ERR_INVALID);
	CHECK(target_parse("", &target, NULL) == MVMI_ERR_INVALID);
}

static void too_many_options_are_refused(void)
{
	static const char more[] = "&k=v";
	char text[256] = "xen:a?k=v";
	char *end = text + strlen(text);

	for (int i = 0; i < TARGET_OPTIONS_MAX; i++) {
		memcpy(end, more, sizeof(more));
		end += sizeof(more) - 1;
	}
	CHECK(target_parse(text, &target, NULL) == MVMI_ERR_INVALID);
}

TESTS(T(scheme_and_place_are_split_at_the_first_colon),
      T(one_letter_is_a_drive_not_a_scheme),
      T(a_path_with_a_colon_later_is_a_path),
      T(a_place_that_is_an_option_is_an_option),
      T(options_follow_a_question_mark_before_a_key),
      T(a_question_mark_without_a_key_is_part_of_the_name),
      T(escapes_are_bytes), T(a_bad_escape_is_refused),
      T(too_long_and_empty_are_refused), T(too_many_options_are_refused))
