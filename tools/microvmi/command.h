/* SPDX-License-Identifier: MIT */
/** @file What a subcommand is. Each is a constant in its own cmd_<name>.c. */
#ifndef MICROVMI_TOOL_COMMAND_H
#define MICROVMI_TOOL_COMMAND_H

#include <popt.h>
#include <stdbool.h>

/** val of an option that option_seen() is to be told of. */
#define COMMAND_OPTION_SEEN 1

struct command {
	const char *name;
	const char *operands; /**< as usage shows them, e.g. "TARGET ADDR" */
	int operands_min;
	int operands_max;
	bool about_guest;     /**< it looks into the guest, not at the VM */
	const char *summary;  /**< one line, for `microvmi help` */
	const char *details;  /**< paragraphs, for `--help` */
	const char *examples; /**< lines, for `--help` */
	/** Of the command alone; --json and --help are added where it is run. */
	struct poptOption *options; /**< popt wants it writable */
	/**
	 * Called for each option whose val is COMMAND_OPTION_SEEN, after its
	 * argument was stored. NULL where there is none.
	 */
	int (*option_seen)(void);
	/**
	 * @param operands  Of a number that was checked, NULL-terminated.
	 * @return An exit code; a failure has been told to the user.
	 */
	int (*run)(const char *const *operands);
};

/** NULL-terminated, in the order in which help shows them. */
extern const struct command *const commands[];

/** @return NULL if there is none of that name. */
const struct command *command_find(const char *name);

/** Print what `microvmi NAME --help` does. */
void command_print_help(const struct command *command);

/** Set by --json, which every command has. */
extern int command_json;

/** Options that every command has; completion shows them too. */
extern struct poptOption command_common_options[];

#endif /* MICROVMI_TOOL_COMMAND_H */
