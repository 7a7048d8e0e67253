/* SPDX-License-Identifier: MIT */
/* futex(2), shared between processes; and the clock of its time-outs. */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

#define NS_PER_S UINT64_C(1000000000)

void futex_wait(void *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_S),
		.tv_nsec = (long)(timeout_ns % NS_PER_S),
	};

	/* However it ends, the caller looks at the word again. */
	(void)syscall(SYS_futex, word, FUTEX_WAIT, value, &ts, NULL, 0);
}

void futex_wake(void *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}
