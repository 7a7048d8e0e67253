/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A client of an agent: what a driver uses to reach one inside a VMM.
 *
 * It begins as a reader and becomes the VM's controller with the first
 * subscription or permission, so that whoever only reads is never in anybody's way. What
 * comes from the agent is copied once and then checked, for a VMM may have been
 * taken over by its guest. One thread at a time.
 */
#ifndef MICROVMI_DRIVERS_AGENT_CLIENT_H
#define MICROVMI_DRIVERS_AGENT_CLIENT_H

#include <microvmi/driver.h>

#include "drivers/agent/abi.h"

#define agent_client_open	  mvmi__agent_client_open
#define agent_client_close	  mvmi__agent_client_close
#define agent_client_hold	  mvmi__agent_client_hold
#define agent_client_release	  mvmi__agent_client_release
#define agent_client_get_regs	  mvmi__agent_client_get_regs
#define agent_client_set_regs	  mvmi__agent_client_set_regs
#define agent_client_write	  mvmi__agent_client_write
#define agent_client_inject	  mvmi__agent_client_inject
#define agent_client_set_access	  mvmi__agent_client_set_access
#define agent_client_get_access	  mvmi__agent_client_get_access
#define agent_client_vcpu_count	  mvmi__agent_client_vcpu_count
#define agent_client_incarnation  mvmi__agent_client_incarnation
#define agent_client_enable	  mvmi__agent_client_enable
#define agent_client_disable	  mvmi__agent_client_disable
#define agent_client_next	  mvmi__agent_client_next
#define agent_client_reply	  mvmi__agent_client_reply
#define agent_client_waitable	  mvmi__agent_client_waitable
#define agent_client_set_deadline mvmi__agent_client_set_deadline
#define agent_client_overdue	  mvmi__agent_client_overdue
#define agent_client_call	  mvmi__agent_client_call
#define agent_client_map	  mvmi__agent_client_map
#define agent_client_unmap	  mvmi__agent_client_unmap
#define agent_client_lives	  mvmi__agent_client_lives

/** How long both sides look again at most before they sleep. */
#define AGENT_SPIN_NS 20000

/** The memory that a controller shares; offsets are ours, and checked. */
struct agent_channel {
	struct agent_shared *shared; /**< owned mapping; NULL: a reader */
	size_t len;
	int doorbell_fd; /**< owned */
	uint32_t slots;
	uint32_t slot_offset;
	uint32_t slot_stride;
	uint32_t ring_offset;
	uint32_t ring_stride;
	/** Taken from the shared word, and not looked at yet. */
	uint64_t todo[AGENT_VCPUS_MAX / 64];
	uint32_t turn;	   /**< the vCPU that is looked at first */
	uint32_t *heads;   /**< owned; of rings */
	uint64_t *fetched; /**< owned; generations that may be answered */
	uint64_t last_async;
	uint32_t spin_max_ns; /**< 0: never, with one processor */
	uint32_t spin_ns;     /**< what was worth it lately; 0: nothing */
	uint32_t sleeps;
};

struct agent_client {
	int fd;	     /**< owned; -1 once it is useless */
	int pidfd;   /**< owned; -1 where the kernel has none */
	int poll_fd; /**< owned; for the caller's own loop; -1: not asked for */
	int64_t pid;
	uint32_t timeout_ms;
	uint32_t sequence;
	uint32_t deadline_ms;
	uint32_t capabilities; /**< enum mvmi_capability that it adds */
	uint32_t vcpu_count;
	mvmi_regset readable;
	mvmi_regset writable;
	struct mvmi_event_desc descs[MVMI_EVENT_KIND_COUNT];
	size_t desc_count;
	char agent[64];
	char vmm[64];
	bool gone;	     /**< the VM ended */
	bool gone_delivered; /**< as an event */
	bool waits_for_gone; /**< somebody subscribed to that */
	struct agent_channel channel;
	struct mvmi_regs event_regs; /**< what an event's regs point at */
};

/**
 * Connect to the agent of a VMM.
 *
 * @param pid  The VMM's process.
 *
 * @retval MVMI_ERR_UNSUPPORTED  There is none (err->sys is ECONNREFUSED), or
 *                               it is of another version.
 * @retval MVMI_ERR_DENIED       What listens there is not that process, or does
 *                               not serve this user.
 * @retval MVMI_ERR_TIMEOUT      It doesn't answer.
 */
