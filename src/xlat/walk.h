/* SPDX-License-Identifier: MIT */
/**
 * @file
 * One page walk as a state machine that reads nothing itself.
 *
 * A walk wants an entry (to.entry_gpa, of to.level) or has ended. Whoever
 * drives it reads the entry and feeds it, or says that there is no memory. So
 * a single walk, a batch that goes breadth first and a walk for showing are
 * the same code. It ends after as many entries as there are levels, whatever
 * the tables say.
 */
#ifndef MICROVMI_XLAT_WALK_H
#define MICROVMI_XLAT_WALK_H

#include <microvmi/space.h>

#include "arch/x86/paging.h"

struct walk {
	/** While it wants an entry: which one. Then: the outcome. */
	struct mvmi_translation to;
	uint64_t common; /**< bits that all entries have; NX inverted */
	bool wants;	 /**< the entry at to.entry_gpa */
};

static inline void walk_end(struct walk *walk, enum mvmi_walk_fault fault)
{
	walk->to.fault = fault;
	walk->wants = false;
}

static inline void walk_aim(struct walk *walk, const struct paging_rules *rules,
			    unsigned level, uint64_t table)
{
	const struct paging_level *rule = &rules->level[level];
	uint64_t index = walk->to.gva.val >> rule->shift & rule->index_mask;

	walk->to.level = (uint8_t)level;
	walk->to.entry_gpa = mvmi_gpa_at(table + index * rules->entry_len);
}

static inline void
walk_begin(struct walk *walk, const struct paging_rules *rules, mvmi_gva gva)
{
	*walk = (struct walk){
		.to = { .gva = gva },
		.common = UINT64_MAX,
		.wants = true,
	};
	if (!paging_is_canonical(rules, gva.val)) {
		walk_end(walk, MVMI_WALK_NOT_CANONICAL);
	} else if (rules->levels == 0) {
		walk->to.gpa = mvmi_gpa_at(gva.val);
		walk->to.page_size = MVMI_PAGE_SIZE;
		walk->to.rights =
			MVMI_PAGE_WRITE | MVMI_PAGE_USER | MVMI_PAGE_EXEC;
		walk_end(walk, MVMI_WALK_OK);
	} else {
		walk_aim(walk, rules, rules->levels, rules->root);
	}
}

/** Rights from the bits that all entries have, and the leaf's own. */
static inline uint8_t walk_rights(uint64_t common, uint64_t leaf)
{
	return (uint8_t)((common & PTE_WRITE ? MVMI_PAGE_WRITE : 0) |
			 (common & PTE_USER ? MVMI_PAGE_USER : 0) |
			 (common & PTE_NO_EXECUTE ? MVMI_PAGE_EXEC : 0) |
			 (common & PTE_ACCESSED ? MVMI_PAGE_ACCESSED : 0) |
			 (leaf & PTE_DIRTY ? MVMI_PAGE_DIRTY : 0) |
			 (leaf & PTE_GLOBAL ? MVMI_PAGE_GLOBAL : 0));
}

/** Go on with the entry that the walk wants. */
static inline void
walk_feed(struct walk *walk, const struct paging_rules *rules, uint64_t entry)
{
	const struct paging_level *rule = &rules->level[walk->to.level];
	uint64_t offset_mask = (UINT64_C(1) << rule->shift) - 1;
	bool leaf;

	entry &= rules->entry_mask;
	leaf = (entry & rule->leaf_mask) == rule->leaf_value;
	walk->to.entry = entry;
	walk->common &= (entry ^ PTE_NO_EXECUTE) | rule->rights_absent;
	if (!(entry & PTE_PRESENT)) {
		walk_end(walk, MVMI_WALK_NOT_PRESENT);
	} else if (entry &
		   (leaf ? rule->leaf_reserved : rule->table_reserved)) {
		walk_end(walk, MVMI_WALK_RESERVED);
	} else if (!leaf) {
		walk_aim(walk, rules, walk->to.level - 1U,
			 entry & rules->frame_mask);
	} else {
		walk->to.gpa =
			mvmi_gpa_at((entry & rules->frame_mask & ~offset_mask) |
				    (entry & rule->pse36_mask) << 19 |
				    (walk->to.gva.val & offset_mask));
		walk->to.page_size = offset_mask + 1;
		walk->to.rights = walk_rights(walk->common, entry);
		walk_end(walk, MVMI_WALK_OK);
	}
}

/**
 * The entry that the walk wants can't be read, where that is no more than the
 * end of this walk: there is no RAM, or private memory.
 *
 * @return false if it is more than that.
 */
static inline bool walk_feed_failure(struct walk *walk, enum mvmi_status status)
{
	if (status != MVMI_ERR_FAULT && status != MVMI_ERR_DENIED)
		return false;
	walk->to.entry = 0;
	walk_end(walk, status == MVMI_ERR_FAULT ? MVMI_WALK_NO_MEMORY
						: MVMI_WALK_DENIED);
	return true;
}

#define walk_explain mvmi__walk_explain

/** Put the fault that a walk ended with into words: a NOT_PRESENT. */
void walk_explain(const struct mvmi_translation *to,
		  const struct paging_rules *rules, struct mvmi_error *err);

#endif /* MICROVMI_XLAT_WALK_H */
