/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A Linux guest of a handful of structs in a RAM of 64 pages, for tests of what
 * reads them: no kernel has these offsets, so nothing finds one by knowing it.
 *
 * Virtual addresses are physical ones. tiny_open() after ramvm_reset(), then
 * put structs into RAM by the offsets below.
 */
#ifndef MICROVMI_TEST_TINYLINUX_H
#define MICROVMI_TEST_TINYLINUX_H

#include <stdio.h>
#include <string.h>

#include "os/linux/linux.h"
#include "ramvm.h"
#include "symbols/btf_builder.h"
#include "symbols/table.h"

/** A struct's size (name is NULL), or a member of the struct above. */
struct tiny_row {
	const char *owner;
	const char *name;
	const char *type; /**< "u8", "u32", "u64", or a struct above */
	uint32_t offset;  /**< or the size of the struct */
	int32_t count;	  /**< of an array; -1: a flexible one */
};

/* clang-format off */
static const struct tiny_row tiny_rows[] = {
	{ "list_head", NULL, NULL, 16, 0 },
	{ NULL, "next", "u64", 0, 0 },
	{ NULL, "prev", "u64", 8, 0 },
	{ "hlist_node", NULL, NULL, 16, 0 },
	{ NULL, "next", "u64", 0, 0 },
	{ NULL, "pprev", "u64", 8, 0 },
	{ "hlist_head", NULL, NULL, 8, 0 },
	{ NULL, "first", "u64", 0, 0 },
	{ "task_struct", NULL, NULL, 256, 0 },
	{ NULL, "__state", "u32", 0, 0 },
	{ NULL, "exit_state", "u32", 4, 0 },
	{ NULL, "flags", "u32", 8, 0 },
	{ NULL, "pid", "u32", 12, 0 },
	{ NULL, "tgid", "u32", 16, 0 },
	{ NULL, "on_cpu", "u32", 20, 0 },
	{ NULL, "comm", "u8", 24, 16 },
	{ NULL, "tasks", "list_head", 40, 0 },
	{ NULL, "thread_node", "list_head", 56, 0 },
	{ NULL, "real_parent", "u64", 72, 0 },
	{ NULL, "group_leader", "u64", 80, 0 },
	{ NULL, "signal", "u64", 88, 0 },
	{ NULL, "real_cred", "u64", 96, 0 },
	{ NULL, "mm", "u64", 104, 0 },
	{ NULL, "active_mm", "u64", 112, 0 },
	{ NULL, "stack", "u64", 120, 0 },
	{ NULL, "start_boottime", "u64", 128, 0 },
	{ NULL, "worker_private", "u64", 136, 0 },
	{ NULL, "nsproxy", "u64", 144, 0 },
	{ NULL, "files", "u64", 152, 0 },
	{ NULL, "fs", "u64", 160, 0 },
	{ NULL, "thread_pid", "u64", 168, 0 },
	{ NULL, "cpu", "u32", 176, 0 },
	{ NULL, "pid_links", "hlist_node", 184, 4 },
	{ "signal_struct", NULL, NULL, 64, 0 },
	{ NULL, "nr_threads", "u32", 0, 0 },
	{ NULL, "thread_head", "list_head", 8, 0 },
	{ NULL, "pids", "u64", 24, 4 },
	{ "cred", NULL, NULL, 48, 0 },
	{ NULL, "uid", "u32", 0, 0 },
	{ NULL, "gid", "u32", 4, 0 },
	{ NULL, "suid", "u32", 8, 0 },
	{ NULL, "sgid", "u32", 12, 0 },
	{ NULL, "euid", "u32", 16, 0 },
	{ NULL, "egid", "u32", 20, 0 },
	{ NULL, "fsuid", "u32", 24, 0 },
	{ NULL, "fsgid", "u32", 28, 0 },
	{ NULL, "cap_effective", "u64", 32, 0 },
	{ NULL, "user_ns", "u64", 40, 0 },
	{ "maple_tree", NULL, NULL, 16, 0 },
	{ NULL, "ma_root", "u64", 8, 0 },
	{ "mm_struct", NULL, NULL, 128, 0 },
	{ NULL, "pgd", "u64", 0, 0 },
	{ NULL, "arg_start", "u64", 8, 0 },
	{ NULL, "arg_end", "u64", 16, 0 },
	{ NULL, "env_start", "u64", 24, 0 },
	{ NULL, "env_end", "u64", 32, 0 },
	{ NULL, "exe_file", "u64", 40, 0 },
	{ NULL, "start_brk", "u64", 48, 0 },
	{ NULL, "brk", "u64", 56, 0 },
	{ NULL, "start_stack", "u64", 64, 0 },
	{ NULL, "mmap", "u64", 72, 0 },
	{ NULL, "mm_mt", "maple_tree", 80, 0 },
	{ NULL, "start_code", "u64", 96, 0 },
	{ "kthread", NULL, NULL, 16, 0 },
	{ NULL, "data", "u64", 0, 0 },
	{ NULL, "full_name", "u64", 8, 0 },
	{ "worker", NULL, NULL, 48, 0 },
	{ NULL, "pool", "u64", 0, 0 },
	{ NULL, "current_work", "u64", 8, 0 },
	{ NULL, "desc", "u8", 16, 32 },
	{ "rq", NULL, NULL, 16, 0 },
	{ NULL, "curr", "u64", 0, 0 },
	{ NULL, "idle", "u64", 8, 0 },
	{ "upid", NULL, NULL, 16, 0 },
	{ NULL, "nr", "u32", 0, 0 },
	{ NULL, "ns", "u64", 8, 0 },
	{ "pid", NULL, NULL, 40, 0 },
	{ NULL, "level", "u32", 0, 0 },
	{ NULL, "tasks", "hlist_head", 8, 4 },
	{ NULL, "numbers", "upid", 40, -1 },
	{ "xarray", NULL, NULL, 16, 0 },
	{ NULL, "xa_head", "u64", 8, 0 },
	{ "idr", NULL, NULL, 16, 0 },
	{ NULL, "idr_rt", "xarray", 0, 0 },
	{ "pid_namespace", NULL, NULL, 16, 0 },
	{ NULL, "idr", "idr", 0, 0 },
	{ "vm_area_struct", NULL, NULL, 96, 0 },
	{ NULL, "vm_start", "u64", 0, 0 },
	{ NULL, "vm_end", "u64", 8, 0 },
	{ NULL, "vm_flags", "u64", 16, 0 },
	{ NULL, "vm_pgoff", "u64", 24, 0 },
	{ NULL, "vm_file", "u64", 32, 0 },
	{ NULL, "vm_ops", "u64", 40, 0 },
	{ NULL, "vm_private_data", "u64", 48, 0 },
	{ NULL, "vm_next", "u64", 56, 0 },
	{ NULL, "shared", "u64", 64, 2 },
	{ NULL, "anon_name", "u64", 64, 0 },
	{ "anon_vma_name", NULL, NULL, 4, 0 },
	{ NULL, "name", "u8", 4, -1 },
	{ "vm_operations_struct", NULL, NULL, 16, 0 },
	{ NULL, "name", "u64", 8, 0 },
	{ "vm_special_mapping", NULL, NULL, 8, 0 },
	{ NULL, "name", "u64", 0, 0 },
	{ "maple_range_64", NULL, NULL, 256, 0 },
	{ NULL, "pivot", "u64", 8, 15 },
	{ NULL, "slot", "u64", 128, 16 },
	{ "maple_arange_64", NULL, NULL, 240, 0 },
	{ NULL, "pivot", "u64", 8, 9 },
	{ NULL, "slot", "u64", 80, 10 },
	{ "maple_node", NULL, NULL, 256, 0 },
	{ NULL, "slot", "u64", 8, 31 },
	{ "xa_node", NULL, NULL, 576, 0 },
	{ NULL, "shift", "u8", 0, 0 },
	{ NULL, "slots", "u64", 40, 64 },
	{ "radix_tree_node", NULL, NULL, 528, 0 },
	{ NULL, "shift", "u8", 0, 0 },
	{ NULL, "path", "u32", 4, 0 },
	{ NULL, "slots", "u64", 16, 64 },
	{ "address_space", NULL, NULL, 32, 0 },
	{ NULL, "host", "u64", 0, 0 },
	{ NULL, "i_pages", "xarray", 8, 0 },
	{ "page", NULL, NULL, 64, 0 },
	{ NULL, "flags", "u64", 0, 0 },
	{ "folio", NULL, NULL, 64, 0 },
	{ NULL, "mapping", "u64", 24, 0 },
	{ NULL, "index", "u64", 32, 0 },
	{ "path", NULL, NULL, 16, 0 },
	{ NULL, "mnt", "u64", 0, 0 },
	{ NULL, "dentry", "u64", 8, 0 },
	{ "file", NULL, NULL, 64, 0 },
	{ NULL, "f_path", "path", 0, 0 },
	{ NULL, "f_inode", "u64", 16, 0 },
	{ NULL, "f_mode", "u32", 24, 0 },
	{ NULL, "f_flags", "u32", 28, 0 },
	{ NULL, "f_pos", "u64", 32, 0 },
	{ NULL, "f_mapping", "u64", 40, 0 },
	{ NULL, "private_data", "u64", 48, 0 },
	{ "inode", NULL, NULL, 64, 0 },
	{ NULL, "i_mode", "u32", 0, 0 },
	{ NULL, "i_rdev", "u32", 4, 0 },
	{ NULL, "i_ino", "u64", 8, 0 },
	{ NULL, "i_size", "u64", 16, 0 },
	{ NULL, "i_sb", "u64", 24, 0 },
	{ NULL, "i_mapping", "u64", 32, 0 },
	{ NULL, "i_private", "u64", 40, 0 },
	{ "super_block", NULL, NULL, 64, 0 },
	{ NULL, "s_dev", "u32", 0, 0 },
	{ NULL, "s_flags", "u64", 8, 0 },
	{ NULL, "s_type", "u64", 16, 0 },
	{ NULL, "s_magic", "u64", 24, 0 },
	{ "qstr", NULL, NULL, 16, 0 },
	{ NULL, "len", "u32", 4, 0 },
	{ NULL, "name", "u64", 8, 0 },
	{ "dentry_operations", NULL, NULL, 8, 0 },
	{ NULL, "d_dname", "u64", 0, 0 },
	{ "dentry", NULL, NULL, 96, 0 },
	{ NULL, "d_hash", "hlist_node", 0, 0 },
	{ NULL, "d_parent", "u64", 16, 0 },
	{ NULL, "d_name", "qstr", 24, 0 },
	{ NULL, "d_inode", "u64", 40, 0 },
	{ NULL, "d_op", "u64", 48, 0 },
	{ NULL, "d_fsdata", "u64", 56, 0 },
	{ NULL, "d_sb", "u64", 64, 0 },
	{ "vfsmount", NULL, NULL, 24, 0 },
	{ NULL, "mnt_root", "u64", 0, 0 },
	{ NULL, "mnt_sb", "u64", 8, 0 },
	{ NULL, "mnt_flags", "u32", 16, 0 },
	{ "rb_node", NULL, NULL, 24, 0 },
	{ NULL, "__rb_parent_color", "u64", 0, 0 },
	{ NULL, "rb_right", "u64", 8, 0 },
	{ NULL, "rb_left", "u64", 16, 0 },
	{ "rb_root", NULL, NULL, 8, 0 },
	{ NULL, "rb_node", "u64", 0, 0 },
	{ "mount", NULL, NULL, 112, 0 },
	{ NULL, "mnt_parent", "u64", 0, 0 },
	{ NULL, "mnt_mountpoint", "u64", 8, 0 },
	{ NULL, "mnt", "vfsmount", 16, 0 },
	{ NULL, "mnt_ns", "u64", 40, 0 },
	{ NULL, "mnt_id", "u32", 48, 0 },
	{ NULL, "mnt_devname", "u64", 56, 0 },
	{ NULL, "mnt_list", "list_head", 64, 0 },
	{ NULL, "mnt_node", "rb_node", 80, 0 },
	{ "file_system_type", NULL, NULL, 8, 0 },
	{ NULL, "name", "u64", 0, 0 },
	{ "proc_ns_operations", NULL, NULL, 8, 0 },
	{ NULL, "name", "u64", 0, 0 },
	{ "ns_common", NULL, NULL, 16, 0 },
	{ NULL, "ops", "u64", 8, 0 },
	{ "mnt_namespace", NULL, NULL, 24, 0 },
	{ NULL, "list", "list_head", 0, 0 },
	{ NULL, "mounts", "rb_root", 16, 0 },
	{ "nsproxy", NULL, NULL, 8, 0 },
	{ NULL, "mnt_ns", "u64", 0, 0 },
	{ "fs_struct", NULL, NULL, 16, 0 },
	{ NULL, "root", "path", 0, 0 },
	{ "files_struct", NULL, NULL, 8, 0 },
	{ NULL, "fdt", "u64", 0, 0 },
	{ "fdtable", NULL, NULL, 24, 0 },
	{ NULL, "max_fds", "u32", 0, 0 },
	{ NULL, "fd", "u64", 8, 0 },
	{ NULL, "close_on_exec", "u64", 16, 0 },
	{ "socket", NULL, NULL, 24, 0 },
	{ NULL, "type", "u32", 0, 0 },
	{ NULL, "file", "u64", 8, 0 },
	{ NULL, "sk", "u64", 16, 0 },
	{ "sock_common", NULL, NULL, 64, 0 },
	{ NULL, "skc_daddr", "u32", 0, 0 },
	{ NULL, "skc_rcv_saddr", "u32", 4, 0 },
	{ NULL, "skc_dport", "u8", 8, 2 },
	{ NULL, "skc_num", "u8", 10, 2 },
	{ NULL, "skc_family", "u8", 12, 2 },
	{ NULL, "skc_state", "u8", 14, 0 },
	{ NULL, "skc_prot", "u64", 16, 0 },
	{ NULL, "skc_v6_daddr", "u8", 24, 16 },
	{ NULL, "skc_v6_rcv_saddr", "u8", 40, 16 },
	{ "sock", NULL, NULL, 64, 0 },
	{ NULL, "__sk_common", "sock_common", 0, 0 },
	{ "unix_sock", NULL, NULL, 80, 0 },
	{ NULL, "sk", "sock", 0, 0 },
	{ NULL, "addr", "u64", 64, 0 },
	{ NULL, "peer", "u64", 72, 0 },
	{ "unix_address", NULL, NULL, 8, 0 },
	{ NULL, "len", "u32", 4, 0 },
	{ NULL, "name", "u8", 8, -1 },
	{ "sockaddr_un", NULL, NULL, 110, 0 },
	{ NULL, "sun_path", "u8", 2, 108 },
	{ "proto", NULL, NULL, 32, 0 },
	{ NULL, "name", "u8", 0, 32 },
	{ "kobject", NULL, NULL, 16, 0 },
	{ NULL, "entry", "list_head", 0, 0 },
	{ "module_kobject", NULL, NULL, 24, 0 },
	{ NULL, "kobj", "kobject", 0, 0 },
	{ NULL, "mod", "u64", 16, 0 },
	{ "kset", NULL, NULL, 16, 0 },
	{ NULL, "list", "list_head", 0, 0 },
	{ "latch_tree_node", NULL, NULL, 48, 0 },
	{ NULL, "node", "rb_node", 0, 2 },
	{ "mod_tree_node", NULL, NULL, 56, 0 },
	{ NULL, "mod", "u64", 0, 0 },
	{ NULL, "node", "latch_tree_node", 8, 0 },
	{ "latch_tree_root", NULL, NULL, 24, 0 },
	{ NULL, "tree", "rb_root", 8, 2 },
	{ "mod_tree_root", NULL, NULL, 24, 0 },
	{ NULL, "root", "latch_tree_root", 0, 0 },
	{ "module_memory", NULL, NULL, 72, 0 },
	{ NULL, "base", "u64", 0, 0 },
	{ NULL, "size", "u32", 8, 0 },
	{ NULL, "mtn", "mod_tree_node", 16, 0 },
	{ "module", NULL, NULL, 304, 0 },
	{ NULL, "state", "u32", 0, 0 },
	{ NULL, "list", "list_head", 8, 0 },
	{ NULL, "name", "u8", 24, 56 },
	{ NULL, "mkobj", "module_kobject", 80, 0 },
	{ NULL, "syms", "u64", 104, 0 },
	{ NULL, "num_syms", "u32", 112, 0 },
	{ NULL, "kallsyms", "u64", 120, 0 },
	{ NULL, "mem", "module_memory", 128, 2 },
	{ "mod_kallsyms", NULL, NULL, 32, 0 },
	{ NULL, "symtab", "u64", 0, 0 },
	{ NULL, "num_symtab", "u32", 8, 0 },
	{ NULL, "strtab", "u64", 16, 0 },
	{ NULL, "typetab", "u64", 24, 0 },
	{ "elf64_sym", NULL, NULL, 24, 0 },
	{ NULL, "st_name", "u32", 0, 0 },
	{ NULL, "st_info", "u8", 4, 0 },
	{ NULL, "st_value", "u64", 8, 0 },
	{ NULL, "st_size", "u64", 16, 0 },
	{ "bpf_ksym", NULL, NULL, 40, 0 },
	{ NULL, "start", "u64", 0, 0 },
	{ NULL, "name", "u8", 8, 12 },
	{ NULL, "lnode", "list_head", 24, 0 },
	{ "ftrace_ops", NULL, NULL, 24, 0 },
	{ NULL, "trampoline", "u64", 0, 0 },
	{ NULL, "list", "list_head", 8, 0 },
	{ "kprobe_insn_page", NULL, NULL, 24, 0 },
	{ NULL, "list", "list_head", 0, 0 },
	{ NULL, "insns", "u64", 16, 0 },
	{ "kprobe_insn_cache", NULL, NULL, 24, 0 },
	{ NULL, "pages", "list_head", 8, 0 },
	{ "kernel_symbol", NULL, NULL, 8, 0 },
	{ NULL, "value_offset", "u32", 0, 0 },
	{ NULL, "name_offset", "u32", 4, 0 },
};
/* clang-format on */

