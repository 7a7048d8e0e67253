/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Types from DWARF, for programs that have no BTF.
 *
 * DWARF describes each type once more in every compilation unit that uses it.
 * As pahole does for BTF, equal ones become one: those of the same kind, name
 * and size; of anonymous ones those that the same unit already made.
 */
#ifndef MICROVMI_SYMBOLS_DWARF_H
#define MICROVMI_SYMBOLS_DWARF_H

#include <microvmi/symbols.h>

#define dwarf_load_types mvmi__dwarf_load_types

/**
 * Read all types of an ELF image with DWARF 2 to 5.
 *
 * The image comes from the user, never from a guest: libdw reads it.
 *
 * @param image  The whole file; of a relocatable one, bytes are changed. Has to
 *               stay for the call only.
 * @param ret    Release with mvmi_types_destroy().
 *
 * @retval MVMI_ERR_UNSUPPORTED  It has no DWARF.
 * @retval MVMI_ERR_CORRUPT      libdw can't read it; the message says why.
 */
MVMI_MUST_CHECK enum mvmi_status
dwarf_load_types(struct mvmi_span image, struct mvmi_types **ret,
		 struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_DWARF_H */
