/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Files, mounts, a socket and modules for the guest of tinylinux.h:
 *
 *	/		mount 1, with etc/passwd, which is descriptor 0
 *	/mnt		mount 2 on it, with "long", deleted, which is 1
 *	socket:[7]	descriptor 2: a unix socket of the abstract name "@x"
 *
 * and two modules, the first of which exports one of its two symbols.
 */
#ifndef MICROVMI_TEST_TINYVFS_H
#define MICROVMI_TEST_TINYVFS_H

#include "tinylinux.h"

/* Where things are; all below TVFS_END. */
#define TVFS_SUPER     UINT64_C(0x3000)
#define TVFS_TYPE      UINT64_C(0x3040)
#define TVFS_OPS       UINT64_C(0x3050) /**< d_op of sockets */
#define TVFS_DENTRIES  UINT64_C(0x3100)
#define TVFS_NAMES     UINT64_C(0x3400)
#define TVFS_MOUNTS    UINT64_C(0x3600)
#define TVFS_NAMESPACE UINT64_C(0x3900)
#define TVFS_NSPROXY   UINT64_C(0x3920)
#define TVFS_FS	       UINT64_C(0x3930)
#define TVFS_INODES    UINT64_C(0x3a00)
#define TVFS_FILES     UINT64_C(0x3b00)
#define TVFS_TABLES    UINT64_C(0x3c00) /**< struct files_struct, fdtable */
#define TVFS_FDTABLE   UINT64_C(0x3c10)
#define TVFS_FDS       UINT64_C(0x3c40)
#define TVFS_SOCKET    UINT64_C(0x3d00)
#define TVFS_SOCK      UINT64_C(0x3d20)
#define TVFS_ADDRESS   UINT64_C(0x3d80)
#define TVFS_PROTO     UINT64_C(0x3e00)
#define TVFS_MODULES   UINT64_C(0x3f00)
#define TVFS_KALLSYMS  UINT64_C(0x4180)
#define TVFS_SYMTAB    UINT64_C(0x41b0)
#define TVFS_STRTAB    UINT64_C(0x4200)
#define TVFS_TYPETAB   UINT64_C(0x4230)
#define TVFS_EXPORTS   UINT64_C(0x4240)
#define TVFS_KSET      UINT64_C(0x4260)
#define TVFS_END       UINT64_C(0x4300)

/** Dentries, by what they are called. */
enum tvfs_dentry {
	TVFS_ROOT, /**< of mount 1 */
	TVFS_ETC,
	TVFS_PASSWD,
	TVFS_MNT,    /**< in mount 1, where mount 2 lies */
	TVFS_ROOT_2, /**< of mount 2 */
	TVFS_LONG,
	TVFS_SOCKET_NAME,
};

static inline uint64_t tvfs_dentry_at(enum tvfs_dentry n)
{
	return TVFS_DENTRIES + (uint64_t)n * 96;
}

static inline uint64_t tvfs_mount_at(unsigned n)
{
	return TVFS_MOUNTS + (uint64_t)n * 112;
}

static inline uint64_t tvfs_file_at(unsigned n)
{
	return TVFS_FILES + (uint64_t)n * 64;
}

static inline uint64_t tvfs_module_at(unsigned n)
{
	return TVFS_MODULES + (uint64_t)n * 304;
}

/** Where the struct vfsmount in a mount is. */
static inline uint64_t tvfs_mnt_at(unsigned n)
{
	return tvfs_mount_at(n) + 16;
}

static inline void tvfs_put_dentry(enum tvfs_dentry n, enum tvfs_dentry parent,
				   const char *name, bool hashed)
{
	uint64_t at = tvfs_dentry_at(n);
	uint64_t text = TVFS_NAMES + (uint64_t)n * 32;

	tiny_put_text(text, name);
	ramvm_put64(at + 8, hashed ? at : 0);
	ramvm_put64(at + 16, tvfs_dentry_at(parent));
	ramvm_put32(at + 24 + 4, (uint32_t)strlen(name));
	ramvm_put64(at + 24 + 8, text);
	ramvm_put64(at + 64, TVFS_SUPER);
}

static inline void
tvfs_put_mount(unsigned n, unsigned parent, enum tvfs_dentry mountpoint,
	       enum tvfs_dentry root)
{
	uint64_t at = tvfs_mount_at(n);

