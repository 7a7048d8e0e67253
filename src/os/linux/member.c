/* SPDX-License-Identifier: MIT */
#include "os/linux/member.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"

enum mvmi_status
member_read(struct linux_os *guest, const char *type, const char *path,
	    mvmi_gva gva, uint64_t *ret, struct mvmi_error *err)
{
	uint8_t bytes[8] = { 0 };
	struct mvmi_span dst = { bytes, sizeof(bytes) };
	struct mvmi_field field;
	enum mvmi_status status =
		mvmi_types_field(guest->os.types, type, path, &field, err);

	if (status != MVMI_OK)
		return status;
	dst.len = (size_t)MIN(field.size, dst.len);
	status = mvmi_space_read(guest->os.space,
				 mvmi_gva_at(gva.val + field.offset), dst, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "struct %s at 0x%" PRIx64,
				    type, gva.val);
	*ret = load_le64(bytes);
	return MVMI_OK;
}
