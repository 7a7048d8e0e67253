/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What a guest's operating system knows: processes, memory areas, files,
 * modules and more, read from its memory from outside.
 *
 * One API for every guest OS: where one has no such thing (a session, a mount)
 * the member is zero or empty, where it lacks a whole list the call is
 * UNSUPPORTED.  Opening finds the kernel; nothing but the VM need be given.
 *
 * Results are plain copies, each list in one allocation of its own that ends
 * with mvmi_os_free() and may outlive the OS and the VM.  Strings are UTF-8 or
 * whatever bytes the guest holds: print them with care.  They are never NULL
 * unless it is said.
 *
 * A running guest changes under the reader.  Hold the VM for lists that must
 * be of one moment; without it each list retries what it sees to be torn, and
 * what stays doubtful is said in its `doubt`.
 *
 * As the VM, a struct mvmi_os serves one thread at a time.
 */
#ifndef MICROVMI_OS_H
#define MICROVMI_OS_H

#include <microvmi/space.h>
#include <microvmi/symbols.h>
#include <microvmi/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_os;
struct mvmi_vm;

enum mvmi_os_family {
	MVMI_OS_UNKNOWN,
	MVMI_OS_LINUX,
	MVMI_OS_WINDOWS,
};

/** How to open; every member may be zero. */
struct mvmi_os_options {
	size_t size; /**< sizeof, set by the caller */
	/**
	 * Folder of profiles, keyed by build id: what was learnt of a kernel
	 * is kept there and found again, checked against the guest each time.
	 * It is made if need be.  NULL: none is read or written.
	 */
	const char *profile_dir;
	/** Symbols from this file, for a guest that has none (System.map). */
	const char *symbols_file;
	/** Types from this file (vmlinux, ISF, BTF). */
	const char *types_file;
};

/**
 * Find the kernel of a guest.
 *
 * @param vm       Must outlive the OS.
 * @param options  NULL for defaults.
 * @param ret      Release with mvmi_os_close().
 *
 * @retval MVMI_ERR_UNSUPPORTED  No kernel that is understood; the message says
 *                               what was looked for.
 * @retval MVMI_ERR_CORRUPT      One was found, and it contradicts itself.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_open(struct mvmi_vm *vm, const struct mvmi_os_options *options,
	     struct mvmi_os **ret, struct mvmi_error *err);

/** NULL is a no-op. */
MVMI_API void mvmi_os_close(struct mvmi_os *os);

/** What is known of the guest OS. */
struct mvmi_os_info {
	size_t size; /**< sizeof, set by the caller */
	enum mvmi_os_family family;
	char name[16];	      /**< "Linux" */
	char release[80];     /**< "6.1.0-18-amd64" */
	char version[160];    /**< "#1 SMP …": the build */
	char machine[32];     /**< "x86_64" */
	char hostname[80];    /**< of the initial namespace */
	char build_id[72];    /**< of the kernel, hexadecimal; "" if unknown */
	char found_by[48];    /**< e.g. "registers" or "token table" */
	char checked_by[48];  /**< the second method that agreed; "" if none */
	mvmi_gva kernel_base; /**< its first byte */
	mvmi_gva kernel_end;
	mvmi_gpa kernel_gpa; /**< of its first byte */
	uint64_t slide;	     /**< KASLR: base minus the linked base */
	uint64_t uptime_ns;  /**< 0 if unknown */
	enum mvmi_paging paging;
	bool page_table_isolation; /**< user mode has tables of its own (PTI) */
	bool from_profile;	   /**< the cache knew it */
	unsigned cpus;		   /**< that the guest brought up */
	size_t symbol_count;
	uint32_t type_count;
};

/** Describe the guest OS. @param ret  Its size set. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_get_info(struct mvmi_os *os, struct mvmi_os_info *ret,
		 struct mvmi_error *err);

/** The kernel's space. Borrowed: it lives as long as the OS. */
MVMI_API struct mvmi_space *mvmi_os_kernel_space(struct mvmi_os *os);

/** The kernel's symbols, without modules. Borrowed from the OS. */
MVMI_API const struct mvmi_symbols *mvmi_os_kernel_symbols(struct mvmi_os *os);

/**
 * The kernel's types; NULL where it has none, and all that needs them is
 * UNSUPPORTED. Borrowed from the OS.
 */
MVMI_API const struct mvmi_types *mvmi_os_kernel_types(struct mvmi_os *os);

/**
 * Symbols of kernel and loaded modules, in the guest's own order.
 *
 * @param ret  Release with mvmi_symbols_destroy().
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_symbols(struct mvmi_os *os, struct mvmi_symbols **ret,
		struct mvmi_error *err);

/** Free what any call below returned. NULL is a no-op. */
MVMI_API void mvmi_os_free(const void *list);

