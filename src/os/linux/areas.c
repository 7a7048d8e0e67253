/* SPDX-License-Identifier: MIT */
#include "os/linux/areas.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/listing.h"
#include "os/linux/member.h"
#include "os/linux/path.h"
#include "os/linux/text.h"
#include "os/linux/walk/maple.h"

/** Longest name that a process may give an area (ANON_VMA_NAME_MAX_LEN). */
#define AREA_NAME_MAX 80
/** mm.context.flags: the vsyscall page is in it (MM_CONTEXT_HAS_VSYSCALL). */
#define CONTEXT_HAS_VSYSCALL 2

static const char *const area_paths[AREA_FIELDS] = {
	[AREA_START] = "vm_start",
	[AREA_END] = "vm_end",
	[AREA_FLAGS] = "vm_flags|flags",
	[AREA_PAGE] = "vm_pgoff",
	[AREA_FILE] = "vm_file",
	[AREA_OPS] = "vm_ops",
	[AREA_PRIVATE] = "vm_private_data",
	[AREA_NEXT] = "?vm_next",
	[AREA_NAME] = "?anon_name",
	[AREA_SHARED] = "shared",
};

static const struct shape_spec area_spec = { "vm_area_struct", area_paths,
					     AREA_FIELDS };

static enum mvmi_status
areas_prepare(struct linux_os *guest, struct mvmi_error *err)
{
	enum mvmi_status status = tasks_prepare(guest, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.area, &area_spec,
				       guest->os.types, err);
	if (status == MVMI_OK && shape_has(&guest->shapes.mm, MM_TREE))
		status = maple_prepare(&guest->shapes.maple, guest->os.types,
				       err);
	return status;
}

/** A walk over areas, and the one that it is at. */
struct area_walk {
	struct linux_os *guest;
	area_fn fn;
	void *arg;
	size_t count;
	bool displaced;
	struct object area;
};

/** Read an area and check that it is sane, and behind the one before. */
static enum mvmi_status take_area(struct area_walk *walk, mvmi_gva at,
				  uint64_t after, struct mvmi_error *err)
{
	uint64_t start;
	uint64_t end;
	enum mvmi_status status =
		object_read(&walk->area, walk->guest->os.space,
			    &walk->guest->shapes.area, at, err);

	if (status != MVMI_OK)
		return status;
	start = object_u64(&walk->area, AREA_START);
	end = object_u64(&walk->area, AREA_END);
	if (start < after || end <= start)
		return fail(err, MVMI_ERR_CORRUPT,
			    "area at 0x%" PRIx64 " is from 0x%" PRIx64
			    " to 0x%" PRIx64 ", after one that ends at "
			    "0x%" PRIx64,
			    at.val, start, end, after);
	if (walk->count++ == AREAS_MAX)
		return fail(err, MVMI_ERR_LIMIT, "more than %zu areas",
			    AREAS_MAX);
	return MVMI_OK;
}

static enum mvmi_status
take_entry(uint64_t first, uint64_t last, uint64_t entry, void *arg,
	   struct mvmi_error *err)
{
	struct area_walk *walk = arg;
	enum mvmi_status status = take_area(walk, mvmi_gva_at(entry), 0, err);

	if (status != MVMI_OK)
		return status;
	/* A stack that grows, or moves while a program starts, is so. */
	if (object_u64(&walk->area, AREA_START) != first ||
	    object_u64(&walk->area, AREA_END) - 1 != last)
		walk->displaced = true;
	return walk->fn(&walk->area, walk->arg, err);
}

/** Walk the list of areas that there was before the tree. */
static enum mvmi_status
walk_list(struct area_walk *walk, mvmi_gva at, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	uint64_t after = 0;

	/* Each begins where the one before ends or later: no cycle. */
	while (status == MVMI_OK && at.val) {
		status = take_area(walk, at, after, err);
		if (status != MVMI_OK)
			break;
		after = object_u64(&walk->area, AREA_END);
		at = object_gva(&walk->area, AREA_NEXT);
		status = walk->fn(&walk->area, walk->arg, err);
	}
	return status;
}

