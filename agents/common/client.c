/* SPDX-License-Identifier: MIT */
/* One connection: its requests, and undoing what they did. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "state.h"

/* How long a hold may wait for the last vCPU. */
#define HOLD_TIMEOUT_MS 2000

/** How long one on its way to stand still may take. */
#define SETTLE_TIMEOUT_MS 1000

/** A request under way, and its answer. */
struct call {
	struct agent *agent;
	struct client *client;
	struct agent_packet head; /**< of the request */
	const uint8_t *body;
	uint32_t body_len;
	struct agent_result result;
	uint8_t *answer; /**< head and body, AGENT_PACKET_MAX */
	uint32_t answer_len;
	int fds[2]; /**< borrowed; to pass with the answer */
	unsigned fd_count;
};

static void refuse(struct call *call, enum mvmi_status status, const char *text)
{
	call->result.status = status;
	(void)snprintf(call->result.text, sizeof(call->result.text), "%s",
		       text);
}

/** Take a body of this length at least; newer clients may send more. */
static bool take(struct call *call, void *dst, uint32_t len)
{
	if (call->body_len < len) {
		refuse(call, MVMI_ERR_CORRUPT, "the request is too short");
		return false;
	}
	memcpy(dst, call->body, len);
	return true;
}

static void give(struct call *call, const void *src, uint32_t len)
{
	if (len > AGENT_PACKET_MAX - call->answer_len)
		return;
	memcpy(call->answer + call->answer_len, src, len);
	call->answer_len += len;
}

/* ---- requests ----------------------------------------------------------- */

static uint32_t capabilities(const struct agent_host *host)
{
	return (host->regs_get ? MVMI_CAP_REGS : 0U) |
	       (host->regs_set ? MVMI_CAP_SET_REGS : 0U) |
	       (host->write ? MVMI_CAP_WRITE : 0U) |
	       (host->kick ? MVMI_CAP_RUN : 0U) |
	       (host->desc_count ? MVMI_CAP_EVENT : 0U) |
	       (host->access_set ? MVMI_CAP_ACCESS : 0U) |
	       (host->inject ? MVMI_CAP_INJECT : 0U);
}

/** Only one may control. @return the pid of the one that does, or 0. */
static int64_t controller_pid(const struct agent *agent)
{
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
		if (agent->clients[i].fd >= 0 && agent->clients[i].controller)
			return agent->clients[i].pid;
	}
	return 0;
}

/** Slots for all that may come: 1 to AGENT_VCPUS_MAX. */
static uint32_t vcpus_ever(const struct agent *agent)
{
	uint32_t count = agent->host->vcpu_count(agent->arg);

	if (count < agent->host->vcpu_limit)
		count = agent->host->vcpu_limit;
	if (count == 0)
		return 1;
	return count < AGENT_VCPUS_MAX ? count : AGENT_VCPUS_MAX;
}

/** Make the client the controller, with memory to share. */
static void become_controller(struct call *call, uint32_t deadline_ms)
{
	struct agent *agent = call->agent;
	int64_t other = controller_pid(agent);
	struct channel *channel;

	if (other) {
		call->result.status = MVMI_ERR_BUSY;
		(void)snprintf(call->result.text, sizeof(call->result.text),
			       "process %lld controls this VM already",
			       (long long)other);
		return;
	}
	channel = channel_create(vcpus_ever(agent), deadline_ms);
	if (!channel) {
		refuse(call, MVMI_ERR_NOMEM, "no memory to share");
		return;
	}
	(void)pthread_rwlock_wrlock(&agent->lock);
	for (uint32_t i = 0; i < AGENT_VCPUS_MAX; i++)
		agent->vcpus[i].tail = 0;
	SHARED_STORE(&channel->shared->incarnation,
		     atomic_load(&agent->incarnation));
	agent->channel = channel;
	(void)pthread_rwlock_unlock(&agent->lock);
	call->client->controller = true;
	call->fds[0] = channel->memory_fd;
	call->fds[1] = channel->doorbell_fd;
	call->fd_count = 2;
}

