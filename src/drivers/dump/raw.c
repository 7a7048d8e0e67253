/* SPDX-License-Identifier: MIT */
#include "drivers/dump/raw.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/util.h"

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/** Take a decimal or 0x-hex number; false if there is none or it is too big. */
static bool take_number(const char **s, uint64_t *ret)
{
	bool hex = (*s)[0] == '0' && ((*s)[1] == 'x' || (*s)[1] == 'X');
	const char *p = *s + (hex ? 2 : 0);
	const char *begin = p;
	int base = hex ? 16 : 10;
	uint64_t value = 0;

	for (; digit_of(*p) < base; p++) {
		if (ckd_mul(&value, value, (uint64_t)base) ||
		    ckd_add(&value, value, (uint64_t)digit_of(*p)))
			return false;
	}
	if (p == begin)
		return false;
	*s = p;
	*ret = value;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/** Skip what separates regions: commas, white space, comments. */
static const char *skip_separators(const char *s)
{
	for (;;) {
		s += strspn(s, ", \t\r\n");
		if (*s != '#')
			return s;
		s += strcspn(s, "\n");
	}
}

static bool ends_region(char c)
{
	return c == '\0' || strchr(", \t\r\n#", c);
}

/** Take START+LEN[@OFFSET]; without OFFSET it is the one given in ret. */
static bool take_region(const char **s, struct dump_segment *ret)
{
	if (!take_number(s, &ret->start) || !take_char(s, '+') ||
	    !take_number(s, &ret->len))
		return false;
	if (take_char(s, '@') && !take_number(s, &ret->off))
		return false;
	ret->file_len = ret->len;
	return ret->len != 0 && ends_region(**s);
}

static enum mvmi_status
parse_list(const char *list, uint64_t file_size, struct dump_image *image,
	   struct mvmi_error *err)
{
	struct dump_segment segment = { 0 };
	const char *s = skip_separators(list);

	while (*s) {
		const char *begin = s;
		enum mvmi_status status;

		if (!take_region(&s, &segment))
			return fail(err, MVMI_ERR_INVALID,
				    "\"%.40s\" in the list of regions is "
				    "not " RAW_LIST_PARTS,
				    begin);
		status = image_add(image, &segment, file_size, err);
		if (status != MVMI_OK)
			return status;
		/* It lies within the file, so the sum can't wrap. */
		segment.off += segment.len;
		s = skip_separators(s);
	}
	if (image->segment_count == 0)
		return fail(err, MVMI_ERR_INVALID,
			    "the list of regions is empty");
	return MVMI_OK;
}

enum mvmi_status raw_parse(const char *list, uint64_t file_size,
			   struct dump_image *ret, struct mvmi_error *err)
{
	const struct dump_segment whole = {
		.len = file_size,
		.file_len = file_size,
	};
	const struct dump_segment *overlap;
	struct dump_image image = { 0 };
	enum mvmi_status status;

	if (file_size == 0)
		return fail(err, MVMI_ERR_CORRUPT, "the file is empty");
	status = list ? parse_list(list, file_size, &image, err)
		      : image_add(&image, &whole, file_size, err);
	image_sort(&image);
	overlap = image_overlap(&image);
	if (status == MVMI_OK && overlap)
		status = fail(err, MVMI_ERR_INVALID,
			      "the region at 0x%" PRIx64
			      " overlaps the one before it",
			      overlap->start);
	if (status != MVMI_OK) {
		image_fini(&image);
		return status;
	}
	*ret = image;
	return MVMI_OK;
}
