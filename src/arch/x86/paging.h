/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The formats of x86 page tables, as data (SDM 3A chapter 4).
 *
 * A format says what holds for all VMs in a paging mode; rules are a format
 * narrowed by what one address space says of itself. A walk looks at rules
 * only, so it is the same code in every mode.
 */
#ifndef MICROVMI_ARCH_X86_PAGING_H
#define MICROVMI_ARCH_X86_PAGING_H

#include <microvmi/space.h>

#define paging_rules_init mvmi__paging_rules_init
#define paging_level_name mvmi__paging_level_name

#define PAGING_LEVEL_MAX  5

/** @name Bits of an entry, the same at all levels that have them. */
/**@{*/
#define PTE_PRESENT    (UINT64_C(1) << 0)
#define PTE_WRITE      (UINT64_C(1) << 1)
#define PTE_USER       (UINT64_C(1) << 2)
#define PTE_ACCESSED   (UINT64_C(1) << 5)
#define PTE_DIRTY      (UINT64_C(1) << 6)
#define PTE_PAGE_SIZE  (UINT64_C(1) << 7)
#define PTE_GLOBAL     (UINT64_C(1) << 8)
#define PTE_NO_EXECUTE (UINT64_C(1) << 63)
/**@}*/

/** How entries of one level are read. */
struct paging_level {
	uint8_t shift; /**< lowest bit of gva that is in the index */
	uint16_t index_mask;
	/** An entry is a leaf if (entry & leaf_mask) == leaf_value. */
	uint64_t leaf_mask;
	uint64_t leaf_value;
	uint64_t table_reserved; /**< must be 0 in an entry with a table */
	uint64_t leaf_reserved;	 /**< must be 0 in an entry with a page */
	/** Bits 13-20 of a 4 MiB page are bits 32-39 of its address (PSE-36). */
	uint64_t pse36_mask;
	/** ORed to an entry before rights are gathered: all if it has none. */
	uint64_t rights_absent;
};

/** How the tables of one address space are walked. */
struct paging_rules {
	unsigned levels; /**< 0: no paging */
	unsigned entry_len;
	/** gva is canonical if gva >> shift is 0 or ones. */
	unsigned canonical_shift;
	uint64_t canonical_ones;
	uint64_t root;	     /**< of the topmost table */
	uint64_t frame_mask; /**< address bits of an entry */
	uint64_t entry_mask; /**< all but params->ignored_bits */
	struct paging_level level[PAGING_LEVEL_MAX + 1]; /**< 1 is the PT */
};

/**
 * Make the rules of a space.
 *
 * @param params  A known mode; maxphyaddr in 32..52.
 */
void paging_rules_init(struct paging_rules *rules,
		       const struct mvmi_space_params *params);

/** "PML5", "PML4", "PDPT", "PD", "PT" for levels 5 to 1. Never NULL. */
const char *paging_level_name(unsigned level);

static inline bool
paging_is_canonical(const struct paging_rules *rules, uint64_t gva)
{
	uint64_t top = gva >> rules->canonical_shift;

	return top == 0 || top == rules->canonical_ones;
}

#endif /* MICROVMI_ARCH_X86_PAGING_H */
