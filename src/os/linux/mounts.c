/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "os/linux/listing.h"
#include "os/linux/member.h"
#include "os/linux/path.h"
#include "os/linux/tasks.h"
#include "os/linux/text.h"
#include "os/linux/walk/links.h"
#include "os/linux/walk/rbtree.h"

/** MNT_READONLY, of a mount. */
#define MOUNT_IS_READ_ONLY 0x40u
/** MNT_CURSOR: a reader's bookmark on the list, no mount (5.8 to 6.7). */
#define MOUNT_IS_CURSOR 0x10000000u
/** SB_RDONLY, of a file system. */
#define SUPER_IS_READ_ONLY 1u
/** Bits of a dev_t that are the minor number. */
#define MINOR_BITS 20
/** Longest source that is told, with its NUL. */
#define SOURCE_MAX 4096

enum {
	NAMESPACE_LIST,
	NAMESPACE_TREE,
	NAMESPACE_FIELDS
};

static const char *const namespace_paths[NAMESPACE_FIELDS] = {
	[NAMESPACE_LIST] = "?list",	      /* before 6.8 */
	[NAMESPACE_TREE] = "?mounts.rb_node", /* before, it was a number */
};

static const struct shape_spec namespace_spec = {
	"mnt_namespace",
	namespace_paths,
	NAMESPACE_FIELDS,
};

/** The mounts of one namespace, as one process sees them. */
struct mount_walk {
	struct linux_os *guest;
	struct listing *listing;
	struct path root; /**< of the process */
	size_t link;	  /**< the member of struct mount that is linked */
};

static enum mvmi_status
describe_super(struct linux_os *guest, struct list *list,
	       const struct object *mount, struct mvmi_mount *ret,
	       struct mvmi_error *err)
{
	mvmi_gva at = object_gva(mount, MOUNT_SB);
	char type[PATH_TYPE_MAX];
	struct object super;
	uint64_t dev;
	enum mvmi_status status = object_read(
		&super, guest->os.space, &guest->shapes.super_block, at, err);

	if (status != MVMI_OK)
		return status;
	dev = object_u64(&super, SUPER_DEV);
	ret->device_major = (uint32_t)(dev >> MINOR_BITS);
	ret->device_minor = (uint32_t)(dev & ((1u << MINOR_BITS) - 1));
	if (object_u64(&super, SUPER_FLAGS) & SUPER_IS_READ_ONLY)
		ret->read_only = true;
	status = path_file_system(guest, at, type, err);
	if (status == MVMI_OK)
		ret->type = list_string(list, type, strlen(type));
	return status;
}

/** What hangs on a mount: strings, and its file system. */
static enum mvmi_status
describe(struct linux_os *guest, struct list *list, const struct object *mount,
	 struct mvmi_mount *ret, struct mvmi_error *err)
{
	mvmi_gva source = object_gva(mount, MOUNT_SOURCE);
	struct path_text root;
	char text[SOURCE_MAX] = "none";
	enum mvmi_status status = member_read(guest, "mount", "mnt_id",
					      object_gva(mount, MOUNT_PARENT),
					      &ret->parent_id, err);

	ret->parent_id &= UINT32_MAX;
	if (status == MVMI_OK)
		status = path_in_fs(guest, object_gva(mount, MOUNT_ROOT), &root,
				    err);
	if (status == MVMI_OK && source.val)
		status = text_read(guest->os.space, source, text, sizeof(text),
				   err);
	if (status != MVMI_OK)
		return status;
	ret->root =
		list_string(list, path_text_ptr(&root), path_text_len(&root));
	ret->source = list_string(list, text, strlen(text));
	return describe_super(guest, list, mount, ret, err);
}

/**
 * Add a mount, unless the process can't reach it: it lies beside its root, as
 * those outside of a chroot do, or below, as the nullfs under all since 7.0.
 */
static enum mvmi_status
add_mount(struct mount_walk *w, const struct object *mount,
	  struct mvmi_error *err)
{
	struct list *list = &w->listing->list;
	struct mvmi_mount *record;
	struct mvmi_error why;
	struct path_text path;
	enum mvmi_status status =
		path_of_mount(w->guest, mount, &w->root, &path, &why);

