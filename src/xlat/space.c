/* SPDX-License-Identifier: MIT */
#include "xlat/space.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"

#define ENTRY_LEN_MAX	   8
#define MAXPHYADDR_MIN	   32
#define MAXPHYADDR_DEFAULT 52

static enum mvmi_status
check_params(const struct mvmi_space_params *params, struct mvmi_error *err)
{
	if ((unsigned)params->paging > MVMI_PAGING_5LEVEL)
		return fail(err, MVMI_ERR_INVALID, "there is no paging mode %u",
			    (unsigned)params->paging);
	if (params->maxphyaddr < MAXPHYADDR_MIN ||
	    params->maxphyaddr > MAXPHYADDR_DEFAULT)
		return fail(err, MVMI_ERR_INVALID,
			    "a physical address has %d to %d bits, not %u",
			    MAXPHYADDR_MIN, MAXPHYADDR_DEFAULT,
			    (unsigned)params->maxphyaddr);
	return MVMI_OK;
}

enum mvmi_status
mvmi_space_create(struct mvmi_vm *vm, const struct mvmi_space_params *params,
		  struct mvmi_space **ret, struct mvmi_error *err)
{
	struct mvmi_space_params full = { .size = sizeof(full) };
	struct mvmi_space *space;
	enum mvmi_status status;

	assert(params->size >= sizeof(size_t));
	memcpy(&full, params, MIN(params->size, sizeof(full)));
	full.size = sizeof(full);
	if (full.maxphyaddr == 0)
		full.maxphyaddr = MAXPHYADDR_DEFAULT;
	status = check_params(&full, err);
	if (status != MVMI_OK)
		return status;
	space = calloc(1, sizeof(*space));
	if (!space)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a space");
	space->vm = vm;
	paging_rules_init(&space->rules, &full);
	full.root = space->rules.root;
	space->params = full;
	space->tlb.generation = 1;
	*ret = space;
	return MVMI_OK;
}

void mvmi_space_destroy(struct mvmi_space *space)
{
	free(space);
}

const struct mvmi_space_params *
mvmi_space_get_params(const struct mvmi_space *space)
{
	return &space->params;
}

void mvmi_space_flush(struct mvmi_space *space)
{
	tlb_flush(&space->tlb);
}

static inline uint64_t
decode_entry(const struct paging_rules *rules, const uint8_t *raw)
{
	return rules->entry_len == ENTRY_LEN_MAX ? load_le64(raw)
						 : load_le32(raw);
}

/** Give a walk the entry that it wants, read by the driver. */
static enum mvmi_status
feed_from_driver(struct mvmi_space *space, struct walk *walk,
		 struct mvmi_error *err)
{
	uint8_t raw[ENTRY_LEN_MAX] = { 0 };
	struct mvmi_mem_op op = {
		.gpa = walk->to.entry_gpa,
		.dst = { raw, space->rules.entry_len },
	};
	enum mvmi_status status = mvmi_mem_readv(space->vm, &op, 1, err);

	if (status != MVMI_OK)
		return status;
	if (op.status == MVMI_OK)
		walk_feed(walk, &space->rules,
			  decode_entry(&space->rules, raw));
	else if (!walk_feed_failure(walk, op.status))
		return mvmi_mem_read(space->vm, op.gpa, op.dst, err);
	return MVMI_OK;
}

/** Give a walk the entry that it wants. */
static inline enum mvmi_status
feed_one(struct mvmi_space *space, struct walk *walk, struct mvmi_error *err)
{
	const uint8_t *host = vm_window(space->vm, walk->to.entry_gpa.val,
					space->rules.entry_len);

	if (!host)
		return feed_from_driver(space, walk, err);
	walk_feed(walk, &space->rules, decode_entry(&space->rules, host));
	return MVMI_OK;
}

enum mvmi_status
space_walk_slow(struct mvmi_space *space, mvmi_gva gva,
		const struct mvmi_translation **ret, struct mvmi_error *err)
{
	struct walk walk;

	walk_begin(&walk, &space->rules, gva);
	while (walk.wants) {
		enum mvmi_status status = feed_one(space, &walk, err);

		if (status != MVMI_OK)
			return status;
	}
	if (walk.to.fault != MVMI_WALK_OK) {
		walk_explain(&walk.to, &space->rules, err);
		return MVMI_ERR_NOT_PRESENT;
	}
	*ret = tlb_add(&space->tlb, &walk.to);
	return MVMI_OK;
}

enum mvmi_status mvmi_space_translate(struct mvmi_space *space, mvmi_gva gva,
				      mvmi_gpa *ret, struct mvmi_error *err)
{
	const struct mvmi_translation *page = NULL;
	enum mvmi_status status = space_begin(space, err);

	if (status == MVMI_OK)
		status = space_page(space, gva, &page, err);
	if (status == MVMI_OK)
		*ret = page_gpa(page, gva);
	return status;
}

/** Entries that walks of a batch want at one time. */
struct wanted {
	struct mvmi_mem_op ops[SPACE_BATCH];
	uint8_t raw[SPACE_BATCH][ENTRY_LEN_MAX];
	uint8_t op_of[SPACE_BATCH]; /**< by walk */
	size_t count;		    /**< of ops */
};

