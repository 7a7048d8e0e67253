/* SPDX-License-Identifier: MIT */
#include <microvmi/vm.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "output.h"
#include "target.h"

static int print_state(void)
{
	json_t *object;

	if (!command_json)
		return EXIT_OK;
	object = json_object();
	output_put(object, "state", json_string("running"));
	return output_json(object);
}

static int run(const char *const *operands)
{
	struct mvmi_error err;
	struct mvmi_vm *vm;
	int code = target_open(operands[0], false, &vm);

	if (code != EXIT_OK)
		return code;
	if (mvmi_vm_start(vm, &err) != MVMI_OK)
		code = target_explain(
			vm, err.status,
			diag_error(&err, "cannot resume %s", operands[0]));
	else
		code = print_state();
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_resume = {
	.name = "resume",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "start a stopped VM, whoever stopped it",
	.details = "Starts the vCPUs of a VM that was stopped, by us or by "
		   "anyone else.\\n",
	.examples = "  microvmi resume /run/vm.qmp\n",
	.run = run,
};
