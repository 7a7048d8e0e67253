/* SPDX-License-Identifier: MIT */
/** @file Where kallsyms' tables are, and by which rule its addresses go. */
#ifndef MICROVMI_SYMBOLS_KALLSYMS_LAYOUT_H
#define MICROVMI_SYMBOLS_KALLSYMS_LAYOUT_H

#include "symbols/kallsyms.h"
#include "symbols/kallsyms_tokens.h"

#define kallsyms_address mvmi__kallsyms_address
#define kallsyms_locate	 mvmi__kallsyms_locate

/**
 * Find all tables around the tokens.
 *
 * Afterwards every name, and every entry of the offsets, is in the image.
 */
enum mvmi_status
kallsyms_locate(const struct kallsyms_image *image,
		const struct kallsyms_tokens *tokens,
		struct kallsyms_layout *ret, struct mvmi_error *err);

/** Address of symbol i, which is one of layout->count. */
uint64_t kallsyms_address(const struct kallsyms_image *image,
			  const struct kallsyms_layout *layout, size_t i,
			  bool *ret_absolute);

#endif /* MICROVMI_SYMBOLS_KALLSYMS_LAYOUT_H */
