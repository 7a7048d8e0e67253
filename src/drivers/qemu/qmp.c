/* SPDX-License-Identifier: MIT */
#include "drivers/qemu/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"

#define QMP_CHUNK ((size_t)64 * 1024)

static const struct {
	const char *name;
	enum qmp_event bit;
} qmp_events[] = {
	{ "STOP", QMP_EVENT_STOP },
	{ "RESUME", QMP_EVENT_RESUME },
	{ "RESET", QMP_EVENT_RESET },
	{ "SHUTDOWN", QMP_EVENT_SHUTDOWN },
	{ "MIGRATION", QMP_EVENT_MIGRATION },
	{ "DEVICE_DELETED", QMP_EVENT_LAYOUT },
	{ "ACPI_DEVICE_OST", QMP_EVENT_LAYOUT },
	{ "MEMORY_DEVICE_SIZE_CHANGE", QMP_EVENT_LAYOUT },
};

uint32_t qmp_event_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(qmp_events); i++) {
		if (strcmp(qmp_events[i].name, name) == 0)
			return qmp_events[i].bit;
	}
	return 0;
}

size_t qmp_frame(struct qmp_framer *f, const char *buf, size_t len)
{
	while (f->scanned < len) {
		char c = buf[f->scanned++];

		if (f->in_string) {
			if (f->escaped)
				f->escaped = false;
			else if (c == '\\')
				f->escaped = true;
			else if (c == '"')
				f->in_string = false;
		} else if (c == '"') {
			f->in_string = true;
		} else if (c == '{' || c == '[') {
			f->depth++;
		} else if (c == '}' || c == ']') {
			if (f->depth <= 1)
				return f->scanned;
			f->depth--;
		}
	}
	return 0;
}

void qmp_close(struct qmp *q)
{
	if (q->fd >= 0)
		(void)close(q->fd);
	free(q->buf);
	q->fd = -1;
	q->buf = NULL;
	q->len = 0;
	q->capacity = 0;
}

/** The stream's state is unknown from here on: never use it again. */
static enum mvmi_status qmp_give_up(struct qmp *q, enum mvmi_status status)
{
	qmp_close(q);
	return status;
}

static enum mvmi_status qmp_grow(struct qmp *q, struct mvmi_error *err)
{
	size_t capacity = q->capacity + QMP_CHUNK;
	char *buf;

	if (q->capacity - q->len >= QMP_CHUNK)
		return MVMI_OK;
	if (q->len >= QMP_MESSAGE_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "the monitor sent more than %u bytes in one answer",
			    QMP_MESSAGE_MAX);
	capacity = MAX(capacity, 2 * q->capacity);
	buf = realloc(q->buf, capacity);
	if (!buf)
		return fail(err, MVMI_ERR_NOMEM, "no memory for QMP");
	q->buf = buf;
	q->capacity = capacity;
	return MVMI_OK;
}

/**
 * Receive something by deadline_ms. TIMEOUT leaves the connection as it is; all
 * other failures end it.
 */
