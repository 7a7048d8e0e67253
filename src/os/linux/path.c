/* SPDX-License-Identifier: MIT */
#include "os/linux/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/member.h"
#include "os/linux/text.h"

/**
 * FMODE_BACKING: the file stands behind another one, of an overlay.  The bit
 * was moved, and where it was lies FMODE_NONOTIFY now: one of them must be set.
 */
#define MODE_BACKING (UINT64_C(3) << 24)
/** Longest text of a pseudo file system's own. */
#define PSEUDO_MAX 512

/** Members of struct dentry. */
enum {
	DENTRY_HASHED,
	DENTRY_PARENT,
	DENTRY_NAME,
	DENTRY_NAME_LEN,
	DENTRY_INODE,
	DENTRY_INLINE, /**< short names, which DENTRY_NAME points to */
	DENTRY_OPS,
	DENTRY_SB,
	DENTRY_PRIVATE,
	DENTRY_FIELDS,
};

static const char *const dentry_paths[DENTRY_FIELDS] = {
	[DENTRY_HASHED] = "d_hash.pprev",
	[DENTRY_PARENT] = "d_parent",
	[DENTRY_NAME] = "d_name.name",
	[DENTRY_NAME_LEN] = "d_name.len",
	[DENTRY_INODE] = "d_inode",
	[DENTRY_INLINE] = "?d_iname|d_shortname",
	[DENTRY_OPS] = "d_op",
	[DENTRY_SB] = "d_sb",
	[DENTRY_PRIVATE] = "d_fsdata",
};

static const struct shape_spec dentry_spec = {
	"dentry",
	dentry_paths,
	DENTRY_FIELDS,
};

static const char *const file_paths[FILE_FIELDS] = {
	[FILE_MNT] = "f_path.mnt",    [FILE_DENTRY] = "f_path.dentry",
	[FILE_INODE] = "f_inode",     [FILE_MODE] = "f_mode",
	[FILE_FLAGS] = "f_flags",     [FILE_POS] = "f_pos",
	[FILE_MAPPING] = "f_mapping", [FILE_PRIVATE] = "private_data",
};

static const struct shape_spec file_spec = {
	"file",
	file_paths,
	FILE_FIELDS,
};

static const char *const inode_paths[INODE_FIELDS] = {
	[INODE_MODE] = "i_mode",
	[INODE_NUMBER] = "i_ino",
	[INODE_SIZE] = "i_size",
	[INODE_RDEV] = "i_rdev",
	[INODE_SB] = "i_sb",
	[INODE_MAPPING] = "i_mapping",
	[INODE_PRIVATE] = "?i_private",
};

static const struct shape_spec inode_spec = {
	"inode",
	inode_paths,
	INODE_FIELDS,
};

static const char *const super_paths[SUPER_FIELDS] = {
	[SUPER_DEV] = "s_dev",
	[SUPER_FLAGS] = "s_flags",
	[SUPER_TYPE] = "s_type",
	[SUPER_SUBTYPE] = "?s_subtype",
};

static const struct shape_spec super_spec = {
	"super_block",
	super_paths,
	SUPER_FIELDS,
};

static const char *const mount_paths[MOUNT_FIELDS] = {
	[MOUNT_PARENT] = "mnt_parent",
	[MOUNT_MOUNTPOINT] = "mnt_mountpoint",
	[MOUNT_MNT] = "mnt",
	[MOUNT_ROOT] = "mnt.mnt_root",
	[MOUNT_SB] = "mnt.mnt_sb",
	[MOUNT_FLAGS] = "mnt.mnt_flags",
	[MOUNT_NAMESPACE] = "mnt_ns",
	[MOUNT_ID] = "mnt_id",
	[MOUNT_SOURCE] = "mnt_devname",
	[MOUNT_LIST] = "?mnt_list",
	[MOUNT_NODE] = "?mnt_node",
};

static const struct shape_spec mount_spec = {
	"mount",
	mount_paths,
	MOUNT_FIELDS,
};

enum {
	TYPE_NAME,
	TYPE_FIELDS
};

static const char *const type_paths[TYPE_FIELDS] = { [TYPE_NAME] = "name" };

static const struct shape_spec type_spec = {
	"file_system_type",
	type_paths,
	TYPE_FIELDS,
};