	ramvm_put64(at, tvfs_mount_at(parent));
	ramvm_put64(at + 8, tvfs_dentry_at(mountpoint));
	ramvm_put64(at + 16, tvfs_dentry_at(root));
	ramvm_put64(at + 24, TVFS_SUPER);
	ramvm_put64(at + 40, TVFS_NAMESPACE);
	ramvm_put32(at + 48, n + 1);
	ramvm_put64(at + 56, TVFS_NAMES + 0x1e0);
	tiny_list_add(TVFS_NAMESPACE, at + 64);
}

static inline void tvfs_put_file(unsigned n, unsigned mount,
				 enum tvfs_dentry dentry, uint32_t mode)
{
	uint64_t at = tvfs_file_at(n);
	uint64_t inode = TVFS_INODES + (uint64_t)n * 64;

	ramvm_put64(at, tvfs_mnt_at(mount));
	ramvm_put64(at + 8, tvfs_dentry_at(dentry));
	ramvm_put64(at + 16, inode);
	ramvm_put32(at + 28, 2);
	ramvm_put64(at + 32, 10 + n);
	ramvm_put32(inode, mode);
	ramvm_put64(inode + 8, 5 + n);
	ramvm_put64(inode + 16, 100 + n);
	ramvm_put64(inode + 24, TVFS_SUPER);
	ramvm_put64(tvfs_dentry_at(dentry) + 40, inode);
	ramvm_put64(TVFS_FDS + (uint64_t)n * 8, at);
}

static inline void tvfs_put_socket(void)
{
	tvfs_put_dentry(TVFS_SOCKET_NAME, TVFS_SOCKET_NAME, "", true);
	tvfs_put_file(2, 0, TVFS_SOCKET_NAME, 0140777);
	ramvm_put64(tvfs_dentry_at(TVFS_SOCKET_NAME) + 48, TVFS_OPS);
	ramvm_put64(TVFS_OPS, TINY_SOCKFS_DNAME);
	ramvm_put64(tvfs_file_at(2) + 48, TVFS_SOCKET);
	ramvm_put32(TVFS_SOCKET, 2);
	ramvm_put64(TVFS_SOCKET + 8, tvfs_file_at(2));
	ramvm_put64(TVFS_SOCKET + 16, TVFS_SOCK);
	ramvm.ram[TVFS_SOCK + 12] = 1;
	ramvm.ram[TVFS_SOCK + 14] = 7;
	ramvm_put64(TVFS_SOCK + 16, TVFS_PROTO);
	ramvm_put64(TVFS_SOCK + 64, TVFS_ADDRESS);
	tiny_put_text(TVFS_PROTO, "UNIX");
	ramvm_put32(TVFS_ADDRESS + 4, 2 + 2);
	ramvm.ram[TVFS_ADDRESS + 8 + 2 + 1] = 'x';
}

/** A module on the list, in the tree of addresses and in sysfs. */
static inline void tvfs_put_module(unsigned n, const char *name)
{
	uint64_t at = tvfs_module_at(n);

	tiny_list_add(TINY_MODULES, at + 8);
	tiny_put_text(at + 24, name);
	tiny_list_add(TVFS_KSET, at + 80);
	ramvm_put64(at + 96, at);
	ramvm_put64(at + 128, 0x10000 + (uint64_t)n * 0x1000);
	ramvm_put32(at + 136, 0x800);
	ramvm_put64(at + 144, at); /* mtn.mod; its node lies 8 behind */
}

static inline uint64_t tvfs_module_node(unsigned n)
{
	return tvfs_module_at(n) + 152;
}

/** Two symbols of module 0: a static and an exported function. */
static inline void tvfs_put_symbols(void)
{
	uint64_t at = tvfs_module_at(0);

	ramvm_put64(at + 120, TVFS_KALLSYMS);
	ramvm_put64(TVFS_KALLSYMS, TVFS_SYMTAB);
	ramvm_put32(TVFS_KALLSYMS + 8, 3);
	ramvm_put64(TVFS_KALLSYMS + 16, TVFS_STRTAB);
	ramvm_put64(TVFS_KALLSYMS + 24, TVFS_TYPETAB);
	ramvm_put32(TVFS_SYMTAB + 24, 1);
	ramvm_put64(TVFS_SYMTAB + 24 + 8, 0x10010);
	ramvm_put32(TVFS_SYMTAB + 48, 7);
	ramvm_put64(TVFS_SYMTAB + 48 + 8, 0x10020);
	ramvm_put64(TVFS_SYMTAB + 48 + 16, 9);
	tiny_put_text(TVFS_STRTAB + 1, "local");
	tiny_put_text(TVFS_STRTAB + 7, "shared");
	tiny_put_text(TVFS_TYPETAB, "?tt");
	ramvm_put64(at + 104, TVFS_EXPORTS);
	ramvm_put32(at + 112, 1);
	ramvm_put32(TVFS_EXPORTS, (uint32_t)(0x10020 - TVFS_EXPORTS));
	ramvm_put32(TVFS_EXPORTS + 4,
		    (uint32_t)(TVFS_STRTAB + 7 - TVFS_EXPORTS - 4));
}

