/* SPDX-License-Identifier: MIT */
/* Files, mounts, sockets and modules of small guests, honest and hostile. */
#include "../harness.h"
#include "../tinyvfs.h"

static struct mvmi_error err;

static const struct mvmi_file_list *list_files(struct mvmi_os *os)
{
	const struct mvmi_file_list *list = NULL;

	if (mvmi_os_list_files(os, 1, &list, &err) != MVMI_OK)
		printf("# %s\n", err.msg);
	CHECK(list != NULL);
	return list;
}

static const struct mvmi_mount_list *list_mounts(struct mvmi_os *os)
{
	const struct mvmi_mount_list *list = NULL;

	if (mvmi_os_list_mounts(os, 0, &list, &err) != MVMI_OK)
		printf("# %s\n", err.msg);
	CHECK(list != NULL);
	return list;
}

static void files_are_told_with_all_that_fdinfo_says(void)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	os = tiny_open(NULL);
	list = list_files(os);
	CHECK(list->count == 3 && list->doubt[0] == '\0');
	CHECK(strcmp(list->items[0]->path, "/etc/passwd") == 0);
	CHECK(list->items[0]->kind == MVMI_FILE_REGULAR);
	CHECK(list->items[0]->flags == 2 && list->items[0]->offset == 10);
	CHECK(list->items[0]->inode == 5 && list->items[0]->length == 100);
	CHECK(strcmp(list->items[1]->path, "/mnt/long (deleted)") == 0);
	CHECK(list->items[1]->flags == (2 | 02000000));
	CHECK(strcmp(list->items[2]->path, "socket:[7]") == 0);
	CHECK(list->items[2]->kind == MVMI_FILE_SOCKET);
	CHECK(list->items[2]->handle == 2 && list->items[2]->process_id == 1);
	mvmi_os_free(list);
	tiny_close(os);
}

static void a_pseudo_file_is_named_by_its_own_function(void)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put64(TVFS_OPS, TINY_SIMPLE_DNAME);
	tvfs_put_dentry(TVFS_SOCKET_NAME, TVFS_SOCKET_NAME, "memfd:x", true);
	os = tiny_open(NULL);
	list = list_files(os);
	CHECK(strcmp(list->items[2]->path, "/memfd:x (deleted)") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void a_namespace_is_named_by_its_kind(void)
{
	uint64_t inode = TVFS_INODES + 64 * UINT64_C(2);
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put64(TVFS_OPS, TINY_NS_DNAME);
	/* Since 6.9 this leads elsewhere than it did. */
	ramvm_put64(tvfs_dentry_at(TVFS_SOCKET_NAME) + 56, TVFS_SUPER);
	ramvm_put64(inode + 40, TVFS_END);
	ramvm_put64(TVFS_END + 8, TVFS_END + 16);
	ramvm_put64(TVFS_END + 16, TVFS_END + 24);
	tiny_put_text(TVFS_END + 24, "mnt");
	os = tiny_open(NULL);
	list = list_files(os);
	CHECK(strcmp(list->items[2]->path, "mnt:[7]") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

/** The one descriptor of a hostile guest has no path, for this reason. */
static void check_path_is_doubted(const char *why)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os = tiny_open(NULL);

	list = list_files(os);
	printf("# %s\n", list->doubt);
	CHECK(list->count == 3);
	CHECK(list->items[0]->path[0] == '\0');
	CHECK(list->items[0]->handle == 0 && list->items[0]->flags == 2);
	CHECK(strstr(list->doubt, "descriptor 0: ") == list->doubt);
	CHECK(strstr(list->doubt, why) != NULL);
	CHECK(strcmp(list->items[1]->path, "/mnt/long (deleted)") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void a_loop_of_dentries_ends(void)
{
	tvfs_reset(true);
	tvfs_put_dentry(TVFS_ETC, TVFS_PASSWD, "e", true);
	tvfs_put_dentry(TVFS_PASSWD, TVFS_ETC, "p", true);
	check_path_is_doubted("it is a loop");
}

static void a_path_has_a_longest_length(void)
{
	tvfs_reset(true);
	ramvm_put64(tvfs_dentry_at(TVFS_ETC) + 16, tvfs_dentry_at(TVFS_PASSWD));
	check_path_is_doubted("longer than 8192 bytes");
}

static void a_loop_of_mounts_ends(void)
{
	tvfs_reset(true);
	tvfs_put_mount(2, 1, TVFS_ROOT_2, TVFS_PASSWD);
	ramvm_put64(tvfs_file_at(0), tvfs_mnt_at(2));
	ramvm_put64(tvfs_mount_at(2), tvfs_mount_at(2) + 112);
	tvfs_put_mount(3, 2, TVFS_PASSWD, TVFS_PASSWD);
	ramvm_put64(tvfs_mount_at(2) + 8, tvfs_dentry_at(TVFS_PASSWD));
	check_path_is_doubted("it is a loop");
}

static void a_name_that_is_too_long_is_corrupt(void)
{
	tvfs_reset(true);
	ramvm_put32(tvfs_dentry_at(TVFS_PASSWD) + 28, 256);
	check_path_is_doubted("a name of 256 bytes");
}

static void a_parent_that_is_nowhere_is_said(void)
{
	tvfs_reset(true);
	ramvm_put64(tvfs_dentry_at(TVFS_ETC) + 16, UINT64_C(0x7000000));
	check_path_is_doubted("struct dentry at 0x7000000");
}

static void a_table_of_four_billion_files_is_refused(void)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put32(TVFS_FDTABLE, UINT32_MAX);
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_files(os, 1, &list, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "claims 4294967295 descriptors"));
	tiny_close(os);
}

static void a_table_full_of_files_that_are_none_is_refused(void)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	/* All of the descriptors lie where there is no memory. */
	ramvm_put32(TVFS_FDTABLE, 2000);
	ramvm_put64(TVFS_FDTABLE + 8, 0x10000);
	for (uint64_t i = 0; i < 2000; i++)
		ramvm_put64(0x10000 + i * 8, UINT64_C(0x7000000));
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_files(os, 1, &list, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "1024 records can't be read in full"));
	CHECK(strstr(err.msg, "descriptor 1023: struct file"));
	tiny_close(os);
}

