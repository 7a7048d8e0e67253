/* SPDX-License-Identifier: MIT */
/* The agent's life, and its thread. */
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "state.h"

static int listen_on_pid(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1,
			   AGENT_SOCKET_FORMAT, (long long)getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	socklen_t addr_len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)len);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&addr, addr_len) != 0 ||
	    listen(fd, AGENT_CLIENTS_MAX) != 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/** Wait for what there is to do. fds[2 + i] is clients[i]. */
static void wait_for_work(const struct agent *agent,
			  struct pollfd fds[2 + AGENT_CLIENTS_MAX])
{
	fds[0] = (struct pollfd){ .fd = agent->wake_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = agent->listen_fd, .events = POLLIN };
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
		fds[2 + i] = (struct pollfd){ .fd = agent->clients[i].fd,
					      .events = POLLIN };
	(void)poll(fds, 2 + AGENT_CLIENTS_MAX, -1);
}

static void *agent_thread(void *arg)
{
	struct pollfd fds[2 + AGENT_CLIENTS_MAX];
	struct agent *agent = arg;

	while (!atomic_load(&agent->ends)) {
		wait_for_work(agent, fds);
		for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
			struct client *client = &agent->clients[i];

			/* Slots freed in this round have no events of theirs. */
			if (client->fd < 0 || client->fd != fds[2 + i].fd ||
			    !fds[2 + i].revents)
				continue;
			if (!client_serve(agent, client))
				client_close(agent, client);
		}
		if (fds[1].revents) {
			int fd = accept4(agent->listen_fd, NULL, NULL,
					 SOCK_CLOEXEC);

			if (fd >= 0)
				client_open(agent, fd);
		}
	}
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
		if (agent->clients[i].fd >= 0)
			client_close(agent, &agent->clients[i]);
	}
	return NULL;
}

/** The thread takes no signal: they are the VMM's. */
static int thread_start(struct agent *agent)
{
	sigset_t all;
	sigset_t before;
	int failed;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&agent->thread, NULL, agent_thread, agent);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed == 0)
		(void)pthread_setname_np(agent->thread, "microvmi-agent");
	return failed;
}

static void agent_free(struct agent *agent)
{
	if (agent->listen_fd >= 0)
		(void)close(agent->listen_fd);
	if (agent->wake_fd >= 0)
		(void)close(agent->wake_fd);
	(void)pthread_rwlock_destroy(&agent->lock);
	free(agent);
}

/** Whoever takes a subscription away must not wait for vCPUs without end. */
static void lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	(void)pthread_rwlockattr_init(&attr);
	(void)pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	(void)pthread_rwlock_init(lock, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
}

struct agent *agent_create(const struct agent_host *host, void *arg)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int failed;

	if (!agent)
		return NULL;
	agent->host = host;
	agent->arg = arg;
	atomic_init(&agent->incarnation, 1);
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
		agent->clients[i].fd = -1;
	lock_init(&agent->lock);
	agent->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	agent->listen_fd = listen_on_pid();
	failed = agent->wake_fd < 0 || agent->listen_fd < 0
			 ? errno
			 : thread_start(agent);
	if (failed) {
		agent_free(agent);
		errno = failed;
		return NULL;
	}
	return agent;
}

void agent_stop(struct agent *agent)
{
	uint64_t one = 1;

	if (!agent || atomic_exchange(&agent->ends, true))
		return;
	(void)pthread_rwlock_wrlock(&agent->lock);
	if (agent->channel) {
		struct agent_shared *shared = agent->channel->shared;

		__atomic_store_n(&shared->gone, 1, __ATOMIC_SEQ_CST);
		channel_ring_bell(agent->channel, shared->ready, 0);
	}
	(void)pthread_rwlock_unlock(&agent->lock);
	if (write(agent->wake_fd, &one, sizeof(one)) == sizeof(one))
		(void)pthread_join(agent->thread, NULL);
}

void agent_destroy(struct agent *agent)
{
	if (!agent)
		return;
	agent_stop(agent);
	agent_free(agent);
}

void agent_new_incarnation(struct agent *agent)
{
	uint64_t incarnation = atomic_fetch_add(&agent->incarnation, 1) + 1;

	(void)pthread_rwlock_rdlock(&agent->lock);
	if (agent->channel) {
		__atomic_store_n(&agent->channel->shared->incarnation,
				 incarnation, __ATOMIC_SEQ_CST);
		(void)__atomic_fetch_add(&agent->channel->shared->doorbell, 1,
					 __ATOMIC_SEQ_CST);
		futex_wake(&agent->channel->shared->doorbell);
	}
	(void)pthread_rwlock_unlock(&agent->lock);
}