enum mvmi_status
areas_walk(struct linux_os *guest, const struct object *mm, area_fn fn,
	   void *arg, bool *displaced, struct mvmi_error *err)
{
	struct area_walk walk;
	enum mvmi_status status = areas_prepare(guest, err);

	if (status != MVMI_OK)
		return status;
	walk.guest = guest;
	walk.fn = fn;
	walk.arg = arg;
	walk.count = 0;
	walk.displaced = false;
	if (shape_has(&guest->shapes.mm, MM_TREE))
		status = maple_walk(guest->os.space, &guest->shapes.maple,
				    object_u64(mm, MM_TREE), take_entry, &walk,
				    err);
	else if (shape_has(&guest->shapes.mm, MM_AREA) &&
		 shape_has(&guest->shapes.area, AREA_NEXT))
		status = walk_list(&walk, object_gva(mm, MM_AREA), err);
	else
		status = fail(err, MVMI_ERR_UNSUPPORTED,
			      "the guest's kernel keeps areas neither in a "
			      "tree nor in a list that is known");
	*displaced = walk.displaced;
	return status;
}

/** A search for the area of an address. */
struct area_search {
	uint64_t gva;
	bool found;
	struct object *ret;
};

static enum mvmi_status
search_one(const struct object *area, void *arg, struct mvmi_error *err)
{
	struct area_search *search = arg;

	if (object_u64(area, AREA_END) <= search->gva)
		return MVMI_OK;
	if (object_u64(area, AREA_START) <= search->gva) {
		search->found = true;
		*search->ret = *area;
	}
	/* Nothing further matters: end the walk. */
	return fail(err, MVMI_ERR_BUSY, "found");
}

/** Go down a tree to the area that ends behind an address, and take it. */
static enum mvmi_status
search_tree(struct linux_os *guest, uint64_t root, struct area_search *search,
	    struct mvmi_error *err)
{
	struct maple_entry entry = { .value = 0 };
	struct area_walk walk;
	enum mvmi_status status =
		maple_find(guest->os.space, &guest->shapes.maple, root,
			   search->gva, &entry, err);

	if (status != MVMI_OK || entry.value == 0)
		return status;
	walk.guest = guest;
	walk.fn = search_one;
	walk.arg = search;
	walk.count = 0;
	walk.displaced = false;
	return take_entry(entry.first, entry.last, entry.value, &walk, err);
}

static enum mvmi_status
search_list(struct linux_os *guest, mvmi_gva first, struct area_search *search,
	    struct mvmi_error *err)
{
	struct area_walk walk;

	walk.guest = guest;
	walk.fn = search_one;
	walk.arg = search;
	walk.count = 0;
	return walk_list(&walk, first, err);
}

enum mvmi_status area_find(struct linux_os *guest, const struct object *mm,
			   const struct object *below, mvmi_gva gva,
			   struct object *ret, struct mvmi_error *err)
{
	struct area_search search = { .gva = gva.val, .ret = ret };
	enum mvmi_status status = areas_prepare(guest, err);

	if (status != MVMI_OK)
		return status;
	if (shape_has(&guest->shapes.mm, MM_TREE))
		status = search_tree(guest, object_u64(mm, MM_TREE), &search,
				     err);
	else
		status = search_list(guest,
				     below ? object_gva(below, AREA_NEXT)
					   : object_gva(mm, MM_AREA),
				     &search, err);
	if (search.found)
		return MVMI_OK;
	if (status == MVMI_OK || status == MVMI_ERR_BUSY)
		return fail_walk(err, gva.val, "no area holds this address");
	return status;
}

/**
 * The name that a process gave an area. Until 6.2 its place was shared with
 * what areas of files need.
 */
