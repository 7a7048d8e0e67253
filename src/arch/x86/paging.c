/* SPDX-License-Identifier: MIT */
#include "arch/x86/paging.h"

#include "base/util.h"

#define BIT(n) (UINT64_C(1) << (n))
/** Bits low to high, both included; none if high < low. */
#define BITS(high, low) \
	((high) < (low) ? 0 : (UINT64_MAX >> (63 - (high))) >> (low) << (low))

enum leaf_rule {
	LEAF_NEVER,
	LEAF_IF_PS, /**< bit 7, where the space has such pages */
	LEAF_ALWAYS,
};

/** One level of a format: what does not depend on the space. */
struct level_format {
	uint8_t shift;
	uint8_t index_bits;
	enum leaf_rule leaf;
	bool has_rights; /**< a PDPTE of PAE has none, nor bit 63 */
	/** Bits from maxphyaddr to here are reserved; 0: none are. */
	uint8_t reserved_to;
	uint64_t table_reserved;
	uint64_t leaf_reserved; /**< the low address bits of a large page */
};

struct format {
	uint8_t levels;
	uint8_t entry_len;
	uint8_t gva_bits;
	bool sign_extended;
	uint64_t root_mask;
	uint64_t frame_mask;
	struct level_format level[PAGING_LEVEL_MAX + 1];
};

#define LONG_MODE_LEVELS_1_TO_4                                 \
	[1] = { 12, 9, LEAF_ALWAYS, true, 51, 0, 0 },           \
	[2] = { 21, 9, LEAF_IF_PS, true, 51, 0, BITS(20, 13) }, \
	[3] = { 30, 9, LEAF_IF_PS, true, 51, 0, BITS(29, 13) }, \
	[4] = { 39, 9, LEAF_NEVER, true, 51, PTE_PAGE_SIZE, 0 }

/* SDM 3A, tables 4-4 to 4-6 (32-bit), 4-8 to 4-11 (PAE), 4-14 to 4-20. */
static const struct format formats[] = {
	[MVMI_PAGING_NONE] = { .gva_bits = 32 },
	[MVMI_PAGING_32BIT] = {
		.levels = 2, .entry_len = 4, .gva_bits = 32,
		.root_mask = BITS(31, 12), .frame_mask = BITS(31, 12),
		.level = {
			[1] = { 12, 10, LEAF_ALWAYS, true, 0, 0, 0 },
			[2] = { 22, 10, LEAF_IF_PS, true, 0, 0, 0 },
		},
	},
	[MVMI_PAGING_PAE] = {
		.levels = 3, .entry_len = 8, .gva_bits = 32,
		.root_mask = BITS(31, 5), .frame_mask = BITS(51, 12),
		.level = {
			[1] = { 12, 9, LEAF_ALWAYS, true, 62, 0, 0 },
			[2] = { 21, 9, LEAF_IF_PS, true, 62, 0, BITS(20, 13) },
			[3] = { 30, 2, LEAF_NEVER, false, 63,
				BITS(2, 1) | BITS(8, 5), 0 },
		},
	},
	[MVMI_PAGING_4LEVEL] = {
		.levels = 4, .entry_len = 8, .gva_bits = 48,
		.sign_extended = true,
		.root_mask = BITS(51, 12), .frame_mask = BITS(51, 12),
		.level = { LONG_MODE_LEVELS_1_TO_4 },
	},
	[MVMI_PAGING_5LEVEL] = {
		.levels = 5, .entry_len = 8, .gva_bits = 57,
		.sign_extended = true,
		.root_mask = BITS(51, 12), .frame_mask = BITS(51, 12),
		.level = {
			LONG_MODE_LEVELS_1_TO_4,
			[5] = { 48, 9, LEAF_NEVER, true, 51, PTE_PAGE_SIZE, 0 },
		},
	},
};

/** Are pages of this level's size to be had in this space? */
static bool
has_large_pages(const struct mvmi_space_params *params, unsigned level)
{
	if (params->paging == MVMI_PAGING_32BIT)
		return params->pse;
	return level < 3 || !params->no_1g_pages;
}

static void level_init(struct paging_level *rule, unsigned level,
		       const struct level_format *format,
		       const struct mvmi_space_params *params)
{
	uint64_t reserved =
		BITS(format->reserved_to, (unsigned)params->maxphyaddr);
	enum leaf_rule leaf = format->leaf;

	if (format->has_rights && !params->nxe &&
	    params->paging != MVMI_PAGING_32BIT)
		reserved |= PTE_NO_EXECUTE;
	*rule = (struct paging_level){
		.shift = format->shift,
		.index_mask = (uint16_t)(BIT(format->index_bits) - 1),
		.table_reserved = reserved | format->table_reserved,
		.leaf_reserved = reserved | format->leaf_reserved,
		.rights_absent = format->has_rights ? 0 : UINT64_MAX,
	};
	if (leaf == LEAF_IF_PS && !has_large_pages(params, level)) {
		leaf = LEAF_NEVER;
		/* Without PSE, 32-bit paging ignores the bit. */
		if (params->paging != MVMI_PAGING_32BIT)
			rule->table_reserved |= PTE_PAGE_SIZE;
	}
	/* LEAF_ALWAYS is mask 0, value 0; mask 0, value 1 is never. */
	if (leaf == LEAF_IF_PS)
		rule->leaf_mask = PTE_PAGE_SIZE;
	if (leaf != LEAF_ALWAYS)
		rule->leaf_value = PTE_PAGE_SIZE;
	if (leaf == LEAF_IF_PS && params->paging == MVMI_PAGING_32BIT) {
		unsigned width = MIN(params->maxphyaddr, 40);

		/* SDM 3A table 4-4: bits 13 to M-20, rest to 21 reserved. */
		rule->pse36_mask = BITS(width - 20, 13U);
		rule->leaf_reserved |= BITS(21, width - 19);
	}
}

void paging_rules_init(struct paging_rules *rules,
		       const struct mvmi_space_params *params)
{
	const struct format *format = &formats[params->paging];
	uint64_t physical = UINT64_MAX >> (64 - params->maxphyaddr);
	unsigned shift = format->gva_bits - format->sign_extended;

	*rules = (struct paging_rules){
		.levels = format->levels,
		.entry_len = format->entry_len,
		.canonical_shift = shift,
		.canonical_ones =
			format->sign_extended ? UINT64_MAX >> shift : 0,
		.root = params->root & format->root_mask & physical &
			~params->ignored_bits,
		.frame_mask = format->frame_mask & physical,
		.entry_mask = ~params->ignored_bits,
	};
	for (unsigned i = 1; i <= format->levels; i++)
		level_init(&rules->level[i], i, &format->level[i], params);
}

const char *paging_level_name(unsigned level)
{
	static const char *const names[] = { "no table", "PT",	 "PD",
					     "PDPT",	 "PML4", "PML5" };

	return level < ARRAY_LEN(names) ? names[level] : "no table";
}