enum mvmi_status path_prepare(struct linux_os *guest, struct mvmi_error *err)
{
	const struct {
		struct shape *shape;
		const struct shape_spec *spec;
	} all[] = {
		{ &guest->shapes.dentry, &dentry_spec },
		{ &guest->shapes.file, &file_spec },
		{ &guest->shapes.inode, &inode_spec },
		{ &guest->shapes.super_block, &super_spec },
		{ &guest->shapes.mount, &mount_spec },
		{ &guest->shapes.file_system, &type_spec },
	};
	enum mvmi_status status = MVMI_OK;

	for (size_t i = 0; i < ARRAY_LEN(all) && status == MVMI_OK; i++)
		status = shape_resolve(all[i].shape, all[i].spec,
				       guest->os.types, err);
	return status;
}

static void text_init(struct path_text *text)
{
	text->start = sizeof(text->bytes);
	text->end = PATH_AT_ROOT;
}

static enum mvmi_status prepend(struct path_text *text, const void *bytes,
				size_t len, struct mvmi_error *err)
{
	if (len > text->start)
		return fail(err, MVMI_ERR_LIMIT,
			    "a path is longer than %d bytes", PATH_LEN_MAX);
	text->start -= len;
	memcpy(text->bytes + text->start, bytes, len);
	return MVMI_OK;
}

static enum mvmi_status
prepend_text(struct path_text *text, const char *s, struct mvmi_error *err)
{
	return prepend(text, s, strlen(s), err);
}

/** Whether a dentry is at the top of its file system: it is its own parent. */
static bool is_root(const struct object *dentry)
{
	return object_u64(dentry, DENTRY_PARENT) == dentry->gva.val;
}

/** d_unlinked(): its name was taken out of the cache. */
static bool is_unlinked(const struct object *dentry)
{
	return object_u64(dentry, DENTRY_HASHED) == 0 && !is_root(dentry);
}

/** Fetch a name: it is in the dentry that we have, or elsewhere if long. */
static enum mvmi_status
read_name(struct linux_os *guest, const struct object *dentry,
	  uint8_t name[PATH_NAME_MAX], size_t *ret, struct mvmi_error *err)
{
	const struct shape *shape = dentry->shape;
	uint64_t len = object_u64(dentry, DENTRY_NAME_LEN);
	mvmi_gva at = object_gva(dentry, DENTRY_NAME);
	struct mvmi_bytes inlined = object_bytes(dentry, DENTRY_INLINE);
	enum mvmi_status status = MVMI_OK;

	if (len > PATH_NAME_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "dentry 0x%" PRIx64 ": a name of %" PRIu64 " bytes",
			    dentry->gva.val, len);
	if (shape_has(shape, DENTRY_INLINE) && len <= inlined.len &&
	    at.val == object_at(dentry, DENTRY_INLINE).val)
		memcpy(name, inlined.ptr, (size_t)len);
	else
		status = mvmi_space_read(
			guest->os.space, at,
			(struct mvmi_span){ name, (size_t)len }, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "name of dentry 0x%" PRIx64,
				    dentry->gva.val);
	*ret = (size_t)len;
	return MVMI_OK;
}

static enum mvmi_status
prepend_name(struct linux_os *guest, const struct object *dentry,
	     struct path_text *text, struct mvmi_error *err)
{
	uint8_t name[PATH_NAME_MAX];
	size_t len = 0;
	enum mvmi_status status = read_name(guest, dentry, name, &len, err);

	if (status == MVMI_OK)
		status = prepend(text, name, len, err);
	return status == MVMI_OK ? prepend_text(text, "/", err) : status;
}

static enum mvmi_status read_dentry(struct linux_os *guest, mvmi_gva gva,
				    struct object *ret, struct mvmi_error *err)
{
	return object_read(ret, guest->os.space, &guest->shapes.dentry, gva,
			   err);
}

static enum mvmi_status read_mount(struct linux_os *guest, mvmi_gva gva,
				   struct object *ret, struct mvmi_error *err)
{
	return object_read(ret, guest->os.space, &guest->shapes.mount, gva,
			   err);
}

/** Of the last mount. Internal ones hold NULL or an error instead. */
static enum path_end end_of(const struct object *mount)
{
	uint64_t namespace = object_u64(mount, MOUNT_NAMESPACE);

	return namespace == 0 || namespace >= UINT64_MAX - 4095 ? PATH_DETACHED
								: PATH_AT_TOP;
}

/**
 * Climb from dentry to the root, writing names. Either bound ends a loop: the
 * walk has no other state than where it is.
 */
