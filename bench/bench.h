/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Measuring two ways to do one thing against each other.
 *
 * They are run in turn, direct, ours, direct, so that what changes on the
 * machine meanwhile changes both; what is reported are medians over rounds.
 */
#ifndef MICROVMI_BENCH_BENCH_H
#define MICROVMI_BENCH_BENCH_H

#include <stdint.h>

#define BENCH_ROUNDS 101

/** One way: does it `count` times. */
typedef void (*bench_fn)(void *arg, unsigned count);

struct bench_pair {
	bench_fn direct;
	bench_fn ours;
	void *arg;
	unsigned count; /**< of operations in a round */
};

struct bench_result {
	double direct_ns; /**< for one operation, median */
	double ours_ns;
	double ratio; /**< direct over ours, median of each round's */
};

struct bench_result bench_compare(const struct bench_pair *pair);

/** Nanoseconds for one operation, median. */
double bench_ns(bench_fn fn, void *arg, unsigned count);

/** A row of the table: what, ours, direct, ratio, wanted. */
void bench_row_ratio(const char *what, const struct bench_pair *pair,
		     const char *wanted);
void bench_row_ns(const char *what, double ns, const char *wanted);

/** End the program, saying why. */
__attribute__((noreturn)) void bench_die(const char *what, const char *why);

/** Keep the compiler from dropping what was read. */
static inline void bench_keep(const void *ptr)
{
	__asm__ volatile("" : : "r"(ptr) : "memory");
}

#endif /* MICROVMI_BENCH_BENCH_H */
