/* SPDX-License-Identifier: MIT */
/** @file The table of open files of a process. */
#ifndef MICROVMI_OS_LINUX_FILES_H
#define MICROVMI_OS_LINUX_FILES_H

#include "os/linux/linux.h"

#define files_walk mvmi__files_walk

/** Descriptors of one process: the default of fs.nr_open. */
#define FILES_MAX ((uint64_t)1 << 20)

/** An open descriptor. */
struct files_entry {
	uint64_t fd;
	mvmi_gva file; /**< struct file */
	bool close_on_exec;
};

/**
 * Called for each open descriptor.
 *
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*files_fn)(const struct files_entry *entry, void *arg,
				     struct mvmi_error *err);

/**
 * Walk over the open descriptors of a task by number. A task that has ended has
 * none.
 *
 * @param task  struct task_struct, with tasks.h's members.
 * @retval MVMI_ERR_LIMIT  The table claims over FILES_MAX descriptors.
 */
enum mvmi_status files_walk(struct linux_os *guest, const struct object *task,
			    files_fn fn, void *arg, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_FILES_H */
