/* SPDX-License-Identifier: MIT */
#include "event/filter.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"

static const char *const filter_names[] = {
	"index", "vector", "value", "CR3", "range", "vCPU", "page-walk",
};

/** The filters that a subscription uses, page walks left out included. */
static uint32_t filters_of(const struct mvmi_subscription *what)
{
	uint32_t skip = what->skip_page_walks ? MVMI_FILTER_PAGE_WALK : 0;

	return what->filters | skip;
}

enum mvmi_status
filter_check(const struct mvmi_subscription *what,
	     const struct mvmi_event_desc *desc, struct mvmi_error *err)
{
	uint32_t refused = filters_of(what) & ~desc->filters;
	const char *kind = mvmi_event_kind_name(desc->kind);

	for (size_t i = 0; i < ARRAY_LEN(filter_names); i++) {
		if (refused >> i & 1)
			return fail(err, MVMI_ERR_UNSUPPORTED,
				    "%s events can't be filtered by %s here",
				    kind, filter_names[i]);
	}
	if (refused)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s events have no filter 0x%x", kind, refused);
	if (what->async && !desc->async)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "%s events can't be had without a hold here", kind);
	return MVMI_OK;
}

static bool in_range(const struct mvmi_subscription *what, uint64_t addr)
{
	uint64_t len = what->len ? what->len : 1;

	return addr >= what->start && addr - what->start < len;
}

/** Does an access that the event tells of touch the range? */
static bool
touches(const struct mvmi_subscription *what, const struct mvmi_event *event)
{
	uint64_t addr = event->fields & MVMI_FIELD_GPA ? event->gpa.val
						       : event->gva.val;
	uint64_t len = event->fields & MVMI_FIELD_LEN ? event->len : 1;

	if (!(event->fields & (MVMI_FIELD_GPA | MVMI_FIELD_GVA)))
		return false;
	/* Two ranges meet if one of them begins in the other. */
	return in_range(what, addr) ||
	       (what->start >= addr && what->start - addr < len);
}

bool filter_accept(const struct mvmi_subscription *what,
		   const struct mvmi_event *event)
{
	uint32_t filters = filters_of(what);
	unsigned bit = MIN(event->id.vcpu, 63);
	const struct mvmi_regs *regs = event->regs;

	if (what->kind != event->kind)
		return false;
	/* Where a breakpoint is, is what it is, not a filter on it. */
	if (what->kind == MVMI_EVENT_HW_BREAKPOINT &&
	    (event->fields & MVMI_FIELD_GVA) && !in_range(what, event->gva.val))
		return false;
	if ((filters & MVMI_FILTER_INDEX) &&
	    (!(event->fields & MVMI_FIELD_INDEX) ||
	     event->index != what->index))
		return false;
	if ((filters & MVMI_FILTER_VECTOR) &&
	    (!(event->fields & MVMI_FIELD_VECTOR) || event->vector > 255 ||
	     !(what->vectors[event->vector / 64] >> event->vector % 64 & 1)))
		return false;
	if ((filters & MVMI_FILTER_VALUE) &&
	    (!(event->fields & MVMI_FIELD_VALUE) ||
	     !mvmi_match_accepts(what->value, event->value)))
		return false;
	if ((filters & MVMI_FILTER_CR3) &&
	    (!regs || !mvmi_regset_has(regs->valid, MVMI_REG_CR3) ||
	     !mvmi_match_accepts(what->cr3, regs->x86.cr3)))
		return false;
	if ((filters & MVMI_FILTER_RANGE) && !touches(what, event))
		return false;
	if ((filters & MVMI_FILTER_VCPU) && !(what->vcpus >> bit & 1))
		return false;
	if ((filters & MVMI_FILTER_PAGE_WALK) && event->page_walk)
		return false;
	return !what->access || !(event->fields & MVMI_FIELD_ACCESS) ||
	       (what->access & event->access);
}

bool filter_equal(const struct mvmi_subscription *a,
		  const struct mvmi_subscription *b)
{
	return a->kind == b->kind && a->async == b->async &&
	       a->hold_when_full == b->hold_when_full &&
	       a->skip_page_walks == b->skip_page_walks &&
	       a->filters == b->filters && a->index == b->index &&
	       a->access == b->access &&
	       memcmp(a->vectors, b->vectors, sizeof(a->vectors)) == 0 &&
	       a->vcpus == b->vcpus && a->value.value == b->value.value &&
	       a->value.mask == b->value.mask && a->cr3.value == b->cr3.value &&
	       a->cr3.mask == b->cr3.mask && a->start == b->start &&
	       a->len == b->len && a->groups == b->groups;
}
