/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Tasks: Linux's word for a process and each of its threads.
 *
 * tasks_prepare() finds the shapes of struct task_struct, signal_struct, cred,
 * mm_struct, pid and nsproxy in guest->shapes; whoever reads such objects calls
 * it first and uses the members below.
 */
#ifndef MICROVMI_OS_LINUX_TASKS_H
#define MICROVMI_OS_LINUX_TASKS_H

#include "os/linux/linux.h"

#define tasks_prepare mvmi__tasks_prepare
#define tasks_walk    mvmi__tasks_walk
#define tasks_torn    mvmi__tasks_torn
#define task_read     mvmi__task_read
#define task_find     mvmi__task_find
#define task_find_mm  mvmi__task_find_mm
#define task_record   mvmi__task_record

/** Members of struct task_struct. */
enum {
	TASK_PID,
	TASK_TGID,
	TASK_COMM,
	TASK_LINKS,	   /**< on the list of all processes */
	TASK_THREAD_LINKS, /**< on its process's list of threads */
	TASK_PARENT,
	TASK_LEADER,
	TASK_SIGNAL,
	TASK_CRED,
	TASK_MM,
	TASK_ACTIVE_MM,
	TASK_STACK,
	TASK_FLAGS,
	TASK_STATE,
	TASK_EXIT_STATE,
	TASK_START,
	TASK_ON_CPU,
	TASK_CPU,
	TASK_WORKER, /**< struct kthread, of a kernel thread */
	TASK_NSPROXY,
	TASK_FILES,
	TASK_FS,
	TASK_THREAD_PID,
	TASK_PID_LINKS, /**< on the list of those that have its id */
	TASK_SESSION,	/**< before 4.19 */
	TASK_FIELDS,
};

/** Members of struct signal_struct, which the threads of a process share. */
enum {
	SIGNAL_THREADS,
	SIGNAL_THREAD_COUNT,
	SIGNAL_SESSION, /**< since 4.19 */
	SIGNAL_FIELDS,
};

/** Members of struct mm_struct. */
enum {
	MM_PGD,
	MM_ARG_START,
	MM_ARG_END,
	MM_ENV_START,
	MM_ENV_END,
	MM_EXE_FILE,
	MM_START_CODE,
	MM_START_BRK,
	MM_BRK,
	MM_START_STACK,
	MM_TREE, /**< of areas, since 6.1 */
	MM_AREA, /**< the first one, before 6.1 */
	MM_CONTEXT_FLAGS,
	MM_IA32_COMPAT,
	MM_FIELDS,
};

/** Bits of TASK_FLAGS (include/linux/sched.h). */
enum {
	TASK_IS_WORKER = 0x20,	    /**< PF_WQ_WORKER */
	TASK_IS_KTHREAD = 0x200000, /**< PF_KTHREAD */
};

/**
 * Tasks that a walk sees; the kernel's own limit of ids (PID_MAX_LIMIT). It is
 * of the whole walk, as hostile processes may share one list of threads.
 */
#define TASKS_MAX ((size_t)1 << 22)
/** Longest name that /proc shows. */
#define TASK_NAME_MAX 63

/** Find the shapes. Costs nothing the second time. */
enum mvmi_status tasks_prepare(struct linux_os *guest, struct mvmi_error *err);

/**
 * Called for each task.
 *
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*task_fn)(const struct object *task, void *arg,
				    struct mvmi_error *err);

/**
 * Walk over all processes but init_task, in the order of the guest's list.
 *
 * @param threads  Over all threads of each process, its first one first.
 *
 * @retval MVMI_ERR_CORRUPT  A task does not point back to the one before.
 * @retval MVMI_ERR_LIMIT    TASKS_MAX.
 */
enum mvmi_status tasks_walk(struct linux_os *guest, bool threads, task_fn fn,
			    void *arg, struct mvmi_error *err);

/** Whether a walk may have ended so because the guest changed under it. */
bool tasks_torn(enum mvmi_status status);

/** Read the task_struct at an address. */
enum mvmi_status task_read(struct linux_os *guest, mvmi_gva at,
			   struct object *ret, struct mvmi_error *err);

/**
 * Find a process, or thread, by its id in the initial namespace.
 *
 * @retval MVMI_ERR_INVALID  There is none.
 */
enum mvmi_status task_find(struct linux_os *guest, uint64_t id,
			   struct object *ret, struct mvmi_error *err);

/**
 * Find the user memory of a process.
 *
 * @param ret  A struct mm_struct.
 * @retval MVMI_ERR_INVALID      There is no such process.
 * @retval MVMI_ERR_UNSUPPORTED  It has no user memory.
 */
enum mvmi_status task_find_mm(struct linux_os *guest, uint64_t id,
			      struct object *ret, struct mvmi_error *err);

/** How to describe tasks, one after the other. */
struct task_recorder {
	struct linux_os *guest;
	struct list *list; /**< where strings go */
	unsigned detail;   /**< enum mvmi_task_detail bits */
	/* What is remembered: many tasks have one parent and one session. */
	uint64_t parent;
	uint64_t parent_id;
	uint64_t session;
	uint64_t session_id;
};

/**
 * Describe a task.
 *
 * What hangs on it and can't be read makes a doubt of the list, not a failure:
 * the task itself is there.
 *
 * @param ret  Zeroed.
 */
enum mvmi_status
task_record(struct task_recorder *recorder, const struct object *task,
	    struct mvmi_task *ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_TASKS_H */
