/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

_Noreturn void bench_die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

/** Processor time of this thread: what others do meanwhile does not count. */
static double now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double time_ns(bench_fn fn, void *arg, unsigned count)
{
	double start = now_ns();

	fn(arg, count);
	return (now_ns() - start) / count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double values[BENCH_ROUNDS])
{
	qsort(values, BENCH_ROUNDS, sizeof(*values), compare);
	return values[BENCH_ROUNDS / 2];
}

struct bench_result bench_compare(const struct bench_pair *pair)
{
	double direct[BENCH_ROUNDS];
	double ours[BENCH_ROUNDS];
	double ratio[BENCH_ROUNDS];

	/* Caches and page tables first. */
	(void)time_ns(pair->direct, pair->arg, pair->count);
	(void)time_ns(pair->ours, pair->arg, pair->count);
	for (int i = 0; i < BENCH_ROUNDS; i++) {
		double before = time_ns(pair->direct, pair->arg, pair->count);
		double after;

		ours[i] = time_ns(pair->ours, pair->arg, pair->count);
		after = time_ns(pair->direct, pair->arg, pair->count);
		direct[i] = (before + after) / 2;
		ratio[i] = direct[i] / ours[i];
	}
	return (struct bench_result){
		.direct_ns = median(direct),
		.ours_ns = median(ours),
		.ratio = median(ratio),
	};
}

double bench_ns(bench_fn fn, void *arg, unsigned count)
{
	double values[BENCH_ROUNDS];

	(void)time_ns(fn, arg, count);
	for (int i = 0; i < BENCH_ROUNDS; i++)
		values[i] = time_ns(fn, arg, count);
	return median(values);
}

static void print_time(double ns)
{
	if (ns < 10e3)
		printf("%.1f ns", ns);
	else if (ns < 10e6)
		printf("%.1f us", ns / 1e3);
	else
		printf("%.1f ms", ns / 1e6);
}

void bench_row_ratio(const char *what, const struct bench_pair *pair,
		     const char *wanted)
{
	struct bench_result result = bench_compare(pair);

	printf("| %s | ", what);
	print_time(result.ours_ns);
	printf(" | ");
	print_time(result.direct_ns);
	printf(" | %.3f | %s |\n", result.ratio, wanted);
	(void)fflush(stdout);
}

void bench_row_ns(const char *what, double ns, const char *wanted)
{
	printf("| %s | ", what);
	print_time(ns);
	printf(" | | | %s |\n", wanted);
	(void)fflush(stdout);
}
