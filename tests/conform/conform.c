/* SPDX-License-Identifier: MIT */
/* Runs every case on a fresh subject; TAP on stdout. */
#include "conform.h"

#include <string.h>

jmp_buf conform_abort;
const char *conform_reason;

static const struct conform_case *const groups[] = {
	cases_table, cases_run,	     cases_event,  cases_reply, cases_callback,
	cases_life,  cases_register, cases_memory, cases_view,
};

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

/* ---- what many cases do ------------------------------------------------ */

const struct mvmi_event_desc *
desc_of(struct subject *s, enum mvmi_event_kind kind)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(s->vm, &descs);

	for (size_t i = 0; i < count; i++) {
		if (descs[i].kind == kind)
			return &descs[i];
	}
	return NULL;
}

#define MSR_LSTAR      0xc0000082
#define BREAKPOINT_RIP 0x2000

struct deed deed_for(enum mvmi_event_kind kind)
{
	static const struct deed deeds[MVMI_EVENT_KIND_COUNT] = {
		[MVMI_EVENT_CR0_WRITE] = { DEED_CR0_WRITE, .value = 0x13 },
		[MVMI_EVENT_CR3_WRITE] = { DEED_CR3_WRITE, .value = 0x7000 },
		[MVMI_EVENT_CR4_WRITE] = { DEED_CR4_WRITE, .value = 0x20 },
		[MVMI_EVENT_XCR0_WRITE] = { DEED_XCR0_WRITE, .value = 7 },
		[MVMI_EVENT_DR_ACCESS] = { DEED_DR_WRITE, .value = 0x1234 },
		[MVMI_EVENT_MSR_READ] = { DEED_MSR_READ, .index = MSR_LSTAR },
		[MVMI_EVENT_MSR_WRITE] = { DEED_MSR_WRITE, MSR_LSTAR,
					   .value = 0x99 },
		[MVMI_EVENT_EXCEPTION] = { DEED_FAULT, 14, .value = 0xdead000 },
		[MVMI_EVENT_INTERRUPT] = { DEED_INTERRUPT, .index = 0x30 },
		[MVMI_EVENT_INT3] = { .kind = DEED_INT3 },
		[MVMI_EVENT_HW_BREAKPOINT] = { DEED_NOP,
					       .rip = BREAKPOINT_RIP },
		[MVMI_EVENT_STEP] = { .kind = DEED_NOP },
		[MVMI_EVENT_MEMORY] = { DEED_STORE, .value = 0x55,
					.gpa = { 0x8010 } },
		[MVMI_EVENT_DESCRIPTOR] = { DEED_LGDT, .value = 0x3000 },
		[MVMI_EVENT_CPUID] = { DEED_CPUID, .index = 1 },
		[MVMI_EVENT_HYPERCALL] = { .kind = DEED_HYPERCALL },
		[MVMI_EVENT_PORT_IO] = { DEED_PORT_READ, .index = 0x60 },
		[MVMI_EVENT_RDTSC] = { .kind = DEED_RDTSC },
		[MVMI_EVENT_SHUTDOWN] = { .kind = DEED_SHUTDOWN },
	};

	return deeds[kind];
}

struct mvmi_subscription subscription_to(const struct mvmi_event_desc *desc)
{
	struct mvmi_subscription what = { .size = sizeof(what),
					  .kind = desc->kind };

	if (desc->kind == MVMI_EVENT_HW_BREAKPOINT)
		what.start = BREAKPOINT_RIP;
	if (desc->kind == MVMI_EVENT_MEMORY) {
		what.start = SUBJECT_PAGE.val;
		what.len = MVMI_PAGE_SIZE;
		what.filters = desc->filters & MVMI_FILTER_RANGE;
	}
	return what;
}

/** Without a range to watch, a memory event needs a permission taken away. */
static void arm(struct subject *s, const struct mvmi_subscription *what)
{
	const struct mvmi_access_ops *access = s->vm->conn->access;

	if (what->kind != MVMI_EVENT_MEMORY ||
	    (what->filters & MVMI_FILTER_RANGE))
		return;
	CHECK(access != NULL);
	CHECK(access->set(s->vm->conn, 0, mvmi_gfn_of(SUBJECT_PAGE),
			  MVMI_ACCESS_R | MVMI_ACCESS_X, NULL) == MVMI_OK);
}

