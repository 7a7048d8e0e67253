/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The far side: what runs inside a VMM's process and serves clients.
 *
 * A VMM side (the QEMU plugin, the KVM agent) is the host of one agent: it
 * tells what its vCPUs do, raises events, and does what clients ask through
 * struct agent_host. Two kinds of thread are in here:
 *
 * - the agent's own, which talks to clients and calls the host's operations;
 * - the VMM's vCPU threads, which call agent_vcpu_*() and agent_raise().
 *
 * Whatever a client set up is undone, by the agent's thread, when the client's
 * socket or its process ends, in whatever way: close, crash, SIGKILL.
 *
 * A process has one agent at most, in static memory: a vCPU thread that still
 * runs while the VMM ends can call in here without harm.
 */
#ifndef MICROVMI_AGENT_H
#define MICROVMI_AGENT_H

#include <microvmi/event.h>
#include <microvmi/mem.h>
#include <microvmi/vm.h>
#include <stdbool.h>

#include "drivers/agent/abi.h"

struct agent;

/** The result of a host's operation: 0, or why not. */
struct agent_result {
	enum mvmi_status status;
	char text[AGENT_TEXT_LEN];
};

/** What a VMM side brings. Members that are NULL are not offered. */
struct agent_host {
	const char *agent; /**< of agent_welcome */
	const char *vmm;
	const struct agent_desc *descs;
	uint32_t desc_count;
	uint64_t readable_regs[2];
	uint64_t writable_regs[2];

	/** vCPUs that there can ever be: a slot is made for each. */
	uint32_t vcpu_limit;
	/** vCPUs that there are now. From the agent's thread. */
	uint32_t (*vcpu_count)(void *arg);
	/**
	 * Bring a vCPU that runs guest code to agent_vcpu_park(), soon. Called
	 * again while it has not come; harmless for one that is idle.
	 */
	void (*kick)(void *arg, uint32_t vcpu);

	/**
	 * Begin raising; it was checked against the descriptor, its limit too.
	 * Neither this nor disable may wait for a vCPU that waits for a reply.
	 */
	void (*enable)(void *arg, const struct agent_subscription *what,
		       uint64_t id, struct agent_result *result);
	/** On return the host raises nothing more for it. */
	void (*disable)(void *arg, uint64_t id);

	/**
	 * The vCPU is parked, idle, or waits for a reply, and stays so
	 * meanwhile.
	 */
	void (*regs_get)(void *arg, uint32_t vcpu, uint32_t groups,
			 struct agent_regs *regs, struct agent_result *result);
	/** The same; only the dirty ones, all of them writable. */
	void (*regs_set)(void *arg, uint32_t vcpu,
			 const struct agent_regs *regs,
			 struct agent_result *result);
	/** As mvmi_write_ops; the range is not empty and does not wrap. */
	void (*write)(void *arg, uint64_t gpa, const uint8_t *src, uint32_t len,
		      enum mvmi_write_mode mode, struct agent_result *result);
	/** As mvmi_access_ops, in the one view that there is. */
	void (*access_set)(void *arg, uint64_t gfn, uint32_t access,
			   struct agent_result *result);
	void (*access_get)(void *arg, uint64_t gfn, uint32_t *ret,
			   struct agent_result *result);
	/** Allow everything everywhere. */
	void (*access_reset)(void *arg);
	/** As mvmi_inject_ops; all vCPUs are held where they can be. */
	void (*inject)(void *arg, const struct agent_inject *what,
		       struct agent_result *result);
};

/**
 * Begin to serve, on the socket of this process. A process that forks to become
 * a daemon calls it afterwards.
 *
 * @param host  Must outlive the agent; so must arg.
 * @return NULL, with errno set, if there can be no socket or thread; EBUSY if
 *         there is an agent already.
 */
struct agent *agent_create(const struct agent_host *host, void *arg);

/**
 * The VM ends: tell the clients, let all vCPUs go on, stop serving. vCPUs may
 * still call in, and find nobody.
 */
void agent_stop(struct agent *agent);

/** Stop, and let there be another one. No vCPU may call in any more. */
void agent_destroy(struct agent *agent);

/** The VM was reset or loaded: its events are void, its patches too. */
void agent_new_incarnation(struct agent *agent);

/* ---- by a vCPU's own thread -------------------------------------------- */

/**
 * It is about to run guest code. Never waits.
 *
 * @return Whether the VM is held: then agent_vcpu_park() must come first, after
 *         letting go of all locks.
 */
bool agent_vcpu_run(struct agent *agent, uint32_t vcpu);

/** It runs no guest code now: halted, stopped, or gone. Never waits. */
void agent_vcpu_idle(struct agent *agent, uint32_t vcpu);

/** A safe point within guest code. Waits while the VM is held. */
void agent_vcpu_park(struct agent *agent, uint32_t vcpu);

/**
 * The same, but for a while only.
 *
 * @return Whether it may run. If not, it still counts as parked: it is to be
 *         called again, or to say that it is idle.
 */
bool agent_vcpu_park_for(struct agent *agent, uint32_t vcpu, uint64_t ns);

/* ---- by the agent's thread, in the host's operations --------------------- */

/**
 * Hold: no vCPU runs guest code, nor translates it, until the release. Counted.
 *
 * @return false if a vCPU did not come within timeout_ms: then nothing is held.
 */
bool agent_hold(struct agent *agent, uint32_t timeout_ms);
void agent_release(struct agent *agent, uint32_t count);

/* ---- events ------------------------------------------------------------- */

/** Whether anybody listens to this kind: the cheapest of all filters. */
bool agent_listens(const struct agent *agent, enum mvmi_event_kind kind);

/**
 * What else a host brings to an event, only as far as it is wanted. cr3 and regs
 * are called under the agent's lock: they wait for nothing and call nothing of
 * the agent.
 */
struct agent_context {
	/** CR3 for filters; called only where a filter asks for it. */
	uint64_t (*cr3)(void *arg, uint32_t vcpu);
	/**
	 * Somebody will wait: make the vCPU's state exact, and give the
	 * registers of these groups; there may be none.
	 */
	void (*regs)(void *arg, uint32_t vcpu, uint32_t groups,
		     struct agent_regs *regs);
	/**
	 * A reply has come: write its registers, so that whoever holds the vCPU
	 * from now on sees them. rip only if dirty; what the action needs may
	 * wait for the return of agent_raise(). NULL: there is nothing to do.
	 */
	void (*reply)(void *arg, uint32_t vcpu,
		      const struct agent_reply *reply);
	/**
	 * After agent_raise() the host looks by itself whether the VM is held,
	 * and parks the vCPU where that is better than in here.
	 */
	bool parks;
	void *arg;
};

/**
 * An event: filter it, post it to the ring of who wants it so, and wait for the
 * reply of who wants that, for no longer than the deadline.
 *
 * However long it took: on return the VM is not held, unless the host parks.
 *
 * @param event  What the descriptor's fields promise, and rip or cr3 if known
 *               says so; generation, subscription and time are filled in here.
 * @param reply  Filled only if true is returned. It is checked against the
 *               descriptor and writable_regs.
 * @return Whether there is a reply: do what it says. If not, continue.
 */
bool agent_raise(struct agent *agent, struct agent_event *event,
		 const struct agent_context *context,
		 struct agent_reply *reply);

#endif /* MICROVMI_AGENT_H */
