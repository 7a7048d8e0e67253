/* SPDX-License-Identifier: MIT */
/** @file Stopping and starting a VM: what pause and resume share. */
#ifndef MICROVMI_TOOL_RUNSTATE_H
#define MICROVMI_TOOL_RUNSTATE_H

#include <microvmi/vm.h>

/** mvmi_vm_stop() or mvmi_vm_start(). */
typedef enum mvmi_status (*runstate_fn)(struct mvmi_vm *vm,
					struct mvmi_error *err);

/**
 * Open the target and change its run state.
 *
 * @param verb   For messages: "pause".
 * @param state  What it is in afterwards, for JSON.
 * @return An exit code; a failure has been told.
 */
int runstate_change(const char *target, runstate_fn fn, const char *verb,
		    enum mvmi_run_state state);

#endif /* MICROVMI_TOOL_RUNSTATE_H */
