/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A VM that is RAM in a sealed memfd: what the library costs, without what a
 * hypervisor costs.
 */
#ifndef MICROVMI_BENCH_RAM_H
#define MICROVMI_BENCH_RAM_H

#include <microvmi/driver.h>

struct ram {
	struct mvmi_conn conn;
	struct mvmi_window window;
	uint8_t *host; /**< owned mapping of it all */
	uint64_t len;
	int fd;	 /**< owned */
	int pid; /**< whose memory "process" reads: our own */
};

/**
 * Open one. Ends the program on failure.
 *
 * @param where  "map": with a window; "process": reads are process_vm_readv(),
 *               as of the RAM of a VMM that does not share it.
 */
struct mvmi_vm *ram_open(const char *where, uint64_t len, struct ram **ret);

/** The scatter read of "process", for calling it without the library. */
enum mvmi_status ram_readv(struct mvmi_conn *conn, struct mvmi_mem_op *ops,
			   size_t count, struct mvmi_error *err);

#endif /* MICROVMI_BENCH_RAM_H */