/** What a process or thread is doing. */
enum mvmi_task_state {
	MVMI_TASK_UNKNOWN,
	MVMI_TASK_RUNNING, /**< on a CPU or ready */
	MVMI_TASK_SLEEPING,
	MVMI_TASK_WAITING, /**< uninterruptible: disk, a page */
	MVMI_TASK_IDLE,	   /**< a kernel thread with nothing to do */
	MVMI_TASK_STOPPED,
	MVMI_TASK_TRACED,
	MVMI_TASK_ZOMBIE, /**< ended, its parent has not asked yet */
	MVMI_TASK_DEAD,
};

/** Lower-case word, e.g. "sleeping". Never NULL. */
MVMI_API const char *mvmi_task_state_name(enum mvmi_task_state state);

/** The letter that ps(1) uses, e.g. 'S'. */
MVMI_API char mvmi_task_state_letter(enum mvmi_task_state state);

/** Who a process acts as. On Windows uid is the RID and sid is full. */
struct mvmi_credentials {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint64_t capabilities; /**< effective privileges, the OS's own bits */
	const char *sid;       /**< Windows; else "" */
};

/** One namespace, silo or container that a process lives in. */
struct mvmi_namespace {
	const char *kind; /**< "pid", "mnt", "net", … */
	uint64_t id;	  /**< as /proc/PID/ns shows it */
};

/** One process, or one of its threads. */
struct mvmi_task {
	mvmi_gva object; /**< task_struct, EPROCESS or ETHREAD */
	uint64_t id;	 /**< of the thread; of a process: its first one's */
	uint64_t process_id;
	uint64_t parent_id; /**< of the process's parent; 0: none */
	const char *name;
	enum mvmi_task_state state;
	bool is_thread; /**< not the first of its process */
	bool is_kernel; /**< it has no user memory */
	int32_t cpu;	/**< the guest's CPU number it is on; -1: on none */
	uint32_t thread_count;
	uint64_t start_ns; /**< since the guest's boot */
	uint64_t session_id;
	struct mvmi_credentials credentials;
	uint64_t root;	    /**< for a space: CR3 in the kernel; 0: none */
	uint64_t user_root; /**< CR3 in user mode, where it differs; else 0 */
	/* Only if asked for; else "" and 0. */
	const char *path; /**< of the executable */
	const char *const *args;
	size_t arg_count;
	const char *const *environment;
	size_t environment_count;
	const struct mvmi_namespace *namespaces;
	size_t namespace_count;
};

/** What mvmi_os_list_tasks() is to tell. */
enum mvmi_task_detail {
	MVMI_TASK_THREADS = 1 << 0, /**< all threads, not only processes */
	MVMI_TASK_PATH = 1 << 1,
	MVMI_TASK_ARGS = 1 << 2,
	MVMI_TASK_ENVIRONMENT = 1 << 3,
	MVMI_TASK_NAMESPACES = 1 << 4,
	MVMI_TASK_IDLE_TASKS = 1 << 5, /**< each CPU's own, which no list has */
};

struct mvmi_task_list {
	const struct mvmi_task *const *items;
	size_t count;
	const char *doubt; /**< what may be inconsistent or missing; or "" */
};

/**
 * List processes, parents before children as far as the guest does.
 *
 * @param detail  enum mvmi_task_detail bits.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_tasks(struct mvmi_os *os, unsigned detail,
		   const struct mvmi_task_list **ret, struct mvmi_error *err);

/**
 * The one process, or thread, of this id, as a list of one.
 *
 * @retval MVMI_ERR_INVALID  There is none.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_find_task(struct mvmi_os *os, uint64_t id, unsigned detail,
		  const struct mvmi_task_list **ret, struct mvmi_error *err);

/** What a vCPU is doing. */
struct mvmi_current {
	unsigned vcpu;	  /**< of the VM */
	int32_t cpu;	  /**< the guest's number for it; -1: unknown */
	bool user_mode;	  /**< it runs user code right now */
	bool lazy_memory; /**< its page tables belong to another process */
	const struct mvmi_task *task;
};

struct mvmi_current_list {
	const struct mvmi_current *const *items;
	size_t count;
	const char *doubt;
};

/**
 * Tell which task each vCPU is in. Needs registers.
 *
 * @retval MVMI_ERR_UNSUPPORTED  The VM shows no registers.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_current(struct mvmi_os *os, const struct mvmi_current_list **ret,
		     struct mvmi_error *err);

/** Rights and nature of a memory area. */
enum mvmi_area_flag {
	MVMI_AREA_READ = 1 << 0,
	MVMI_AREA_WRITE = 1 << 1,
	MVMI_AREA_EXEC = 1 << 2,
	MVMI_AREA_SHARED = 1 << 3, /**< not copied on write */
	MVMI_AREA_STACK = 1 << 4,
	MVMI_AREA_HEAP = 1 << 5,
};

