/* SPDX-License-Identifier: MIT */
/**
 * @file
 * An agent as a subject: the mock's guest, behind the real server and the real
 * client, in one process.
 *
 * The mock raises an event once; a thread of its vCPU brings that to the agent,
 * waits there as a vCPU of a VMM would, and gives the reply to the mock. The
 * guest executes only inside of far_settle(), as the mock's does in mock_run(),
 * so that the cases find things as they expect them. Memory and the run state
 * are the mock's own, as they are not the agent's business in a VMM either.
 * Time is real: wait() is a little shorter, or longer, than asked for.
 */
#ifndef MICROVMI_CONFORM_FAR_H
#define MICROVMI_CONFORM_FAR_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "agents/common/agent.h"
#include "drivers/agent/client.h"
#include "drivers/mock/state.h"

#define FAR_VCPUS     2
#define FAR_DESCS_MAX 32

struct far;

/** The thread of a vCPU while an event of it is on its way. */
struct far_vcpu {
	struct far *far;
	pthread_t thread;
	atomic_bool busy;
	bool answered; /**< the mock has its reply */
	struct mvmi_event event;
};

/** What stands behind the socket. */
struct far {
	struct mock_vm *vm;	 /**< counted */
	struct mvmi_conn *inner; /**< owned: a client of the mock */
	struct agent *agent;
	struct agent_client *rival;
	struct agent_host host;
	struct agent_desc descs[FAR_DESCS_MAX];
	pthread_mutex_t lock; /**< the mock's */
	atomic_bool ends;
	int end_fd; /**< stands for the VMM's pidfd */
	struct far_vcpu vcpus[FAR_VCPUS];
	uint64_t ids[MOCK_SUBSCRIPTIONS_MAX][2]; /**< agent's, mock's */
};

static inline void far_lock(struct far *far)
{
	(void)pthread_mutex_lock(&far->lock);
}

static inline void far_unlock(struct far *far)
{
	(void)pthread_mutex_unlock(&far->lock);
}

static inline void far_pause_us(long us)
{
	const struct timespec ts = { .tv_sec = us / 1000000,
				     .tv_nsec = us % 1000000 * 1000 };

	(void)nanosleep(&ts, NULL);
}

/* ---- the agent's host: far_host.c --------------------------------------- */

/** Fill in far->host, which does to the mock what the agent asks for. */
void far_host_init(struct far *far);
void far_read_regs(struct far *far, uint32_t vcpu, uint32_t groups,
		   struct agent_regs *wire);
/** Registers of the wire that are to be written. */
struct mvmi_regs far_dirty_regs(const struct agent_regs *wire);

/* ---- its vCPUs: far_vcpu.c ---------------------------------------------- */

/** What a struct far_vcpu's thread runs until far->ends. */
void *far_vcpu_thread(void *arg);
/** Wait until each event has gone as far as it goes without the client. */
void far_wait_for_vcpus(const struct far *far);
/** Let the guest run until it is held or has nothing to do. */
void far_settle(struct far *far);

/* ---- the driver that is its client: far_conn.c -------------------------- */

extern const struct mvmi_driver far_driver;
/** The far side that is opened next: a driver is told nothing but text. */
extern struct far *far_opening;
struct agent_client *far_client(struct mvmi_conn *conn);

#endif /* MICROVMI_CONFORM_FAR_H */
