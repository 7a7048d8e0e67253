/* SPDX-License-Identifier: MIT */
/* An agent as a subject: what is done behind its back, to the mock. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/common/state.h"
#include "drivers/registry.h"
#include "far.h"
#include "subject.h"

#define WAIT_MAX_MS   2500
#define WAIT_SLACK_MS 100

static bool act(struct subject *s, unsigned vcpu, const struct deed *deed)
{
	const struct mock_insn insn = { (enum mock_op)deed->kind, deed->index,
					deed->value, deed->gpa, deed->rip };
	struct far *far = s->far;
	bool done;

	far_lock(far);
	done = mock_push(far->vm, vcpu, &insn);
	far_unlock(far);
	return done;
}

static struct witness ask(struct subject *s, unsigned vcpu)
{
	struct far *far = s->far;
	struct mock_seen seen;

	/* What was answered is applied by a thread. */
	far_wait_for_vcpus(far);
	far_lock(far);
	seen = mock_seen(far->vm, vcpu);
	far_unlock(far);
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
	struct far *far = s->far;
	bool there;

	far_lock(far);
	there = mock_peek(far->vm, gpa, dst);
	far_unlock(far);
	return there;
}

static bool page_is_backed(struct subject *s, mvmi_gpa gpa)
{
	struct far *far = s->far;
	bool backed;

	far_lock(far);
	backed = mock_page_is_backed(far->vm, gpa);
	far_unlock(far);
	return backed;
}

static void kill_vm(struct subject *s)
{
	struct far *far = s->far;

	far_lock(far);
	mock_kill(far->vm);
	far_unlock(far);
	(void)eventfd_write(far->end_fd, 1);
	agent_stop(far->agent);
}

static void reset(struct subject *s)
{
	struct far *far = s->far;

	far_lock(far);
	mock_reset(far->vm);
	far_unlock(far);
	agent_new_incarnation(far->agent);
	far_wait_for_vcpus(far);
}

static void stop(struct subject *s)
{
	struct far *far = s->far;

	far_settle(far);
	far_lock(far);
	mock_stop(far->vm);
	far_unlock(far);
}

static bool is_stopped(struct subject *s)
{
	struct far *far = s->far;
	bool stopped;

	far_lock(far);
	stopped = mock_is_stopped(far->vm);
	far_unlock(far);
	return stopped;
}

static void wait(struct subject *s, uint32_t ms)
{
	struct far *far = s->far;
	uint32_t real = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;

	far_lock(far);
	mock_advance(far->vm, ms);
	far_unlock(far);
	/* The cases count in milliseconds: too few, and then too many. */
	far_pause_us(1000L * (real > WAIT_SLACK_MS ? real - WAIT_SLACK_MS
						   : real + 3 * WAIT_SLACK_MS));
	far_wait_for_vcpus(far);
}

static bool is_free(const struct far *far)
{
	struct agent *agent = far->agent;
	bool none;

	(void)pthread_rwlock_rdlock(&agent->lock);
	none = !agent->channel;
	(void)pthread_rwlock_unlock(&agent->lock);
	return none && atomic_load(&agent->holds) == 0;
}

static bool is_untouched(struct subject *s)
{
	struct far *far = s->far;
	bool untouched = false;

	for (unsigned n = 0; n < 500 && !untouched; n++) {
		far_lock(far);
		untouched = mock_is_untouched(far->vm);
		far_unlock(far);
		untouched = untouched && is_free(far);
		if (!untouched)
			far_pause_us(1000);
	}
	return untouched;
}

static void run(struct subject *s)
{
	/* The agent undoes in a thread of its own what a client left. */
	if (!s->vm)
		(void)is_untouched(s);
	far_settle(s->far);
}

static void drop(struct subject *s)
{
	if (far_client(s->vm->conn)->fd >= 0)
		(void)shutdown(far_client(s->vm->conn)->fd, SHUT_RDWR);
	(void)is_untouched(s);
	far_wait_for_vcpus(s->far);
}

static int64_t occupy(struct subject *s, int64_t pid)
{
	const struct mvmi_subscription what = { .size = sizeof(what),
						.kind = MVMI_EVENT_GONE };
	struct far *far = s->far;
	uint64_t id;

	(void)pid;
	if (agent_client_open(getpid(), 5000, &far->rival, NULL) != MVMI_OK ||
	    agent_client_enable(far->rival, &what, &id, NULL) != MVMI_OK)
		abort();
	return getpid();
}

static void forget(struct subject *s)
{
	struct far *far = s->far;

	agent_client_close(far->rival);
	agent_destroy(far->agent);
	atomic_store(&far->ends, true);
	for (uint32_t i = 0; i < FAR_VCPUS; i++)
		(void)pthread_join(far->vcpus[i].thread, NULL);
	far->inner->driver->close(far->inner);
	mock_vm_unref(far->vm);
	(void)close(far->end_fd);
	(void)pthread_mutex_destroy(&far->lock);
	free(far);
}

static const struct subject_ops agent_ops = {
	.act = act,
	.run = run,
	.ask = ask,
	.peek = peek,
	.page_is_backed = page_is_backed,
	.kill = kill_vm,
	.reset = reset,
	.stop = stop,
	.is_stopped = is_stopped,
	.wait = wait,
	.drop = drop,
	.occupy = occupy,
	.is_untouched = is_untouched,
	.forget = forget,
};

static struct far *far_create(bool with_private)
{
	static const struct mvmi_target_option options[] = {
		{ "vcpus", "2" }, { "private", "0x40000" }
	};
	const struct mvmi_open_args args = {
		.where = "tcg",
		.options = options,
		.option_count = with_private ? 2 : 1,
		.timeout_ms = 5000,
	};
	struct far *far = calloc(1, sizeof(*far));

	if (!far || mock_driver.open(&args, &far->inner, NULL) != MVMI_OK ||
	    far->inner->event->set_deadline(far->inner, 0, NULL) != MVMI_OK)
		abort();
	far->vm = mock_vm_of(far->inner);
	far->end_fd = eventfd(0, EFD_CLOEXEC);
	(void)pthread_mutex_init(&far->lock, NULL);
	far_host_init(far);
	far->agent = agent_create(&far->host, far);
	if (!far->agent)
		abort();
	for (uint32_t i = 0; i < FAR_VCPUS; i++) {
		far->vcpus[i].far = far;
		if (pthread_create(&far->vcpus[i].thread, NULL, far_vcpu_thread,
				   &far->vcpus[i]) != 0)
			abort();
	}
	return far;
}

bool subject_open_agent(struct subject *s, bool with_private)
{
	struct mvmi_error err;

	s->ops = &agent_ops;
	s->ring_len = AGENT_RING_LEN;
	far_opening = far_create(with_private);
	s->far = far_opening;
	if (mvmi_vm_open_driver(&far_driver, "", NULL, &s->vm, &err) == MVMI_OK)
		return true;
	(void)printf("# agent: %s\n", err.msg);
	return false;
}
