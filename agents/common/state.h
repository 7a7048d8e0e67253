/* SPDX-License-Identifier: MIT */
/** @file An agent, as the files of this folder share it. */
#ifndef MICROVMI_AGENT_STATE_H
#define MICROVMI_AGENT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent.h"

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
	uint32_t deadline_ms;
};

enum vcpu_state {
	VCPU_IDLE,   /**< it runs no guest code */
	VCPU_RUNS,   /**< it may run guest code */
	VCPU_PARKED, /**< it waits for the end of a hold */
	VCPU_WAITS,  /**< it waits for the reply to its event */
};

struct vcpu {
	atomic_uint state;   /**< enum vcpu_state */
	uint64_t generation; /**< of its last synchronous event */
	uint32_t tail;	     /**< of its ring: entries written */
};

struct subscription {
	struct subscription *next; /**< in its bucket */
	uint64_t id;
	struct agent_subscription what;
};

/** Bucket of a kind, or of an address: see subscriptions.c. */
#define BUCKETS 4096

struct client {
	int fd; /**< owned; -1: free */
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
	struct client clients[AGENT_CLIENTS_MAX];

	/** Taken to read by vCPUs while they raise, to write by the thread. */
	pthread_rwlock_t lock;
	struct channel *channel; /**< the controller's; NULL: there is none */
	struct subscription *buckets[BUCKETS];
	uint64_t last_id;
	atomic_uint listeners[MVMI_EVENT_KIND_COUNT];

	atomic_uint holds; /**< of all clients; a futex */
	atomic_uint calm;  /**< counts vCPUs that stopped running; a futex */
	atomic_ullong incarnation;
	atomic_ullong raised;
	atomic_ullong filtered;
	struct vcpu vcpus[AGENT_VCPUS_MAX];
};

/* channel.c */

/** @return NULL, with errno set, if there is no memory. */
struct channel *channel_create(uint32_t vcpu_count, uint32_t deadline_ms);
void channel_unref(struct channel *channel);
struct agent_slot *channel_slot(const struct channel *channel, uint32_t vcpu);
struct agent_ring *channel_ring(const struct channel *channel, uint32_t vcpu);
/** Mark a slot, or a ring, and wake the client if it sleeps. */
void channel_ring_bell(struct channel *channel, uint64_t *bits, uint32_t vcpu);
/** Nobody answers any more: let every vCPU that waits go on. */
void channel_detach(struct channel *channel);

/* subscriptions.c; under the lock */

/** @return 0 if there is no memory, or are too many. */
uint64_t
subscriptions_add(struct agent *agent, const struct agent_subscription *what);
bool subscriptions_remove(struct agent *agent, uint64_t id);
/** @return the id of any one; 0: there is none. */
uint64_t subscriptions_any(const struct agent *agent);

/** Who wants an event, and how. */
struct wanted {
	uint64_t sync;	/**< the first that wants to answer it; or 0 */
	uint64_t async; /**< the first that only listens; or 0 */
	bool hold_when_full;
	uint32_t groups; /**< of those that want to answer */
};

struct wanted
subscriptions_match(const struct agent *agent, const struct agent_event *event,
		    const struct agent_context *context);

/* park.c */

/** Whether its registers stand still. */
bool agent_vcpu_is_held(const struct agent *agent, uint32_t vcpu);

/* client.c */

void client_open(struct agent *agent, int fd);
/** Read one request and answer it. @return false if the client ended. */
bool client_serve(struct agent *agent, struct client *client);
/** Undo whatever it set up. */
void client_close(struct agent *agent, struct client *client);

/* futex.h */
int futex_wait(void *word, uint32_t value, uint64_t timeout_ns);
void futex_wake(void *word);

#endif /* MICROVMI_AGENT_STATE_H */
