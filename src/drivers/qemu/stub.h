/* SPDX-License-Identifier: MIT */
/**
 * @file
 * QEMU's gdb stub, on loan.
 *
 * It is the one way into a stock QEMU that writes memory such that translated
 * code is thrown away, and that writes registers. It is started over a socket
 * pair of ours while the VM is held, and gone before the VM runs again.
 */
#ifndef MICROVMI_DRIVERS_QEMU_STUB_H
#define MICROVMI_DRIVERS_QEMU_STUB_H

#include <microvmi/types.h>

#include "drivers/qemu/qmp.h"

#define stub_is_free	  mvmi__stub_is_free
#define stub_open	  mvmi__stub_open
#define stub_close	  mvmi__stub_close
#define stub_write_memory mvmi__stub_write_memory
#define stub_select_vcpu  mvmi__stub_select_vcpu
#define stub_write_reg	  mvmi__stub_write_reg

/** Of the packets that are exchanged; QEMU 7 takes 4096 bytes. */
#define STUB_PACKET_MAX 4096

struct stub {
	int fd; /**< owned; -1 while it is not open */
	uint32_t timeout_ms;
};

/** Whether this QEMU has no gdb stub that someone else uses. */
bool stub_is_free(struct qmp *q);

/** Start the stub. The VM must be stopped, and stays so. */
enum mvmi_status
stub_open(struct stub *stub, struct qmp *q, struct mvmi_error *err);

/** End it. A closed one is a no-op. */
void stub_close(struct stub *stub, struct qmp *q);

/** Write guest-physical memory; addresses without RAM are passed over. */
enum mvmi_status
stub_write_memory(struct stub *stub, uint64_t gpa, struct mvmi_bytes src,
		  struct mvmi_error *err);

/** Choose the vCPU that stub_write_reg() writes to. */
enum mvmi_status
stub_select_vcpu(struct stub *stub, unsigned vcpu, struct mvmi_error *err);

/** Write a register by the stub's number, little-endian. */
enum mvmi_status
stub_write_reg(struct stub *stub, unsigned number, struct mvmi_bytes value,
	       struct mvmi_error *err);

#endif /* MICROVMI_DRIVERS_QEMU_STUB_H */
