/* SPDX-License-Identifier: MIT */
/*
 * Holding and stopping.
 *
 * A driver sees one hold at a time; counting is done here, once for all.
 */
#include <microvmi/vm.h>

#include "base/error.h"
#include "core/vm.h"

static enum mvmi_status check_run(struct mvmi_vm *vm, struct mvmi_error *err)
{
	if (vm->gone)
		return fail(err, MVMI_ERR_GONE, "the VM has ended");
	if (!vm->conn->run)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "a %s VM can't be held or stopped here",
			    vm->conn->driver->name);
	return MVMI_OK;
}

enum mvmi_status mvmi_vm_hold(struct mvmi_vm *vm, struct mvmi_error *err)
{
	enum mvmi_status status = check_run(vm, err);

	if (status != MVMI_OK)
		return status;
	if (vm->hold_count == 0) {
		status = vm_settle(vm, vm->conn->run->hold(vm->conn, err));
		if (status != MVMI_OK)
			return fail_context(err, status, "cannot hold the VM");
		vm_new_epoch(vm);
	}
	vm->hold_count++;
	return MVMI_OK;
}

enum mvmi_status mvmi_vm_release(struct mvmi_vm *vm, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (vm->hold_count == 0)
		return fail(err, MVMI_ERR_INVALID, "there is no hold to lift");
	if (vm->hold_count > 1) {
		vm->hold_count--;
		return MVMI_OK;
	}
	vm_new_epoch(vm);
	status = vm_settle(vm, vm->conn->run->release(vm->conn, err));
	if (status == MVMI_OK || status == MVMI_ERR_GONE)
		vm->hold_count = 0;
	return fail_context(err, status, "cannot release the VM");
}

enum mvmi_status mvmi_vm_quiesce(struct mvmi_vm *vm, struct mvmi_error *err)
{
	if (vm->hold_count == 0)
		return fail(err, MVMI_ERR_INVALID,
			    "devices are drained under a hold only");
	if (!vm->conn->quiesce)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the %s driver can't drain devices",
			    vm->conn->driver->name);
	vm_new_epoch(vm);
	return vm_settle(vm, vm->conn->quiesce->quiesce(vm->conn, err));
}

static enum mvmi_status check_stop(struct mvmi_vm *vm, struct mvmi_error *err)
{
	enum mvmi_status status = check_run(vm, err);

	if (status == MVMI_OK && vm->read_only)
		return fail(err, MVMI_ERR_DENIED, "the VM was opened to read");
	return status;
}

enum mvmi_status mvmi_vm_stop(struct mvmi_vm *vm, struct mvmi_error *err)
{
	enum mvmi_status status = check_stop(vm, err);

	if (status != MVMI_OK)
		return status;
	status = vm_settle(vm, vm->conn->run->stop(vm->conn, err));
	return fail_context(err, status, "cannot stop the VM");
}

enum mvmi_status mvmi_vm_start(struct mvmi_vm *vm, struct mvmi_error *err)
{
	enum mvmi_status status = check_stop(vm, err);

	if (status != MVMI_OK)
		return status;
	status = vm_settle(vm, vm->conn->run->start(vm->conn, err));
	return fail_context(err, status, "cannot start the VM");
}

enum mvmi_status mvmi_vm_pin_epoch(struct mvmi_vm *vm, struct mvmi_error *err)
{
	if (!vm->hold_count &&
	    (!vm->pending || vm->pending->holds == MVMI_HOLDS_NONE))
		return fail(err, MVMI_ERR_INVALID,
			    "an epoch is pinned while a vCPU is held only");
	if (vm->pin_count++ == 0)
		vm_new_epoch(vm);
	return MVMI_OK;
}

void mvmi_vm_unpin_epoch(struct mvmi_vm *vm)
{
	if (vm->pin_count && --vm->pin_count == 0)
		vm_new_epoch(vm);
}
