/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Values that every other header speaks in: guest addresses, host spans,
 * statuses and errors.
 */
#ifndef MICROVMI_TYPES_H
#define MICROVMI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef _WIN32
#define MVMI_API
#else
#define MVMI_API __attribute__((visibility("default")))
#endif
#define MVMI_MUST_CHECK __attribute__((warn_unused_result))
#if defined(__MINGW32__)
#define MVMI_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#else
#define MVMI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#endif

/** Bytes in a guest page frame; a larger mapping is several frames. */
#define MVMI_PAGE_SIZE UINT64_C(4096)

/** Guest-virtual address in bytes. Meaningless without an address space. */
typedef struct mvmi_gva {
	uint64_t val;
} mvmi_gva;

/** Guest-physical address in bytes, as the guest's own page tables see it. */
typedef struct mvmi_gpa {
	uint64_t val;
} mvmi_gpa;

/** Guest frame number: a gpa divided by 4096, whatever the mapping size. */
typedef struct mvmi_gfn {
	uint64_t val;
} mvmi_gfn;

static inline mvmi_gva mvmi_gva_at(uint64_t val)
{
	mvmi_gva gva;

	gva.val = val;
	return gva;
}

static inline mvmi_gpa mvmi_gpa_at(uint64_t val)
{
	mvmi_gpa gpa;

	gpa.val = val;
	return gpa;
}

static inline mvmi_gfn mvmi_gfn_at(uint64_t val)
{
	mvmi_gfn gfn;

	gfn.val = val;
	return gfn;
}

/** The frame that holds gpa. */
static inline mvmi_gfn mvmi_gfn_of(mvmi_gpa gpa)
{
	return mvmi_gfn_at(gpa.val / MVMI_PAGE_SIZE);
}

/** Writable host memory. ptr may be NULL only if len is 0. */
struct mvmi_span {
	uint8_t *ptr;
	size_t len; /**< bytes */
};

/** Read-only host memory, usually a copy of bytes that the guest controls. */
struct mvmi_bytes {
	const uint8_t *ptr;
	size_t len; /**< bytes */
};

/**
 * What a caller's own loop waits on: a file descriptor on Linux, a HANDLE on
 * Windows. Borrowed: never close it.
 */
struct mvmi_waitable {
	intptr_t handle; /**< -1 where there is nothing to wait for */
};

/** Outcome of an operation. New values are only ever appended. */
enum mvmi_status {
	MVMI_OK = 0,
	/** A host allocation failed. */
	MVMI_ERR_NOMEM,
	/** The caller broke the documented contract, or a target is misspelt. */
	MVMI_ERR_INVALID,
	/** The driver, the VMM or the guest lacks the capability. */
	MVMI_ERR_UNSUPPORTED,
	/** No RAM behind a guest-physical address; see mvmi_error.addr. */
	MVMI_ERR_FAULT,
	/** A page walk ended; mvmi_error.addr is the virtual address. */
	MVMI_ERR_NOT_PRESENT,
	/** A host call failed; see mvmi_error.sys. */
	MVMI_ERR_SYSTEM,
	/** Nothing came within the given time. */
	MVMI_ERR_TIMEOUT,
	/** Someone else has it, or it may not be done at this moment. */
	MVMI_ERR_BUSY,
	/** The thing that is named was replaced: old event, reset VM. */
	MVMI_ERR_STALE,
	/** The VM, or the far side of the connection, is no more. */
	MVMI_ERR_GONE,
	/** The host or the hypervisor forbids it to this user. */
	MVMI_ERR_DENIED,
	/** A named limit was reached: slots, table sizes, cycle guards. */
	MVMI_ERR_LIMIT,
	/** Bytes contradict their own format: truncated, cyclic, lying. */
	MVMI_ERR_CORRUPT,
};

/**
 * Detail of a failure. Caller-owned, never allocates, needs no cleanup.
 *
 * Frozen layout (docs/abi.md): it lies in the caller's storage.
 */
struct mvmi_error {
	enum mvmi_status status;
	int sys;       /**< errno, or 0 */
	uint64_t addr; /**< guest address, for FAULT and NOT_PRESENT */
	char msg[368]; /**< NUL-terminated, outermost context first */
};

/** Fixed name of a status, e.g. "fault". Never NULL. */
MVMI_API const char *mvmi_status_name(enum mvmi_status status);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_TYPES_H */
