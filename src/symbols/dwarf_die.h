/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What a DIE (debugging information entry) says, whichever version of DWARF it
 * says it in. All is looked up at once; nothing is kept.
 */
#ifndef MICROVMI_SYMBOLS_DWARF_DIE_H
#define MICROVMI_SYMBOLS_DWARF_DIE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define die_name	     mvmi__die_name
#define die_unsigned	     mvmi__die_unsigned
#define die_find_target	     mvmi__die_find_target
#define die_dimension	     mvmi__die_dimension
#define die_bit_offset	     mvmi__die_bit_offset
#define die_find_constant    mvmi__die_find_constant
#define die_first_enumerator mvmi__die_first_enumerator
#define die_is_variadic	     mvmi__die_is_variadic

/** Its name, borrowed from libdw; "" without one. */
const char *die_name(Dwarf_Die *die);

/** An attribute that is a number; absent where there is none. */
uint64_t die_unsigned(Dwarf_Die *die, unsigned attribute, uint64_t absent);

/** The type that a DIE refers to. @return false  None: void. */
bool die_find_target(Dwarf_Die *die, Dwarf_Die *ret);

/** Elements in one dimension of an array, of its subrange; 0 if unsaid. */
uint64_t die_dimension(Dwarf_Die *range);

/** Bits from the beginning of the struct. @param bit_size  Of the member. */
uint64_t die_bit_offset(Dwarf_Die *member, uint64_t bit_size);

/** An enumerator's value; of fixed-size forms only the producer knows signs. */
bool die_find_constant(Dwarf_Die *die, uint64_t *ret_value, bool *ret_negative);

/** What tells an anonymous enum from others: its first constant. */
const char *die_first_enumerator(Dwarf_Die *die);

/** Whether a prototype ends in "...". */
bool die_is_variadic(Dwarf_Die *die);

#endif /* MICROVMI_SYMBOLS_DWARF_DIE_H */
