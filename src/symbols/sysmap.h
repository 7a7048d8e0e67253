/* SPDX-License-Identifier: MIT */
/** @file System.map, and the text of /proc/kallsyms. */
#ifndef MICROVMI_SYMBOLS_SYSMAP_H
#define MICROVMI_SYMBOLS_SYSMAP_H

#include <microvmi/symbols.h>

#define sysmap_is    mvmi__sysmap_is
#define sysmap_parse mvmi__sysmap_parse

/** Do these bytes, the first of a file, look like a System.map's? */
bool sysmap_is(struct mvmi_bytes head);

/**
 * Read a System.map: lines of "address type name", and "[module]" behind it.
 *
 * @param bias  Added to every address but those of absolute symbols.
 * @param ret   Release with mvmi_symbols_destroy().
 *
 * @retval MVMI_ERR_CORRUPT  A line is of another form; the message names it.
 * @retval MVMI_ERR_DENIED   All addresses are zero: so /proc/kallsyms looks to
 *                           those who may not see them.
 * @retval MVMI_ERR_LIMIT    It has more symbols than a table takes.
 */
enum mvmi_status
sysmap_parse(struct mvmi_bytes text, uint64_t bias, struct mvmi_symbols **ret,
	     struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_SYSMAP_H */
