/* SPDX-License-Identifier: MIT */
/** @file Processes as several commands need them. */
#ifndef MICROVMI_TOOL_TASKS_H
#define MICROVMI_TOOL_TASKS_H

#include "guest.h"

/**
 * List one process, or all (MVMI_OS_ALL), and say what is in doubt.
 *
 * @param detail  enum mvmi_task_detail bits.
 * @param ret     Release with mvmi_os_free().
 * @return An exit code; a failure has been told.
 */
int tasks_list(struct guest *guest, uint64_t pid, unsigned detail,
	       const struct mvmi_task_list **ret);

/** The name of a process in a list of all; "" if it is not there. */
const char *tasks_name(const struct mvmi_task_list *list, uint64_t pid);

#endif /* MICROVMI_TOOL_TASKS_H */