static void on_hello(struct call *call)
{
	const struct agent_host *host = call->agent->host;
	struct agent_welcome welcome = {
		.magic = AGENT_MAGIC,
		.version = AGENT_ABI_NEWEST,
		.desc_len = sizeof(struct agent_desc),
		.capabilities = capabilities(host),
		.desc_count = host->desc_count,
		.vcpu_count = host->vcpu_count(call->agent->arg),
		.view_scope = MVMI_HOLDS_NONE,
	};
	struct agent_hello hello;

	if (!take(call, &hello, sizeof(hello)))
		return;
	if (hello.magic != AGENT_MAGIC) {
		refuse(call, MVMI_ERR_CORRUPT, "this is not an agent's client");
		return;
	}
	if (hello.oldest > AGENT_ABI_NEWEST ||
	    hello.newest < AGENT_ABI_OLDEST) {
		(void)snprintf(call->result.text, sizeof(call->result.text),
			       "the agent speaks versions %d to %d of the "
			       "wire, the client %u to %u: install one release "
			       "of both",
			       AGENT_ABI_OLDEST, AGENT_ABI_NEWEST, hello.oldest,
			       hello.newest);
		call->result.status = MVMI_ERR_UNSUPPORTED;
		return;
	}
	if (call->client->greeted && hello.role != AGENT_CONTROLLER) {
		refuse(call, MVMI_ERR_INVALID, "HELLO was said already");
		return;
	}
	if (call->client->pid == 0)
		call->client->pid = hello.pid;
	if (hello.role == AGENT_CONTROLLER)
		become_controller(call, hello.deadline_ms);
	if (call->result.status != MVMI_OK)
		return;
	call->client->greeted = true;
	if (call->client->controller)
		welcome.shared_len = (uint32_t)call->agent->channel->len;
	memcpy(welcome.readable_regs, host->readable_regs,
	       sizeof(welcome.readable_regs));
	memcpy(welcome.writable_regs, host->writable_regs,
	       sizeof(welcome.writable_regs));
	(void)snprintf(welcome.agent, sizeof(welcome.agent), "%s", host->agent);
	(void)snprintf(welcome.vmm, sizeof(welcome.vmm), "%s", host->vmm);
	give(call, &welcome, sizeof(welcome));
	give(call, host->descs,
	     host->desc_count * (uint32_t)sizeof(struct agent_desc));
}

/** Whether the descriptor offers it: the client may be anybody's. */
static void
check_subscription(struct call *call, const struct agent_subscription *what)
{
	struct agent *agent = call->agent;
	const struct agent_desc *desc = agent_desc(agent, what->kind);
	uint32_t walks = what->skip_page_walks ? MVMI_FILTER_PAGE_WALK : 0;

	if (!desc || what->kind >= MVMI_EVENT_KIND_COUNT)
		refuse(call, MVMI_ERR_UNSUPPORTED, "there is no such event");
	else if ((what->filters | walks) & ~desc->filters)
		refuse(call, MVMI_ERR_UNSUPPORTED, "there is no such filter");
	else if (what->async && !desc->async)
		refuse(call, MVMI_ERR_UNSUPPORTED,
		       "this event can't be had without a hold");
	else if (desc->limit &&
		 atomic_load(&agent->listeners[what->kind]) >= desc->limit)
		refuse(call, MVMI_ERR_LIMIT, "all its slots are in use");
}

static void on_enable(struct call *call)
{
	struct agent *agent = call->agent;
	struct agent_subscription what;
	uint64_t id;

	if (!take(call, &what, sizeof(what)))
		return;
	check_subscription(call, &what);
	if (call->result.status != MVMI_OK)
		return;
	(void)pthread_rwlock_wrlock(&agent->lock);
	id = subscriptions_add(agent, &what);
	(void)pthread_rwlock_unlock(&agent->lock);
	if (!id) {
		refuse(call, MVMI_ERR_LIMIT, "there are too many of them");
		return;
	}
	agent->host->enable(agent->arg, &what, id, &call->result);
	if (call->result.status == MVMI_OK) {
		give(call, &id, sizeof(id));
		return;
	}
	(void)pthread_rwlock_wrlock(&agent->lock);
	(void)subscriptions_remove(agent, id);
	(void)pthread_rwlock_unlock(&agent->lock);
}

