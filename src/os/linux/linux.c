/* SPDX-License-Identifier: MIT */
/* A Linux guest: opening, closing, and what it can tell. */
#include "os/linux/linux.h"

#include <microvmi/vm.h>
#include <stdlib.h>

#include "base/error.h"
#include "core/vm.h"

enum mvmi_status linux_symbol(const struct linux_os *guest, const char *name,
			      mvmi_gva *ret, struct mvmi_error *err)
{
	struct mvmi_symbol symbol;

	if (!mvmi_symbols_find(guest->os.symbols, name, &symbol))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's kernel has no symbol %s", name);
	*ret = mvmi_gva_at(symbol.addr);
	return MVMI_OK;
}

static void linux_close(struct mvmi_os *os)
{
	struct linux_os *guest = linux_of(os);

	mvmi_space_destroy(os->space);
	mvmi_symbols_destroy(os->symbols);
	mvmi_types_destroy(os->types);
	free(guest->kernel.per_cpu);
	free(guest);
}

static enum mvmi_status
linux_open(struct mvmi_vm *vm, const struct mvmi_os_options *options,
	   struct mvmi_os **ret, struct mvmi_error *err)
{
	struct linux_os *guest = calloc(1, sizeof(*guest));
	enum mvmi_status status;

	if (!guest)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a guest");
	guest->os.ops = &os_linux;
	guest->os.vm = vm;
	status = linux_find_kernel(guest, options, err);
	if (status != MVMI_OK) {
		linux_close(&guest->os);
		return status;
	}
	*ret = &guest->os;
	return MVMI_OK;
}

const struct os_ops os_linux = {
	.name = "Linux",
	.open = linux_open,
	.close = linux_close,
	.get_info = linux_get_info,
	.symbols = linux_symbols,
	.list_files = linux_list_files,
	.list_sockets = linux_list_sockets,
	.list_mounts = linux_list_mounts,
	.read_log = linux_read_log,
	.list_syscalls = linux_list_syscalls,
	.check = linux_check,
	.list_modules = linux_list_modules,
	.list_current = linux_list_current,
	.list_tasks = linux_list_tasks,
	.find_task = linux_find_task,
	.list_areas = linux_list_areas,
	.list_images = linux_list_images,
	.image_symbols = linux_image_symbols,
	.process_space = linux_process_space,
	.process_read = linux_process_read,
	.read_executable = linux_read_executable,
};