static enum mvmi_status
climb(struct linux_os *guest, struct object *dentry, mvmi_gva mnt,
      const struct path *root, struct path_text *text, struct mvmi_error *err)
{
	const struct shape *shape = &guest->shapes.mount;
	mvmi_gva at = shape_container(shape, MOUNT_MNT, mnt);
	size_t before = text->start;
	unsigned names = 0;
	unsigned mounts = 0;
	struct object mount;
	enum mvmi_status status = read_mount(guest, at, &mount, err);

	while (status == MVMI_OK) {
		mvmi_gva next = object_gva(dentry, DENTRY_PARENT);

		if (root && dentry->gva.val == root->dentry.val &&
		    object_at(&mount, MOUNT_MNT).val == root->mnt.val)
			return MVMI_OK;
		if (dentry->gva.val == object_u64(&mount, MOUNT_ROOT)) {
			mvmi_gva above = object_gva(&mount, MOUNT_PARENT);

			if (above.val == mount.gva.val) {
				text->end = end_of(&mount);
				return MVMI_OK;
			}
			if (++mounts > PATH_MOUNTS_MAX)
				break;
			next = object_gva(&mount, MOUNT_MOUNTPOINT);
			status = read_mount(guest, above, &mount, err);
		} else if (is_root(dentry)) {
			text->start = before;
			text->end = PATH_ESCAPED;
			return MVMI_OK;
		} else if (++names > PATH_DEPTH_MAX) {
			break;
		} else {
			status = prepend_name(guest, dentry, text, err);
		}
		if (status == MVMI_OK)
			status = read_dentry(guest, next, dentry, err);
	}
	if (status != MVMI_OK)
		return status;
	return fail(err, MVMI_ERR_LIMIT,
		    "a path goes through over %u mounts or %u names: it is a "
		    "loop, near dentry 0x%" PRIx64,
		    PATH_MOUNTS_MAX, PATH_DEPTH_MAX, dentry->gva.val);
}

/** Pipes and sockets: a word, and the inode's number. */
static enum mvmi_status
name_numbered(struct linux_os *guest, const struct object *dentry,
	      const char *word, char name[PSEUDO_MAX], struct mvmi_error *err)
{
	struct object inode;
	enum mvmi_status status =
		object_read(&inode, guest->os.space, &guest->shapes.inode,
			    object_gva(dentry, DENTRY_INODE), err);

	if (status == MVMI_OK)
		(void)snprintf(name, PSEUDO_MAX, "%s:[%" PRIu64 "]", word,
			       object_u64(&inode, INODE_NUMBER));
	return status;
}

/** ns_dname(): the inode belongs to the namespace, which names its kind. */
static enum mvmi_status
name_namespace(struct linux_os *guest, const struct object *dentry,
	       char name[PSEUDO_MAX], struct mvmi_error *err)
{
	uint64_t ops = 0;
	uint64_t text = 0;
	struct object inode;
	enum mvmi_status status =
		object_read(&inode, guest->os.space, &guest->shapes.inode,
			    object_gva(dentry, DENTRY_INODE), err);

	if (status == MVMI_OK)
		status = member_read(guest, "ns_common", "ops",
				     object_gva(&inode, INODE_PRIVATE), &ops,
				     err);
	if (status == MVMI_OK)
		status = member_read(guest, "proc_ns_operations", "name",
				     mvmi_gva_at(ops), &text, err);
	if (status == MVMI_OK)
		status = text_read(guest->os.space, mvmi_gva_at(text), name, 64,
				   err);
	if (status == MVMI_OK) {
		size_t len = strlen(name);

		(void)snprintf(name + len, PSEUDO_MAX - len, ":[%" PRIu64 "]",
			       object_u64(&inode, INODE_NUMBER));
	}
	return status;
}

/** dmabuffs_dname(): the buffer's own name, if it was given one. */
static enum mvmi_status
name_dma_buffer(struct linux_os *guest, const struct object *dentry,
		char name[PSEUDO_MAX], struct mvmi_error *err)
{
	uint64_t text = 0;
	size_t len = strlen(name);
	enum mvmi_status status =
		member_read(guest, "dma_buf", "name",
			    object_gva(dentry, DENTRY_PRIVATE), &text, err);

	name[len++] = ':';
	if (status == MVMI_OK && text)
		status = text_read(guest->os.space, mvmi_gva_at(text),
				   name + len, 64, err);
	return status;
}

/** Spell what the function that d_op names would, told by its symbol. */
static enum mvmi_status
spell_pseudo(struct linux_os *guest, const struct object *dentry,
	     const char *function, struct path_text *text,
	     struct mvmi_error *err)
{
	char name[PSEUDO_MAX] = { '/' };
	size_t len = 0;
	enum mvmi_status status =
		read_name(guest, dentry, (uint8_t *)name + 1, &len, err);

