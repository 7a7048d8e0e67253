/* SPDX-License-Identifier: MIT */
/**
 * @file
 * QEMU's internals, as far as the process that loaded us exports them.
 *
 * Distributions build QEMU with modules, and modules need QEMU's functions: so
 * they can be looked up. None of this is a stable interface. Everything is
 * probed at load: a function by its name, a register's place by the migration
 * table (whose names are an interface), what neither tells by two independent
 * signs that have to agree. What fails its probe is left out, and with it the
 * events and operations that need it.
 */
#ifndef MICROVMI_QEMU_INTERNALS_H
#define MICROVMI_QEMU_INTERNALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A member that was not found. */
#define NOWHERE SIZE_MAX

/*
 * X(our name, name in the migration table, bytes of one element). Offsets are
 * from the start of QEMU's vCPU object.
 */
#define LAYOUT_FIELDS(X)                         \
	X(regs, "env.regs", 8)                   \
	X(eip, "env.eip", 8)                     \
	X(eflags, "env.eflags", 8)               \
	X(hflags, "env.hflags", 4)               \
	X(fpuc, "env.fpuc", 2)                   \
	X(fpregs, "env.fpregs", 0)               \
	X(segs, "env.segs", 0)                   \
	X(ldt, "env.ldt", 0)                     \
	X(tr, "env.tr", 0)                       \
	X(gdt, "env.gdt", 0)                     \
	X(idt, "env.idt", 0)                     \
	X(sysenter_cs, "env.sysenter_cs", 4)     \
	X(sysenter_esp, "env.sysenter_esp", 8)   \
	X(sysenter_eip, "env.sysenter_eip", 8)   \
	X(cr0, "env.cr[0]", 8)                   \
	X(cr2, "env.cr[2]", 8)                   \
	X(cr3, "env.cr[3]", 8)                   \
	X(cr4, "env.cr[4]", 8)                   \
	X(dr, "env.dr", 8)                       \
	X(mxcsr, "env.mxcsr", 4)                 \
	X(efer, "env.efer", 8)                   \
	X(star, "env.star", 8)                   \
	X(lstar, "env.lstar", 8)                 \
	X(cstar, "env.cstar", 8)                 \
	X(fmask, "env.fmask", 8)                 \
	X(kernel_gs_base, "env.kernelgsbase", 8) \
	X(pat, "env.pat", 8)                     \
	X(tsc_aux, "env.tsc_aux", 8)             \
	X(xcr0, "env.xcr0", 8)                   \
	X(xmm, "env.xmm_regs", 0)

struct layout {
	size_t env; /**< of the part that is the architecture's */
#define LAYOUT_MEMBER(name, field, bytes) size_t name;
	LAYOUT_FIELDS(LAYOUT_MEMBER)
#undef LAYOUT_MEMBER
	size_t xmm_stride;
	/* Beside the table: lazily evaluated flags, and pending exceptions. */
	size_t cc_op;
	size_t df;
	size_t error_code;
	size_t is_int; /**< raised by int n: it returns to next_eip */
	size_t next_eip;
	size_t exception_index;
	size_t ops; /**< in the vCPU's class: its TCG operations */
};

typedef void (*work_fn)(void *cpu, uint64_t data);

/*
 * X(name, result, parameters). A parameter that only some versions have is the
 * last, or says so: passing one too many does no harm on x86-64.
 */
#define INTERNAL_FUNCTIONS(X)                                             \
	X(qemu_get_cpu, void *, (int))                                    \
	X(async_run_on_cpu, void, (void *, work_fn, uint64_t))            \
	X(cpu_restore_state, bool, (void *, uintptr_t, bool))             \
	X(cpu_loop_exit_noexc, void, (void *))                            \
	X(cpu_cc_compute_all, uint32_t, (void *, int))                    \
	X(raise_exception_err_ra, void, (void *, int, int, uintptr_t))    \
	X(tb_invalidate_phys_range, void, (uint64_t, uint64_t, uint64_t)) \
	X(qemu_ram_addr_from_host, uint64_t, (void *))                    \
	X(rcu_register_thread, void, (void))                              \
	X(address_space_write, uint32_t,                                  \
	  (void *, uint64_t, uint64_t, const void *, uint64_t))           \
	X(address_space_rw, uint32_t,                                     \
	  (void *, uint64_t, uint64_t, void *, uint64_t, bool))           \
	X(cpu_memory_rw_debug, int,                                       \
	  (void *, uint64_t, void *, uint64_t, bool))                     \
	X(cpu_interrupt, void, (void *, int))                             \
	X(cpu_x86_update_cr0, void, (void *, uint32_t))                   \
	X(cpu_x86_update_cr3, void, (void *, uint64_t))                   \
	X(cpu_x86_update_cr4, void, (void *, uint32_t))                   \
	X(cpu_load_efer, void, (void *, uint64_t))                        \
	X(cpu_x86_update_dr7, void, (void *, uint32_t))                   \
	X(cpu_sync_bndcs_hflags, void, (void *))                          \
	X(tlb_flush, void, (void *))                                      \
	X(tlb_set_page_with_attrs, void,                                  \
	  (void *, uint64_t, uint64_t, uint64_t, int, int, uint64_t))     \
	X(tlb_vaddr_to_host, void *, (void *, uint64_t, int, int))        \
	X(address_space_map, void *,                                      \
	  (void *, uint64_t, uint64_t *, bool, uint64_t))                 \
	X(address_space_unmap, void,                                      \
	  (void *, void *, uint64_t, bool, uint64_t))                     \
	X(object_get_class, void *, (void *))                             \
	X(x86_cpu_do_interrupt, void, (void *))                           \
	X(x86_cpu_exec_interrupt, bool, (void *, int))                    \
	X(x86_cpu_tlb_fill, bool,                                         \
	  (void *, uint64_t, int, int, int, bool, uintptr_t))             \
	X(runstate_is_running, bool, (void))                              \
	X(qemu_register_reset, void, (void (*)(void *), void *))          \
	X(qemu_register_shutdown_notifier, void, (void *))                \
	X(qemu_add_vm_change_state_handler, void *,                       \
	  (void (*)(void *, bool, int), void *))

struct internals {
	bool usable; /**< registers are exact, and can be written */
	int major;   /**< of QEMU's version: arguments differ */
	int minor;
	struct layout at;
#define INTERNAL_MEMBER(name, result, params) result(*name) params;
	INTERNAL_FUNCTIONS(INTERNAL_MEMBER)
#undef INTERNAL_MEMBER
	void *memory; /**< the address space of the machine */
	bool (*bql_locked)(void);
	void (*bql_lock)(const char *file, int line);
	void (*bql_unlock)(void);
	/** One thread runs all vCPUs in turn. */
	bool round_robin;
	bool icount;
};

extern struct internals qemu;

/**
 * Find what there is. Before any vCPU exists.
 *
 * @param synchronous  Whether a callback can ask that registers be in memory.
 */
void internals_probe(bool synchronous);

/** As soon as there is a vCPU: what its class tells. */
void internals_probe_class(void *cpu);

/** The vCPU that the calling thread runs; NULL: it can't be told. */
void *internals_current_cpu(void);

/** Copy len bytes of this process, if they can be read. */
bool internals_peek(uintptr_t addr, void *dst, size_t len);

#endif /* MICROVMI_QEMU_INTERNALS_H */
