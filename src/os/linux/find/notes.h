/* SPDX-License-Identifier: MIT */
/** @file Build-ids, in ELF notes (type NT_GNU_BUILD_ID) and in hexadecimal. */
#ifndef MICROVMI_OS_LINUX_FIND_NOTES_H
#define MICROVMI_OS_LINUX_FIND_NOTES_H

#include <microvmi/types.h>

#define note_find_id	mvmi__note_find_id
#define note_parse_hex	mvmi__note_parse_hex
#define note_format_hex mvmi__note_format_hex

#define NOTE_ID_MAX	32

struct note_id {
	uint8_t bytes[NOTE_ID_MAX];
	size_t len; /**< at least 1 */
};

/**
 * Find a build-id's note in memory, at a multiple of 4 bytes.
 *
 * @param from  Where to begin; on true, where to go on.
 */
bool note_find_id(struct mvmi_bytes memory, size_t *from, struct note_id *ret);

/** @retval false  It is empty, too long or not hexadecimal. */
bool note_parse_hex(const char *hex, struct note_id *ret);

/** @param ret  Room for 2 * NOTE_ID_MAX + 1 characters. */
void note_format_hex(const struct note_id *id, char *ret);

#endif /* MICROVMI_OS_LINUX_FIND_NOTES_H */
