/* SPDX-License-Identifier: MIT */
/** @file Signals that ask to end: what is under way ends in order. */
#ifndef MICROVMI_TOOL_INTERRUPT_H
#define MICROVMI_TOOL_INTERRUPT_H

#include <stdbool.h>

/** Let SIGINT, SIGTERM and SIGHUP only be noted, once each. */
void interrupt_catch(void);

/** Whether one of them came. */
bool interrupt_came(void);

#endif /* MICROVMI_TOOL_INTERRUPT_H */
