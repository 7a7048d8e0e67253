/* SPDX-License-Identifier: MIT */
/** @file Comparing views of one thing: what each check shares. */
#ifndef MICROVMI_OS_LINUX_CHECK_CHECK_H
#define MICROVMI_OS_LINUX_CHECK_CHECK_H

#include "os/linux/linux.h"
#include "os/set.h"

#define check_found    mvmi__check_found
#define check_step     mvmi__check_step
#define check_tasks    mvmi__check_tasks
#define check_threads  mvmi__check_threads
#define check_children mvmi__check_children
#define check_running  mvmi__check_running
#define check_tree     mvmi__check_tree
#define check_sysfs    mvmi__check_sysfs
#define check_syscalls mvmi__check_syscalls
#define check_compat   mvmi__check_compat
#define check_gates    mvmi__check_gates
#define check_entries  mvmi__check_entries

/** One run of all checks. */
struct checking {
	struct linux_os *guest;
	struct list *list; /**< of findings */
	const char *name;  /**< of the check that is running */
	struct set first;  /**< of objects, for the check that is running */
	struct set second;
	uint64_t steps; /**< of the check that is running */
};

/** Objects that one check looks at, in all its views. */
#define CHECK_STEPS_MAX ((uint64_t)1 << 22)

/** Count an object. @retval MVMI_ERR_LIMIT  CHECK_STEPS_MAX. */
enum mvmi_status check_step(struct checking *c, struct mvmi_error *err);

/**
 * Add a finding of the check that is running.
 *
 * @param id  Of the process, where it is of one; else 0.
 */
enum mvmi_status
check_found(struct checking *c, mvmi_gva object, uint64_t id,
	    struct mvmi_error *err, const char *fmt, ...) MVMI_PRINTF(5, 6);

/*
 * Each check is given empty sets, adds findings and returns
 *
 * OK           it compared all there is,
 * UNSUPPORTED  the guest's kernel has no second view,
 * CORRUPT, LIMIT, NOT_PRESENT or FAULT
 *              a view is broken, which is a finding in itself.
 */

/* check/tasks.c: the list of tasks against … */
/** … the table of ids. */
enum mvmi_status check_tasks(struct checking *c, struct mvmi_error *err);
/** … the number of threads that each process counts. */
enum mvmi_status check_threads(struct checking *c, struct mvmi_error *err);
/** … the children of each task on it. */
enum mvmi_status check_children(struct checking *c, struct mvmi_error *err);
/** … what CPUs run. */
enum mvmi_status check_running(struct checking *c, struct mvmi_error *err);

/* check/modules.c: the list of modules against … */
/** … the tree of their addresses. */
enum mvmi_status check_tree(struct checking *c, struct mvmi_error *err);
/** … sysfs. */
enum mvmi_status check_sysfs(struct checking *c, struct mvmi_error *err);

/* check/code.c: the kernel's code against … */
/** … handlers of system calls. */
enum mvmi_status check_syscalls(struct checking *c, struct mvmi_error *err);
/** … those of 32-bit programs. */
enum mvmi_status check_compat(struct checking *c, struct mvmi_error *err);
/** … handlers of interrupts. */
enum mvmi_status check_gates(struct checking *c, struct mvmi_error *err);
/** … where each vCPU's registers lead system calls. */
enum mvmi_status check_entries(struct checking *c, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_CHECK_CHECK_H */
