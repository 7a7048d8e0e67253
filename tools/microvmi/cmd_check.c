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

static json_t *finding_json(const struct mvmi_finding *finding)
{
	json_t *object = json_object();

	output_put(object, "check", output_text(finding->check));
	output_put(object, "text", output_text(finding->text));
	output_put(object, "object", output_hex(finding->object.val));
	output_put(object, "pid", output_number(finding->id));
	return object;
}

static int print_json(const struct mvmi_finding_list *list)
{
	json_t *document = json_object();
	json_t *findings = json_array();
	json_t *checks = json_array();

	for (size_t i = 0; i < list->count; i++)
		output_append(findings, finding_json(list->items[i]));
	for (size_t i = 0; i < list->check_count; i++)
		output_append(checks, output_text(list->checks[i]));
	output_put(document, "findings", findings);
	output_put(document, "checks", checks);
	output_put(document, "doubt", output_text(list->doubt));
	return output_json(document);
}

static int print_text(const struct mvmi_finding_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_finding *finding = list->items[i];

		(void)printf("FOUND    ");
		output_printable(finding->check);
		(void)printf(": ");
		output_printable(finding->text);
		(void)printf(" (object 0x%" PRIx64 ")\n", finding->object.val);
	}
	for (size_t i = 0; i < list->check_count; i++) {
		(void)printf("checked  ");
		output_printable(list->checks[i]);
		(void)putchar('\n');
	}
	(void)printf("%zu finding%s\n", list->count,
		     list->count == 1 ? "" : "s");
	return output_finish();
}

static int run(const char *const *operands)
{
	const struct mvmi_finding_list *list = NULL;
	struct mvmi_error err;
	struct guest guest;
	int code = guest_open_held(&guest, operands[0]);

	if (code != EXIT_OK)
		return code;
	if (mvmi_os_check(guest.os, &list, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(list->doubt);
		code = command_json ? print_json(list) : print_text(list);
	}
	if (code == EXIT_OK && list->count)
		code = EXIT_FINDINGS;
	mvmi_os_free(list);
	return code;
}

const struct command cmd_check = {
	.name = "check",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "compare views that a rootkit would have to change together",
	.details =
		"Compares the task list with the pid table, the children of "
		"each task and what runs\non the CPUs; the module list with "
		"the module tree and sysfs; and the tables of\nsystem calls "
		"and interrupts with the kernel's code. Whatever is in one and "
		"not in the\nother is a finding; then the exit code is 7. What "
		"could not be compared is said, too.\nWith --live, findings "
		"may be things that came or went meanwhile.\n",
	.examples = "  microvmi check /run/vm.qmp\n"
		    "  microvmi check mem.elf --json | jq '.findings'\n",
	.options = options,
	.run = run,
};
