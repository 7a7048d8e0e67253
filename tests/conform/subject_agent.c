/* SPDX-License-Identifier: MIT */
/*
 * An agent as a subject: the mock's guest, behind the real server and the real
 * client, in one process.
 *
 * The mock raises an event once; a thread of its vCPU brings that to the agent,
 * waits there as a vCPU of a VMM would, and gives the reply to the mock. The
 * guest executes only inside of settle(), as the mock's does in mock_run(), so
 * that the cases find things as they expect them. Memory and the run state are
 * the mock's own, as they are not the agent's business in a VMM either. Time is
 * real: wait() is a little shorter, or longer, than asked for.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agents/common/state.h"
#include "drivers/agent/client.h"
#include "drivers/agent/wire.h"
#include "drivers/mock/state.h"
#include "drivers/registry.h"
#include "subject.h"

#define VCPUS	      2
#define DESCS_MAX     32
#define SETTLE_MAX    5000 /* looks, of 200 us at least */
#define WAIT_MAX_MS   2500
#define WAIT_SLACK_MS 100

struct far;

/** The thread of a vCPU while an event of it is on its way. */
struct far_vcpu {
	struct far *far;
	pthread_t thread;
	atomic_bool busy;
	bool answered; /**< the mock has its reply */
	struct mvmi_event event;
};

struct far {
	struct mock_vm *vm;	 /**< counted */
	struct mvmi_conn *inner; /**< owned: a client of the mock */
	struct agent *agent;
	struct agent_client *rival;
	struct agent_host host;
	struct agent_desc descs[DESCS_MAX];
	pthread_mutex_t lock; /**< the mock's */
	atomic_bool ends;
	int end_fd; /**< stands for the VMM's pidfd */
	struct far_vcpu vcpus[VCPUS];
	uint64_t ids[MOCK_SUBSCRIPTIONS_MAX][2]; /**< agent's, mock's */
};

/** What the library has open. */
struct agent_conn {
	struct mvmi_conn conn;
	struct far *far;
	struct agent_client *client;
};

static void lock(struct far *far)
{
	(void)pthread_mutex_lock(&far->lock);
}

static void unlock(struct far *far)
{
	(void)pthread_mutex_unlock(&far->lock);
}

static void pause_us(long us)
{
	const struct timespec ts = { .tv_sec = us / 1000000,
				     .tv_nsec = us % 1000000 * 1000 };

	(void)nanosleep(&ts, NULL);
}

/* ---- the agent's host --------------------------------------------------- */

static uint32_t host_vcpu_count(void *arg)
{
	(void)arg;
	return VCPUS;
}

static void host_kick(void *arg, uint32_t vcpu)
{
	/* It runs no longer than settle() lets it. */
	(void)arg;
	(void)vcpu;
}

static void take_status(enum mvmi_status status, const struct mvmi_error *err,
			struct agent_result *result)
{
	result->status = status;
	if (status != MVMI_OK)
		(void)snprintf(result->text, sizeof(result->text), "%.255s",
			       err->msg);
}

static void host_enable(void *arg, const struct agent_subscription *wire,
			uint64_t id, struct agent_result *result)
{
	struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = (enum mvmi_event_kind)wire->kind,
		.filters = wire->filters,
		.skip_page_walks = wire->skip_page_walks,
		.index = wire->index,
		.access = wire->access,
		.vcpus = wire->vcpus,
		.value = { wire->value, wire->value_mask },
		.cr3 = { wire->cr3, wire->cr3_mask },
		.start = wire->start,
		.len = wire->span,
	};
	struct far *far = arg;
	struct mvmi_error err;
	uint64_t inner = 0;

	lock(far);
	take_status(far->inner->event->enable(far->inner, &what, &inner, &err),
		    &err, result);
	for (size_t i = 0; inner && i < MOCK_SUBSCRIPTIONS_MAX; i++) {
		if (far->ids[i][0])
			continue;
		far->ids[i][0] = id;
		far->ids[i][1] = inner;
		break;
	}
	unlock(far);
}

static void host_disable(void *arg, uint64_t id)
{
	struct far *far = arg;

	lock(far);
	for (size_t i = 0; i < MOCK_SUBSCRIPTIONS_MAX; i++) {
		if (far->ids[i][0] != id)
			continue;
		(void)far->inner->event->disable(far->inner, far->ids[i][1],
						 NULL);
		far->ids[i][0] = 0;
	}
	unlock(far);
}

