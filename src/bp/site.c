/* SPDX-License-Identifier: MIT */
/* Sites: putting a stop into the guest, and taking it out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "bp/bp.h"

static struct bp_site *site_of(struct table_node *node)
{
	return node ? container_of(node, struct bp_site, node) : NULL;
}

static const struct mvmi_event_desc *
find_desc(const struct mvmi_vm *vm, enum mvmi_event_kind kind)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);

	for (size_t i = 0; i < count; i++) {
		if (descs[i].kind == kind)
			return &descs[i];
	}
	return NULL;
}

struct bp_site *site_find_patch(const struct bp_manager *m, mvmi_gpa gpa)
{
	struct table_node *node = table_find(&m->sites, gpa.val);

	while (node && !site_of(node)->by_gpa)
		node = table_next(node);
	return site_of(node);
}

/** What the far side can filter a breakpoint's hits by. */
static struct mvmi_match
filter_of(const struct bp_manager *m, const struct bp *bp)
{
	const struct mvmi_event_desc *desc =
		find_desc(m->vm, MVMI_EVENT_HW_BREAKPOINT);
	struct mvmi_match none = { 0 };

	return desc && (desc->filters & MVMI_FILTER_CR3) ? bp->cr3 : none;
}

static struct bp_site *
find_equal(const struct bp_manager *m, uint64_t gva, struct mvmi_match cr3)
{
	struct table_node *node = table_find(&m->sites, gva);

	for (; node; node = table_next(node)) {
		struct bp_site *site = site_of(node);

		if (!site->by_gpa && site->cr3.value == cr3.value &&
		    site->cr3.mask == cr3.mask)
			return site;
	}
	return NULL;
}

struct bp_site *
site_find_slot(const struct bp_manager *m, mvmi_gva gva, uint64_t token)
{
	struct table_node *node = table_find(&m->sites, gva.val);

	while (node && (site_of(node)->by_gpa || site_of(node)->token != token))
		node = table_next(node);
	return site_of(node);
}

/* ---- by address: a slot, or an interception ---------------------------- */

static enum mvmi_status
slot_install(struct bp_manager *m, struct bp_site *site, struct mvmi_error *err)
{
	struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_HW_BREAKPOINT,
		.filters = site->cr3.mask ? MVMI_FILTER_CR3 : 0,
		.cr3 = site->cr3,
		.start = site->node.key,
		.groups = HIT_GROUPS,
	};

	return mvmi_event_subscribe(m->vm, &what, hit_on_slot, m, &site->token,
				    err);
}

/* ---- by page: an int3 -------------------------------------------------- */

/** The int3 events of all patches are one subscription. */
static enum mvmi_status
need_int3_events(struct bp_manager *m, struct mvmi_error *err)
{
	const struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_INT3,
		.groups = HIT_GROUPS,
	};

	if (m->int3_token)
		return MVMI_OK;
	return mvmi_event_subscribe(m->vm, &what, hit_on_int3, m,
				    &m->int3_token, err);
}

/**
 * If this fails, events may still come that nobody hears of: the hook that
 * all answers pass lets their vCPUs go on as they should.
 */
static void drop_int3_events(struct bp_manager *m)
{
	if (!m->int3_users)
		manager_unsubscribe(m, &m->int3_token);
}

static enum mvmi_status write_byte(struct bp_manager *m, mvmi_gpa gpa,
				   uint8_t byte, struct mvmi_error *err)
{
	return mvmi_mem_write(m->vm, gpa, (struct mvmi_bytes){ &byte, 1 },
			      MVMI_WRITE_COHERENT, err);
}

static enum mvmi_status
patch_install(struct bp_manager *m, struct bp_site *site, const struct bp *bp,
	      struct mvmi_error *err)
{
	mvmi_gpa gpa = mvmi_gpa_at(site->node.key);
	size_t len = (size_t)MIN(INSN_LEN_MAX,
				 MVMI_PAGE_SIZE - gpa.val % MVMI_PAGE_SIZE);
	enum mvmi_status status = mvmi_mem_read(
		m->vm, gpa, (struct mvmi_span){ site->code, len }, err);

	if (status != MVMI_OK)
		return status;
	/* Its page was copied elsewhere by the guest, our int3 with it. */
	if (site->code[0] == OPCODE_INT3 && bp->has_original)
		site->code[0] = bp->original;
	site->original = site->code[0];
	site->code_len = len;
	mvmi_bp_hide(m->vm, gpa, (struct mvmi_span){ site->code, len });
	return write_byte(m, gpa, OPCODE_INT3, err);
}

/** Whatever else is there by now is the guest's. */
static enum mvmi_status
patch_remove(struct bp_manager *m, const struct bp_site *site,
	     struct mvmi_error *err)
{
	mvmi_gpa gpa = mvmi_gpa_at(site->node.key);
	uint8_t byte = 0;
	enum mvmi_status status =
		mvmi_mem_read(m->vm, gpa, (struct mvmi_span){ &byte, 1 }, err);

