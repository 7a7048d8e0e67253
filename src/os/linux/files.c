/* SPDX-License-Identifier: MIT */
#include "os/linux/files.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/listing.h"
#include "os/linux/path.h"
#include "os/linux/tasks.h"

/** Descriptors whose pointers are fetched at a time: one page of them. */
#define STEP 512
/** O_CLOEXEC, which the kernel keeps beside the flags, of the descriptor. */
#define CLOSE_ON_EXEC 02000000u

/** What the type bits of i_mode mean. */
#define MODE_TYPE      0170000u
#define MODE_SOCKET    0140000u
#define MODE_LINK      0120000u
#define MODE_REGULAR   0100000u
#define MODE_BLOCK     0060000u
#define MODE_DIRECTORY 0040000u
#define MODE_CHARACTER 0020000u
#define MODE_PIPE      0010000u

enum {
	FILES_TABLE,
	FILES_FIELDS
};

static const char *const files_paths[FILES_FIELDS] = { [FILES_TABLE] = "fdt" };

static const struct shape_spec files_spec = { "files_struct", files_paths,
					      FILES_FIELDS };

enum {
	TABLE_COUNT,
	TABLE_FILES,
	TABLE_CLOSE,
	TABLE_FIELDS
};

static const char *const table_paths[TABLE_FIELDS] = {
	[TABLE_COUNT] = "max_fds",
	[TABLE_FILES] = "fd",
	[TABLE_CLOSE] = "close_on_exec",
};

static const struct shape_spec table_spec = { "fdtable", table_paths,
					      TABLE_FIELDS };

static enum mvmi_status read_table(struct linux_os *guest, mvmi_gva files,
				   struct object *ret, struct mvmi_error *err)
{
	struct object object;
	enum mvmi_status status = shape_resolve(
		&guest->shapes.files, &files_spec, guest->os.types, err);

	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.fd_table, &table_spec,
				       guest->os.types, err);
	if (status == MVMI_OK)
		status = object_read(&object, guest->os.space,
				     &guest->shapes.files, files, err);
	if (status == MVMI_OK)
		status = object_read(ret, guest->os.space,
				     &guest->shapes.fd_table,
				     object_gva(&object, FILES_TABLE), err);
	return status;
}

/** Visit descriptors from first on, as many as fit in a step. */
static enum mvmi_status
walk_step(struct linux_os *guest, const struct object *table, uint64_t first,
	  files_fn fn, void *arg, struct mvmi_error *err)
{
	uint64_t count = object_u64(table, TABLE_COUNT);
	size_t n = (size_t)MIN(count - first, STEP);
	mvmi_gva at = object_gva(table, TABLE_FILES);
	mvmi_gva close = object_gva(table, TABLE_CLOSE);
	uint8_t files[STEP * 8];
	uint8_t bits[STEP / 8];
	enum mvmi_status status = mvmi_space_read(
		guest->os.space, mvmi_gva_at(at.val + first * 8),
		(struct mvmi_span){ files, n * 8 }, err);

	if (status == MVMI_OK)
		status = mvmi_space_read(
			guest->os.space, mvmi_gva_at(close.val + first / 8),
			(struct mvmi_span){ bits, (n + 7) / 8 }, err);
	if (status != MVMI_OK)
		return fail_context(err, status,
				    "descriptors from %" PRIu64 " on", first);
	for (size_t i = 0; i < n && status == MVMI_OK; i++) {
		struct files_entry entry = {
			.fd = first + i,
			.file = mvmi_gva_at(load_le64(files + i * 8)),
			.close_on_exec = bits[i / 8] >> i % 8 & 1,
		};

		if (entry.file.val)
			status = fn(&entry, arg, err);
	}
	return status;
}

