/* SPDX-License-Identifier: MIT */
/*
 * Names of types and enumerators by hash. Both tables are filled by counting
 * twice over the records: linear, and stable, so that lower ids come first.
 *
 * Then tags that are defined more than once, as static structs of several
 * source files may be. pahole merges files in no certain order, so the first
 * one means little; what is meant by "struct console" is the one that struct
 * task_struct leads to by the fewest members, pointers and arrays.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "symbols/btf.h"

/* Kernels have some 20 such tags, of 2 to 4 definitions. Fuller buckets than
 * this only come from hostile names, and stay in the order of ids. */
#define BTF_TWINS_MAX 32

struct index_counts {
	size_t names;
	size_t enumerators;
};

void btf_index_fini(struct btf_index *index)
{
	free(index->starts);
	free(index->entries);
	*index = (struct btf_index){ 0 };
}

const struct btf_entry *btf_index_bucket(const struct btf_index *index,
					 uint32_t hash, size_t *ret_count)
{
	uint32_t bucket = hash & index->mask;

	*ret_count = index->starts[bucket + 1] - index->starts[bucket];
	return index->entries + index->starts[bucket];
}

static bool index_is_enum(uint8_t kind)
{
	return kind == BTF_ENUM || kind == BTF_ENUM64;
}

static bool index_has_name(const struct btf_record *r)
{
	switch (r->kind) {
	case BTF_INT:
	case BTF_STRUCT:
	case BTF_UNION:
	case BTF_ENUM:
	case BTF_FWD:
	case BTF_TYPEDEF:
	case BTF_FLOAT:
	case BTF_ENUM64:
		return r->name[0] != '\0';
	default:
		return false;
	}
}

/** Make room for n entries, all in bucket counts of zero. */
static bool index_init(struct btf_index *index, size_t n)
{
	uint32_t buckets = 1;

	/* n is at most the blob's length over 8: 2^25. */
	while (buckets < n)
		buckets *= 2;
	index->mask = buckets - 1;
	index->starts = calloc((size_t)buckets + 1, sizeof(*index->starts));
	index->entries = calloc(n + 1, sizeof(*index->entries));
	return index->starts && index->entries;
}

/**
 * Sort entries into their buckets.
 *
 * @param list  Entries in the order of ids.
 */
static void
index_fill(struct btf_index *index, const struct btf_entry *list, size_t n)
{
	uint32_t *starts = index->starts;

	/* Count; make each count the end of its bucket; fill from the end. */
	for (size_t i = 0; i < n; i++)
		starts[list[i].hash & index->mask]++;
	for (uint32_t b = 0; b < index->mask; b++)
		starts[b + 1] += starts[b];
	starts[index->mask + 1] = (uint32_t)n;
	for (size_t i = n; i > 0; i--)
		index->entries[--starts[list[i - 1].hash & index->mask]] =
			list[i - 1];
}

static struct index_counts index_count(const struct mvmi_types *types)
{
	struct index_counts n = { 0 };

	for (uint32_t id = types->first_id; id < types->count; id++) {
		struct btf_record r = btf_record(types, id);

		n.names += index_has_name(&r);
		n.enumerators += index_is_enum(r.kind) ? r.vlen : 0;
	}
	return n;
}

static size_t
index_list_names(const struct mvmi_types *types, struct btf_entry *list)
{
	size_t n = 0;

	for (uint32_t id = types->first_id; id < types->count; id++) {
		struct btf_record r = btf_record(types, id);

		if (index_has_name(&r))
			list[n++] =
				(struct btf_entry){ btf_hash(r.name), id, 0 };
	}
	return n;
}

static size_t
index_list_enumerators(const struct mvmi_types *types, struct btf_entry *list)
{
	size_t n = 0;

	for (uint32_t id = types->first_id; id < types->count; id++) {
		struct btf_record r = btf_record(types, id);
		size_t each = r.kind == BTF_ENUM ? 8 : 12;

		for (uint32_t i = 0; index_is_enum(r.kind) && i < r.vlen; i++) {
			const char *name =
				btf_string(types, load_le32(r.tail + i * each));

			list[n++] = (struct btf_entry){ btf_hash(name), id, i };
		}
	}
	return n;
}

/** Whether two entries are definitions of one tag. */
static bool
index_are_twins(const struct mvmi_types *types, const struct btf_entry *a,
		const struct btf_entry *b)
{
	struct btf_record ra;
	struct btf_record rb;

	if (a->hash != b->hash)
		return false;
	ra = btf_record(types, a->id);
	rb = btf_record(types, b->id);
	return ra.kind == rb.kind && ra.vlen && rb.vlen &&
	       (ra.name == rb.name || strcmp(ra.name, rb.name) == 0);
}

