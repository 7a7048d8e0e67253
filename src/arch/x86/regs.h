/* SPDX-License-Identifier: MIT */
/** @file Registers of any width, by number. */
#ifndef MICROVMI_ARCH_X86_REGS_H
#define MICROVMI_ARCH_X86_REGS_H

#include <microvmi/vcpu.h>

#define regs_span mvmi__regs_span
#define regs_copy mvmi__regs_copy

/** Where a register lies, hidden part included. reg must be one. */
struct mvmi_span regs_span(struct mvmi_regs *regs, enum mvmi_reg reg);

/** Copy the value of one register. @return whether it was another one. */
bool regs_copy(struct mvmi_regs *dst, const struct mvmi_regs *src,
	       enum mvmi_reg reg);

#endif /* MICROVMI_ARCH_X86_REGS_H */
