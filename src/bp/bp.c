/* SPDX-License-Identifier: MIT */
/* The life of a breakpoint. */
#include "bp/bp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

static struct bp *find(const struct bp_manager *m, uint64_t id)
{
	struct table_node *node = m ? table_find(&m->bps, id) : NULL;

	return node ? container_of(node, struct bp, node) : NULL;
}

/* ---- one breakpoint ---------------------------------------------------- */

/** Whether its page may become another without our doing. */
static bool moves(const struct bp *bp)
{
	bool by_page = !bp->site || bp->site->by_gpa;
	bool kernel =
		(!bp->space || bp->what.every_space) && bp->what.gva.val >> 63;

	if (bp->what.physical || bp->state == MVMI_BP_ENDED || !by_page)
		return false;
	/* What a kernel maps for itself stays where it is. */
	return bp->state == MVMI_BP_WAITING || !kernel;
}

/** Without such events, or while they fail, mvmi_bp_rearm() is left. */
static void watch_cr3(struct bp_manager *m)
{
	const struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_CR3_WRITE,
	};
	enum mvmi_status status = MVMI_OK;

	if (!m->tracked)
		manager_unsubscribe(m, &m->cr3_token);
	else if (!m->cr3_token)
		status = mvmi_event_subscribe(m->vm, &what, bp_on_cr3, m,
					      &m->cr3_token, NULL);
	(void)status;
}

void bp_track(struct bp_manager *m, struct bp *bp, bool track)
{
	track = track && moves(bp);
	if (track == bp->tracked)
		return;
	bp->tracked = track;
	m->tracked += track ? 1 : (size_t)-1;
	watch_cr3(m);
}

bool bp_link(struct bp_manager *m, struct bp *bp)
{
	bp->node.key = ++m->last_id;
	bp->walk = m->walk;
	if (!table_insert(&m->bps, &bp->node)) {
		bp->node.key = 0;
		return false;
	}
	bp->prev = m->last;
	if (m->last)
		m->last->next = bp;
	else
		m->first = bp;
	m->last = bp;
	return true;
}

static void unlink_bp(struct bp_manager *m, struct bp *bp)
{
	table_remove(&m->bps, &bp->node);
	if (bp->prev)
		bp->prev->next = bp->next;
	else
		m->first = bp->next;
	if (bp->next)
		bp->next->prev = bp->prev;
	else
		m->last = bp->prev;
}

static void leave_parent(struct bp *bp)
{
	struct bp **at = &bp->parent->first_return;

	while (*at != bp)
		at = &(*at)->next_return;
	*at = bp->next_return;
	bp->parent->returns_waiting--;
}

static bool needs_guest(const struct bp *bp)
{
	return bp->what.process || bp->what.thread;
}

static enum mvmi_status
end_one(struct bp_manager *m, struct bp *bp, struct mvmi_error *err)
{
	enum mvmi_status status = site_detach(m, bp, err);

	if (status != MVMI_OK)
		return status;
	bp_track(m, bp, false);
	if (bp->parent)
		leave_parent(bp);
	if (bp->node.key) {
		unlink_bp(m, bp);
		m->guest_users -= needs_guest(bp);
	}
	bp_space_unref(m, bp->space);
	bp->space = NULL;
	bp->state = MVMI_BP_ENDED;
	bp->dead = true;
	bp->next = m->dead;
	m->dead = bp;
	return MVMI_OK;
}

enum mvmi_status
bp_end(struct bp_manager *m, struct bp *bp, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;

	while (status == MVMI_OK && bp->first_return)
		status = end_one(m, bp->first_return, err);
	if (status == MVMI_OK)
		status = end_one(m, bp, err);
	return status;
}

/* ---- what callers call ------------------------------------------------- */

/** The CR3 to stop under, where the caller left it to us. */
static struct mvmi_match cr3_of(const struct mvmi_bp_options *what)
{
	struct mvmi_match none = { 0 };
	const struct mvmi_space_params *params;

	if (what->cr3.mask)
		return (struct mvmi_match){ what->cr3.value & what->cr3.mask,
					    what->cr3.mask };
	if (!what->space || what->every_space)
		return none;
	params = mvmi_space_get_params(what->space);
	if (params->paging == MVMI_PAGING_NONE)
		return none;
	return (struct mvmi_match){ params->root & MVMI_BP_CR3_MASK,
				    MVMI_BP_CR3_MASK };
}

static enum mvmi_status
make(struct bp_manager *m, const struct mvmi_bp_options *options,
     struct bp **ret, struct mvmi_error *err)
{
	struct bp *bp = calloc(1, sizeof(*bp));

	if (!bp)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a breakpoint");
	assert(options->size >= sizeof(size_t));
	memcpy(&bp->what, options, MIN(options->size, sizeof(bp->what)));
	bp->cr3 = cr3_of(&bp->what);
	if (bp->what.space && !bp->what.physical) {
		bp->space = bp_space_ref(
			m, mvmi_space_get_params(bp->what.space), err);
		if (!bp->space) {
			free(bp);
			return MVMI_ERR_NOMEM;
		}
	}
	bp->what.space =
		NULL; /* The caller's, and not to be looked at again. */
	*ret = bp;
	return MVMI_OK;
}