static void read_regs(struct far *far, uint32_t vcpu, uint32_t groups,
		      struct agent_regs *wire)
{
	struct mvmi_regs regs;

	lock(far);
	mock_vcpu_snapshot(far->vm, vcpu, groups, &regs);
	unlock(far);
	wire_put_regs(wire, &regs);
}

static void host_regs_get(void *arg, uint32_t vcpu, uint32_t groups,
			  struct agent_regs *regs, struct agent_result *result)
{
	(void)result;
	read_regs(arg, vcpu, groups, regs);
}

/** Registers of the wire that are to be written. */
static struct mvmi_regs dirty_regs(const struct agent_regs *wire)
{
	struct mvmi_regs regs;

	wire_take_regs(&regs, wire, mvmi_regset_of_groups(MVMI_REGS_ALL));
	memcpy(regs.dirty.bits, wire->dirty, sizeof(regs.dirty.bits));
	return regs;
}

static void
host_regs_set(void *arg, uint32_t vcpu, const struct agent_regs *wire,
	      struct agent_result *result)
{
	struct mvmi_regs regs = dirty_regs(wire);
	struct far *far = arg;

	(void)result;
	lock(far);
	mock_vcpu_apply(&far->vm->vcpus[vcpu], &regs);
	unlock(far);
}

static void
host_write(void *arg, uint64_t gpa, const uint8_t *src, uint32_t len,
	   enum mvmi_write_mode mode, struct agent_result *result)
{
	struct far *far = arg;
	struct mvmi_error err;

	lock(far);
	take_status(far->inner->write->write(far->inner, mvmi_gpa_at(gpa),
					     (struct mvmi_bytes){ src, len },
					     mode, &err),
		    &err, result);
	unlock(far);
}

static void host_inject(void *arg, const struct agent_inject *what,
			struct agent_result *result)
{
	const struct mvmi_injection injection = {
		.kind = (enum mvmi_injection_kind)what->kind,
		.vector = what->vector,
		.has_error_code = what->has_error_code != 0,
		.error_code = what->error_code,
		.cr2 = what->cr2,
	};
	struct far *far = arg;
	struct mvmi_error err;

	lock(far);
	take_status(far->inner->inject->inject(far->inner, what->vcpu,
					       &injection, &err),
		    &err, result);
	unlock(far);
}

static void host_access_set(void *arg, uint64_t gfn, uint32_t access,
			    struct agent_result *result)
{
	struct far *far = arg;
	struct mvmi_error err;

	lock(far);
	take_status(far->inner->access->set(far->inner, 0, mvmi_gfn_at(gfn),
					    access, &err),
		    &err, result);
	unlock(far);
}

static void host_access_get(void *arg, uint64_t gfn, uint32_t *ret,
			    struct agent_result *result)
{
	struct far *far = arg;
	struct mvmi_error err;

	lock(far);
	take_status(far->inner->access->get(far->inner, 0, mvmi_gfn_at(gfn),
					    ret, &err),
		    &err, result);
	unlock(far);
}

static void host_access_reset(void *arg)
{
	struct far *far = arg;

	lock(far);
	mock_view_drop_all(far->vm);
	unlock(far);
}

static void host_init(struct far *far)
{
	const struct mvmi_event_desc *descs;
	size_t count = far->inner->event->descs(far->inner, &descs);

	far->host = (struct agent_host){
		.agent = "conformance suite",
		.vmm = "mock",
		.descs = far->descs,
		.vcpu_limit = VCPUS,
		.vcpu_count = host_vcpu_count,
		.kick = host_kick,
		.enable = host_enable,
		.disable = host_disable,
		.regs_get = host_regs_get,
		.regs_set = host_regs_set,
		.write = host_write,
		.access_set = host_access_set,
		.access_get = host_access_get,
		.access_reset = host_access_reset,
		.inject = host_inject,
	};
	memcpy(far->host.readable_regs, far->inner->readable_regs.bits,
	       sizeof(far->host.readable_regs));
	memcpy(far->host.writable_regs, far->inner->writable_regs.bits,
	       sizeof(far->host.writable_regs));
	for (size_t i = 0; i < count && i < DESCS_MAX; i++)
		far->descs[far->host.desc_count++] = (struct agent_desc){
			.kind = (uint32_t)descs[i].kind,
			.phase = (uint8_t)descs[i].phase,
			.holds = (uint8_t)descs[i].holds,
			.async = descs[i].async,
			.replies = descs[i].replies,
			.filters = descs[i].filters,
			.fields = descs[i].fields,
			.limit = descs[i].limit,
		};
}