/** @return false: there is none of this id. */
static bool disable(struct agent *agent, uint64_t id)
{
	bool found;

	(void)pthread_rwlock_wrlock(&agent->lock);
	found = subscriptions_remove(agent, id);
	(void)pthread_rwlock_unlock(&agent->lock);
	if (found)
		agent->host->disable(agent->arg, id);
	return found;
}

static void on_disable(struct call *call)
{
	uint64_t id;

	if (take(call, &id, sizeof(id)) && !disable(call->agent, id))
		refuse(call, MVMI_ERR_INVALID, "there is no such subscription");
}

static void on_hold(struct call *call)
{
	struct agent *agent = call->agent;

	if (agent->host->vcpu_count(agent->arg) > AGENT_VCPUS_MAX)
		refuse(call, MVMI_ERR_LIMIT, "there are too many vCPUs");
	else if (call->client->holds == UINT32_MAX)
		refuse(call, MVMI_ERR_LIMIT, "there are too many holds");
	else if (agent_hold(call->agent, HOLD_TIMEOUT_MS))
		call->client->holds++;
	else
		refuse(call, MVMI_ERR_TIMEOUT,
		       "a vCPU did not leave guest code within 2 seconds");
}

static void on_release(struct call *call)
{
	if (call->client->holds == 0) {
		refuse(call, MVMI_ERR_INVALID, "there is no hold to lift");
		return;
	}
	call->client->holds--;
	agent_release(call->agent, 1);
}

/**
 * Begin to look at, or change, a vCPU: it stays as it is, whatever deadline
 * passes, until the agent_release() that follows in any case.
 */
static bool touch(struct call *call, uint32_t vcpu)
{
	struct agent *agent = call->agent;

	atomic_fetch_add(&agent->holds, 1);
	if (vcpu >= agent->host->vcpu_count(agent->arg) ||
	    vcpu >= AGENT_VCPUS_MAX)
		refuse(call, MVMI_ERR_INVALID, "there is no such vCPU");
	else if (!agent_vcpu_is_held(agent, vcpu, SETTLE_TIMEOUT_MS))
		refuse(call, MVMI_ERR_BUSY, "the vCPU is not held");
	return call->result.status == MVMI_OK;
}

static void on_regs_get(struct call *call)
{
	struct agent_regs regs = { .valid = { 0 } };
	struct agent *agent = call->agent;
	struct agent_regs_get what;

	if (!take(call, &what, sizeof(what)))
		return;
	if (touch(call, what.vcpu))
		agent->host->regs_get(agent->arg, what.vcpu, what.groups, &regs,
				      &call->result);
	agent_release(agent, 1);
	if (call->result.status == MVMI_OK)
		give(call, &regs, sizeof(regs));
}

static void on_regs_set(struct call *call)
{
	struct agent *agent = call->agent;
	const struct agent_host *host = agent->host;
	struct agent_regs_set what;

	if (!take(call, &what, sizeof(what)))
		return;
	for (unsigned i = 0; i < 2; i++) {
		if (what.regs.dirty[i] & ~host->writable_regs[i]) {
			refuse(call, MVMI_ERR_UNSUPPORTED,
			       "a register can't be written");
			return;
		}
	}
	if (touch(call, what.vcpu))
		host->regs_set(agent->arg, what.vcpu, &what.regs,
			       &call->result);
	agent_release(agent, 1);
}

static void on_write(struct call *call)
{
	struct agent_write what;

	if (!take(call, &what, sizeof(what)))
		return;
	if (what.count > AGENT_WRITE_MAX ||
	    what.count > call->body_len - sizeof(what)) {
		refuse(call, MVMI_ERR_CORRUPT, "the request is too short");
		return;
	}
	if (what.count == 0 || what.gpa > UINT64_MAX - what.count ||
	    what.mode > MVMI_WRITE_DATA_ONLY) {
		refuse(call, MVMI_ERR_INVALID, "there is no such write");
		return;
	}
	call->agent->host->write(
		call->agent->arg, what.gpa, call->body + sizeof(what),
		what.count, (enum mvmi_write_mode)what.mode, &call->result);
}