#define TINY_STRUCTS_MAX 128

/** Names of types and their ids, while they are made. */
struct tiny_types {
	struct btf_builder *b;
	const char *names[TINY_STRUCTS_MAX];
	uint32_t ids[TINY_STRUCTS_MAX];
	size_t count;
};

static inline void
tiny_type_add(struct tiny_types *types, const char *name, uint32_t id)
{
	if (types->count == TINY_STRUCTS_MAX)
		abort();
	types->names[types->count] = name;
	types->ids[types->count++] = id;
}

static inline uint32_t
tiny_type(const struct tiny_types *types, const char *name)
{
	for (size_t i = 0; i < types->count; i++)
		if (strcmp(types->names[i], name) == 0)
			return types->ids[i];
	abort();
}

/** Is this struct, or member, not wanted? See tiny_types_make(). */
static inline bool
tiny_without(const char *without, const char *owner, const char *name)
{
	char full[64];

	(void)snprintf(full, sizeof(full), "%s%s%s", owner, name ? "." : "",
		       name ? name : "");
	while (without) {
		size_t len = strcspn(without, ",");

		if (strlen(full) == len && strncmp(full, without, len) == 0)
			return true;
		without = without[len] ? without + len + 1 : NULL;
	}
	return false;
}

/** Arrays come before the struct whose members they are. */
static inline void
tiny_struct(struct tiny_types *types, const struct tiny_row *row, size_t count,
	    const char *without)
{
	uint32_t member_types[64] = { 0 };
	uint32_t id = btf_builder_reserve(types->b);

	for (size_t i = 1; i < count; i++) {
		member_types[i] = tiny_type(types, row[i].type);
		if (row[i].count)
			member_types[i] = btf_builder_array(
				types->b, 0, member_types[i],
				row[i].count > 0 ? (uint64_t)row[i].count : 0);
	}
	btf_builder_struct(types->b, id, row->owner, row->offset);
	for (size_t i = 1; i < count; i++)
		if (!tiny_without(without, row->owner, row[i].name))
			btf_builder_member(types->b, row[i].name,
					   member_types[i],
					   (uint64_t)row[i].offset * 8, 0);
	tiny_type_add(types, row->owner, id);
}

