/* SPDX-License-Identifier: MIT */
/** @file Monotonic time. Nothing here is affected by someone setting clocks. */
#ifndef MICROVMI_BASE_CLOCK_H
#define MICROVMI_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/**
 * Milliseconds, a few behind the truth, for a few nanoseconds: no system call
 * and no reading of a hardware counter. For rate limits on hot paths.
 */
static inline uint64_t clock_coarse_ms(void)
{
	struct timespec ts;

#ifdef CLOCK_MONOTONIC_COARSE
	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
#else
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/** Nanoseconds, exact. For deadlines of a hot path. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/** Milliseconds, exact. For deadlines. */
static inline uint64_t clock_ms(void)
{
	return clock_ns() / NS_PER_MS;
}

#endif /* MICROVMI_BASE_CLOCK_H */
