/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Paths of open files and of mount points, spelled as the kernel's d_path()
 * does: through the mounts that lie above, with " (deleted)" behind a name that
 * is gone, and pseudo file systems in their own words ("socket:[42]").
 *
 * path_prepare() finds the shapes of struct file, inode, super_block,
 * file_system_type, dentry and mount in guest->shapes; whoever reads such
 * objects calls it first and uses the members below.
 */
#ifndef MICROVMI_OS_LINUX_PATH_H
#define MICROVMI_OS_LINUX_PATH_H

#include "os/linux/linux.h"

#define path_prepare	  mvmi__path_prepare
#define path_spell	  mvmi__path_spell
#define path_in_fs	  mvmi__path_in_fs
#define path_of_mount	  mvmi__path_of_mount
#define path_of_file	  mvmi__path_of_file
#define path_seen_of_file mvmi__path_seen_of_file
#define path_add	  mvmi__path_add
#define path_file_system  mvmi__path_file_system

/** Longest path, with what is appended. The kernel's own limit is 4096. */
#define PATH_LEN_MAX 8192
/** Longest name of one file; the kernel's is 255. */
#define PATH_NAME_MAX 255
/** Names in one path. */
#define PATH_DEPTH_MAX 2048
/** Mounts that one path leads through. */
#define PATH_MOUNTS_MAX 64
/** Longest name of a file system's type, with subtype. */
#define PATH_TYPE_MAX 128

/** Members of struct file. */
enum {
	FILE_MNT,
	FILE_DENTRY,
	FILE_INODE,
	FILE_MODE,
	FILE_FLAGS,
	FILE_POS,
	FILE_MAPPING,
	FILE_PRIVATE,
	FILE_FIELDS,
};

/** Members of struct inode. */
enum {
	INODE_MODE,
	INODE_NUMBER,
	INODE_SIZE,
	INODE_RDEV,
	INODE_SB,
	INODE_MAPPING,
	INODE_PRIVATE,
	INODE_FIELDS,
};

/** Members of struct super_block. */
enum {
	SUPER_DEV,
	SUPER_FLAGS,
	SUPER_TYPE,
	SUPER_SUBTYPE,
	SUPER_FIELDS,
};

/** Members of struct mount. */
enum {
	MOUNT_PARENT,
	MOUNT_MOUNTPOINT,
	MOUNT_MNT, /**< the struct vfsmount in it, which a struct path names */
	MOUNT_ROOT,
	MOUNT_SB,
	MOUNT_FLAGS,
	MOUNT_NAMESPACE,
	MOUNT_ID,
	MOUNT_SOURCE,
	MOUNT_LIST, /**< on the namespace's list, before 6.8 */
	MOUNT_NODE, /**< in the namespace's tree, since 6.8 */
	MOUNT_FIELDS,
};

/** struct path: a place in the tree of files. */
struct path {
	mvmi_gva mnt; /**< struct vfsmount */
	mvmi_gva dentry;
};

/** Where a walk up from a place came to. */
enum path_end {
	PATH_AT_ROOT, /**< of who looks */
	PATH_AT_TOP, /**< of the mount namespace; that of who looks is not above */
	PATH_DETACHED, /**< at a mount that is in no namespace */
	PATH_ESCAPED,  /**< above the mount's own root */
};

/** A path as it is written, from its end. Not for copying. */
struct path_text {
	size_t start; /**< in bytes */
	enum path_end end;
	char bytes[PATH_LEN_MAX];
};

static inline const char *path_text_ptr(const struct path_text *text)
{
	return text->bytes + text->start;
}

static inline size_t path_text_len(const struct path_text *text)
{
	return sizeof(text->bytes) - text->start;
}

/** Find the shapes. Costs nothing the second time. */
enum mvmi_status path_prepare(struct linux_os *guest, struct mvmi_error *err);

/**
 * Spell a path as d_path() does.  It never writes "(unreachable)": a place that
 * root is not above of is spelled from the top of its own namespace, and
 * text->end tells.
 *
 * @param root  Of who looks; NULL: the top.
 */
enum mvmi_status path_spell(struct linux_os *guest, const struct path *at,
			    const struct path *root, struct path_text *text,
			    struct mvmi_error *err);

/**
 * Spell a path from its file system's own root, as dentry_path() does; of a
 * namespace, its name.
 */
enum mvmi_status path_in_fs(struct linux_os *guest, mvmi_gva dentry,
			    struct path_text *text, struct mvmi_error *err);

/**
 * Spell where a mount lies, as mountinfo does: also if that is deleted.
 *
 * @param mount  struct mount.
 * @param root   As for path_spell().
 */
enum mvmi_status
path_of_mount(struct linux_os *guest, const struct object *mount,
	      const struct path *root, struct path_text *text,
	      struct mvmi_error *err);

/** Append a path to a list's strings. */
enum mvmi_status
path_add(struct linux_os *guest, const struct path *at, struct list *list,
	 const char **ret, struct mvmi_error *err);

/**
 * The place of a file as its user sees it: of one that stands behind another in
 * an overlay, that of the overlay's.
 *
 * @param object  A struct file.
 */
struct path
path_seen_of_file(struct linux_os *guest, const struct object *object);

/**
 * The path of an open or mapped file, as readlink(/proc/PID/fd/N) tells it.
 *
 * @param file  struct file.
 * @param ret   Lives with list.
 */
enum mvmi_status
path_of_file(struct linux_os *guest, mvmi_gva file, struct list *list,
	     const char **ret, struct mvmi_error *err);

/** Name the file system of a super block, e.g. "ext4", "fuse.sshfs". */
enum mvmi_status
path_file_system(struct linux_os *guest, mvmi_gva super_block,
		 char name[PATH_TYPE_MAX], struct mvmi_error *err);

#endif /* MICROVMI_OS_LINUX_PATH_H */
