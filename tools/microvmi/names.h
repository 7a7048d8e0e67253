/* SPDX-License-Identifier: MIT */
/** @file Names of the library's bits and kinds, as all commands print them. */
#ifndef MICROVMI_TOOL_NAMES_H
#define MICROVMI_TOOL_NAMES_H

#include <jansson.h>
#include <microvmi/event.h>
#include <microvmi/mem.h>
#include <microvmi/space.h>
#include <microvmi/vm.h>

struct name {
	uint32_t bit;
	const char *name; /**< NULL ends a table */
};

extern const struct name names_capabilities[];
extern const struct name names_event_fields[];
extern const struct name names_event_filters[];
extern const struct name names_event_replies[];
extern const struct name names_page_rights[];
extern const struct name names_traits[];

/** An array of the names of the bits that are set. */
json_t *names_of_bits(uint32_t bits, const struct name *names);

/** An array of the names of registers in the set. */
json_t *names_of_regs(mvmi_regset set);

const char *names_region_kind(enum mvmi_region_kind kind);
const char *names_run_state(enum mvmi_run_state state);

#endif /* MICROVMI_TOOL_NAMES_H */
