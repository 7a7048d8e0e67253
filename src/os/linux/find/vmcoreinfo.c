/* SPDX-License-Identifier: MIT */
#include "os/linux/find/vmcoreinfo.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"

bool vmcoreinfo_is(struct mvmi_bytes page)
{
	return page.len >= VMCOREINFO_HEAD_LEN &&
	       memcmp(page.ptr, VMCOREINFO_HEAD, VMCOREINFO_HEAD_LEN) == 0;
}

/** The value of "key=value", where it stands as a line; empty: it does not. */
static struct mvmi_bytes find_value(struct mvmi_bytes text, const char *key)
{
	size_t key_len = strlen(key);
	struct mvmi_bytes none = { NULL, 0 };

	while (text.len) {
		const uint8_t *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) : text.len;

		if (len > key_len && text.ptr[key_len] == '=' &&
		    memcmp(text.ptr, key, key_len) == 0)
			return (struct mvmi_bytes){ text.ptr + key_len + 1,
						    len - key_len - 1 };
		if (!end)
			break;
		text.ptr += len + 1;
		text.len -= len + 1;
	}
	return none;
}

static unsigned digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10U;
	return UINT32_MAX;
}

/** A number as printf() writes it: %lx, or %ld which may be negative. */
static bool parse_number(struct mvmi_bytes text, unsigned base, uint64_t *ret)
{
	bool negative = base == 10 && text.len && text.ptr[0] == '-';
	uint64_t value = 0;
	size_t i = negative;

	if (text.len <= i || text.len > 20)
		return false;
	for (; i < text.len; i++) {
		unsigned digit = digit_of(text.ptr[i]);

		if (digit >= base)
			return false;
		value = value * base + digit;
	}
	*ret = negative ? 0 - value : value;
	return true;
}

static bool find_number(struct mvmi_bytes text, const char *key, unsigned base,
			uint64_t *ret)
{
	return parse_number(find_value(text, key), base, ret);
}

/** Copy a value of printable characters; "" for any other. */
static void
find_string(struct mvmi_bytes text, const char *key, char *dst, size_t len)
{
	struct mvmi_bytes value = find_value(text, key);

	dst[0] = '\0';
	if (value.len >= len)
		return;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
			return;
	}
	if (value.len)
		memcpy(dst, value.ptr, value.len);
	dst[value.len] = '\0';
}

enum mvmi_status
vmcoreinfo_parse(struct mvmi_bytes page, struct vmcoreinfo *ret,
		 struct mvmi_error *err)
{
	const uint8_t *end = memchr(page.ptr, '\0', page.len);
	struct mvmi_bytes text = { page.ptr,
				   end ? (size_t)(end - page.ptr) : page.len };
	struct vmcoreinfo info = { .slide = 0 };
	uint64_t five_level = 0;

	find_string(text, "OSRELEASE", info.release, sizeof(info.release));
	find_string(text, "BUILD-ID", info.build_id, sizeof(info.build_id));
	if (!info.release[0])
		return fail(err, MVMI_ERR_CORRUPT, "VMCOREINFO has no release");
	if (!find_number(text, "KERNELOFFSET", 16, &info.slide))
		return fail(err, MVMI_ERR_CORRUPT,
			    "VMCOREINFO of %s has no KERNELOFFSET",
			    info.release);
	if (!find_number(text, "NUMBER(phys_base)", 10, &info.phys_base))
		return fail(err, MVMI_ERR_CORRUPT,
			    "VMCOREINFO of %s has no phys_base", info.release);
	if (!find_number(text, "SYMBOL(init_top_pgt)", 16, &info.root) &&
	    !find_number(text, "SYMBOL(swapper_pg_dir)", 16, &info.root))
		return fail(err, MVMI_ERR_CORRUPT,
			    "VMCOREINFO of %s has no init_top_pgt",
			    info.release);
	(void)find_number(text, "SYMBOL(_stext)", 16, &info.stext);
	(void)find_number(text, "NUMBER(sme_mask)", 10, &info.sme_mask);
	(void)find_number(text, "NUMBER(pgtable_l5_enabled)", 10, &five_level);
	info.five_level = five_level != 0;
	*ret = info;
	return MVMI_OK;
}
