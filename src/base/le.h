/* SPDX-License-Identifier: MIT */
/** @file Little-endian integers in bytes: one fetch, any alignment, any host. */
#ifndef MICROVMI_BASE_LE_H
#define MICROVMI_BASE_LE_H

#include <stdint.h>
#include <string.h>

static inline uint32_t load_le32(const void *src)
{
	uint8_t b[4];

	memcpy(b, src, sizeof(b));
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[3] << 24;
}

static inline uint64_t load_le64(const void *src)
{
	uint8_t b[8];

	memcpy(b, src, sizeof(b));
	return load_le32(b) | (uint64_t)load_le32(b + 4) << 32;
}

#endif /* MICROVMI_BASE_LE_H */
