/* SPDX-License-Identifier: MIT */
/* Opening and closing the mock, and how its VM ends. */
#include "drivers/mock/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/registry.h"

#define MOCK_RAM_DEFAULT (UINT64_C(64) << 20)
/* Half of RAM lies below the ROM. */
#define MOCK_RAM_MAX (2 * MOCK_ROM_START)
/* CONTRACT: every operation says GONE within a second of the VM's end. */
#define MOCK_LATE_MAX_MS 1000

static const char *const mock_option_keys[] = { "vcpus", "ram", "private",
						NULL };

/** The options of a target, as numbers; first set to the defaults. */
struct config {
	uint64_t vcpus;
	uint64_t ram;
	uint64_t private_gpa;
};

static enum mvmi_status parse_number(const struct mvmi_target_option *option,
				     uint64_t *ret, struct mvmi_error *err)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(option->value, &end, 0);
	if (errno || *end || end == option->value || *option->value == '-')
		return fail(err, MVMI_ERR_INVALID, "%s=%s is not a number",
			    option->key, option->value);
	*ret = value;
	return MVMI_OK;
}

static enum mvmi_status parse_config(const struct mvmi_open_args *args,
				     struct config *ret, struct mvmi_error *err)
{
	struct config config = *ret;
	enum mvmi_status status = MVMI_OK;

	for (size_t i = 0; status == MVMI_OK && i < args->option_count; i++) {
		const struct mvmi_target_option *option = &args->options[i];

		if (strcmp(option->key, "vcpus") == 0)
			status = parse_number(option, &config.vcpus, err);
		else if (strcmp(option->key, "ram") == 0)
			status = parse_number(option, &config.ram, err);
		else
			status = parse_number(option, &config.private_gpa, err);
	}
	if (status != MVMI_OK)
		return status;
	if (config.vcpus < 1 || config.vcpus > MOCK_VCPUS_MAX)
		return fail(err, MVMI_ERR_INVALID, "vcpus is 1 to %d",
			    MOCK_VCPUS_MAX);
	if (config.ram < 2 * MVMI_PAGE_SIZE || config.ram > MOCK_RAM_MAX ||
	    config.ram % MVMI_PAGE_SIZE)
		return fail(err, MVMI_ERR_INVALID,
			    "ram is whole pages, from 8 KiB to below 8 GiB");
	if (config.private_gpa != UINT64_MAX &&
	    config.private_gpa % MVMI_PAGE_SIZE)
		return fail(err, MVMI_ERR_INVALID,
			    "private is the start of a page");
	*ret = config;
	return MVMI_OK;
}

/* ---- the guest --------------------------------------------------------- */

void mock_vm_unref(struct mock_vm *vm)
{
	if (!vm || --vm->refs)
		return;
	if (vm->has_waitable)
		(void)close(vm->waitable);
	mock_snapshot_fini(vm);
	mock_memory_fini(vm);
	free(vm->frames);
	free(vm->vcpus);
	free(vm);
}

struct mock_vm *mock_vm_of(struct mvmi_conn *conn)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;

	vm->refs++;
	return vm;
}

/** NULL on failure; *ret_status says why. */
static struct mock_vm *
vm_create(const struct mock_personality *personality,
	  const struct config *config, enum mvmi_status *ret_status,
	  struct mvmi_error *err)
{
	struct mock_vm *vm = calloc(1, sizeof(*vm));

