/* SPDX-License-Identifier: MIT */
/* What no client of ours would tell an agent: other versions, and garbage. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent_test.h"

static int raw_connect(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1,
			   AGENT_SOCKET_FORMAT, (long long)getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (struct sockaddr *)&addr,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				  (size_t)len)) == 0);
	return fd;
}

/** @return the status of the answer; -1 if the agent hung up. */
static int raw_call(int fd, uint16_t request, const void *body, size_t body_len)
{
	static uint8_t buf[AGENT_PACKET_MAX];
	struct agent_packet head = {
		.len = (uint32_t)(sizeof(head) + body_len),
		.request = request,
	};

	memcpy(buf, &head, sizeof(head));
	if (body_len)
		memcpy(buf + sizeof(head), body, body_len);
	if (send(fd, buf, head.len, MSG_NOSIGNAL) != (ssize_t)head.len ||
	    recv(fd, buf, sizeof(buf), 0) < (ssize_t)sizeof(head))
		return -1;
	memcpy(&head, buf, sizeof(head));
	CHECK(head.request == request);
	return (int)head.status;
}

static struct agent_hello good_hello(enum agent_role role)
{
	return (struct agent_hello){ .magic = AGENT_MAGIC,
				     .oldest = AGENT_ABI_OLDEST,
				     .newest = AGENT_ABI_NEWEST,
				     .role = role };
}

static void another_version_is_told_both(void)
{
	struct agent_hello hello = good_hello(AGENT_READER);
	int fd;

	setup(1);
	fd = raw_connect();
	hello.oldest = AGENT_ABI_NEWEST + 1;
	hello.newest = AGENT_ABI_NEWEST + 9;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) ==
	      MVMI_ERR_UNSUPPORTED);
	/* A newer client that still speaks ours is served. */
	hello.oldest = AGENT_ABI_OLDEST;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	(void)close(fd);
	teardown();
}

static void requests_out_of_order_are_refused(void)
{
	struct agent_hello hello = good_hello(AGENT_READER);
	uint8_t zeros[sizeof(struct agent_subscription)] = { 0 };
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(raw_call(fd, AGENT_HOLD, NULL, 0) == MVMI_ERR_INVALID);
	hello.magic++;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) ==
	      MVMI_ERR_CORRUPT);
	hello.magic--;
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello) - 1) ==
	      MVMI_ERR_CORRUPT);
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) ==
	      MVMI_ERR_INVALID);
	CHECK(raw_call(fd, AGENT_ENABLE, zeros, sizeof(zeros)) ==
	      MVMI_ERR_DENIED);
	CHECK(raw_call(fd, AGENT_DEADLINE, zeros, 4) == MVMI_ERR_DENIED);
	CHECK(raw_call(fd, AGENT_VIEW_CREATE, NULL, 0) == MVMI_ERR_UNSUPPORTED);
	CHECK(raw_call(fd, UINT16_MAX, NULL, 0) == MVMI_ERR_UNSUPPORTED);
	CHECK(raw_call(fd, 0, NULL, 0) == MVMI_ERR_UNSUPPORTED);
	(void)close(fd);
	teardown();
}

static void bodies_of_wrong_lengths_are_refused(void)
{
	static const uint16_t requests[] = {
		AGENT_ENABLE, AGENT_DISABLE, AGENT_REGS_GET, AGENT_REGS_SET,
		AGENT_WRITE,  AGENT_INJECT,  AGENT_DEADLINE,
	};
	struct agent_hello hello = good_hello(AGENT_CONTROLLER);
	struct agent_write wide = { .gpa = 0, .count = 100 };
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		CHECK(raw_call(fd, requests[i], "abc", 3) == MVMI_ERR_CORRUPT);
	CHECK(raw_call(fd, AGENT_WRITE, &wide, sizeof(wide)) ==
	      MVMI_ERR_CORRUPT);
	wide.count = UINT32_MAX;
	CHECK(raw_call(fd, AGENT_WRITE, &wide, sizeof(wide)) ==
	      MVMI_ERR_CORRUPT);
	wide.count = 0;
	CHECK(raw_call(fd, AGENT_WRITE, &wide, sizeof(wide)) ==
	      MVMI_ERR_INVALID);
	(void)close(fd);
	teardown();
}

static void packets_that_are_none_end_the_connection(void)
{
	struct agent_packet head = { .len = 4711, .request = AGENT_STATE };
	uint8_t byte;
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(send(fd, "abc", 3, MSG_NOSIGNAL) == 3);
	CHECK(recv(fd, &byte, 1, 0) == 0);
	(void)close(fd);
	fd = raw_connect();
	CHECK(send(fd, &head, sizeof(head), MSG_NOSIGNAL) == sizeof(head));
	CHECK(recv(fd, &byte, 1, 0) == 0);
	(void)close(fd);
	teardown();
}

static void a_client_that_never_reads_is_dropped(void)
{
	struct agent_hello hello = good_hello(AGENT_READER);
	struct agent_packet head = { .len = sizeof(head),
				     .request = AGENT_STATE };
	bool dropped = false;
	int fd;

	setup(1);
	fd = raw_connect();
	CHECK(raw_call(fd, AGENT_HELLO, &hello, sizeof(hello)) == MVMI_OK);
	for (unsigned i = 0; i < 100000 && !dropped; i++)
		dropped = send(fd, &head, sizeof(head), MSG_NOSIGNAL) < 0;
	CHECK(dropped);
	/* Others are served meanwhile. */
	CHECK(agent_client_hold(client, &err) == MVMI_OK);
	(void)close(fd);
	teardown();
}

static void nonsense_in_shared_memory_harms_nobody(void)
{
	struct agent_channel *c;
	struct mvmi_event event;

	setup(1);
	CHECK(agent_client_set_deadline(client, 20, &err) == MVMI_OK);
	(void)enable_cr3();
	(void)enable(listen_to_cr3(true));
	c = &client->channel;
	/* The layout was copied on both sides. */
	c->shared->slot_offset = UINT32_MAX;
	c->shared->ring_stride = 1;
	c->shared->vcpu_count = 0;
	memset((char *)c->shared + c->ring_offset, 0xff, 128);
	fake_raise(fake, 0, cr3_write, 3);
	while (agent_client_next(client, 100, &event, &err) == MVMI_OK)
		(void)reply(&event);
	CHECK(FAKE_EVENTUALLY(done(0) == 3));
	/* A state that is neither of the three is no reply. */
	memset((char *)c->shared + c->slot_offset, 0xff,
	       sizeof(struct agent_slot));
	fake_raise(fake, 0, cr3_write, 3);
	CHECK(FAKE_EVENTUALLY(done(0) == 6));
	teardown();
}

TESTS(T(another_version_is_told_both), T(requests_out_of_order_are_refused),
      T(bodies_of_wrong_lengths_are_refused),
      T(packets_that_are_none_end_the_connection),
      T(a_client_that_never_reads_is_dropped),
      T(nonsense_in_shared_memory_harms_nobody))
