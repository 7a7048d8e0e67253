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

static int print_json(const struct mvmi_image_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_image *image = list->items[i];
		json_t *object = json_object();

		output_put(object, "base", output_hex(image->base.val));
		output_put(object, "end", output_hex(image->end.val));
		output_put(object, "path", output_text(image->path));
		output_put(object, "build_id", output_text(image->build_id));
		output_append(array, object);
	}
	return output_json(array);
}

static int print_text(const struct mvmi_image_list *list)
{
	static const char *const heading[] = { "BASE", "END", "BUILD ID",
					       "PATH", NULL };
	struct output_table table = { .columns = 4 };

	output_heading(&table, heading);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_image *image = list->items[i];

		output_cell(&table, "0x%" PRIx64, image->base.val);
		output_cell(&table, "0x%" PRIx64, image->end.val);
		output_cell(&table, "%s",
			    *image->build_id ? image->build_id : "-");
		output_cell(&table, "%s", image->path);
	}
	return output_table(&table);
}

static int run(const char *const *operands)
{
	const struct mvmi_image_list *list = NULL;
	struct mvmi_error err;
	struct guest guest;
	uint64_t pid;
	int code = guest_need_pid(&pid);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	if (mvmi_os_list_images(guest.os, pid, &list, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(list->doubt);
		code = command_json ? print_json(list) : print_text(list);
	}
	mvmi_os_free(list);
	return code;
}

const struct command cmd_images = {
	.name = "images",
	.operands = "TARGET --pid N",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list the executable and libraries of a process",
	.details = "Lists every image that is mapped into the process, with "
		   "the build id that\nfinds its debug information. `microvmi "
		   "symbols --pid N` has their symbols.\n",
	.examples = "  microvmi images /run/vm.qmp --pid 1\n"
		    "  microvmi images mem.elf --pid 412 --json\n",
	.options = options,
	.run = run,
};
