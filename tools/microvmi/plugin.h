/* SPDX-License-Identifier: MIT */
/** @file The plugin for QEMU that belongs to this command. */
#ifndef MICROVMI_TOOL_PLUGIN_H
#define MICROVMI_TOOL_PLUGIN_H

#include <limits.h>

#define PLUGIN_PATH_LEN PATH_MAX

/** Find it, or say where it was looked for. @return An exit code. */
int plugin_find(char path[PLUGIN_PATH_LEN]);

/** What follows -plugin, as QEMU reads options. */
void plugin_argument(const char *path, char argument[2 * PLUGIN_PATH_LEN]);

/**
 * Start a QEMU with the plugin and a machine that does not run, and say on
 * stderr what it offers.
 *
 * @return An exit code.
 */
int plugin_try(const char *qemu, const char *argument);

#endif /* MICROVMI_TOOL_PLUGIN_H */
