/* SPDX-License-Identifier: MIT */
/**
 * @file
 * QEMU's TCG plugin interface, versions 0 to 7, as far as it is used here.
 *
 * No package ships a header that fits every QEMU, so the interface is declared
 * by its facts, and every function is looked up when the plugin is loaded: one
 * binary serves them all. What one QEMU lacks is NULL.
 *
 * Version 7 gave every callback a user pointer. The trampolines that hide this
 * are in plugin.c and code.c.
 */
#ifndef MICROVMI_QEMU_API_H
#define MICROVMI_QEMU_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** From here on callbacks carry user data (QEMU 11.1). */
#define API_USERDATA 7
/** From here on callbacks can have registers in memory (QEMU 9.0). */
#define API_REGISTERS 2
/** From here on an instruction's bytes are copied out (QEMU 9.1). */
#define API_INSN_COPY 3

struct qemu_plugin_tb;
struct qemu_plugin_insn;

/** enum qemu_plugin_cb_flags: the vCPU's registers are in memory. */
#define API_CB_R_REGS 1

struct api_info {
	const char *target;
	struct {
		int min;
		int cur;
	} version;
	bool system;
	int vcpus;
	int max_vcpus;
};

/** Callbacks differ between versions: they are passed as plain pointers. */
typedef void (*api_fn)(void);
typedef void (*api_exec_fn)(unsigned vcpu, void *arg);

/*
 * X(name, must be there, result, parameters). Registration functions have a
 * last parameter more in version 7; on x86-64 an argument too many is not
 * seen by the callee, so that there is one declaration.
 */
#define API_FUNCTIONS(X)                                                     \
	X(register_vcpu_init_cb, true, void, (uint64_t, api_fn, void *))     \
	X(register_vcpu_exit_cb, true, void, (uint64_t, api_fn, void *))     \
	X(register_vcpu_idle_cb, true, void, (uint64_t, api_fn, void *))     \
	X(register_vcpu_resume_cb, true, void, (uint64_t, api_fn, void *))   \
	X(register_vcpu_tb_trans_cb, true, void, (uint64_t, api_fn, void *)) \
	X(register_flush_cb, true, void, (uint64_t, api_fn, void *))         \
	X(register_atexit_cb, true, void, (uint64_t, api_fn, void *))        \
	X(register_vcpu_insn_exec_cb, true, void,                            \
	  (struct qemu_plugin_insn *, api_exec_fn, int, void *))             \
	X(tb_n_insns, true, size_t, (const struct qemu_plugin_tb *))         \
	X(tb_get_insn, true, struct qemu_plugin_insn *,                      \
	  (const struct qemu_plugin_tb *, size_t))                           \
	X(insn_data, true, const void *,                                     \
	  (const struct qemu_plugin_insn *, void *, size_t))                 \
	X(insn_size, true, size_t, (const struct qemu_plugin_insn *))        \
	X(insn_vaddr, true, uint64_t, (const struct qemu_plugin_insn *))     \
	X(insn_haddr, true, void *, (const struct qemu_plugin_insn *))       \
	X(outs, true, void, (const char *))

struct api {
	int version;
#define API_MEMBER(name, needed, result, params) result(*name) params;
	API_FUNCTIONS(API_MEMBER)
#undef API_MEMBER
};

extern struct api api;

/** Look all up. @return the name of what is missing; NULL: all is there. */
const char *api_load(const struct api_info *info);

/** The newest interface of ours that this QEMU takes. */
int api_wanted(void);

/** QEMU's own version, or 0.0 if it doesn't tell. */
void api_qemu_version(int *major, int *minor, int *micro);

#endif /* MICROVMI_QEMU_API_H */
