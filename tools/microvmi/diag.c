/* SPDX-License-Identifier: MIT */
#include "diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const char *command_name;

void diag_set_command(const char *name)
{
	command_name = name;
}

/* What was tried; with the library's reason it makes a line. */
#define MESSAGE_LEN 768
#define LINE_LEN    (MESSAGE_LEN + sizeof(((struct mvmi_error *)0)->msg) + 64)

/** One line, so that two processes' messages don't mix. */
static void say(const char *message, const char *reason)
{
	char line[LINE_LEN];

	(void)snprintf(line, sizeof(line), "microvmi: %s%s%s%s%s",
		       command_name ? command_name : "",
		       command_name ? ": " : "", message, *reason ? ": " : "",
		       reason);
	/* Messages quote names that a stranger may have chosen. */
	output_make_printable(line);
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s\n", line);
}

#define FORMAT(message, fmt)                                            \
	do {                                                            \
		va_list ap;                                             \
                                                                        \
		va_start(ap, fmt);                                      \
		(void)vsnprintf((message), sizeof(message), (fmt), ap); \
		va_end(ap);                                             \
	} while (0)

void diag_say(const char *fmt, ...)
{
	char message[MESSAGE_LEN];

	FORMAT(message, fmt);
	say(message, "");
}

int diag_usage(const char *fmt, ...)
{
	char message[MESSAGE_LEN];

	FORMAT(message, fmt);
	say(message, "");
	diag_hint("`microvmi %s%s--help` says how",
		  command_name ? command_name : "", command_name ? " " : "");
	return EXIT_USAGE;
}

int diag_sys(const char *fmt, ...)
{
	char message[MESSAGE_LEN];
	int sys = errno;

	FORMAT(message, fmt);
	say(message, strerror(sys));
	return EXIT_FAILED;
}

static int code_of_status(enum mvmi_status status)
{
	switch (status) {
	case MVMI_OK:
		return EXIT_OK;
	case MVMI_ERR_FAULT:
	case MVMI_ERR_NOT_PRESENT:
		return EXIT_MEMORY;
	case MVMI_ERR_BUSY:
	case MVMI_ERR_DENIED:
		return EXIT_BUSY;
	case MVMI_ERR_GONE:
		return EXIT_GONE;
	case MVMI_ERR_NOMEM:
	case MVMI_ERR_INVALID:
	case MVMI_ERR_UNSUPPORTED:
	case MVMI_ERR_SYSTEM:
	case MVMI_ERR_TIMEOUT:
	case MVMI_ERR_STALE:
	case MVMI_ERR_LIMIT:
	case MVMI_ERR_CORRUPT:
		break;
	}
	return EXIT_FAILED;
}

int diag_error(const struct mvmi_error *err, const char *fmt, ...)
{
	char message[MESSAGE_LEN];

	FORMAT(message, fmt);
	say(message, err->msg);
	return code_of_status(err->status);
}

int diag_plain_error(const struct mvmi_error *err)
{
	say(err->msg, "");
	return code_of_status(err->status);
}

void diag_hint(const char *fmt, ...)
{
	char message[MESSAGE_LEN];

	FORMAT(message, fmt);
	output_make_printable(message);
	(void)fprintf(stderr, "  hint: %s\n", message);
}

void diag_no_memory(void)
{
	say("the host has no memory left", "");
	exit(EXIT_FAILED);
}
