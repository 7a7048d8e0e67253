/* SPDX-License-Identifier: MIT */
/*
 * What a table of types costs: reading a kernel's BTF and indexing it, and
 * asking for a member. The argument is a file of BTF, e.g. of this machine's
 * kernel.
 */
#include <microvmi/symbols.h>

#include <stdio.h>

#include "bench.h"

struct bench {
	const char *path;
	struct mvmi_types *types;
};

static void load(void *arg, unsigned count)
{
	struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		struct mvmi_error err;

		mvmi_types_destroy(b->types);
		b->types = NULL;
		if (mvmi_types_load(b->path, &b->types, &err) != MVMI_OK)
			bench_die(b->path, err.msg);
	}
}

static void find_path(const struct bench *b, const char *path, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct mvmi_field field;
		struct mvmi_error err;

		if (mvmi_types_field(b->types, "task_struct", path, &field,
				     &err) != MVMI_OK)
			bench_die("task_struct", err.msg);
		bench_keep(&field);
	}
}

static void find_member(void *arg, unsigned count)
{
	find_path(arg, "pid", count);
}

static void find_nested(void *arg, unsigned count)
{
	find_path(arg, "thread.sp", count);
}

static void find_type(void *arg, unsigned count)
{
	const struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		struct mvmi_type type;

		if (!mvmi_types_find(b->types, "struct mm_struct", &type))
			bench_die("mm_struct", "there is none");
		bench_keep(&type);
	}
}

static void find_constant(void *arg, unsigned count)
{
	const struct bench *b = arg;

	for (unsigned i = 0; i < count; i++) {
		uint64_t value;

		if (!mvmi_types_find_enumerator(b->types, "PIDTYPE_PGID",
						&value))
			bench_die("PIDTYPE_PGID", "there is none");
		bench_keep(&value);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	char what[64];

	if (argc != 2)
		bench_die("usage", "bench_types FILE");
	b.path = argv[1];
	load(&b, 1);
	(void)snprintf(what, sizeof(what), "read and index %u types of BTF",
		       mvmi_types_count(b.types));
	bench_row_ns(what, bench_ns(load, &b, 1), "<= 10 ms");
	bench_row_ns("offset of `task_struct.pid`",
		     bench_ns(find_member, &b, 1000), "<= 1 us");
	bench_row_ns("offset of `task_struct.thread.sp`",
		     bench_ns(find_nested, &b, 1000), "<= 1 us");
	bench_row_ns("a struct by name", bench_ns(find_type, &b, 1000),
		     "<= 1 us");
	bench_row_ns("a constant by name", bench_ns(find_constant, &b, 1000),
		     "<= 1 us");
	mvmi_types_destroy(b.types);
	return 0;
}