/**
 * Make the types of tiny_rows.
 *
 * @param without  Structs and "struct.member"s that this kernel does not have,
 *                 with a comma between.
 */
static inline struct mvmi_types *tiny_types_make(const char *without)
{
	struct tiny_types types = { .b = btf_builder_create() };
	size_t rows = sizeof(tiny_rows) / sizeof(tiny_rows[0]);
	struct mvmi_types *made = NULL;

	tiny_type_add(&types, "u8", btf_builder_int(types.b, 0, "u8", 1, 0));
	tiny_type_add(&types, "u32", btf_builder_int(types.b, 0, "u32", 4, 0));
	tiny_type_add(&types, "u64", btf_builder_int(types.b, 0, "u64", 8, 0));
	for (size_t i = 0, n; i < rows; i += n) {
		for (n = 1; i + n < rows && tiny_rows[i + n].name; n++)
			;
		if (!tiny_without(without, tiny_rows[i].owner, NULL))
			tiny_struct(&types, &tiny_rows[i], n, without);
	}
	if (btf_builder_finish(types.b, &made, NULL) != MVMI_OK)
		abort();
	btf_builder_destroy(types.b);
	return made;
}

/* Where symbols are, and where tests may put what they like from. */
#define TINY_INIT_TASK	  UINT64_C(0x1000)
#define TINY_RUNQUEUES	  UINT64_C(0x1800)
#define TINY_INIT_PID_NS  UINT64_C(0x1900)
#define TINY_SPECIAL_NAME UINT64_C(0x1a00)
#define TINY_MODULES	  UINT64_C(0x1b00)
#define TINY_MOD_TREE	  UINT64_C(0x1b40)
#define TINY_MODULE_KSET  UINT64_C(0x1b80) /**< a pointer to the kset */
#define TINY_SOCKFS_DNAME UINT64_C(0x1c00)
#define TINY_SIMPLE_DNAME UINT64_C(0x1c10)
#define TINY_NS_DNAME	  UINT64_C(0x1c80)
#define TINY_BPF	  UINT64_C(0x1c20) /**< bpf_kallsyms */
#define TINY_TRAMPOLINES  UINT64_C(0x1c30)
#define TINY_KPROBES	  UINT64_C(0x1c40)
#define TINY_BPF_SHOWN	  UINT64_C(0x1c60) /**< bpf_jit_kallsyms */
#define TINY_BPF_HIDDEN	  UINT64_C(0x1c70) /**< bpf_jit_harden */
#define TINY_CALLS	  UINT64_C(0x1d00) /**< sys_call_table, four of them */
#define TINY_STEXT	  UINT64_C(0x1e00)
#define TINY_OPENAT	  UINT64_C(0x1e10)
#define TINY_ETEXT	  UINT64_C(0x1f00)
#define TINY_VMEMMAP	  UINT64_C(0x20000) /**< a struct page for each frame */
#define TINY_FREE	  UINT64_C(0x2000)