	if (status != MVMI_OK)
		return status;
	if (strcmp(function, "pipefs_dname") == 0) {
		status = name_numbered(guest, dentry, "pipe", name, err);
	} else if (strcmp(function, "sockfs_dname") == 0) {
		status = name_numbered(guest, dentry, "socket", name, err);
	} else if (strcmp(function, "anon_inodefs_dname") == 0) {
		status = prepend(text, name + 1, len, err);
		(void)snprintf(name, sizeof(name), "anon_inode:");
	} else if (strcmp(function, "pidfs_dname") == 0) {
		(void)snprintf(name, sizeof(name), "anon_inode:[pidfd]");
	} else if (strcmp(function, "ns_dname") == 0) {
		status = name_namespace(guest, dentry, name, err);
	} else if (strcmp(function, "dmabuffs_dname") == 0) {
		status = name_dma_buffer(guest, dentry, name, err);
	} else {
		/* simple_dname(), and what a module may bring. */
		status = prepend_text(text, " (deleted)", err);
	}
	return status == MVMI_OK ? prepend_text(text, name, err) : status;
}

/** The symbol of d_op->d_dname; "" where the file system has none. */
static enum mvmi_status
find_dname(struct linux_os *guest, const struct object *dentry,
	   const char **ret, struct mvmi_error *err)
{
	mvmi_gva ops = object_gva(dentry, DENTRY_OPS);
	uint64_t function = 0;
	struct mvmi_symbol symbol;
	enum mvmi_status status = MVMI_OK;

	*ret = "";
	if (ops.val)
		status = member_read(guest, "dentry_operations", "d_dname", ops,
				     &function, err);
	if (status != MVMI_OK || !function)
		return status;
	*ret = "?";
	if (mvmi_symbols_find_addr(guest->os.symbols, mvmi_gva_at(function),
				   &symbol) &&
	    symbol.addr == function)
		*ret = symbol.name;
	return MVMI_OK;
}

/** Whether a place is what its mount shows at its top. */
static enum mvmi_status
is_mount_root(struct linux_os *guest, const struct object *dentry, mvmi_gva mnt,
	      bool *ret, struct mvmi_error *err)
{
	uint64_t root = 0;
	enum mvmi_status status;

	*ret = false;
	if (!is_root(dentry))
		return MVMI_OK;
	status = member_read(guest, "vfsmount", "mnt_root", mnt, &root, err);
	*ret = root == dentry->gva.val;
	return status;
}

enum mvmi_status path_spell(struct linux_os *guest, const struct path *at,
			    const struct path *root, struct path_text *text,
			    struct mvmi_error *err)
{
	size_t end = sizeof(text->bytes);
	struct object dentry;
	const char *function = "";
	bool at_top = false;
	enum mvmi_status status = path_prepare(guest, err);

	text_init(text);
	if (status == MVMI_OK)
		status = read_dentry(guest, at->dentry, &dentry, err);
	if (status == MVMI_OK)
		status = find_dname(guest, &dentry, &function, err);
	if (status == MVMI_OK && function[0])
		status = is_mount_root(guest, &dentry, at->mnt, &at_top, err);
	if (status != MVMI_OK)
		return status;
	if (function[0] && !at_top) {
		text->end = PATH_DETACHED;
		return spell_pseudo(guest, &dentry, function, text, err);
	}
	if (is_unlinked(&dentry)) {
		status = prepend_text(text, " (deleted)", err);
		end = text->start;
	}
	if (status == MVMI_OK)
		status = climb(guest, &dentry, at->mnt, root, text, err);
	if (status == MVMI_OK && text->start == end)
		status = prepend_text(text, "/", err);
	return status;
}

enum mvmi_status
path_of_mount(struct linux_os *guest, const struct object *mount,
	      const struct path *root, struct path_text *text,
	      struct mvmi_error *err)
{
	struct object dentry;
	enum mvmi_status status;

	text_init(text);
	status =
		read_dentry(guest, object_gva(mount, MOUNT_ROOT), &dentry, err);
	if (status == MVMI_OK)
		status = climb(guest, &dentry, object_at(mount, MOUNT_MNT),
			       root, text, err);
	if (status == MVMI_OK && path_text_len(text) == 0)
		status = prepend_text(text, "/", err);
	return status;
}

enum mvmi_status path_in_fs(struct linux_os *guest, mvmi_gva dentry,
			    struct path_text *text, struct mvmi_error *err)
{
	const char *function = "";
	unsigned names = 0;
	struct object at;
	enum mvmi_status status = path_prepare(guest, err);

