/* SPDX-License-Identifier: MIT */
/** @file Filling in a struct mvmi_error; every function accepts err == NULL. */
#ifndef MICROVMI_BASE_ERROR_H
#define MICROVMI_BASE_ERROR_H

#include <microvmi/types.h>

/* Static archives have no hidden symbols, so real names carry the prefix. */
#define fail	     mvmi__fail
#define fail_sys     mvmi__fail_sys
#define fail_fault   mvmi__fail_fault
#define fail_walk    mvmi__fail_walk
#define fail_context mvmi__fail_context

/** Record a failure and return status, so that callers can `return` it. */
enum mvmi_status fail(struct mvmi_error *err, enum mvmi_status status,
		      const char *fmt, ...) MVMI_PRINTF(3, 4);

/**
 * As fail(), for a host call that set errno to sys; its text is appended.
 *
 * EACCES and EPERM become DENIED, ENOMEM NOMEM, ESRCH GONE; the rest SYSTEM.
 */
enum mvmi_status fail_sys(struct mvmi_error *err, int sys, const char *fmt, ...)
	MVMI_PRINTF(3, 4);

/** As fail(MVMI_ERR_FAULT): there is no RAM at the guest-physical addr. */
enum mvmi_status fail_fault(struct mvmi_error *err, uint64_t addr);

/** As fail(MVMI_ERR_NOT_PRESENT) for the guest-virtual addr. */
enum mvmi_status fail_walk(struct mvmi_error *err, uint64_t addr,
			   const char *fmt, ...) MVMI_PRINTF(3, 4);

/**
 * Put "context: " before the message of a failure on its way up.
 *
 * @return status, so that callers can `return` it; OK passes through.
 */
enum mvmi_status fail_context(struct mvmi_error *err, enum mvmi_status status,
			      const char *fmt, ...) MVMI_PRINTF(3, 4);

#if defined(__clang_analyzer__) && !defined(ERROR_IS_DEFINED_HERE)
/* The analyser sees one file at a time: tell it that failing is never OK. */
static inline enum mvmi_status mvmi__failed(enum mvmi_status status)
{
	if (status == MVMI_OK)
		__builtin_unreachable();
	return status;
}

#define mvmi__fail(...)	      mvmi__failed(mvmi__fail(__VA_ARGS__))
#define mvmi__fail_sys(...)   mvmi__failed(mvmi__fail_sys(__VA_ARGS__))
#define mvmi__fail_fault(...) mvmi__failed(mvmi__fail_fault(__VA_ARGS__))
#define mvmi__fail_walk(...)  mvmi__failed(mvmi__fail_walk(__VA_ARGS__))
#endif

#endif /* MICROVMI_BASE_ERROR_H */
