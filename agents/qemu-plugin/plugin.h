/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The plugin, as the files of this folder share it.
 *
 * - api: QEMU's plugin interface; internals: what else its process exports.
 * - decode: which instructions are events.
 * - code: translation: what is instrumented, breakpoints, invalidation.
 * - insn: what happens at an instrumented instruction.
 * - hooks: exceptions, interrupts and accesses to memory, caught where QEMU's
 *   own TCG operations are called.
 * - regs: registers, from and to QEMU's vCPU object.
 * - host: the operations of struct agent_host.
 */
#ifndef MICROVMI_QEMU_PLUGIN_H
#define MICROVMI_QEMU_PLUGIN_H

#include <stdatomic.h>

#include "agent.h"
#include "api.h"
#include "decode.h"
#include "internals.h"

/** Events that one instruction can be, in the order in which they come. */
enum stage {
	STAGE_STEP,
	STAGE_BREAKPOINT,
	STAGE_EXECUTE, /**< a watched frame */
	STAGE_DECODED,
	STAGE_COUNT,
};

/** A vCPU, as its own thread sees it, unless said otherwise. */
struct vcpu_side {
	void *cpu; /**< QEMU's object; NULL: there is none */
	atomic_bool kicked;
	bool in_exec; /**< within QEMU's execution loop: flags are lazy */
	/** Written by the agent's thread while the vCPU waits. */
	atomic_bool touched;
	struct agent_inject injection; /**< of a vCPU that waits */
	atomic_bool injects;

	/* While an instruction's event waits: how to go back. */
	uintptr_t ra; /**< into the translated code; 0: state is exact */
	bool exact;   /**< rip and flags were made exact */
	bool held;    /**< it is to park, outside of the translated code */
	uint64_t eip;
	uint32_t cc_op;
	unsigned code_changes;

	/* Where events were raised already for the next instruction. */
	bool passes;
	enum stage pass_stage; /**< the first that wasn't */
	uint64_t pass_pc;
	bool passes_access; /**< of the next instruction, to pass_page */
	uint64_t pass_access;
	unsigned step_round; /**< that the last instruction was stepped in */
};

/** An instruction that calls us. Lives until all code is flushed. */
struct site {
	struct site *next;
	uint64_t pc; /**< linear address */
	struct insn insn;
	uint8_t kind; /**< enum mvmi_event_kind of the decoded instruction */
	atomic_bool breakpoint;
	bool steps;
	bool executes; /**< it is on a watched frame, at gpa */
	uint8_t code[15];
	uint64_t gpa;
};

extern struct agent *agent;
extern struct vcpu_side vcpu_sides[AGENT_VCPUS_MAX];

/* ---- plugin.c ----------------------------------------------------------- */

/** Raise, with the big lock dropped and other vCPUs of this thread at rest. */
bool plugin_raise(uint32_t vcpu, struct agent_event *event,
		  struct agent_reply *reply);

/** Tell of something that is no vCPU's, from whatever thread. */
void plugin_tell(struct agent_event *event);

/* ---- code.c ------------------------------------------------------------- */

/** tb_trans: instrument what is to be. */
void code_translated(const struct qemu_plugin_tb *tb);
/** All code is gone. */
void code_flushed(void);
/** Count and uncount breakpoints; true if the set changed. */
bool code_add_breakpoint(uint64_t pc, uint64_t span);
bool code_remove_breakpoint(uint64_t pc, uint64_t span);
/** Instrument every instruction from now on, or no longer. */
void code_step(bool on);
/** Translate anew what is at these addresses, in all address spaces. */
void code_invalidate(uint64_t pc, uint64_t span);
void code_invalidate_all(void);
/** The same for one page of QEMU's own memory. */
void code_invalidate_host(uintptr_t page);
/** Memory or breakpoints changed: translated code in use may be old. */
void code_changed(void);
unsigned code_changes(void);
/** Of the steps that are asked for; 0: none are. */
unsigned code_step_round(void);

/* ---- insn.c ------------------------------------------------------------- */

void insn_reached(unsigned vcpu, void *site);
/** Make rip and flags in memory exact; how they were is kept. */
void insn_make_exact(struct vcpu_side *side);
/**
 * Raise in the middle of an instruction, at ra in the translated code, or at 0:
 * outside of it. Returns if the instruction is to go on.
 */
void insn_interrupted(uint32_t vcpu, struct agent_event *event, uintptr_t ra);
/** The kind of event of an instruction; MVMI_EVENT_KIND_COUNT: none. */
uint8_t insn_kind(const struct insn *insn);

/* ---- regs.c ------------------------------------------------------------- */

void regs_masks(uint64_t readable[2], uint64_t writable[2]);
void regs_read(const struct vcpu_side *side, uint32_t groups,
	       struct agent_regs *regs);
void regs_write(struct vcpu_side *side, const struct agent_regs *regs);
uint64_t regs_u64(const struct vcpu_side *side, size_t offset);
uint64_t regs_gpr(const struct vcpu_side *side, unsigned index);
void regs_set_gpr(struct vcpu_side *side, unsigned index, uint64_t value);
void *regs_env(const struct vcpu_side *side);
/** A known MSR's value. @return false if it isn't. */
bool regs_msr(const struct vcpu_side *side, uint32_t index, uint64_t *ret);

/* ---- hooks.c ------------------------------------------------------------ */

/** Whether exceptions and interrupts, and memory, can be caught at all. */
bool hooks_exceptions(void);
bool hooks_memory(void);
void hooks_install(void *cpu);
/** UINT32_MAX: it is none of ours. */
uint32_t hooks_vcpu_of(const void *cpu);
/*
 * Under a hold, by the agent's thread; false: it isn't RAM. A frame is watched
 * for what subscriptions want, and for what the view doesn't allow.
 */
bool hooks_watch(uint64_t gfn, uint32_t access, bool on);
bool hooks_set_access(uint64_t gfn, uint32_t access);
bool hooks_get_access(uint64_t gfn, uint32_t *ret);
void hooks_reset_access(void);
/** Whether code at this host address is on a frame watched for execution. */
bool hooks_watched_for_execution(uintptr_t at, uint64_t *gpa);

/* ---- host.c ------------------------------------------------------------- */

extern struct agent_host host;
/** Fill in the host, by what QEMU can do. */
void host_init(const char *vmm, int max_vcpus);
void host_vcpu_appeared(uint32_t vcpu);
void host_end(void);
/** In QEMU's main thread, before there is a machine: lists aren't locked. */
void host_listen_to_machine(void);
/** Wait while the VM is held, with the big lock dropped. */
void host_park(uint32_t vcpu);

#endif /* MICROVMI_QEMU_PLUGIN_H */
