/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"

/* Where /proc/PID/maps begins paths (show_map_vma(), 64 bits). */
#define PATH_COLUMN 73

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

struct perms {
	char text[5];
};

static struct perms perms_of(uint32_t flags)
{
	return (struct perms){ {
		flags & MVMI_AREA_READ ? 'r' : '-',
		flags & MVMI_AREA_WRITE ? 'w' : '-',
		flags & MVMI_AREA_EXEC ? 'x' : '-',
		flags & MVMI_AREA_SHARED ? 's' : 'p',
		'\0',
	} };
}

static json_t *area_json(const struct mvmi_area *area)
{
	json_t *object = json_object();
	char device[24];

	(void)snprintf(device, sizeof(device), "%02x:%02x", area->device_major,
		       area->device_minor);
	output_put(object, "start", output_hex(area->start.val));
	output_put(object, "end", output_hex(area->end.val));
	output_put(object, "perms", json_string(perms_of(area->flags).text));
	output_put(object, "offset", output_number(area->offset));
	output_put(object, "device", json_string(device));
	output_put(object, "inode", output_number(area->inode));
	output_put(object, "path", output_text(area->path));
	output_put(object, "object", output_hex(area->object.val));
	return object;
}

static int print_json(const struct mvmi_area_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		output_append(array, area_json(list->items[i]));
	return output_json(array);
}

static int print_text(const struct mvmi_area_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_area *area = list->items[i];
		int column = printf("%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64
				    " %02x:%02x %" PRIu64 " ",
				    area->start.val, area->end.val,
				    perms_of(area->flags).text, area->offset,
				    area->device_major, area->device_minor,
				    area->inode);

		if (*area->path) {
			(void)printf("%*s",
				     column < PATH_COLUMN ? PATH_COLUMN - column
							  : 0,
				     "");
			output_printable(area->path);
		}
		(void)putchar('\n');
	}
	return output_finish();
}

static int run(const char *const *operands)
{
	const struct mvmi_area_list *list = NULL;
	struct mvmi_error err;
	struct guest guest;
	uint64_t pid;
	int code = guest_need_pid(&pid);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	if (mvmi_os_list_areas(guest.os, pid, &list, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(list->doubt);
		code = command_json ? print_json(list) : print_text(list);
	}
	mvmi_os_free(list);
	return code;
}

const struct command cmd_maps = {
	.name = "maps",
	.operands = "TARGET --pid N",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list the memory areas of a process",
	.details = "Prints what /proc/N/maps shows in the guest: addresses, "
		   "rights, offset into the\nfile, its device and inode, and "
		   "its path.\n",
	.examples = "  microvmi maps /run/vm.qmp --pid 1\n"
		    "  microvmi maps mem.elf --pid 412 --json\n",
	.options = options,
	.run = run,
};
