/* SPDX-License-Identifier: MIT */
/** @file What /proc tells about a process: its mappings and descriptors. */
#ifndef MICROVMI_DRIVERS_QEMU_PROC_H
#define MICROVMI_DRIVERS_QEMU_PROC_H

#include <microvmi/types.h>

#define proc_read	    mvmi__proc_read
#define proc_parse_map	    mvmi__proc_parse_map
#define proc_maps	    mvmi__proc_maps
#define proc_mark_userfault mvmi__proc_mark_userfault
#define proc_count_fds	    mvmi__proc_count_fds
#define proc_open_map	    mvmi__proc_open_map
#define proc_open_pidfd	    mvmi__proc_open_pidfd
#define proc_has_ended	    mvmi__proc_has_ended
#define proc_open	    mvmi__proc_open

/** A file of /proc is not taken if it is longer. */
#define PROC_FILE_MAX (UINT32_C(64) << 20)

/** One line of /proc/PID/maps. */
struct proc_map {
	uint64_t start;
	uint64_t end;
	uint64_t off;	/**< in the file */
	uint64_t inode; /**< 0: no file behind it */
	unsigned major;
	unsigned minor;
	bool readable;
	bool shared;
	bool userfault; /**< see proc_mark_userfault() */
};

/** All mappings of a process. */
struct proc_maps {
	struct proc_map *maps; /**< owned; sorted */
	size_t count;
};

/** Read /proc/PID/name whole; free() *ret, which has a NUL behind its end. */
enum mvmi_status proc_read(int64_t pid, const char *name, char **ret,
			   size_t *ret_len, struct mvmi_error *err);

/** @return false if line is not one of /proc/PID/maps. */
bool proc_parse_map(const char *line, struct proc_map *ret);

/** Read all mappings; free() ret->maps. */
enum mvmi_status
proc_maps(int64_t pid, struct proc_maps *ret, struct mvmi_error *err);

/**
 * Set userfault in those maps whose missing pages another process supplies.
 * Costs a walk of all page tables, and only where userfaultfd is in use.
 */
enum mvmi_status proc_mark_userfault(int64_t pid, struct proc_maps *maps,
				     struct mvmi_error *err);

/** How many descriptors of the process point at something with this prefix. */
size_t proc_count_fds(int64_t pid, const char *prefix);

/** Open the file behind a mapping, to read; -1 and errno if that can't be. */
int proc_open_map(int64_t pid, const struct proc_map *map);

/** Open /proc/PID/name to read; -1 and errno. */
int proc_open(int64_t pid, const char *name);

/** A descriptor that becomes readable when the process ends; -1 and errno. */
int proc_open_pidfd(int64_t pid);

/** Ask a descriptor of proc_open_pidfd(), without waiting. */
bool proc_has_ended(int pidfd);

#endif /* MICROVMI_DRIVERS_QEMU_PROC_H */
