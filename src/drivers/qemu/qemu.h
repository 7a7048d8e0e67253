/* SPDX-License-Identifier: MIT */
/**
 * @file
 * One open QEMU: its monitor, its RAM, its run state.
 *
 * The monitor is optional. Without it (another client has it, or there is
 * none) memory is all there is, and the layout is deduced (bare.c).
 */
#ifndef MICROVMI_DRIVERS_QEMU_QEMU_H
#define MICROVMI_DRIVERS_QEMU_QEMU_H

#include <microvmi/driver.h>

#include "base/util.h"
#include "drivers/qemu/cmdline.h"
#include "drivers/qemu/driver.h"
#include "drivers/qemu/qmp.h"
#include "drivers/qemu/ram.h"
#include "drivers/qemu/stub.h"

#define qemu_driver		mvmi__qemu_driver
#define qemu_refresh		mvmi__qemu_refresh
#define qemu_take_events	mvmi__qemu_take_events
#define qemu_write_ops		mvmi__qemu_write_ops
#define qemu_write_init		mvmi__qemu_write_init
#define qemu_regs_init		mvmi__qemu_regs_init
#define qemu_regs_forget	mvmi__qemu_regs_forget
#define qemu_regs_fini		mvmi__qemu_regs_fini
#define qemu_run_ops		mvmi__qemu_run_ops
#define qemu_run_fini		mvmi__qemu_run_fini
#define qemu_run_events		mvmi__qemu_run_events
#define qemu_agent_init		mvmi__qemu_agent_init
#define qemu_agent_fini		mvmi__qemu_agent_fini
#define qemu_agent_writes	mvmi__qemu_agent_writes
#define qemu_agent_write	mvmi__qemu_agent_write
#define qemu_agent_capabilities mvmi__qemu_agent_capabilities

/** What a QEMU with a monitor of our own offers. */
#define QEMU_CAPABILITIES (MVMI_CAP_MEM | MVMI_CAP_RUN | MVMI_CAP_QUIESCE)

#define QEMU_MONITOR_ADVICE                                               \
	"start it with one more monitor for us: -qmp unix:/run/NAME.qmp," \
	"server=on,wait=off"

/** Where pages come and go, or are not to be faulted in: never mapped. */
#define QEMU_TRAITS_NO_MAP \
	(MVMI_TRAIT_BALLOON | MVMI_TRAIT_POSTCOPY | MVMI_TRAIT_ENCRYPTED)

struct agent_client;
struct qemu_guardian;
struct qemu_state_vcpu;

/** What we did to the VM's run state. */
struct qemu_run {
	bool held;   /**< between hold() and release() */
	bool ours;   /**< we stopped it, so we let it go on */
	bool wanted; /**< stop() was called under the hold: leave it stopped */
	struct qemu_guardian *guardian; /**< owned; NULL until the first hold */
};

/** What the last save of the device state told. */
struct qemu_regs {
	struct qemu_state_vcpu *vcpus; /**< owned */
	unsigned count;
	bool valid; /**< they are those of the hold that is in force */
	int file;   /**< owned memfd that QEMU writes to; -1 until needed */
	int shared; /**< owned; the file as QEMU has it: they share an offset */
	int64_t set; /**< QEMU's number for it; only where file is not -1 */
};

struct qemu_conn {
	struct mvmi_conn conn;
	int64_t pid;
	int pidfd; /**< owned; -1 where the kernel has none */
	struct qmp qmp;
	struct ram ram;
	struct qemu_run run;
	struct qemu_regs regs;
	struct stub stub; /**< open at most for the length of a hold */
	struct agent_client *agent; /**< owned; NULL: there is none */
	unsigned unanswered;	    /**< events that were fetched from it */
	uint64_t refreshed_ms;	    /**< when the layout was last asked for */
	uint64_t layout_hash;	    /**< of the text it was made from */
	bool kvm;
	char name[64];
	char note[256];
};

static inline struct qemu_conn *qemu_of(struct mvmi_conn *conn)
{
	return container_of(conn, struct qemu_conn, conn);
}

static inline bool qemu_has_monitor(const struct qemu_conn *q)
{
	return q->qmp.fd >= 0;
}

/**
 * Ask for the memory layout again, and begin a new incarnation if it changed.
 * PAM registers and BARs move it without an event.
 */
enum mvmi_status qemu_refresh(struct qemu_conn *q, struct mvmi_error *err);

/**
 * Lay out the RAM of a QEMU without a monitor.
 *
 * @retval MVMI_ERR_UNSUPPORTED  It can't be deduced, or is not confirmed.
 */
enum mvmi_status
qemu_bare(struct qemu_conn *q, const struct cmdline *c, struct mvmi_error *err);

/** Find conn.traits anew. */
void qemu_find_traits(struct qemu_conn *q);

/** As mvmi_driver.list. */
enum mvmi_status qemu_list(mvmi_list_fn fn, void *arg, struct mvmi_error *err);

/** The QEMU that was told to listen at path; 0: there is none. */
int64_t qemu_find_pid(const char *path);

/** Open memory, and nothing else, of a process. */
enum mvmi_status
qemu_open_pid(int64_t pid, struct mvmi_conn **ret, struct mvmi_error *err);

/** Act on what the monitor said unasked. */
enum mvmi_status qemu_take_events(struct qemu_conn *q, struct mvmi_error *err);

/**
 * GONE from the monitor is the VM's end only if its process ended: else SYSTEM.
 */
enum mvmi_status qemu_judge(struct qemu_conn *q, enum mvmi_status status,
			    struct mvmi_error *err);

extern const struct mvmi_run_ops qemu_run_ops;
extern const struct mvmi_quiesce_ops qemu_quiesce_ops;

/** Memory alone, where there is no monitor: data-only. */
extern const struct mvmi_write_ops qemu_write_ops;

/**
 * Offer writes to memory and, where it is free, to registers by the gdb stub.
 *
 * @param stub_taken  The command line asks for a stub of someone else's.
 */
void qemu_write_init(struct qemu_conn *q, bool stub_taken);

/** Count the vCPUs and offer their registers. */
enum mvmi_status qemu_regs_init(struct qemu_conn *q, struct mvmi_error *err);
/** The vCPUs run, or were written to: what was saved is old. */
void qemu_regs_forget(struct qemu_conn *q);
void qemu_regs_fini(struct qemu_conn *q);

/** Undo what hold() did, if anything, and dismiss the guardian. */
void qemu_run_fini(struct qemu_conn *q);

/** Someone else stopped or started the VM: enum qmp_event bits. */
void qemu_run_events(struct qemu_conn *q, uint32_t events);

/** Look for our agent in the process, and use it where there is one. */
void qemu_agent_init(struct qemu_conn *q, uint32_t timeout_ms);
/** Have it undo what it did for us. */
void qemu_agent_fini(struct qemu_conn *q);
/** Whether it writes memory; then so that code is seen by vCPUs. */
bool qemu_agent_writes(const struct qemu_conn *q);
enum mvmi_status
qemu_agent_write(struct qemu_conn *q, mvmi_gpa gpa, struct mvmi_bytes src,
		 struct mvmi_error *err);
/** What one in this process would add: enum mvmi_capability, or 0. */
uint32_t qemu_agent_capabilities(int64_t pid);

#endif /* MICROVMI_DRIVERS_QEMU_QEMU_H */
