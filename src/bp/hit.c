/* SPDX-License-Identifier: MIT */
/* A vCPU came to a site: whose breakpoint is that, and what do they say? */
#include "base/error.h"
#include "base/util.h"
#include "bp/bp.h"

enum mvmi_status hit_regs(struct mvmi_vm *vm, const struct mvmi_event *event,
			  struct mvmi_regs *store, const struct mvmi_regs **ret,
			  struct mvmi_error *err)
{
	enum mvmi_status status;

	if (event->regs && mvmi_regset_has(event->regs->valid, MVMI_REG_RIP) &&
	    mvmi_regset_has(event->regs->valid, MVMI_REG_CR3) &&
	    mvmi_regset_has(event->regs->valid, MVMI_REG_CS)) {
		*ret = event->regs;
		return MVMI_OK;
	}
	if (!vm->conn->vcpu ||
	    event->id.vcpu >= vm->conn->vcpu->count(vm->conn))
		return fail(err, MVMI_ERR_UNSUPPORTED, "no registers");
	*store = mvmi_regs_empty();
	status = vm_settle(vm, vm->conn->vcpu->get(vm->conn, event->id.vcpu,
						   HIT_GROUPS, store, err));
	if (status == MVMI_OK)
		*ret = store;
	return status;
}

/** One passage, and what was found out of it so far. */
struct passage {
	struct bp_manager *m;
	struct bp_site *site;
	struct mvmi_bp_hit hit; /**< but for the members of one breakpoint */
	bool asked;		/**< the guest table was, for process, thread */
};

/** Ask the guest table once a passage. @return Whether it could tell. */
static bool know_thread(struct passage *p)
{
	struct bp_manager *m = p->m;

	if (!p->asked && m->guest.size && m->guest.current) {
		struct mvmi_bp_current now = { 0 };

		if (m->guest.current(m->vm, p->hit.event->id.vcpu, p->hit.regs,
				     &now, m->guest.arg, NULL) == MVMI_OK) {
			p->hit.process = now.process;
			p->hit.thread = now.thread;
		}
	}
	p->asked = true;
	return p->hit.process != 0;
}

static bool passes_vcpu(const struct bp *bp, const struct mvmi_event *event)
{
	return !bp->what.vcpus ||
	       (bp->what.vcpus >> MIN(event->id.vcpu, 63U) & 1);
}

static bool passes_cr3(const struct bp *bp, const struct mvmi_regs *regs)
{
	return mvmi_match_accepts(bp->cr3, regs->x86.cr3);
}

/** Whether a passage is one of this breakpoint, by all but the condition. */
static bool is_hit(struct passage *p, const struct bp *bp)
{
	/* The page may be mapped elsewhere, too. */
	if (!bp->what.physical && p->hit.gva.val != bp->what.gva.val)
		return false;
	if (!passes_vcpu(bp, p->hit.event) || !passes_cr3(bp, p->hit.regs))
		return false;
	if (!bp->what.process && !bp->what.thread)
		return true;
	return know_thread(p) &&
	       (!bp->what.process || bp->what.process == p->hit.process) &&
	       (!bp->what.thread || bp->what.thread == p->hit.thread);
}

/**
 * The one hit is the last: take it away, but for the return that it still
 * waits for.
 */
static void spend(struct bp_manager *m, struct bp *bp)
{
	bp->spent = true;
	if (!bp->what.on_return)
		(void)bp_end(m, bp, NULL);
	else if (site_detach(m, bp, NULL) == MVMI_OK)
		bp->state = MVMI_BP_ENDED;
}

static void
call_back(struct passage *p, struct bp *bp, struct mvmi_reply *reply)
{
	struct mvmi_bp_hit hit = p->hit;

	if (bp->spent) {
		/* It could not be taken out when it should have been. */
		spend(p->m, bp);
		return;
	}
	hit.bp = bp->node.key;
	hit.count = bp->hits + 1;
	if (bp->what.condition && !bp->what.condition(p->m->vm, &hit, bp->arg))
		return;
	bp->hits++;
	if (bp->dead || bp->hits <= bp->what.ignore_count)
		return;
	if (bp->what.one_shot)
		spend(p->m, bp);
	bp->fn(p->m->vm, &hit, reply, bp->arg);
	if (bp->what.on_return && !bp->dead)
		return_expect(p->m, bp, &hit);
}

static void
come_back(struct passage *p, struct bp *bp, struct mvmi_reply *reply)
{
	struct bp *parent = bp->parent;
	struct mvmi_bp_hit hit = p->hit;

	if (bp->spent) {
		return_forget(p->m, bp, false);
		return;
	}
	if (!return_is_due(bp, &hit))
		return;
	bp = return_outermost(bp, &hit);
	bp->walk = p->m->walk;
	return_forget_deeper(p->m, bp, &hit);
	hit.bp = parent->node.key;
	hit.is_return = true;
	hit.frame = bp->frame;
	hit.count = ++parent->returns;
	return_forget(p->m, bp, false);
	parent->fn(p->m->vm, &hit, reply, parent->arg);
	if (parent->spent && !parent->dead && !parent->first_return)
		(void)bp_end(p->m, parent, NULL);
}

/** Callbacks may change the list: begin anew until all were looked at. */
static struct bp *next_of(const struct passage *p)
{
	struct bp *bp = p->site->first;

	while (bp && bp->walk == p->m->walk)
		bp = bp->peer;
	return bp;
}

static void
pass(struct bp_manager *m, struct bp_site *site, const struct mvmi_event *event,
     const struct mvmi_regs *regs, struct mvmi_reply *reply)
{
	struct passage p = { .m = m, .site = site };
	struct bp *bp;

	p.hit.event = event;
	p.hit.regs = regs;
	p.hit.means = site->means;
	p.hit.gva = mvmi_gva_at(p.hit.regs->x86.rip);
	p.hit.frame = p.hit.regs->x86.gpr[MVMI_REG_RSP];
	m->walk++;
	m->depth++;
	while ((bp = next_of(&p))) {
		bp->walk = m->walk;
		if (!is_hit(&p, bp))
			continue;
		if (bp->parent || m->guest.current)
			(void)know_thread(&p);
		if (bp->parent)
			come_back(&p, bp, reply);
		else
			call_back(&p, bp, reply);
	}
	if (--m->depth == 0)
		manager_sweep(m);
}

void hit_on_slot(struct mvmi_vm *vm, const struct mvmi_event *event,
		 struct mvmi_reply *reply, void *arg)
{
	struct bp_manager *m = arg;
	const struct mvmi_regs *regs = NULL;
	struct mvmi_regs store;
	struct bp_site *site;

	manager_begin(m);
	if (hit_regs(vm, event, &store, &regs, NULL) != MVMI_OK)
		return;
	site = site_find_slot(m, mvmi_gva_at(regs->x86.rip),
			      event->subscription);
	if (site)
		pass(m, site, event, regs, reply);
}

void hit_on_int3(struct mvmi_vm *vm, const struct mvmi_event *event,
		 struct mvmi_reply *reply, void *arg)
{
	struct bp_manager *m = arg;
	const struct mvmi_regs *regs = NULL;
	struct mvmi_regs store;
	struct bp_site *site;
	mvmi_gpa gpa;

	manager_begin(m);
	if (event->subscription != m->int3_token ||
	    !step_find_gpa(m, event, &gpa))
		return;
	site = site_find_patch(m, gpa);
	if (site && hit_regs(vm, event, &store, &regs, NULL) == MVMI_OK)
		pass(m, site, event, regs, reply);
}