static void a_torn_table_of_a_running_guest_is_doubted(void)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(false);
	ramvm_put32(TVFS_FDTABLE, UINT32_MAX);
	os = tiny_open(NULL);
	list = list_files(os);
	CHECK(list->count == 0);
	CHECK(strstr(list->doubt, "the list ends early") == list->doubt);
	mvmi_os_free(list);
	tiny_close(os);
}

static void a_process_that_is_not_there_is_invalid(void)
{
	const struct mvmi_file_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_files(os, 99, &list, &err) == MVMI_ERR_INVALID);
	tiny_close(os);
}

static void check_both_mounts(struct mvmi_os *os)
{
	const struct mvmi_mount_list *list = list_mounts(os);

	CHECK(list->count == 2 && list->doubt[0] == '\0');
	CHECK(list->items[0]->id == 1 && list->items[0]->parent_id == 1);
	CHECK(strcmp(list->items[0]->path, "/") == 0);
	CHECK(list->items[1]->id == 2 && list->items[1]->parent_id == 1);
	CHECK(strcmp(list->items[1]->path, "/mnt") == 0);
	CHECK(strcmp(list->items[1]->root, "/") == 0);
	CHECK(strcmp(list->items[1]->type, "tinyfs") == 0);
	CHECK(strcmp(list->items[1]->source, "/dev/vda") == 0);
	CHECK(list->items[1]->device_major == 8);
	CHECK(list->items[1]->device_minor == 3);
	CHECK(!list->items[1]->read_only);
	mvmi_os_free(list);
	tiny_close(os);
}

static void mounts_are_read_from_a_tree(void)
{
	tvfs_reset(true);
	check_both_mounts(tiny_open("mnt_namespace.list"));
}

static void mounts_are_read_from_a_list_without_its_cursors(void)
{
	tvfs_reset(true);
	tvfs_put_mount(2, 0, TVFS_ROOT, TVFS_ROOT);
	ramvm_put32(tvfs_mnt_at(2) + 16, 0x10000000);
	check_both_mounts(tiny_open("mnt_namespace.mounts"));
}

