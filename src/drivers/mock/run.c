/* SPDX-License-Identifier: MIT */
/* The mock's run state: what may hold a vCPU, and how it is lifted. */
#include "drivers/mock/state.h"

#include "base/error.h"

static bool any_pending(const struct mock_vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i].pending.raised &&
		    vm->vcpus[i].pending.holds_vm)
			return true;
	}
	return false;
}

bool mock_vcpu_is_held(const struct mock_vm *vm, unsigned vcpu)
{
	return vm->held || vm->stopped || vm->vcpus[vcpu].pending.raised ||
	       any_pending(vm);
}

static enum mvmi_status
mock_hold(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	mock_run(vm);
	vm->held = true;
	return MVMI_OK;
}

static enum mvmi_status
mock_release(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	vm->held = false;
	vm->quiesced = false;
	return MVMI_OK;
}

static enum mvmi_status
mock_stop_op(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status == MVMI_OK)
		mock_stop(vm);
	return status;
}

static enum mvmi_status
mock_start_op(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status == MVMI_OK)
		mock_start(vm);
	return status;
}

static enum mvmi_status
mock_state(struct mvmi_conn *conn, enum mvmi_run_state *ret,
	   struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status == MVMI_OK)
		*ret = vm->stopped ? MVMI_RUN_STATE_STOPPED
				   : MVMI_RUN_STATE_RUNNING;
	return status;
}

const struct mvmi_run_ops mock_run_ops = { mock_hold, mock_release,
					   mock_stop_op, mock_start_op,
					   mock_state };

static enum mvmi_status
mock_quiesce(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status == MVMI_OK)
		vm->quiesced = true;
	return status;
}

const struct mvmi_quiesce_ops mock_quiesce_ops = { mock_quiesce };

/* ---- what others do ---------------------------------------------------- */

void mock_stop(struct mock_vm *vm)
{
	vm->stopped = true;
}

void mock_start(struct mock_vm *vm)
{
	vm->stopped = false;
}

bool mock_is_stopped(const struct mock_vm *vm)
{
	return vm->stopped;
}