	text_init(text);
	if (status == MVMI_OK)
		status = read_dentry(guest, dentry, &at, err);
	if (status == MVMI_OK && is_root(&at)) {
		status = find_dname(guest, &at, &function, err);
		if (status == MVMI_OK && strcmp(function, "ns_dname") == 0)
			return spell_pseudo(guest, &at, function, text, err);
		return status == MVMI_OK ? prepend_text(text, "/", err)
					 : status;
	}
	if (status == MVMI_OK && is_unlinked(&at))
		status = prepend_text(text, "//deleted", err);
	while (status == MVMI_OK && !is_root(&at)) {
		if (++names > PATH_DEPTH_MAX)
			return fail(err, MVMI_ERR_LIMIT,
				    "a path has over %u names: it is a loop, "
				    "near dentry 0x%" PRIx64,
				    PATH_DEPTH_MAX, at.gva.val);
		status = prepend_name(guest, &at, text, err);
		if (status == MVMI_OK)
			status = read_dentry(guest,
					     object_gva(&at, DENTRY_PARENT),
					     &at, err);
	}
	return status;
}

enum mvmi_status
path_add(struct linux_os *guest, const struct path *at, struct list *list,
	 const char **ret, struct mvmi_error *err)
{
	struct path_text text;
	enum mvmi_status status = path_spell(guest, at, NULL, &text, err);

	if (status == MVMI_OK)
		*ret = list_string(list, path_text_ptr(&text),
				   path_text_len(&text));
	return status;
}

/**
 * What the user of an overlay opened, for the file that stands behind it.  Only
 * such a file is a struct backing_file, and no bit is proof of it: what would
 * be the user's path must lead to a file system, both ways to the same one.
 */
static void
find_user_path(struct linux_os *guest, mvmi_gva file, struct path *at)
{
	struct path user = { 0 };
	struct object dentry;
	uint64_t super = 0;

	/* From 6.5 to 6.7 f_path itself is the user's, and this is missing. */
	if (member_read(guest, "backing_file", "user_path.mnt", file,
			&user.mnt.val, NULL) == MVMI_OK &&
	    member_read(guest, "backing_file", "user_path.dentry", file,
			&user.dentry.val, NULL) == MVMI_OK &&
	    read_dentry(guest, user.dentry, &dentry, NULL) == MVMI_OK &&
	    member_read(guest, "vfsmount", "mnt_sb", user.mnt, &super, NULL) ==
		    MVMI_OK &&
	    super == object_u64(&dentry, DENTRY_SB))
		*at = user;
}

struct path
path_seen_of_file(struct linux_os *guest, const struct object *object)
{
	struct path at = { object_gva(object, FILE_MNT),
			   object_gva(object, FILE_DENTRY) };

	if (object_u64(object, FILE_MODE) & MODE_BACKING)
		find_user_path(guest, object->gva, &at);
	return at;
}

enum mvmi_status
path_of_file(struct linux_os *guest, mvmi_gva file, struct list *list,
	     const char **ret, struct mvmi_error *err)
{
	struct object object;
	struct path at;
	enum mvmi_status status = path_prepare(guest, err);

	if (status == MVMI_OK)
		status = object_read(&object, guest->os.space,
				     &guest->shapes.file, file, err);
	if (status != MVMI_OK)
		return status;
	at = path_seen_of_file(guest, &object);
	return path_add(guest, &at, list, ret, err);
}

enum mvmi_status
path_file_system(struct linux_os *guest, mvmi_gva super_block,
		 char name[PATH_TYPE_MAX], struct mvmi_error *err)
{
	struct object super, type;
	mvmi_gva sub;
	size_t len;
	enum mvmi_status status = path_prepare(guest, err);

	if (status == MVMI_OK)
		status = object_read(&super, guest->os.space,
				     &guest->shapes.super_block, super_block,
				     err);
	if (status == MVMI_OK)
		status = object_read(&type, guest->os.space,
				     &guest->shapes.file_system,
				     object_gva(&super, SUPER_TYPE), err);
	if (status == MVMI_OK)
		status =
			text_read(guest->os.space, object_gva(&type, TYPE_NAME),
				  name, PATH_TYPE_MAX / 2, err);
	if (status != MVMI_OK)
		return status;
	sub = object_gva(&super, SUPER_SUBTYPE);
	if (!sub.val)
		return MVMI_OK;
	len = strlen(name);
	name[len++] = '.';
	return text_read(guest->os.space, sub, name + len, PATH_TYPE_MAX - len,
			 err);
}
