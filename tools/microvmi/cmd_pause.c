/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "runstate.h"

static int run(const char *const *operands)
{
	return runstate_change(operands[0], mvmi_vm_stop, "pause",
			       MVMI_RUN_STATE_STOPPED);
}

const struct command cmd_pause = {
	.name = "pause",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "stop a VM, as `virsh suspend` does",
	.details =
		"Stops every vCPU. The VM stays stopped when the command ends, "
		"until `microvmi\nresume` or its own VMM starts it.\n",
	.examples = "  microvmi pause /run/vm.qmp\n",
	.run = run,
};
