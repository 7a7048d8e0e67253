/* SPDX-License-Identifier: MIT */
/*
 * The view in which vCPUs run while pages are cloaked. There a page that has
 * breakpoints is backed by a copy that can only be executed. A read or write
 * is led, for one instruction, to the ordinary view; so is an instruction that
 * has an int3 over it. Each vCPU has its own view, so none has to wait.
 */
#include "bp/cloak.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "bp/bp.h"

#define ACCESS_ALL (MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X)

static struct cloak_page *find_page(const struct cloak *cloak, mvmi_gfn gfn)
{
	struct table_node *node = table_find(&cloak->pages, gfn.val);

	return node ? container_of(node, struct cloak_page, node) : NULL;
}

static mvmi_gpa start_of(mvmi_gfn gfn)
{
	return mvmi_gpa_at(gfn.val * MVMI_PAGE_SIZE);
}

/* ---- copies ------------------------------------------------------------ */

static enum mvmi_status
write_copy(struct bp_manager *m, const struct bp_site *site, uint8_t byte,
	   struct mvmi_error *err)
{
	mvmi_gpa at = start_of(site->page->copy);

	at.val += site->node.key % MVMI_PAGE_SIZE;
	return mvmi_mem_write(m->vm, at, (struct mvmi_bytes){ &byte, 1 },
			      MVMI_WRITE_COHERENT, err);
}

/** Make the copy what the page is now, and what its sites say. */
static enum mvmi_status
refresh(struct bp_manager *m, const struct cloak_page *page,
	struct mvmi_error *err)
{
	uint8_t bytes[MVMI_PAGE_SIZE];
	enum mvmi_status status =
		mvmi_mem_read(m->vm, start_of(page->gfn),
			      (struct mvmi_span){ bytes, sizeof(bytes) }, err);

	if (status != MVMI_OK)
		return status;
	for (struct bp_site *site = page->first; site; site = site->page_next) {
		size_t at = (size_t)(site->node.key % MVMI_PAGE_SIZE);

		site->code_len = MIN(INSN_LEN_MAX, sizeof(bytes) - at);
		memcpy(site->code, bytes + at, site->code_len);
		site->original = bytes[at];
	}
	for (struct bp_site *site = page->first; site; site = site->page_next)
		bytes[site->node.key % MVMI_PAGE_SIZE] = OPCODE_INT3;
	return mvmi_mem_write(m->vm, start_of(page->copy),
			      (struct mvmi_bytes){ bytes, sizeof(bytes) },
			      MVMI_WRITE_COHERENT, err);
}

/* ---- stepping ---------------------------------------------------------- */

static struct cloak_cpu *cpu_of(struct cloak *cloak, unsigned vcpu)
{
	return vcpu < cloak->cpu_count ? &cloak->cpus[vcpu] : NULL;
}

static void on_step(struct mvmi_vm *vm, const struct mvmi_event *event,
		    struct mvmi_reply *reply, void *arg)
{
	struct bp_manager *m = arg;
	struct cloak_cpu *cpu = cpu_of(&m->cloak, event->id.vcpu);
	struct cloak_page *page;

	manager_begin(m);
	if (!cpu || !cpu->token || cpu->token != event->subscription)
		return;
	page = cpu->wrote ? find_page(&m->cloak, cpu->gfn) : NULL;
	if (page)
		(void)refresh(m, page, NULL);
	cpu->wrote = false;
	/* If it can't be ended now, it is with the next step. */
	if (mvmi_event_unsubscribe(vm, cpu->token, NULL) == MVMI_OK)
		cpu->token = 0;
	reply->action = MVMI_ACTION_SWITCH_VIEW;
	reply->view = m->cloak.view;
}

bool cloak_step(struct bp_manager *m, unsigned vcpu, struct mvmi_reply *reply)
{
	struct cloak_cpu *cpu = cpu_of(&m->cloak, vcpu);
	struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_STEP,
		.filters = MVMI_FILTER_VCPU,
		.vcpus = UINT64_C(1) << MIN(vcpu, 63),
	};
	enum mvmi_status status = MVMI_OK;

	if (!cpu || !m->cloak.view)
		return false;
	if (!cpu->token)
		status = mvmi_event_subscribe(m->vm, &what, on_step, m,
					      &cpu->token, NULL);
	if (status == MVMI_ERR_UNSUPPORTED) {
		what.filters = 0;
		status = mvmi_event_subscribe(m->vm, &what, on_step, m,
					      &cpu->token, NULL);
	}
	if (status != MVMI_OK)
		return false;
	reply->action = MVMI_ACTION_SWITCH_VIEW;
	reply->view = 0;
	return true;
}

