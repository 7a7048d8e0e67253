/* SPDX-License-Identifier: MIT */
/* futex(2), shared between processes. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "state.h"

#define NS_PER_S UINT64_C(1000000000)

int futex_wait(void *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_S),
		.tv_nsec = (long)(timeout_ns % NS_PER_S),
	};

	if (syscall(SYS_futex, word, FUTEX_WAIT, value, &ts, NULL, 0) == 0)
		return 0;
	return errno;
}

void futex_wake(void *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
