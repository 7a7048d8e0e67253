/* SPDX-License-Identifier: MIT */
/*
 * The tables lie in .rodata, in an order that changed (scripts/kallsyms.c):
 *
 *   before 4.6    addresses, num_syms, names, markers, tokens
 *   4.6 to 6.3    offsets, relative_base, num_syms, names, markers, tokens
 *   from 6.2      also seqs_of_names, between markers and tokens
 *   from 6.4      num_syms, names, markers, tokens, offsets, relative_base,
 *                 seqs_of_names
 *   from 7.0      the same without relative_base, aligned to 4 and not to 8
 *
 * Markers and num_syms were u64 until 4.20. So: markers are the first ascending
 * array in front of the tokens that goes down to 0. Names end where markers
 * begin, and num_syms stands before them: the place is right if every 256th
 * name is where its marker says. Offsets are then at one of two places, and the
 * rule is the one by which addresses ascend, for that is how they are sorted.
 */
#include "symbols/kallsyms_layout.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"

/* Names from one marker to the next. */
#define BLOCK ((size_t)256)

/* Bytes of a block: each name has a length of one byte or two, and a token. */
#define BLOCK_MIN (BLOCK * 2)
#define BLOCK_MAX (BLOCK * (2 + KALLSYMS_MAX_NAME))

/* The smallest kernel has some thousand symbols: fewer are a coincidence. */
#define MARKERS_MIN ((size_t)8)

/* Arrays that look like markers, but have no names in front of them. */
#define MARKERS_TRIES 16

/* Between markers and tokens: seqs_of_names, three bytes each. */
#define SEQS_MAX (KALLSYMS_MAX_COUNT * 3 + 16)

/* Padding between two tables. */
#define PAD_MAX 7

struct markers {
	size_t at;
	size_t count;
	size_t width;
};

static uint64_t marker(const uint8_t *bytes, const struct markers *m, size_t i)
{
	const uint8_t *at = bytes + m->at + i * m->width;

	return m->width == 8 ? load_le64(at) : load_le32(at);
}

/** What one kallsyms_locate() works on. */
struct search {
	struct mvmi_bytes image;
	struct kallsyms_layout *layout;
	size_t num_syms; /**< where the number before the names is */
	/**
	 * Names that may still be stepped over, in all tries together: a guest
	 * can make many places look right up to their end.
	 */
	size_t budget;
	/** What num_syms says where names were found but don't fit it. */
	size_t claimed;
	size_t claimed_markers; /**< 0: no such names */
};

/**
 * The next array that ascends from 0 like markers, looking down from *end.
 *
 * @param end  On success: where to look for another.
 */
static bool markers_find(struct mvmi_bytes image, size_t width, size_t low,
			 size_t *end, struct markers *ret)
{
	struct markers all = { .width = width };
	size_t run_end = *end;
	uint64_t next;

	if (*end < low + width)
		return false;
	all.at = *end - width;
	next = marker(image.ptr, &all, 0);
	while (all.at - low >= width) {
		uint64_t value;

		all.at -= width;
		value = marker(image.ptr, &all, 0);
		if (next < value || next - value < BLOCK_MIN ||
		    next - value > BLOCK_MAX) {
			run_end = all.at + width;
		} else if (value == 0 &&
			   run_end - all.at >= MARKERS_MIN * width) {
			all.count = (run_end - all.at) / width;
			*ret = all;
			*end = all.at;
			return true;
		}
		next = value;
	}
	return false;
}

/** Step over one name. */
static bool name_skip(struct mvmi_bytes image, size_t *at)
{
	size_t len;

	if (*at >= image.len)
		return false;
	len = image.ptr[(*at)++];
	if (len & 0x80) {
		if (*at >= image.len)
			return false;
		len = (len & 0x7f) | (size_t)image.ptr[(*at)++] << 7;
	}
	if (len == 0 || len > image.len - *at)
		return false;
	*at += len;
	return true;
}

/** Whether count names lie at an offset, as the markers say. */
static bool names_match(struct search *search, const struct markers *m,
			size_t names, size_t count, size_t *ret_end)
{
	struct mvmi_bytes image = search->image;
	size_t at = names;

	for (size_t i = 0; i < count; i++) {
		if (i % BLOCK == 0 &&
		    at - names != marker(image.ptr, m, i / BLOCK))
			return false;
		if (search->budget == 0 || !name_skip(image, &at) || at > m->at)
			return false;
		search->budget--;
	}
	*ret_end = at;
	return true;
}