/**
 * Bring before a place in a bucket the twin of the lowest rank.
 *
 * @param ranks  By id, 0 for the last; NULL: only look.
 * @return whether there are twins
 */
static bool index_order_twin(struct mvmi_types *types, uint32_t at,
			     uint32_t end, const uint32_t *ranks)
{
	struct btf_entry *first = &types->names.entries[at];
	bool any = false;

	for (uint32_t i = at + 1; i < end; i++) {
		struct btf_entry *other = &types->names.entries[i];

		if (!index_are_twins(types, first, other))
			continue;
		any = true;
		/* 0 - 1 is the highest rank of all. */
		if (ranks && ranks[other->id] - 1 < ranks[first->id] - 1) {
			struct btf_entry swap = *first;

			*first = *other;
			*other = swap;
		}
	}
	return any;
}

/** Bring all twins into the order of their ranks, or only look. */
static bool index_order_twins(struct mvmi_types *types, const uint32_t *ranks)
{
	const struct btf_index *index = &types->names;
	bool any = false;

	for (uint32_t b = 0; b <= index->mask; b++) {
		uint32_t end = index->starts[b + 1];

		if (end - index->starts[b] > BTF_TWINS_MAX)
			continue;
		for (uint32_t i = index->starts[b]; i < end; i++)
			any |= index_order_twin(types, i, end, ranks);
	}
	return any;
}

struct index_queue {
	uint32_t *ids;
	uint32_t *ranks; /**< by id: place in ids, from 1 */
	uint32_t len;
};

static void queue_add(struct index_queue *q, uint32_t id)
{
	if (id == 0 || q->ranks[id] != 0)
		return;
	q->ids[q->len++] = id;
	q->ranks[id] = q->len;
}

/** Queue what a type consists of and points to. */
static void queue_add_targets(const struct mvmi_types *types,
			      struct index_queue *q, uint32_t id)
{
	struct btf_record r = btf_record(types, id);

	if (r.kind == BTF_PTR || btf_is_modifier(r.kind))
		queue_add(q, r.size);
	else if (r.kind == BTF_ARRAY)
		queue_add(q, load_le32(r.tail));
	else if (r.kind == BTF_STRUCT || r.kind == BTF_UNION)
		for (uint32_t i = 0; i < r.vlen; i++)
			queue_add(q, load_le32(r.tail + (size_t)i * 12 + 4));
}

/** Prefer, among twins, the one that is nearest to struct task_struct. */
static enum mvmi_status
index_prefer_near(struct mvmi_types *types, struct mvmi_error *err)
{
	struct index_queue q = { 0 };
	struct mvmi_type task;

	/* What a module adds is not reached from the kernel's types. */
	if (types->base || !mvmi_types_find(types, "struct task_struct", &task))
		return MVMI_OK;
	q.ids = calloc(types->count, sizeof(*q.ids));
	q.ranks = calloc(types->count, sizeof(*q.ranks));
	if (!q.ids || !q.ranks) {
		free(q.ids);
		free(q.ranks);
		return fail(err, MVMI_ERR_NOMEM, "no memory to index BTF");
	}
	queue_add(&q, task.id);
	for (uint32_t i = 0; i < q.len; i++)
		queue_add_targets(types, &q, q.ids[i]);
	(void)index_order_twins(types, q.ranks);
	free(q.ids);
	free(q.ranks);
	return MVMI_OK;
}

enum mvmi_status
btf_index_build(struct mvmi_types *types, struct mvmi_error *err)
{
	struct index_counts n = index_count(types);
	size_t longest = n.names > n.enumerators ? n.names : n.enumerators;
	struct btf_entry *list = calloc(longest + 1, sizeof(*list));

	if (!list || !index_init(&types->names, n.names) ||
	    !index_init(&types->enumerators, n.enumerators)) {
		free(list);
		return fail(err, MVMI_ERR_NOMEM, "no memory to index BTF");
	}
	n.names = index_list_names(types, list);
	index_fill(&types->names, list, n.names);
	n.enumerators = index_list_enumerators(types, list);
	index_fill(&types->enumerators, list, n.enumerators);
	free(list);
	if (index_order_twins(types, NULL))
		return index_prefer_near(types, err);
	return MVMI_OK;
}
