/* SPDX-License-Identifier: MIT */
/** @file What the command line wants to hear of: `--msr LSTAR:w`, `--int3`. */
#ifndef MICROVMI_TOOL_EVENTSPEC_H
#define MICROVMI_TOOL_EVENTSPEC_H

#include <microvmi/event.h>

#include "address.h"

#define EVENTSPECS_MAX 64

struct eventspec {
	struct mvmi_subscription what; /**< without VM-wide filters */
	struct address address;	       /**< what.start, once it is resolved */
	/** Asked for only along with another kind: a VM may lack it. */
	bool implied;
};

struct eventspecs {
	struct eventspec items[EVENTSPECS_MAX];
	size_t count;
};

/**
 * Add one kind of event.
 *
 * @param kind  MSR_WRITE stands for MSR_READ too.
 * @param text  What is wanted of it, as --help shows it; NULL: all.
 * @return NULL, or what is wrong with text.
 */
const char *eventspecs_add(struct eventspecs *specs, enum mvmi_event_kind kind,
			   const char *text);

#endif /* MICROVMI_TOOL_EVENTSPEC_H */
