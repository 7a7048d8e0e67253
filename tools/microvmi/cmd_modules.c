/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static json_t *module_json(const struct mvmi_module *module)
{
	json_t *object = json_object();

	output_put(object, "name", output_text(module->name));
	output_put(object, "base", output_hex(module->base.val));
	output_put(object, "size", output_number(module->len));
	output_put(object, "use_count",
		   module->use_count < 0 ? json_null()
					 : json_integer(module->use_count));
	output_put(object, "state", output_text(module->state));
	output_put(object, "path", output_text(module->path));
	output_put(object, "object", output_hex(module->object.val));
	return object;
}

static int print_json(const struct mvmi_module_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		output_append(array, module_json(list->items[i]));
	return output_json(array);
}

static int print_text(const struct mvmi_module_list *list)
{
	static const char *const heading[] = { "NAME",	"SIZE", "USED",
					       "STATE", "BASE", NULL };
	struct output_table table = { .columns = 5, .right = 1 << 1 | 1 << 2 };

	output_heading(&table, heading);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_module *module = list->items[i];

		output_cell(&table, "%s", module->name);
		output_cell(&table, "%" PRIu64, module->len);
		if (module->use_count < 0)
			output_cell(&table, "-");
		else
			output_cell(&table, "%" PRId64, module->use_count);
		output_cell(&table, "%s", module->state);
		output_cell(&table, "0x%" PRIx64, module->base.val);
	}
	return output_table(&table);
}

static int run(const char *const *operands)
{
	const struct mvmi_module_list *list = NULL;
	struct mvmi_error err;
	struct guest guest;
	int code = guest_open_held(&guest, operands[0]);

	if (code != EXIT_OK)
		return code;
	if (mvmi_os_list_modules(guest.os, &list, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(list->doubt);
		code = command_json ? print_json(list) : print_text(list);
	}
	mvmi_os_free(list);
	return code;
}

const struct command cmd_modules = {
	.name = "modules",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list the modules that the guest's kernel loaded",
	.details = "Lists what lsmod lists, in the same order, with where the "
		   "code of each is. SIZE\nis in bytes, all parts together.\n",
	.examples = "  microvmi modules /run/vm.qmp\n"
		    "  microvmi modules mem.elf --json\n",
	.options = options,
	.run = run,
};
