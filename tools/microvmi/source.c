/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <microvmi/mem.h>
#include <string.h>

#include "diag.h"

const struct poptOption source_options[] = {
	POPT_TABLEEND,
};

int source_open(struct source *source, struct mvmi_vm *vm, bool zero)
{
	*source = (struct source){ .vm = vm, .zero = zero };
	return EXIT_OK;
}

void source_close(struct source *source)
{
	(void)source;
}

/**
 * Physical bytes before the first that is missing; err is filled if that is not
 * all. mvmi_mem_read() tells where, but not what came before it.
 */
static size_t read_present(struct source *source, mvmi_gpa gpa,
			   struct mvmi_span dst, struct mvmi_error *err)
{
	struct mvmi_mem_op op = { .gpa = gpa, .dst = dst };

	if (mvmi_mem_read(source->vm, gpa, dst, err) == MVMI_OK)
		return dst.len;
	if (err->status != MVMI_ERR_FAULT && err->status != MVMI_ERR_DENIED)
		return 0;
	if (mvmi_mem_readv(source->vm, &op, 1, err) != MVMI_OK)
		return 0;
	return op.status == MVMI_OK ? dst.len : op.done;
}

/** Zero the hole at gpa, at most dst.len bytes. @return 0 on failure */
static size_t fill_hole(struct source *source, mvmi_gpa gpa,
			struct mvmi_span dst, struct mvmi_error *err)
{
	struct mvmi_extent extent;
	size_t n = dst.len;

	if (mvmi_mem_extent(source->vm, gpa, &extent, err) != MVMI_OK)
		return 0;
	if (extent.kind != MVMI_EXTENT_NONE)
		return 0;
	n = extent.len < n ? (size_t)extent.len : n;
	memset(dst.ptr, 0, n);
	return n;
}

size_t source_read(struct source *source, uint64_t addr, struct mvmi_span dst,
		   struct mvmi_error *err)
{
	size_t done = 0;

	while (done < dst.len) {
		mvmi_gpa gpa = mvmi_gpa_at(addr + done);
		struct mvmi_span rest = { dst.ptr + done, dst.len - done };
		struct mvmi_error inner;
		size_t n = read_present(source, gpa, rest, err);

		done += n;
		if (n == rest.len)
			break;
		if (!source->zero || err->status != MVMI_ERR_FAULT)
			break;
		rest = (struct mvmi_span){ rest.ptr + n, rest.len - n };
		n = fill_hole(source, mvmi_gpa_at(addr + done), rest, &inner);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}