static enum mvmi_status
qmp_receive(struct qmp *q, uint64_t deadline_ms, struct mvmi_error *err)
{
	uint64_t now = clock_ms();
	int wait = deadline_ms > now ? (int)(deadline_ms - now) : 0;
	struct pollfd pfd = { .fd = q->fd, .events = POLLIN };
	enum mvmi_status status = qmp_grow(q, err);
	ssize_t n;

	if (status != MVMI_OK)
		return qmp_give_up(q, status);
	n = poll(&pfd, 1, wait);
	if (n == 0)
		return MVMI_ERR_TIMEOUT;
	if (n < 0 && errno == EINTR)
		return MVMI_OK;
	n = recv(q->fd, q->buf + q->len, q->capacity - q->len, MSG_DONTWAIT);
	if (n > 0) {
		q->len += (size_t)n;
		return MVMI_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return MVMI_OK;
	return qmp_give_up(q, fail(err, MVMI_ERR_GONE,
				   "the monitor closed the connection"));
}

/** Take one whole message out of the buffer; NULL with OK if there is none. */
static enum mvmi_status
qmp_next(struct qmp *q, json_t **ret, struct mvmi_error *err)
{
	size_t n = qmp_frame(&q->framer, q->buf, q->len);
	json_error_t detail;
	json_t *message;

	*ret = NULL;
	if (n == 0)
		return MVMI_OK;
	message = json_loadb(q->buf, n, JSON_ALLOW_NUL, &detail);
	q->len -= n;
	memmove(q->buf, q->buf + n, q->len);
	q->framer = (struct qmp_framer){ 0 };
	if (!json_is_object(message)) {
		json_decref(message);
		return qmp_give_up(
			q, fail(err, MVMI_ERR_CORRUPT,
				"the monitor sent no QMP: %s",
				message ? "not an object" : detail.text));
	}
	*ret = message;
	return MVMI_OK;
}

/** Note message if it is an event. */
static bool qmp_is_event(struct qmp *q, const json_t *message)
{
	const char *name = json_string_value(json_object_get(message, "event"));

	if (!name)
		return false;
	q->events |= qmp_event_find(name);
	return true;
}

/** Wait for the next message that is no event. */
static enum mvmi_status qmp_wait(struct qmp *q, uint64_t deadline_ms,
				 json_t **ret, struct mvmi_error *err)
{
	for (;;) {
		json_t *message;
		enum mvmi_status status = qmp_next(q, &message, err);

		if (status != MVMI_OK)
			return status;
		if (!message) {
			status = qmp_receive(q, deadline_ms, err);
			if (status != MVMI_OK)
				return status;
			continue;
		}
		if (!qmp_is_event(q, message)) {
			*ret = message;
			return MVMI_OK;
		}
		json_decref(message);
	}
}

enum mvmi_status qmp_poll(struct qmp *q, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	if (q->fd < 0)
		return fail(err, MVMI_ERR_GONE, "the monitor is closed");
	while (status == MVMI_OK) {
		json_t *message;

		status = qmp_next(q, &message, err);
		if (status != MVMI_OK)
			return status;
		if (!message)
			status = qmp_receive(q, 0, err);
		else
			(void)qmp_is_event(q, message);
		json_decref(message);
	}
	return status == MVMI_ERR_TIMEOUT ? MVMI_OK : status;
}

uint32_t qmp_take_events(struct qmp *q)
{
	uint32_t events = q->events;

	q->events = 0;
	return events;
}

/** Send all of text, with fd beside its first byte unless that is -1. */
static enum mvmi_status
qmp_send(struct qmp *q, char *text, int fd, struct mvmi_error *err)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	uint64_t deadline_ms = clock_ms() + q->timeout_ms;
	size_t len = strlen(text);
	size_t done = 0;

	while (done < len) {
		struct pollfd pfd = { .fd = q->fd, .events = POLLOUT };
		struct iovec iov = { text + done, len - done };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (fd >= 0 && done == 0) {
			msg.msg_control = control.space;
			msg.msg_controllen = sizeof(control.space);
			control.header.cmsg_level = SOL_SOCKET;
			control.header.cmsg_type = SCM_RIGHTS;
			control.header.cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
		}
		n = sendmsg(q->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return qmp_give_up(q, fail(err, MVMI_ERR_GONE,
						   "the monitor hung up"));
		else if (clock_ms() >= deadline_ms)
			return qmp_give_up(q, fail(err, MVMI_ERR_TIMEOUT,
						   "the monitor reads not"));
		else
			(void)poll(&pfd, 1, 10);
	}
	return MVMI_OK;
}

/** Turn the answer to a command into a status and the value in it. */
static enum mvmi_status qmp_take_answer(const char *command, json_t *answer,
					json_t **ret, struct mvmi_error *err)
{
	json_t *error = json_object_get(answer, "error");
	const char *class = json_string_value(json_object_get(error, "class"));
	const char *desc = json_string_value(json_object_get(error, "desc"));
	json_t *value = json_object_get(answer, "return");

	if (error)
		return fail(err,
			    class && strcmp(class, "CommandNotFound") == 0
				    ? MVMI_ERR_UNSUPPORTED
				    : MVMI_ERR_INVALID,
			    "QEMU refused %s: %.200s", command,
			    desc ? desc : "it gave no reason");
	if (!value)
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's answer to %s has no value", command);
	if (ret)
		*ret = json_incref(value);
	return MVMI_OK;
}

/** Wait for the answer with this id; older ones belong to calls given up. */
static enum mvmi_status
qmp_wait_answer(struct qmp *q, const char *command, uint64_t id, json_t **ret,
		struct mvmi_error *err)
{
	uint64_t deadline_ms = clock_ms() + q->timeout_ms;

	for (;;) {
		json_t *answer;
		json_int_t got;
		enum mvmi_status status =
			qmp_wait(q, deadline_ms, &answer, err);

		if (status == MVMI_ERR_TIMEOUT)
			return qmp_give_up(
				q, fail(err, MVMI_ERR_TIMEOUT,
					"QEMU did not answer %s within %" PRIu32
					" ms",
					command, q->timeout_ms));
		if (status != MVMI_OK)
			return status;
		got = json_integer_value(json_object_get(answer, "id"));
		if ((uint64_t)got == id)
			status = qmp_take_answer(command, answer, ret, err);
		json_decref(answer);
		if ((uint64_t)got == id)
			return status;
	}
}

enum mvmi_status qmp_call_fd(struct qmp *q, const char *command, json_t *args,
			     int fd, json_t **ret, struct mvmi_error *err)
{
	enum mvmi_status status;
	uint64_t id = ++q->last_id;
	json_t *request;
	char *text;

	if (q->fd < 0) {
		json_decref(args);
		return fail(err, MVMI_ERR_GONE, "the monitor is closed");
	}
	request = json_pack("{s:s, s:I}", "execute", command, "id",
			    (json_int_t)id);
	if (args)
		(void)json_object_set_new(request, "arguments", args);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a QMP request");
	status = qmp_send(q, text, fd, err);
	free(text);
	if (status != MVMI_OK)
		return status;
	return qmp_wait_answer(q, command, id, ret, err);
}

enum mvmi_status qmp_call(struct qmp *q, const char *command, json_t *args,
			  json_t **ret, struct mvmi_error *err)
{
	return qmp_call_fd(q, command, args, -1, ret, err);
}

enum mvmi_status
qmp_hmp(struct qmp *q, const char *line, char **ret, struct mvmi_error *err)
{
	json_t *args = json_pack("{s:s}", "command-line", line);
	json_t *value;
	enum mvmi_status status =
		qmp_call(q, "human-monitor-command", args, &value, err);
	char *text;

	if (status != MVMI_OK)
		return status;
	if (!json_is_string(value)) {
		json_decref(value);
		return fail(err, MVMI_ERR_CORRUPT, "\"%s\" gave no text", line);
	}
	text = strdup(json_string_value(value));
	json_decref(value);
	if (!text)
		return fail(err, MVMI_ERR_NOMEM, "no memory for \"%s\"", line);
	*ret = text;
	return MVMI_OK;
}

/** Connect, whatever the length of path; it goes through a descriptor. */
static enum mvmi_status
qmp_connect(struct qmp *q, const char *path, struct mvmi_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int node = open(path, O_PATH | O_CLOEXEC);
	struct ucred peer;
	socklen_t peer_len = sizeof(peer);
	int sys = 0;

	if (node < 0)
		return fail_sys(err, errno, "cannot open %s", path);
	q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d",
		       node);
	if (q->fd < 0 ||
	    connect(q->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		sys = errno;
	(void)close(node);
	if (sys == EAGAIN)
		return fail(err, MVMI_ERR_BUSY,
			    "other clients hold and await the monitor %s",
			    path);
	if (sys == ECONNREFUSED)
		return fail(err, MVMI_ERR_SYSTEM,
			    "nothing listens on %s: it is no socket, or its "
			    "QEMU has ended",
			    path);
	if (sys)
		return fail_sys(err, sys, "cannot connect to %s", path);
	if (getsockopt(q->fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0)
		q->peer_pid = peer.pid;
	return MVMI_OK;
}

static enum mvmi_status
qmp_take_greeting(struct qmp *q, json_t *greeting, struct mvmi_error *err)
{
	int major;
	int minor;
	int micro;
	json_error_t detail;

	if (json_unpack_ex(greeting, &detail, 0, "{s:{s:{s:{s:i, s:i, s:i}}}}",
			   "QMP", "version", "qemu", "major", &major, "minor",
			   &minor, "micro", &micro) < 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the socket's greeting is not QMP's: %s",
			    detail.text);
	if (major < 0 || major > 9999 || minor < 0 || minor > 99 || micro < 0 ||
	    micro > 99)
		return fail(err, MVMI_ERR_CORRUPT, "QEMU %d.%d.%d can't be",
			    major, minor, micro);
	q->version_num = (unsigned)(major * 10000 + minor * 100 + micro);
	(void)snprintf(q->version, sizeof(q->version), "%d.%d.%d", major, minor,
		       micro);
	return MVMI_OK;
}

static enum mvmi_status
qmp_negotiate(struct qmp *q, const char *path, struct mvmi_error *err)
{
	uint32_t wait = MIN(q->timeout_ms, (uint32_t)QMP_GREETING_MS);
	json_t *greeting;
	enum mvmi_status status =
		qmp_wait(q, clock_ms() + wait, &greeting, err);

	if (status == MVMI_ERR_TIMEOUT)
		return fail(err, MVMI_ERR_BUSY,
			    "the monitor %s serves another client, or its QEMU "
			    "hangs",
			    path);
	if (status != MVMI_OK)
		return fail_context(err, status, "%s", path);
	status = qmp_take_greeting(q, greeting, err);
	json_decref(greeting);
	if (status != MVMI_OK)
		return fail_context(err, status, "%s", path);
	return qmp_call(q, "qmp_capabilities", NULL, NULL, err);
}

enum mvmi_status qmp_open(struct qmp *q, const char *path, uint32_t timeout_ms,
			  struct mvmi_error *err)
{
	enum mvmi_status status;

	*q = (struct qmp){ .fd = -1, .timeout_ms = timeout_ms };
	status = qmp_connect(q, path, err);
	if (status == MVMI_OK)
		status = qmp_negotiate(q, path, err);
	if (status != MVMI_OK)
		qmp_close(q);
	return status;
}

/* Monitors that are asked at the same time. */
#define QMP_PROBES 64

/** Wait until each has greeted or the time is up. */
static void qmp_await_greetings(struct qmp_probe *probes, size_t count)
{
	uint64_t deadline_ms = clock_ms() + QMP_GREETING_MS;
	struct pollfd pfds[QMP_PROBES];

	for (;;) {
		uint64_t now = clock_ms();
		size_t open = 0;

		for (size_t i = 0; i < count; i++) {
			/* poll() passes over a negative descriptor. */
			pfds[i] = (struct pollfd){ .fd = probes[i].fd,
						   .events = POLLIN };
			open += probes[i].fd >= 0;
		}
		if (open == 0 || now >= deadline_ms ||
		    poll(pfds, count, (int)(deadline_ms - now)) <= 0)
			return;
		for (size_t i = 0; i < count; i++) {
			if (probes[i].fd < 0 || !pfds[i].revents)
				continue;
			probes[i].status = pfds[i].revents & POLLIN
						   ? MVMI_OK
						   : MVMI_ERR_SYSTEM;
			(void)close(probes[i].fd);
			probes[i].fd = -1;
		}
	}
}

static void qmp_probe_some(struct qmp_probe *probes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct qmp q = { .fd = -1 };

		probes[i].status = qmp_connect(&q, probes[i].path, NULL);
		probes[i].fd = -1;
		if (probes[i].status == MVMI_OK) {
			probes[i].fd = q.fd;
			probes[i].status = MVMI_ERR_BUSY;
		} else {
			qmp_close(&q);
		}
	}
	qmp_await_greetings(probes, count);
	for (size_t i = 0; i < count; i++) {
		if (probes[i].fd >= 0)
			(void)close(probes[i].fd);
	}
}

void qmp_probe(struct qmp_probe *probes, size_t count)
{
	for (size_t i = 0; i < count; i += QMP_PROBES)
		qmp_probe_some(probes + i, MIN(count - i, (size_t)QMP_PROBES));
}
