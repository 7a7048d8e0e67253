/* SPDX-License-Identifier: MIT */
/** @file A guest OS: what each kind of it brings. */
#ifndef MICROVMI_OS_OS_H
#define MICROVMI_OS_OS_H

#include <microvmi/os.h>

struct os_ops;

/** Embedded at the start of each kind's own struct. */
struct mvmi_os {
	const struct os_ops *ops;
	struct mvmi_vm *vm;	      /**< borrowed */
	struct mvmi_space *space;     /**< owned; the kernel's */
	struct mvmi_symbols *symbols; /**< owned; the kernel's */
	struct mvmi_types *types;     /**< owned; NULL: the guest has none */
};

/**
 * What one guest OS can tell; each member does what the public function of
 * that name promises.  A list that the OS does not have is NULL, and the public
 * function says so.  Operands were checked, but for pids.
 */
struct os_ops {
	const char *name;
	/** Look for the kernel. UNSUPPORTED: it is not of this kind. */
	enum mvmi_status (*open)(struct mvmi_vm *vm,
				 const struct mvmi_os_options *options,
				 struct mvmi_os **ret, struct mvmi_error *err);
	/** Free all that open made, *os included. */
	void (*close)(struct mvmi_os *os);
	enum mvmi_status (*get_info)(struct mvmi_os *os,
				     struct mvmi_os_info *ret,
				     struct mvmi_error *err);
	enum mvmi_status (*symbols)(struct mvmi_os *os,
				    struct mvmi_symbols **ret,
				    struct mvmi_error *err);
	enum mvmi_status (*list_tasks)(struct mvmi_os *os, unsigned detail,
				       const struct mvmi_task_list **ret,
				       struct mvmi_error *err);
	enum mvmi_status (*find_task)(struct mvmi_os *os, uint64_t id,
				      unsigned detail,
				      const struct mvmi_task_list **ret,
				      struct mvmi_error *err);
	enum mvmi_status (*list_current)(struct mvmi_os *os,
					 const struct mvmi_current_list **ret,
					 struct mvmi_error *err);
	enum mvmi_status (*list_areas)(struct mvmi_os *os, uint64_t pid,
				       const struct mvmi_area_list **ret,
				       struct mvmi_error *err);
	enum mvmi_status (*list_files)(struct mvmi_os *os, uint64_t pid,
				       const struct mvmi_file_list **ret,
				       struct mvmi_error *err);
	enum mvmi_status (*list_sockets)(struct mvmi_os *os, uint64_t pid,
					 const struct mvmi_socket_list **ret,
					 struct mvmi_error *err);
	enum mvmi_status (*list_mounts)(struct mvmi_os *os, uint64_t pid,
					const struct mvmi_mount_list **ret,
					struct mvmi_error *err);
	enum mvmi_status (*list_modules)(struct mvmi_os *os,
					 const struct mvmi_module_list **ret,
					 struct mvmi_error *err);
	enum mvmi_status (*list_images)(struct mvmi_os *os, uint64_t pid,
					const struct mvmi_image_list **ret,
					struct mvmi_error *err);
	enum mvmi_status (*image_symbols)(struct mvmi_os *os, uint64_t pid,
					  mvmi_gva base,
					  struct mvmi_symbols **ret,
					  struct mvmi_error *err);
	enum mvmi_status (*read_log)(struct mvmi_os *os,
				     const struct mvmi_log **ret,
				     struct mvmi_error *err);
	enum mvmi_status (*list_syscalls)(struct mvmi_os *os,
					  const struct mvmi_syscall_list **ret,
					  struct mvmi_error *err);
	enum mvmi_status (*check)(struct mvmi_os *os,
				  const struct mvmi_finding_list **ret,
				  struct mvmi_error *err);
	enum mvmi_status (*process_space)(struct mvmi_os *os, uint64_t pid,
					  struct mvmi_space **ret,
					  struct mvmi_error *err);
	enum mvmi_status (*process_read)(struct mvmi_os *os, uint64_t pid,
					 mvmi_gva gva, struct mvmi_span dst,
					 struct mvmi_error *err);
	enum mvmi_status (*read_executable)(struct mvmi_os *os, uint64_t pid,
					    const struct mvmi_content **ret,
					    struct mvmi_error *err);
};

#define os_linux mvmi__os_linux
extern const struct os_ops os_linux;

#endif /* MICROVMI_OS_OS_H */
