/* SPDX-License-Identifier: MIT */
/*
 * Return breakpoints. At the entry of a function the return address lies on
 * top of the stack; a breakpoint there is this call's return if the stack
 * pointer has come to lie above it, in the same thread. Deeper calls of a
 * recursion return to the same address with a lower one.
 */
#include <stdlib.h>
#include <string.h>

#include "bp/bp.h"

/**
 * Where threads can't be told apart, stacks are: bytes that a function may pop
 * on its return, its arguments among them.
 */
#define RETURN_DISTANCE_MAX 256

static bool is_long(const struct mvmi_regs *regs)
{
	return mvmi_regset_has(regs->valid, MVMI_REG_CS) &&
	       (regs->x86.seg[MVMI_SEG_CS].attributes & MVMI_SEGMENT_LONG);
}

/** The address that a function which begins just now will return to. */
static bool read_address(struct mvmi_space *space, const struct mvmi_regs *regs,
			 uint64_t *ret)
{
	uint8_t bytes[8] = { 0 };
	size_t len = is_long(regs) ? 8 : 4;
	mvmi_gva at = mvmi_gva_at(regs->x86.gpr[MVMI_REG_RSP]);
	uint64_t value = 0;

	if (mvmi_space_read(space, at, (struct mvmi_span){ bytes, len },
			    NULL) != MVMI_OK)
		return false;
	for (size_t i = len; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	*ret = value;
	return true;
}

static struct bp *make(struct bp *parent, const struct mvmi_bp_hit *hit)
{
	struct bp *bp = calloc(1, sizeof(*bp));

	if (!bp)
		return NULL;
	bp->parent = parent;
	bp->frame = hit->frame;
	bp->thread = hit->thread;
	bp->what.size = sizeof(bp->what);
	bp->what.visible = parent->what.visible;
	bp->what.file_backed = parent->what.file_backed;
	return bp;
}

/** Find out where it is. @return false: the stack can't be read. */
static bool
aim(struct bp_manager *m, struct bp *bp, const struct mvmi_regs *regs)
{
	struct mvmi_space_params params = { .size = sizeof(params) };

	if (mvmi_space_params_of_regs(regs, &params, NULL) != MVMI_OK)
		return false;
	bp->space = bp_space_ref(m, &params, NULL);
	if (!bp->space ||
	    !read_address(bp->space->space, regs, &bp->what.gva.val))
		return false;
	if (params.paging != MVMI_PAGING_NONE)
		bp->cr3 = (struct mvmi_match){
			regs->x86.cr3 & MVMI_BP_CR3_MASK_PTI,
			MVMI_BP_CR3_MASK_PTI,
		};
	return true;
}

/** One that waits for nothing at present, in the same place; or NULL. */
static struct bp *find_idle(const struct bp *like)
{
	struct bp *bp = like->parent->first_return;

	while (bp && !(bp->idle && bp->site && bp->space == like->space &&
		       bp->what.gva.val == like->what.gva.val &&
		       bp->cr3.value == like->cr3.value &&
		       bp->cr3.mask == like->cr3.mask))
		bp = bp->next_return;
	return bp;
}

/** Let one that is idle wait in its stead. */
static void
take_over(struct bp_manager *m, struct bp *idle, const struct bp *from)
{
	idle->idle = false;
	idle->frame = from->frame;
	idle->thread = from->thread;
	idle->walk = m->walk;
}

/** @return false: there is no way to wait for it. */
static bool
wait_for(struct bp_manager *m, struct bp *bp, const struct mvmi_regs *regs)
{
	struct bp *idle;

	if (!aim(m, bp, regs))
		return false;
	idle = find_idle(bp);
	if (!idle)
		return bp_link(m, bp) && bp_place(m, bp, NULL) == MVMI_OK;
	take_over(m, idle, bp);
	return_forget(m, bp, false);
	return true;
}

/** Make room where all that may wait do. */
static void drop_idle(struct bp_manager *m, const struct bp *parent)
{
	struct bp *bp = parent->first_return;

	while (bp && !bp->idle)
		bp = bp->next_return;
	if (bp)
		(void)bp_end(m, bp, NULL);
}

/**
 * Whether to stay armed for the next return to the same place: what can't be
 * seen may, and what isn't scarce.
 */
static bool may_idle(const struct bp *bp)
{
	const struct bp_site *site = bp->site;

	return site && !bp->parent->spent && !bp->parent->dead &&
	       site->first == bp && !bp->peer &&
	       (site->means == MVMI_BP_INTERCEPT ||
		site->means == MVMI_BP_VIEW);
}

void return_expect(struct bp_manager *m, struct bp *bp,
		   const struct mvmi_bp_hit *hit)
{
	struct bp *back = NULL;

	if (bp->returns_waiting == RETURNS_MAX)
		drop_idle(m, bp);
	if (bp->returns_waiting < RETURNS_MAX)
		back = make(bp, hit);
	if (back) {
		back->next_return = bp->first_return;
		bp->first_return = back;
		bp->returns_waiting++;
		if (wait_for(m, back, hit->regs))
			return;
		return_forget(m, back, false);
	}
	bp->returns_lost++;
}

bool return_is_due(const struct bp *bp, const struct mvmi_bp_hit *hit)
{
	uint64_t rsp = hit->regs->x86.gpr[MVMI_REG_RSP];

	if (bp->idle || rsp <= bp->frame)
		return false;
	if (bp->thread && hit->thread)
		return bp->thread == hit->thread;
	return rsp - bp->frame <= RETURN_DISTANCE_MAX;
}

struct bp *return_outermost(struct bp *bp, const struct mvmi_bp_hit *hit)
{
	struct bp *ret = bp;

	for (struct bp *other = bp->parent->first_return; other;
	     other = other->next_return) {
		if (other->site == bp->site && !other->spent &&
		    other->frame > ret->frame && return_is_due(other, hit))
			ret = other;
	}
	return ret;
}

void return_forget_deeper(struct bp_manager *m, struct bp *bp,
			  const struct mvmi_bp_hit *hit)
{
	struct bp *next;

	for (struct bp *other = bp->parent->first_return; other; other = next) {
		next = other->next_return;
		if (!other->spent && other->frame < bp->frame &&
		    return_is_due(other, hit))
			return_forget(m, other, true);
	}
}

void return_forget(struct bp_manager *m, struct bp *bp, bool lost)
{
	if (lost)
		bp->parent->returns_lost++;
	if (may_idle(bp)) {
		bp->idle = true;
		return;
	}
	/* If it can't be taken out, it is at least not heard of again. */
	bp->spent = true;
	(void)bp_end(m, bp, NULL);
}
