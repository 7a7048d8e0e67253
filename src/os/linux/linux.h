/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A Linux guest, as all files of this folder share it.
 *
 * One noun a file; each resolves the shapes that it needs when it is first
 * asked (shape_resolve() is a no-op after that), so that one missing member
 * costs one list and not all.
 */
#ifndef MICROVMI_OS_LINUX_LINUX_H
#define MICROVMI_OS_LINUX_LINUX_H

#include "os/linux/walk/maple.h"
#include "os/linux/walk/xarray.h"
#include "os/list.h"
#include "os/os.h"
#include "os/shape.h"

#define linux_symbol	      mvmi__linux_symbol
#define linux_is_running      mvmi__linux_is_running
#define linux_find_kernel     mvmi__linux_find_kernel
#define linux_get_info	      mvmi__linux_get_info
#define linux_symbols	      mvmi__linux_symbols
#define linux_list_tasks      mvmi__linux_list_tasks
#define linux_find_task	      mvmi__linux_find_task
#define linux_list_current    mvmi__linux_list_current
#define linux_list_areas      mvmi__linux_list_areas
#define linux_list_files      mvmi__linux_list_files
#define linux_list_sockets    mvmi__linux_list_sockets
#define linux_list_mounts     mvmi__linux_list_mounts
#define linux_list_modules    mvmi__linux_list_modules
#define linux_list_images     mvmi__linux_list_images
#define linux_image_symbols   mvmi__linux_image_symbols
#define linux_read_log	      mvmi__linux_read_log
#define linux_list_syscalls   mvmi__linux_list_syscalls
#define linux_check	      mvmi__linux_check
#define linux_process_space   mvmi__linux_process_space
#define linux_process_read    mvmi__linux_process_read
#define linux_read_executable mvmi__linux_read_executable

/** Tries that a list gets on a running guest before it says what is torn. */
#define LINUX_TRIES 4

/** Where the kernel is, and the constants that its addresses are made of. */
struct linux_kernel {
	mvmi_gva base;			 /**< _text */
	mvmi_gva end;			 /**< _end */
	mvmi_gpa gpa;			 /**< of _text */
	uint64_t slide;			 /**< KASLR, virtual */
	struct mvmi_space_params params; /**< of the kernel's space */
	uint64_t page_offset; /**< where the direct map of RAM begins */
	uint64_t vmalloc_base;
	uint64_t vmemmap_base;		 /**< where struct pages begin */
	uint64_t memory_encryption_mask; /**< SME; to drop from entries */
	bool page_table_isolation;
	bool from_profile;
	unsigned cpu_count; /**< brought up: entries of per_cpu */
	uint64_t *per_cpu;  /**< owned; __per_cpu_offset[] */
	char build_id[72];
	char banner[512]; /**< linux_banner, without the newline */
	const char *found_by;
	const char *checked_by; /**< "" if no second method was there */
};

struct linux_os {
	struct mvmi_os os;
	struct linux_kernel kernel;
	/** Shapes, each resolved by the file that is named. */
	struct {
		struct shape task, signal, cred, mm; /* tasks.c */
		struct shape nsproxy, kthread, worker;
		struct shape area; /* areas.c */
		struct maple_shapes maple;
		struct shape inode, super_block, file_system; /* path.c */
		struct shape dentry, mount, file;
		struct shape mapping, page; /* pagecache.c */
		struct xarray_shape xarray;
		struct shape files, fd_table;	  /* files.c */
		struct shape socket, sock, proto; /* sockets.c */
		struct shape unix_sock, netlink_sock;
		struct shape mnt_namespace;	    /* mounts.c */
		struct shape rb_node;		    /* rbtree.c */
		struct shape module, module_memory; /* modules.c */
		struct shape mod_kallsyms, elf_sym, kernel_symbol;
		struct shape ring, ring_desc, ring_info, old_log; /* log.c */
		struct shape gate; /* check/code.c */
	} shapes;
};

static inline struct linux_os *linux_of(struct mvmi_os *os)
{
	return (struct linux_os *)(void *)os;
}

/**
 * The address of a kernel symbol.
 *
 * @retval MVMI_ERR_UNSUPPORTED  The guest's kernel has none of that name.
 */
enum mvmi_status linux_symbol(const struct linux_os *guest, const char *name,
			      mvmi_gva *ret, struct mvmi_error *err);

/** Whether memory may change while we read: neither held, stopped nor a dump. */
bool linux_is_running(const struct linux_os *guest);

/** Fill in kernel, os.space, symbols and types (find.c). */
enum mvmi_status
linux_find_kernel(struct linux_os *guest, const struct mvmi_os_options *options,
		  struct mvmi_error *err);

/* What struct os_ops says, each in the file of its noun. */
enum mvmi_status linux_get_info(struct mvmi_os *os, struct mvmi_os_info *ret,
				struct mvmi_error *err);
enum mvmi_status linux_symbols(struct mvmi_os *os, struct mvmi_symbols **ret,
			       struct mvmi_error *err);
enum mvmi_status
linux_list_tasks(struct mvmi_os *os, unsigned detail,
		 const struct mvmi_task_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_find_task(struct mvmi_os *os, uint64_t id, unsigned detail,
		const struct mvmi_task_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_list_current(struct mvmi_os *os, const struct mvmi_current_list **ret,
		   struct mvmi_error *err);
enum mvmi_status
linux_list_areas(struct mvmi_os *os, uint64_t pid,
		 const struct mvmi_area_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_list_files(struct mvmi_os *os, uint64_t pid,
		 const struct mvmi_file_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_list_sockets(struct mvmi_os *os, uint64_t pid,
		   const struct mvmi_socket_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_list_mounts(struct mvmi_os *os, uint64_t pid,
		  const struct mvmi_mount_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_list_modules(struct mvmi_os *os, const struct mvmi_module_list **ret,
		   struct mvmi_error *err);
enum mvmi_status
linux_list_images(struct mvmi_os *os, uint64_t pid,
		  const struct mvmi_image_list **ret, struct mvmi_error *err);
enum mvmi_status
linux_image_symbols(struct mvmi_os *os, uint64_t pid, mvmi_gva base,
		    struct mvmi_symbols **ret, struct mvmi_error *err);
enum mvmi_status linux_read_log(struct mvmi_os *os, const struct mvmi_log **ret,
				struct mvmi_error *err);
enum mvmi_status
linux_list_syscalls(struct mvmi_os *os, const struct mvmi_syscall_list **ret,
		    struct mvmi_error *err);
enum mvmi_status
linux_check(struct mvmi_os *os, const struct mvmi_finding_list **ret,
	    struct mvmi_error *err);
enum mvmi_status
linux_process_space(struct mvmi_os *os, uint64_t pid, struct mvmi_space **ret,
		    struct mvmi_error *err);
enum mvmi_status
linux_process_read(struct mvmi_os *os, uint64_t pid, mvmi_gva gva,
		   struct mvmi_span dst, struct mvmi_error *err);
enum mvmi_status
linux_read_executable(struct mvmi_os *os, uint64_t pid,
		      const struct mvmi_content **ret, struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_LINUX_H */