/* ---- vCPUs -------------------------------------------------------------- */

static uint64_t context_cr3(void *arg, uint32_t vcpu)
{
	struct agent_regs regs;

	read_regs(((struct far_vcpu *)arg)->far, vcpu, MVMI_REGS_CONTROL,
		  &regs);
	return regs.cr3;
}

static void
context_regs(void *arg, uint32_t vcpu, uint32_t groups, struct agent_regs *regs)
{
	read_regs(((struct far_vcpu *)arg)->far, vcpu, groups, regs);
}

/** Let the mock's vCPU go on. */
static void
context_reply(void *arg, uint32_t vcpu, const struct agent_reply *wire)
{
	struct far_vcpu *own = arg;
	struct far *far = own->far;
	struct mvmi_reply reply = {
		.action = (enum mvmi_action)wire->action,
		.inject = { .kind = (enum mvmi_injection_kind)wire->inject.kind,
			    .vector = wire->inject.vector,
			    .has_error_code = wire->inject.has_error_code != 0,
			    .error_code = wire->inject.error_code,
			    .cr2 = wire->inject.cr2 },
		.data_len = wire->data_len,
		.regs = dirty_regs(&wire->regs),
	};

	(void)vcpu;
	memcpy(reply.data, wire->data, sizeof(reply.data));
	lock(far);
	(void)far->inner->event->reply(far->inner, own->event.id, &reply, NULL);
	own->answered = true;
	unlock(far);
}

static struct agent_event wire_event(const struct mvmi_event *event)
{
	return (struct agent_event){
		.kind = (uint32_t)event->kind,
		.fields = event->fields,
		.vcpu = event->id.vcpu,
		.access = event->access,
		.insn_len = event->insn_len,
		.page_walk = event->page_walk,
		.phase = (uint8_t)event->phase,
		.index = event->index,
		.vector = event->vector,
		.error_code = event->error_code,
		.span = event->len,
		.gva = event->gva.val,
		.gpa = event->gpa.val,
		.value = event->value,
		.old_value = event->old_value,
		.view = event->view,
	};
}

static void bring(struct far_vcpu *own)
{
	const struct agent_context context = { .cr3 = context_cr3,
					       .regs = context_regs,
					       .reply = context_reply,
					       .arg = own };
	const struct agent_reply plain = { .action = MVMI_ACTION_CONTINUE };
	struct agent_event event = wire_event(&own->event);
	struct far *far = own->far;
	struct agent_reply reply;

	/* What can't be waited for is not the vCPU's, but the VM's. */
	if (own->event.async) {
		(void)agent_raise(far->agent, &event, &context, &reply);
		return;
	}
	if (agent_vcpu_run(far->agent, event.vcpu))
		agent_vcpu_park(far->agent, event.vcpu);
	if (!agent_raise(far->agent, &event, &context, &reply))
		context_reply(own, event.vcpu, &plain);
	agent_vcpu_idle(far->agent, event.vcpu);
}

static void *vcpu_thread(void *arg)
{
	struct far_vcpu *own = arg;

	while (!atomic_load(&own->far->ends)) {
		if (atomic_load(&own->busy)) {
			bring(own);
			atomic_store(&own->busy, false);
		}
		pause_us(100);
	}
	return NULL;
}

/** Whether the vCPU's event lies in its slot, for the client to answer. */
static bool is_raised(const struct far *far, uint32_t vcpu)
{
	struct agent *agent = far->agent;
	bool raised = false;

	(void)pthread_rwlock_rdlock(&agent->lock);
	if (agent->channel)
		raised = (SHARED_LOAD(
				  &channel_slot(agent->channel, vcpu)->state) &
			  3) == AGENT_SLOT_RAISED;
	(void)pthread_rwlock_unlock(&agent->lock);
	return raised;
}

/** Whether an event has gone as far as it goes without the client. */
static bool is_settled(const struct far *far, uint32_t vcpu)
{
	const struct agent *agent = far->agent;

	if (!atomic_load(&far->vcpus[vcpu].busy))
		return true;
	switch (atomic_load(&agent->vcpus[vcpu].state)) {
	case VCPU_PARKED:
		return atomic_load(&agent->holds) != 0;
	case VCPU_WAITS:
		return is_raised(far, vcpu);
	default:
		return false;
	}
}

