/* SPDX-License-Identifier: MIT */
#include "os/linux/walk/links.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"

/** struct list_head: two pointers, as in every Linux there ever was. */
struct links {
	uint64_t next;
	uint64_t prev;
};

static enum mvmi_status read_links(struct mvmi_space *space, uint64_t gva,
				   struct links *ret, struct mvmi_error *err)
{
	uint8_t bytes[16];
	enum mvmi_status status = mvmi_space_read(
		space, mvmi_gva_at(gva),
		(struct mvmi_span){ bytes, sizeof(bytes) }, err);

	if (status != MVMI_OK)
		return fail_context(err, status, "list member 0x%" PRIx64, gva);
	ret->next = load_le64(bytes);
	ret->prev = load_le64(bytes + 8);
	return MVMI_OK;
}

enum mvmi_status links_walk(struct mvmi_space *space, mvmi_gva head,
			    links_fn fn, void *arg, struct mvmi_error *err)
{
	struct links links = { 0 };
	enum mvmi_status status = read_links(space, head.val, &links, err);
	uint64_t last = head.val;

	/*
	 * A step is taken only to a member that points back.  So a member that
	 * was passed cannot come again, unless the guest changes it meanwhile:
	 * its prev names but one.  The limit is for guests that do.
	 */
	for (size_t n = 0; status == MVMI_OK; n++) {
		uint64_t at = links.next;

		if (at == head.val)
			return MVMI_OK;
		if (n == LINKS_MAX)
			return fail(err, MVMI_ERR_LIMIT,
				    "list 0x%" PRIx64 " has over %zu members",
				    head.val, LINKS_MAX);
		status = read_links(space, at, &links, err);
		if (status != MVMI_OK)
			break;
		if (links.prev != last)
			return fail(err, MVMI_ERR_CORRUPT,
				    "list 0x%" PRIx64 ": member 0x%" PRIx64
				    " points back to 0x%" PRIx64
				    ", not to 0x%" PRIx64 " before it",
				    head.val, at, links.prev, last);
		last = at;
		status = fn(mvmi_gva_at(at), arg, err);
	}
	return status;
}