/** The number before names at an offset, and where it is. */
static size_t
count_before(struct mvmi_bytes image, size_t names, size_t *ret_at)
{
	size_t near = load_le32(image.ptr + names - 4);

	/* A u64, or a u32 with padding; or a u32 that is aligned to 4 only. */
	*ret_at = near ? names - 4 : names - 8;
	return near ? near : load_le32(image.ptr + names - 8);
}

/**
 * Where the names of some markers may begin: a block before the last marker at
 * most, in steps of four.
 *
 * @return the lowest place; above *ret_high if there is none
 */
static size_t names_range(const struct search *search, const struct markers *m,
			  size_t *ret_high)
{
	uint64_t last = marker(search->image.ptr, m, m->count - 1);
	uint64_t pad = (4 - last % 4) % 4;

	*ret_high = last + pad <= m->at ? m->at - (size_t)(last + pad) : 0;
	return MAX(8, *ret_high - MIN(*ret_high, BLOCK_MAX));
}

/** Find the names and num_syms that belong to some markers. */
static bool names_find(struct search *search, const struct markers *m)
{
	struct kallsyms_layout *layout = search->layout;
	size_t high;
	size_t low = names_range(search, m, &high);

	for (size_t names = high; names >= low; names -= 4) {
		size_t count =
			count_before(search->image, names, &search->num_syms);

		if (count > m->count * BLOCK ||
		    count <= (m->count - 1) * BLOCK ||
		    !names_match(search, m, names, count, &layout->names_end) ||
		    m->at - layout->names_end > PAD_MAX)
			continue;
		layout->wide = m->width == 8;
		layout->count = count;
		layout->names = names;
		layout->markers = m->at;
		return true;
	}
	return false;
}

/**
 * Names that agree with the markers, but not with num_syms: remember what that
 * claims, to say what is wrong.
 */
static void names_diagnose(struct search *search, const struct markers *m)
{
	size_t high;
	size_t low = names_range(search, m, &high);
	size_t end;

	for (size_t names = high; names >= low; names -= 4) {
		if (!names_match(search, m, names, (m->count - 1) * BLOCK + 1,
				 &end))
			continue;
		search->claimed = count_before(search->image, names, &end);
		search->claimed_markers = m->count;
		return;
	}
}

/** Find markers of a width, and the names and num_syms before them. */
static bool tables_find(struct search *search, size_t width)
{
	size_t tokens = search->layout->tokens;
	size_t low = tokens - MIN(tokens, SEQS_MAX);
	size_t end = tokens;
	struct markers m;

	low += (tokens - low) % width;
	for (int i = 0; i < MARKERS_TRIES; i++) {
		if (!markers_find(search->image, width, low, &end, &m))
			return false;
		/* What follows may happen to go on ascending. */
		for (size_t n = 0; n < 3 && m.count - n >= MARKERS_MIN; n++) {
			struct markers fewer = { m.at, m.count - n, width };

			if (names_find(search, &fewer))
				return true;
		}
		if (search->claimed_markers == 0)
			names_diagnose(search, &m);
	}
	return false;
}

/** Fewer than one in a thousand is out of order, and they span something. */
static bool addresses_ascend(const struct kallsyms_image *image,
			     const struct kallsyms_layout *layout)
{
	/* The order of differences that may be negative, as unsigned. */
	uint64_t flip = layout->relative ? UINT64_C(1) << 63 : 0;
	size_t wrong = 0;
	size_t absolute = 0;
	uint64_t first = 0;
	uint64_t last = 0;

	for (size_t i = 0; i < layout->count; i++) {
		bool is_absolute;
		uint64_t addr =
			kallsyms_address(image, layout, i, &is_absolute) ^ flip;

		wrong += addr < last;
		last = addr;
		if (is_absolute)
			absolute++;
		else if (first == 0)
			first = addr;
	}
	return wrong <= layout->count / 1000 && absolute <= layout->count / 2 &&
	       last - first > 8 * (layout->count - absolute);
}

/** Whether the offsets are at a place, and follow a rule. */
static bool
offsets_try(const struct kallsyms_image *image, struct kallsyms_layout *layout,
	    size_t at, enum kallsyms_rule rule)
{
	size_t each = rule == KALLSYMS_ABSOLUTE ? 8 : 4;

	if (at > image->bytes.len ||
	    layout->count > (image->bytes.len - at) / each)
		return false;
	layout->offsets = at;
	layout->rule = rule;
	layout->relative = rule == KALLSYMS_PLACE && image->gva == 0;
	return addresses_ascend(image, layout);
}

