/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Guest-physical memory.
 *
 * A struct mvmi_vm serves one thread at a time; distinct VMs are independent.
 * Bytes read here belong to the guest, which may be hostile and running: copy
 * once, then judge the copy.
 */
#ifndef MICROVMI_MEM_H
#define MICROVMI_MEM_H

#include <microvmi/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_vm;

/** What lies behind a range of guest-physical addresses. */
enum mvmi_region_kind {
	MVMI_REGION_RAM,     /**< ordinary memory */
	MVMI_REGION_ROM,     /**< firmware or option ROM */
	MVMI_REGION_PRIVATE, /**< encrypted, the host can't read it */
};

/** A range of guest-physical addresses. Frozen layout. */
struct mvmi_region {
	mvmi_gpa start;
	uint64_t len; /**< bytes, a multiple of 4096 but for odd dumps */
	enum mvmi_region_kind kind;
	uint32_t reserved;
	char name[48]; /**< what the VMM calls it, e.g. "pc.ram"; may be "" */
};

/** How a run of addresses is backed at this moment. */
enum mvmi_extent_kind {
	MVMI_EXTENT_DATA, /**< bytes are there */
	MVMI_EXTENT_ZERO, /**< RAM nobody touched: zeros, and no host page yet */
	MVMI_EXTENT_NONE, /**< no RAM at all */
};

struct mvmi_extent {
	mvmi_gpa start;
	uint64_t
		len; /**< bytes; to 2^64 it is UINT64_MAX - start + 1, or less */
	enum mvmi_extent_kind kind;
	uint32_t reserved;
};

/** One element of a scatter read. Frozen layout. */
struct mvmi_mem_op {
	mvmi_gpa gpa;		 /**< in: first byte, any alignment */
	struct mvmi_span dst;	 /**< in: where to put dst.len bytes */
	size_t done;		 /**< out: bytes copied before the first gap */
	enum mvmi_status status; /**< out: OK, or why byte gpa + done failed */
	uint32_t reserved;
};

/**
 * Copy guest-physical memory to the host.
 *
 * The copy is not atomic with respect to running vCPUs; hold the VM when bytes
 * must be consistent with each other. Sparse RAM reads as zeros and stays
 * sparse.
 *
 * @param gpa  First byte to read; any alignment.
 * @param dst  Destination; exactly dst.len bytes are read. Empty is a no-op.
 * @param err  Detail on failure, or NULL to fail without formatting a message.
 *
 * @retval MVMI_ERR_INVALID  gpa + dst.len exceeds 2^64.
 * @retval MVMI_ERR_FAULT    A byte is not backed by memory; err->addr is the
 *                           first such gpa and dst is unspecified.
 * @retval MVMI_ERR_DENIED   Private memory of an encrypted guest.
 * @retval MVMI_ERR_GONE     The VM ended.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_mem_read(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_span dst,
	      struct mvmi_error *err);

/**
 * Copy many ranges at once: the primitive that a driver optimises.
 *
 * @param ops    Each element reports for itself in done and status.
 * @param count  Elements; 0 is a no-op.
 *
 * @retval MVMI_OK        Every element was tried; look at their statuses.
 * @retval MVMI_ERR_GONE  The VM ended; the elements are unspecified.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_mem_readv(struct mvmi_vm *vm, struct mvmi_mem_op *ops, size_t count,
	       struct mvmi_error *err);

/** How far a write reaches. */
enum mvmi_write_mode {
	/**
	 * Data reads and instruction fetches of every vCPU see it, and the
	 * VMM's dirty tracking knows.
	 */
	MVMI_WRITE_COHERENT,
	/** Data reads see it: cheaper, and wrong for code. */
	MVMI_WRITE_DATA_ONLY,
};

/**
 * Write guest-physical memory. Not undone by close.
 *
 * @retval MVMI_ERR_UNSUPPORTED  The VM is read-only, or the driver can't
 *                               promise this mode.
 * @retval MVMI_ERR_FAULT        As for reading; bytes before err->addr may
 *                               have been written.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_mem_write(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_bytes src,
	       enum mvmi_write_mode mode, struct mvmi_error *err);

/**
 * List the VM's RAM and ROM, sorted by address, without overlap.
 *
 * @param regions  Room for capacity elements; may be NULL if capacity is 0.
 * @param ret      How many there are, which may be more than capacity.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_mem_regions(struct mvmi_vm *vm, struct mvmi_region *regions,
		 size_t capacity, size_t *ret, struct mvmi_error *err);

/**
 * Tell how memory at gpa is backed, and for how many bytes the answer holds.
 *
 * Scans and dumps ask this first, so that they neither read nor allocate what
 * was never touched.
 *
 * @param ret  start is gpa; len is at least 1 and need not be maximal.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_mem_extent(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_extent *ret,
		struct mvmi_error *err);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_MEM_H */