static enum mvmi_status
given_name(struct linux_os *guest, const struct object *area,
	   char name[AREA_NAME_MAX + 1], struct mvmi_error *err)
{
	const struct shape *shape = &guest->shapes.area;
	uint64_t place = shape_offset(shape, AREA_NAME);
	uint64_t shared = shape_offset(shape, AREA_SHARED);
	bool overlaid = place >= shared &&
			place - shared < shape->fields[AREA_SHARED].size;
	struct mvmi_field field = { 0 };
	mvmi_gva at = object_gva(area, AREA_NAME);
	enum mvmi_status status;

	name[0] = '\0';
	if (at.val == 0 || (overlaid && object_u64(area, AREA_FILE)))
		return MVMI_OK;
	status = mvmi_types_field(guest->os.types, "anon_vma_name", "name",
				  &field, err);
	if (status == MVMI_OK)
		status = text_read(guest->os.space,
				   mvmi_gva_at(at.val + field.offset), name,
				   AREA_NAME_MAX + 1, err);
	return status;
}

/** "[vdso]" and its like: areas of the kernel's own name themselves. */
static enum mvmi_status
special_name(struct linux_os *guest, const struct object *area,
	     char name[AREA_NAME_MAX + 1], struct mvmi_error *err)
{
	struct mvmi_field field = { 0 };
	mvmi_gva ops = object_gva(area, AREA_OPS);
	mvmi_gva special = { 0 };
	uint64_t function = 0;
	uint64_t text = 0;
	enum mvmi_status status;

	name[0] = '\0';
	if (ops.val == 0 || linux_symbol(guest, "special_mapping_name",
					 &special, NULL) != MVMI_OK)
		return MVMI_OK;
	status = mvmi_types_field(guest->os.types, "vm_operations_struct",
				  "name", &field, err);
	if (status == MVMI_OK)
		status = mvmi_space_read_u64(
			guest->os.space, mvmi_gva_at(ops.val + field.offset),
			&function, err);
	if (status != MVMI_OK || function != special.val)
		return status;
	status = mvmi_types_field(guest->os.types, "vm_special_mapping", "name",
				  &field, err);
	if (status == MVMI_OK)
		status = mvmi_space_read_u64(
			guest->os.space,
			mvmi_gva_at(object_u64(area, AREA_PRIVATE) +
				    field.offset),
			&text, err);
	if (status == MVMI_OK)
		status = text_read(guest->os.space, mvmi_gva_at(text), name,
				   AREA_NAME_MAX + 1, err);
	return status;
}

/** Where /proc asks last: is it the heap, or the first thread's stack? */
static const char *
nature_name(const struct object *mm, const struct object *area, uint32_t *flags)
{
	uint64_t start = object_u64(area, AREA_START);
	uint64_t end = object_u64(area, AREA_END);
	uint64_t stack = object_u64(mm, MM_START_STACK);

	if (start < object_u64(mm, MM_BRK) &&
	    end > object_u64(mm, MM_START_BRK)) {
		*flags |= MVMI_AREA_HEAP;
		return "[heap]";
	}
	if (start <= stack && end >= stack) {
		*flags |= MVMI_AREA_STACK;
		return "[stack]";
	}
	return "";
}

/** A list of areas that is being made. */
struct area_listing {
	struct listing listing;
	const struct object *mm;
	const struct mvmi_area *last;
	uint64_t last_file;
	unsigned tries; /**< that were made in vain */
};

/** Name an area as /proc does. */
static enum mvmi_status
find_name(struct area_listing *l, const struct object *area,
	  struct mvmi_area *ret, struct mvmi_error *err)
{
	struct linux_os *guest = l->listing.guest;
	struct list *list = &l->listing.list;
	mvmi_gva file = object_gva(area, AREA_FILE);
	char name[AREA_NAME_MAX + 1];
	enum mvmi_status status = given_name(guest, area, name, err);

