/* SPDX-License-Identifier: MIT */
/** @file What a QEMU's command line tells: its monitors, name and machine. */
#ifndef MICROVMI_DRIVERS_QEMU_CMDLINE_H
#define MICROVMI_DRIVERS_QEMU_CMDLINE_H

#include <microvmi/types.h>

#define cmdline_parse	     mvmi__cmdline_parse
#define cmdline_read	     mvmi__cmdline_read
#define cmdline_is_qemu	     mvmi__cmdline_is_qemu

#define CMDLINE_MONITORS_MAX 8
#define CMDLINE_PATH_LEN     256

/** A QMP monitor, at a path or inherited as a descriptor. */
struct cmdline_monitor {
	char chardev[64]; /**< its id while it is looked for, or "" */
	char path[CMDLINE_PATH_LEN]; /**< "" if it is not known */
	int fd;			     /**< in that process; -1: none */
};

struct cmdline {
	struct cmdline_monitor monitors[CMDLINE_MONITORS_MAX];
	size_t monitor_count;
	char name[64];
	char machine[64];    /**< e.g. "pc-q35-7.2"; "" where it is not said */
	uint64_t memory_len; /**< bytes, of -m; 0 where it is not said */
	bool has_slots;	     /**< memory can be plugged, or lies in nodes */
	bool has_split;	     /**< it says itself how much lies below 4 GiB */
	bool has_gdb;	     /**< a gdb stub for someone else */
	bool has_balloon;    /**< a device that gives RAM back */
};

/**
 * Take apart the NUL-separated arguments in text. What is not understood is
 * passed over: this is advice, and whoever uses it checks.
 */
void cmdline_parse(const char *text, size_t len, struct cmdline *ret);

/** Read and parse that of a process; paths are made usable from here. */
enum mvmi_status
cmdline_read(int64_t pid, struct cmdline *ret, struct mvmi_error *err);

/** Is this process an x86 system emulator? By its names, cheaply. */
bool cmdline_is_qemu(int64_t pid);

#endif /* MICROVMI_DRIVERS_QEMU_CMDLINE_H */
