/* SPDX-License-Identifier: MIT */
/* Permissions of frames, and views: the mock's second-level page tables. */
#include "drivers/mock/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define ACCESS_ALL (MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X)

bool mock_view_exists(const struct mock_vm *vm, uint32_t view)
{
	return view == 0 || (view < MOCK_VIEWS_MAX && vm->views[view]);
}

static struct mock_frame *
find_frame(const struct mock_vm *vm, uint32_t view, mvmi_gfn gfn)
{
	for (size_t i = 0; i < vm->frame_count; i++) {
		if (vm->frames[i].view == view &&
		    vm->frames[i].gfn.val == gfn.val)
			return &vm->frames[i];
	}
	return NULL;
}

uint32_t mock_view_access(const struct mock_vm *vm, uint32_t view, mvmi_gfn gfn)
{
	const struct mock_frame *frame = find_frame(vm, view, gfn);

	return frame ? frame->access : ACCESS_ALL;
}

mvmi_gpa
mock_view_translate(const struct mock_vm *vm, uint32_t view, mvmi_gpa gpa)
{
	const struct mock_frame *frame = find_frame(vm, view, mvmi_gfn_of(gpa));

	if (!frame)
		return gpa;
	return mvmi_gpa_at(frame->target.val * MVMI_PAGE_SIZE +
			   gpa.val % MVMI_PAGE_SIZE);
}

/** Forget a frame that is like every other again. */
static void drop_if_plain(struct mock_vm *vm, struct mock_frame *frame)
{
	if (frame->access == ACCESS_ALL && frame->target.val == frame->gfn.val)
		*frame = vm->frames[--vm->frame_count];
}

/** The frame, made if need be. NULL on failure; *ret_status says why. */
static struct mock_frame *
need_frame(struct mock_vm *vm, uint32_t view, mvmi_gfn gfn,
	   enum mvmi_status *ret_status, struct mvmi_error *err)
{
	struct mock_frame *frame = find_frame(vm, view, gfn);
	struct mock_frame *more;

	*ret_status = MVMI_OK;
	if (frame)
		return frame;
	if (!mock_view_exists(vm, view)) {
		*ret_status = fail(err, MVMI_ERR_INVALID, "there is no view %u",
				   view);
		return NULL;
	}
	if (gfn.val > UINT64_MAX / MVMI_PAGE_SIZE ||
	    !mock_memory_find(vm, mvmi_gpa_at(gfn.val * MVMI_PAGE_SIZE))) {
		*ret_status = fail_fault(err, gfn.val * MVMI_PAGE_SIZE);
		return NULL;
	}
	more = realloc(vm->frames, (vm->frame_count + 1) * sizeof(*more));
	if (!more) {
		*ret_status = fail(err, MVMI_ERR_NOMEM,
				   "no memory for a frame's permission");
		return NULL;
	}
	vm->frames = more;
	frame = &more[vm->frame_count++];
	*frame = (struct mock_frame){ view, ACCESS_ALL, gfn, gfn };
	return frame;
}

static bool is_used(const struct mock_vm *vm, uint32_t view)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpus[i].seen.view == view)
			return true;
	}
	return false;
}

static void drop_frames(struct mock_vm *vm, uint32_t view)
{
	for (size_t i = 0; i < vm->frame_count;) {
		if (vm->frames[i].view == view)
			vm->frames[i] = vm->frames[--vm->frame_count];
		else
			i++;
	}
}

void mock_view_drop_all(struct mock_vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vm->vcpus[i].seen.view = 0;
	memset(vm->views, 0, sizeof(vm->views));
	memset(vm->spares, 0, sizeof(vm->spares));
	vm->frame_count = 0;
}

/* ---- the tables -------------------------------------------------------- */

static enum mvmi_status
mock_access_set(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
		uint32_t access, struct mvmi_error *err)
{
	struct mock_frame *frame;
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (access > ACCESS_ALL)
		return fail(err, MVMI_ERR_INVALID, "access is r, w and x");
	if (vm->personality->forbidden_access >> access & 1)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s can't allow just %s%s%s on a frame",
			    vm->personality->name,
			    access & MVMI_ACCESS_R ? "r" : "-",
			    access & MVMI_ACCESS_W ? "w" : "-",
			    access & MVMI_ACCESS_X ? "x" : "-");
	frame = need_frame(vm, view, gfn, &status, err);
	if (!frame)
		return status;
	frame->access = access;
	drop_if_plain(vm, frame);
	return MVMI_OK;
}