static void wait_for_vcpus(const struct far *far)
{
	for (unsigned n = 0; n < SETTLE_MAX; n++) {
		bool settled = true;

		for (uint32_t i = 0; i < VCPUS; i++)
			settled &= is_settled(far, i);
		if (settled)
			return;
		pause_us(200);
	}
}

/** Let the guest run once. @return whether it raised anything. */
static bool run_once(struct far *far)
{
	struct mvmi_event event;
	bool runs[VCPUS];
	bool held = false;
	bool raised = false;

	for (uint32_t i = 0; i < VCPUS; i++) {
		runs[i] = !atomic_load(&far->vcpus[i].busy);
		held |= runs[i] && agent_vcpu_run(far->agent, i);
	}
	held |= atomic_load(&far->agent->holds) != 0;
	lock(far);
	while (!held && far->inner->event->next(far->inner, 0, &event, NULL) ==
				MVMI_OK) {
		struct far_vcpu *vcpu = &far->vcpus[event.id.vcpu];

		if (event.kind == MVMI_EVENT_GONE)
			break;
		vcpu->event = event;
		vcpu->answered = false;
		atomic_store(&vcpu->busy, true);
		raised = true;
		/* One at a time each; the other vCPU may have one as well. */
		if (event.async)
			break;
	}
	unlock(far);
	for (uint32_t i = 0; i < VCPUS; i++) {
		if (runs[i] && !atomic_load(&far->vcpus[i].busy))
			agent_vcpu_idle(far->agent, i);
	}
	return raised;
}

static void settle(struct far *far)
{
	wait_for_vcpus(far);
	while (run_once(far))
		wait_for_vcpus(far);
}

/* ---- the connection ----------------------------------------------------- */

static struct agent_conn *conn_of(struct mvmi_conn *conn)
{
	return (struct agent_conn *)(void *)conn;
}

static enum mvmi_status
conn_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	     size_t capacity, size_t *ret, struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	lock(conn_of(conn)->far);
	status = inner->mem->regions(inner, regions, capacity, ret, err);
	conn->incarnation = inner->incarnation;
	unlock(conn_of(conn)->far);
	return status;
}

static enum mvmi_status
conn_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	    struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	lock(conn_of(conn)->far);
	status = inner->mem->extent(inner, gpa, ret, err);
	unlock(conn_of(conn)->far);
	return status;
}

static enum mvmi_status
conn_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	   struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	lock(conn_of(conn)->far);
	status = inner->mem->readv(inner, ops, count, err);
	conn->incarnation = inner->incarnation;
	unlock(conn_of(conn)->far);
	return status;
}

static const struct mvmi_mem_ops conn_mem_ops = { conn_regions, conn_extent,
						  conn_readv };

static enum mvmi_status
conn_write(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	   enum mvmi_write_mode mode, struct mvmi_error *err)
{
	return agent_client_write(conn_of(conn)->client, gpa, src, mode, err);
}

static const struct mvmi_write_ops conn_write_ops = { conn_write };

static unsigned conn_vcpu_count(struct mvmi_conn *conn)
{
	return conn_of(conn)->client->vcpu_count;
}

static enum mvmi_status
conn_vcpu_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	      struct mvmi_regs *regs, struct mvmi_error *err)
{
	return agent_client_get_regs(conn_of(conn)->client, vcpu, groups, regs,
				     err);
}

static const struct mvmi_vcpu_ops conn_vcpu_ops = { conn_vcpu_count,
						    conn_vcpu_get };

static enum mvmi_status
conn_vcpu_set(struct mvmi_conn *conn, unsigned vcpu,
	      const struct mvmi_regs *regs, struct mvmi_error *err)
{
	return agent_client_set_regs(conn_of(conn)->client, vcpu, regs, err);
}

static const struct mvmi_vcpu_set_ops conn_vcpu_set_ops = { conn_vcpu_set };

static enum mvmi_status
conn_inject(struct mvmi_conn *conn, unsigned vcpu,
	    const struct mvmi_injection *injection, struct mvmi_error *err)
{
	return agent_client_inject(conn_of(conn)->client, vcpu, injection, err);
}

static const struct mvmi_inject_ops conn_inject_ops = { conn_inject };

static enum mvmi_status
conn_set_access(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
		uint32_t access, struct mvmi_error *err)
{
	return agent_client_set_access(conn_of(conn)->client, view, gfn, access,
				       err);
}

static enum mvmi_status
conn_get_access(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
		uint32_t *ret, struct mvmi_error *err)
{
	return agent_client_get_access(conn_of(conn)->client, view, gfn, ret,
				       err);
}

