/* SPDX-License-Identifier: MIT */
/** @file Loaded kernel modules. */
#ifndef MICROVMI_OS_LINUX_MODULES_H
#define MICROVMI_OS_LINUX_MODULES_H

#include "os/linux/linux.h"

#define modules_prepare mvmi__modules_prepare
#define modules_walk	mvmi__modules_walk
#define module_layout	mvmi__module_layout
#define module_name	mvmi__module_name

/** Longest name, with its NUL. The kernel's limit is 56. */
#define MODULE_NAME_MAX 64
/** Parts of one module's memory. */
#define MODULE_PARTS_MAX 16

/** Members of struct module. */
enum {
	MODULE_STATE,
	MODULE_LIST,
	MODULE_NAME,
	MODULE_REFCOUNT,
	MODULE_SYMS, /**< what it exports to all */
	MODULE_SYMS_COUNT,
	MODULE_KALLSYMS,
	MODULE_MEMORY, /**< since 6.4: an array of struct module_memory */
	MODULE_CORE,   /**< before: one part that stays, */
	MODULE_CORE_SIZE,
	MODULE_INIT, /**< and one for the beginning */
	MODULE_INIT_SIZE,
	MODULE_FIELDS,
};

/** enum module_state, as it has been since 3.8. */
enum module_state {
	MODULE_LIVE,
	MODULE_COMING,
	MODULE_GOING,
	MODULE_UNFORMED, /**< being set up; the kernel itself does not show it */
};

/** A part of a module's memory. */
struct module_part {
	uint64_t base;
	uint64_t len;
};

/** Where a module is: the first part holds its code. */
struct module_layout {
	struct module_part parts[MODULE_PARTS_MAX];
	size_t count;
	uint64_t len; /**< of all parts */
};

/** Find the shapes. Costs nothing the second time. */
enum mvmi_status
modules_prepare(struct linux_os *guest, struct mvmi_error *err);

/**
 * Called for each module.
 *
 * @return OK to go on; anything else ends the walk with it.
 */
typedef enum mvmi_status (*modules_fn)(const struct object *module, void *arg,
				       struct mvmi_error *err);

/** Walk over the list of modules, in its order, without unformed ones. */
enum mvmi_status modules_walk(struct linux_os *guest, modules_fn fn, void *arg,
			      struct mvmi_error *err);

enum mvmi_status
module_layout(struct linux_os *guest, const struct object *module,
	      struct module_layout *ret, struct mvmi_error *err);

void module_name(const struct object *module, char name[MODULE_NAME_MAX]);

#endif /* MICROVMI_OS_LINUX_MODULES_H */
