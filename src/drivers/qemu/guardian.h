/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A process that lets the VM go on when this one dies while it holds it.
 *
 * Nothing in QEMU does that: a stopped VM stays stopped when its monitor's
 * client is killed. docs/decisions/0004-guardian.md tells why it is a process.
 */
#ifndef MICROVMI_DRIVERS_QEMU_GUARDIAN_H
#define MICROVMI_DRIVERS_QEMU_GUARDIAN_H

#include <microvmi/types.h>

#define guardian_create	 mvmi__guardian_create
#define guardian_destroy mvmi__guardian_destroy
#define guardian_arm	 mvmi__guardian_arm

struct qemu_guardian;

/**
 * Start one that shares the monitor's connection; it is not armed.
 *
 * It raises no SIGCHLD here, blocks all signals, keeps no other descriptor and
 * leaves the process group and session.
 */
enum mvmi_status guardian_create(int monitor_fd, struct qemu_guardian **ret,
				 struct mvmi_error *err);

/** End it, whatever it was told; waits for that. NULL is a no-op. */
void guardian_destroy(struct qemu_guardian *guardian);

/** Say whether the VM has to go on if this process dies from now on. */
void guardian_arm(struct qemu_guardian *guardian, bool armed);

#endif /* MICROVMI_DRIVERS_QEMU_GUARDIAN_H */
