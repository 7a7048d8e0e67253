/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static json_t *mount_json(const struct mvmi_mount *mount)
{
	json_t *object = json_object();
	char device[24];

	(void)snprintf(device, sizeof(device), "%u:%u", mount->device_major,
		       mount->device_minor);
	output_put(object, "id", output_number(mount->id));
	output_put(object, "parent_id", output_number(mount->parent_id));
	output_put(object, "device", json_string(device));
	output_put(object, "root", output_text(mount->root));
	output_put(object, "path", output_text(mount->path));
	output_put(object, "type", output_text(mount->type));
	output_put(object, "source", output_text(mount->source));
	output_put(object, "read_only", json_boolean(mount->read_only));
	output_put(object, "object", output_hex(mount->object.val));
	return object;
}

static int print_json(const struct mvmi_mount_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		output_append(array, mount_json(list->items[i]));
	return output_json(array);
}

static int print_text(const struct mvmi_mount_list *list)
{
	static const char *const heading[] = {
		"ID",	  "PARENT", "DEVICE", "TYPE", "RW",
		"SOURCE", "ROOT",   "PATH",   NULL,
	};
	struct output_table table = { .columns = 8, .right = 1 << 0 | 1 << 1 };

	output_heading(&table, heading);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_mount *mount = list->items[i];

		output_cell(&table, "%" PRIu64, mount->id);
		output_cell(&table, "%" PRIu64, mount->parent_id);
		output_cell(&table, "%u:%u", mount->device_major,
			    mount->device_minor);
		output_cell(&table, "%s", mount->type);
		output_cell(&table, "%s", mount->read_only ? "ro" : "rw");
		output_cell(&table, "%s", *mount->source ? mount->source : "-");
		output_cell(&table, "%s", mount->root);
		output_cell(&table, "%s", mount->path);
	}
	return output_table(&table);
}

static int run(const char *const *operands)
{
	const struct mvmi_mount_list *list = NULL;
	struct mvmi_error err;
	struct guest guest;
	uint64_t pid;
	int code = guest_pid(&pid);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	if (!guest_has_pid())
		pid = 0;
	if (mvmi_os_list_mounts(guest.os, pid, &list, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(list->doubt);
		code = command_json ? print_json(list) : print_text(list);
	}
	mvmi_os_free(list);
	return code;
}

const struct command cmd_mounts = {
	.name = "mounts",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list mounted file systems, as a process sees them",
	.details = "Lists the mounts of the initial mount namespace, or with "
		   "--pid those of the\nnamespace that a process lives in, as "
		   "/proc/N/mountinfo shows them. ROOT is what\nof the file "
		   "system is mounted.\n",
	.examples = "  microvmi mounts /run/vm.qmp\n"
		    "  microvmi mounts mem.elf --pid 412 --json\n",
	.options = options,
	.run = run,
};