/** No paging mode has it, five levels (57 bits) included; no bus has it. */
static bool is_impossible(const struct mvmi_bp_options *what)
{
	if (what->physical)
		return what->gpa.val >> 52;
	return what->gva.val >> 56 && what->gva.val >> 56 != 0xff;
}

static enum mvmi_status
check_add(const struct bp_manager *m, const struct mvmi_vm *vm,
	  const struct bp *bp, struct mvmi_error *err)
{
	if (vm->read_only)
		return fail(err, MVMI_ERR_DENIED, "the VM was opened to read");
	if (is_impossible(&bp->what))
		return fail(err, MVMI_ERR_INVALID,
			    "0x%" PRIx64 " is no possible address",
			    bp->what.physical ? bp->what.gpa.val
					      : bp->what.gva.val);
	if (needs_guest(bp) && (!m->guest.size || !m->guest.current))
		return fail(err, MVMI_ERR_INVALID,
			    "nobody here knows the guest's processes: "
			    "mvmi_bp_set_guest() comes first");
	return MVMI_OK;
}

enum mvmi_status
mvmi_bp_add(struct mvmi_vm *vm, const struct mvmi_bp_options *options,
	    mvmi_bp_fn fn, void *arg, uint64_t *ret, struct mvmi_error *err)
{
	struct bp_manager *m = manager_of(vm);
	struct bp *bp = NULL;
	enum mvmi_status status;

	if (!m)
		return fail(err, MVMI_ERR_NOMEM, "no memory for breakpoints");
	status = vm_poll(vm, err);
	if (status != MVMI_OK)
		return status;
	manager_begin(m);
	status = make(m, options, &bp, err);
	if (status != MVMI_OK)
		return status;
	bp->fn = fn;
	bp->arg = arg;
	status = check_add(m, vm, bp, err);
	if (status == MVMI_OK && !bp_link(m, bp))
		status =
			fail(err, MVMI_ERR_NOMEM, "no memory for a breakpoint");
	if (status == MVMI_OK) {
		m->guest_users += needs_guest(bp);
		status = bp_place(m, bp, err);
	}
	if (status == MVMI_OK)
		*ret = bp->node.key;
	else
		(void)bp_end(m, bp,
			     NULL); /* It has no site: this is freeing. */
	manager_sweep(m);
	return status;
}

enum mvmi_status
mvmi_bp_remove(struct mvmi_vm *vm, uint64_t id, struct mvmi_error *err)
{
	struct bp_manager *m = vm->bp;
	struct bp *bp;
	enum mvmi_status status;

	if (m)
		manager_begin(m);
	bp = find(m, id);
	if (!bp || bp->parent)
		return fail(err, MVMI_ERR_INVALID,
			    "there is no breakpoint %" PRIu64, id);
	status = bp_end(m, bp, err);
	manager_sweep(m);
	return fail_context(err, status,
			    "breakpoint %" PRIu64 " can't be taken out", id);
}

enum mvmi_status mvmi_bp_get(struct mvmi_vm *vm, uint64_t id,
			     struct mvmi_bp_info *ret, struct mvmi_error *err)
{
	struct mvmi_bp_info info = { .size = ret->size };
	struct bp_manager *m = vm->bp;
	const struct bp *bp;

	if (m)
		manager_begin(m);
	bp = find(m, id);
	if (!bp || bp->parent)
		return fail(err, MVMI_ERR_INVALID,
			    "there is no breakpoint %" PRIu64, id);
	info.state = bp->state;
	info.gva = bp->what.gva;
	if (bp->site) {
		info.means = bp->site->means;
		if (bp->site->by_gpa)
			info.gpa = mvmi_gpa_at(bp->site->node.key);
	}
	info.hits = bp->hits;
	info.returns = bp->returns;
	info.returns_lost = bp->returns_lost;
	info.moves = bp->moves;
	memcpy(info.refused, bp->refused, sizeof(info.refused));
	memcpy(ret, &info, MIN(ret->size, sizeof(info)));
	return MVMI_OK;
}

enum mvmi_status mvmi_bp_end_process(struct mvmi_vm *vm, uint64_t process,
				     struct mvmi_error *err)
{
	struct bp_manager *m = vm->bp;
	enum mvmi_status status = MVMI_OK;

	if (!process)
		return fail(err, MVMI_ERR_INVALID, "0 names no process");
	if (!m)
		return MVMI_OK;
	manager_begin(m);
	for (struct bp *bp = m->first; bp && status == MVMI_OK; bp = bp->next) {
		if (bp->parent || bp->what.process != process)
			continue;
		while (bp->first_return && status == MVMI_OK)
			status = bp_end(m, bp->first_return, err);
		if (status == MVMI_OK)
			status = site_detach(m, bp, err);
		if (status == MVMI_OK) {
			bp->state = MVMI_BP_ENDED;
			bp_track(m, bp, false);
		}
	}
	manager_sweep(m);
	return status;
}
