/* SPDX-License-Identifier: MIT */
#include "runstate.h"

#include "command.h"
#include "diag.h"
#include "names.h"
#include "output.h"
#include "target.h"

static int print_state(enum mvmi_run_state state)
{
	json_t *object;

	if (!command_json)
		return EXIT_OK;
	object = json_object();
	output_put(object, "state", json_string(names_run_state(state)));
	return output_json(object);
}

int runstate_change(const char *target, runstate_fn fn, const char *verb,
		    enum mvmi_run_state state)
{
	struct mvmi_error err;
	struct mvmi_vm *vm;
	int code = target_open(target, false, &vm);

	if (code != EXIT_OK)
		return code;
	if (fn(vm, &err) == MVMI_OK)
		code = print_state(state);
	else
		code = target_explain(
			vm, err.status,
			diag_error(&err, "cannot %s %s", verb, target));
	mvmi_vm_close(vm);
	return code;
}
