/* SPDX-License-Identifier: MIT */
/** @file Exit codes, and what is said on stderr before each of them. */
#ifndef MICROVMI_TOOL_DIAG_H
#define MICROVMI_TOOL_DIAG_H

#include <microvmi/types.h>

/** Promised in --help and in microvmi(1). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_TARGET = 3,   /**< it can't be opened */
	EXIT_MEMORY = 4,   /**< a hole, or a page that is not present */
	EXIT_BUSY = 5,	   /**< someone else has it, or this user may not */
	EXIT_GONE = 6,	   /**< the VM ended */
	EXIT_FINDINGS = 7, /**< `check` found something */
	EXIT_INTERRUPTED = 130,
	EXIT_PIPE = 141, /**< nobody reads our output; said to nobody */
};

/** Name the subcommand that all messages begin with. NULL: none. */
void diag_set_command(const char *name);

/** Say "microvmi: command: …". */
void diag_say(const char *fmt, ...) MVMI_PRINTF(1, 2);

/** Say what is wrong with the command line. @return EXIT_USAGE */
int diag_usage(const char *fmt, ...) MVMI_PRINTF(1, 2);

/** Say that a host call failed, with errno's text. @return EXIT_FAILED */
int diag_sys(const char *fmt, ...) MVMI_PRINTF(1, 2);

/**
 * Say what was tried and why the library failed.
 *
 * @return The exit code for err->status.
 */
int diag_error(const struct mvmi_error *err, const char *fmt, ...)
	MVMI_PRINTF(2, 3);

/** As diag_error(), where the library's message says what was tried, too. */
int diag_plain_error(const struct mvmi_error *err);

/** Say what to do about the failure that was just told. */
void diag_hint(const char *fmt, ...) MVMI_PRINTF(1, 2);

/** There is no memory left for so small a thing: say so and exit. */
void diag_no_memory(void) __attribute__((noreturn));

#endif /* MICROVMI_TOOL_DIAG_H */