enum mvmi_status
agent_client_open(int64_t pid, uint32_t timeout_ms, struct agent_client **ret,
		  struct mvmi_error *err);
/** Whatever was set up is undone by the agent. NULL is a no-op. */
void agent_client_close(struct agent_client *client);

enum mvmi_status
agent_client_hold(struct agent_client *client, struct mvmi_error *err);
enum mvmi_status
agent_client_release(struct agent_client *client, struct mvmi_error *err);

/** As mvmi_vcpu_ops.get. */
enum mvmi_status
agent_client_get_regs(struct agent_client *client, unsigned vcpu,
		      unsigned groups, struct mvmi_regs *regs,
		      struct mvmi_error *err);
/** As mvmi_vcpu_set_ops.set. */
enum mvmi_status
agent_client_set_regs(struct agent_client *client, unsigned vcpu,
		      const struct mvmi_regs *regs, struct mvmi_error *err);
/** As mvmi_write_ops.write. */
enum mvmi_status
agent_client_write(struct agent_client *client, mvmi_gpa gpa,
		   struct mvmi_bytes src, enum mvmi_write_mode mode,
		   struct mvmi_error *err);
/** As mvmi_inject_ops.inject. */
enum mvmi_status
agent_client_inject(struct agent_client *client, unsigned vcpu,
		    const struct mvmi_injection *what, struct mvmi_error *err);
/** As mvmi_access_ops.set; there is no view but 0. */
enum mvmi_status
agent_client_set_access(struct agent_client *client, uint32_t view,
			mvmi_gfn gfn, uint32_t access, struct mvmi_error *err);
/** As mvmi_access_ops.get. */
enum mvmi_status
agent_client_get_access(struct agent_client *client, uint32_t view,
			mvmi_gfn gfn, uint32_t *ret, struct mvmi_error *err);
/** Ask how many vCPUs there are now; the last answer if there is none. */
unsigned agent_client_vcpu_count(struct agent_client *client);
/** The agent's own count of resets, as far as it is known without asking. */
uint64_t agent_client_incarnation(const struct agent_client *client);

/* As the members of mvmi_event_ops of these names. */

enum mvmi_status agent_client_enable(struct agent_client *client,
				     const struct mvmi_subscription *what,
				     uint64_t *ret, struct mvmi_error *err);
enum mvmi_status agent_client_disable(struct agent_client *client, uint64_t id,
				      struct mvmi_error *err);
enum mvmi_status
agent_client_next(struct agent_client *client, int timeout_ms,
		  struct mvmi_event *ret, struct mvmi_error *err);
enum mvmi_status
agent_client_reply(struct agent_client *client, struct mvmi_event_id id,
		   const struct mvmi_reply *reply, struct mvmi_error *err);
struct mvmi_waitable agent_client_waitable(struct agent_client *client);
enum mvmi_status
agent_client_set_deadline(struct agent_client *client, uint32_t deadline_ms,
			  struct mvmi_error *err);
uint64_t agent_client_overdue(const struct agent_client *client);

/* ---- between the files of this folder ---------------------------------- */

/** One request; its body is put together of two parts. */
struct agent_call {
	enum agent_request request;
	const void *body;
	uint32_t body_len;
	struct mvmi_bytes more;
	void *ret; /**< the answer's body; its tail is zeros if it is short */
	uint32_t ret_len; /**< room, and on return what was filled */
	int fds[2];	  /**< owned by the caller on success; or -1 */
	bool takes_fds;
};

enum mvmi_status
agent_client_call(struct agent_client *client, struct agent_call *call,
		  struct mvmi_error *err);

/** Take over what HELLO brought. The descriptors are taken in any case. */
enum mvmi_status
agent_client_map(struct agent_client *client, uint32_t len, int memory_fd,
		 int doorbell_fd, struct mvmi_error *err);
void agent_client_unmap(struct agent_client *client);

/**
 * Whether the far side, and the VM, are there.
 *
 * @retval MVMI_ERR_GONE    The VM ended.
 * @retval MVMI_ERR_SYSTEM  The far side did, or it broke the protocol.
 */
enum mvmi_status
agent_client_lives(struct agent_client *client, struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_AGENT_CLIENT_H */
