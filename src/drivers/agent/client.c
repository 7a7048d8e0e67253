/* SPDX-License-Identifier: MIT */
/* The control socket: connecting, and requests with their answers. */
#include "drivers/agent/client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "drivers/agent/wire.h"

/* A socket ends a moment before its process does. */
#define END_MS 500

/* ---- life --------------------------------------------------------------- */

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&pollfd, 1, timeout_ms) == 1;
}

static enum mvmi_status
fail_gone(struct agent_client *client, struct mvmi_error *err)
{
	client->gone = true;
	return fail(err, MVMI_ERR_GONE, "the VMM, process %" PRId64 ", ended",
		    client->pid);
}

/** The socket is of no use any more: is that the end of the VM? */
static enum mvmi_status
give_up(struct agent_client *client, const char *why, struct mvmi_error *err)
{
	const struct agent_shared *shared = client->channel.shared;
	int wait_ms = client->fd >= 0 ? END_MS : 0;

	if (client->fd >= 0)
		(void)close(client->fd);
	client->fd = -1;
	if (client->gone || is_readable(client->pidfd, wait_ms) ||
	    (shared && __atomic_load_n(&shared->gone, __ATOMIC_SEQ_CST)))
		return fail_gone(client, err);
	return fail(err, MVMI_ERR_SYSTEM, "the agent in process %" PRId64 " %s",
		    client->pid, why);
}

enum mvmi_status
agent_client_lives(struct agent_client *client, struct mvmi_error *err)
{
	const struct agent_shared *shared = client->channel.shared;

	if (client->gone ||
	    (shared && __atomic_load_n(&shared->gone, __ATOMIC_SEQ_CST)) ||
	    is_readable(client->pidfd, 0))
		return fail_gone(client, err);
	/* It never speaks first: what there is to read is the end. */
	if (client->fd < 0 || is_readable(client->fd, 0))
		return give_up(client, "has ended, while the VM lives", err);
	return MVMI_OK;
}

/* ---- requests ----------------------------------------------------------- */

static bool
send_request(struct agent_client *client, const struct agent_call *call)
{
	struct agent_packet head = {
		.len = (uint32_t)(sizeof(head) + call->body_len +
				  call->more.len),
		.request = (uint16_t)call->request,
		.sequence = ++client->sequence,
	};
	struct iovec iov[3] = {
		{ &head, sizeof(head) },
		{ (void *)(uintptr_t)call->body, call->body_len },
		{ (void *)(uintptr_t)call->more.ptr, call->more.len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	return sendmsg(client->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)head.len;
}

/** Take descriptors out of a message; those that nobody wants are closed. */
static void take_fds(struct msghdr *msg, struct agent_call *call)
{
	unsigned taken = 0;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head;
	     head = CMSG_NXTHDR(msg, head)) {
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (head->cmsg_level != SOL_SOCKET ||
		    head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd),
			       sizeof(fd));
			if (call->takes_fds && taken < 2)
				call->fds[taken++] = fd;
			else
				(void)close(fd);
		}
	}
}

/** One packet. @return its length, or -1. */
static ssize_t receive(struct agent_client *client, struct agent_call *call,
		       struct mvmi_span dst)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { dst.ptr, dst.len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t len =
		recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (len < 0)
		return -1;
	take_fds(&msg, call);
	return (msg.msg_flags & MSG_TRUNC) ? -1 : len;
}

static enum mvmi_status
take_failure(const struct agent_packet *head, const uint8_t *body, size_t len,
	     struct mvmi_error *err)
{
	struct agent_failure failure = { .addr = 0 };
	enum mvmi_status status = head->status > MVMI_ERR_CORRUPT
					  ? MVMI_ERR_CORRUPT
					  : (enum mvmi_status)head->status;

	memcpy(&failure, body, MIN(len, sizeof(failure)));
	failure.text[sizeof(failure.text) - 1] = '\0';
	(void)fail(err, status, "%s",
		   *failure.text ? failure.text : "the agent refused");
	if (err)
		err->addr = failure.addr;
	return status;
}

