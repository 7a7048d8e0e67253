/* SPDX-License-Identifier: MIT */
#include "drivers/replay/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/util.h"
#include "drivers/decorator.h"
#include "drivers/recording.h"

#define REPLAY_HEADER_MAX 8192
#define REPLAY_PREFIX	  4

/** The record that comes next. */
struct replay_record {
	bool loaded;
	uint64_t kind; /**< a call, or RECORDING_END */
	enum mvmi_status status;
	struct mvmi_bytes inputs; /**< in raw */
	struct mvmi_bytes results;
};

struct replay {
	struct decorator deco;
	struct file file;
	uint64_t off; /**< of the record after `next` */
	struct recording_header header;
	struct recording_state state;
	uint64_t call; /**< calls answered; polls are not counted */
	struct replay_record next;
	uint8_t *raw; /**< owned; the record's bytes */
	size_t raw_size;
	struct recording_buf asked;
	struct mvmi_regs event_regs;
};

static enum mvmi_status
replay_corrupt(const struct replay *replay, struct mvmi_error *err)
{
	return fail(err, MVMI_ERR_CORRUPT,
		    "the recording is damaged after call %" PRIu64
		    ", before offset 0x%" PRIx64,
		    replay->call, replay->off);
}

/** Read the bytes of the next record. */
static enum mvmi_status
replay_fetch(struct replay *replay, struct cursor *ret, struct mvmi_error *err)
{
	uint8_t prefix[REPLAY_PREFIX];
	struct cursor c =
		cursor_of((struct mvmi_bytes){ prefix, sizeof(prefix) });
	uint64_t left = replay->file.size - replay->off;
	enum mvmi_status status;
	size_t len;

	if (left == 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the recording breaks off after call %" PRIu64,
			    replay->call);
	if (left < sizeof(prefix))
		return replay_corrupt(replay, err);
	status =
		file_read_at(&replay->file, replay->off,
			     (struct mvmi_span){ prefix, sizeof(prefix) }, err);
	if (status != MVMI_OK)
		return status;
	len = cursor_u32le(&c);
	if (len > RECORDING_RECORD_MAX || len > left - sizeof(prefix))
		return replay_corrupt(replay, err);
	if (len > replay->raw_size) {
		uint8_t *raw = realloc(replay->raw, len);

		if (!raw)
			return fail(err, MVMI_ERR_NOMEM,
				    "no memory for a record of %zu bytes", len);
		replay->raw = raw;
		replay->raw_size = len;
	}
	status = file_read_at(&replay->file, replay->off + sizeof(prefix),
			      (struct mvmi_span){ replay->raw, len }, err);
	if (status != MVMI_OK)
		return status;
	replay->off += sizeof(prefix) + len;
	*ret = cursor_of((struct mvmi_bytes){ replay->raw, len });
	return MVMI_OK;
}

static enum mvmi_status
replay_enter_state(struct replay *replay, struct cursor *c,
		   struct mvmi_error *err)
{
	struct recording_state state;
	struct mvmi_conn *conn = &replay->deco.conn;

	recording_take_state(c, &state);
	if (!cursor_ok(c) || state.incarnation < replay->state.incarnation ||
	    state.incarnation == 0 || (conn->vcpu && state.vcpus == 0))
		return replay_corrupt(replay, err);
	replay->state = state;
	conn->incarnation = state.incarnation;
	conn->traits = (uint32_t)state.traits;
	conn->readable_regs = state.readable_regs;
	conn->writable_regs = state.writable_regs;
	return MVMI_OK;
}