static enum mvmi_status
mock_access_get(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn,
		uint32_t *ret, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (!mock_view_exists(vm, view))
		return fail(err, MVMI_ERR_INVALID, "there is no view %u", view);
	*ret = mock_view_access(vm, view, gfn);
	return MVMI_OK;
}

const struct mvmi_access_ops mock_access_ops = { mock_access_set,
						 mock_access_get };

static enum mvmi_hold_scope mock_scope(struct mvmi_conn *conn)
{
	struct mock_vm *vm = mock_vm_of(conn);
	enum mvmi_hold_scope scope = vm->personality->view_scope;

	mock_vm_unref(vm);
	return scope;
}

static enum mvmi_status
mock_create(struct mvmi_conn *conn, uint32_t *ret, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (uint32_t view = 1; view <= vm->personality->view_limit; view++) {
		if (!vm->views[view]) {
			vm->views[view] = true;
			*ret = view;
			return MVMI_OK;
		}
	}
	return fail(err, MVMI_ERR_LIMIT, "all %u views are used",
		    vm->personality->view_limit);
}

static enum mvmi_status
mock_destroy(struct mvmi_conn *conn, uint32_t view, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (view == 0 || !mock_view_exists(vm, view))
		return fail(err, MVMI_ERR_INVALID, "there is no view %u", view);
	if (is_used(vm, view))
		return fail(err, MVMI_ERR_BUSY, "a vCPU is in view %u", view);
	drop_frames(vm, view);
	vm->views[view] = false;
	return MVMI_OK;
}

static enum mvmi_status mock_switch_to(struct mvmi_conn *conn, unsigned vcpu,
				       uint32_t view, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (!mock_view_exists(vm, view))
		return fail(err, MVMI_ERR_INVALID, "there is no view %u", view);
	for (unsigned i = 0; i < vm->vcpu_count; i++) {
		if (i == vcpu || vm->personality->view_scope == MVMI_HOLDS_VM)
			vm->vcpus[i].seen.view = view;
	}
	return MVMI_OK;
}

static enum mvmi_status
mock_remap(struct mvmi_conn *conn, uint32_t view, mvmi_gfn gfn, mvmi_gfn target,
	   struct mvmi_error *err)
{
	struct mock_frame *frame;
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (view == 0)
		return fail(err, MVMI_ERR_INVALID,
			    "the ordinary view is not remapped");
	frame = need_frame(vm, view, gfn, &status, err);
	if (!frame)
		return status;
	frame->target = target;
	drop_if_plain(vm, frame);
	return MVMI_OK;
}

static enum mvmi_status
mock_frame_create(struct mvmi_conn *conn, mvmi_gfn *ret, struct mvmi_error *err)
{
	static const uint8_t zeros[MVMI_PAGE_SIZE];
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (unsigned i = 0; i < MOCK_SPARE_MAX; i++) {
		mvmi_gpa gpa =
			mvmi_gpa_at(MOCK_SPARE_START + i * MVMI_PAGE_SIZE);

		if (vm->spares[i])
			continue;
		vm->spares[i] = true;
		(void)mock_memory_poke(
			vm, gpa, (struct mvmi_bytes){ zeros, sizeof(zeros) });
		*ret = mvmi_gfn_of(gpa);
		return MVMI_OK;
	}
	return fail(err, MVMI_ERR_LIMIT, "all %d frames are used",
		    MOCK_SPARE_MAX);
}

static enum mvmi_status
mock_frame_destroy(struct mvmi_conn *conn, mvmi_gfn gfn, struct mvmi_error *err)
{
	mvmi_gpa gpa = mvmi_gpa_at(gfn.val * MVMI_PAGE_SIZE);
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter_controller(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (!mock_memory_has_spare(vm, gpa))
		return fail(err, MVMI_ERR_INVALID,
			    "frame 0x%" PRIx64 " is the guest's own", gfn.val);
	for (size_t i = 0; i < vm->frame_count; i++) {
		if (vm->frames[i].target.val == gfn.val)
			return fail(err, MVMI_ERR_BUSY,
				    "view %u is remapped to frame 0x%" PRIx64,
				    vm->frames[i].view, gfn.val);
	}
	vm->spares[(gpa.val - MOCK_SPARE_START) / MVMI_PAGE_SIZE] = false;
	return MVMI_OK;
}

const struct mvmi_view_ops mock_view_ops = {
	mock_scope, mock_create,       mock_destroy,	   mock_switch_to,
	mock_remap, mock_frame_create, mock_frame_destroy,
};