	if (status != MVMI_OK)
		return status;
	if (file.val && name[0]) {
		ret->path = list_format(list, "[anon_shmem:%s]", name);
		return MVMI_OK;
	}
	if (file.val)
		return path_of_file(guest, file, list, &ret->path, err);
	if (name[0]) {
		ret->path = nature_name(l->mm, area, &ret->flags);
		if (!ret->path[0])
			ret->path = list_format(list, "[anon:%s]", name);
		return MVMI_OK;
	}
	status = special_name(guest, area, name, err);
	if (status != MVMI_OK)
		return status;
	ret->path = name[0] ? list_string(list, name, strlen(name))
			    : nature_name(l->mm, area, &ret->flags);
	return MVMI_OK;
}

/**
 * The inode that the user of a file sees. Of what stands behind a file of an
 * overlay that is the overlay's (file_user_inode()).
 */
static enum mvmi_status
find_inode(struct linux_os *guest, const struct object *file, mvmi_gva *ret,
	   struct mvmi_error *err)
{
	struct path seen = path_seen_of_file(guest, file);

	*ret = object_gva(file, FILE_INODE);
	if (seen.dentry.val == object_u64(file, FILE_DENTRY))
		return MVMI_OK;
	return member_read(guest, "dentry", "d_inode", seen.dentry, &ret->val,
			   err);
}

static enum mvmi_status add_file(struct linux_os *guest, mvmi_gva file,
				 struct mvmi_area *ret, struct mvmi_error *err)
{
	struct object object;
	mvmi_gva inode = { 0 };
	uint64_t device;
	enum mvmi_status status = path_prepare(guest, err);

	if (status == MVMI_OK)
		status = object_read(&object, guest->os.space,
				     &guest->shapes.file, file, err);
	if (status == MVMI_OK)
		status = find_inode(guest, &object, &inode, err);
	if (status == MVMI_OK)
		status = object_read(&object, guest->os.space,
				     &guest->shapes.inode, inode, err);
	if (status == MVMI_OK) {
		ret->inode = object_u64(&object, INODE_NUMBER);
		status = object_read(&object, guest->os.space,
				     &guest->shapes.super_block,
				     object_gva(&object, INODE_SB), err);
	}
	if (status != MVMI_OK)
		return status;
	/* dev_t has 12 bits of major and 20 of minor number. */
	device = object_u64(&object, SUPER_DEV);
	ret->device_major = (uint32_t)(device >> 20 & 0xfff);
	ret->device_minor = (uint32_t)(device & 0xfffff);
	return MVMI_OK;
}

/** What a program maps is mostly several parts of one file in a row. */
static enum mvmi_status
add_name(struct area_listing *l, const struct object *area,
	 struct mvmi_area *ret, struct mvmi_error *err)
{
	mvmi_gva file = object_gva(area, AREA_FILE);
	enum mvmi_status status = MVMI_OK;

	if (file.val && file.val == l->last_file && l->last->path[0] == '/') {
		ret->inode = l->last->inode;
		ret->device_major = l->last->device_major;
		ret->device_minor = l->last->device_minor;
		ret->path = l->last->path;
		return MVMI_OK;
	}
	if (file.val)
		status = add_file(l->listing.guest, file, ret, err);
	if (status == MVMI_OK)
		status = find_name(l, area, ret, err);
	return status;
}