static void close_fds(struct agent_call *call)
{
	for (unsigned i = 0; i < 2; i++) {
		if (call->fds[i] >= 0)
			(void)close(call->fds[i]);
		call->fds[i] = -1;
	}
}

/** Wait for the answer to the request that was sent. */
static enum mvmi_status
take_answer(struct agent_client *client, struct agent_call *call, uint8_t *buf,
	    struct mvmi_error *err)
{
	struct agent_packet head;
	size_t body_len;
	ssize_t len;

	if (!is_readable(client->fd, (int)client->timeout_ms)) {
		(void)give_up(client, "", NULL);
		return client->gone ? fail_gone(client, err)
				    : fail(err, MVMI_ERR_TIMEOUT,
					   "the agent gave no answer within "
					   "%" PRIu32 " ms",
					   client->timeout_ms);
	}
	len = receive(client, call,
		      (struct mvmi_span){ buf, AGENT_PACKET_MAX });
	if (len <= 0)
		return give_up(client, "closed the connection", err);
	if ((size_t)len < sizeof(head))
		return give_up(client, "sent half a packet", err);
	memcpy(&head, buf, sizeof(head));
	body_len = (size_t)len - sizeof(head);
	if (head.len != (size_t)len || head.request != call->request ||
	    head.sequence != client->sequence)
		return give_up(client, "gave an answer to something else", err);
	if (head.status != MVMI_OK)
		return take_failure(&head, buf + sizeof(head), body_len, err);
	if (!call->ret)
		return MVMI_OK;
	memset(call->ret, 0, call->ret_len);
	call->ret_len = (uint32_t)MIN(body_len, call->ret_len);
	memcpy(call->ret, buf + sizeof(head), call->ret_len);
	return MVMI_OK;
}

enum mvmi_status
agent_client_call(struct agent_client *client, struct agent_call *call,
		  struct mvmi_error *err)
{
	uint8_t buf[AGENT_PACKET_MAX];
	enum mvmi_status status = agent_client_lives(client, err);

	call->fds[0] = -1;
	call->fds[1] = -1;
	if (status != MVMI_OK)
		return status;
	if (!send_request(client, call))
		return give_up(client, "takes no requests", err);
	status = take_answer(client, call, buf, err);
	if (status != MVMI_OK)
		close_fds(call);
	return status;
}

/* ---- connecting --------------------------------------------------------- */

/** Whose process it is: only it, or root, may listen for it. */
static bool owner_of(int64_t pid, uid_t *ret)
{
	char path[40];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId64, pid);
	if (stat(path, &st) != 0)
		return false;
	*ret = st.st_uid;
	return true;
}

static enum mvmi_status check_peer(int fd, int64_t pid, struct mvmi_error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uid_t owner;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return fail_sys(err, errno, "who is the agent?");
	if (peer.pid != pid || !owner_of(pid, &owner) ||
	    (peer.uid != owner && peer.uid != 0 && owner != 0))
		return fail(err, MVMI_ERR_DENIED,
			    "process %d poses as the agent of process %" PRId64,
			    (int)peer.pid, pid);
	return MVMI_OK;
}

/** Connect; where many do at the same time, not at once. */
static enum mvmi_status
connect_to(int64_t pid, uint32_t timeout_ms, int *ret, struct mvmi_error *err)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1,
			   AGENT_SOCKET_FORMAT, (long long)pid);
	socklen_t addr_len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)len);
	uint64_t end = clock_ms() + timeout_ms;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int failed = 0;

	if (fd < 0)
		return fail_sys(err, errno, "no socket for the agent");
	while (connect(fd, (struct sockaddr *)&addr, addr_len) != 0) {
		failed = errno;
		if (failed != EAGAIN || clock_ms() >= end)
			break;
		failed = 0;
		(void)nanosleep(&pause, NULL);
	}
	if (failed) {
		(void)close(fd);
		if (failed == EAGAIN)
			return fail(err, MVMI_ERR_TIMEOUT,
				    "the agent of process %" PRId64
				    " takes no connection",
				    pid);
		(void)fail(err, MVMI_ERR_UNSUPPORTED,
			   "there is no agent in process %" PRId64, pid);
		if (err)
			err->sys = failed;
		return MVMI_ERR_UNSUPPORTED;
	}
	*ret = fd;
	return MVMI_OK;
}