static bool take_access(struct call *call, struct agent_access *what)
{
	if (!take(call, what, sizeof(*what)))
		return false;
	if (what->view != 0)
		refuse(call, MVMI_ERR_INVALID, "there is no such view");
	else if (what->access > 7)
		refuse(call, MVMI_ERR_INVALID, "access is r, w and x");
	return call->result.status == MVMI_OK;
}

static void on_access_set(struct call *call)
{
	struct agent_access what;

	if (take_access(call, &what))
		call->agent->host->access_set(call->agent->arg, what.gfn,
					      what.access, &call->result);
}

static void on_access_get(struct call *call)
{
	struct agent_access what;

	if (!take_access(call, &what))
		return;
	call->agent->host->access_get(call->agent->arg, what.gfn, &what.access,
				      &call->result);
	if (call->result.status == MVMI_OK)
		give(call, &what, sizeof(what));
}

static void on_inject(struct call *call)
{
	struct agent *agent = call->agent;
	struct agent_inject what;

	if (!take(call, &what, sizeof(what)))
		return;
	if (what.kind > MVMI_INJECT_NMI || what.vector > 255) {
		refuse(call, MVMI_ERR_INVALID, "there is no such injection");
		return;
	}
	/* It need not be held, only stand still meanwhile. */
	if (what.vcpu >= agent->host->vcpu_count(agent->arg) ||
	    what.vcpu >= AGENT_VCPUS_MAX)
		refuse(call, MVMI_ERR_INVALID, "there is no such vCPU");
	else if (agent->host->kick && !agent_hold(agent, HOLD_TIMEOUT_MS))
		refuse(call, MVMI_ERR_TIMEOUT, "a vCPU did not stand still");
	else {
		agent->host->inject(agent->arg, &what, &call->result);
		if (agent->host->kick)
			agent_release(agent, 1);
	}
}

static void on_deadline(struct call *call)
{
	uint32_t deadline_ms;

	if (take(call, &deadline_ms, sizeof(deadline_ms)))
		atomic_store(&call->agent->channel->deadline_ms, deadline_ms);
}

static void on_state(struct call *call)
{
	struct agent *agent = call->agent;
	struct agent_state state = {
		.incarnation = atomic_load(&agent->incarnation),
		.raised = atomic_load(&agent->raised),
		.filtered = atomic_load(&agent->filtered),
		.vcpu_count = agent->host->vcpu_count(agent->arg),
	};

	if (agent->channel)
		state.overdue = __atomic_load_n(
			&agent->channel->shared->overdue, __ATOMIC_RELAXED);
	give(call, &state, sizeof(state));
}

static const struct {
	void (*run)(struct call *call);
	bool for_controllers;
	uint32_t capability; /**< that the host must have; 0: none */
} requests[] = {
	[AGENT_HELLO] = { on_hello, false, 0 },
	[AGENT_ENABLE] = { on_enable, true, MVMI_CAP_EVENT },
	[AGENT_DISABLE] = { on_disable, true, MVMI_CAP_EVENT },
	[AGENT_HOLD] = { on_hold, false, MVMI_CAP_RUN },
	[AGENT_RELEASE] = { on_release, false, MVMI_CAP_RUN },
	[AGENT_REGS_GET] = { on_regs_get, false, MVMI_CAP_REGS },
	[AGENT_REGS_SET] = { on_regs_set, false, MVMI_CAP_SET_REGS },
	[AGENT_WRITE] = { on_write, false, MVMI_CAP_WRITE },
	[AGENT_ACCESS_SET] = { on_access_set, true, MVMI_CAP_ACCESS },
	[AGENT_ACCESS_GET] = { on_access_get, true, MVMI_CAP_ACCESS },
	[AGENT_INJECT] = { on_inject, false, MVMI_CAP_INJECT },
	[AGENT_DEADLINE] = { on_deadline, true, MVMI_CAP_EVENT },
	[AGENT_STATE] = { on_state, false, 0 },
};