/** Collect them; neighbours that share a table want one entry once. */
static void collect(struct wanted *wanted, const struct walk *walks,
		    size_t count, size_t entry_len)
{
	wanted->count = 0;
	for (size_t i = 0; i < count; i++) {
		mvmi_gpa gpa = walks[i].to.entry_gpa;
		size_t n = wanted->count;

		if (!walks[i].wants)
			continue;
		if (n == 0 || wanted->ops[n - 1].gpa.val != gpa.val) {
			wanted->ops[n] = (struct mvmi_mem_op){
				.gpa = gpa,
				.dst = { wanted->raw[n], entry_len },
			};
			wanted->count++;
		}
		wanted->op_of[i] = (uint8_t)(wanted->count - 1);
	}
}

static enum mvmi_status
feed_batch(struct mvmi_space *space, struct walk *walks, size_t count,
	   const struct wanted *wanted, struct mvmi_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct mvmi_mem_op *op = &wanted->ops[wanted->op_of[i]];

		if (!walks[i].wants)
			continue;
		if (op->status == MVMI_OK)
			walk_feed(&walks[i], &space->rules,
				  decode_entry(&space->rules, op->dst.ptr));
		else if (!walk_feed_failure(&walks[i], op->status))
			return mvmi_mem_read(space->vm, op->gpa, op->dst, err);
	}
	return MVMI_OK;
}

/** Drive up to SPACE_BATCH walks to their ends, one scatter read a level. */
static enum mvmi_status walk_batch(struct mvmi_space *space, struct walk *walks,
				   size_t count, struct mvmi_error *err)
{
	struct wanted wanted = { .count = 0 };
	enum mvmi_status status;

	for (;;) {
		collect(&wanted, walks, count, space->rules.entry_len);
		if (wanted.count == 0)
			return MVMI_OK;
		status = mvmi_mem_readv(space->vm, wanted.ops, wanted.count,
					err);
		if (status == MVMI_OK)
			status = feed_batch(space, walks, count, &wanted, err);
		if (status != MVMI_OK)
			return status;
	}
}

static enum mvmi_status
translate_chunk(struct mvmi_space *space, struct mvmi_translation *items,
		size_t count, struct mvmi_error *err)
{
	struct walk walks[SPACE_BATCH];
	enum mvmi_status status;

	for (size_t i = 0; i < count; i++) {
		const struct mvmi_translation *page =
			tlb_find(&space->tlb, items[i].gva);

		walks[i] = (struct walk){ 0 };
		if (page) {
			walks[i].to = *page;
			walks[i].to.gva = items[i].gva;
			walks[i].to.gpa = page_gpa(page, items[i].gva);
		} else {
			walk_begin(&walks[i], &space->rules, items[i].gva);
		}
	}
	status = walk_batch(space, walks, count, err);
	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < count; i++) {
		items[i] = walks[i].to;
		if (items[i].fault == MVMI_WALK_OK)
			(void)tlb_add(&space->tlb, &items[i]);
	}
	return MVMI_OK;
}

enum mvmi_status
mvmi_space_translate_batch(struct mvmi_space *space,
			   struct mvmi_translation *items, size_t count,
			   struct mvmi_error *err)
{
	enum mvmi_status status = space_begin(space, err);

	for (size_t i = 0; i < count && status == MVMI_OK; i += SPACE_BATCH)
		status = translate_chunk(space, items + i,
					 MIN(count - i, SPACE_BATCH), err);
	return status;
}

enum mvmi_status space_prefetch(struct mvmi_space *space, mvmi_gva gva,
				size_t count, struct mvmi_error *err)
{
	struct mvmi_translation items[SPACE_BATCH];

	for (size_t i = 0; i < count; i++)
		items[i].gva = mvmi_gva_at(gva.val + i * MVMI_PAGE_SIZE);
	return translate_chunk(space, items, count, err);
}

enum mvmi_status
mvmi_space_walk(struct mvmi_space *space, mvmi_gva gva,
		struct mvmi_walk_step steps[MVMI_WALK_STEPS_MAX], size_t *ret,
		struct mvmi_translation *result, struct mvmi_error *err)
{
	enum mvmi_status status = space_begin(space, err);
	struct walk walk;
	size_t count = 0;

	if (status != MVMI_OK)
		return status;
	walk_begin(&walk, &space->rules, gva);
	while (walk.wants) {
		const struct paging_level *rule =
			&space->rules.level[walk.to.level];
		struct mvmi_walk_step step = {
			.entry_gpa = walk.to.entry_gpa,
			.level = walk.to.level,
			.index = (uint16_t)(gva.val >> rule->shift &
					    rule->index_mask),
		};

		status = feed_one(space, &walk, err);
		if (status != MVMI_OK)
			return status;
		step.entry = walk.to.entry;
		step.fault = walk.to.fault;
		step.leaf = !walk.wants && walk.to.fault == MVMI_WALK_OK;
		steps[count++] = step;
	}
	*ret = count;
	if (result)
		*result = walk.to;
	return MVMI_OK;
}
