/* SPDX-License-Identifier: MIT */
/** @file One event as a line of text, or as a line of JSON. */
#ifndef MICROVMI_TOOL_EVENTPRINT_H
#define MICROVMI_TOOL_EVENTPRINT_H

#include <microvmi/event.h>

#include "symname.h"
#include "taskcache.h"

struct eventprint {
	struct symname names;	/**< os NULL: addresses have no names */
	struct taskcache tasks; /**< the same */
	uint64_t start_ns;	/**< CLOCK_REALTIME that text counts from */
};

/** Where an event stands among the others. */
struct eventprint_place {
	uint64_t seq;	  /**< from 1 */
	uint64_t time_ns; /**< CLOCK_REALTIME */
	uint64_t lost;	  /**< on this vCPU since its last event */
};

void eventprint_heading(void);

void eventprint_text(struct eventprint *print, const struct mvmi_event *event,
		     const struct eventprint_place *place);

/** One object, with seq, time, vcpu, kind and whatever else is known. */
void eventprint_json(struct eventprint *print, const struct mvmi_event *event,
		     const struct eventprint_place *place);

void eventprint_fini(struct eventprint *print);

#endif /* MICROVMI_TOOL_EVENTPRINT_H */
