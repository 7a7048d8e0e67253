/* SPDX-License-Identifier: MIT */
/*
 * Recordings: whatever the file says, each call ends with an error that has a
 * message, or with results that keep the driver's promises.
 *
 * The corpus was recorded from the same calls on the mock, so that a replay
 * gets past the comparison of inputs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_exercise(struct mvmi_vm *vm);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/** A failure has a status and words. */
static bool is_ok(enum mvmi_status status, const struct mvmi_error *err)
{
	require(status == MVMI_OK || (err->status == status && err->msg[0]));
	return status == MVMI_OK;
}

static void exercise_memory(struct mvmi_vm *vm)
{
	static uint8_t bytes[3][5000];
	struct mvmi_mem_op ops[] = {
		{ .gpa = { 0xff0 }, .dst = { bytes[0], 5000 } },
		{ .gpa = { 0xfffc0000 }, .dst = { bytes[1], 8 } },
		{ .gpa = { 0xfffff000 }, .dst = { bytes[2], 32 } },
	};
	static uint8_t word[8] = { 1, 2, 3 };
	struct mvmi_region regions[4];
	struct mvmi_extent extent;
	struct mvmi_error err;
	size_t count;

	if (is_ok(mvmi_mem_regions(vm, regions, 4, &count, &err), &err)) {
		for (size_t i = 0; i < count && i < 4; i++)
			require(memchr(regions[i].name, '\0',
				       sizeof(regions[i].name)) != NULL);
	}
	if (is_ok(mvmi_mem_extent(vm, mvmi_gpa_at(0x1000), &extent, &err),
		  &err))
		require(extent.len && extent.start.val == 0x1000);
	(void)is_ok(mvmi_mem_write(vm, mvmi_gpa_at(0x1000),
				   (struct mvmi_bytes){ word, sizeof(word) },
				   MVMI_WRITE_DATA_ONLY, &err),
		    &err);
	if (!is_ok(mvmi_mem_readv(vm, ops, 3, &err), &err))
		return;
	for (size_t i = 0; i < 3; i++)
		require((ops[i].status == MVMI_OK) ==
			(ops[i].done == ops[i].dst.len));
}

static void exercise_vcpu(struct mvmi_vm *vm)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_vm_info info = { .size = sizeof(info) };
	struct mvmi_error err;

	(void)is_ok(mvmi_vcpu_get_regs(vm, 0, MVMI_REGS_ALL, &regs, &err),
		    &err);
	regs = mvmi_regs_empty();
	regs.x86.gpr[MVMI_REG_RBX] = 5;
	mvmi_regset_add(&regs.dirty, MVMI_REG_RBX);
	(void)is_ok(mvmi_vcpu_set_regs(vm, 0, &regs, &err), &err);
	if (is_ok(mvmi_vm_get_info(vm, &info, &err), &err))
		require(memchr(info.note, '\0', sizeof(info.note)) != NULL);
	(void)is_ok(mvmi_vm_stop(vm, &err), &err);
	(void)is_ok(mvmi_vm_start(vm, &err), &err);
}

static void on_event(struct mvmi_vm *vm, const struct mvmi_event *event,
		     struct mvmi_reply *reply, void *arg)
{
	(void)vm;
	(void)arg;
	require(mvmi_event_kind_name(event->kind) != NULL);
	reply->regs.x86.gpr[MVMI_REG_RCX] = 1;
	mvmi_regset_add(&reply->regs.dirty, MVMI_REG_RCX);
}

static void exercise_events(struct mvmi_vm *vm)
{
	static const enum mvmi_event_kind kinds[] = { MVMI_EVENT_CR3_WRITE,
						      MVMI_EVENT_GONE };
	struct mvmi_error err;
	uint64_t token;

	for (size_t i = 0; i < 2; i++) {
		const struct mvmi_subscription what = {
			.size = sizeof(what),
			.kind = kinds[i],
			.groups = MVMI_REGS_GENERAL | MVMI_REGS_SEGMENT,
		};

		(void)is_ok(mvmi_event_subscribe(vm, &what, on_event, NULL,
						 &token, &err),
			    &err);
	}
	for (size_t i = 0; i < 4; i++)
		(void)is_ok(mvmi_vm_dispatch(vm, 0, &err), &err);
}

/** What no other layer calls yet. */
static void exercise_rest(struct mvmi_conn *conn)
{
	const struct mvmi_injection nmi = { .kind = MVMI_INJECT_NMI };
	struct mvmi_error err;
	mvmi_gfn gfns[4];
	uint32_t id = 1;
	size_t count;

	if (conn->access) {
		(void)is_ok(conn->access->set(conn, 0, mvmi_gfn_at(3),
					      MVMI_ACCESS_R, &err),
			    &err);
		(void)is_ok(
			conn->access->get(conn, 0, mvmi_gfn_at(3), &id, &err),
			&err);
	}
	if (conn->view) {
		require(conn->view->scope(conn) <= MVMI_HOLDS_VM);
		(void)is_ok(conn->view->create(conn, &id, &err), &err);
	}
	if (conn->inject)
		(void)is_ok(conn->inject->inject(conn, 0, &nmi, &err), &err);
	if (conn->snapshot) {
		(void)is_ok(conn->snapshot->take(conn, &id, &err), &err);
		(void)is_ok(
			conn->snapshot->dirty(conn, 0, gfns, 4, &count, &err),
			&err);
	}
}

/** The calls that the corpus was recorded from. */
void fuzz_exercise(struct mvmi_vm *vm)
{
	exercise_memory(vm);
	exercise_vcpu(vm);
	exercise_rest(vm->conn);
	exercise_events(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char target[64];
	struct mvmi_vm *vm;
	struct mvmi_error err;

	if (fd < 0)
		fd = memfd_create("recording", MFD_CLOEXEC);
	require(fd >= 0 && ftruncate(fd, 0) == 0);
	require(pwrite(fd, data, size, 0) == (ssize_t)size);
	(void)snprintf(target, sizeof(target), "replay:/proc/self/fd/%d", fd);
	if (!is_ok(mvmi_vm_open(target, NULL, &vm, &err), &err))
		return 0;
	fuzz_exercise(vm);
	mvmi_vm_close(vm);
	return 0;
}
