/* SPDX-License-Identifier: MIT */
/*
 * What a line looks like, in every QEMU from 4.2 to 11.1:
 *
 *   FlatView #3
 *    AS "memory", root: system
 *    Root memory region: system
 *     0000000000000000-00000000000bffff (prio 0, ram): pc.ram KVM
 *     00000000000c0000-00000000000dffff (prio 1, rom): pc.rom @0000000000020000
 */
#include "drivers/qemu/mtree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

/** One line, as a range of characters that loses what was understood. */
struct mtree_line {
	const char *at;
	const char *end;
};

static bool mtree_skip(struct mtree_line *line, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(line->end - line->at) < n ||
	    memcmp(line->at, word, n) != 0)
		return false;
	line->at += n;
	return true;
}

/** Sixteen lower-case hexadecimal digits, as TARGET_FMT_plx prints them. */
static bool mtree_hex(struct mtree_line *line, uint64_t *ret)
{
	uint64_t value = 0;

	if (line->end - line->at < 16)
		return false;
	for (int i = 0; i < 16; i++) {
		char c = line->at[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	line->at += 16;
	*ret = value;
	return true;
}

static bool mtree_skip_number(struct mtree_line *line)
{
	const char *start = line->at;

	(void)mtree_skip(line, "-");
	while (line->at < line->end && *line->at >= '0' && *line->at <= '9')
		line->at++;
	return line->at > start;
}

enum mtree_kind {
	MTREE_RAM,
	MTREE_ROM,
	MTREE_OTHER, /**< devices; or a device's memory, which reads disturb */
	MTREE_UNKNOWN,
};

static enum mtree_kind mtree_kind(struct mtree_line *line)
{
	static const struct {
		const char *word;
		enum mtree_kind kind;
	} kinds[] = {
		{ "ram): ", MTREE_RAM },     { "nv-ram): ", MTREE_RAM },
		{ "rom): ", MTREE_ROM },     { "nv-rom): ", MTREE_ROM },
		{ "romd): ", MTREE_ROM },    { "nv-romd): ", MTREE_ROM },
		{ "i/o): ", MTREE_OTHER },   { "nv-i/o): ", MTREE_OTHER },
		{ "ramd): ", MTREE_OTHER },  { "nv-ramd): ", MTREE_OTHER },
		{ "iommu): ", MTREE_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (mtree_skip(line, kinds[i].word))
			return kinds[i].kind;
	}
	return MTREE_UNKNOWN;
}

/** The name ends at " @offset", or at the accelerator's mark. */
static void mtree_name(struct mtree_line line, struct mvmi_region *region)
{
	static const char *const marks[] = { " @", " KVM", " HVF", " WHPX",
					     " MSHV" };
	size_t n = (size_t)(line.end - line.at);
	size_t len = n;

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		const char *mark =
			memmem(line.at, n, marks[i], strlen(marks[i]));

		if (mark && (size_t)(mark - line.at) < len)
			len = (size_t)(mark - line.at);
	}
	(void)snprintf(region->name, sizeof(region->name), "%.*s",
		       (int)MIN(len, sizeof(region->name) - 1), line.at);
}

/** @return false if the line is not understood. */
static bool mtree_range(struct mtree_line line, enum mtree_kind *kind,
			struct mvmi_region *region)
{
	uint64_t start;
	uint64_t last;

	if (!mtree_skip(&line, "  ") || !mtree_hex(&line, &start) ||
	    !mtree_skip(&line, "-") || !mtree_hex(&line, &last) ||
	    !mtree_skip(&line, " (prio ") || !mtree_skip_number(&line) ||
	    !mtree_skip(&line, ", "))
		return false;
	*kind = mtree_kind(&line);
	if (*kind == MTREE_UNKNOWN || last < start ||
	    last - start == UINT64_MAX)
		return false;
	*region = (struct mvmi_region){
		.start = { start },
		.len = last - start + 1,
		.kind = *kind == MTREE_ROM ? MVMI_REGION_ROM : MVMI_REGION_RAM,
	};
	mtree_name(line, region);
	return true;
}

static struct mtree_line mtree_cut(const char **text)
{
	const char *end = strchr(*text, '\n');
	struct mtree_line line = { *text, end ? end : *text + strlen(*text) };

	*text = end ? end + 1 : line.end;
	if (line.end > line.at && line.end[-1] == '\r')
		line.end--;
	return line;
}

/** Move *text behind the line that names the address space. */
static bool mtree_find_view(const char **text)
{
	while (**text) {
		struct mtree_line line = mtree_cut(text);

		if (mtree_skip(&line, " AS \"memory\", root: "))
			return true;
	}
	return false;
}

static enum mvmi_status
mtree_add(struct mvmi_region *regions, size_t *count,
	  const struct mvmi_region *region, struct mvmi_error *err)
{
	if (*count) {
		const struct mvmi_region *last = &regions[*count - 1];

		if (region->start.val < last->start.val ||
		    region->start.val - last->start.val < last->len)
			return fail(err, MVMI_ERR_CORRUPT,
				    "memory regions overlap at 0x%" PRIx64,
				    region->start.val);
	}
	if (*count == MTREE_REGIONS_MAX)
		return fail(err, MVMI_ERR_LIMIT,
			    "the VM has more than %d memory regions",
			    MTREE_REGIONS_MAX);
	regions[(*count)++] = *region;
	return MVMI_OK;
}

enum mvmi_status mtree_parse(const char *text, struct mvmi_region *regions,
			     size_t *ret, struct mvmi_error *err)
{
	size_t count = 0;

	if (!mtree_find_view(&text))
		return fail(err, MVMI_ERR_CORRUPT,
			    "\"info mtree -f\" shows no address space "
			    "\"memory\"");
	while (*text) {
		struct mtree_line line = mtree_cut(&text);
		struct mvmi_region region;
		enum mtree_kind kind;
		enum mvmi_status status = MVMI_OK;

		if (line.at == line.end)
			break;
		if (mtree_skip(&line, " AS \"") ||
		    mtree_skip(&line, " Root memory region: "))
			continue;
		if (!mtree_range(line, &kind, &region))
			return fail(err, MVMI_ERR_CORRUPT,
				    "\"info mtree -f\" has a line that is not "
				    "understood: %.*s",
				    (int)MIN(line.end - line.at, 80), line.at);
		if (kind != MTREE_OTHER)
			status = mtree_add(regions, &count, &region, err);
		if (status != MVMI_OK)
			return status;
	}
	*ret = count;
	return MVMI_OK;
}