static void a_mount_outside_of_the_root_is_not_seen(void)
{
	const struct mvmi_mount_list *list;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put64(TVFS_FS, tvfs_mnt_at(1));
	ramvm_put64(TVFS_FS + 8, tvfs_dentry_at(TVFS_ROOT_2));
	os = tiny_open(NULL);
	list = list_mounts(os);
	CHECK(list->count == 1 && list->items[0]->id == 2);
	CHECK(strcmp(list->items[0]->path, "/") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void check_mounts_fail(enum mvmi_status status, const char *why)
{
	const struct mvmi_mount_list *list;
	struct mvmi_os *os = tiny_open(NULL);

	CHECK(mvmi_os_list_mounts(os, 1, &list, &err) == status);
	printf("# %s\n", err.msg);
	CHECK(strstr(err.msg, why) != NULL);
	tiny_close(os);
}

static void a_tree_that_is_a_loop_is_corrupt(void)
{
	tvfs_reset(true);
	ramvm_put64(tvfs_mount_at(1) + 80 + 8, tvfs_mount_at(0) + 80);
	check_mounts_fail(MVMI_ERR_CORRUPT, "does not name");
}

static void a_tree_that_is_its_own_child_is_corrupt(void)
{
	tvfs_reset(true);
	ramvm_put64(tvfs_mount_at(0) + 80, tvfs_mount_at(0) + 80);
	check_mounts_fail(MVMI_ERR_CORRUPT, "does not name");
}

static void a_child_on_both_sides_is_corrupt(void)
{
	tvfs_reset(true);
	ramvm_put64(tvfs_mount_at(0) + 80 + 16, tvfs_mount_at(1) + 80);
	check_mounts_fail(MVMI_ERR_CORRUPT, "on both sides");
}

static void sockets_are_listed_once_each(void)
{
	const struct mvmi_socket_list *list = NULL;
	struct mvmi_os *os;

	tvfs_reset(true);
	/* A second descriptor of the same file. */
	ramvm_put64(TVFS_FDS + 40, tvfs_file_at(2));
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_sockets(os, MVMI_OS_ALL, &list, &err) == MVMI_OK);
	CHECK(list->count == 1 && list->doubt[0] == '\0');
	CHECK(list->items[0]->handle == 2 && list->items[0]->process_id == 1);
	CHECK(strcmp(list->items[0]->family, "unix") == 0);
	CHECK(strcmp(list->items[0]->protocol, "UNIX") == 0);
	CHECK(strcmp(list->items[0]->type, "dgram") == 0);
	CHECK(strcmp(list->items[0]->state, "UNCONN") == 0);
	CHECK(strcmp(list->items[0]->local.address, "@x") == 0);
	CHECK(strcmp(list->items[0]->remote.address, "") == 0);
	CHECK(list->items[0]->inode == 7);
	mvmi_os_free(list);
	tiny_close(os);
}

static void internet_sockets_tell_addresses_and_ports(void)
{
	const struct mvmi_socket_list *list = NULL;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm.ram[TVFS_SOCK + 12] = 2;
	ramvm.ram[TVFS_SOCK + 14] = 1;
	memcpy(ramvm.ram + TVFS_SOCK, "\x0a\x00\x00\x02\x7f\x00\x00\x01", 8);
	/* The remote port in network order, the local one in the host's. */
	memcpy(ramvm.ram + TVFS_SOCK + 8, "\x01\xbb\x39\x30", 4);
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_sockets(os, 1, &list, &err) == MVMI_OK);
	CHECK(strcmp(list->items[0]->local.address, "127.0.0.1") == 0);
	CHECK(list->items[0]->local.port == 12345);
	CHECK(strcmp(list->items[0]->remote.address, "10.0.0.2") == 0);
	CHECK(list->items[0]->remote.port == 443);
	CHECK(strcmp(list->items[0]->state, "ESTABLISHED") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void a_unix_name_that_is_too_long_is_doubted(void)
{
	const struct mvmi_socket_list *list = NULL;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put32(TVFS_ADDRESS + 4, 111);
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_sockets(os, 1, &list, &err) == MVMI_OK);
	CHECK(list->count == 1);
	CHECK(strstr(list->doubt, "name has 111 bytes"));
	mvmi_os_free(list);
	tiny_close(os);
}

static void modules_are_listed_in_their_order(void)
{
	const struct mvmi_module_list *list = NULL;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put32(tvfs_module_at(1), 1);
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_modules(os, &list, &err) == MVMI_OK);
	CHECK(list->count == 2);
	CHECK(strcmp(list->items[0]->name, "first") == 0);
	CHECK(list->items[0]->base.val == 0x10000);
	CHECK(list->items[0]->len == 0x800);
	CHECK(strcmp(list->items[0]->state, "live") == 0);
	CHECK(strcmp(list->items[1]->state, "loading") == 0);
	CHECK(list->items[0]->use_count == -1);
	mvmi_os_free(list);
	tiny_close(os);
}

