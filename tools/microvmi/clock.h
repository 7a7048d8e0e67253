/* SPDX-License-Identifier: MIT */
/** @file What time it is, in nanoseconds. */
#ifndef MICROVMI_TOOL_CLOCK_H
#define MICROVMI_TOOL_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/** Of a clock that only goes forward: for how long something takes. */
static inline uint64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/** Since 1970, as the user may set it: for when something was. */
static inline uint64_t clock_realtime_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

#endif /* MICROVMI_TOOL_CLOCK_H */
