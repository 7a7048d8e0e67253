/* SPDX-License-Identifier: MIT */
/** @file A test harness in one header: TAP on stdout, no dependencies. */
#ifndef MICROVMI_TEST_HARNESS_H
#define MICROVMI_TEST_HARNESS_H

#include <setjmp.h>
#include <stdio.h>

struct test {
	const char *name;
	void (*run)(void);
};

static jmp_buf test_abort;

#define CHECK(cond)                                                         \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			longjmp(test_abort, 1);                             \
		}                                                           \
	} while (0)

#define TESTS(...)                                                         \
	int main(void)                                                     \
	{                                                                  \
		static const struct test tests[] = { __VA_ARGS__ };        \
		return run_tests(tests, sizeof(tests) / sizeof(tests[0])); \
	}
#define T(fn)           \
	{               \
#fn, fn \
	}

static int run_tests(const struct test *tests, size_t n)
{
	volatile size_t failed = 0;

	printf("1..%u\n", (unsigned)n);
	for (volatile size_t i = 0; i < n; i++) {
		if (setjmp(test_abort) == 0) {
			tests[i].run();
			printf("ok %u - %s\n", (unsigned)(i + 1),
			       tests[i].name);
		} else {
			printf("not ok %u - %s\n", (unsigned)(i + 1),
			       tests[i].name);
			failed++;
		}
	}
	return failed != 0;
}

#endif /* MICROVMI_TEST_HARNESS_H */
