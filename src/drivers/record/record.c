/* SPDX-License-Identifier: MIT */
#include "drivers/record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/util.h"
#include "drivers/decorator.h"
#include "drivers/recording.h"

struct record {
	struct decorator deco;
	int fd;	    /**< owned */
	char *path; /**< owned */
	uint64_t call;
	uint64_t len;		      /**< bytes of whole records in the file */
	int broken;		      /**< errno of a write that failed */
	struct recording_state state; /**< the last one that was written */
	struct recording_buf record;
	struct recording_buf inputs;
};

/** Write all of the buffer, or leave the file as it was. */
static enum mvmi_status record_write(struct record *rec, struct mvmi_error *err)
{
	const struct recording_buf *buf = &rec->record;
	size_t done = 0;

	if (buf->failed)
		rec->broken = ENOMEM;
	while (!rec->broken && done < buf->len) {
		ssize_t n = write(rec->fd, buf->data + done, buf->len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			rec->broken = errno;
		else if (n == 0)
			rec->broken = EIO;
	}
	if (!rec->broken) {
		rec->len += done;
		return MVMI_OK;
	}
	/* Half a record is worse than none; without an END it looks cut off. */
	if (done && ftruncate(rec->fd, (off_t)rec->len) != 0)
		rec->broken = errno;
	return fail_sys(err, rec->broken,
			"call %" PRIu64 " was made but not recorded in %s",
			rec->call, rec->path);
}

static struct recording_state record_look(const struct record *rec)
{
	struct mvmi_conn *inner = rec->deco.inner;

	return (struct recording_state){
		.incarnation = inner->incarnation,
		.traits = inner->traits,
		.readable_regs = inner->readable_regs,
		.writable_regs = inner->writable_regs,
		.vcpus = inner->vcpu ? inner->vcpu->count(inner) : 0,
		.overdue = inner->event ? inner->event->overdue(inner) : 0,
	};
}

/** Write the state down if it is another one than before. */
static enum mvmi_status record_state(struct record *rec, struct mvmi_error *err)
{
	struct recording_state now = record_look(rec);

	if (memcmp(&now, &rec->state, sizeof(now)) == 0)
		return MVMI_OK;
	rec->state = now;
	recording_begin(&rec->record, RECORDING_STATE, MVMI_OK);
	recording_put_state(&rec->record, &now);
	recording_end(&rec->record);
	return record_write(rec, err);
}

static enum mvmi_status
record_call(struct record *rec, const struct call *call,
	    enum mvmi_status result, const struct mvmi_error *detail,
	    struct mvmi_error *err)
{
	struct recording_buf *buf = &rec->record;
	enum mvmi_status status;

	recording_begin(buf, (uint64_t)call->kind, result);
	recording_put_sized(buf, &rec->inputs);
	if (result == MVMI_OK)
		recording_put_results(buf, call);
	else
		recording_put_error(buf, detail);
	recording_end(buf);
	status = record_write(rec, err);
	return status == MVMI_OK ? record_state(rec, err) : status;
}

/** Refuse, before it is made, a call that no record has room for. */
static enum mvmi_status
record_check(const struct record *rec, const struct call *call,
	     struct mvmi_error *err)
{
	size_t total = 0;

