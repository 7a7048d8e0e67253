/* SPDX-License-Identifier: MIT */
#include <microvmi/vcpu.h>

#include <assert.h>
#include <string.h>

#include "arch/x86/regs.h"
#include "base/error.h"
#include "core/vm.h"

unsigned mvmi_vcpu_count(struct mvmi_vm *vm)
{
	return vm->conn->vcpu ? vm->conn->vcpu->count(vm->conn) : 0;
}

/** Whether the vCPU waits for the reply to the event whose callbacks run. */
static bool is_pending(const struct mvmi_vm *vm, unsigned vcpu)
{
	return vm->pending && vm->pending->holds != MVMI_HOLDS_NONE &&
	       vm->pending->vcpu == vcpu;
}

static bool is_held(const struct mvmi_vm *vm, unsigned vcpu)
{
	return vm->hold_count || is_pending(vm, vcpu) ||
	       (vm->pending && vm->pending->holds == MVMI_HOLDS_VM);
}

void pending_set(struct pending_event *pending, const struct mvmi_regs *regs)
{
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		bool others = mvmi_regset_has(pending->regs.dirty, reg) &&
			      !mvmi_regset_has(pending->own, reg);

		if (!mvmi_regset_has(regs->dirty, reg))
			continue;
		if (regs_copy(&pending->regs, regs, reg) && others &&
		    pending->contradicted == MVMI_REG_COUNT)
			pending->contradicted = reg;
		mvmi_regset_add(&pending->regs.dirty, reg);
		mvmi_regset_add(&pending->own, reg);
	}
}

/** Show a callback what it, or another, has set already. */
static void
overlay_pending(const struct mvmi_vm *vm, unsigned vcpu, struct mvmi_regs *regs)
{
	if (!is_pending(vm, vcpu))
		return;
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;

		if (mvmi_regset_has(vm->pending->regs.dirty, reg) &&
		    mvmi_regset_has(regs->valid, reg))
			(void)regs_copy(regs, &vm->pending->regs, reg);
	}
}

/** Where it is only the control channel that is missing, say what to do. */
static enum mvmi_status
fail_no_registers(struct mvmi_vm *vm, struct mvmi_error *err)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	bool lost = vm->conn->traits & MVMI_TRAIT_NO_CONTROL;

	if (!lost || vm->conn->driver->info(vm->conn, &info, NULL) != MVMI_OK)
		info.note[0] = '\0';
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "this %s VM shows no registers%s%s", vm->conn->driver->name,
		    *info.note ? ": " : "", info.note);
}

/**
 * Make sure that the vCPU stands still; *ret_release says whether the caller
 * has to release it. In a callback nothing may be waited for.
 */
static enum mvmi_status settle_vcpu(struct mvmi_vm *vm, unsigned vcpu,
				    bool *ret_release, struct mvmi_error *err)
{
	enum mvmi_status status = vm_poll(vm, err);

	if (status != MVMI_OK)
		return status;
	if (!vm->conn->vcpu)
		return fail_no_registers(vm, err);
	if (vcpu >= vm->conn->vcpu->count(vm->conn))
		return fail(err, MVMI_ERR_INVALID,
			    "there is no vCPU %u; there are %u", vcpu,
			    vm->conn->vcpu->count(vm->conn));
	*ret_release = false;
	if (!vm->conn->run || is_held(vm, vcpu))
		return MVMI_OK;
	if (vm->pending)
		return fail(err, MVMI_ERR_BUSY,
			    "vCPU %u is not held; hold the VM first", vcpu);
	status = mvmi_vm_hold(vm, err);
	*ret_release = status == MVMI_OK;
	return status;
}

/** Lift a short hold without hiding the failure that came before. */
static enum mvmi_status lift(struct mvmi_vm *vm, bool release,
			     enum mvmi_status status, struct mvmi_error *err)
{
	enum mvmi_status released = MVMI_OK;

	if (release)
		released = mvmi_vm_release(vm, status == MVMI_OK ? err : NULL);
	return status == MVMI_OK ? released : status;
}

enum mvmi_status
mvmi_vcpu_get_regs(struct mvmi_vm *vm, unsigned vcpu, unsigned groups,
		   struct mvmi_regs *ret, struct mvmi_error *err)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	enum mvmi_status status;
	bool release = false;
	size_t size;

	assert(ret->size >= sizeof(size_t));
	status = settle_vcpu(vm, vcpu, &release, err);
	if (status != MVMI_OK)
		return status;
	status = vm_settle(
		vm, vm->conn->vcpu->get(vm->conn, vcpu, groups, &regs, err));
	status = lift(vm, release, status, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "registers of vCPU %u", vcpu);
	overlay_pending(vm, vcpu, &regs);
	size = ret->size < sizeof(regs) ? ret->size : sizeof(regs);
	regs.size = ret->size;
	memcpy(ret, &regs, size);
	return MVMI_OK;
}

static enum mvmi_status
check_writable(struct mvmi_vm *vm, const struct mvmi_regs *regs,
	       struct mvmi_error *err)
{
	mvmi_regset refused =
		mvmi_regset_minus(regs->dirty, vm->conn->writable_regs);

	if (vm->read_only)
		return fail(err, MVMI_ERR_DENIED, "the VM was opened to read");
	if (!vm->conn->vcpu_set)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "registers of this %s VM can't be written",
			    vm->conn->driver->name);
	for (unsigned reg = 0; reg < MVMI_REG_COUNT; reg++) {
		if (mvmi_regset_has(refused, (enum mvmi_reg)reg))
			return fail(err, MVMI_ERR_UNSUPPORTED,
				    "%s can't be written here",
				    mvmi_reg_name((enum mvmi_reg)reg));
	}
	return MVMI_OK;
}

enum mvmi_status
mvmi_vcpu_set_regs(struct mvmi_vm *vm, unsigned vcpu,
		   const struct mvmi_regs *regs, struct mvmi_error *err)
{
	enum mvmi_status status = check_writable(vm, regs, err);
	bool release = false;

	if (status != MVMI_OK || mvmi_regset_is_empty(regs->dirty))
		return status;
	status = settle_vcpu(vm, vcpu, &release, err);
	if (status != MVMI_OK)
		return status;
	vm_new_epoch(vm);
	if (is_pending(vm, vcpu)) {
		pending_set(vm->pending, regs);
		return MVMI_OK;
	}
	status = vm_settle(vm,
			   vm->conn->vcpu_set->set(vm->conn, vcpu, regs, err));
	status = lift(vm, release, status, err);
	return fail_context(err, status, "registers of vCPU %u", vcpu);
}