	if (status == MVMI_OK && path.end != PATH_AT_ROOT)
		return MVMI_OK;
	record = list_add(list, sizeof(*record));
	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	*record = (struct mvmi_mount){
		.id = object_u64(mount, MOUNT_ID),
		.root = "",
		.path = "",
		.type = "",
		.source = "",
		.read_only = (object_u64(mount, MOUNT_FLAGS) &
			      MOUNT_IS_READ_ONLY) != 0,
		.object = mount->gva,
	};
	if (status == MVMI_OK)
		record->path = list_string(list, path_text_ptr(&path),
					   path_text_len(&path));
	if (status == MVMI_OK)
		status = describe(w->guest, list, mount, record, &why);
	if (status != MVMI_OK)
		return listing_doubt(w->listing, &why, err, "mount %" PRIu64,
				     record->id);
	return MVMI_OK;
}

static enum mvmi_status visit(mvmi_gva link, void *arg, struct mvmi_error *err)
{
	struct mount_walk *w = arg;
	const struct shape *shape = &w->guest->shapes.mount;
	struct object mount;
	enum mvmi_status status =
		object_read(&mount, w->guest->os.space, shape,
			    shape_container(shape, w->link, link), err);

	if (status != MVMI_OK ||
	    (w->link == MOUNT_LIST &&
	     (object_u64(&mount, MOUNT_FLAGS) & MOUNT_IS_CURSOR)))
		return status;
	return add_mount(w, &mount, err);
}

static enum mvmi_status
walk_namespace(struct mount_walk *w, mvmi_gva namespace, struct mvmi_error *err)
{
	struct shape *shape = &w->guest->shapes.mnt_namespace;
	const struct shape *mount = &w->guest->shapes.mount;
	enum mvmi_status status =
		shape_resolve(shape, &namespace_spec, w->guest->os.types, err);
	uint64_t at;

	if (status != MVMI_OK)
		return status;
	if (shape_has(shape, NAMESPACE_TREE) && shape_has(mount, MOUNT_NODE)) {
		w->link = MOUNT_NODE;
		at = namespace.val + shape_offset(shape, NAMESPACE_TREE);
		return rbtree_walk(w->guest, mvmi_gva_at(at), visit, w, err);
	}
	if (shape_has(shape, NAMESPACE_LIST) && shape_has(mount, MOUNT_LIST)) {
		w->link = MOUNT_LIST;
		at = namespace.val + shape_offset(shape, NAMESPACE_LIST);
		return links_walk(w->guest->os.space, mvmi_gva_at(at), visit, w,
				  err);
	}
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "the guest's kernel keeps mounts in a way that is not "
		    "known");
}

/** Find whose mounts are meant: those of init are the initial ones. */
static enum mvmi_status find_viewer(struct linux_os *guest, uint64_t pid,
				    struct object *ret, struct mvmi_error *err)
{
	mvmi_gva at;
	enum mvmi_status status =
		task_find(guest, pid ? pid : 1, ret, pid ? err : NULL);

	if (status == MVMI_OK || pid)
		return status;
	status = linux_symbol(guest, "init_task", &at, err);
	return status == MVMI_OK ? task_read(guest, at, ret, err) : status;
}

static enum mvmi_status list_once(struct listing *l, struct mvmi_error *err)
{
	struct linux_os *guest = l->guest;
	struct mount_walk w = { .guest = guest, .listing = l };
	struct object task;
	uint64_t namespace = 0;
	mvmi_gva nsproxy, fs;
	enum mvmi_status status = path_prepare(guest, err);

	if (status == MVMI_OK)
		status = find_viewer(guest, l->pid, &task, err);
	if (status != MVMI_OK)
		return status;
	nsproxy = object_gva(&task, TASK_NSPROXY);
	fs = object_gva(&task, TASK_FS);
	/* A process that has ended sees nothing any more. */
	if (!nsproxy.val || !fs.val)
		return MVMI_OK;
	status = member_read(guest, "nsproxy", "mnt_ns", nsproxy, &namespace,
			     err);
	if (status == MVMI_OK)
		status = member_read(guest, "fs_struct", "root.mnt", fs,
				     &w.root.mnt.val, err);
	if (status == MVMI_OK)
		status = member_read(guest, "fs_struct", "root.dentry", fs,
				     &w.root.dentry.val, err);
	if (status == MVMI_OK)
		status = walk_namespace(&w, mvmi_gva_at(namespace), err);
	return status;
}

enum mvmi_status
linux_list_mounts(struct mvmi_os *os, uint64_t pid,
		  const struct mvmi_mount_list **ret, struct mvmi_error *err)
{
	struct listing l = { .guest = linux_of(os), .pid = pid };

	return listing_make(&l, list_once, sizeof(**ret), (const void **)ret,
			    err);
}