	if (rec->broken)
		return fail_sys(err, rec->broken,
				"the recording %s broke off at call %" PRIu64,
				rec->path, rec->call);
	for (uint64_t i = 0; call->kind == CALL_READV && i < call->in[0]; i++) {
		if (ckd_add(&total, total, call->ops[i].dst.len) ||
		    total > RECORDING_RECORD_MAX / 2)
			break;
	}
	if (total > RECORDING_RECORD_MAX / 2 ||
	    call->src.len > RECORDING_RECORD_MAX / 2 || rec->inputs.failed)
		return fail(err, MVMI_ERR_LIMIT,
			    "one %s for more than %u bytes can't be recorded",
			    call_name(call->kind),
			    (unsigned)RECORDING_RECORD_MAX / 2);
	return MVMI_OK;
}

static enum mvmi_status
record_handle(struct decorator *deco, struct call *call, struct mvmi_error *err)
{
	struct record *rec = container_of(deco, struct record, deco);
	struct mvmi_error detail = { .status = MVMI_OK };
	enum mvmi_status status;
	enum mvmi_status result;

	if (!call_fails(call->kind))
		return decorator_forward(deco, call, err);
	rec->inputs.len = 0;
	rec->inputs.failed = false;
	recording_put_inputs(&rec->inputs, call);
	status = record_check(rec, call, err);
	if (status != MVMI_OK)
		return status;
	result = decorator_forward(deco, call, &detail);
	if (call->kind == CALL_POLL && result == MVMI_OK) {
		status = record_state(rec, err);
	} else {
		rec->call += call->kind != CALL_POLL;
		status = record_call(rec, call, result, &detail, err);
	}
	if (status != MVMI_OK)
		return status;
	if (result != MVMI_OK && err)
		*err = detail;
	return result;
}

static enum mvmi_status
record_header(struct record *rec, struct mvmi_error *err)
{
	struct mvmi_conn *inner = rec->deco.inner;
	struct recording_header header = {
		.tables = decorator_tables(&rec->deco.conn),
		.view_scope = inner->view ? inner->view->scope(inner)
					  : MVMI_HOLDS_NONE,
	};
	const struct mvmi_event_desc *descs = NULL;
	enum mvmi_status status;

	if (inner->event)
		header.desc_count = inner->event->descs(inner, &descs);
	if (header.desc_count > RECORDING_DESCS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "%zu event kinds; a recording has room for %d",
			    header.desc_count, RECORDING_DESCS_MAX);
	for (size_t i = 0; i < header.desc_count; i++)
		header.descs[i] = descs[i];
	recording_put_header(&rec->record, &header);
	status = record_write(rec, err);
	return status == MVMI_OK ? record_state(rec, err) : status;
}

static void record_free(struct record *rec)
{
	if (rec->path && rec->fd >= 0)
		(void)close(rec->fd);
	recording_buf_fini(&rec->record);
	recording_buf_fini(&rec->inputs);
	free(rec->path);
	free(rec);
}

/** Create the file. It must be a new one: a recording replaces nothing. */
static enum mvmi_status
record_create(struct record *rec, const char *path, struct mvmi_error *err)
{
	rec->fd = -1;
	rec->path = strdup(path);
	if (!rec->path)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a path");
	rec->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (rec->fd < 0)
		return fail_sys(err, errno, "cannot create %s", path);
	return MVMI_OK;
}

static enum mvmi_status
record_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	    struct mvmi_error *err)
{
	struct mvmi_conn *inner;
	struct record *rec;
	enum mvmi_status status;

	if (!*args->where)
		return fail(err, MVMI_ERR_INVALID,
			    "say where to record: record:FILE?target=TARGET");
	rec = calloc(1, sizeof(*rec));
	if (!rec)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a connection");
	status = decorator_open_inner(args, &rec->deco.inner, err);
	if (status != MVMI_OK)
		goto err_rec;
	inner = rec->deco.inner;
	status = record_create(rec, args->where, err);
	if (status != MVMI_OK)
		goto err_inner;
	rec->deco.conn.driver = &record_driver;
	rec->deco.handle = record_handle;
	decorator_offer(&rec->deco,
			decorator_tables(inner) & ~(uint32_t)MVMI_CAP_MAP);
	decorator_follow(&rec->deco);
	status = record_header(rec, err);
	if (status != MVMI_OK)
		goto err_file;
	*ret = &rec->deco.conn;
	return MVMI_OK;

err_file:
	(void)unlink(rec->path);
err_inner:
	inner->driver->close(inner);
err_rec:
	record_free(rec);
	return status;
}

static void record_close(struct mvmi_conn *conn)
{
	struct decorator *deco = container_of(conn, struct decorator, conn);
	struct record *rec = container_of(deco, struct record, deco);

	deco->inner->driver->close(deco->inner);
	if (!rec->broken) {
		/* If this fails, the file lacks its END and says so itself. */
		recording_begin(&rec->record, RECORDING_END, MVMI_OK);
		recording_end(&rec->record);
		(void)record_write(rec, NULL);
	}
	record_free(rec);
}

static const char *const record_keys[] = { "target", NULL };

const struct mvmi_driver record_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "record",
	.option_keys = record_keys,
	.open = record_open,
	.close = record_close,
	.info = decorator_info,
	.poll = decorator_poll,
};
