/* SPDX-License-Identifier: MIT */
/**
 * @file
 * ISF: Volatility 3's intermediate symbol format, of any version that has
 * base_types, user_types, enums and symbols (1 to 6.x).
 *
 * What it can't say is lost: typedefs, qualifiers and parameters.
 */
#ifndef MICROVMI_SYMBOLS_ISF_H
#define MICROVMI_SYMBOLS_ISF_H

#include <microvmi/symbols.h>

#define isf_is		 mvmi__isf_is
#define isf_load_symbols mvmi__isf_load_symbols
#define isf_load_types	 mvmi__isf_load_types

/* Names of anonymous types in an ISF begin so. */
#define ISF_UNNAMED "unnamed_"

/** Whether these first bytes of a file may begin an ISF: an object in JSON. */
bool isf_is(struct mvmi_bytes head);

/**
 * Read types.
 *
 * @param text  Changed by reading. Has to stay for the call only.
 *
 * @retval MVMI_ERR_CORRUPT      It is no JSON, or not of this format.
 * @retval MVMI_ERR_UNSUPPORTED  It is of a program that isn't 64-bit
 *                               little-endian.
 */
MVMI_MUST_CHECK enum mvmi_status
isf_load_types(struct mvmi_span text, struct mvmi_types **ret,
	       struct mvmi_error *err);

/**
 * Read symbols. An ISF says not which are absolute: in the table of a program
 * in the upper half of addresses, those below 4 GiB are.
 */
MVMI_MUST_CHECK enum mvmi_status
isf_load_symbols(struct mvmi_span text, uint64_t bias,
		 struct mvmi_symbols **ret, struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_ISF_H */