static void symbols_of_modules_follow_the_kernel_s(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_symbol symbol;
	struct mvmi_os *os;
	size_t count;

	tvfs_reset(true);
	os = tiny_open(NULL);
	count = mvmi_symbols_count(mvmi_os_kernel_symbols(os));
	CHECK(mvmi_os_symbols(os, &symbols, &err) == MVMI_OK);
	CHECK(mvmi_symbols_count(symbols) == count + 2);
	CHECK(mvmi_symbols_get(symbols, count, &symbol));
	CHECK(strcmp(symbol.name, "local") == 0 && symbol.type == 't');
	CHECK(strcmp(symbol.module, "first") == 0 && symbol.addr == 0x10010);
	CHECK(mvmi_symbols_get(symbols, count + 1, &symbol));
	CHECK(strcmp(symbol.name, "shared") == 0 && symbol.type == 'T');
	CHECK(symbol.size == 9);
	mvmi_symbols_destroy(symbols);
	tiny_close(os);
}

/** One trampoline, two BPF programs and a page of kprobes at TVFS_END. */
static void put_made(void)
{
	uint64_t at = TVFS_END;

	ramvm_put64(at, 0x20000);
	tiny_list_add(TINY_TRAMPOLINES, at + 8);
	ramvm_put64(at + 0x40, 0x20010);
	tiny_put_text(at + 0x48, "bpf_prog_1");
	tiny_list_add(TINY_BPF, at + 0x58);
	ramvm_put64(at + 0x80, 0x20020);
	memcpy(ramvm.ram + at + 0x88, "bpf_prog_far_too_long", 12);
	tiny_list_add(TINY_BPF, at + 0x98);
	tiny_list_add(TINY_KPROBES + 8, at + 0xc0);
	ramvm_put64(at + 0xd0, 0x20030);
}

static void check_made(struct mvmi_os *os, const char *const *names,
		       const char *const *modules, size_t count)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_symbol symbol;
	size_t all;

	CHECK(mvmi_os_symbols(os, &symbols, &err) == MVMI_OK);
	all = mvmi_symbols_count(symbols);
	for (size_t i = 0; i < count; i++) {
		CHECK(mvmi_symbols_get(symbols, all - count + i, &symbol));
		CHECK(strcmp(symbol.name, names[i]) == 0);
		CHECK(strcmp(symbol.module, modules[i]) == 0);
		CHECK(symbol.type == 't');
	}
	mvmi_symbols_destroy(symbols);
}

static void code_that_was_made_at_run_time_has_symbols(void)
{
	static const char *const names[] = { "ftrace_trampoline", "bpf_prog_1",
					     "bpf_prog_fa",
					     "kprobe_insn_page" };
	static const char *const modules[] = { "__builtin__ftrace", "bpf",
					       "bpf", "__builtin__kprobes" };
	struct mvmi_os *os;

	tvfs_reset(true);
	put_made();
	ramvm_put32(TINY_BPF_SHOWN, 1);
	os = tiny_open(NULL);
	check_made(os, names, modules, 4);
	tiny_close(os);
}

static void bpf_programs_are_hidden_as_the_guest_hides_them(void)
{
	static const char *const names[] = { "ftrace_trampoline",
					     "kprobe_insn_page" };
	static const char *const modules[] = { "__builtin__ftrace",
					       "__builtin__kprobes" };
	struct mvmi_os *os;

	tvfs_reset(true);
	put_made();
	ramvm_put32(TINY_BPF_SHOWN, 1);
	ramvm_put32(TINY_BPF_HIDDEN, 2);
	os = tiny_open(NULL);
	check_made(os, names, modules, 2);
	tiny_close(os);
}

