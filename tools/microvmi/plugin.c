/* SPDX-License-Identifier: MIT */
#include "plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <microvmi/event.h>
#include <microvmi/vm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "diag.h"

#define FILE_NAME "microvmi-qemu.so"

/* From QEMU's start to its plugin's socket; a slow disk is taken in. */
#define TRIES  100
#define TRY_NS 50000000L

/* What QEMU says of itself, as far as it is read. */
#define OUTPUT_LEN 65536

/* ---- finding it -------------------------------------------------------- */

/** path := an existing "FOLDER/MIDDLE/microvmi-qemu.so", made absolute. */
static bool
look_in(const char *folder, const char *middle, char path[PLUGIN_PATH_LEN])
{
	char try[PLUGIN_PATH_LEN];
	int n = snprintf(try, sizeof(try), "%s/%s/" FILE_NAME, folder, middle);

	return n > 0 && (size_t)n < sizeof(try) && realpath(try, path);
}

/** The folder of this program. @return false if /proc doesn't tell. */
static bool own_folder(char folder[PLUGIN_PATH_LEN])
{
	ssize_t n = readlink("/proc/self/exe", folder, PLUGIN_PATH_LEN - 1);
	char *slash;

	if (n <= 0)
		return false;
	folder[n] = '\0';
	slash = strrchr(folder, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

int plugin_find(char path[PLUGIN_PATH_LEN])
{
	bool is_absolute = MVMI_LIBDIR[0] == '/';
	char folder[PLUGIN_PATH_LEN];

	/* The build tree's, then beside where this was installed or moved to,
	 * then where it was to be installed. */
	if (own_folder(folder) &&
	    (look_in(folder, "agents", path) ||
	     (!is_absolute &&
	      look_in(folder, "../" MVMI_LIBDIR "/microvmi", path))))
		return EXIT_OK;
	if (look_in(is_absolute ? "" : MVMI_PREFIX, MVMI_LIBDIR "/microvmi",
		    path))
		return EXIT_OK;
	diag_say(FILE_NAME " is neither beside this command nor in %s%s%s"
			   "/microvmi",
		 is_absolute ? "" : MVMI_PREFIX, is_absolute ? "" : "/",
		 MVMI_LIBDIR);
	diag_hint("it is built on x86-64 Linux, with -Dagents=true");
	return EXIT_FAILED;
}

void plugin_argument(const char *path, char argument[2 * PLUGIN_PATH_LEN])
{
	size_t len = 0;

	/* A '=' would be taken for the end of a key. */
	if (strchr(path, '='))
		len = (size_t)sprintf(argument, "file=");
	for (; *path && len < 2 * PLUGIN_PATH_LEN - 2; path++) {
		if (*path == ',')
			argument[len++] = ',';
		argument[len++] = *path;
	}
	argument[len] = '\0';
}

/* ---- trying it --------------------------------------------------------- */

/** A QEMU that was started. */
struct child {
	pid_t pid;
	int fd;			 /**< its stdout and stderr */
	char output[OUTPUT_LEN]; /**< NUL-terminated */
	size_t len;
};

static _Noreturn void exec_child(const char *const *argv, int fd)
{
	int none = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (none < 0 || dup2(none, STDIN_FILENO) < 0 ||
	    dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int start(struct child *child, const char *const *argv)
{
	int fds[2];

	child->len = 0;
	child->output[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) != 0)
		return diag_sys("cannot make a pipe");
	child->pid = fork();
	if (child->pid == 0)
		exec_child(argv, fds[1]);
	(void)close(fds[1]);
	child->fd = fds[0];
	if (child->pid > 0)
		return EXIT_OK;
	(void)close(fds[0]);
	return diag_sys("cannot start %s", argv[0]);
}

/** Read what it has said. @return false once it has closed its output. */
static bool listen_to(struct child *child, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = child->fd, .events = POLLIN };
	char rest[512];
	size_t room = sizeof(child->output) - 1 - child->len;
	ssize_t n;

	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return true;
	if (room)
		n = read(child->fd, child->output + child->len, room);
	else
		n = read(child->fd, rest, sizeof(rest));
	if (n <= 0)
		return false;
	child->len += room ? (size_t)n : 0;
	child->output[child->len] = '\0';
	return true;
}

/** @return its exit status as waitpid() tells it. */
static int finish(struct child *child)
{
	int status = 0;

	(void)kill(child->pid, SIGKILL);
	(void)waitpid(child->pid, &status, 0);
	(void)close(child->fd);
	return status;
}

/** What it said, in one line, for a message. */
static const char *said(struct child *child)
{
	char *end = strchr(child->output, '\n');

	if (end)
		*end = '\0';
	return *child->output ? child->output : "it says nothing";
}

/** Run it to its end. @return An exit code. */
static int ask(struct child *child, const char *qemu, const char *option)
{
	const char *const argv[] = { qemu, option, NULL };
	int code = start(child, argv);
	bool open = code == EXIT_OK;

	/* It may come in as many pieces as it has lines. */
	for (unsigned quiet = 0; open && quiet < TRIES;) {
		size_t len = child->len;

		open = listen_to(child, (int)(TRY_NS / 1000000));
		quiet = child->len == len ? quiet + 1 : 0;
	}
	if (code == EXIT_OK)
		(void)finish(child);
	return code;
}

static int check_help(struct child *child, const char *qemu)
{
	int code = ask(child, qemu, "--help");

	if (code != EXIT_OK)
		return code;
	if (!strstr(child->output, "\n-accel ")) {
		diag_say("%s is no QEMU: %s", qemu, said(child));
		return EXIT_FAILED;
	}
	if (strstr(child->output, "\n-plugin "))
		return EXIT_OK;
	diag_say("%s takes no plugins: it was built without "
		 "--enable-plugins",
		 qemu);
	return EXIT_FAILED;
}

/** Say what it offers, in lines for people. */
static void tell(struct mvmi_vm *vm, const char *qemu)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);
	char text[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < count && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					i ? ", " : "",
					mvmi_event_kind_name(descs[i].kind));
	if (mvmi_vm_get_info(vm, &info, NULL) != MVMI_OK)
		info.hypervisor[0] = '\0';
	diag_say("%s is %s, and will offer %zu kinds of events: %s", qemu,
		 info.hypervisor, count, text);
}