/** A range of a process's addresses. */
struct mvmi_area {
	mvmi_gva start;
	mvmi_gva end;	/**< exclusive */
	uint32_t flags; /**< enum mvmi_area_flag */
	uint32_t reserved;
	uint64_t offset; /**< bytes into the file; 0 where there is none */
	uint64_t inode;	 /**< 0 where there is no file */
	uint32_t device_major;
	uint32_t device_minor;
	const char *path; /**< of the file, or "[heap]", "[vdso]", …; or "" */
	mvmi_gva object;  /**< vm_area_struct or VAD */
};

struct mvmi_area_list {
	const struct mvmi_area *const *items;
	size_t count;
	const char *doubt;
};

/** List a process's memory areas by address. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_areas(struct mvmi_os *os, uint64_t pid,
		   const struct mvmi_area_list **ret, struct mvmi_error *err);

enum mvmi_file_kind {
	MVMI_FILE_UNKNOWN,
	MVMI_FILE_REGULAR,
	MVMI_FILE_DIRECTORY,
	MVMI_FILE_CHARACTER,
	MVMI_FILE_BLOCK,
	MVMI_FILE_PIPE,
	MVMI_FILE_SOCKET,
	MVMI_FILE_LINK,
	MVMI_FILE_ANONYMOUS, /**< eventfd and its like */
	MVMI_FILE_OTHER,     /**< an event, a key, a section: path says */
};

/** Lower-case word, e.g. "regular". Never NULL. */
MVMI_API const char *mvmi_file_kind_name(enum mvmi_file_kind kind);

/** An open file, or handle. */
struct mvmi_file {
	uint64_t handle; /**< file descriptor */
	uint64_t process_id;
	enum mvmi_file_kind kind;
	uint32_t flags; /**< the OS's own, as open() takes them */
	uint64_t offset;
	uint64_t inode;
	uint64_t length;  /**< bytes, of a regular file */
	const char *path; /**< as readlink(/proc/PID/fd/N) spells it */
	mvmi_gva object;  /**< struct file, FILE_OBJECT */
};

struct mvmi_file_list {
	const struct mvmi_file *const *items;
	size_t count;
	const char *doubt;
};

/** List a process's open files by number. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_files(struct mvmi_os *os, uint64_t pid,
		   const struct mvmi_file_list **ret, struct mvmi_error *err);

/** One end of a socket: an address as text, and a port. */
struct mvmi_endpoint {
	const char *address; /**< "127.0.0.1", "::1", a path; "" if none */
	uint32_t port;
	uint32_t reserved;
};

/** An open socket. */
struct mvmi_socket {
	uint64_t process_id; /**< one that has it open */
	uint64_t handle;     /**< its descriptor there */
	uint64_t inode;
	const char *family;   /**< "inet", "inet6", "unix", "netlink", … */
	const char *protocol; /**< the kernel's name: "TCP", "UNIX-STREAM" */
	const char *type;     /**< "stream", "dgram", "raw", "seqpacket" */
	const char *state;    /**< "LISTEN", "ESTABLISHED", …; "" if none */
	struct mvmi_endpoint local;
	struct mvmi_endpoint remote;
	mvmi_gva object; /**< struct sock */
};

struct mvmi_socket_list {
	const struct mvmi_socket *const *items;
	size_t count;
	const char *doubt;
};

/** All processes, where a pid is asked for. */
#define MVMI_OS_ALL UINT64_MAX

/**
 * List open sockets of a process, or of all (MVMI_OS_ALL), each once.
 *
 * They are found by who has them open: what only the kernel itself holds, such
 * as connections in TIME-WAIT, is not seen.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_sockets(struct mvmi_os *os, uint64_t pid,
		     const struct mvmi_socket_list **ret,
		     struct mvmi_error *err);

/** A mounted file system, or volume. */
struct mvmi_mount {
	uint64_t id;
	uint64_t parent_id;
	uint32_t device_major;
	uint32_t device_minor;
	const char *root;   /**< what of it is mounted, e.g. "/" */
	const char *path;   /**< where */
	const char *type;   /**< "ext4" */
	const char *source; /**< "/dev/vda1" */
	bool read_only;
	mvmi_gva object;
};

struct mvmi_mount_list {
	const struct mvmi_mount *const *items;
	size_t count;
	const char *doubt;
};

/**
 * List mounts as a process sees them; pid 0: the initial ones. Those that its
 * root does not lead to are left out, as in /proc/PID/mountinfo.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_mounts(struct mvmi_os *os, uint64_t pid,
		    const struct mvmi_mount_list **ret, struct mvmi_error *err);

/** A part of the kernel that was loaded. */
struct mvmi_module {
	const char *name;
	mvmi_gva base;	   /**< of its code */
	uint64_t len;	   /**< bytes, all parts, as /proc/modules counts */
	const char *state; /**< "live", "loading", "unloading" */
	int64_t use_count; /**< -1: unknown */
	const char *path;  /**< Windows; else "" */
	mvmi_gva object;
};

