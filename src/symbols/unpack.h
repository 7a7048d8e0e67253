/* SPDX-License-Identifier: MIT */
/** @file Whole files that may be compressed: gzip, xz, Zstandard or LZ4. */
#ifndef MICROVMI_SYMBOLS_UNPACK_H
#define MICROVMI_SYMBOLS_UNPACK_H

#include <microvmi/types.h>

#define unpack_is_packed mvmi__unpack_is_packed
#define unpack		 mvmi__unpack

/*
 * Of what comes out: a vmlinux with DWARF has 0.6 GiB. A few KiB of input can
 * claim any amount.
 */
#define UNPACK_LEN_MAX ((size_t)2 << 30)

/** Whether bytes begin as one of the formats does. */
bool unpack_is_packed(struct mvmi_bytes head);

/**
 * Decompress bytes that unpack_is_packed() knows. What follows the first
 * stream is not looked at.
 *
 * @param max  Of what comes out, in bytes.
 * @param ret  Release ret->ptr with free().
 *
 * @retval MVMI_ERR_CORRUPT      The bytes contradict their format.
 * @retval MVMI_ERR_LIMIT        They would become more than max.
 * @retval MVMI_ERR_UNSUPPORTED  Not of these formats.
 */
MVMI_MUST_CHECK enum mvmi_status
unpack(struct mvmi_bytes packed, size_t max, struct mvmi_span *ret,
       struct mvmi_error *err);

#endif /* MICROVMI_SYMBOLS_UNPACK_H */