static enum mvmi_status
list_one(const struct object *area, void *arg, struct mvmi_error *err)
{
	struct area_listing *l = arg;
	uint64_t flags = object_u64(area, AREA_FLAGS);
	struct mvmi_error why = { .status = MVMI_OK };
	struct mvmi_area *record = list_add(&l->listing.list, sizeof(*record));
	enum mvmi_status status;

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	record->start = object_gva(area, AREA_START);
	record->end = object_gva(area, AREA_END);
	record->object = area->gva;
	record->path = "";
	record->flags = (flags & AREA_CAN_READ ? MVMI_AREA_READ : 0u) |
			(flags & AREA_CAN_WRITE ? MVMI_AREA_WRITE : 0u) |
			(flags & AREA_CAN_EXEC ? MVMI_AREA_EXEC : 0u) |
			(flags & AREA_MAY_SHARE ? MVMI_AREA_SHARED : 0u);
	if (object_u64(area, AREA_FILE))
		record->offset = object_u64(area, AREA_PAGE) * MVMI_PAGE_SIZE;
	status = add_name(l, area, record, &why);
	if (tasks_torn(status) || status == MVMI_ERR_UNSUPPORTED) {
		list_doubt(&l->listing.list, "area 0x%" PRIx64 ": %s",
			   record->start.val, why.msg);
		status = MVMI_OK;
	} else if (status != MVMI_OK && err) {
		*err = why;
	}
	l->last = record;
	l->last_file = object_u64(area, AREA_FILE);
	return status;
}

/**
 * Add the page of ancient system calls, which is in no process's tree. Without
 * it the kernel neither maps the page nor takes its right to be read.
 */
static enum mvmi_status
list_vsyscall(struct area_listing *l, struct mvmi_error *err)
{
	const struct shape *mm = &l->listing.guest->shapes.mm;
	struct object gate;
	mvmi_gva at = { 0 };
	mvmi_gpa gpa;
	struct mvmi_area *record;
	enum mvmi_status status;

	if ((shape_has(mm, MM_CONTEXT_FLAGS) &&
	     !(object_u64(l->mm, MM_CONTEXT_FLAGS) & CONTEXT_HAS_VSYSCALL)) ||
	    object_u64(l->mm, MM_IA32_COMPAT) ||
	    linux_symbol(l->listing.guest, "gate_vma", &at, NULL) != MVMI_OK)
		return MVMI_OK;
	status = object_read(&gate, l->listing.guest->os.space,
			     &l->listing.guest->shapes.area, at, err);
	if (status != MVMI_OK)
		return status;
	if ((object_u64(&gate, AREA_FLAGS) & AREA_CAN_READ) &&
	    mvmi_space_translate(l->listing.guest->os.space,
				 object_gva(&gate, AREA_START), &gpa,
				 NULL) != MVMI_OK)
		return MVMI_OK;
	status = list_one(&gate, l, err);
	if (status != MVMI_OK)
		return status;
	record = l->listing.list.items[l->listing.list.count - 1];
	record->path = "[vsyscall]";
	return MVMI_OK;
}

static enum mvmi_status
list_all(struct listing *listing, struct mvmi_error *err)
{
	struct area_listing *l =
		container_of(listing, struct area_listing, listing);
	bool displaced = false;
	struct object mm;
	enum mvmi_status status =
		task_find_mm(listing->guest, listing->pid, &mm, err);

	l->mm = &mm;
	l->last_file = 0;
	if (status == MVMI_OK)
		status = areas_walk(listing->guest, &mm, list_one, l,
				    &displaced, err);
	if (status == MVMI_OK)
		status = list_vsyscall(l, err);
	if (displaced)
		list_doubt(&listing->list,
			   "process %" PRIu64
			   " was changing its areas: one is not where its "
			   "tree has it",
			   listing->pid);
	if (status == MVMI_OK && displaced && l->tries++ < LINUX_TRIES - 1 &&
	    linux_is_running(listing->guest))
		status = fail(err, MVMI_ERR_CORRUPT, "caught in a change");
	l->mm = NULL;
	return fail_context(err, status, "areas of process %" PRIu64,
			    listing->pid);
}

enum mvmi_status
linux_list_areas(struct mvmi_os *os, uint64_t pid,
		 const struct mvmi_area_list **ret, struct mvmi_error *err)
{
	struct area_listing l = { .listing = { .guest = linux_of(os),
					       .pid = pid } };

	return listing_make(&l.listing, list_all, sizeof(**ret),
			    (const void **)ret, err);
}
