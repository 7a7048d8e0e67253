/* SPDX-License-Identifier: MIT */
/** @file Which subscriptions a VM can take, and which an event matches. */
#ifndef MICROVMI_EVENT_FILTER_H
#define MICROVMI_EVENT_FILTER_H

#include <microvmi/event.h>

#define filter_check  mvmi__filter_check
#define filter_accept mvmi__filter_accept
#define filter_equal  mvmi__filter_equal

/** Refuse what the driver does not publish: filters, and async. */
enum mvmi_status
filter_check(const struct mvmi_subscription *what,
	     const struct mvmi_event_desc *desc, struct mvmi_error *err);

/**
 * Whether an event of another subscription is one of this too. A filter on
 * something that the event does not tell is taken not to match.
 */
bool filter_accept(const struct mvmi_subscription *what,
		   const struct mvmi_event *event);

/** Whether two subscriptions ask the driver for the same. */
bool filter_equal(const struct mvmi_subscription *a,
		  const struct mvmi_subscription *b);

#endif /* MICROVMI_EVENT_FILTER_H */
