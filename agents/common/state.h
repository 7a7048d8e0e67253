/* SPDX-License-Identifier: MIT */
/** @file An agent, as the files of this folder share it. */
#ifndef MICROVMI_AGENT_STATE_H
#define MICROVMI_AGENT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent.h"
#include "drivers/agent/shared.h"

#define AGENT_CLIENTS_MAX 32

/** One controller's shared memory. Lives until its last user lets go of it. */
struct channel {
	atomic_uint refs;
	atomic_bool detached; /**< nobody will answer any more */
	struct agent_shared *shared;
	size_t len;
	uint32_t vcpu_count; /**< slots that there are; the wire's is a copy */
	uint32_t slot_offset;
	uint32_t ring_offset;
	int memory_fd;
	int doorbell_fd; /**< eventfd */
	atomic_uint deadline_ms;
};

enum vcpu_state {
	VCPU_IDLE,   /**< it runs no guest code */
	VCPU_RUNS,   /**< it may run guest code */
	VCPU_PARKED, /**< it waits for the end of a hold */
	VCPU_WAITS,  /**< it waits for the reply to its event */
	VCPU_FULL,   /**< it waits for room in its ring */
};

struct vcpu {
	atomic_uint state;   /**< enum vcpu_state */
	uint64_t generation; /**< of its last synchronous event */
	uint32_t tail;	     /**< of its ring: entries written */
	/** Held to post: a reset is told on its ring by another thread. */
	atomic_flag posts;
};

struct subscription {
	struct subscription *next; /**< in its bucket */
	uint64_t id;
	struct agent_subscription what;
};

/** Bucket of a kind, or of an address: see subscriptions.c. */
#define BUCKETS_LOG2 12
#define BUCKETS	     (1U << BUCKETS_LOG2)

struct client {
	int fd;	   /**< owned; -1: free */
	int pidfd; /**< owned; of the process that connected; -1: unknown */
	bool greeted;
	bool controller;
	int64_t pid;
	uint32_t holds;
};

struct agent {
	const struct agent_host *host;
	void *arg; /**< the host's */
	pthread_t thread;
	int listen_fd;
	int wake_fd; /**< eventfd: the thread is to end */
	atomic_bool ends;
	bool has_ended; /**< its thread, too */
	struct client clients[AGENT_CLIENTS_MAX];

	/** Taken to read by vCPUs while they raise, to write by the thread. */
	pthread_rwlock_t lock;
	struct channel *channel; /**< the controller's; NULL: there is none */
	struct subscription *buckets[BUCKETS];
	uint64_t last_id;
	uint32_t subscription_count;
	atomic_uint listeners[MVMI_EVENT_KIND_COUNT];

	atomic_uint holds; /**< of all clients; a futex */
	atomic_uint calm;  /**< counts vCPUs that stopped running; a futex */
	atomic_ullong incarnation;
	atomic_ullong raised;
	atomic_ullong filtered;
	struct vcpu vcpus[AGENT_VCPUS_MAX];
};

/* channel.c */

/** @return NULL if there is no memory. */
struct channel *channel_create(uint32_t vcpu_count, uint32_t deadline_ms);
void channel_unref(struct channel *channel);
struct agent_slot *channel_slot(const struct channel *channel, uint32_t vcpu);
struct agent_ring *channel_ring(const struct channel *channel, uint32_t vcpu);
/** There is something in the slot, or the ring, of this vCPU. */
void channel_tell_slot(struct channel *channel, uint32_t vcpu);
void channel_tell_ring(struct channel *channel, uint32_t vcpu);
/** Wake the client if it sleeps. */
void channel_wake(struct channel *channel);
/** Take all pending events back: their vCPUs go on. */
void channel_cancel(struct channel *channel);
/** Nobody answers any more: let every vCPU that waits go on. */
void channel_detach(struct channel *channel);

/* subscriptions.c; under the lock */

/** NULL: the host doesn't offer this kind. */
const struct agent_desc *agent_desc(const struct agent *agent, uint32_t kind);
/** @return its id; 0 if there is no memory, or are too many. */
uint64_t
subscriptions_add(struct agent *agent, const struct agent_subscription *what);
/** NULL: there is none of this id. */
const struct subscription *
subscriptions_find(const struct agent *agent, uint64_t id);
bool subscriptions_remove(struct agent *agent, uint64_t id);
/**
 * The id of any one; 0: there is none.
 *
 * @param bucket  Where to look first, 0 at the beginning; updated.
 */
uint64_t subscriptions_any(const struct agent *agent, uint32_t *bucket);

/** An event that is looked at, and CR3, asked of the host once at most. */
struct sight {
	struct agent_event *event;
	const struct agent_context *context;
};

/** Who wants to answer an event. */
struct wanted {
	uint64_t id;	 /**< the first of them; 0: nobody */
	uint32_t groups; /**< of all of them */
};

struct wanted
subscriptions_match_sync(const struct agent *agent, const struct sight *sight);
/** The one after the id `after`, in order, that only listens; or NULL. */
const struct subscription *
subscriptions_match_async(const struct agent *agent, const struct sight *sight,
			  uint64_t after);
/** Let the event know CR3. */
void sight_cr3(const struct sight *sight);

/* park.c */

/** Say that the vCPU does not run now, to whoever waits for that. */
void agent_vcpu_calm(struct agent *agent, uint32_t vcpu, enum vcpu_state state);
/**
 * Whether its registers stand still until the hold that the caller has taken,
 * beside those of clients, is released. One that is on its way to stand still
 * is waited for.
 */
bool agent_vcpu_is_held(struct agent *agent, uint32_t vcpu,
			uint32_t timeout_ms);

/* client.c */

void client_open(struct agent *agent, int fd);
/** Read one request and answer it. @return false if the client ended. */
bool client_serve(struct agent *agent, struct client *client);
/** Undo whatever it set up. */
void client_close(struct agent *agent, struct client *client);

#endif /* MICROVMI_AGENT_STATE_H */