/** Read one record: the next call, or a change of state, which is taken in. */
static enum mvmi_status
replay_read(struct replay *replay, struct mvmi_error *err)
{
	struct replay_record *next = &replay->next;
	struct cursor c;
	enum mvmi_status status = replay_fetch(replay, &c, err);
	uint64_t as;

	if (status != MVMI_OK)
		return status;
	next->kind = recording_take(&c);
	as = recording_take(&c);
	if (!cursor_ok(&c) || as > MVMI_ERR_CORRUPT)
		return replay_corrupt(replay, err);
	next->status = (enum mvmi_status)as;
	if (next->kind == RECORDING_STATE)
		return replay_enter_state(replay, &c, err);
	if (next->kind != RECORDING_END) {
		next->inputs = cursor_take(&c, (size_t)recording_take(&c));
		next->results = c.rest;
	}
	if (!cursor_ok(&c) ||
	    (next->kind >= CALL_KIND_COUNT && next->kind != RECORDING_END))
		return replay_corrupt(replay, err);
	next->loaded = true;
	return MVMI_OK;
}

/** Take in changes of state up to the next call, and load that. */
static enum mvmi_status
replay_load(struct replay *replay, struct mvmi_error *err)
{
	/* Each turn consumes some of the file. */
	while (!replay->next.loaded) {
		uint64_t at = replay->off;
		enum mvmi_status status = replay_read(replay, err);

		if (status != MVMI_OK) {
			/* Damage stays in the way; nothing is skipped. */
			replay->off = at;
			return status;
		}
	}
	return MVMI_OK;
}

/** The recorded failure, as it was told then. */
static enum mvmi_status
replay_failure(struct replay *replay, struct mvmi_error *err)
{
	struct mvmi_error detail = { .status = replay->next.status };
	struct cursor c = cursor_of(replay->next.results);

	recording_take_error(&c, &detail);
	if (!cursor_ok(&c) || replay->next.status == MVMI_OK)
		return replay_corrupt(replay, err);
	if (err)
		*err = detail;
	return detail.status;
}

/** "readv(0x1, 0x1000, 0x40)": a call and its first numbers. */
static void replay_describe(enum call_kind kind, struct mvmi_bytes inputs,
			    char *buf, size_t size)
{
	struct cursor c = cursor_of(inputs);
	int len = snprintf(buf, size, "%s(", call_name(kind));

	for (unsigned i = 0; i < 3 && c.rest.len; i++) {
		uint64_t number = recording_take(&c);

		if (len > 0 && (size_t)len < size)
			len += snprintf(buf + len, size - (size_t)len,
					"%s0x%" PRIx64, i ? ", " : "", number);
	}
	if (len > 0 && (size_t)len < size)
		(void)snprintf(buf + len, size - (size_t)len, ")");
}

static enum mvmi_status
replay_mismatch(const struct replay *replay, const struct call *call,
		struct mvmi_error *err)
{
	char recorded[96] = "the end";
	char asked[96];

	replay_describe(
		call->kind,
		(struct mvmi_bytes){ replay->asked.data, replay->asked.len },
		asked, sizeof(asked));
	if (replay->next.kind != RECORDING_END)
		replay_describe((enum call_kind)replay->next.kind,
				replay->next.inputs, recorded,
				sizeof(recorded));
	return fail(err, MVMI_ERR_STALE,
		    "call %" PRIu64 ": recorded is %s, asked for is %s",
		    replay->call + 1, recorded, asked);
}

/** Give the results of the next record, which is of this call. */
static enum mvmi_status
replay_answer(struct replay *replay, struct call *call, struct mvmi_error *err)
{
	struct cursor look = cursor_of(replay->next.results);
	struct cursor take = look;

	if (replay->next.status != MVMI_OK)
		return replay_failure(replay, err);
	recording_take_results(&look, call, false, &replay->event_regs);
	if (!cursor_ok(&look))
		return replay_corrupt(replay, err);
	recording_take_results(&take, call, true, &replay->event_regs);
	return MVMI_OK;
}

