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

static int print_json(const struct mvmi_syscall_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_syscall *call = list->items[i];
		json_t *object = json_object();

		output_put(object, "number", json_integer(call->number));
		output_put(object, "name", output_text(call->name));
		output_put(object, "handler", output_hex(call->handler.val));
		output_put(object, "symbol", output_text(call->symbol));
		output_put(object, "foreign", json_boolean(call->is_foreign));
		output_append(array, object);
	}
	return output_json(array);
}

static int print_text(const struct mvmi_syscall_list *list)
{
	static const char *const heading[] = { "NUMBER", "NAME", "HANDLER",
					       "SYMBOL", NULL };
	struct output_table table = { .columns = 4, .right = 1 << 0 };

	output_heading(&table, heading);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_syscall *call = list->items[i];

		output_cell(&table, "%" PRIu32, call->number);
		output_cell(&table, "%s", *call->name ? call->name : "-");
		output_cell(&table, "0x%" PRIx64, call->handler.val);
		output_cell(&table, "%s%s", *call->symbol ? call->symbol : "-",
			    call->is_foreign ? "  (not in the kernel's code!)"
					     : "");
	}
	return output_table(&table);
}

static int run(const char *const *operands)
{
	const struct mvmi_syscall_list *list = NULL;
	struct mvmi_error err;
	struct guest guest;
	int code = guest_open_held(&guest, operands[0]);

	if (code != EXIT_OK)
		return code;
	if (mvmi_os_list_syscalls(guest.os, &list, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(list->doubt);
		code = command_json ? print_json(list) : print_text(list);
	}
	mvmi_os_free(list);
	return code;
}

const struct command cmd_syscalls = {
	.name = "syscalls",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "list the guest's system call table",
	.details = "Lists the handler of each system call. One that is not in "
		   "the kernel's own code\nis marked: modules that hook calls "
		   "put themselves there.\n",
	.examples = "  microvmi syscalls /run/vm.qmp\n"
		    "  microvmi syscalls mem.elf --json | jq '.[] | "
		    "select(.foreign)'\n",
	.options = options,
	.run = run,
};
