/* SPDX-License-Identifier: MIT */
#include "symbols/dwarf_die.h"

#include <dwarf.h>

const char *die_name(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return name ? name : "";
}

uint64_t die_unsigned(Dwarf_Die *die, unsigned attribute, uint64_t absent)
{
	Dwarf_Attribute attr;
	Dwarf_Word word;

	if (!dwarf_attr_integrate(die, attribute, &attr) ||
	    dwarf_formudata(&attr, &word) != 0)
		return absent;
	return word;
}

bool die_find_target(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) &&
	       dwarf_formref_die(&attr, ret);
}

uint64_t die_dimension(Dwarf_Die *range)
{
	uint64_t count = die_unsigned(range, DW_AT_count, UINT64_MAX);

	if (count != UINT64_MAX)
		return count;
	/* Of an array without a size it is missing, or -1. */
	return die_unsigned(range, DW_AT_upper_bound, UINT64_MAX) + 1;
}

/** Bytes from the beginning of the struct. */
static uint64_t die_byte_offset(Dwarf_Die *member)
{
	Dwarf_Attribute attr;
	Dwarf_Word bytes;
	Dwarf_Op *expr;
	size_t count;

	if (!dwarf_attr(member, DW_AT_data_member_location, &attr))
		return 0;
	if (dwarf_formudata(&attr, &bytes) == 0)
		return bytes;
	/* DWARF 2 has an expression here, of one operation. */
	if (dwarf_getlocation(&attr, &expr, &count) == 0 && count == 1 &&
	    expr[0].atom == DW_OP_plus_uconst)
		return expr[0].number;
	return 0;
}

/** Bytes of the type of a member. */
static uint64_t die_member_size(Dwarf_Die *member)
{
	Dwarf_Attribute attr;
	Dwarf_Die type;
	Dwarf_Word size;

	if (!dwarf_attr(member, DW_AT_type, &attr) ||
	    !dwarf_formref_die(&attr, &type) ||
	    dwarf_aggregate_size(&type, &size) != 0)
		return 0;
	return size;
}

/* DWARF 5, 5.7.6 and DWARF 3, 5.6.6. */
uint64_t die_bit_offset(Dwarf_Die *member, uint64_t bit_size)
{
	uint64_t bits = die_unsigned(member, DW_AT_data_bit_offset, UINT64_MAX);
	uint64_t start = die_byte_offset(member) * 8;
	uint64_t from_top;
	uint64_t storage;

	if (bits != UINT64_MAX)
		return bits;
	from_top = die_unsigned(member, DW_AT_bit_offset, UINT64_MAX);
	if (from_top == UINT64_MAX)
		return start;
	/* Old producers count from the storage unit's most significant bit. */
	storage = die_unsigned(member, DW_AT_byte_size, 0);
	if (!storage)
		storage = die_member_size(member);
	return start + storage * 8 - from_top - bit_size;
}

bool die_find_constant(Dwarf_Die *die, uint64_t *ret_value, bool *ret_negative)
{
	Dwarf_Attribute attr;
	Dwarf_Sword number;
	Dwarf_Word word;

	if (dwarf_tag(die) != DW_TAG_enumerator ||
	    !dwarf_attr(die, DW_AT_const_value, &attr))
		return false;
	if (attr.form == DW_FORM_sdata || attr.form == DW_FORM_implicit_const) {
		if (dwarf_formsdata(&attr, &number) != 0)
			return false;
		*ret_value = (uint64_t)number;
		*ret_negative = number < 0;
		return true;
	}
	if (dwarf_formudata(&attr, &word) != 0)
		return false;
	*ret_value = word;
	*ret_negative = false;
	return true;
}

const char *die_first_enumerator(Dwarf_Die *die)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child) != 0)
		return "";
	return die_name(&child);
}

bool die_is_variadic(Dwarf_Die *die)
{
	Dwarf_Die child;
	int more;

	for (more = dwarf_child(die, &child); more == 0;
	     more = dwarf_siblingof(&child, &child)) {
		if (dwarf_tag(&child) == DW_TAG_unspecified_parameters)
			return true;
	}
	return false;
}