static void on_memory(struct mvmi_vm *vm, const struct mvmi_event *event,
		      struct mvmi_reply *reply, void *arg)
{
	struct bp_manager *m = arg;
	struct cloak_cpu *cpu = cpu_of(&m->cloak, event->id.vcpu);

	(void)vm;
	manager_begin(m);
	if (!cpu || event->subscription != m->cloak.token ||
	    !find_page(&m->cloak, mvmi_gfn_of(event->gpa)) ||
	    ((event->fields & MVMI_FIELD_VIEW) && event->view != m->cloak.view))
		return;
	if (!cloak_step(m, event->id.vcpu, reply)) {
		/* Better unseen by us than seen by the guest. */
		reply->action = MVMI_ACTION_SWITCH_VIEW;
		reply->view = 0;
	}
	if (event->access & MVMI_ACCESS_W) {
		cpu->wrote = true;
		cpu->gfn = mvmi_gfn_of(event->gpa);
	}
}

/* ---- the view ---------------------------------------------------------- */

static enum mvmi_status
switch_all(struct bp_manager *m, uint32_t view, struct mvmi_error *err)
{
	const struct mvmi_view_ops *ops = m->vm->conn->view;
	enum mvmi_status status = MVMI_OK;

	for (unsigned i = 0; i < m->cloak.cpu_count; i++) {
		enum mvmi_status one = MVMI_OK;

		if (!view || !m->cloak.cpus[i].token)
			one = vm_settle(m->vm, ops->switch_to(m->vm->conn, i,
							      view, err));
		if (status == MVMI_OK)
			status = one;
	}
	return status;
}

/** Room for the vCPUs that there are now. */
static enum mvmi_status count_cpus(struct bp_manager *m, struct mvmi_error *err)
{
	unsigned count = mvmi_vcpu_count(m->vm);
	struct cloak_cpu *cpus;

	if (count <= m->cloak.cpu_count)
		return MVMI_OK;
	cpus = realloc(m->cloak.cpus, count * sizeof(*cpus));
	if (!cpus)
		return fail(err, MVMI_ERR_NOMEM, "no memory for %u vCPUs",
			    count);
	memset(cpus + m->cloak.cpu_count, 0,
	       (count - m->cloak.cpu_count) * sizeof(*cpus));
	m->cloak.cpus = cpus;
	m->cloak.cpu_count = count;
	return MVMI_OK;
}

enum mvmi_status cloak_enter(struct bp_manager *m, struct mvmi_error *err)
{
	bool hold = m->vm->conn->run != NULL;
	enum mvmi_status released = MVMI_OK;
	enum mvmi_status status = count_cpus(m, err);

	if (status == MVMI_OK && hold)
		status = mvmi_vm_hold(m->vm, err);
	if (status != MVMI_OK)
		return status;
	status = switch_all(m, m->cloak.view, err);
	if (hold)
		released =
			mvmi_vm_release(m->vm, status == MVMI_OK ? err : NULL);
	return status == MVMI_OK ? released : status;
}

static enum mvmi_status begin(struct bp_manager *m, struct mvmi_error *err)
{
	const struct mvmi_subscription what = {
		.size = sizeof(what),
		.kind = MVMI_EVENT_MEMORY,
	};
	struct cloak *cloak = &m->cloak;
	enum mvmi_status status;

	if (cloak->view)
		return MVMI_OK;
	status = mvmi_event_subscribe(m->vm, &what, on_memory, m, &cloak->token,
				      err);
	if (status == MVMI_OK)
		status = vm_settle(
			m->vm, m->vm->conn->view->create(m->vm->conn,
							 &cloak->view, err));
	if (status == MVMI_OK)
		status = cloak_enter(m, err);
	if (status != MVMI_OK)
		cloak_end(m);
	return status;
}

/* ---- pages ------------------------------------------------------------- */

/** Show the page itself again. A page that can't be is kept as a husk. */
static void uncloak(struct bp_manager *m, struct cloak_page *page)
{
	struct mvmi_conn *conn = m->vm->conn;
	const struct mvmi_view_ops *ops = conn->view;

	if (vm_settle(m->vm, ops->remap(conn, m->cloak.view, page->gfn,
					page->gfn, NULL)) != MVMI_OK ||
	    vm_settle(m->vm, conn->access->set(conn, m->cloak.view, page->gfn,
					       ACCESS_ALL, NULL)) != MVMI_OK)
		return;
	(void)vm_settle(m->vm, ops->frame_destroy(conn, page->copy, NULL));
	table_remove(&m->cloak.pages, &page->node);
	free(page);
}