static void system_calls_that_lead_elsewhere_are_foreign(void)
{
	const struct mvmi_syscall_list *list = NULL;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put64(TINY_CALLS, TINY_OPENAT);
	ramvm_put64(TINY_CALLS + 8, 0x10123);
	ramvm_put64(TINY_CALLS + 16, UINT64_C(0xffffffffc0001234));
	ramvm_put64(TINY_CALLS + 24, 0x6161616161616161);
	os = tiny_open(NULL);
	CHECK(mvmi_os_list_syscalls(os, &list, &err) == MVMI_OK);
	/* The last is what follows a table: no address. */
	CHECK(list->count == 3 && list->items[2]->number == 2);
	CHECK(strcmp(list->items[0]->name, "openat") == 0);
	CHECK(strcmp(list->items[0]->symbol, "__x64_sys_openat") == 0);
	CHECK(!list->items[0]->is_foreign);
	CHECK(list->items[1]->is_foreign);
	CHECK(strcmp(list->items[1]->symbol, "[first]+0x123") == 0);
	CHECK(list->items[2]->is_foreign && list->items[2]->name[0] == '\0');
	CHECK(strcmp(list->items[2]->symbol, "0xffffffffc0001234") == 0);
	mvmi_os_free(list);
	tiny_close(os);
}

static void a_module_of_four_billion_symbols_is_refused(void)
{
	struct mvmi_symbols *symbols = NULL;
	struct mvmi_os *os;

	tvfs_reset(true);
	ramvm_put32(TVFS_KALLSYMS + 8, UINT32_MAX);
	os = tiny_open(NULL);
	CHECK(mvmi_os_symbols(os, &symbols, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "claims to have 4294967295 symbols"));
	ramvm_put32(TVFS_KALLSYMS + 8, 3);
	ramvm_put32(tvfs_module_at(0) + 112, UINT32_MAX);
	CHECK(mvmi_os_symbols(os, &symbols, &err) == MVMI_ERR_LIMIT);
	CHECK(strstr(err.msg, "claims to export 4294967295 symbols"));
	tiny_close(os);
}

/** Check a guest; its findings, all of one kind, are counted. */
static size_t count_findings(const char *name, const char *text)
{
	const struct mvmi_finding_list *list = NULL;
	struct mvmi_os *os = tiny_open(NULL);
	size_t count;

	CHECK(mvmi_os_check(os, &list, &err) == MVMI_OK);
	CHECK(list->check_count > 5);
	for (size_t i = 0; i < list->count; i++)
		printf("# %s: %s\n", list->items[i]->check,
		       list->items[i]->text);
	count = list->count;
	for (size_t i = 0; i < count; i++) {
		CHECK(strcmp(list->items[i]->check, name) == 0);
		CHECK(strstr(list->items[i]->text, text) != NULL);
	}
	mvmi_os_free(list);
	tiny_close(os);
	return count;
}

/** tvfs_reset(), with process 1 in a table of ids that has one node. */
static void reset_with_ids(void)
{
	uint64_t node = TVFS_END;
	uint64_t task = tiny_task_at(0);

	tvfs_reset(true);
	/* The node's first slot is id 0, its second id 1. */
	ramvm_put64(TINY_INIT_PID_NS + 8, node | 2);
	ramvm_put64(node + 40 + 8, task + TINY_PID);
	ramvm_put64(task + TINY_PID + 8, task + TINY_TASK_PID_LINKS);
	ramvm_put64(TINY_RUNQUEUES, TINY_INIT_TASK);
}