/** Read relative_base: the kernel's own addresses are its last 2 GiB. */
static bool base_read(struct mvmi_bytes image, size_t at, uint64_t *ret)
{
	if (at > image.len || 8 > image.len - at)
		return false;
	*ret = load_le64(image.ptr + at);
	return *ret >> 31 == UINT64_C(0x1ffffffff);
}

static bool
offsets_find(const struct kallsyms_image *image,
	     const struct kallsyms_tokens *tokens, const struct search *search)
{
	struct kallsyms_layout *layout = search->layout;
	size_t behind = tokens->end;
	size_t before = search->num_syms;
	size_t len = (layout->count * 4 + 7) & ~(size_t)7;

	if (base_read(image->bytes, behind + len, &layout->base) &&
	    (offsets_try(image, layout, behind, KALLSYMS_BASE) ||
	     offsets_try(image, layout, behind, KALLSYMS_PERCPU)))
		return true;
	if (before >= len + 8 &&
	    base_read(image->bytes, before - 8, &layout->base) &&
	    (offsets_try(image, layout, before - 8 - len, KALLSYMS_BASE) ||
	     offsets_try(image, layout, before - 8 - len, KALLSYMS_PERCPU)))
		return true;
	layout->base = 0;
	if (offsets_try(image, layout, behind, KALLSYMS_PLACE) ||
	    offsets_try(image, layout, behind, KALLSYMS_ABSOLUTE))
		return true;
	return layout->count <= before / 8 &&
	       offsets_try(image, layout, before - layout->count * 8,
			   KALLSYMS_ABSOLUTE);
}

uint64_t kallsyms_address(const struct kallsyms_image *image,
			  const struct kallsyms_layout *layout, size_t i,
			  bool *ret_absolute)
{
	const uint8_t *offsets = image->bytes.ptr + layout->offsets;
	uint64_t offset;
	uint64_t addr;

	*ret_absolute = false;
	if (layout->rule == KALLSYMS_ABSOLUTE) {
		addr = load_le64(offsets + 8 * i);
		*ret_absolute = addr >> 63 == 0;
		return addr;
	}
	offset = load_le32(offsets + 4 * i);
	switch (layout->rule) {
	case KALLSYMS_PERCPU:
		*ret_absolute = offset >> 31 == 0;
		/* base - 1 - s32: the s32 is negative. */
		return *ret_absolute ? offset
				     : layout->base + (uint32_t)~offset;
	case KALLSYMS_PLACE:
		/* Sign-extended. */
		offset = (offset ^ 0x80000000) - 0x80000000;
		return image->gva + layout->offsets + 4 * i + offset;
	case KALLSYMS_BASE:
	case KALLSYMS_ABSOLUTE:
		break;
	}
	return layout->base + offset;
}

enum mvmi_status
kallsyms_locate(const struct kallsyms_image *image,
		const struct kallsyms_tokens *tokens,
		struct kallsyms_layout *ret, struct mvmi_error *err)
{
	struct search search = {
		.image = image->bytes,
		.layout = ret,
		.budget = 16 * KALLSYMS_MAX_COUNT,
	};

	ret->token_index = tokens->index;
	if (!tables_find(&search, 4) && !tables_find(&search, 8)) {
		if (search.claimed_markers &&
		    search.claimed > KALLSYMS_MAX_COUNT)
			return fail(
				err, MVMI_ERR_LIMIT,
				"kallsyms claims %zu symbols, and no kernel "
				"has more than %zu",
				search.claimed, KALLSYMS_MAX_COUNT);
		if (search.claimed_markers)
			return fail(err, MVMI_ERR_CORRUPT,
				    "kallsyms claims %zu symbols but has "
				    "markers for %zu",
				    search.claimed,
				    search.claimed_markers * BLOCK);
		return fail(err, MVMI_ERR_CORRUPT,
			    "no kallsyms names lie before the token table at "
			    "offset 0x%zx of the image",
			    ret->tokens);
	}
	if (ret->count > KALLSYMS_MAX_COUNT)
		return fail(err, MVMI_ERR_LIMIT,
			    "kallsyms has %zu symbols, more than %zu",
			    ret->count, KALLSYMS_MAX_COUNT);
	if (!offsets_find(image, tokens, &search))
		return fail(err, MVMI_ERR_CORRUPT,
			    "kallsyms has %zu names, but no addresses that "
			    "ascend like theirs",
			    ret->count);
	return MVMI_OK;
}
