/* SPDX-License-Identifier: MIT */
#include "core/vm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "drivers/registry.h"

#define VM_TIMEOUT_DEFAULT_MS 5000

/* Often enough to notice the end of a VM within a second. */
#define VM_POLL_INTERVAL_MS 100

static void fetch_windows(struct mvmi_vm *vm)
{
	vm->windows = NULL;
	vm->window_count = 0;
	if (vm->conn->map)
		vm->conn->map->windows(vm->conn, &vm->windows,
				       &vm->window_count);
	vm->window_last = vm->window_count ? vm->windows : NULL;
}

void vm_new_epoch(struct mvmi_vm *vm)
{
	vm->epoch++;
}

uint64_t vm_epoch(struct mvmi_vm *vm)
{
	bool frozen = vm->hold_count || vm->pin_count ||
		      (vm->pending && vm->pending->holds == MVMI_HOLDS_VM) ||
		      (vm->conn->traits & MVMI_TRAIT_STATIC);

	if (!frozen)
		vm->epoch++;
	return vm->epoch;
}

enum mvmi_status vm_take_in(struct mvmi_vm *vm, enum mvmi_status status)
{
	if (status == MVMI_ERR_GONE)
		vm->gone = true;
	if (vm->incarnation != vm->conn->incarnation) {
		vm->incarnation = vm->conn->incarnation;
		fetch_windows(vm);
		vm_new_epoch(vm);
	}
	return status;
}

enum mvmi_status vm_poll(struct mvmi_vm *vm, struct mvmi_error *err)
{
	uint64_t now;

	vm->reads_unpolled = 0;
	if (vm->gone)
		return fail(err, MVMI_ERR_GONE, "the VM has ended");
	if (!vm->conn->driver->poll)
		return MVMI_OK;
	now = clock_coarse_ms();
	if (now - vm->polled_ms < VM_POLL_INTERVAL_MS)
		return MVMI_OK;
	vm->polled_ms = now;
	return vm_settle(vm, vm->conn->driver->poll(vm->conn, err));
}

static struct mvmi_open_args open_args(const struct mvmi_vm_options *options)
{
	struct mvmi_open_args args = { .timeout_ms = VM_TIMEOUT_DEFAULT_MS };

	if (options) {
		args.read_only = options->read_only;
		if (options->timeout_ms)
			args.timeout_ms = options->timeout_ms;
	}
	return args;
}

/** An empty handle, so that nothing can fail once the driver has connected. */
static struct mvmi_vm *
vm_create(const char *scheme, const char *where, bool read_only)
{
	struct mvmi_vm *vm = calloc(1, sizeof(*vm));
	size_t size = strlen(scheme) + strlen(where) + 2;

	if (!vm)
		return NULL;
	vm->target = malloc(size);
	if (!vm->target) {
		free(vm);
		return NULL;
	}
	(void)snprintf(vm->target, size, "%s%s%s", scheme, *scheme ? ":" : "",
		       where);
	vm->read_only = read_only;
	return vm;
}

static void vm_destroy(struct mvmi_vm *vm)
{
	free(vm->target);
	free(vm);
}

static struct mvmi_vm *vm_adopt(struct mvmi_vm *vm, struct mvmi_conn *conn)
{
	vm->conn = conn;
	vm->incarnation = conn->incarnation;
	vm->epoch = 1;
	vm->polled_ms = clock_coarse_ms();
	fetch_windows(vm);
	return vm;
}

enum mvmi_status
mvmi_vm_open(const char *target, const struct mvmi_vm_options *options,
	     struct mvmi_vm **ret, struct mvmi_error *err)
{
	struct mvmi_open_args args = open_args(options);
	struct mvmi_vm *vm = vm_create("", target, args.read_only);
	struct mvmi_conn *conn;
	enum mvmi_status status;

	if (!vm)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a VM handle");
	status = registry_open(target, &args, &conn, err);
	if (status != MVMI_OK) {
		vm_destroy(vm);
		return status;
	}
	*ret = vm_adopt(vm, conn);
	return MVMI_OK;
}

enum mvmi_status
mvmi_vm_open_driver(const struct mvmi_driver *driver, const char *where,
		    const struct mvmi_vm_options *options, struct mvmi_vm **ret,
		    struct mvmi_error *err)
{
	struct mvmi_open_args args = open_args(options);
	struct mvmi_vm *vm = vm_create(driver->name, where, args.read_only);
	struct mvmi_conn *conn;
	enum mvmi_status status;

