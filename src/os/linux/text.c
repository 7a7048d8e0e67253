/* SPDX-License-Identifier: MIT */
#include "os/linux/text.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"

/** Most texts are shorter, and most fetches cost the same. */
#define STEP 64

enum mvmi_status text_read(struct mvmi_space *space, mvmi_gva gva, char *buf,
			   size_t size, struct mvmi_error *err)
{
	size_t len = 0;

	while (len < size - 1) {
		uint64_t at = gva.val + len;
		size_t page = MVMI_PAGE_SIZE - (at & (MVMI_PAGE_SIZE - 1));
		size_t n = MIN(MIN(page, size - 1 - len), STEP);
		struct mvmi_span dst = { (uint8_t *)buf + len, n };
		enum mvmi_status status =
			mvmi_space_read(space, mvmi_gva_at(at), dst, err);

		if (status != MVMI_OK)
			return fail_context(err, status, "text at 0x%llx",
					    (unsigned long long)gva.val);
		if (memchr(buf + len, 0, n))
			return MVMI_OK;
		len += n;
	}
	buf[len] = '\0';
	return MVMI_OK;
}

void text_of_bytes(struct mvmi_bytes bytes, char *buf, size_t size)
{
	size_t len = MIN(bytes.len, size - 1);

	if (len)
		memcpy(buf, bytes.ptr, len);
	buf[len] = '\0';
}
