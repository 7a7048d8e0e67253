/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Symbol tables of ELF images.
 *
 * Of a file, .symtab, else .dynsym. Of an image that a guest's loader mapped,
 * what PT_DYNAMIC names; that is all such an image needs to run, and the guest
 * may have written anything there.
 */
#ifndef MICROVMI_SYMBOLS_ELFSYM_H
#define MICROVMI_SYMBOLS_ELFSYM_H

#include <microvmi/symbols.h>

#include "symbols/elf.h"

#define elfsym_load	   mvmi__elfsym_load
#define elfsym_load_mapped mvmi__elfsym_load_mapped

/* Of one table. A browser with .symtab has about a million. */
#define ELFSYM_COUNT_MAX ((uint64_t)4 << 20)

/*
 * Of one table's names. What a loader maps is short (libLLVM: 4 MiB), a file's
 * .strtab may hold every name of a C++ program.
 */
#define ELFSYM_NAMES_LEN_MAX	((uint64_t)512 << 20)
#define ELFSYM_NAMES_LEN_MAPPED ((uint64_t)32 << 20)

/* Of one name; those of C++ templates may be some KiB. */
#define ELFSYM_NAME_LEN_MAX 65536

/* Names in one bucket of a hash table; real ones have a handful. */
#define ELFSYM_CHAIN_MAX 65536

/**
 * Read the symbols of a file.
 *
 * @param elf   From elf_open(); its sections are read if they aren't yet.
 * @param bias  Added to every address but those of absolute symbols.
 *
 * @retval MVMI_ERR_UNSUPPORTED  It has no symbol table.
 */
MVMI_MUST_CHECK enum mvmi_status
elfsym_load(struct elf *elf, uint64_t bias, struct mvmi_symbols **ret,
	    struct mvmi_error *err);

/**
 * Read the dynamic symbols of a mapped image, at the guest's addresses.
 *
 * @param elf  From elf_open_mapped().
 *
 * @retval MVMI_ERR_UNSUPPORTED  It has no dynamic section.
 */
MVMI_MUST_CHECK enum mvmi_status
elfsym_load_mapped(const struct elf *elf, struct mvmi_symbols **ret,
		   struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_ELFSYM_H */