#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static void dispatch(struct call *call)
{
	uint16_t request = call->head.request;

	if (request >= REQUESTS || !requests[request].run ||
	    (requests[request].capability & ~capabilities(call->agent->host)) !=
		    0)
		refuse(call, MVMI_ERR_UNSUPPORTED,
		       "the agent can't do this here");
	else if (request != AGENT_HELLO && !call->client->greeted)
		refuse(call, MVMI_ERR_INVALID, "say HELLO first");
	else if (requests[request].for_controllers && !call->client->controller)
		refuse(call, MVMI_ERR_DENIED, "this is the controller's");
	else
		requests[request].run(call);
}

/* ---- packets ------------------------------------------------------------ */

static bool send_answer(const struct call *call)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)call->answer,
			     call->answer_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (call->fd_count) {
		size_t len = call->fd_count * sizeof(int);
		struct cmsghdr *head;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(len);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(head), call->fds, len);
	}
	return sendmsg(call->client->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)call->answer_len;
}

/** To learn of its end, should a child of it keep the socket open. */
static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool client_serve(struct agent *agent, struct client *client)
{
	/* There is one thread that calls this, and one agent. */
	static uint8_t packet[AGENT_PACKET_MAX];
	static uint8_t answer[AGENT_PACKET_MAX];
	ssize_t len = recv(client->fd, packet, sizeof(packet),
			   MSG_DONTWAIT | MSG_TRUNC);
	struct call call = {
		.agent = agent,
		.client = client,
		.body = packet + sizeof(call.head),
		.answer = answer,
		.answer_len = sizeof(call.head),
	};

	if (len < 0)
		return errno == EAGAIN || errno == EINTR;
	if ((size_t)len < sizeof(call.head) || (size_t)len > sizeof(packet))
		return false;
	memcpy(&call.head, packet, sizeof(call.head));
	if (call.head.len != (size_t)len)
		return false;
	call.body_len = (uint32_t)((size_t)len - sizeof(call.head));
	dispatch(&call);
	if (call.result.status != MVMI_OK) {
		struct agent_failure failure = { .addr = 0 };

		call.answer_len = sizeof(call.head);
		call.fd_count = 0;
		memcpy(failure.text, call.result.text, sizeof(failure.text));
		failure.text[sizeof(failure.text) - 1] = '\0';
		give(&call, &failure, sizeof(failure));
	}
	call.head.len = call.answer_len;
	call.head.status = (uint32_t)call.result.status;
	memcpy(call.answer, &call.head, sizeof(call.head));
	return send_answer(&call);
}

void client_open(struct agent *agent, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid())) {
		for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
			struct client *client = &agent->clients[i];

			if (client->fd >= 0)
				continue;
			/* 0 is a process of a namespace that we can't see. */
			*client = (struct client){
				.fd = fd,
				.pidfd = peer.pid > 0 ? open_pidfd(peer.pid)
						      : -1,
				.pid = peer.pid,
			};
			return;
		}
	}
	(void)close(fd);
}

/** A controller goes: stop raising, undo patches, answer all pending. */
static void drop_controller(struct agent *agent)
{
	struct channel *channel = agent->channel;
	/* Once for all: a host may need a hold for each that it undoes. */
	bool held = agent->host->kick && agent_hold(agent, SETTLE_TIMEOUT_MS);
	uint32_t bucket = 0;
	uint64_t id;

	while ((id = subscriptions_any(agent, &bucket)) != 0)
		(void)disable(agent, id);
	if (agent->host->access_reset)
		agent->host->access_reset(agent->arg);
	if (held)
		agent_release(agent, 1);
	(void)pthread_rwlock_wrlock(&agent->lock);
	agent->channel = NULL;
	(void)pthread_rwlock_unlock(&agent->lock);
	channel_detach(channel);
	channel_unref(channel);
}

void client_close(struct agent *agent, struct client *client)
{
	if (client->controller)
		drop_controller(agent);
	agent_release(agent, client->holds);
	if (client->pidfd >= 0)
		(void)close(client->pidfd);
	(void)close(client->fd);
	*client = (struct client){ .fd = -1, .pidfd = -1 };
}
