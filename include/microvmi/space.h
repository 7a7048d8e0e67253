/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Guest-virtual address spaces: page walks, and memory by virtual address.
 *
 * A space is a root (CR3) and the paging mode that it is read in. It remembers
 * translations within one epoch: while the VM is held or is a dump, until a
 * release, a reply, a write or a new incarnation; while it runs, not beyond a
 * call (docs/driver-contract.md, "Epochs").
 */
#ifndef MICROVMI_SPACE_H
#define MICROVMI_SPACE_H

#include <microvmi/mem.h>
#include <microvmi/types.h>
#include <microvmi/vcpu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mvmi_vm;
struct mvmi_space;

/** How linear addresses become physical ones (SDM 3A 4.1.1). */
enum mvmi_paging {
	MVMI_PAGING_NONE,
	MVMI_PAGING_32BIT,
	MVMI_PAGING_PAE,
	MVMI_PAGING_4LEVEL,
	MVMI_PAGING_5LEVEL,
};

/** Lower-case name, e.g. "4-level". Never NULL. */
MVMI_API const char *mvmi_paging_name(enum mvmi_paging paging);

/** What makes two spaces different. */
struct mvmi_space_params {
	size_t size; /**< sizeof, set by the caller */
	enum mvmi_paging paging;
	uint64_t root; /**< CR3; PCID, NOFLUSH and LAM bits are dropped */
	bool pse;      /**< CR4.PSE: 4 MiB pages in 32-bit paging */
	bool nxe;      /**< EFER.NXE: bit 63 means no-execute, not reserved */
	bool no_1g_pages; /**< a PDPT entry's bit 7 is reserved */
	/** Width of a physical address in bits; 0 is 52. */
	uint8_t maxphyaddr;
	/** Bits to drop from entries: the C-bit of SEV, the shared bit of TDX. */
	uint64_t ignored_bits;
};

/** Rights that a walk gathers over its levels. */
enum mvmi_page_rights {
	MVMI_PAGE_WRITE = 1 << 0,
	MVMI_PAGE_USER = 1 << 1,
	MVMI_PAGE_EXEC = 1 << 2,
	MVMI_PAGE_ACCESSED = 1 << 3, /**< at every level */
	MVMI_PAGE_DIRTY = 1 << 4,    /**< of the leaf */
	MVMI_PAGE_GLOBAL = 1 << 5,   /**< of the leaf */
};

/** Why a walk ended without a page. */
enum mvmi_walk_fault {
	MVMI_WALK_OK,
	MVMI_WALK_NOT_CANONICAL, /**< the address itself */
	MVMI_WALK_NOT_PRESENT,	 /**< bit 0 of an entry is clear */
	MVMI_WALK_RESERVED,	 /**< an entry sets a reserved bit */
	MVMI_WALK_NO_MEMORY,	 /**< an entry lies where there is no RAM */
	MVMI_WALK_DENIED,	 /**< an entry lies in private memory */
};

/** Lower-case reason, e.g. "not present". Never NULL. */
MVMI_API const char *mvmi_walk_fault_name(enum mvmi_walk_fault fault);

/** One virtual address translated. Frozen layout. */
struct mvmi_translation {
	mvmi_gva gva;	    /**< in */
	mvmi_gpa gpa;	    /**< out, if fault is OK */
	uint64_t page_size; /**< out: 4 KiB, 2 MiB, 4 MiB, 1 GiB */
	uint64_t entry;	    /**< out: the last entry that was read */
	mvmi_gpa entry_gpa; /**< out: where it was */
	uint8_t level;	    /**< out: of that entry; 1 is the PTE, 0 none */
	uint8_t rights;	    /**< out: enum mvmi_page_rights */
	uint16_t reserved;
	enum mvmi_walk_fault fault; /**< out */
};

/** The entries that one walk reads, top first. Frozen layout. */
struct mvmi_walk_step {
	mvmi_gpa entry_gpa;
	uint64_t entry;
	uint8_t level;		    /**< 5 is PML5, 1 is PTE */
	bool leaf;		    /**< it maps a page */
	uint16_t index;		    /**< of the entry in its table */
	enum mvmi_walk_fault fault; /**< what this entry ends the walk with */
};

#define MVMI_WALK_STEPS_MAX 5

/**
 * Make a space of explicit parameters.
 *
 * @param vm   Must outlive the space.
 * @param ret  Release with mvmi_space_destroy().
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_create(struct mvmi_vm *vm, const struct mvmi_space_params *params,
		  struct mvmi_space **ret, struct mvmi_error *err);

/** The parameters that a vCPU's registers say (CR0, CR3, CR4, EFER). */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_params_of_regs(const struct mvmi_regs *regs,
			  struct mvmi_space_params *ret,
			  struct mvmi_error *err);

/** Make the space in which a vCPU runs now. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_of_vcpu(struct mvmi_vm *vm, unsigned vcpu, struct mvmi_space **ret,
		   struct mvmi_error *err);

/** NULL is a no-op. */
MVMI_API void mvmi_space_destroy(struct mvmi_space *space);

MVMI_API const struct mvmi_space_params *
mvmi_space_get_params(const struct mvmi_space *space);

/**
 * Translate one address.
 *
 * @retval MVMI_ERR_NOT_PRESENT  err->addr is gva; the message says level,
 *                               entry and reason.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_translate(struct mvmi_space *space, mvmi_gva gva, mvmi_gpa *ret,
		     struct mvmi_error *err);

/**
 * Translate many addresses, breadth first: one scatter read per level.
 *
 * @param items  Each reports for itself in fault.
 * @retval MVMI_OK  Every item was tried.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_translate_batch(struct mvmi_space *space,
			   struct mvmi_translation *items, size_t count,
			   struct mvmi_error *err);

/**
 * Walk step by step, for showing. Always reads the tables anew.
 *
 * @param steps  Room for MVMI_WALK_STEPS_MAX.
 * @param ret    How many entries were read.
 * @param result Where the walk came to; may be NULL.
 * @retval MVMI_OK  Also when the walk ends in a fault: result->fault says so.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_walk(struct mvmi_space *space, mvmi_gva gva,
		struct mvmi_walk_step steps[MVMI_WALK_STEPS_MAX], size_t *ret,
		struct mvmi_translation *result, struct mvmi_error *err);

/**
 * Copy by virtual address; the range may cross pages.
 *
 * @retval MVMI_ERR_NOT_PRESENT  err->addr is the first gva without a page; dst
 *                               is unspecified.
 * @retval MVMI_ERR_FAULT        The page lies where there is no RAM; err->addr
 *                               is the guest-physical address.
 * @retval MVMI_ERR_INVALID      The range wraps.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_read(struct mvmi_space *space, mvmi_gva gva, struct mvmi_span dst,
		struct mvmi_error *err);

/** Read eight little-endian bytes: mvmi_space_read() for pointers. */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_read_u64(struct mvmi_space *space, mvmi_gva gva, uint64_t *ret,
		    struct mvmi_error *err);

/**
 * Write by virtual address. Every page is translated before the first byte is
 * written. Page protection is not looked at.
 */
MVMI_API MVMI_MUST_CHECK enum mvmi_status
mvmi_space_write(struct mvmi_space *space, mvmi_gva gva, struct mvmi_bytes src,
		 enum mvmi_write_mode mode, struct mvmi_error *err);

/** Forget all translations now. */
MVMI_API void mvmi_space_flush(struct mvmi_space *space);

#ifdef __cplusplus
}
#endif

#endif /* MICROVMI_SPACE_H */