	if (status == MVMI_ERR_FAULT) /* Memory was unplugged. */
		return MVMI_OK;
	if (status == MVMI_OK && byte == OPCODE_INT3 &&
	    site->original != OPCODE_INT3)
		status = write_byte(m, gpa, site->original, err);
	return status;
}

/* ---- both -------------------------------------------------------------- */

static enum mvmi_status install(struct bp_manager *m, struct bp_site *site,
				const struct bp *bp, struct mvmi_error *err)
{
	enum mvmi_status status;

	if (!site->by_gpa)
		return slot_install(m, site, err);
	status = need_int3_events(m, err);
	if (status == MVMI_OK && site->means == MVMI_BP_VIEW)
		status = cloak_add(m, site, err);
	else if (status == MVMI_OK)
		status = patch_install(m, site, bp, err);
	if (status == MVMI_OK)
		m->int3_users++;
	else
		drop_int3_events(m);
	return status;
}

static enum mvmi_status
uninstall(struct bp_manager *m, struct bp_site *site, struct mvmi_error *err)
{
	enum mvmi_status status = MVMI_OK;
	uint64_t token = site->token;

	if (!site->by_gpa)
		return token ? mvmi_event_unsubscribe(m->vm, token, err)
			     : MVMI_OK;
	if (site->means == MVMI_BP_VIEW)
		status = cloak_remove(m, site, err);
	else
		status = patch_remove(m, site, err);
	if (status == MVMI_OK)
		m->int3_users--;
	return status;
}

static void bury(struct bp_manager *m, struct bp_site *site)
{
	table_remove(&m->sites, &site->node);
	site->next_dead = m->dead_sites;
	m->dead_sites = site;
}

void site_sweep(struct bp_manager *m)
{
	while (m->dead_sites) {
		struct bp_site *site = m->dead_sites;

		m->dead_sites = site->next_dead;
		free(site);
	}
}

static enum mvmi_status
make(struct bp_manager *m, struct bp *bp, const struct bp_site *as,
     struct bp_site **ret, struct mvmi_error *err)
{
	struct bp_site *site = malloc(sizeof(*site));
	enum mvmi_status status;

	if (!site)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a breakpoint");
	*site = *as;
	if (!table_insert(&m->sites, &site->node)) {
		free(site);
		return fail(err, MVMI_ERR_NOMEM, "no memory for a breakpoint");
	}
	status = install(m, site, bp, err);
	if (status != MVMI_OK) {
		table_remove(&m->sites, &site->node);
		free(site);
		return status;
	}
	*ret = site;
	return MVMI_OK;
}

enum mvmi_status
site_attach(struct bp_manager *m, struct bp *bp, enum mvmi_bp_means means,
	    uint64_t addr, struct mvmi_error *err)
{
	const struct bp_site as = {
		.node.key = addr,
		.by_gpa = means == MVMI_BP_VIEW || means == MVMI_BP_INT3,
		.means = means,
		.cr3 = filter_of(m, bp),
	};
	struct bp_site *site = as.by_gpa ? site_find_patch(m, mvmi_gpa_at(addr))
					 : find_equal(m, addr, as.cr3);
	struct bp **end;

	if (!site) {
		enum mvmi_status status = make(m, bp, &as, &site, err);

		if (status != MVMI_OK)
			return status;
	}
	for (end = &site->first; *end; end = &(*end)->peer)
		;
	*end = bp;
	bp->peer = NULL;
	bp->site = site;
	bp->has_original = site->by_gpa;
	bp->original = site->original;
	return MVMI_OK;
}

static void leave(struct bp *bp)
{
	struct bp **at = &bp->site->first;

	while (*at != bp)
		at = &(*at)->peer;
	*at = bp->peer;
	bp->site = NULL;
}

enum mvmi_status
site_detach(struct bp_manager *m, struct bp *bp, struct mvmi_error *err)
{
	struct bp_site *site = bp->site;
	enum mvmi_status status;

	if (!site)
		return MVMI_OK;
	if (site->first == bp && !bp->peer) {
		status = uninstall(m, site, err);
		if (status != MVMI_OK)
			return status;
		bury(m, site);
	}
	leave(bp);
	/* Last, so that what was raised finds the guest's own bytes. */
	drop_int3_events(m);
	return MVMI_OK;
}

void site_forget(struct bp_manager *m, struct bp_site *site)
{
	if (uninstall(m, site, NULL) != MVMI_OK && site->by_gpa)
		m->int3_users--;
	for (struct bp *bp = site->first; bp; bp = bp->peer)
		bp->site = NULL;
	site->first = NULL;
	bury(m, site);
	drop_int3_events(m);
}
