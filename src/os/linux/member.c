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

uint64_t
member_u64(const struct shape *shape, const uint8_t *bytes, size_t field)
{
	const struct mvmi_field *at = &shape->fields[field];
	uint64_t value = 0;

	for (uint64_t i = MIN(at->size, sizeof(value)); i > 0; i--)
		value = value << 8 | bytes[at->offset + i - 1];
	if (at->bit_size) {
		value >>= at->bit_offset & 63;
		if (at->bit_size < 64)
			value &= (UINT64_C(1) << at->bit_size) - 1;
	}
	return value;
}
