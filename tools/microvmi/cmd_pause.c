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
	output_put(object, "state", json_string("stopped"));
	return output_json(object);
}

static int run(const char *const *operands)
{
	struct mvmi_error err;
	struct mvmi_vm *vm;
	int code = target_open(operands[0], false, &vm);

	if (code != EXIT_OK)
		return code;
	if (mvmi_vm_stop(vm, &err) != MVMI_OK)
		code = target_explain(
			vm, err.status,
			diag_error(&err, "cannot pause %s", operands[0]));
	else
		code = print_state();
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_pause = {
	.name = "pause",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "stop a VM, as `virsh suspend` does",
	.details =
		"Stops every vCPU. The VM stays stopped when the command ends, "
		"until `microvmi\\nresume` or its own VMM starts it.\\n",
	.examples = "  microvmi pause /run/vm.qmp\n",
	.run = run,
};
