/* SPDX-License-Identifier: MIT */
#include "drivers/fault/fault.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/decorator.h"

struct fault {
	struct decorator deco;
	uint64_t call; /**< which one fails; 0: none */
	uint64_t made;
	enum mvmi_status status;
};

/** What `status=` may be. */
static const char *const fault_statuses[] = {
	[MVMI_ERR_NOMEM] = "nomem",
	[MVMI_ERR_INVALID] = "invalid",
	[MVMI_ERR_UNSUPPORTED] = "unsupported",
	[MVMI_ERR_FAULT] = "fault",
	[MVMI_ERR_NOT_PRESENT] = "not-present",
	[MVMI_ERR_SYSTEM] = "system",
	[MVMI_ERR_TIMEOUT] = "timeout",
	[MVMI_ERR_BUSY] = "busy",
	[MVMI_ERR_STALE] = "stale",
	[MVMI_ERR_GONE] = "gone",
	[MVMI_ERR_DENIED] = "denied",
	[MVMI_ERR_LIMIT] = "limit",
	[MVMI_ERR_CORRUPT] = "corrupt",
};

static enum mvmi_status
fault_handle(struct decorator *deco, struct call *call, struct mvmi_error *err)
{
	struct fault *fault = container_of(deco, struct fault, deco);

	if (!call_fails(call->kind))
		return decorator_forward(deco, call, err);
	fault->made++;
	if (fault->call &&
	    (fault->made == fault->call ||
	     (fault->made > fault->call && fault->status == MVMI_ERR_GONE)))
		return fail(err, fault->status,
			    "call %" PRIu64 ", %s, fails as it was asked to",
			    fault->made, call_name(call->kind));
	return decorator_forward(deco, call, err);
}

struct mvmi_conn *
fault_wrap(struct mvmi_conn *inner, uint64_t call, enum mvmi_status status)
{
	struct fault *fault = calloc(1, sizeof(*fault));

	if (!fault)
		return NULL;
	fault->deco.conn.driver = &fault_driver;
	fault->deco.inner = inner;
	fault->deco.handle = fault_handle;
	fault->call = call;
	fault->status = status;
	decorator_offer(&fault->deco, decorator_tables(inner));
	decorator_follow(&fault->deco);
	return &fault->deco.conn;
}

uint64_t fault_calls(const struct mvmi_conn *conn)
{
	return ((const struct fault *)(const void *)conn)->made;
}

static enum mvmi_status
fault_parse(const struct mvmi_open_args *args, uint64_t *ret_call,
	    enum mvmi_status *ret_status, struct mvmi_error *err)
{
	const char *name = decorator_option(args, "status");
	size_t status = MVMI_ERR_NOMEM;
	char *end;

	*ret_call = strtoull(args->where, &end, 10);
	if (args->where[0] < '0' || args->where[0] > '9' || *end)
		return fail(err, MVMI_ERR_INVALID,
			    "\"%s\" is not the number of a call", args->where);
	name = name ? name : "system";
	while (status < ARRAY_LEN(fault_statuses) &&
	       strcmp(fault_statuses[status], name) != 0)
		status++;
	if (status == ARRAY_LEN(fault_statuses))
		return fail(err, MVMI_ERR_INVALID, "no status is called \"%s\"",
			    name);
	*ret_status = (enum mvmi_status)status;
	return MVMI_OK;
}

static enum mvmi_status
fault_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	   struct mvmi_error *err)
{
	enum mvmi_status as = MVMI_ERR_SYSTEM;
	struct mvmi_conn *inner;
	struct mvmi_conn *conn;
	uint64_t call = 0;
	enum mvmi_status status = fault_parse(args, &call, &as, err);

	if (status == MVMI_OK)
		status = decorator_open_inner(args, &inner, err);
	if (status != MVMI_OK)
		return status;
	conn = fault_wrap(inner, call, as);
	if (!conn) {
		inner->driver->close(inner);
		return fail(err, MVMI_ERR_NOMEM, "no memory for a connection");
	}
	*ret = conn;
	return MVMI_OK;
}

static void fault_close(struct mvmi_conn *conn)
{
	struct decorator *deco = container_of(conn, struct decorator, conn);

	deco->inner->driver->close(deco->inner);
	free(container_of(deco, struct fault, deco));
}

static const char *const fault_keys[] = { "target", "status", NULL };

const struct mvmi_driver fault_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "fault",
	.option_keys = fault_keys,
	.open = fault_open,
	.close = fault_close,
	.info = decorator_info,
	.poll = decorator_poll,
};
