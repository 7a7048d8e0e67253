/* SPDX-License-Identifier: MIT */
#include "os/linux/find/notes.h"

#include <stdio.h>
#include <string.h>

#include "base/le.h"

/** Namesz, descsz and type, before the name "GNU". */
#define NOTE_HEAD_LEN	12
#define NOTE_NAME	"GNU"
#define NOTE_NAME_LEN	4
#define NT_GNU_BUILD_ID 3

/** Read the note whose name is at off, if it is a build-id's. */
static bool read_note(struct mvmi_bytes memory, size_t off, struct note_id *ret)
{
	const uint8_t *head;
	uint32_t len;

	if (off % 4 || off < NOTE_HEAD_LEN)
		return false;
	head = memory.ptr + off - NOTE_HEAD_LEN;
	len = load_le32(head + 4);
	if (load_le32(head) != NOTE_NAME_LEN ||
	    load_le32(head + 8) != NT_GNU_BUILD_ID || len == 0 ||
	    len > NOTE_ID_MAX || len > memory.len - off - NOTE_NAME_LEN)
		return false;
	memcpy(ret->bytes, memory.ptr + off + NOTE_NAME_LEN, len);
	ret->len = len;
	return true;
}

bool note_find_id(struct mvmi_bytes memory, size_t *from, struct note_id *ret)
{
	size_t off = *from;

	while (off < memory.len && memory.len - off >= NOTE_NAME_LEN) {
		const uint8_t *at =
			memchr(memory.ptr + off, NOTE_NAME[0],
			       memory.len - off - (NOTE_NAME_LEN - 1));

		if (!at)
			return false;
		off = (size_t)(at - memory.ptr);
		if (memcmp(at, NOTE_NAME, NOTE_NAME_LEN) == 0 &&
		    read_note(memory, off, ret)) {
			*from = off + NOTE_NAME_LEN;
			return true;
		}
		off++;
	}
	return false;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool note_parse_hex(const char *hex, struct note_id *ret)
{
	size_t len = strlen(hex);

	if (len == 0 || len % 2 || len / 2 > NOTE_ID_MAX)
		return false;
	for (size_t i = 0; i < len / 2; i++) {
		int high = digit_of(hex[2 * i]);
		int low = digit_of(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret->bytes[i] = (uint8_t)(high << 4 | low);
	}
	ret->len = len / 2;
	return true;
}

void note_format_hex(const struct note_id *id, char *ret)
{
	for (size_t i = 0; i < id->len; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", id->bytes[i]);
}
