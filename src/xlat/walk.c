/* SPDX-License-Identifier: MIT */
#include "xlat/walk.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/util.h"

static const char *const fault_names[] = {
	[MVMI_WALK_OK] = "ok",
	[MVMI_WALK_NOT_CANONICAL] = "not canonical",
	[MVMI_WALK_NOT_PRESENT] = "not present",
	[MVMI_WALK_RESERVED] = "reserved bit set",
	[MVMI_WALK_NO_MEMORY] = "no memory",
	[MVMI_WALK_DENIED] = "private memory",
};

const char *mvmi_walk_fault_name(enum mvmi_walk_fault fault)
{
	size_t i = (size_t)fault;

	return i < ARRAY_LEN(fault_names) ? fault_names[i] : "unknown";
}

/** The bits that an entry sets against the rules. */
static uint64_t reserved_bits(const struct mvmi_translation *to,
			      const struct paging_rules *rules)
{
	const struct paging_level *rule = &rules->level[to->level];
	bool leaf = (to->entry & rule->leaf_mask) == rule->leaf_value;

	return to->entry & (leaf ? rule->leaf_reserved : rule->table_reserved);
}

void walk_explain(const struct mvmi_translation *to,
		  const struct paging_rules *rules, struct mvmi_error *err)
{
	const char *table = paging_level_name(to->level);
	uint64_t gva = to->gva.val;

	if (!err)
		return;
	switch (to->fault) {
	case MVMI_WALK_NOT_CANONICAL:
		if (rules->canonical_ones == 0)
			(void)fail_walk(err, gva,
					"virtual 0x%" PRIx64
					" is above 4 GiB in a 32-bit space",
					gva);
		else
			(void)fail_walk(err, gva,
					"virtual 0x%" PRIx64
					" is not a canonical %u-bit address",
					gva, rules->canonical_shift + 1);
		break;
	case MVMI_WALK_RESERVED:
		(void)fail_walk(err, gva,
				"virtual 0x%" PRIx64 ": %s entry 0x%" PRIx64
				" at 0x%" PRIx64
				" sets reserved bits 0x%" PRIx64,
				gva, table, to->entry, to->entry_gpa.val,
				reserved_bits(to, rules));
		break;
	case MVMI_WALK_NO_MEMORY:
		(void)fail_walk(err, gva,
				"virtual 0x%" PRIx64
				": the %s entry at 0x%" PRIx64
				" lies where there is no memory",
				gva, table, to->entry_gpa.val);
		break;
	case MVMI_WALK_DENIED:
		(void)fail_walk(err, gva,
				"virtual 0x%" PRIx64
				": the %s entry at 0x%" PRIx64
				" lies in private memory of an encrypted guest",
				gva, table, to->entry_gpa.val);
		break;
	case MVMI_WALK_NOT_PRESENT:
	case MVMI_WALK_OK:
		(void)fail_walk(err, gva,
				"virtual 0x%" PRIx64 ": %s entry 0x%" PRIx64
				" at 0x%" PRIx64 " is not present",
				gva, table, to->entry, to->entry_gpa.val);
		break;
	}
}