/** A guest with all of it, seen by process 1. */
static inline void tvfs_reset(bool frozen)
{
	uint64_t task;

	tiny_reset(frozen);
	task = tiny_process(0, 1, "init");
	ramvm_put64(task + 144, TVFS_NSPROXY);
	ramvm_put64(task + 152, TVFS_TABLES);
	ramvm_put64(task + 160, TVFS_FS);
	ramvm_put64(TVFS_TYPE, TVFS_NAMES + 0x1f0);
	tiny_put_text(TVFS_NAMES + 0x1f0, "tinyfs");
	tiny_put_text(TVFS_NAMES + 0x1e0, "/dev/vda");
	ramvm_put32(TVFS_SUPER, 8 << 20 | 3);
	ramvm_put64(TVFS_SUPER + 16, TVFS_TYPE);
	tvfs_put_dentry(TVFS_ROOT, TVFS_ROOT, "/", true);
	tvfs_put_dentry(TVFS_ETC, TVFS_ROOT, "etc", true);
	tvfs_put_dentry(TVFS_PASSWD, TVFS_ETC, "passwd", true);
	tvfs_put_dentry(TVFS_MNT, TVFS_ROOT, "mnt", true);
	tvfs_put_dentry(TVFS_ROOT_2, TVFS_ROOT_2, "/", true);
	tvfs_put_dentry(TVFS_LONG, TVFS_ROOT_2, "long", false);
	tiny_list_init(TVFS_NAMESPACE);
	tvfs_put_mount(0, 0, TVFS_ROOT, TVFS_ROOT);
	tvfs_put_mount(1, 0, TVFS_MNT, TVFS_ROOT_2);
	/* As a tree, mount 2 is to the right of 1. */
	ramvm_put64(TVFS_NAMESPACE + 16, tvfs_mount_at(0) + 80);
	ramvm_put64(tvfs_mount_at(0) + 80 + 8, tvfs_mount_at(1) + 80);
	ramvm_put64(tvfs_mount_at(1) + 80, tvfs_mount_at(0) + 80);
	ramvm_put64(TVFS_NSPROXY, TVFS_NAMESPACE);
	ramvm_put64(TVFS_FS, tvfs_mnt_at(0));
	ramvm_put64(TVFS_FS + 8, tvfs_dentry_at(TVFS_ROOT));
	ramvm_put64(TVFS_TABLES, TVFS_FDTABLE);
	ramvm_put32(TVFS_FDTABLE, 8);
	ramvm_put64(TVFS_FDTABLE + 8, TVFS_FDS);
	ramvm_put64(TVFS_FDTABLE + 16, TVFS_FDS + 64);
	ramvm.ram[TVFS_FDS + 64] = 2;
	tvfs_put_file(0, 0, TVFS_PASSWD, 0100644);
	tvfs_put_file(1, 1, TVFS_LONG, 0100600);
	tvfs_put_socket();
	tiny_list_init(TINY_MODULES);
	tiny_list_init(TVFS_KSET);
	tiny_list_init(TINY_BPF);
	tiny_list_init(TINY_TRAMPOLINES);
	tiny_list_init(TINY_KPROBES + 8);
	ramvm_put64(TINY_MODULE_KSET, TVFS_KSET);
	tvfs_put_module(0, "first");
	tvfs_put_module(1, "second");
	ramvm_put64(TINY_MOD_TREE + 8, tvfs_module_node(0));
	ramvm_put64(tvfs_module_node(0) + 16, tvfs_module_node(1));
	ramvm_put64(tvfs_module_node(1), tvfs_module_node(0));
	tvfs_put_symbols();
}

#endif /* MICROVMI_TEST_TINYVFS_H */
