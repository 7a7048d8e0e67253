/* SPDX-License-Identifier: MIT */
/** @file What events a VM offers, by its driver's own descriptors. */
#ifndef MICROVMI_TOOL_EVENTLIST_H
#define MICROVMI_TOOL_EVENTLIST_H

#include <microvmi/event.h>

/** @return NULL if the VM doesn't offer this kind. */
const struct mvmi_event_desc *
eventlist_find(const struct mvmi_vm *vm, enum mvmi_event_kind kind);

/** Print a table, or JSON. @return An exit code. */
int eventlist_print(struct mvmi_vm *vm);

/**
 * Say that a kind isn't there, what is, and how to get more.
 *
 * @return An exit code.
 */
int eventlist_explain(struct mvmi_vm *vm, enum mvmi_event_kind kind);

#endif /* MICROVMI_TOOL_EVENTLIST_H */
