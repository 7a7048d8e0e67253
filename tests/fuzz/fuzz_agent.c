/* SPDX-License-Identifier: MIT */
/*
 * A hostile client of an agent: packets of any kind, and shared memory that is
 * written to while vCPUs raise events. The input is a list of deeds.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum deed {
	DEED_REQUEST, /**< with a good head */
	DEED_PACKET,  /**< as it is */
	DEED_POKE,    /**< shared memory */
	DEED_RAISE,   /**< some events, and wait until they are over */
	DEED_COUNT,
};

/** A connection, and what came with it. */
struct session {
	int fd;
	uint8_t *map; /**< NULL: there is none */
	size_t len;
};

static struct fake *fake;

static int session_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1,
			   AGENT_SOCKET_FORMAT, (long long)getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				(size_t)len)) != 0)
		abort();
	return fd;
}

/** Take the answer, and the memory if it brings any. */
static void session_answer(struct session *session)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	static uint8_t buf[AGENT_PACKET_MAX];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *head;
	int fds[2];
	void *map;

	if (recvmsg(session->fd, &msg, MSG_CMSG_CLOEXEC) <= 0)
		return;
	head = CMSG_FIRSTHDR(&msg);
	if (!head || head->cmsg_len != CMSG_LEN(sizeof(fds)))
		return;
	memcpy(fds, CMSG_DATA(head), sizeof(fds));
	session->len = (size_t)lseek(fds[0], 0, SEEK_END);
	map = mmap(NULL, session->len, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fds[0], 0);
	if (map == MAP_FAILED || session->map)
		abort(); /* it makes one controller at a time, once */
	session->map = map;
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void session_send(struct session *session, const void *bytes, size_t len)
{
	if (send(session->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len)
		session_answer(session);
}

static void session_request(struct session *session, uint16_t request,
			    struct mvmi_bytes body)
{
	static uint8_t packet[AGENT_PACKET_MAX];
	const struct agent_packet head = {
		.len = (uint32_t)(sizeof(head) + body.len),
		.request = request,
	};

	memcpy(packet, &head, sizeof(head));
	if (body.len)
		memcpy(packet + sizeof(head), body.ptr, body.len);
	session_send(session, packet, head.len);
}

static void session_begin(struct session *session)
{
	const struct agent_hello hello = { .magic = AGENT_MAGIC,
					   .oldest = AGENT_ABI_OLDEST,
					   .newest = AGENT_ABI_NEWEST,
					   .role = AGENT_CONTROLLER,
					   .deadline_ms = 1 };
	const struct mvmi_bytes body = { (const uint8_t *)&hello,
					 sizeof(hello) };

	/* The last client's end may not have been seen yet. */
	for (unsigned i = 0; i < 5000 && !session->map; i++) {
		session_request(session, AGENT_HELLO, body);
		if (!session->map)
			fake_sleep_ms(1);
	}
	if (!session->map)
		abort();
}

static void session_raise(uint8_t what)
{
	static const uint32_t kinds[] = { MVMI_EVENT_CR3_WRITE,
					  MVMI_EVENT_HW_BREAKPOINT,
					  MVMI_EVENT_CPUID };
	struct agent_event event = { .kind = kinds[what % 3],
				     .gva = what,
				     .value = what };

	fake_raise(fake, 0, event, 1 + what % 8);
	/* Whatever the client does, a vCPU goes on within its deadlines. */
	if (!FAKE_EVENTUALLY(atomic_load(&fake->vcpus[0].left) == 0))
		abort();
}

static void session_poke(struct session *session, struct mvmi_bytes bytes)
{
	uint32_t off;

	if (bytes.len < sizeof(off))
		return;
	memcpy(&off, bytes.ptr, sizeof(off));
	for (size_t i = sizeof(off); i < bytes.len; i++)
		session->map[(off + i) % session->len] = bytes.ptr[i];
}

/** What would make a vCPU wait for longer than this fuzzer has time. */
static bool takes_long(uint16_t request)
{
	return request == AGENT_DEADLINE || request == AGENT_HOLD;
}

static bool packet_takes_long(struct mvmi_bytes packet)
{
	struct agent_packet head;

	if (packet.len < sizeof(head))
		return false;
	memcpy(&head, packet.ptr, sizeof(head));
	return takes_long(head.request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session session = { .fd = -1 };
	size_t at = 0;

	if (!fake)
		fake = fake_create(1);
	if (!fake)
		abort();
	session.fd = session_connect();
	session_begin(&session);
	while (size - at >= 4) {
		uint8_t deed = data[at] % DEED_COUNT;
		uint8_t arg = data[at + 1];
		size_t len = (size_t)(data[at + 2] | data[at + 3] << 8) % 2048;
		struct mvmi_bytes body = {
			data + at + 4, len < size - at - 4 ? len : size - at - 4
		};

		at += 4 + body.len;
		if (deed == DEED_REQUEST && !takes_long(arg % 20))
			session_request(&session, arg % 20, body);
		else if (deed == DEED_PACKET && body.len &&
			 !packet_takes_long(body))
			session_send(&session, body.ptr, body.len);
		else if (deed == DEED_POKE)
			session_poke(&session, body);
		else if (deed == DEED_RAISE)
			session_raise(arg);
	}
	(void)munmap(session.map, session.len);
	(void)close(session.fd);
	return 0;
}
