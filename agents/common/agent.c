/* SPDX-License-Identifier: MIT */
/* The agent's life, and its thread. */
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
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

/* Besides two of its own, the thread polls a socket and a process a client. */
#define POLLED (2 + 2 * AGENT_CLIENTS_MAX)

/** Wait for what there is to do. */
static void wait_for_work(const struct agent *agent, struct pollfd fds[POLLED])
{
	fds[0] = (struct pollfd){ .fd = agent->wake_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = agent->listen_fd, .events = POLLIN };
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
		const struct client *client = &agent->clients[i];

		fds[2 + 2 * i] =
			(struct pollfd){ .fd = client->fd, .events = POLLIN };
		fds[3 + 2 * i] = (struct pollfd){ .fd = client->pidfd,
						  .events = POLLIN };
	}
	(void)poll(fds, POLLED, -1);
}

static void accept_client(struct agent *agent)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int fd = accept4(agent->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		client_open(agent, fd);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		/* It stays in the queue: don't ask again at once. */
		(void)nanosleep(&pause, NULL);
}

static void *agent_thread(void *arg)
{
	struct pollfd fds[POLLED];
	struct agent *agent = arg;

	while (!atomic_load(&agent->ends)) {
		wait_for_work(agent, fds);
		for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
			struct client *client = &agent->clients[i];
			bool lives = !fds[3 + 2 * i].revents;

			if (client->fd < 0)
				continue;
			if (lives && fds[2 + 2 * i].revents)
				lives = client_serve(agent, client);
			if (!lives)
				client_close(agent, client);
		}
		if (fds[1].revents)
			accept_client(agent);
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

/* Static, so that no vCPU's thread can outlive it. */
static struct agent the_agent;
static atomic_flag is_in_use = ATOMIC_FLAG_INIT;

/** Close what there is, and let there be another. */
static void agent_reset(struct agent *agent)
{
	if (agent->listen_fd >= 0)
		(void)close(agent->listen_fd);
	if (agent->wake_fd >= 0)
		(void)close(agent->wake_fd);
	agent->listen_fd = -1;
	agent->wake_fd = -1;
	atomic_flag_clear(&is_in_use);
}

static void agent_init(struct agent *agent)
{
	static bool has_lock;

	/* All else is as the last one left it: empty. */
	for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
		agent->clients[i] = (struct client){ .fd = -1, .pidfd = -1 };
	if (!has_lock)
		lock_init(&agent->lock);
	has_lock = true;
	atomic_store(&agent->ends, false);
	agent->has_ended = false;
	atomic_store(&agent->incarnation, 1);
	for (size_t i = 0; i < AGENT_VCPUS_MAX; i++)
		atomic_store(&agent->vcpus[i].state, VCPU_IDLE);
}

struct agent *agent_create(const struct agent_host *host, void *arg)
{
	struct agent *agent = &the_agent;
	int failed;

	if (atomic_flag_test_and_set(&is_in_use)) {
		errno = EBUSY;
		return NULL;
	}
	agent_init(agent);
	agent->host = host;
	agent->arg = arg;
	agent->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	agent->listen_fd = listen_on_pid();
	failed = agent->wake_fd < 0 || agent->listen_fd < 0
			 ? errno
			 : thread_start(agent);
	if (failed) {
		agent_reset(agent);
		errno = failed;
		return NULL;
	}
	return agent;
}

/** When an operation of the host that never returns is no longer waited for. */
static struct timespec join_end(void)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 2;
	return end;
}

void agent_stop(struct agent *agent)
{
	struct timespec end = join_end();
	uint64_t one = 1;

	if (!agent || atomic_exchange(&agent->ends, true))
		return;
	(void)pthread_rwlock_rdlock(&agent->lock);
	if (agent->channel) {
		SHARED_STORE(&agent->channel->shared->gone, 1);
		channel_wake(agent->channel);
	}
	(void)pthread_rwlock_unlock(&agent->lock);
	agent->has_ended =
		write(agent->wake_fd, &one, sizeof(one)) == sizeof(one) &&
		pthread_timedjoin_np(agent->thread, NULL, &end) == 0;
}

void agent_destroy(struct agent *agent)
{
	agent_stop(agent);
	/* A thread that hangs in the host keeps it for ever. */
	if (agent && agent->has_ended)
		agent_reset(agent);
}

void agent_new_incarnation(struct agent *agent)
{
	uint64_t incarnation = atomic_fetch_add(&agent->incarnation, 1) + 1;

	(void)pthread_rwlock_rdlock(&agent->lock);
	if (agent->channel) {
		SHARED_STORE(&agent->channel->shared->incarnation, incarnation);
		channel_cancel(agent->channel);
		channel_wake(agent->channel);
	}
	(void)pthread_rwlock_unlock(&agent->lock);
}
