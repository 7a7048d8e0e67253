/* SPDX-License-Identifier: MIT */
#include "drivers/qemu/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/qemu/proc.h"

/* How long QEMU may take to obey the guardian. */
#define GUARDIAN_WAIT_MS 2000
#define GUARDIAN_STEP_MS 100

/* What is closed where the kernel has no close_range(). */
#define GUARDIAN_FDS 4096

struct qemu_guardian {
	pid_t pid;
	int pipe;	     /**< owned; its end tells the guardian of ours */
	void *page;	     /**< owned; both processes see it */
	volatile int *armed; /**< in page */
};

/** Where the child keeps its three descriptors. */
enum guardian_fd {
	GUARDIAN_FD_MONITOR,
	GUARDIAN_FD_PIPE,
	GUARDIAN_FD_PARENT, /**< a pidfd, or a second copy of the pipe */
	GUARDIAN_FD_COUNT,
};

/**
 * Let the VM go on. Leaves when QEMU has said something after the request was
 * sent and then falls silent: closing at once could overtake the request.
 */
static void guardian_resume(void)
{
	static const char request[] = "{\"execute\":\"cont\"}\n";
	struct pollfd pfd = { .fd = GUARDIAN_FD_MONITOR, .events = POLLIN };
	bool answered = false;
	char sink[4096];

	/* What was sent before we came is not the answer. */
	while (read(GUARDIAN_FD_MONITOR, sink, sizeof(sink)) > 0)
		;
	if (write(GUARDIAN_FD_MONITOR, request, sizeof(request) - 1) < 0)
		return;
	for (int ms = 0; ms < GUARDIAN_WAIT_MS; ms += GUARDIAN_STEP_MS) {
		int n = poll(&pfd, 1, GUARDIAN_STEP_MS);

		if (n == 0 && answered)
			return;
		if (n <= 0)
			continue;
		if (read(GUARDIAN_FD_MONITOR, sink, sizeof(sink)) <= 0)
			return;
		answered = true;
	}
}

/** The child. Only what is safe after a fork among threads; never returns. */
static _Noreturn void guardian_main(const int *fds, volatile const int *armed)
{
	struct pollfd pfds[] = {
		{ .fd = GUARDIAN_FD_PIPE, .events = POLLIN },
		{ .fd = GUARDIAN_FD_PARENT, .events = POLLIN },
	};
	int high[GUARDIAN_FD_COUNT];
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)setsid();
	(void)prctl(PR_SET_NAME, "mvmi-guardian");
	for (int i = 0; i < GUARDIAN_FD_COUNT; i++)
		high[i] = fcntl(fds[i], F_DUPFD, GUARDIAN_FD_COUNT);
	for (int i = 0; i < GUARDIAN_FD_COUNT; i++)
		(void)dup2(high[i], i);
	if (syscall(SYS_close_range, GUARDIAN_FD_COUNT, ~0U, 0) != 0) {
		for (int fd = GUARDIAN_FD_COUNT; fd < GUARDIAN_FDS; fd++)
			(void)close(fd);
	}
	if (chdir("/") != 0)
		_exit(1);
	while (poll(pfds, ARRAY_LEN(pfds), -1) <= 0)
		;
	if (*armed)
		guardian_resume();
	_exit(0);
}

/** Fork, without a SIGCHLD at the end and without atfork handlers. */
static pid_t guardian_fork(void)
{
	return (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);
}

static enum mvmi_status
guardian_start(struct qemu_guardian *g, int monitor_fd, struct mvmi_error *err)
{
	int pipes[2];
	int self;
	int fds[GUARDIAN_FD_COUNT];
	int sys;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fail_sys(err, errno, "no pipe for the guardian");
	self = proc_open_pidfd(getpid());
	fds[GUARDIAN_FD_MONITOR] = monitor_fd;
	fds[GUARDIAN_FD_PIPE] = pipes[0];
	fds[GUARDIAN_FD_PARENT] = self >= 0 ? self : pipes[0];
	g->pid = guardian_fork();
	sys = errno;
	if (g->pid == 0)
		guardian_main(fds, g->armed);
	(void)close(pipes[0]);
	if (self >= 0)
		(void)close(self);
	if (g->pid < 0) {
		(void)close(pipes[1]);
		return fail_sys(err, sys, "no process for the guardian");
	}
	g->pipe = pipes[1];
	return MVMI_OK;
}

enum mvmi_status guardian_create(int monitor_fd, struct qemu_guardian **ret,
				 struct mvmi_error *err)
{
	struct qemu_guardian *g = calloc(1, sizeof(*g));
	enum mvmi_status status;
	void *page;

	if (!g)
		return fail(err, MVMI_ERR_NOMEM, "no memory for the guardian");
	page = mmap(NULL, MVMI_PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED) {
		free(g);
		return fail(err, MVMI_ERR_NOMEM, "no page for the guardian");
	}
	g->page = page;
	g->armed = page;
	status = guardian_start(g, monitor_fd, err);
	if (status != MVMI_OK) {
		(void)munmap(page, MVMI_PAGE_SIZE);
		free(g);
		return status;
	}
	*ret = g;
	return MVMI_OK;
}

void guardian_arm(struct qemu_guardian *guardian, bool armed)
{
	if (guardian)
		*guardian->armed = armed;
}

void guardian_destroy(struct qemu_guardian *guardian)
{
	if (!guardian)
		return;
	*guardian->armed = 0;
	(void)close(guardian->pipe);
	while (waitpid(guardian->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	(void)munmap(guardian->page, MVMI_PAGE_SIZE);
	free(guardian);
}
