/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Guest RAM inside the VMM's process: where it lies, and reading it without
 * giving a page to what was never touched.
 */
#ifndef MICROVMI_DRIVERS_QEMU_RAM_H
#define MICROVMI_DRIVERS_QEMU_RAM_H

#include <microvmi/driver.h>

#define ram_init	mvmi__ram_init
#define ram_fini	mvmi__ram_fini
#define ram_layout	mvmi__ram_layout
#define ram_readv	mvmi__ram_readv
#define ram_extent	mvmi__ram_extent
#define ram_write	mvmi__ram_write
#define ram_is_writable mvmi__ram_is_writable
#define ram_path	mvmi__ram_path

/** How the host keeps a part of the RAM. */
enum ram_backing {
	/** A shared file: memfd, tmpfs, hugetlbfs. Read through it. */
	RAM_BACKING_FILE,
	/** Private pages; /proc/PID/pagemap tells which exist. */
	RAM_BACKING_ANON,
	/** Private pages over a file: those that do not exist are the file's. */
	RAM_BACKING_COPY,
	/** No way to ask what exists: only the process itself can read it. */
	RAM_BACKING_OPAQUE,
};

/** A run of guest addresses that one mapping of the VMM holds. */
struct ram_part {
	uint64_t gpa;
	uint64_t len;
	uint64_t hva; /**< in the VMM's process */
	enum ram_backing backing;
	int fd;		   /**< owned; -1 without a file */
	uint64_t file_off; /**< of gpa */
	uint8_t *host;	   /**< owned read-only mapping, or NULL */
	uint64_t *present; /**< owned; see struct mvmi_window */
};

struct ram {
	int64_t pid;
	int mem_fd;		     /**< owned; /proc/PID/mem */
	int pagemap_fd;		     /**< owned; -1 where the host has none */
	struct mvmi_region *regions; /**< owned; sorted */
	size_t region_count;
	struct ram_part *parts; /**< owned; sorted by gpa */
	size_t part_count;
	struct mvmi_window *windows; /**< owned; sorted */
	size_t window_count;
	bool userfault; /**< some of it is under userfaultfd */
};

/** Where a region begins in the VMM's process. */
struct ram_place {
	struct mvmi_region region;
	uint64_t hva;
};

/**
 * Open the memory of a process.
 *
 * @retval MVMI_ERR_DENIED  This user may not.
 * @retval MVMI_ERR_GONE    There is no such process.
 */
enum mvmi_status ram_init(struct ram *ram, int64_t pid, struct mvmi_error *err);
/** All zero is a no-op but for the descriptors: call ram_init() first. */
void ram_fini(struct ram *ram);

/**
 * Take a layout, in place of the one before.
 *
 * @param allow_map  Map shared files. Not where pages are given back at run
 *                   time (balloon): reading a mapping would take them again.
 *
 * @retval MVMI_ERR_CORRUPT  The process has no such mappings; the layout of
 *                           before stays.
 */
enum mvmi_status
ram_layout(struct ram *ram, const struct ram_place *places, size_t count,
	   bool allow_map, struct mvmi_error *err);

/** As mvmi_mem_ops.readv. */
enum mvmi_status ram_readv(struct ram *ram, struct mvmi_mem_op *ops,
			   size_t count, struct mvmi_error *err);
/** As mvmi_mem_ops.extent. */
enum mvmi_status ram_extent(struct ram *ram, mvmi_gpa gpa,
			    struct mvmi_extent *ret, struct mvmi_error *err);
/** Write RAM through the process. FAULT past its end, and in ROM. */
enum mvmi_status ram_write(struct ram *ram, mvmi_gpa gpa, struct mvmi_bytes src,
			   struct mvmi_error *err);
/** Is it RAM from gpa on? If not, *ret_bad is the first address that isn't. */
bool ram_is_writable(struct ram *ram, uint64_t gpa, size_t len,
		     uint64_t *ret_bad);
/** How reads travel, for people. */
const char *ram_path(const struct ram *ram);

#endif /* MICROVMI_DRIVERS_QEMU_RAM_H */
