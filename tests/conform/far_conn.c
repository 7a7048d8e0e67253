/* SPDX-License-Identifier: MIT */
/* A driver whose events are an agent's; the rest is the mock's. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "far.h"

/** What the library has open. */
struct agent_conn {
	struct mvmi_conn conn;
	struct far *far;
	struct agent_client *client;
};

static struct agent_conn *conn_of(struct mvmi_conn *conn)
{
	return (struct agent_conn *)(void *)conn;
}

struct agent_client *far_client(struct mvmi_conn *conn)
{
	return conn_of(conn)->client;
}

static enum mvmi_status
conn_regions(struct mvmi_conn *conn, struct mvmi_region *regions,
	     size_t capacity, size_t *ret, struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	far_lock(conn_of(conn)->far);
	status = inner->mem->regions(inner, regions, capacity, ret, err);
	conn->incarnation = inner->incarnation;
	far_unlock(conn_of(conn)->far);
	return status;
}

static enum mvmi_status
conn_extent(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_extent *ret,
	    struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	far_lock(conn_of(conn)->far);
	status = inner->mem->extent(inner, gpa, ret, err);
	far_unlock(conn_of(conn)->far);
	return status;
}

static enum mvmi_status
conn_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops, size_t count,
	   struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	far_lock(conn_of(conn)->far);
	status = inner->mem->readv(inner, ops, count, err);
	conn->incarnation = inner->incarnation;
	far_unlock(conn_of(conn)->far);
	return status;
}

static const struct mvmi_mem_ops conn_mem_ops = { conn_regions, conn_extent,
						  conn_readv };

static enum mvmi_status
conn_write(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	   enum mvmi_write_mode mode, struct mvmi_error *err)
{
	return agent_client_write(conn_of(conn)->client, gpa, src, mode, err);
}

static const struct mvmi_write_ops conn_write_ops = { conn_write };

static unsigned conn_vcpu_count(struct mvmi_conn *conn)
{
	return conn_of(conn)->client->vcpu_count;
}

static enum mvmi_status
conn_vcpu_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	      struct mvmi_regs *regs, struct mvmi_error *err)
{
	return agent_client_get_regs(conn_of(conn)->client, vcpu, groups, regs,
				     err);
}

static const struct mvmi_vcpu_ops conn_vcpu_ops = { conn_vcpu_count,
						    conn_vcpu_get };

static enum mvmi_status
conn_vcpu_set(struct mvmi_conn *conn, unsigned vcpu,
	      const struct mvmi_regs *regs, struct mvmi_error *err)
{
	return agent_client_set_regs(conn_of(conn)->client, vcpu, regs, err);
}

static const struct mvmi_vcpu_set_ops conn_vcpu_set_ops = { conn_vcpu_set };

static enum mvmi_status
conn_inject(struct mvmi_conn *conn, unsigned vcpu,
	    const struct mvmi_injection *injection, struct mvmi_error *err)
{
	return agent_client_inject(conn_of(conn)->client, vcpu, injection, err);
}

static const struct mvmi_inject_ops conn_inject_ops = { conn_inject };

static enum mvmi_status
conn_set_access(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
		uint32_t access, struct mvmi_error *err)
{
	return agent_client_set_access(conn_of(conn)->client, view, gfn, access,
				       err);
}

static enum mvmi_status
conn_get_access(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
		uint32_t *ret, struct mvmi_error *err)
{
	return agent_client_get_access(conn_of(conn)->client, view, gfn, ret,
				       err);
}

static const struct mvmi_access_ops conn_access_ops = { conn_set_access,
							conn_get_access };

static enum mvmi_status
conn_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	far_settle(conn_of(conn)->far);
	return agent_client_hold(conn_of(conn)->client, err);
}

static enum mvmi_status
conn_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	return agent_client_release(conn_of(conn)->client, err);
}

static enum mvmi_status
conn_stop(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct far *far = conn_of(conn)->far;
	enum mvmi_status status;

	far_lock(far);
	status = far->inner->run->stop(far->inner, err);
	far_unlock(far);
	return status;
}

static enum mvmi_status
conn_start(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct far *far = conn_of(conn)->far;
	enum mvmi_status status;

	far_lock(far);
	status = far->inner->run->start(far->inner, err);
	far_unlock(far);
	return status;
}