/** The text that a peer claims is a string. */
static void take_text(char dst[64], const char src[64])
{
	for (size_t i = 0; i < 64; i++)
		dst[i] =
			(char)(src[i] == '\0' || (src[i] >= ' ' && src[i] < 127)
				       ? src[i]
				       : '?');
	dst[63] = '\0';
}

static void take_descs(struct agent_client *client, const uint8_t *bytes,
		       size_t len, const struct agent_welcome *welcome)
{
	uint32_t seen = 0;

	client->desc_count = 0;
	for (uint32_t i = 0; i < welcome->desc_count; i++) {
		struct mvmi_event_desc desc;
		struct agent_desc wire;
		size_t off = (size_t)i * welcome->desc_len;

		if (off > len || welcome->desc_len > len - off)
			break;
		memcpy(&wire, bytes + off, sizeof(wire));
		if (!wire_take_desc(&desc, &wire) || (seen >> desc.kind & 1))
			continue;
		seen |= UINT32_C(1) << desc.kind;
		client->descs[client->desc_count++] = desc;
	}
	/* This we tell ourselves. */
	if (client->desc_count && !(seen >> MVMI_EVENT_GONE & 1))
		client->descs[client->desc_count++] = (struct mvmi_event_desc){
			.kind = MVMI_EVENT_GONE,
			.phase = MVMI_PHASE_AFTER,
			.replies = MVMI_ACTION_BIT(MVMI_ACTION_CONTINUE),
			.async = true,
		};
}

static mvmi_regset known_regs(const uint64_t bits[2])
{
	mvmi_regset all = mvmi_regset_of_groups(MVMI_REGS_ALL);

	return (mvmi_regset){ { bits[0] & all.bits[0],
				bits[1] & all.bits[1] } };
}

/** Say who we are, or who we want to be from now on. */
static enum mvmi_status
hello(struct agent_client *client, enum agent_role role, struct mvmi_error *err)
{
	const struct agent_hello what = {
		.magic = AGENT_MAGIC,
		.oldest = AGENT_ABI_OLDEST,
		.newest = AGENT_ABI_NEWEST,
		.role = role,
		.deadline_ms = client->deadline_ms,
		.pid = getpid(),
	};
	uint8_t answer[sizeof(struct agent_welcome) + 4096] = { 0 };
	struct agent_call call = {
		.request = AGENT_HELLO,
		.body = &what,
		.body_len = sizeof(what),
		.ret = answer,
		.ret_len = sizeof(answer),
		.takes_fds = role == AGENT_CONTROLLER,
	};
	struct agent_welcome welcome;
	enum mvmi_status status = agent_client_call(client, &call, err);

	if (status != MVMI_OK)
		return status;
	memcpy(&welcome, answer, sizeof(welcome));
	if (call.ret_len < sizeof(welcome) || welcome.magic != AGENT_MAGIC ||
	    welcome.version < AGENT_ABI_OLDEST ||
	    welcome.version > AGENT_ABI_NEWEST ||
	    welcome.desc_len < sizeof(struct agent_desc)) {
		close_fds(&call);
		return give_up(client, "is none of ours", err);
	}
	if (role == AGENT_CONTROLLER)
		return agent_client_map(client, welcome.shared_len, call.fds[0],
					call.fds[1], err);
	client->capabilities = welcome.capabilities;
	client->vcpu_count = MIN(welcome.vcpu_count, AGENT_VCPUS_MAX);
	client->readable = known_regs(welcome.readable_regs);
	client->writable = known_regs(welcome.writable_regs);
	take_text(client->agent, welcome.agent);
	take_text(client->vmm, welcome.vmm);
	take_descs(client, answer + sizeof(welcome),
		   call.ret_len - sizeof(welcome), &welcome);
	return MVMI_OK;
}

