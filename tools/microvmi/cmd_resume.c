/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "runstate.h"

static int run(const char *const *operands)
{
	return runstate_change(operands[0], mvmi_vm_start, "resume",
			       MVMI_RUN_STATE_RUNNING);
}

const struct command cmd_resume = {
	.name = "resume",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "start a stopped VM, whoever stopped it",
	.details = "Starts the vCPUs of a VM that was stopped, by us or by "
		   "anyone else.\n",
	.examples = "  microvmi resume /run/vm.qmp\n",
	.run = run,
};