static enum mvmi_status
conn_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	   struct mvmi_error *err)
{
	struct far *far = conn_of(conn)->far;
	enum mvmi_status status;

	far_lock(far);
	status = far->inner->run->state(far->inner, ret, err);
	far_unlock(far);
	return status;
}

static const struct mvmi_run_ops conn_run_ops = { conn_hold, conn_release,
						  conn_stop, conn_start,
						  conn_state };

static size_t
conn_descs(struct mvmi_conn *conn, const struct mvmi_event_desc **ret)
{
	*ret = conn_of(conn)->client->descs;
	return conn_of(conn)->client->desc_count;
}

static enum mvmi_status
conn_enable(struct mvmi_conn *conn, const struct mvmi_subscription *what,
	    uint64_t *ret, struct mvmi_error *err)
{
	return agent_client_enable(conn_of(conn)->client, what, ret, err);
}

static enum mvmi_status
conn_disable(struct mvmi_conn *conn, uint64_t id, struct mvmi_error *err)
{
	return agent_client_disable(conn_of(conn)->client, id, err);
}

static enum mvmi_status
conn_next(struct mvmi_conn *conn, int timeout_ms, struct mvmi_event *ret,
	  struct mvmi_error *err)
{
	far_settle(conn_of(conn)->far);
	return agent_client_next(conn_of(conn)->client, timeout_ms, ret, err);
}

static enum mvmi_status
conn_reply(struct mvmi_conn *conn, struct mvmi_event_id id,
	   const struct mvmi_reply *reply, struct mvmi_error *err)
{
	return agent_client_reply(conn_of(conn)->client, id, reply, err);
}

static struct mvmi_waitable conn_waitable(struct mvmi_conn *conn)
{
	return agent_client_waitable(conn_of(conn)->client);
}

static enum mvmi_status
conn_set_deadline(struct mvmi_conn *conn, uint32_t deadline_ms,
		  struct mvmi_error *err)
{
	return agent_client_set_deadline(conn_of(conn)->client, deadline_ms,
					 err);
}

static uint64_t conn_overdue(struct mvmi_conn *conn)
{
	return agent_client_overdue(conn_of(conn)->client);
}

static const struct mvmi_event_ops conn_event_ops = {
	conn_descs, conn_enable,   conn_disable,      conn_next,
	conn_reply, conn_waitable, conn_set_deadline, conn_overdue,
};

static void conn_close(struct mvmi_conn *conn)
{
	agent_client_close(conn_of(conn)->client);
	free(conn);
}

static enum mvmi_status
conn_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	  struct mvmi_error *err)
{
	(void)err;
	(void)snprintf(info->hypervisor, sizeof(info->hypervisor), "%s",
		       conn_of(conn)->client->vmm);
	return MVMI_OK;
}

static enum mvmi_status
conn_poll(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mvmi_conn *inner = conn_of(conn)->far->inner;
	enum mvmi_status status;

	far_lock(conn_of(conn)->far);
	status = inner->driver->poll(inner, err);
	conn->incarnation = inner->incarnation;
	far_unlock(conn_of(conn)->far);
	return status;
}

struct far *far_opening;

static enum mvmi_status
conn_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err);

const struct mvmi_driver far_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "agent",
	.option_keys = (const char *const[]){ NULL },
	.open = conn_open,
	.close = conn_close,
	.info = conn_info,
	.poll = conn_poll,
};

static enum mvmi_status
conn_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err)
{
	struct agent_conn *own = calloc(1, sizeof(*own));
	enum mvmi_status status;

	if (!own)
		abort();
	own->far = far_opening;
	status = agent_client_open(getpid(), args->timeout_ms, &own->client,
				   err);
	if (status != MVMI_OK) {
		free(own);
		return status;
	}
	/* This process outlives its VM. */
	(void)close(own->client->pidfd);
	own->client->pidfd = dup(far_opening->end_fd);
	own->conn = (struct mvmi_conn){
		.driver = &far_driver,
		.mem = &conn_mem_ops,
		.write = &conn_write_ops,
		.vcpu = &conn_vcpu_ops,
		.vcpu_set = &conn_vcpu_set_ops,
		.run = &conn_run_ops,
		.event = &conn_event_ops,
		.access = &conn_access_ops,
		.inject = &conn_inject_ops,
		.readable_regs = own->client->readable,
		.writable_regs = own->client->writable,
		.traits = far_opening->inner->traits,
		.incarnation = far_opening->inner->incarnation,
	};
	*ret = &own->conn;
	return MVMI_OK;
}