struct trigger any_trigger(struct subject *s, uint32_t replies)
{
	const struct mvmi_event_desc *descs = NULL;
	size_t count = mvmi_event_descs(s->vm, &descs);
	const struct mvmi_event_desc *found = NULL;

	for (size_t i = 0; i < count && !found; i++) {
		if (descs[i].holds != MVMI_HOLDS_NONE &&
		    (descs[i].replies & replies) == replies)
			found = &descs[i];
	}
	NEED(found, "no event kind has this reply");
	return (struct trigger){ found, deed_for(found->kind) };
}

uint64_t enable(struct subject *s, const struct mvmi_subscription *what)
{
	uint64_t id = 0;

	NEED(s->vm->conn->event, "no events");
	arm(s, what);
	CHECK(s->vm->conn->event->enable(s->vm->conn, what, &id, NULL) ==
	      MVMI_OK);
	CHECK(id != 0);
	return id;
}

void act(struct subject *s, unsigned vcpu, const struct deed *deed)
{
	NEED(s->ops->act(s, vcpu, deed), "the guest can't do that");
}

struct mvmi_event next(struct subject *s)
{
	struct mvmi_event event = { 0 };

	CHECK(s->vm->conn->event->next(s->vm->conn, 0, &event, NULL) ==
	      MVMI_OK);
	return event;
}

enum mvmi_status next_status(struct subject *s)
{
	struct mvmi_event event;

	return s->vm->conn->event->next(s->vm->conn, 0, &event, NULL);
}

enum mvmi_status reply(struct subject *s, const struct mvmi_event *event,
		       enum mvmi_action action)
{
	const struct mvmi_reply what = {
		.action = action, .regs = { .size = sizeof(what.regs) }
	};

	return s->vm->conn->event->reply(s->vm->conn, event->id, &what, NULL);
}

/* ---- running ----------------------------------------------------------- */

static bool open_subject(struct subject *s, const char *name, bool with_private)
{
#ifdef HAVE_AGENT
	if (strcmp(name, "agent") == 0)
		return subject_open_agent(s, with_private);
#endif
	return subject_open_mock(s, name, with_private);
}

static enum conform_outcome
run_case(const struct conform_case *what, const char *personality)
{
	static struct subject subject;
	volatile enum conform_outcome outcome;
	bool wants_private = strstr(what->name, "private") != NULL;

	subject = (struct subject){ 0 };
	if (!open_subject(&subject, personality, wants_private))
		return CONFORM_FAILED;
	outcome = (enum conform_outcome)setjmp(conform_abort);
	if (outcome == CONFORM_RAN)
		what->run(&subject);
	subject_close(&subject);
	return outcome;
}

static unsigned count_cases(void)
{
	unsigned count = 0;

	for (size_t g = 0; g < GROUP_COUNT; g++) {
		for (size_t i = 0; groups[g][i].name; i++)
			count++;
	}
	return count;
}

static bool
report(unsigned n, const struct conform_case *what, const char *personality)
{
	enum conform_outcome outcome = run_case(what, personality);

	(void)printf("%sok %u - %s (%s)",
		     outcome == CONFORM_FAILED ? "not " : "", n, what->name,
		     what->clause);
	if (outcome == CONFORM_SKIPPED)
		(void)printf(" # SKIP %s: %s", personality, conform_reason);
	(void)printf("\n");
	return outcome != CONFORM_FAILED;
}

int main(int argc, char **argv)
{
	unsigned n = 0;
	bool ok = true;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: conform agent|PERSONALITY\n");
		return 2;
	}
	(void)printf("1..%u\n", count_cases());
	for (size_t g = 0; g < GROUP_COUNT; g++) {
		for (size_t i = 0; groups[g][i].name; i++)
			ok &= report(++n, &groups[g][i], argv[1]);
	}
	return !ok;
}
