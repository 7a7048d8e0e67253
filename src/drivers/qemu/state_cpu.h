/* SPDX-License-Identifier: MIT */
/** @file Decoding the sections of one vCPU into its register file. */
#ifndef MICROVMI_DRIVERS_QEMU_STATE_CPU_H
#define MICROVMI_DRIVERS_QEMU_STATE_CPU_H

#include "drivers/qemu/section.h"
#include "drivers/qemu/state.h"

#define state_cpu_decode  mvmi__state_cpu_decode
#define state_apic_decode mvmi__state_apic_decode

/**
 * Decode section "cpu".
 *
 * @param kvm  See qemu_state_parse().
 * @param ret  Values are filled and added to valid.
 */
enum mvmi_status
state_cpu_decode(const struct section_parts *parts, bool kvm,
		 struct mvmi_regs *ret, struct mvmi_error *err);

/** Decode section "apic": CR8 and APIC_BASE. */
void state_apic_decode(const struct section_parts *parts,
		       struct mvmi_regs *ret);

#endif /* MICROVMI_DRIVERS_QEMU_STATE_CPU_H */