static void replay_fact(const struct replay *replay, struct call *call)
{
	if (call->kind == CALL_DESCS) {
		call->out.descs.descs = replay->header.descs;
		call->out.descs.count = replay->header.desc_count;
	} else if (call->kind == CALL_WAITABLE) {
		call->out.waitable.handle = -1; /* It never makes one wait. */
	} else if (call->kind == CALL_VCPU_COUNT) {
		call->out.value = replay->state.vcpus;
	} else if (call->kind == CALL_OVERDUE) {
		call->out.value = replay->state.overdue;
	} else if (call->kind == CALL_VIEW_SCOPE) {
		call->out.value = (uint64_t)replay->header.view_scope;
	}
}

static enum mvmi_status
replay_handle(struct decorator *deco, struct call *call, struct mvmi_error *err)
{
	struct replay *replay = container_of(deco, struct replay, deco);
	const struct replay_record *next = &replay->next;
	enum mvmi_status status;

	if (!call_fails(call->kind)) {
		replay_fact(replay, call);
		return MVMI_OK;
	}
	status = replay_load(replay, err);
	if (status != MVMI_OK)
		return status;
	/* A poll that failed came between two calls, whenever it is asked. */
	if (next->kind == CALL_POLL) {
		status = replay_failure(replay, err);
		replay->next.loaded = false;
		return status;
	}
	if (call->kind == CALL_POLL)
		return MVMI_OK;
	replay->asked.len = 0;
	recording_put_inputs(&replay->asked, call);
	if (replay->asked.failed)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a call");
	if (next->kind != (uint64_t)call->kind ||
	    next->inputs.len != replay->asked.len ||
	    (next->inputs.len && memcmp(next->inputs.ptr, replay->asked.data,
					next->inputs.len) != 0))
		return replay_mismatch(replay, call, err);
	status = replay_answer(replay, call, err);
	replay->call++;
	replay->next.loaded = false;
	/* Learn now what changed; if the next is damaged, it is told then. */
	(void)replay_load(replay, NULL);
	return status;
}

static enum mvmi_status
replay_header(struct replay *replay, struct mvmi_error *err)
{
	uint8_t raw[REPLAY_HEADER_MAX];
	size_t len = (size_t)MIN(replay->file.size, sizeof(raw));
	struct cursor c = cursor_of((struct mvmi_bytes){ raw, len });
	enum mvmi_status status = file_read_at(
		&replay->file, 0, (struct mvmi_span){ raw, len }, err);

	if (status != MVMI_OK)
		return status;
	recording_take_header(&c, &replay->header);
	if (!cursor_ok(&c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "this is no recording, or not of version %d",
			    RECORDING_VERSION);
	replay->off = len - c.rest.len;
	decorator_offer(&replay->deco,
			replay->header.tables & ~(uint32_t)MVMI_CAP_MAP);
	status = replay_load(replay, err);
	/* What is damaged further on is told when a call comes there. */
	if (replay->state.incarnation)
		return MVMI_OK;
	if (status == MVMI_OK)
		status = replay_corrupt(replay, err);
	return status;
}

static void replay_close(struct mvmi_conn *conn)
{
	struct decorator *deco = container_of(conn, struct decorator, conn);
	struct replay *replay = container_of(deco, struct replay, deco);

	file_close(&replay->file);
	recording_buf_fini(&replay->asked);
	free(replay->raw);
	free(replay);
}

static enum mvmi_status
replay_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	    struct mvmi_error *err)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	enum mvmi_status status;

	if (!replay)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a connection");
	replay->deco.conn.driver = &replay_driver;
	replay->deco.handle = replay_handle;
	status = file_open(&replay->file, args->where, err);
	if (status == MVMI_OK) {
		status = replay_header(replay, err);
		(void)fail_context(err, status, "%s", args->where);
	}
	if (status != MVMI_OK) {
		replay_close(&replay->deco.conn);
		return status;
	}
	*ret = &replay->deco.conn;
	return MVMI_OK;
}

const struct mvmi_driver replay_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "replay",
	.open = replay_open,
	.close = replay_close,
	.info = decorator_info,
	.poll = decorator_poll,
};
