/* SPDX-License-Identifier: MIT */
/** @file Making one reply out of those of several subscribers. */
#ifndef MICROVMI_EVENT_REPLY_H
#define MICROVMI_EVENT_REPLY_H

#include "core/vm.h"

#define reply_init	mvmi__reply_init
#define reply_merge	mvmi__reply_merge
#define reply_complaint mvmi__reply_complaint
#define reply_finish	mvmi__reply_finish

/** What the subscribers want, so far. */
struct reply {
	struct mvmi_reply merged;
	struct mvmi_error complaint; /**< the first one; status OK: none */
};

void reply_init(struct reply *reply);

/**
 * Add what one subscriber answered; the last writer wins. An action or a
 * register that can't be had is left out and complained of.
 */
void reply_merge(struct reply *reply, struct mvmi_vm *vm,
		 const struct mvmi_event_desc *desc,
		 const struct mvmi_reply *from);

/** Where the next complaint goes, or NULL: only the first one is kept. */
struct mvmi_error *reply_complaint(struct reply *reply);

/** Add the registers that were set meanwhile. The reply is then complete. */
void reply_finish(struct reply *reply, const struct pending_event *pending);

#endif /* MICROVMI_EVENT_REPLY_H */
