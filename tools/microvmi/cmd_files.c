/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"
#include "tasks.h"

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** Open files of one process after the other, to print at the end. */
struct listing {
	struct output_table table;
	json_t *array; /**< owned; NULL unless for JSON */
};

/** "r", "w" or "rw", from what open(2) was given. */
static const char *mode_name(uint32_t flags)
{
	static const char *const modes[] = { "r", "w", "rw", "-" };

	return modes[flags & 3];
}

static void
add_object(json_t *array, const struct mvmi_file *file, const char *name)
{
	json_t *object = json_object();

	output_put(object, "pid", output_number(file->process_id));
	output_put(object, "name", output_text(name));
	output_put(object, "fd", output_number(file->handle));
	output_put(object, "kind",
		   json_string(mvmi_file_kind_name(file->kind)));
	output_put(object, "mode", json_string(mode_name(file->flags)));
	output_put(object, "flags", output_hex(file->flags));
	output_put(object, "offset", output_number(file->offset));
	output_put(object, "inode", output_number(file->inode));
	output_put(object, "size", output_number(file->length));
	output_put(object, "path", output_text(file->path));
	output_put(object, "object", output_hex(file->object.val));
	output_append(array, object);
}

static void add_row(struct output_table *table, const struct mvmi_file *file,
		    const char *name)
{
	output_cell(table, "%" PRIu64, file->process_id);
	output_cell(table, "%s", name);
	output_cell(table, "%" PRIu64, file->handle);
	output_cell(table, "%s", mode_name(file->flags));
	output_cell(table, "%s", mvmi_file_kind_name(file->kind));
	output_cell(table, "%" PRIu64, file->offset);
	output_cell(table, "%" PRIu64, file->inode);
	output_cell(table, "%s", file->path);
}

static void add_files(struct listing *listing,
		      const struct mvmi_file_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++) {
		if (listing->array)
			add_object(listing->array, list->items[i], name);
		else
			add_row(&listing->table, list->items[i], name);
	}
}

/** Files of all processes; what fails for one is said, and goes on. */
static int add_process(struct guest *guest, const struct mvmi_task *task,
		       bool only, struct listing *listing)
{
	const struct mvmi_file_list *list;
	struct mvmi_error err;

	if (mvmi_os_list_files(guest->os, task->process_id, &list, &err) ==
	    MVMI_OK) {
		add_files(listing, list, task->name);
		guest_doubt(list->doubt);
		mvmi_os_free(list);
		return EXIT_OK;
	}
	if (only || err.status == MVMI_ERR_GONE ||
	    err.status == MVMI_ERR_UNSUPPORTED)
		return diag_plain_error(&err);
	diag_say("in doubt: files of process %" PRIu64 ": %s", task->process_id,
		 err.msg);
	return EXIT_OK;
}

static int add_all(struct guest *guest, uint64_t pid, struct listing *listing)
{
	const struct mvmi_task_list *tasks;
	int code = tasks_list(guest, pid, 0, &tasks);

	if (code != EXIT_OK)
		return code;
	for (size_t i = 0; code == EXIT_OK && i < tasks->count; i++)
		code = add_process(guest, tasks->items[i], guest_has_pid(),
				   listing);
	mvmi_os_free(tasks);
	return code;
}

static int run(const char *const *operands)
{
	static const char *const heading[] = {
		"PID",	  "NAME",  "FD",   "MODE", "KIND",
		"OFFSET", "INODE", "PATH", NULL,
	};
	struct listing listing = {
		.table = { .columns = 8,
			   .right = 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 },
	};
	struct guest guest;
	uint64_t pid;
	int code = guest_pid(&pid);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	listing.array = command_json ? json_array() : NULL;
	output_heading(&listing.table, heading);
	code = guest_close(&guest, add_all(&guest, pid, &listing));
	if (code == EXIT_OK && command_json)
		code = output_json(json_incref(listing.array));
	else if (code == EXIT_OK)
		return output_table(&listing.table);
	json_decref(listing.array);
	output_table_fini(&listing.table);
	return code;
}

const struct command cmd_files = {
	.name = "files",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list open files, of one process or of all",
	.details = "Lists file descriptors as /proc/N/fd has them: what is "
		   "open, how, and at which\noffset. The VM is held until all "
		   "are read.\n",
	.examples = "  microvmi files /run/vm.qmp --pid 412\n"
		    "  microvmi files mem.elf | grep '(deleted)'\n",
	.options = options,
	.run = run,
};
