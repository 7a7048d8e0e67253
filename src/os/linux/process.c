/* SPDX-License-Identifier: MIT */
/* A process's memory. */
#include "base/error.h"
#include "os/linux/task.h"

enum mvmi_status
process_space_of(struct linux_os *guest, const struct object *mm,
		 struct mvmi_space **ret, struct mvmi_error *err)
{
	struct mvmi_space_params params = guest->kernel.params;

	params.root = object_u64(mm, MM_PGD) - guest->kernel.page_offset;
	return mvmi_space_create(guest->os.vm, &params, ret, err);
}

enum mvmi_status
linux_process_space(struct mvmi_os *os, uint64_t pid, struct mvmi_space **ret,
		    struct mvmi_error *err)
{
	struct linux_os *guest = linux_of(os);
	struct object mm;
	enum mvmi_status status = task_find_mm(guest, pid, &mm, err);

	if (status != MVMI_OK)
		return status;
	return process_space_of(guest, &mm, ret, err);
}
