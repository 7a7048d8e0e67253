/* SPDX-License-Identifier: MIT */
#include "os/linux/ring.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/member.h"

/*
 * kernel/printk/printk_ringbuffer.h: the two highest bits of a descriptor's
 * state tell what may be done with it, the others are its id.
 */
#define STATE_SHIFT 62
#define ID_MASK	    ((UINT64_C(1) << STATE_SHIFT) - 1)
#define COMMITTED   1
#define FINALIZED   2

/** Bit 0 of both ends: there is no text; bit 1: and there was none. */
#define NO_TEXT	   1
#define EMPTY_TEXT 3

/** Each block of text begins with the id of its descriptor. */
#define BLOCK_HEADER 8

static bool is_power_of_two(uint64_t n)
{
	return n && (n & (n - 1)) == 0;
}

/**
 * Find a descriptor's text. A block that would reach past the end of the ring
 * lies at its beginning instead.
 */
static bool find_text(const struct ring *ring, uint64_t id, uint64_t begin,
		      uint64_t next, struct mvmi_bytes *ret)
{
	uint64_t size = ring->text.len;
	uint64_t at = begin & (size - 1);
	uint64_t len = next - begin;
	uint64_t end = next & (size - 1);

	if ((begin & NO_TEXT) && (next & NO_TEXT)) {
		*ret = (struct mvmi_bytes){ NULL, 0 };
		return begin == EMPTY_TEXT && next == EMPTY_TEXT;
	}
	if (len > size)
		return false;
	if (len > size - at) {
		at = 0;
		len = end;
	}
	if (len < BLOCK_HEADER || load_le64(ring->text.ptr + at) != id)
		return false;
	*ret = (struct mvmi_bytes){ ring->text.ptr + at + BLOCK_HEADER,
				    (size_t)(len - BLOCK_HEADER) };
	return true;
}

static void
add_record(struct list *list, const struct shape *shape, const uint8_t *info,
	   uint64_t sequence, struct mvmi_bytes text)
{
	size_t len = (size_t)MIN(member_u64(shape, info, INFO_TEXT_LEN),
				 (uint64_t)text.len);
	struct mvmi_log_record *record = list_add(list, sizeof(*record));

	if (!record)
		return;
	*record = (struct mvmi_log_record){
		.sequence = sequence,
		.time_ns = member_u64(shape, info, INFO_TIME),
		.level = (uint32_t)member_u64(shape, info, INFO_LEVEL),
		.facility = (uint32_t)member_u64(shape, info, INFO_FACILITY),
		.text = list_string(list, (const char *)text.ptr, len),
	};
}

/** Add the record of one descriptor, if it has one. */
static void parse_one(const struct ring *ring, uint64_t id, struct list *list)
{
	size_t count = ring->descs.len / (size_t)ring->desc->size;
	size_t i = (size_t)(id & (count - 1));
	size_t off = i * (size_t)ring->desc->size;
	const uint8_t *desc = ring->descs.ptr + off;
	const uint8_t *info = ring->infos.ptr + i * (size_t)ring->info->size;
	uint64_t state = member_u64(ring->desc, desc, DESC_STATE);
	uint64_t begin = member_u64(ring->desc, desc, DESC_BEGIN);
	uint64_t next = member_u64(ring->desc, desc, DESC_NEXT);
	struct mvmi_bytes text;

	if ((state >> STATE_SHIFT != COMMITTED &&
	     state >> STATE_SHIFT != FINALIZED) ||
	    (state & ID_MASK) != id)
		return;
	/* The kernel marks so what it had to drop. */
	if (begin == NO_TEXT && next == NO_TEXT)
		return;
	if (ring->later.len &&
	    member_u64(ring->desc, ring->later.ptr + off, DESC_STATE) != state)
		return;
	if (find_text(ring, id, begin, next, &text))
		add_record(list, ring->info, info,
			   member_u64(ring->info, info, INFO_SEQUENCE), text);
	else
		list_doubt(list, "the text of record 0x%" PRIx64 " is gone",
			   id);
}

enum mvmi_status
ring_parse(const struct ring *ring, struct list *list, struct mvmi_error *err)
{
	uint64_t count = ring->descs.len / ring->desc->size;
	uint64_t used = (ring->head - ring->tail) & ID_MASK;

	if (!is_power_of_two(count) || !is_power_of_two(ring->text.len) ||
	    ring->text.len < BLOCK_HEADER ||
	    ring->infos.len / ring->info->size < count ||
	    (ring->later.len && ring->later.len < ring->descs.len))
		return fail(err, MVMI_ERR_CORRUPT,
			    "the log has %" PRIu64 " records and %zu bytes of "
			    "text, not powers of two",
			    count, ring->text.len);
	if (used >= count)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the log claims records 0x%" PRIx64 " to 0x%" PRIx64
			    ", and has only %" PRIu64,
			    ring->tail, ring->head, count);
	for (uint64_t i = 0; i <= used; i++)
		parse_one(ring, (ring->tail + i) & ID_MASK, list);
	return MVMI_OK;
}

enum mvmi_status ring_parse_old(const struct ring_old *ring, struct list *list,
				struct mvmi_error *err)
{
	size_t header = (size_t)ring->log->size;
	uint64_t at = ring->first_index;
	uint64_t count = ring->end - ring->first;

	/* Each takes a header: that bounds the loop. */
	if (count > ring->buffer.len / header)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the log claims %" PRIu64 " records in %zu bytes",
			    count, ring->buffer.len);
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *log;
		uint64_t len = 0;

		for (unsigned turn = 0; turn < 2 && len == 0; turn++) {
			/* An empty record says: go on at the beginning. */
			at = turn ? 0 : at;
			if (at > ring->buffer.len ||
			    header > ring->buffer.len - at)
				break;
			len = member_u64(ring->log, ring->buffer.ptr + at,
					 INFO_LEN);
		}
		if (len < header || len > ring->buffer.len - at)
			return fail(err, MVMI_ERR_CORRUPT,
				    "record %" PRIu64 " of the log, at %" PRIu64
				    ", has %" PRIu64 " bytes",
				    ring->first + i, at, len);
		log = ring->buffer.ptr + at;
		add_record(list, ring->log, log, ring->first + i,
			   (struct mvmi_bytes){ log + header,
						(size_t)len - header });
		at += len;
	}
	return MVMI_OK;
}
