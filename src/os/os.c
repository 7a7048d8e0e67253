/* SPDX-License-Identifier: MIT */
/* Which OS a guest runs, and the calls that any OS may lack. */
#include "os/os.h"

#include <assert.h>

#include "base/error.h"
#include "base/util.h"

/** In the order in which they are looked for. */
static const struct os_ops *const kinds[] = { &os_linux };

enum mvmi_status
mvmi_os_open(struct mvmi_vm *vm, const struct mvmi_os_options *options,
	     struct mvmi_os **ret, struct mvmi_error *err)
{
	static const struct mvmi_os_options defaults = { .size = sizeof(
								 defaults) };
	enum mvmi_status status = MVMI_ERR_UNSUPPORTED;

	if (!options)
		options = &defaults;
	assert(options->size);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		status = kinds[i]->open(vm, options, ret, err);
		if (status != MVMI_ERR_UNSUPPORTED)
			break;
	}
	return status;
}

void mvmi_os_close(struct mvmi_os *os)
{
	if (os)
		os->ops->close(os);
}

struct mvmi_space *mvmi_os_kernel_space(struct mvmi_os *os)
{
	return os->space;
}

const struct mvmi_symbols *mvmi_os_kernel_symbols(struct mvmi_os *os)
{
	return os->symbols;
}

const struct mvmi_types *mvmi_os_kernel_types(struct mvmi_os *os)
{
	return os->types;
}

enum mvmi_status mvmi_os_get_info(struct mvmi_os *os, struct mvmi_os_info *ret,
				  struct mvmi_error *err)
{
	assert(ret->size);
	return os->ops->get_info(os, ret, err);
}

static enum mvmi_status
lacks(const struct mvmi_os *os, const char *what, struct mvmi_error *err)
{
	return fail(err, MVMI_ERR_UNSUPPORTED, "%s can't be told of a %s guest",
		    what, os->ops->name);
}

/* The rest is one shape: what the kind has, or UNSUPPORTED. */
#define OS_CALL(op, what, ...) \
	(os->ops->op ? os->ops->op(os, __VA_ARGS__) : lacks(os, what, err))

enum mvmi_status mvmi_os_symbols(struct mvmi_os *os, struct mvmi_symbols **ret,
				 struct mvmi_error *err)
{
	return OS_CALL(symbols, "symbols of modules", ret, err);
}

enum mvmi_status
mvmi_os_list_tasks(struct mvmi_os *os, unsigned detail,
		   const struct mvmi_task_list **ret, struct mvmi_error *err)
{
	return OS_CALL(list_tasks, "processes", detail, ret, err);
}

enum mvmi_status
mvmi_os_find_task(struct mvmi_os *os, uint64_t id, unsigned detail,
		  const struct mvmi_task_list **ret, struct mvmi_error *err)
{
	return OS_CALL(find_task, "a process", id, detail, ret, err);
}

enum mvmi_status
mvmi_os_list_current(struct mvmi_os *os, const struct mvmi_current_list **ret,
		     struct mvmi_error *err)
{
	return OS_CALL(list_current, "the current tasks", ret, err);
}

enum mvmi_status
mvmi_os_list_areas(struct mvmi_os *os, uint64_t pid,
		   const struct mvmi_area_list **ret, struct mvmi_error *err)
{
	return OS_CALL(list_areas, "memory areas", pid, ret, err);
}

enum mvmi_status
mvmi_os_list_files(struct mvmi_os *os, uint64_t pid,
		   const struct mvmi_file_list **ret, struct mvmi_error *err)
{
	return OS_CALL(list_files, "open files", pid, ret, err);
}

enum mvmi_status mvmi_os_list_sockets(struct mvmi_os *os, uint64_t pid,
				      const struct mvmi_socket_list **ret,
				      struct mvmi_error *err)
{
	return OS_CALL(list_sockets, "sockets", pid, ret, err);
}

enum mvmi_status
mvmi_os_list_mounts(struct mvmi_os *os, uint64_t pid,
		    const struct mvmi_mount_list **ret, struct mvmi_error *err)
{
	return OS_CALL(list_mounts, "mounts", pid, ret, err);
}

enum mvmi_status
mvmi_os_list_modules(struct mvmi_os *os, const struct mvmi_module_list **ret,
		     struct mvmi_error *err)
{
	return OS_CALL(list_modules, "kernel modules", ret, err);
}