void cloak_end(struct bp_manager *m)
{
	struct cloak *cloak = &m->cloak;
	struct mvmi_conn *conn = m->vm->conn;

	if (cloak->view) {
		/* Twice, for a call that fails once. */
		if (switch_all(m, 0, NULL) != MVMI_OK)
			(void)switch_all(m, 0, NULL);
		for (size_t i = 0; i < cloak->pages.size; i++) {
			struct table_node *node = cloak->pages.heads[i];

			while (node) {
				struct table_node *next = node->next;
				struct cloak_page *page = container_of(
					node, struct cloak_page, node);

				(void)vm_settle(
					m->vm,
					conn->view->remap(conn, cloak->view,
							  page->gfn, page->gfn,
							  NULL));
				(void)vm_settle(
					m->vm, conn->view->frame_destroy(
						       conn, page->copy, NULL));
				free(page);
				node = next;
			}
		}
		(void)vm_settle(m->vm,
				conn->view->destroy(conn, cloak->view, NULL));
	}
	table_fini(&cloak->pages);
	manager_unsubscribe(m, &cloak->token);
	for (unsigned i = 0; i < cloak->cpu_count; i++)
		manager_unsubscribe(m, &cloak->cpus[i].token);
	free(cloak->cpus);
	memset(cloak, 0, sizeof(*cloak));
}

/**
 * Fetches see the copy, nothing else does. Writes are caught before the copy is
 * made, so that none is missing in it.
 */
static enum mvmi_status
cover(struct bp_manager *m, struct cloak_page *page, struct mvmi_error *err)
{
	struct mvmi_conn *conn = m->vm->conn;
	enum mvmi_status status = vm_settle(
		m->vm, conn->access->set(conn, m->cloak.view, page->gfn,
					 MVMI_ACCESS_X, err));

	if (status == MVMI_OK)
		status = refresh(m, page, err);
	if (status == MVMI_OK)
		status = vm_settle(m->vm, conn->view->remap(conn, m->cloak.view,
							    page->gfn,
							    page->copy, err));
	return status;
}

static enum mvmi_status
make_page(struct bp_manager *m, mvmi_gfn gfn, struct cloak_page **ret,
	  struct mvmi_error *err)
{
	struct cloak_page *page = calloc(1, sizeof(*page));
	enum mvmi_status status;

	if (!page)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a page");
	page->gfn = gfn;
	page->node.key = gfn.val;
	if (!table_insert(&m->cloak.pages, &page->node)) {
		free(page);
		return fail(err, MVMI_ERR_NOMEM, "no memory for a page");
	}
	status = vm_settle(m->vm, m->vm->conn->view->frame_create(
					  m->vm->conn, &page->copy, err));
	if (status != MVMI_OK) {
		table_remove(&m->cloak.pages, &page->node);
		free(page);
		return status;
	}
	*ret = page;
	return MVMI_OK;
}

enum mvmi_status
cloak_add(struct bp_manager *m, struct bp_site *site, struct mvmi_error *err)
{
	mvmi_gfn gfn = mvmi_gfn_of(mvmi_gpa_at(site->node.key));
	struct cloak_page *page;
	enum mvmi_status status = begin(m, err);

	if (status != MVMI_OK)
		return status;
	page = find_page(&m->cloak, gfn);
	if (!page)
		status = make_page(m, gfn, &page, err);
	if (status != MVMI_OK)
		return status;
	site->page = page;
	site->page_next = page->first;
	page->first = site;
	/* One that was there already may be a husk, and not wholly covered. */
	status = site->page_next ? refresh(m, page, err) : cover(m, page, err);
	if (status != MVMI_OK) {
		page->first = site->page_next;
		site->page = NULL;
		if (!page->first)
			uncloak(m, page);
	}
	return status;
}

enum mvmi_status
cloak_remove(struct bp_manager *m, struct bp_site *site, struct mvmi_error *err)
{
	struct cloak_page *page = site->page;
	struct bp_site **at = &page->first;
	enum mvmi_status status = write_copy(m, site, site->original, err);

	if (status != MVMI_OK)
		return status;
	while (*at != site)
		at = &(*at)->page_next;
	*at = site->page_next;
	site->page = NULL;
	if (!page->first)
		uncloak(m, page);
	return MVMI_OK;
}
