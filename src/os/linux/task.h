/* SPDX-License-Identifier: MIT */
/** @file What hangs on a task: its names, its words, its namespaces. */
#ifndef MICROVMI_OS_LINUX_TASK_H
#define MICROVMI_OS_LINUX_TASK_H

#include "os/linux/tasks.h"

#define ids_number	mvmi__ids_number
#define kthread_name	mvmi__kthread_name
#define arguments_read	mvmi__arguments_read
#define namespaces_read mvmi__namespaces_read

/**
 * The full name of a kernel thread, as /proc shows it.
 *
 * @param name  Holds its comm; replaced where there is a better one.
 * @retval false  That there is could not be read: the guest changed.
 */
bool kthread_name(struct linux_os *guest, const struct object *task,
		  char name[TASK_NAME_MAX + 1]);

/** The id of a struct pid in the initial namespace (ids.c). */
enum mvmi_status ids_number(struct linux_os *guest, mvmi_gva pid, uint64_t *ret,
			    struct mvmi_error *err);

/** Add command line and environment, as detail asks for, to a task's record. */
enum mvmi_status arguments_read(struct linux_os *guest, const struct object *mm,
				unsigned detail, struct list *list,
				struct mvmi_task *ret, struct mvmi_error *err);

/** Add its namespaces to a task's record. */
enum mvmi_status namespaces_read(struct linux_os *guest,
				 const struct object *task, struct list *list,
				 struct mvmi_task *ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_TASK_H */