static void without_types_only_code_is_compared(void)
{
	const struct mvmi_finding_list *list = NULL;
	const struct mvmi_file_list *files;
	const struct mvmi_socket_list *sockets;
	const struct mvmi_mount_list *mounts;
	const struct mvmi_module_list *modules;
	const struct mvmi_log *log;
	struct mvmi_symbols *symbols;
	struct mvmi_os *os;
	size_t compared = 0;

	reset_with_ids();
	os = tiny_open(NULL);
	mvmi_types_destroy(os->types);
	os->types = NULL;
	CHECK(mvmi_os_list_files(os, 1, &files, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_os_list_sockets(os, 1, &sockets, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_os_list_mounts(os, 0, &mounts, &err) ==
	      MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_os_list_modules(os, &modules, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_os_symbols(os, &symbols, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_os_read_log(os, &log, &err) == MVMI_ERR_UNSUPPORTED);
	CHECK(mvmi_os_check(os, &list, &err) == MVMI_OK);
	for (size_t i = 0; i < list->check_count; i++)
		compared += strstr(list->checks[i], "not compared") == NULL;
	/* The table of system calls, and no vCPU leads anywhere. */
	CHECK(list->count == 0 && compared == 2);
	mvmi_os_free(list);
	tiny_close(os);
}

static void views_that_agree_give_no_findings(void)
{
	reset_with_ids();
	CHECK(count_findings("", "") == 0);
}

static void a_task_that_left_the_list_is_found(void)
{
	reset_with_ids();
	tiny_list_init(TINY_INIT_TASK + TINY_TASK_LINKS);
	CHECK(count_findings("tasks", "task 1 (init) is in the table of ids, "
				      "and not on the list of tasks") == 1);
}

static void a_task_that_left_all_lists_is_found_while_it_runs(void)
{
	reset_with_ids();
	tiny_list_init(TINY_INIT_TASK + TINY_TASK_LINKS);
	ramvm_put64(tiny_task_at(0) + TINY_PID + 8, 0);
	CHECK(count_findings("tasks", "") == 0);
	ramvm_put64(TINY_RUNQUEUES, tiny_task_at(0));
	CHECK(count_findings("tasks", "task 1 (init) runs by a CPU's queue") ==
	      1);
}

static void a_thread_that_left_its_list_is_found_by_the_count(void)
{
	reset_with_ids();
	ramvm_put32(tiny_task_at(0) + TINY_SIGNAL, 2);
	CHECK(count_findings("tasks", "process 1 counts 2 threads, and 1") ==
	      1);
}

static void a_module_that_left_the_list_is_found_twice(void)
{
	reset_with_ids();
	tiny_list_init(TINY_MODULES);
	tiny_list_add(TINY_MODULES, tvfs_module_at(0) + 8);
	CHECK(count_findings("modules", "module second is in ") == 2);
}

static void a_broken_list_is_a_finding(void)
{
	reset_with_ids();
	ramvm_put64(tvfs_module_at(0) + 16, 0x1234);
	/* The tree of addresses and sysfs are both compared with it. */
	CHECK(count_findings("modules", "broken: ") == 2);
}

TESTS(T(files_are_told_with_all_that_fdinfo_says),
      T(a_pseudo_file_is_named_by_its_own_function),
      T(a_namespace_is_named_by_its_kind), T(a_loop_of_dentries_ends),
      T(a_path_has_a_longest_length), T(a_loop_of_mounts_ends),
      T(a_name_that_is_too_long_is_corrupt),
      T(a_parent_that_is_nowhere_is_said),
      T(a_table_of_four_billion_files_is_refused),
      T(a_table_full_of_files_that_are_none_is_refused),
      T(a_torn_table_of_a_running_guest_is_doubted),
      T(a_process_that_is_not_there_is_invalid), T(mounts_are_read_from_a_tree),
      T(mounts_are_read_from_a_list_without_its_cursors),
      T(a_mount_outside_of_the_root_is_not_seen),
      T(a_tree_that_is_a_loop_is_corrupt),
      T(a_tree_that_is_its_own_child_is_corrupt),
      T(a_child_on_both_sides_is_corrupt), T(sockets_are_listed_once_each),
      T(internet_sockets_tell_addresses_and_ports),
      T(a_unix_name_that_is_too_long_is_doubted),
      T(modules_are_listed_in_their_order),
      T(symbols_of_modules_follow_the_kernel_s),
      T(code_that_was_made_at_run_time_has_symbols),
      T(bpf_programs_are_hidden_as_the_guest_hides_them),
      T(system_calls_that_lead_elsewhere_are_foreign),
      T(a_module_of_four_billion_symbols_is_refused),
      T(views_that_agree_give_no_findings),
      T(without_types_only_code_is_compared),
      T(a_task_that_left_the_list_is_found),
      T(a_task_that_left_all_lists_is_found_while_it_runs),
      T(a_thread_that_left_its_list_is_found_by_the_count),
      T(a_module_that_left_the_list_is_found_twice),
      T(a_broken_list_is_a_finding))