static const struct mvmi_access_ops conn_access_ops = { conn_set_access,
							conn_get_access };

static enum mvmi_status
conn_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	settle(conn_of(conn)->far);
	return agent_client_hold(conn_of(conn)->client, err);
}

static enum mvmi_status
conn_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	return agent_client_release(conn_of(conn)->client, err);
}

static enum mvmi_status
conn_stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct far *far = conn_of(conn)->far;
	enum mvmi_status status;

	lock(far);
	status = far->inner->run->stop(far->inner, err);
	unlock(far);
	return status;
}

static enum mvmi_status
conn_start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct far *far = conn_of(conn)->far;
	enum mvmi_status status;

	lock(far);
	status = far->inner->run->start(far->inner, err);
	unlock(far);
	return status;
}

static enum mvmi_status
conn_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	   struct mvmi_error *err)
{
	struct far *far = conn_of(conn)->far;
	enum mvmi_status status;

	lock(far);
	status = far->inner->run->state(far->inner, ret, err);
	unlock(far);
	return status;
}

static const struct mvmi_run_ops conn_run_ops = { conn_hold, conn_release,
						  conn_stop, conn_start,
						  conn_state };

static size_t
conn_descs(struct mvmi_conn *conn, const struct mvmi_event_desc **ret)
{
	*ret = conn_of(conn)->client->descs;
	return conn_of(conn)->client->desc_count;
}

static enum mvmi_status
conn_enable(struct mvmi_conn *conn, const struct mvmi_subscription *what,
	    uint64_t *ret, struct mvmi_error *err)
{
	return agent_client_enable(conn_of(conn)->client, what, ret, err);
}

static enum mvmi_status
conn_disable(struct mvmi_conn *conn, uint64_t id, struct mvmi_error *err)
{
	return agent_client_disable(conn_of(conn)->client, id, err);
}

static enum mvmi_status
conn_next(struct mvmi_conn *conn, int timeout_ms, struct mvmi_event *ret,
	  struct mvmi_error *err)
{
	settle(conn_of(conn)->far);
	return agent_client_next(conn_of(conn)->client, timeout_ms, ret, err);
}

static enum mvmi_status
conn_reply(struct mvmi_conn *conn, struct mvmi_event_id id,
	   const struct mvmi_reply *reply, struct mvmi_error *err)
{
	return agent_client_reply(conn_of(conn)->client, id, reply, err);
}

static struct mvmi_waitable conn_waitable(struct mvmi_conn *conn)
{
	return agent_client_waitable(conn_of(conn)->client);
}

static enum mvmi_status
conn_set_deadline(struct mvmi_conn *conn, uint32_t deadline_ms,
		  struct mvmi_error *err)
{
	return agent_client_set_deadline(conn_of(conn)->client, deadline_ms,
					 err);
}

static uint64_t conn_overdue(struct mvmi_conn *conn)
{
	return agent_client_overdue(conn_of(conn)->client);
}

static const struct mvmi_event_ops conn_event_ops = {
	conn_descs, conn_enable,   conn_disable,      conn_next,
	conn_reply, conn_waitable, conn_set_deadline, conn_overdue,
};

static void conn_close(struct mvmi_conn *conn)
{
	agent_client_close(conn_of(conn)->client);
	free(conn);
}

static enum mvmi_status
conn_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	  struct mvmi_error *err)
{
	(void)err;
	(void)snprintf(info->hypervisor, sizeof(info->hypervisor), "%s",
		       conn_of(conn)->client->vmm);
	return MVMI_OK;
}

static enum mvmi_status
conn_poll(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	lock(conn_of(conn)->far);
	status = inner->driver->poll(inner, err);
	conn->incarnation = inner->incarnation;
	unlock(conn_of(conn)->far);
	return status;
}

/* The far side that is opened next: a driver is told nothing but text. */
static struct far *opening;

static enum mvmi_status
conn_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err);

static const struct mvmi_driver agent_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "agent",
	.option_keys = (const char *const[]){ NULL },
	.open = conn_open,
	.close = conn_close,
	.info = conn_info,
	.poll = conn_poll,
};