enum mvmi_status
mvmi_os_list_images(struct mvmi_os *os, uint64_t pid,
		    const struct mvmi_image_list **ret, struct mvmi_error *err)
{
	return OS_CALL(list_images, "mapped images", pid, ret, err);
}

enum mvmi_status
mvmi_os_image_symbols(struct mvmi_os *os, uint64_t pid, mvmi_gva base,
		      struct mvmi_symbols **ret, struct mvmi_error *err)
{
	return OS_CALL(image_symbols, "symbols of images", pid, base, ret, err);
}

enum mvmi_status
mvmi_os_read_log(struct mvmi_os *os, const struct mvmi_log **ret,
		 struct mvmi_error *err)
{
	return OS_CALL(read_log, "the kernel's log", ret, err);
}

enum mvmi_status
mvmi_os_list_syscalls(struct mvmi_os *os, const struct mvmi_syscall_list **ret,
		      struct mvmi_error *err)
{
	return OS_CALL(list_syscalls, "system calls", ret, err);
}

enum mvmi_status
mvmi_os_check(struct mvmi_os *os, const struct mvmi_finding_list **ret,
	      struct mvmi_error *err)
{
	return OS_CALL(check, "cross views", ret, err);
}

enum mvmi_status
mvmi_os_process_space(struct mvmi_os *os, uint64_t pid, struct mvmi_space **ret,
		      struct mvmi_error *err)
{
	return OS_CALL(process_space, "a process's space", pid, ret, err);
}

enum mvmi_status
mvmi_os_process_read(struct mvmi_os *os, uint64_t pid, mvmi_gva gva,
		     struct mvmi_span dst, struct mvmi_error *err)
{
	return OS_CALL(process_read, "a process's memory", pid, gva, dst, err);
}

enum mvmi_status
mvmi_os_read_executable(struct mvmi_os *os, uint64_t pid,
			const struct mvmi_content **ret, struct mvmi_error *err)
{
	return OS_CALL(read_executable, "file content", pid, ret, err);
}

static const char *const state_names[] = {
	[MVMI_TASK_UNKNOWN] = "unknown",   [MVMI_TASK_RUNNING] = "running",
	[MVMI_TASK_SLEEPING] = "sleeping", [MVMI_TASK_WAITING] = "waiting",
	[MVMI_TASK_IDLE] = "idle",	   [MVMI_TASK_STOPPED] = "stopped",
	[MVMI_TASK_TRACED] = "traced",	   [MVMI_TASK_ZOMBIE] = "zombie",
	[MVMI_TASK_DEAD] = "dead",
};

static const char state_letters[] = {
	[MVMI_TASK_UNKNOWN] = '?',  [MVMI_TASK_RUNNING] = 'R',
	[MVMI_TASK_SLEEPING] = 'S', [MVMI_TASK_WAITING] = 'D',
	[MVMI_TASK_IDLE] = 'I',	    [MVMI_TASK_STOPPED] = 'T',
	[MVMI_TASK_TRACED] = 't',   [MVMI_TASK_ZOMBIE] = 'Z',
	[MVMI_TASK_DEAD] = 'X',
};

const char *mvmi_task_state_name(enum mvmi_task_state state)
{
	size_t i = (size_t)state;

	return i < ARRAY_LEN(state_names) ? state_names[i] : "unknown";
}

char mvmi_task_state_letter(enum mvmi_task_state state)
{
	size_t i = (size_t)state;

	if (i >= ARRAY_LEN(state_letters))
		return '?';
	return state_letters[i];
}

static const char *const kind_names[] = {
	[MVMI_FILE_UNKNOWN] = "unknown",
	[MVMI_FILE_REGULAR] = "regular",
	[MVMI_FILE_DIRECTORY] = "directory",
	[MVMI_FILE_CHARACTER] = "character",
	[MVMI_FILE_BLOCK] = "block",
	[MVMI_FILE_PIPE] = "pipe",
	[MVMI_FILE_SOCKET] = "socket",
	[MVMI_FILE_LINK] = "link",
	[MVMI_FILE_ANONYMOUS] = "anonymous",
	[MVMI_FILE_OTHER] = "other",
};

const char *mvmi_file_kind_name(enum mvmi_file_kind kind)
{
	size_t i = (size_t)kind;

	return i < ARRAY_LEN(kind_names) ? kind_names[i] : "unknown";
}
