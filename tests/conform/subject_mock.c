/* SPDX-License-Identifier: MIT */
/* The mock as a subject: deeds are pushed as instructions. */
#include "subject.h"

#include <stdio.h>

#include "drivers/mock/mock.h"

/* One instruction a deed; both enumerations follow enum mvmi_event_kind. */
_Static_assert((int)DEED_COUNT == (int)MOCK_OP_COUNT, "a deed is missing");
_Static_assert((int)DEED_LOAD == (int)MOCK_LOAD, "deeds are out of order");
_Static_assert((int)DEED_RDTSC == (int)MOCK_RDTSC, "deeds are out of order");

static bool act(struct subject *s, unsigned vcpu, const struct deed *deed)
{
	const struct mock_insn insn = { (enum mock_op)deed->kind, deed->index,
					deed->value, deed->gpa, deed->rip };

	return mock_push(s->far, vcpu, &insn);
}

static void run(struct subject *s)
{
	mock_run(s->far);
}

static struct witness ask(struct subject *s, unsigned vcpu)
{
	const struct mock_seen seen = mock_seen(s->far, vcpu);

	return (struct witness){
		.executed = seen.executed,
		.skipped = seen.skipped,
		.left = seen.left,
		.trapped = seen.delivered,
		.vector = seen.last.vector,
		.cr2 = seen.regs.cr2,
		.value = seen.value,
		.rip = seen.regs.rip,
		.cr3 = seen.regs.cr3,
	};
}

static bool peek(struct subject *s, mvmi_gpa gpa, struct mvmi_span dst)
{
	return mock_peek(s->far, gpa, dst);
}

static bool page_is_backed(struct subject *s, mvmi_gpa gpa)
{
	return mock_page_is_backed(s->far, gpa);
}

static void kill(struct subject *s)
{
	mock_kill(s->far);
}

static void reset(struct subject *s)
{
	mock_reset(s->far);
}

static void stop(struct subject *s)
{
	mock_stop(s->far);
}

static bool is_stopped(struct subject *s)
{
	return mock_is_stopped(s->far);
}

static void wait(struct subject *s, uint32_t ms)
{
	mock_advance(s->far, ms);
}

static void drop(struct subject *s)
{
	mock_drop_far_side(s->far);
}

static int64_t occupy(struct subject *s, int64_t pid)
{
	mock_set_controller(s->far, pid);
	return pid;
}

static bool is_untouched(struct subject *s)
{
	return mock_is_untouched(s->far);
}

static void forget(struct subject *s)
{
	mock_vm_unref(s->far);
}

static const struct subject_ops mock_ops = {
	act,  run,	  ask,	peek, page_is_backed, kill,	    reset,
	stop, is_stopped, wait, drop, occupy,	      is_untouched, forget,
};

bool subject_open_mock(struct subject *s, const char *personality,
		       bool with_private)
{
	char target[96];
	struct mvmi_error err;

	(void)snprintf(target, sizeof(target), "mock:%s?vcpus=2%s", personality,
		       with_private ? "&private=0x40000" : "");
	s->ops = &mock_ops;
	s->ring_len = MOCK_RING_MAX;
	if (mvmi_vm_open(target, NULL, &s->vm, &err) != MVMI_OK) {
		(void)printf("# %s: %s\n", target, err.msg);
		return false;
	}
	s->far = mock_vm_of(s->vm->conn);
	return true;
}

void subject_close(struct subject *s)
{
	mvmi_vm_close(s->vm);
	s->vm = NULL;
	if (s->far)
		s->ops->forget(s);
	s->far = NULL;
}
