/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Words of the memory that a client and an agent share: both sides read, write
 * and sleep on them in this way. (The wire's structs are plain, so that they
 * are the same for every compiler.)
 */
#ifndef MICROVMI_DRIVERS_AGENT_SHARED_H
#define MICROVMI_DRIVERS_AGENT_SHARED_H

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

#define SHARED_LOAD(ptr)       __atomic_load_n(ptr, __ATOMIC_SEQ_CST)
#define SHARED_STORE(ptr, val) __atomic_store_n(ptr, val, __ATOMIC_SEQ_CST)
#define SHARED_ADD(ptr, val)   __atomic_fetch_add(ptr, val, __ATOMIC_SEQ_CST)
#define SHARED_TAKE(ptr)       __atomic_exchange_n(ptr, 0, __ATOMIC_SEQ_CST)

/**
 * Wait while the word has the value, no longer than that. However it ends, the
 * caller looks at the word again.
 */
static inline void futex_wait(void *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_S),
		.tv_nsec = (long)(timeout_ns % NS_PER_S),
	};

	(void)syscall(SYS_futex, word, FUTEX_WAIT, value, &ts, NULL, 0);
}

static inline void futex_wake(void *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

#endif /* MICROVMI_DRIVERS_AGENT_SHARED_H */