	if (!vm)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a VM handle");
	status = registry_open_driver(driver, where, &args, &conn, err);
	if (status != MVMI_OK) {
		vm_destroy(vm);
		return status;
	}
	*ret = vm_adopt(vm, conn);
	return MVMI_OK;
}

void mvmi_vm_close(struct mvmi_vm *vm)
{
	if (!vm)
		return;
	assert(!vm->pending);
	if (vm->patcher)
		vm->patcher->undo(vm);
	if (vm->dispatcher_fini)
		vm->dispatcher_fini(vm);
	if (vm->patcher)
		vm->patcher->fini(vm);
	/* Lifting holds is the driver's: its watchdog runs the same code. */
	vm->conn->driver->close(vm->conn);
	vm_destroy(vm);
}

uint32_t mvmi_vm_capabilities(const struct mvmi_vm *vm)
{
	const struct mvmi_conn *conn = vm->conn;
	uint32_t caps = MVMI_CAP_MEM;

	caps |= conn->map ? MVMI_CAP_MAP : 0;
	caps |= conn->vcpu ? MVMI_CAP_REGS : 0;
	caps |= conn->run ? MVMI_CAP_RUN : 0;
	caps |= conn->quiesce ? MVMI_CAP_QUIESCE : 0;
	if (vm->read_only)
		return caps;
	caps |= conn->write ? MVMI_CAP_WRITE : 0;
	caps |= conn->vcpu_set ? MVMI_CAP_SET_REGS : 0;
	caps |= conn->event ? MVMI_CAP_EVENT : 0;
	caps |= conn->access ? MVMI_CAP_ACCESS : 0;
	caps |= conn->view ? MVMI_CAP_VIEW : 0;
	caps |= conn->inject ? MVMI_CAP_INJECT : 0;
	caps |= conn->snapshot ? MVMI_CAP_SNAPSHOT : 0;
	return caps;
}

uint64_t mvmi_vm_incarnation(const struct mvmi_vm *vm)
{
	return vm->incarnation;
}

static enum mvmi_status
count_ram(struct mvmi_vm *vm, uint64_t *ret, struct mvmi_error *err)
{
	struct mvmi_region *regions;
	uint64_t total = 0;
	size_t count;
	size_t got;
	enum mvmi_status status = mvmi_mem_regions(vm, NULL, 0, &count, err);

	if (status != MVMI_OK)
		return status;
	regions = calloc(count ? count : 1, sizeof(*regions));
	if (!regions)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %zu regions",
			    count);
	status = mvmi_mem_regions(vm, regions, count, &got, err);
	for (size_t i = 0; status == MVMI_OK && i < count && i < got; i++) {
		if (regions[i].kind != MVMI_REGION_ROM)
			total += regions[i].len;
	}
	free(regions);
	if (status == MVMI_OK)
		*ret = total;
	return status;
}

enum mvmi_status mvmi_vm_get_info(struct mvmi_vm *vm, struct mvmi_vm_info *ret,
				  struct mvmi_error *err)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	size_t size = ret->size < sizeof(info) ? ret->size : sizeof(info);
	enum mvmi_status status = count_ram(vm, &info.ram_len, err);

	if (status != MVMI_OK)
		return status;
	(void)snprintf(info.driver, sizeof(info.driver), "%s",
		       vm->conn->driver->name);
	(void)snprintf(info.target, sizeof(info.target), "%s", vm->target);
	status = vm_settle(vm, vm->conn->driver->info(vm->conn, &info, err));
	if (status != MVMI_OK)
		return status;
	info.vcpus = mvmi_vcpu_count(vm);
	info.capabilities = mvmi_vm_capabilities(vm);
	info.traits = vm->conn->traits;
	info.readable_regs = vm->conn->readable_regs;
	if (!vm->read_only)
		info.writable_regs = vm->conn->writable_regs;
	info.incarnation = vm->incarnation;
	info.size = ret->size;
	memcpy(ret, &info, size);
	return MVMI_OK;
}

enum mvmi_status mvmi_list(mvmi_list_fn fn, void *arg, struct mvmi_error *err)
{
	for (size_t i = 0; registry_drivers[i]; i++) {
		enum mvmi_status status = MVMI_OK;

		if (registry_drivers[i]->list)
			status = registry_drivers[i]->list(fn, arg, err);
		if (status != MVMI_OK)
			return fail_context(err, status, "listing %s VMs",
					    registry_drivers[i]->name);
	}
	return MVMI_OK;
}

const char *mvmi_version(void)
{
	return MVMI_VERSION;
}
