/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The guest inside the VM that the command line names: its OS, and a hold for
 * as long as something of one moment is read.
 */
#ifndef MICROVMI_TOOL_GUEST_H
#define MICROVMI_TOOL_GUEST_H

#include <microvmi/os.h>
#include <microvmi/vm.h>
#include <popt.h>

/** Where profiles, symbols and types are; for all that open an OS. */
extern struct poptOption guest_os_options[];
/** These and --live, for commands that read what changes. */
extern struct poptOption guest_options[];
/** --pid, for commands about one process. */
extern struct poptOption guest_pid_options[];

struct guest {
	struct mvmi_vm *vm; /**< owned */
	struct mvmi_os *os; /**< owned */
	bool held;
};

/** Find the OS of a VM that is open, as the options say; fails silently. */
enum mvmi_status
guest_find_os(struct mvmi_vm *vm, struct mvmi_os **ret, struct mvmi_error *err);

/** As guest_find_os(), and say why it can't be. @return An exit code. */
int guest_open_os(struct mvmi_vm *vm, struct mvmi_os **ret);

/**
 * Open the target and find its OS.
 *
 * @return An exit code; only after EXIT_OK is guest_close() due.
 */
int guest_open(struct guest *guest, const char *target);

/**
 * Hold the VM, unless it stands still anyway, can't be held or --live says
 * not to. What it is held for should be short, and not wait for our reader.
 *
 * @return An exit code.
 */
int guest_hold(struct guest *guest);

/** Lift the hold, if there is one. @return code, or why it can't be lifted */
int guest_release(struct guest *guest, int code);

/** guest_open() and guest_hold(). */
int guest_open_held(struct guest *guest, const char *target);

/** Lift the hold and close. @return code, or why the hold can't be lifted */
int guest_close(struct guest *guest, int code);

/** Say what may be wrong in a list; "" says nothing. */
void guest_doubt(const char *doubt);

/** Whether --pid was given. */
bool guest_has_pid(void);

/** What --pid says; MVMI_OS_ALL without it. @return An exit code. */
int guest_pid(uint64_t *ret);

/** As guest_pid(), but there must be one. */
int guest_need_pid(uint64_t *ret);

#endif /* MICROVMI_TOOL_GUEST_H */