static inline void
tiny_symbol(struct symbols_builder *b, const char *name, uint64_t addr)
{
	struct symbols_new symbol = {
		.name = { (const uint8_t *)name, strlen(name) },
		.addr = addr,
		.type = 'D',
	};

	if (symbols_builder_add(b, &symbol, NULL) != MVMI_OK)
		abort();
}

static inline void tiny_symbols_make(struct mvmi_symbols **ret)
{
	struct symbols_builder b = { 0 };

	tiny_symbol(&b, "init_task", TINY_INIT_TASK);
	tiny_symbol(&b, "runqueues", TINY_RUNQUEUES);
	tiny_symbol(&b, "init_pid_ns", TINY_INIT_PID_NS);
	tiny_symbol(&b, "special_mapping_name", TINY_SPECIAL_NAME);
	tiny_symbol(&b, "modules", TINY_MODULES);
	tiny_symbol(&b, "mod_tree", TINY_MOD_TREE);
	tiny_symbol(&b, "module_kset", TINY_MODULE_KSET);
	tiny_symbol(&b, "sockfs_dname", TINY_SOCKFS_DNAME);
	tiny_symbol(&b, "ns_dname", TINY_NS_DNAME);
	tiny_symbol(&b, "bpf_kallsyms", TINY_BPF);
	tiny_symbol(&b, "ftrace_ops_trampoline_list", TINY_TRAMPOLINES);
	tiny_symbol(&b, "kprobe_insn_slots", TINY_KPROBES);
	tiny_symbol(&b, "bpf_jit_kallsyms", TINY_BPF_SHOWN);
	tiny_symbol(&b, "bpf_jit_harden", TINY_BPF_HIDDEN);
	tiny_symbol(&b, "sys_call_table", TINY_CALLS);
	tiny_symbol(&b, "after_the_table", TINY_CALLS + 32);
	tiny_symbol(&b, "_stext", TINY_STEXT);
	tiny_symbol(&b, "__x64_sys_openat", TINY_OPENAT);
	tiny_symbol(&b, "_etext", TINY_ETEXT);
	tiny_symbol(&b, "simple_dname", TINY_SIMPLE_DNAME);
	if (symbols_builder_finish(&b, ret, NULL) != MVMI_OK)
		abort();
	symbols_builder_fini(&b);
}