/** Wait until the plugin in it can be asked. @return An exit code. */
static int
tell_offers(struct child *child, const char *qemu, const char *target)
{
	struct timespec rest = { .tv_nsec = TRY_NS };
	struct mvmi_error err = { .status = MVMI_OK };
	bool open = true;

	for (unsigned i = 0; open && i < TRIES; i++) {
		const struct mvmi_event_desc *descs;
		struct mvmi_vm *vm;

		(void)nanosleep(&rest, NULL);
		open = listen_to(child, 0);
		if (mvmi_vm_open(target, NULL, &vm, &err) != MVMI_OK)
			continue;
		if (mvmi_event_descs(vm, &descs) > 0) {
			tell(vm, qemu);
			mvmi_vm_close(vm);
			return EXIT_OK;
		}
		mvmi_vm_close(vm);
	}
	if (child->len)
		diag_say("%s does not run the plugin: %s", qemu, said(child));
	else if (err.status != MVMI_OK)
		return diag_error(&err, "%s was started, but", qemu);
	else
		diag_say("%s runs, but offers no events", qemu);
	return EXIT_FAILED;
}

/** @param socket  Where its monitor is to be: without one it hardly opens. */
static int try_with(const char *qemu, const char *argument, const char *socket)
{
	static struct child child;
	char monitor[64];
	const char *const argv[] = {
		qemu,	    "-nodefaults", "-no-user-config",
		"-display", "none",	   "-m",
		"16M",	    "-S",	   "-accel",
		"tcg",	    "-qmp",	   monitor,
		"-plugin",  argument,	   NULL,
	};
	int code = check_help(&child, qemu);

	(void)snprintf(monitor, sizeof(monitor), "unix:%s,server=on,wait=off",
		       socket);
	if (code == EXIT_OK)
		code = start(&child, argv);
	if (code != EXIT_OK)
		return code;
	code = tell_offers(&child, qemu, socket);
	(void)finish(&child);
	(void)unlink(socket);
	return code;
}

int plugin_try(const char *qemu, const char *argument)
{
	char folder[] = "/tmp/microvmi-qemu-args.XXXXXX";
	char socket[sizeof(folder) + 4];
	int code;

	if (!mkdtemp(folder))
		return diag_sys("cannot make a folder in /tmp");
	(void)snprintf(socket, sizeof(socket), "%s/qmp", folder);
	code = try_with(qemu, argument, socket);
	(void)rmdir(folder);
	return code;
}
