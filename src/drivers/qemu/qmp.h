/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A client of QEMU's machine protocol over a Unix socket.
 *
 * One request is in flight at a time. Events that arrive meanwhile are taken
 * down as bits, for all that matters about them is that they came.
 */
#ifndef MICROVMI_DRIVERS_QEMU_QMP_H
#define MICROVMI_DRIVERS_QEMU_QMP_H

#include <jansson.h>
#include <microvmi/types.h>

#define qmp_open	mvmi__qmp_open
#define qmp_probe	mvmi__qmp_probe
#define qmp_close	mvmi__qmp_close
#define qmp_call	mvmi__qmp_call
#define qmp_call_fd	mvmi__qmp_call_fd
#define qmp_hmp		mvmi__qmp_hmp
#define qmp_poll	mvmi__qmp_poll
#define qmp_take_events mvmi__qmp_take_events
#define qmp_frame	mvmi__qmp_frame
#define qmp_event_find	mvmi__qmp_event_find

/** The largest answer that is taken; `info mtree -f` is some 100 KiB. */
#define QMP_MESSAGE_MAX (UINT32_C(16) << 20)

/** A monitor that stays silent this long after connect() serves another. */
#define QMP_GREETING_MS 1000

/** What the VMM said unasked, as bits. */
enum qmp_event {
	QMP_EVENT_STOP = 1 << 0,
	QMP_EVENT_RESUME = 1 << 1,
	QMP_EVENT_RESET = 1 << 2,
	QMP_EVENT_SHUTDOWN = 1 << 3,
	QMP_EVENT_MIGRATION = 1 << 4,
	QMP_EVENT_LAYOUT = 1 << 5, /**< memory or devices were plugged */
};

/** Finds the end of a JSON object in a stream, whatever its white space. */
struct qmp_framer {
	size_t scanned; /**< bytes looked at */
	unsigned depth; /**< of braces and brackets */
	bool in_string;
	bool escaped;
};

struct qmp {
	int fd;	   /**< owned; -1 once the monitor hung up */
	char *buf; /**< owned; bytes received, not consumed yet */
	size_t len;
	size_t capacity;
	struct qmp_framer framer;
	uint64_t last_id;
	uint32_t timeout_ms;
	uint32_t events;      /**< enum qmp_event not taken yet */
	int64_t peer_pid;     /**< who listens, from SO_PEERCRED; 0 unknown */
	char version[32];     /**< e.g. "7.2.22" */
	unsigned version_num; /**< major * 10000 + minor * 100 + micro */
};

/**
 * Connect and negotiate. q need not be initialised; it is closed on failure.
 *
 * @retval MVMI_ERR_BUSY     Another client is being served.
 * @retval MVMI_ERR_SYSTEM   Nothing listens there.
 * @retval MVMI_ERR_CORRUPT  What answers doesn't speak QMP.
 */
enum mvmi_status qmp_open(struct qmp *q, const char *path, uint32_t timeout_ms,
			  struct mvmi_error *err);

/** A monitor that may or may not answer. */
struct qmp_probe {
	const char *path;	 /**< in */
	enum mvmi_status status; /**< out: OK, BUSY, DENIED, SYSTEM */
	int fd;
};

/** Connect to all at once, wait at most QMP_GREETING_MS for their greetings. */
void qmp_probe(struct qmp_probe *probes, size_t count);

/** A closed one, or one that failed to open, is a no-op. */
void qmp_close(struct qmp *q);

/**
 * Execute a command and wait for its answer.
 *
 * @param args  Its arguments, or NULL; the reference is taken, also on failure.
 * @param ret   NULL, or receives the value of "return": a new reference.
 *
 * @retval MVMI_ERR_UNSUPPORTED  This VMM has no such command.
 * @retval MVMI_ERR_INVALID      The VMM refused; its words are in err.
 * @retval MVMI_ERR_TIMEOUT      No answer in time; the monitor is given up.
 * @retval MVMI_ERR_GONE         The monitor hung up.
 */
enum mvmi_status qmp_call(struct qmp *q, const char *command, json_t *args,
			  json_t **ret, struct mvmi_error *err);

/** As qmp_call(), handing over a descriptor, as `add-fd` and `getfd` want. */
enum mvmi_status qmp_call_fd(struct qmp *q, const char *command, json_t *args,
			     int fd, json_t **ret, struct mvmi_error *err);

/** Run a line of the human monitor. @param ret  Its text; free() it. */
enum mvmi_status
qmp_hmp(struct qmp *q, const char *line, char **ret, struct mvmi_error *err);

/** Take in what was sent unasked, without waiting. GONE: it hung up. */
enum mvmi_status qmp_poll(struct qmp *q, struct mvmi_error *err);

/** enum qmp_event bits since the last call. */
uint32_t qmp_take_events(struct qmp *q);

/**
 * Look for the end of the first JSON value in buf, going on where f stopped.
 *
 * @return Its length, or 0 if it is not complete yet.
 */
size_t qmp_frame(struct qmp_framer *f, const char *buf, size_t len);

/** The bit of an event's name; 0 if nothing hangs on it. */
uint32_t qmp_event_find(const char *name);

#endif /* MICROVMI_DRIVERS_QEMU_QMP_H */
