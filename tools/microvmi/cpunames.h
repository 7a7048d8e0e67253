/* SPDX-License-Identifier: MIT */
/** @file What the manuals call MSRs, exceptions and bits of registers. */
#ifndef MICROVMI_TOOL_CPUNAMES_H
#define MICROVMI_TOOL_CPUNAMES_H

#include <stdbool.h>
#include <stdint.h>

/** @return e.g. "LSTAR"; NULL if it has no name here. */
const char *cpunames_msr(uint32_t index);

/** @param name  In any case of letters. @return whether there is one */
bool cpunames_find_msr(const char *name, uint32_t *ret);

/** @return e.g. "#PF"; NULL for a vector that is no exception. */
const char *cpunames_exception(uint32_t vector);

/** @param name  "#PF", "PF" or "pf". @return whether there is one */
bool cpunames_find_exception(const char *name, uint32_t *ret);

enum cpunames_register {
	CPUNAMES_CR0,
	CPUNAMES_CR4,
	CPUNAMES_XCR0,
	CPUNAMES_EFER,
};

/** @return e.g. "WP"; NULL for a bit that has no name. */
const char *cpunames_bit(enum cpunames_register reg, unsigned bit);

#endif /* MICROVMI_TOOL_CPUNAMES_H */