struct mvmi_module_list {
	const struct mvmi_module *const *items;
	size_t count;
	const char *doubt;
};

/** List loaded kernel modules in the guest's order. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_modules(struct mvmi_os *os, const struct mvmi_module_list **ret,
		     struct mvmi_error *err);

/** An ELF or PE image that is mapped into a process. */
struct mvmi_image {
	mvmi_gva base;
	mvmi_gva end;	      /**< exclusive */
	const char *path;     /**< or "[vdso]" */
	const char *build_id; /**< hexadecimal, or "" */
};

struct mvmi_image_list {
	const struct mvmi_image *const *items;
	size_t count;
	const char *doubt;
};

/** List the images of a process by address. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_images(struct mvmi_os *os, uint64_t pid,
		    const struct mvmi_image_list **ret, struct mvmi_error *err);

/**
 * Symbols of one image of a process, at the addresses where it is mapped.
 *
 * @param base  From mvmi_os_list_images().
 * @param ret   Release with mvmi_symbols_destroy().
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_image_symbols(struct mvmi_os *os, uint64_t pid, mvmi_gva base,
		      struct mvmi_symbols **ret, struct mvmi_error *err);

/** A line of the kernel's log. */
struct mvmi_log_record {
	uint64_t sequence;
	uint64_t time_ns; /**< since boot */
	uint32_t level;	  /**< 0 emergency … 7 debug (syslog(3)) */
	uint32_t facility;
	const char *text; /**< may hold several lines */
};

struct mvmi_log {
	const struct mvmi_log_record *const *items;
	size_t count;
	const char *doubt;
};

/** Read the kernel's log, oldest first. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_read_log(struct mvmi_os *os, const struct mvmi_log **ret,
		 struct mvmi_error *err);

/** An entry of the system call table. */
struct mvmi_syscall {
	uint32_t number;
	bool is_foreign; /**< its handler is not in the kernel's own code */
	mvmi_gva handler;
	const char *name;   /**< of the call, e.g. "openat"; or "" */
	const char *symbol; /**< of the handler, e.g. "__x64_sys_openat" */
};

struct mvmi_syscall_list {
	const struct mvmi_syscall *const *items;
	size_t count;
	const char *doubt;
};

MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_list_syscalls(struct mvmi_os *os, const struct mvmi_syscall_list **ret,
		      struct mvmi_error *err);

/** Where two views of the same thing disagree. */
struct mvmi_finding {
	const char *check; /**< "tasks", "modules", "syscalls", … */
	const char *text;  /**< what is seen where, and where not */
	mvmi_gva object;
	uint64_t id; /**< of the process, where it is of one; else 0 */
};

struct mvmi_finding_list {
	const struct mvmi_finding *const *items;
	size_t count;
	const char *doubt;
	const char *const *checks; /**< what was compared, a line each */
	size_t check_count;
};

/**
 * Compare views that a rootkit would have to change together: task list, pid
 * table and what CPUs run; module list and module tree; system call table and
 * kernel code. Hold the VM: on a running one, findings may be moments.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_check(struct mvmi_os *os, const struct mvmi_finding_list **ret,
	      struct mvmi_error *err);

/**
 * Make the space of a process.
 *
 * @param ret  Release with mvmi_space_destroy().
 * @retval MVMI_ERR_INVALID      There is no such process.
 * @retval MVMI_ERR_UNSUPPORTED  It has no user memory.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_process_space(struct mvmi_os *os, uint64_t pid, struct mvmi_space **ret,
		      struct mvmi_error *err);

/**
 * Read a process's memory; a page of a mapped file that it has not touched yet
 * comes from the guest's page cache.
 *
 * @retval MVMI_ERR_NOT_PRESENT  err->addr is the first byte that is neither
 *                               mapped nor cached.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_process_read(struct mvmi_os *os, uint64_t pid, mvmi_gva gva,
		     struct mvmi_span dst, struct mvmi_error *err);

/** Content of a file as far as the guest has it in memory. */
struct mvmi_content {
	struct mvmi_bytes bytes; /**< the file's length; gaps are zeros */
	uint64_t missing;	 /**< bytes that are not in memory */
	const char *path;
};

/**
 * Get the executable of a process back from the page cache.
 *
 * @param ret  Release with mvmi_os_free().
 * @retval MVMI_ERR_LIMIT  It is larger than 1 GiB.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_os_read_executable(struct mvmi_os *os, uint64_t pid,
			const struct mvmi_content **ret,
			struct mvmi_error *err);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_OS_H */
