/* SPDX-License-Identifier: MIT */
/** @file A register file as text, as JSON, and changed by NAME=VALUE. */
#ifndef MICROVMI_TOOL_REGFILE_H
#define MICROVMI_TOOL_REGFILE_H

#include <jansson.h>
#include <microvmi/vcpu.h>

void regfile_print(struct mvmi_regs *regs, unsigned vcpu);

/** {vcpu, registers: {…}, unknown: [names]} */
json_t *regfile_json(struct mvmi_regs *regs, unsigned vcpu);

/**
 * Change a register and mark it dirty.
 *
 * @return NULL, or what is wrong with the assignment.
 */
const char *regfile_assign(struct mvmi_regs *regs, const char *assignment);

#endif /* MICROVMI_TOOL_REGFILE_H */
