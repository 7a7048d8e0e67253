/* SPDX-License-Identifier: MIT */
/** @file A process's memory, with what of its files is only cached. */
#ifndef MICROVMI_OS_LINUX_PROCESS_H
#define MICROVMI_OS_LINUX_PROCESS_H

#include "os/linux/pagecache.h"
#include "os/linux/tasks.h"

#define process_open	  mvmi__process_open
#define process_close	  mvmi__process_close
#define process_read	  mvmi__process_read
#define process_find_area mvmi__process_find_area
#define process_space_of  mvmi__process_space_of

/** A process whose memory is being read; too large for the stack. */
struct process {
	struct linux_os *guest;
	struct mvmi_space *space; /**< owned */
	struct object mm;
	/** The area that was looked at last, and the cache of its file. */
	struct object area;
	bool area_known;
	struct pagecache cache;
};

/**
 * @param ret  Release with process_close().
 * @retval MVMI_ERR_INVALID      There is no such process.
 * @retval MVMI_ERR_UNSUPPORTED  It has no user memory.
 */
enum mvmi_status process_open(struct linux_os *guest, uint64_t pid,
			      struct process **ret, struct mvmi_error *err);

/** NULL is a no-op. */
void process_close(struct process *process);

/** Make process->area and cache those of an address. */
enum mvmi_status process_find_area(struct process *process, mvmi_gva gva,
				   struct mvmi_error *err);

/** As mvmi_os_process_read(). */
enum mvmi_status process_read(struct process *process, mvmi_gva gva,
			      struct mvmi_span dst, struct mvmi_error *err);

/** Make the space of a struct mm_struct, as the kernel sees it. */
enum mvmi_status
process_space_of(struct linux_os *guest, const struct object *mm,
		 struct mvmi_space **ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_PROCESS_H */