enum mvmi_status
agent_client_open(int64_t pid, uint32_t timeout_ms, struct agent_client **ret,
		  struct mvmi_error *err)
{
	struct agent_client *client = calloc(1, sizeof(*client));
	enum mvmi_status status;

	if (!client)
		return fail(err, MVMI_ERR_NOMEM, "no memory for an agent");
	client->fd = -1;
	client->poll_fd = -1;
	client->channel.doorbell_fd = -1;
	client->pid = pid;
	client->timeout_ms = MIN(timeout_ms, (uint32_t)INT32_MAX);
	client->deadline_ms = MVMI_HOLD_DEADLINE_DEFAULT_MS;
	client->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	status = connect_to(pid, timeout_ms, &client->fd, err);
	if (status == MVMI_OK)
		status = check_peer(client->fd, pid, err);
	if (status == MVMI_OK)
		status = hello(client, AGENT_READER, err);
	if (status != MVMI_OK) {
		agent_client_close(client);
		return status;
	}
	*ret = client;
	return MVMI_OK;
}

void agent_client_close(struct agent_client *client)
{
	if (!client)
		return;
	/* The agent undoes everything when this ends. */
	if (client->fd >= 0)
		(void)close(client->fd);
	agent_client_unmap(client);
	if (client->poll_fd >= 0)
		(void)close(client->poll_fd);
	if (client->pidfd >= 0)
		(void)close(client->pidfd);
	free(client);
}

/* ---- operations --------------------------------------------------------- */

static enum mvmi_status
call_plain(struct agent_client *client, enum agent_request request,
	   const void *body, uint32_t body_len, struct mvmi_error *err)
{
	struct agent_call call = { .request = request,
				   .body = body,
				   .body_len = body_len };

	return agent_client_call(client, &call, err);
}

enum mvmi_status
agent_client_hold(struct agent_client *client, struct mvmi_error *err)
{
	return call_plain(client, AGENT_HOLD, NULL, 0, err);
}

enum mvmi_status
agent_client_release(struct agent_client *client, struct mvmi_error *err)
{
	return call_plain(client, AGENT_RELEASE, NULL, 0, err);
}

enum mvmi_status
agent_client_get_regs(struct agent_client *client, unsigned vcpu,
		      unsigned groups, struct mvmi_regs *regs,
		      struct mvmi_error *err)
{
	const struct agent_regs_get what = { vcpu, groups };
	struct agent_regs wire;
	struct agent_call call = { .request = AGENT_REGS_GET,
				   .body = &what,
				   .body_len = sizeof(what),
				   .ret = &wire,
				   .ret_len = sizeof(wire) };
	enum mvmi_status status = agent_client_call(client, &call, err);

	if (status == MVMI_OK)
		wire_take_regs(regs, &wire, client->readable);
	return status;
}

enum mvmi_status
agent_client_set_regs(struct agent_client *client, unsigned vcpu,
		      const struct mvmi_regs *regs, struct mvmi_error *err)
{
	struct agent_regs_set what = { .vcpu = vcpu };

	wire_put_regs(&what.regs, regs);
	return call_plain(client, AGENT_REGS_SET, &what, sizeof(what), err);
}

enum mvmi_status
agent_client_write(struct agent_client *client, mvmi_gpa gpa,
		   struct mvmi_bytes src, enum mvmi_write_mode mode,
		   struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	for (size_t done = 0; status == MVMI_OK && done < src.len;) {
		size_t len = MIN(src.len - done, (size_t)AGENT_WRITE_MAX);
		const struct agent_write what = { gpa.val + done,
						  (uint32_t)mode,
						  (uint32_t)len };
		struct agent_call call = { .request = AGENT_WRITE,
					   .body = &what,
					   .body_len = sizeof(what),
					   .more = { src.ptr + done, len } };

		status = agent_client_call(client, &call, err);
		done += len;
	}
	return status;
}