/** Open a guest over the present ramvm. Release with tiny_close(). */
static inline struct mvmi_os *tiny_open(const char *without)
{
	struct linux_os *guest = calloc(1, sizeof(*guest));

	if (!guest)
		abort();
	guest->os.ops = &os_linux;
	guest->os.vm = ramvm_open();
	guest->os.types = tiny_types_make(without);
	tiny_symbols_make(&guest->os.symbols);
	guest->kernel.params = (struct mvmi_space_params){
		.size = sizeof(guest->kernel.params),
		.paging = MVMI_PAGING_NONE,
	};
	guest->kernel.vmemmap_base = TINY_VMEMMAP;
	guest->kernel.cpu_count = 1;
	guest->kernel.per_cpu = calloc(1, sizeof(*guest->kernel.per_cpu));
	if (!guest->kernel.per_cpu ||
	    mvmi_space_create(guest->os.vm, &guest->kernel.params,
			      &guest->os.space, NULL) != MVMI_OK)
		abort();
	return &guest->os;
}

static inline void tiny_close(struct mvmi_os *os)
{
	struct mvmi_vm *vm = os->vm;

	mvmi_os_close(os);
	mvmi_vm_close(vm);
}

static inline void tiny_put_text(uint64_t at, const char *text)
{
	memcpy(ramvm.ram + at, text, strlen(text) + 1);
}