	if (!vm) {
		*ret_status =
			fail(err, MVMI_ERR_NOMEM, "no memory for a mock VM");
		return NULL;
	}
	vm->refs = 1;
	vm->personality = personality;
	vm->incarnation = 1;
	vm->deadline_ms = MVMI_HOLD_DEADLINE_DEFAULT_MS;
	vm->vcpu_count = (unsigned)config->vcpus;
	vm->vcpus = calloc(vm->vcpu_count, sizeof(*vm->vcpus));
	if (vm->vcpus)
		*ret_status = mock_memory_init(vm, config->ram,
					       config->private_gpa, err);
	else
		*ret_status = fail(err, MVMI_ERR_NOMEM, "no memory for vCPUs");
	if (*ret_status != MVMI_OK) {
		mock_vm_unref(vm);
		return NULL;
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		mock_vcpu_reset(&vm->vcpus[i]);
	return vm;
}

/* ---- its end ----------------------------------------------------------- */

void mock_kill(struct mock_vm *vm)
{
	vm->dead = true;
	vm->killed_ms = vm->now_ms;
	vm->dead_call_left = vm->personality->death == MOCK_DEATH_ONE_CALL_LATE;
	vm->dead_known = vm->personality->death == MOCK_DEATH_AT_ONCE;
	mock_event_signal(vm);
}

/** Whether an operation still succeeds although the VM has ended. */
static bool passes_for_alive(struct mock_vm *vm)
{
	bool late = vm->now_ms - vm->killed_ms >= MOCK_LATE_MAX_MS;

	if (vm->dead_known || late)
		return false;
	if (vm->personality->death == MOCK_DEATH_AT_NEXT)
		return true;
	if (!vm->dead_call_left)
		return false;
	vm->dead_call_left = false;
	return true;
}

enum mvmi_status mock_enter_memory(struct mvmi_conn *conn, struct mock_vm **ret,
				   struct mvmi_error *err)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;

	if (vm->dead && !passes_for_alive(vm)) {
		vm->dead_known = true;
		return fail(err, MVMI_ERR_GONE, "the mock VM has ended");
	}
	conn->incarnation = vm->incarnation;
	*ret = vm;
	return MVMI_OK;
}

enum mvmi_status
mock_enter(struct mvmi_conn *conn, struct mock_vm **ret, struct mvmi_error *err)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;
	enum mvmi_status status = mock_enter_memory(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (vm->far_gone)
		return fail(err, MVMI_ERR_SYSTEM,
			    "the far side is gone while the VM lives; open it "
			    "again");
	*ret = vm;
	return MVMI_OK;
}

enum mvmi_status
mock_enter_controller(struct mvmi_conn *conn, struct mock_vm **ret,
		      struct mvmi_error *err)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (vm->controller)
		return fail(err, MVMI_ERR_BUSY,
			    "process %lld controls this VM already",
			    (long long)vm->controller);
	*ret = vm;
	return MVMI_OK;
}

/* ---- what happens to it ------------------------------------------------ */

void mock_reset(struct mock_vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		mock_vcpu_reset(&vm->vcpus[i]);
	mock_view_drop_all(vm);
	vm->incarnation++;
	mock_event_note(vm, MVMI_EVENT_RESET);
	mock_event_signal(vm);
}

void mock_advance(struct mock_vm *vm, uint32_t ms)
{
	vm->now_ms += ms;
	mock_event_expire(vm);
}

void mock_set_controller(struct mock_vm *vm, int64_t pid)
{
	vm->controller = pid;
}

void mock_drop_far_side(struct mock_vm *vm)
{
	mock_detach(vm);
	vm->far_gone = true;
	mock_event_signal(vm);
}

void mock_detach(struct mock_vm *vm)
{
	memset(vm->subscriptions, 0, sizeof(vm->subscriptions));
	mock_event_continue_all(vm);
	mock_view_drop_all(vm);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		vm->vcpus[i].step_due = false;
		vm->vcpus[i].ring_count = 0;
	}
	vm->note_count = 0;
	vm->held = false;
	vm->quiesced = false;
}

bool mock_is_untouched(const struct mock_vm *vm)
{
	for (size_t i = 0; i < ARRAY_LEN(vm->subscriptions); i++) {
		if (vm->subscriptions[i].id)
			return false;
	}
	for (uint32_t i = 0; i < MOCK_VIEWS_MAX; i++) {
		if (vm->views[i])
			return false;
	}
	for (unsigned i = 0; i < MOCK_SPARE_MAX; i++) {
		if (vm->spares[i])
			return false;
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i].pending.raised || vm->vcpus[i].seen.view ||
		    vm->vcpus[i].step_due)
			return false;
	}
	return !vm->held && !vm->quiesced && vm->frame_count == 0;
}