static enum mvmi_status
conn_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err)
{
	struct agent_conn *own = calloc(1, sizeof(*own));
	enum mvmi_status status;

	if (!own)
		abort();
	own->far = opening;
	status = agent_client_open(getpid(), args->timeout_ms, &own->client,
				   err);
	if (status != MVMI_OK) {
		free(own);
		return status;
	}
	/* This process outlives its VM. */
	(void)close(own->client->pidfd);
	own->client->pidfd = dup(opening->end_fd);
	own->conn = (struct mvmi_conn){
		.driver = &agent_driver,
		.mem = &conn_mem_ops,
		.write = &conn_write_ops,
		.vcpu = &conn_vcpu_ops,
		.vcpu_set = &conn_vcpu_set_ops,
		.run = &conn_run_ops,
		.event = &conn_event_ops,
		.access = &conn_access_ops,
		.inject = &conn_inject_ops,
		.readable_regs = own->client->readable,
		.writable_regs = own->client->writable,
		.traits = opening->inner->traits,
		.incarnation = opening->inner->incarnation,
	};
	*ret = &own->conn;
	return MVMI_OK;
}

/* ---- the subject -------------------------------------------------------- */

static struct agent_client *client_of(struct subject *s)
{
	return conn_of(s->vm->conn)->client;
}

static bool act(struct subject *s, unsigned vcpu, const struct deed *deed)
{
	const struct mock_insn insn = { (enum mock_op)deed->kind, deed->index,
					deed->value, deed->gpa, deed->rip };
	struct far *far = s->far;
	bool done;

	lock(far);
	done = mock_push(far->vm, vcpu, &insn);
	unlock(far);
	return done;
}

static struct witness ask(struct subject *s, unsigned vcpu)
{
	struct far *far = s->far;
	struct mock_seen seen;

	/* What was answered is applied by a thread. */
	wait_for_vcpus(far);
	lock(far);
	seen = mock_seen(far->vm, vcpu);
	unlock(far);
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

	lock(far);
	there = mock_peek(far->vm, gpa, dst);
	unlock(far);
	return there;
}

static bool page_is_backed(struct subject *s, mvmi_gpa gpa)
{
	struct far *far = s->far;
	bool backed;

	lock(far);
	backed = mock_page_is_backed(far->vm, gpa);
	unlock(far);
	return backed;
}

static void kill_vm(struct subject *s)
{
	struct far *far = s->far;

	lock(far);
	mock_kill(far->vm);
	unlock(far);
	(void)eventfd_write(far->end_fd, 1);
	agent_stop(far->agent);
}

static void reset(struct subject *s)
{
	struct far *far = s->far;

	lock(far);
	mock_reset(far->vm);
	unlock(far);
	agent_new_incarnation(far->agent);
	wait_for_vcpus(far);
}

static void stop(struct subject *s)
{
	struct far *far = s->far;

	settle(far);
	lock(far);
	mock_stop(far->vm);
	unlock(far);
}

static bool is_stopped(struct subject *s)
{
	struct far *far = s->far;
	bool stopped;

	lock(far);
	stopped = mock_is_stopped(far->vm);
	unlock(far);
	return stopped;
}

static void wait(struct subject *s, uint32_t ms)
{
	struct far *far = s->far;
	uint32_t real = ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS;

	lock(far);
	mock_advance(far->vm, ms);
	unlock(far);
	/* The cases count in milliseconds: too few, and then too many. */
	pause_us(1000L * (real > WAIT_SLACK_MS ? real - WAIT_SLACK_MS
					       : real + 3 * WAIT_SLACK_MS));
	wait_for_vcpus(far);
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
		lock(far);
		untouched = mock_is_untouched(far->vm);
		unlock(far);
		untouched = untouched && is_free(far);
		if (!untouched)
			pause_us(1000);
	}
	return untouched;
}

static void run(struct subject *s)
{
	/* The agent undoes in a thread of its own what a client left. */
	if (!s->vm)
		(void)is_untouched(s);
	settle(s->far);
}

static void drop(struct subject *s)
{
	if (client_of(s)->fd >= 0)
		(void)shutdown(client_of(s)->fd, SHUT_RDWR);
	(void)is_untouched(s);
	wait_for_vcpus(s->far);
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
	for (uint32_t i = 0; i < VCPUS; i++)
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
	host_init(far);
	far->agent = agent_create(&far->host, far);
	if (!far->agent)
		abort();
	for (uint32_t i = 0; i < VCPUS; i++) {
		far->vcpus[i].far = far;
		if (pthread_create(&far->vcpus[i].thread, NULL, vcpu_thread,
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
	opening = far_create(with_private);
	s->far = opening;
	if (mvmi_vm_open_driver(&agent_driver, "", NULL, &s->vm, &err) ==
	    MVMI_OK)
		return true;
	(void)printf("# agent: %s\n", err.msg);
	return false;
}
