/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A software TLB: pages that were walked to, for as long as that holds.
 *
 * Direct-mapped, one cache line an entry; 4 KiB pages and larger ones apart. A
 * larger page takes one entry for each 2 MiB of it that are used. Forgetting
 * everything is one addition: entries of an older generation are empty.
 */
#ifndef MICROVMI_XLAT_TLB_H
#define MICROVMI_XLAT_TLB_H

#include <microvmi/space.h>

#define TLB_SMALL_COUNT	 256
#define TLB_LARGE_COUNT	 64
#define TLB_REGION_SHIFT 21

struct tlb_entry {
	struct mvmi_translation page; /**< of its first byte */
	uint64_t generation;
};

struct tlb {
	uint64_t generation; /**< never 0, which is what is empty */
	struct tlb_entry small[TLB_SMALL_COUNT];
	struct tlb_entry large[TLB_LARGE_COUNT];
};

static inline void tlb_flush(struct tlb *tlb)
{
	tlb->generation++;
}

static inline size_t tlb_small_index(uint64_t gva)
{
	return gva / MVMI_PAGE_SIZE % TLB_SMALL_COUNT;
}

static inline size_t tlb_large_index(uint64_t gva)
{
	return (gva >> TLB_REGION_SHIFT) % TLB_LARGE_COUNT;
}

static inline bool
tlb_entry_has(const struct tlb_entry *entry, uint64_t generation, uint64_t gva)
{
	return gva - entry->page.gva.val < entry->page.page_size &&
	       entry->generation == generation;
}

/** The page that gva lies in, or NULL. */
static inline const struct mvmi_translation *
tlb_find(const struct tlb *tlb, mvmi_gva gva)
{
	const struct tlb_entry *entry = &tlb->small[tlb_small_index(gva.val)];

	if (tlb_entry_has(entry, tlb->generation, gva.val))
		return &entry->page;
	entry = &tlb->large[tlb_large_index(gva.val)];
	if (tlb_entry_has(entry, tlb->generation, gva.val))
		return &entry->page;
	return NULL;
}

/** Remember where a walk came to. @return the page of it, as tlb_find(). */
static inline const struct mvmi_translation *
tlb_add(struct tlb *tlb, const struct mvmi_translation *to)
{
	struct tlb_entry *entry =
		to->page_size > MVMI_PAGE_SIZE
			? &tlb->large[tlb_large_index(to->gva.val)]
			: &tlb->small[tlb_small_index(to->gva.val)];

	entry->page = *to;
	entry->page.gva.val &= ~(to->page_size - 1);
	entry->page.gpa.val &= ~(to->page_size - 1);
	entry->generation = tlb->generation;
	return &entry->page;
}

#endif /* MICROVMI_XLAT_TLB_H */