enum mvmi_status
agent_client_inject(struct agent_client *client, unsigned vcpu,
		    const struct mvmi_injection *what, struct mvmi_error *err)
{
	struct agent_inject wire;

	wire_put_inject(&wire, vcpu, what);
	return call_plain(client, AGENT_INJECT, &wire, sizeof(wire), err);
}

/** What only a controller may do begins with this. */
static enum mvmi_status
become_controller(struct agent_client *client, struct mvmi_error *err)
{
	return client->channel.shared ? MVMI_OK
				      : hello(client, AGENT_CONTROLLER, err);
}

enum mvmi_status
agent_client_set_access(struct agent_client *client, uint32_t view,
			mvmi_gfn gfn, uint32_t access, struct mvmi_error *err)
{
	const struct agent_access what = { gfn.val, view, access };
	enum mvmi_status status = become_controller(client, err);

	return status == MVMI_OK ? call_plain(client, AGENT_ACCESS_SET, &what,
					      sizeof(what), err)
				 : status;
}

enum mvmi_status
agent_client_get_access(struct agent_client *client, uint32_t view,
			mvmi_gfn gfn, uint32_t *ret, struct mvmi_error *err)
{
	struct agent_access what = { gfn.val, view, 0 };
	struct agent_access got = { .gfn = 0 };
	struct agent_call call = { .request = AGENT_ACCESS_GET,
				   .body = &what,
				   .body_len = sizeof(what),
				   .ret = &got,
				   .ret_len = sizeof(got) };
	enum mvmi_status status = become_controller(client, err);

	if (status == MVMI_OK)
		status = agent_client_call(client, &call, err);
	if (status == MVMI_OK)
		*ret = got.access &
		       (MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X);
	return status;
}

unsigned agent_client_vcpu_count(struct agent_client *client)
{
	struct agent_state state = { .vcpu_count = 0 };
	struct agent_call call = { .request = AGENT_STATE,
				   .ret = &state,
				   .ret_len = sizeof(state) };

	if (agent_client_call(client, &call, NULL) == MVMI_OK)
		client->vcpu_count = MIN(state.vcpu_count, AGENT_VCPUS_MAX);
	return client->vcpu_count;
}

enum mvmi_status agent_client_enable(struct agent_client *client,
				     const struct mvmi_subscription *what,
				     uint64_t *ret, struct mvmi_error *err)
{
	struct agent_subscription wire;
	uint64_t id;
	struct agent_call call = { .request = AGENT_ENABLE,
				   .body = &wire,
				   .body_len = sizeof(wire),
				   .ret = &id,
				   .ret_len = sizeof(id) };
	enum mvmi_status status = become_controller(client, err);

	if (status != MVMI_OK)
		return status;
	if (what->kind == MVMI_EVENT_GONE) {
		client->waits_for_gone = true;
		*ret = UINT64_MAX;
		return MVMI_OK;
	}
	wire_put_subscription(&wire, what);
	status = agent_client_call(client, &call, err);
	if (status != MVMI_OK)
		return status;
	if (call.ret_len != sizeof(id) || id == 0 || id == UINT64_MAX)
		return give_up(client, "gave a subscription no number", err);
	*ret = id;
	return MVMI_OK;
}

enum mvmi_status agent_client_disable(struct agent_client *client, uint64_t id,
				      struct mvmi_error *err)
{
	if (id == UINT64_MAX && client->waits_for_gone) {
		client->waits_for_gone = false;
		return MVMI_OK;
	}
	return call_plain(client, AGENT_DISABLE, &id, sizeof(id), err);
}

enum mvmi_status
agent_client_set_deadline(struct agent_client *client, uint32_t deadline_ms,
			  struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	/* A reader tells it when it becomes the controller. */
	if (client->channel.shared)
		status = call_plain(client, AGENT_DEADLINE, &deadline_ms,
				    sizeof(deadline_ms), err);
	if (status == MVMI_OK)
		client->deadline_ms = deadline_ms;
	return status;
}
