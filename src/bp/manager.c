/* SPDX-License-Identifier: MIT */
/* What keeps the breakpoints of one VM, and undoes them. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "bp/bp.h"

static void manager_undo(struct mvmi_vm *vm)
{
	struct bp_manager *m = vm->bp;

	/* A call may fail once; what must not stay is tried again. */
	for (struct bp *bp = m->first; bp; bp = bp->next) {
		if (site_detach(m, bp, NULL) != MVMI_OK)
			site_forget(m, bp->site);
	}
	/* Nothing of them is in the guest: this does not fail. */
	while (m->first)
		(void)bp_end(m, m->first, NULL);
	cloak_end(m);
	manager_sweep(m);
}

static void manager_fini(struct mvmi_vm *vm)
{
	struct bp_manager *m = vm->bp;

	table_fini(&m->bps);
	table_fini(&m->sites);
	free(m);
	vm->bp = NULL;
	vm->patcher = NULL;
}

static const struct vm_patcher patcher = { manager_undo, step_owner,
					   step_resume, manager_fini };

struct bp_manager *manager_of(struct mvmi_vm *vm)
{
	if (!vm->bp) {
		vm->bp = calloc(1, sizeof(*vm->bp));
		if (!vm->bp)
			return NULL;
		vm->bp->vm = vm;
		vm->bp->incarnation = vm->incarnation;
		vm->patcher = &patcher;
	}
	return vm->bp;
}

void manager_unsubscribe(struct bp_manager *m, uint64_t *token)
{
	uint64_t old = *token;
	enum mvmi_status status = MVMI_OK;

	*token = 0;
	if (old)
		status = mvmi_event_unsubscribe(m->vm, old, NULL);
	(void)status;
}

/**
 * Nothing of an old incarnation is known to be left; what is, is taken out.
 * Breakpoints stay to be asked about, until they are removed.
 */
static void end_all(struct bp_manager *m)
{
	for (struct bp *bp = m->first; bp; bp = bp->next) {
		if (bp->site)
			site_forget(m, bp->site);
		bp->state = MVMI_BP_ENDED;
		bp_track(m, bp, false);
	}
	cloak_end(m);
}

void manager_begin(struct bp_manager *m)
{
	if (m->incarnation == m->vm->incarnation)
		return;
	m->incarnation = m->vm->incarnation;
	m->anew = m->first != NULL;
	end_all(m);
}

void manager_sweep(struct bp_manager *m)
{
	if (m->depth)
		return;
	while (m->dead) {
		struct bp *bp = m->dead;

		m->dead = bp->next;
		free(bp);
	}
	site_sweep(m);
	/* Without pages to hide, vCPUs need no view of their own. */
	if (m->cloak.view && !m->cloak.pages.count)
		cloak_end(m);
}

/* ---- what callers call ------------------------------------------------- */

enum mvmi_status
mvmi_bp_set_guest(struct mvmi_vm *vm, const struct mvmi_bp_guest *guest,
		  struct mvmi_error *err)
{
	struct bp_manager *m = manager_of(vm);

	if (!m)
		return fail(err, MVMI_ERR_NOMEM, "no memory for breakpoints");
	if (m->guest_users)
		return fail(err, MVMI_ERR_BUSY,
			    "%zu breakpoints need the one before",
			    m->guest_users);
	memset(&m->guest, 0, sizeof(m->guest));
	if (guest) {
		memcpy(&m->guest, guest, MIN(guest->size, sizeof(m->guest)));
		m->guest.size = sizeof(m->guest);
	}
	return MVMI_OK;
}

enum mvmi_status mvmi_bp_rearm(struct mvmi_vm *vm, struct mvmi_error *err)
{
	struct bp_manager *m = vm->bp;
	enum mvmi_status status = vm_poll(vm, err);

	if (status != MVMI_OK || !m)
		return status;
	manager_begin(m);
	if (m->anew) {
		m->anew = false;
		return fail(err, MVMI_ERR_STALE,
			    "the VM began anew; its breakpoints ended");
	}
	if (m->cloak.view)
		status = cloak_enter(m, err);
	if (status == MVMI_OK)
		status = bp_follow_all(m, NULL, err);
	manager_sweep(m);
	return status;
}

void mvmi_bp_hide(struct mvmi_vm *vm, mvmi_gpa gpa, struct mvmi_span bytes)
{
	const struct bp_manager *m = vm->bp;

	if (!m || !m->int3_users)
		return;
	for (size_t i = 0; i < bytes.len; i++) {
		const struct bp_site *site;

		if (bytes.ptr[i] != OPCODE_INT3)
			continue;
		site = site_find_patch(m, mvmi_gpa_at(gpa.val + i));
		if (site && site->means == MVMI_BP_INT3)
			bytes.ptr[i] = site->original;
	}
}
