/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Cases of the conformance suite: one a clause of the driver contract
 * (docs/driver-contract.md), run on a subject.
 */
#ifndef MICROVMI_CONFORM_H
#define MICROVMI_CONFORM_H

#include <setjmp.h>
#include <stdio.h>

#include "subject.h"

struct conform_case {
	const char *clause; /**< heading of the contract, and number */
	const char *name;
	void (*run)(struct subject *s);
};

extern jmp_buf conform_abort;

enum conform_outcome {
	CONFORM_RAN,
	CONFORM_FAILED,
	CONFORM_SKIPPED,
};

/* Why the case that runs was skipped. */
extern const char *conform_reason;

#define CHECK(cond)                                                         \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			longjmp(conform_abort, CONFORM_FAILED);             \
		}                                                           \
	} while (0)

/** Leave the case unless the subject has what it needs. */
#define NEED(cond, reason)                                       \
	do {                                                     \
		if (!(cond)) {                                   \
			conform_reason = (reason);               \
			longjmp(conform_abort, CONFORM_SKIPPED); \
		}                                                \
	} while (0)

#define CASE(clause, fn)        \
	{                       \
		clause, #fn, fn \
	}

/** NULL-terminated by name. */
extern const struct conform_case cases_table[], cases_run[], cases_event[],
	cases_reply[], cases_callback[], cases_life[], cases_register[],
	cases_memory[], cases_view[];

/* ---- what many cases do ------------------------------------------------ */

/** The descriptor of a kind, or NULL. */
const struct mvmi_event_desc *
desc_of(struct subject *s, enum mvmi_event_kind kind);
/** A kind that holds, and the deed that raises it; skips if there is none. */
struct trigger {
	const struct mvmi_event_desc *desc;
	struct deed deed;
};
/** Any trigger whose descriptor has all of these replies; skips if none. */
struct trigger any_trigger(struct subject *s, uint32_t replies);
/** The deed for one kind, and a subscription that it matches. */
struct deed deed_for(enum mvmi_event_kind kind);
struct mvmi_subscription subscription_to(const struct mvmi_event_desc *desc);
/** At the driver's boundary. */
uint64_t enable(struct subject *s, const struct mvmi_subscription *what);
void act(struct subject *s, unsigned vcpu, const struct deed *deed);
struct mvmi_event next(struct subject *s);
enum mvmi_status next_status(struct subject *s);
enum mvmi_status reply(struct subject *s, const struct mvmi_event *event,
		       enum mvmi_action action);

#endif /* MICROVMI_CONFORM_H */
