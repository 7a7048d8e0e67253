/* SPDX-License-Identifier: MIT */
/** @file What the files that answer for struct mvmi_types share. */
#ifndef MICROVMI_SYMBOLS_TYPES_H
#define MICROVMI_SYMBOLS_TYPES_H

#include "symbols/btf.h"

#define types_size   mvmi__types_size
#define types_member mvmi__types_member

/** Bytes of a type; 0 where it has no size, or none that can be told. */
uint64_t types_size(const struct mvmi_types *types, uint32_t id);

/** A member of a struct or union; index is below its vlen. */
struct mvmi_member types_member(const struct mvmi_types *types,
				const struct btf_record *r, uint32_t index);

#endif /* MICROVMI_SYMBOLS_TYPES_H */