enum mvmi_status files_walk(struct linux_os *guest, const struct object *task,
			    files_fn fn, void *arg, struct mvmi_error *err)
{
	mvmi_gva files = object_gva(task, TASK_FILES);
	struct object table;
	uint64_t count;
	enum mvmi_status status;

	if (!files.val)
		return MVMI_OK;
	status = read_table(guest, files, &table, err);
	if (status != MVMI_OK)
		return status;
	count = object_u64(&table, TABLE_COUNT);
	if (count > FILES_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "the table of files at 0x%" PRIx64
			    " claims %" PRIu64 " descriptors; at most %" PRIu64
			    " are believed",
			    table.gva.val, count, FILES_MAX);
	for (uint64_t fd = 0; fd < count && status == MVMI_OK; fd += STEP)
		status = walk_step(guest, &table, fd, fn, arg, err);
	return status;
}

static enum mvmi_file_kind kind_of(uint64_t mode, const char *path)
{
	/* The inodes of these have had no type, or that of a regular file. */
	if (strncmp(path, "anon_inode:", 11) == 0)
		return MVMI_FILE_ANONYMOUS;
	switch (mode & MODE_TYPE) {
	case MODE_SOCKET:
		return MVMI_FILE_SOCKET;
	case MODE_LINK:
		return MVMI_FILE_LINK;
	case MODE_REGULAR:
		return MVMI_FILE_REGULAR;
	case MODE_BLOCK:
		return MVMI_FILE_BLOCK;
	case MODE_DIRECTORY:
		return MVMI_FILE_DIRECTORY;
	case MODE_CHARACTER:
		return MVMI_FILE_CHARACTER;
	case MODE_PIPE:
		return MVMI_FILE_PIPE;
	default:
		return MVMI_FILE_UNKNOWN;
	}
}

static enum mvmi_status
describe(struct linux_os *guest, struct list *list, const struct object *file,
	 struct mvmi_file *ret, struct mvmi_error *err)
{
	struct object inode;
	uint64_t mode;
	enum mvmi_status status =
		object_read(&inode, guest->os.space, &guest->shapes.inode,
			    object_gva(file, FILE_INODE), err);

	if (status == MVMI_OK)
		status = path_of_file(guest, file->gva, list, &ret->path, err);
	if (status != MVMI_OK)
		return status;
	mode = object_u64(&inode, INODE_MODE);
	ret->kind = kind_of(mode, ret->path);
	ret->inode = object_u64(&inode, INODE_NUMBER);
	if (ret->kind == MVMI_FILE_REGULAR)
		ret->length = object_u64(&inode, INODE_SIZE);
	return MVMI_OK;
}

/**
 * Add one file. What hangs on it and can't be read makes a doubt, not a
 * failure: the descriptor is there.
 */
static enum mvmi_status
list_one(const struct files_entry *entry, void *arg, struct mvmi_error *err)
{
	struct listing *l = arg;
	struct linux_os *guest = l->guest;
	struct mvmi_file *record = list_add(&l->list, sizeof(*record));
	struct mvmi_error why;
	struct object file;
	enum mvmi_status status;

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	*record = (struct mvmi_file){
		.handle = entry->fd,
		.process_id = l->pid,
		.path = "",
		.object = entry->file,
	};
	status = object_read(&file, guest->os.space, &guest->shapes.file,
			     entry->file, &why);
	if (status == MVMI_OK) {
		record->flags = (uint32_t)object_u64(&file, FILE_FLAGS);
		record->offset = object_u64(&file, FILE_POS);
		status = describe(guest, &l->list, &file, record, &why);
	}
	if (entry->close_on_exec)
		record->flags |= CLOSE_ON_EXEC;
	if (status != MVMI_OK)
		return listing_doubt(l, &why, err, "descriptor %" PRIu64,
				     entry->fd);
	return MVMI_OK;
}

static enum mvmi_status list_once(struct listing *l, struct mvmi_error *err)
{
	struct object task;
	enum mvmi_status status = path_prepare(l->guest, err);

	if (status == MVMI_OK)
		status = task_find(l->guest, l->pid, &task, err);
	if (status == MVMI_OK)
		status = files_walk(l->guest, &task, list_one, l, err);
	return status;
}

enum mvmi_status
linux_list_files(struct mvmi_os *os, uint64_t pid,
		 const struct mvmi_file_list **ret, struct mvmi_error *err)
{
	struct listing l = { .guest = linux_of(os), .pid = pid };

	return listing_make(&l, list_once, sizeof(**ret), (const void **)ret,
			    err);
}
