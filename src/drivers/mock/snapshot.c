/* SPDX-License-Identifier: MIT */
/* Snapshots: the registers, and a copy of each page that has bytes. */
#include "drivers/mock/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct saved_page {
	mvmi_gfn gfn;
	uint8_t bytes[MVMI_PAGE_SIZE];
};

struct mock_snapshot {
	uint64_t writes; /**< of the VM when it was taken or restored */
	struct mvmi_regs_x86 *regs; /**< owned; one a vCPU */
	struct saved_page *pages;   /**< owned */
	size_t page_count;
};

/** Call fn for each page that has bytes. */
static void each_page(struct mock_vm *vm,
		      void (*fn)(struct mock_vm *vm, mvmi_gfn gfn,
				 uint64_t written, void *arg),
		      void *arg)
{
	for (size_t i = 0; i < vm->region_count; i++) {
		const struct mock_region *region = &vm->regions[i];
		uint64_t first = mvmi_gfn_of(region->info.start).val;

		for (uint64_t n = 0; n < region->info.len / MVMI_PAGE_SIZE;
		     n++) {
			if (region->written[n])
				fn(vm, mvmi_gfn_at(first + n),
				   region->written[n], arg);
		}
	}
}

static void
count_page(struct mock_vm *vm, mvmi_gfn gfn, uint64_t written, void *arg)
{
	(void)vm;
	(void)gfn;
	(void)written;
	++*(size_t *)arg;
}

static void
save_page(struct mock_vm *vm, mvmi_gfn gfn, uint64_t written, void *arg)
{
	struct mock_snapshot *snapshot = arg;
	struct saved_page *page = &snapshot->pages[snapshot->page_count++];

	(void)written;
	page->gfn = gfn;
	(void)mock_peek(vm, mvmi_gpa_at(gfn.val * MVMI_PAGE_SIZE),
			(struct mvmi_span){ page->bytes, sizeof(page->bytes) });
}

static void
zero_page(struct mock_vm *vm, mvmi_gfn gfn, uint64_t written, void *arg)
{
	static const uint8_t zeros[MVMI_PAGE_SIZE];

	(void)written;
	(void)arg;
	(void)mock_memory_poke(vm, mvmi_gpa_at(gfn.val * MVMI_PAGE_SIZE),
			       (struct mvmi_bytes){ zeros, sizeof(zeros) });
}

static void destroy(struct mock_snapshot *snapshot)
{
	if (!snapshot)
		return;
	free(snapshot->regs);
	free(snapshot->pages);
	free(snapshot);
}

static struct mock_snapshot *create(struct mock_vm *vm)
{
	struct mock_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	size_t count = 0;

	if (!snapshot)
		return NULL;
	each_page(vm, count_page, &count);
	snapshot->writes = vm->writes;
	snapshot->regs = calloc(vm->vcpu_count, sizeof(*snapshot->regs));
	snapshot->pages = calloc(count + 1, sizeof(*snapshot->pages));
	if (!snapshot->regs || !snapshot->pages) {
		destroy(snapshot);
		return NULL;
	}
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		snapshot->regs[i] = vm->vcpus[i].regs;
	each_page(vm, save_page, snapshot);
	return snapshot;
}

void mock_snapshot_fini(struct mock_vm *vm)
{
	for (unsigned i = 0; i < MOCK_SNAPSHOTS_MAX; i++)
		destroy(vm->snapshots[i]);
}

/* ---- the table --------------------------------------------------------- */

/** Where a snapshot is kept. NULL on failure; *ret_status says why. */
static struct mock_snapshot **
find(struct mvmi_conn *conn, uint32_t id, struct mock_vm **ret_vm,
     enum mvmi_status *ret_status, struct mvmi_error *err)
{
	*ret_status = mock_enter(conn, ret_vm, err);
	if (*ret_status != MVMI_OK)
		return NULL;
	if (id < MOCK_SNAPSHOTS_MAX && (*ret_vm)->snapshots[id])
		return &(*ret_vm)->snapshots[id];
	*ret_status =
		fail(err, MVMI_ERR_INVALID, "there is no snapshot %u", id);
	return NULL;
}

static enum mvmi_status
mock_take(struct mvmi_conn *conn, uint32_t *ret, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	for (uint32_t id = 0; id < MOCK_SNAPSHOTS_MAX; id++) {
		if (vm->snapshots[id])
			continue;
		vm->snapshots[id] = create(vm);
		if (!vm->snapshots[id])
			return fail(err, MVMI_ERR_NOMEM,
				    "no memory for a snapshot");
		*ret = id;
		return MVMI_OK;
	}
	return fail(err, MVMI_ERR_LIMIT, "all %d snapshots are used",
		    MOCK_SNAPSHOTS_MAX);
}

static enum mvmi_status
mock_restore(struct mvmi_conn *conn, uint32_t id, struct mvmi_error *err)
{
	struct mock_snapshot **at;
	struct mock_snapshot *snapshot;
	struct mock_vm *vm = NULL;
	enum mvmi_status status;

	at = find(conn, id, &vm, &status, err);
	if (!at)
		return status;
	snapshot = *at;
	each_page(vm, zero_page, NULL);
	for (size_t i = 0; i < snapshot->page_count; i++)
		(void)mock_memory_poke(
			vm,
			mvmi_gpa_at(snapshot->pages[i].gfn.val *
				    MVMI_PAGE_SIZE),
			(struct mvmi_bytes){ snapshot->pages[i].bytes,
					     MVMI_PAGE_SIZE });
	snapshot->writes = vm->writes;
	mock_reset(vm);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vm->vcpus[i].regs = snapshot->regs[i];
	conn->incarnation = vm->incarnation;
	return MVMI_OK;
}

static enum mvmi_status
mock_discard(struct mvmi_conn *conn, uint32_t id, struct mvmi_error *err)
{
	struct mock_snapshot **at;
	struct mock_vm *vm = NULL;
	enum mvmi_status status;

	at = find(conn, id, &vm, &status, err);
	if (!at)
		return status;
	destroy(*at);
	*at = NULL;
	return MVMI_OK;
}

/** Where dirty() collects. */
struct collector {
	uint64_t since;
	mvmi_gfn *gfns;
	size_t capacity;
	size_t count;
};

static void
collect_page(struct mock_vm *vm, mvmi_gfn gfn, uint64_t written, void *arg)
{
	struct collector *collector = arg;

	(void)vm;
	if (written <= collector->since)
		return;
	if (collector->count < collector->capacity)
		collector->gfns[collector->count] = gfn;
	collector->count++;
}

static enum mvmi_status
mock_dirty(struct mvmi_conn *conn, uint32_t id, mvmi_gfn *gfns, size_t capacity,
	   size_t *ret, struct mvmi_error *err)
{
	struct collector collector = { .gfns = gfns, .capacity = capacity };
	struct mock_snapshot **at;
	struct mock_vm *vm = NULL;
	enum mvmi_status status;

	at = find(conn, id, &vm, &status, err);
	if (!at)
		return status;
	collector.since = (*at)->writes;
	each_page(vm, collect_page, &collector);
	*ret = collector.count;
	return MVMI_OK;
}

const struct mvmi_snapshot_ops mock_snapshot_ops = { mock_take, mock_restore,
						     mock_discard, mock_dirty };