/* ---- the connection ---------------------------------------------------- */

/** A table if this personality has it. */
#define TABLE(cap, ops) ((tables & MVMI_CAP_##cap) ? &(ops) : NULL)

static void conn_init(struct mock_conn *mock, struct mock_vm *vm)
{
	uint32_t tables = vm->personality->tables;

	mock->vm = vm;
	mock->base = (struct mvmi_conn){
		.driver = &mock_driver,
		.mem = &mock_mem_ops,
		.write = TABLE(WRITE, mock_write_ops),
		.map = TABLE(MAP, mock_map_ops),
		.vcpu = TABLE(REGS, mock_vcpu_ops),
		.vcpu_set = TABLE(SET_REGS, mock_vcpu_set_ops),
		.run = TABLE(RUN, mock_run_ops),
		.quiesce = TABLE(QUIESCE, mock_quiesce_ops),
		.event = TABLE(EVENT, mock_event_ops),
		.access = TABLE(ACCESS, mock_access_ops),
		.view = TABLE(VIEW, mock_view_ops),
		.inject = TABLE(INJECT, mock_inject_ops),
		.snapshot = TABLE(SNAPSHOT, mock_snapshot_ops),
		.readable_regs = { { vm->personality->readable } },
		.writable_regs = { { vm->personality->writable } },
		.incarnation = vm->incarnation,
	};
	for (size_t i = 0; i < vm->region_count; i++) {
		if (vm->regions[i].info.kind == MVMI_REGION_PRIVATE)
			mock->base.traits |= MVMI_TRAIT_ENCRYPTED;
	}
}

static enum mvmi_status
mock_open(const struct mvmi_open_args *args, struct mvmi_conn **ret,
	  struct mvmi_error *err)
{
	const struct mock_personality *personality =
		mock_personality_find(args->where);
	struct config config = { 1, MOCK_RAM_DEFAULT, UINT64_MAX };
	struct mock_conn *mock;
	struct mock_vm *vm;
	enum mvmi_status status = parse_config(args, &config, err);

	if (status != MVMI_OK)
		return status;
	if (!personality)
		return fail(err, MVMI_ERR_INVALID,
			    "the mock has no personality \"%s\"; there are: "
			    "xen, kvm, tcg, gdbstub",
			    args->where);
	mock = calloc(1, sizeof(*mock));
	if (!mock)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a connection");
	vm = vm_create(personality, &config, &status, err);
	if (!vm) {
		free(mock);
		return status;
	}
	conn_init(mock, vm);
	*ret = &mock->base;
	return MVMI_OK;
}

static void mock_close(struct mvmi_conn *conn)
{
	struct mock_conn *mock = container_of(conn, struct mock_conn, base);

	mock_detach(mock->vm);
	mock_vm_unref(mock->vm);
	free(mock);
}

static enum mvmi_status
mock_info(struct mvmi_conn *conn, struct mvmi_vm_info *info,
	  struct mvmi_error *err)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	(void)snprintf(info->name, sizeof(info->name), "mock-%s",
		       vm->personality->name);
	(void)snprintf(info->hypervisor, sizeof(info->hypervisor), "%s",
		       vm->personality->hypervisor);
	(void)snprintf(info->memory_path, sizeof(info->memory_path), "%s",
		       conn->map ? "map of memfd" : "copies");
	info->state =
		vm->stopped ? MVMI_RUN_STATE_STOPPED : MVMI_RUN_STATE_RUNNING;
	return MVMI_OK;
}

static enum mvmi_status
mock_poll(struct mvmi_conn *conn, struct mvmi_error *err)
{
	struct mock_vm *vm = container_of(conn, struct mock_conn, base)->vm;

	/* Asking is how the end of a VM is found, whatever the personality. */
	vm->dead_known = vm->dead;
	return mock_enter_memory(conn, &vm, err);
}

const struct mvmi_driver mock_driver = {
	.abi = MVMI_DRIVER_ABI,
	.name = "mock",
	.option_keys = mock_option_keys,
	.open = mock_open,
	.close = mock_close,
	.info = mock_info,
	.poll = mock_poll,
};