/** Make an empty list, or put a member at the end of one. */
static inline void tiny_list_init(uint64_t head)
{
	ramvm_put64(head, head);
	ramvm_put64(head + 8, head);
}

static inline uint64_t tiny_get64(uint64_t at)
{
	uint64_t value = 0;

	for (unsigned i = 8; i > 0; i--)
		value = value << 8 | ramvm.ram[at + i - 1];
	return value;
}

static inline void tiny_list_add(uint64_t head, uint64_t member)
{
	uint64_t last = tiny_get64(head + 8);

	ramvm_put64(member, head);
	ramvm_put64(member + 8, last);
	ramvm_put64(last, member);
	ramvm_put64(head + 8, member);
}

/* Offsets of members that tests put values at. */
enum {
	TINY_TASK_STATE = 0,
	TINY_TASK_EXIT_STATE = 4,
	TINY_TASK_FLAGS = 8,
	TINY_TASK_PID = 12,
	TINY_TASK_TGID = 16,
	TINY_TASK_ON_CPU = 20,
	TINY_TASK_COMM = 24,
	TINY_TASK_LINKS = 40,
	TINY_TASK_THREAD_LINKS = 56,
	TINY_TASK_PARENT = 72,
	TINY_TASK_LEADER = 80,
	TINY_TASK_SIGNAL = 88,
	TINY_TASK_CRED = 96,
	TINY_TASK_MM = 104,
	TINY_TASK_START = 128,
	TINY_TASK_WORKER = 136,
	TINY_TASK_CPU = 176,
	TINY_TASK_PID_LINKS = 184,
	TINY_SIGNAL_THREADS = 8,
	TINY_SIGNAL_SESSION = 48,
};

