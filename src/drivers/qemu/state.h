/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The register files in a stock QEMU's device state.
 *
 * No command of QMP tells the MSRs, but every QEMU since 1.1 can write the
 * state of all devices, RAM left out, as it would for a migration. The caller
 * gets that stream by these QMP commands (docs/decisions/0003-qemu-state.md
 * says why just these):
 *
 *   1. Once a connection: `add-fd` {"opaque": "microvmi"} with a descriptor in
 *      SCM_RIGHTS. It is a memfd opened again write-only through
 *      /proc/self/fd: QEMU wants that access mode, and truncates, so a pipe is
 *      refused. Keep both descriptors.
 *   2. `stop`, unless `query-status` says running: false and a status other
 *      than "suspended". Without it QEMU 10.0 and 11.1 leave a guest that sleeps
 *      in S3 unable to wake.
 *   3. Seek the write-only descriptor to 0; its offset is shared with QEMU.
 *   4. `xen-save-devices-state` {"filename": "/dev/fdset/N", "live": true}
 *      with N from the reply of add-fd. No Xen is needed; with live: false
 *      QEMU would give up its disk images.
 *   5. `cont`, if step 2 did `stop`.
 *   6. pread() at most QEMU_STATE_LEN_MAX bytes into memory of our own: QEMU
 *      still holds the memfd.
 *   7. At the end `remove-fd` {"fdset-id": N}, behind the last `cont`: while
 *      the VM is stopped, QEMU 7.2 says OK and keeps the descriptor, so a new
 *      set for each read would use up its descriptors. 10.0 and 11.1 keep what
 *      a client forgot; remove all sets whose opaque is ours after connecting.
 */
#ifndef MICROVMI_DRIVERS_QEMU_STATE_H
#define MICROVMI_DRIVERS_QEMU_STATE_H

#include <microvmi/vcpu.h>

#define qemu_state_parse mvmi__qemu_state_parse

/** Longest stream worth reading, in bytes; a usual one has 15 to 250 KB. */
#define QEMU_STATE_LEN_MAX (UINT32_C(64) << 20)

/** One vCPU of the stream. */
struct qemu_state_vcpu {
	uint32_t index;	       /**< in: "cpu-index" of query-cpus-fast */
	bool halted;	       /**< out: in HLT, or waits to be started */
	struct mvmi_regs regs; /**< out: size, valid and values */
};

/**
 * Find and decode the vCPUs that are asked for.
 *
 * What can't be known is left out of regs.valid: CR8 and APIC_BASE of a vCPU
 * without a local APIC. All else in enum mvmi_reg is there. The values are
 * exact, also under TCG, for QEMU stops the vCPUs before it writes.
 *
 * The bytes are not trusted. A guest can put an imitation of its own registers
 * into the buffers of a device; then the true one is taken if it can be told,
 * else the call fails. Wrong values are never given.
 *
 * @param stream  The whole file. Borrowed for the call.
 * @param kvm     "enabled" of query-kvm. KVM and TCG keep the x87 stack in
 *                different orders, and the stream does not say which.
 * @param count   Number of vcpus.
 * @param vcpus   Index set, each another; the rest is unchanged on failure.
 *
 * @retval MVMI_ERR_UNSUPPORTED  A version or a part that this parser does not
 *                               know; the message names it.
 * @retval MVMI_ERR_CORRUPT      No device state, cut short, a vCPU is missing,
 *                               or several sections claim to be it.
 * @retval MVMI_ERR_NOMEM
 */
enum mvmi_status
qemu_state_parse(struct mvmi_bytes stream, bool kvm, size_t count,
		 struct qemu_state_vcpu *vcpus, struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_QEMU_STATE_H */