/* A task takes 1 KiB: its struct, its signal, cred, mm and pid behind it. */
#define TINY_TASK_LEN 1024
#define TINY_SIGNAL   256
#define TINY_CRED     320
#define TINY_MM	      384
#define TINY_PID      512

/** The task that tests call number n, from 0 on. */
static inline uint64_t tiny_task_at(unsigned n)
{
	return TINY_FREE + (uint64_t)n * TINY_TASK_LEN;
}

/** Put a task into RAM that is on no list of processes yet. */
static inline uint64_t
tiny_task_make(unsigned n, uint32_t pid, uint32_t tgid, const char *comm)
{
	uint64_t at = tiny_task_at(n);

	ramvm_put32(at + TINY_TASK_PID, pid);
	ramvm_put32(at + TINY_TASK_TGID, tgid);
	tiny_put_text(at + TINY_TASK_COMM, comm);
	ramvm_put64(at + TINY_TASK_PARENT, TINY_INIT_TASK);
	ramvm_put64(at + TINY_TASK_LEADER, at);
	ramvm_put64(at + TINY_TASK_SIGNAL, at + TINY_SIGNAL);
	ramvm_put64(at + TINY_TASK_CRED, at + TINY_CRED);
	ramvm_put64(at + TINY_SIGNAL + TINY_SIGNAL_SESSION, at + TINY_PID);
	ramvm_put32(at + TINY_SIGNAL, 1);
	ramvm_put32(at + TINY_PID + 40, pid);
	tiny_list_init(at + TINY_SIGNAL + TINY_SIGNAL_THREADS);
	tiny_list_add(at + TINY_SIGNAL + TINY_SIGNAL_THREADS,
		      at + TINY_TASK_THREAD_LINKS);
	return at;
}

/** Put a process into RAM, at the end of the list. */
static inline uint64_t tiny_process(unsigned n, uint32_t pid, const char *comm)
{
	uint64_t at = tiny_task_make(n, pid, pid, comm);

	tiny_list_add(TINY_INIT_TASK + TINY_TASK_LINKS, at + TINY_TASK_LINKS);
	return at;
}

/** A guest without processes. @param frozen  It does not change: a dump. */
static inline void tiny_reset(bool frozen)
{
	ramvm_reset();
	ramvm.frozen = frozen;
	tiny_list_init(TINY_INIT_TASK + TINY_TASK_LINKS);
	tiny_put_text(TINY_INIT_TASK + TINY_TASK_COMM, "swapper/0");
}

#endif /* MICROVMI_TEST_TINYLINUX_H */
