/* SPDX-License-Identifier: MIT */
#include "symbols/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

/** An index is no part of what const promises: see struct mvmi_symbols. */
static struct mvmi_symbols *unconst(const struct mvmi_symbols *symbols)
{
	return (struct mvmi_symbols *)(uintptr_t)symbols;
}

static bool is_global(const struct symbols_entry *e)
{
	return e->type >= 'A' && e->type <= 'Z';
}

/**
 * Hash of a name. The seed differs from table to table, so that a guest can't
 * choose names that all fall into one bucket.
 */
static uint32_t hash_name(uint64_t seed, const char *name, size_t len)
{
	uint64_t h = seed ^ len;
	uint64_t word;

	for (; len > 8; len -= 8, name += 8) {
		memcpy(&word, name, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, name, len);
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

void symbols_names_destroy(struct symbols_names *names)
{
	if (!names)
		return;
	if (!names->borrowed) {
		free(names->starts);
		free(names->position);
		free(names->items);
	}
	free(names);
}

/** Put each symbol in its bucket: count, sum up, then fill. */
static void names_fill(const struct mvmi_symbols *symbols,
		       struct symbols_names *n, const uint32_t *hashes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < symbols->count; i++)
		n->starts[hashes[i] & n->mask]++;
	for (size_t b = 0; b <= n->mask; b++) {
		uint32_t count = n->starts[b];

		n->starts[b] = sum;
		sum += count;
	}
	for (int local = 0; local < 2; local++)
		for (size_t i = 0; i < symbols->count; i++) {
			uint32_t at;

			if (is_global(&symbols->entries[i]) == local)
				continue;
			at = n->starts[hashes[i] & n->mask]++;
			n->items[at] =
				(struct symbols_name){ hashes[i], (uint32_t)i };
			n->position[i] = at;
		}
	/* Each start has moved to its end, which is where the next one was. */
	memmove(n->starts + 1, n->starts, (n->mask + 1) * sizeof(*n->starts));
	n->starts[0] = 0;
}

static struct symbols_names *names_make(const struct mvmi_symbols *symbols)
{
	size_t count = symbols->count;
	struct symbols_names *n = calloc(1, sizeof(*n));
	uint32_t *hashes = malloc((count + 1) * sizeof(*hashes));

	if (!n || !hashes) {
		free(n);
		free(hashes);
		return NULL;
	}
	n->seed = (uint64_t)(uintptr_t)symbols->text;
	n->mask = 1;
	while (n->mask < count)
		n->mask = 2 * n->mask + 1;
	n->starts = calloc(n->mask + 2, sizeof(*n->starts));
	n->position = malloc((count + 1) * sizeof(*n->position));
	n->items = malloc((count + 1) * sizeof(*n->items));
	if (!n->starts || !n->position || !n->items) {
		symbols_names_destroy(n);
		free(hashes);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		const char *name = symbols->text + symbols->entries[i].name;

		hashes[i] = hash_name(n->seed, name, strlen(name));
	}
	names_fill(symbols, n, hashes);
	free(hashes);
	return n;
}

/** The index of names; NULL when there is no memory for one. */
static const struct symbols_names *names_of(const struct mvmi_symbols *symbols)
{
	struct mvmi_symbols *table = unconst(symbols);
	struct symbols_names *names = atomic_load(&table->names);
	struct symbols_names *made;

	if (names)
		return names;
	made = names_make(symbols);
	if (made &&
	    !atomic_compare_exchange_strong(&table->names, &names, made)) {
		symbols_names_destroy(made);
		return names;
	}
	return made;
}

void symbols_order_destroy(struct symbols_order *order)
{
	if (!order)
		return;
	if (!order->borrowed) {
		free(order->places);
		free(order->sizes);
	}
	free(order);
}

/** Merge from[lo, mid) and from[mid, hi), both in order, into to[lo, hi). */
static void
order_merge(const struct symbols_place *from, struct symbols_place *to,
	    size_t lo, size_t mid, size_t hi)
{
	size_t a = lo;
	size_t b = mid;

	if (mid == hi || from[mid - 1].addr <= from[mid].addr) {
		memcpy(to + lo, from + lo, (hi - lo) * sizeof(*to));
		return;
	}
	for (size_t i = lo; i < hi; i++) {
		if (a == mid || (b < hi && from[b].addr < from[a].addr))
			to[i] = from[b++];
		else
			to[i] = from[a++];
	}
}

/**
 * Sort by address, keeping the order of equals: by merging, for a kernel's own
 * symbols are in order already, and merging notices.
 *
 * @return which of the two arrays has the result
 */
static struct symbols_place *
order_sort(struct symbols_place *places, struct symbols_place *spare, size_t n)
{
	bool sorted = true;

	for (size_t i = 1; i < n && sorted; i++)
		sorted = places[i - 1].addr <= places[i].addr;
	if (sorted)
		return places;
	for (size_t run = 1; run < n; run *= 2) {
		struct symbols_place *swap = places;

		for (size_t lo = 0; lo < n; lo += 2 * run)
			order_merge(places, spare, lo, MIN(lo + run, n),
				    MIN(lo + 2 * run, n));
		places = spare;
		spare = swap;
	}
	return places;
}

/**
 * Linker's marks: what they end is over, and they cover nothing, nor does
 * another symbol of that section at the same address.
 */
static bool is_end_mark(const char *name)
{
	return name[0] == '_' && name[1] == 'e' &&
	       (strcmp(name, "_etext") == 0 ||
		strcmp(name, "_einittext") == 0 || strcmp(name, "_end") == 0);
}

static uint32_t rank_of(const struct mvmi_symbols *symbols, size_t i)
{
	const struct symbols_entry *e = &symbols->entries[i];

	if (is_end_mark(symbols->text + e->name))
		return SYMBOLS_END_MARK;
	return is_global(e) ? SYMBOLS_GLOBAL : SYMBOLS_LOCAL;
}

/** The type without regard to global or local: a letter for each section. */
static char
section_of(const struct mvmi_symbols *symbols, const struct symbols_place *p)
{
	return (char)(symbols->entries[p->entry].type | 0x20);
}

/**
 * Of the places from lo on that have one address, put the one that names it
 * first.
 *
 * @param ret_mark  Whether a section ends there, and none begins.
 *
 * @return behind the last of them
 */
static size_t order_group(const struct mvmi_symbols *symbols,
			  struct symbols_order *o, size_t lo, bool *ret_mark)
{
	struct symbols_place first = o->places[lo];
	bool one_section = true;
	bool mark = false;
	size_t best = lo;
	size_t hi;

	for (hi = lo; hi < o->count && o->places[hi].addr == first.addr; hi++) {
		const struct symbols_place *p = &o->places[hi];

		if (p->rank < o->places[best].rank)
			best = hi;
		mark = mark || p->rank == SYMBOLS_END_MARK;
		one_section =
			one_section &&
			section_of(symbols, p) == section_of(symbols, &first);
	}
	o->places[lo] = o->places[best];
	o->places[best] = first;
	*ret_mark = mark && one_section;
	return hi;
}

/** Name each address, and size it: up to the next one of the same module. */
static void
order_groups(const struct mvmi_symbols *symbols, struct symbols_order *o)
{
	size_t hi;

	for (size_t lo = 0; lo < o->count; lo = hi) {
		uint64_t size;
		uint16_t module;
		bool mark;

		hi = order_group(symbols, o, lo, &mark);
		if (hi == o->count || mark)
			continue;
		size = o->places[hi].addr - o->places[lo].addr;
		module = symbols->entries[o->places[hi].entry].module;
		for (size_t i = lo; i < hi; i++) {
			uint32_t entry = o->places[i].entry;

			if (symbols->entries[entry].module == module)
				o->sizes[entry] = size;
		}
	}
}

static struct symbols_order *order_make(const struct mvmi_symbols *symbols)
{
	size_t count = symbols->count;
	struct symbols_order *o = calloc(1, sizeof(*o));
	struct symbols_place *places = malloc((count + 1) * sizeof(*places));
	struct symbols_place *spare = malloc((count + 1) * sizeof(*spare));

	if (o)
		o->sizes = calloc(count + 1, sizeof(*o->sizes));
	if (!o || !o->sizes || !places || !spare) {
		symbols_order_destroy(o);
		free(places);
		free(spare);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		const struct symbols_entry *e = &symbols->entries[i];

		if (!e->absolute)
			places[o->count++] = (struct symbols_place){
				.addr = e->addr + symbols->bias,
				.entry = (uint32_t)i,
				.rank = rank_of(symbols, i),
			};
	}
	o->places = order_sort(places, spare, o->count);
	free(o->places == places ? spare : places);
	order_groups(symbols, o);
	for (size_t i = 0; i < o->count; i++)
		o->places[i].addr -= symbols->bias;
	return o;
}

/** The index of addresses; NULL when there is no memory for one. */
static const struct symbols_order *order_of(const struct mvmi_symbols *symbols)
{
	struct mvmi_symbols *table = unconst(symbols);
	struct symbols_order *order = atomic_load(&table->order);
	struct symbols_order *made;

	if (order)
		return order;
	made = order_make(symbols);
	if (made &&
	    !atomic_compare_exchange_strong(&table->order, &order, made)) {
		symbols_order_destroy(made);
		return order;
	}
	return made;
}

uint64_t symbols_extent(const struct mvmi_symbols *symbols, size_t i)
{
	const struct symbols_order *order = order_of(symbols);

	return order ? order->sizes[i] : 0;
}

/** Number of places whose address is below one, or also at it. */
static size_t
order_below(const struct mvmi_symbols *symbols, const struct symbols_order *o,
	    uint64_t addr, bool or_at)
{
	size_t lo = 0;
	size_t hi = o->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint64_t at = o->places[mid].addr + symbols->bias;

		if (at < addr || (or_at && at == addr))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/** The entry to name an address by, without an index. */
static size_t scan_addr(const struct mvmi_symbols *symbols, uint64_t addr)
{
	size_t best = symbols->count;

	for (size_t i = 0; i < symbols->count; i++) {
		const struct symbols_entry *e = &symbols->entries[i];
		const struct symbols_entry *b = &symbols->entries[best];

		if (e->absolute || e->addr + symbols->bias > addr)
			continue;
		if (best == symbols->count ||
		    e->addr + symbols->bias > b->addr + symbols->bias ||
		    (e->addr == b->addr &&
		     rank_of(symbols, i) < rank_of(symbols, best)))
			best = i;
	}
	return best;
}

bool mvmi_symbols_find_addr(const struct mvmi_symbols *symbols, mvmi_gva addr,
			    struct mvmi_symbol *ret)
{
	const struct symbols_order *o = order_of(symbols);
	struct mvmi_symbol found;
	size_t i;

	if (o) {
		i = order_below(symbols, o, addr.val, true);
		if (i == 0)
			return false;
		i = order_below(symbols, o,
				o->places[i - 1].addr + symbols->bias, false);
		i = o->places[i].entry;
	} else {
		i = scan_addr(symbols, addr.val);
		if (i == symbols->count)
			return false;
	}
	symbols_describe(symbols, i, &found);
	if (addr.val != found.addr && addr.val - found.addr >= found.size)
		return false;
	*ret = found;
	return true;
}

static bool
entry_is_named(const struct mvmi_symbols *symbols, size_t i, const char *name)
{
	return strcmp(symbols->text + symbols->entries[i].name, name) == 0;
}

/**
 * As mvmi_symbols_find_next(), without an index: from is the first entry to
 * look at, among global ones if so told, and then among the others.
 */
static bool scan_name(const struct mvmi_symbols *symbols, const char *name,
		      size_t from, bool global, struct mvmi_symbol *ret)
{
	for (;;) {
		for (size_t i = from; i < symbols->count; i++) {
			if (is_global(&symbols->entries[i]) != global ||
			    !entry_is_named(symbols, i, name))
				continue;
			symbols_describe(symbols, i, ret);
			return true;
		}
		if (!global)
			return false;
		global = false;
		from = 0;
	}
}

/** The first of a name among items[at] and what follows in its bucket. */
static bool
names_seek(const struct mvmi_symbols *symbols, const struct symbols_names *n,
	   const char *name, uint32_t hash, size_t at, struct mvmi_symbol *ret)
{
	for (; at < n->starts[(hash & n->mask) + 1]; at++) {
		const struct symbols_name *item = &n->items[at];

		if (item->hash != hash ||
		    !entry_is_named(symbols, item->entry, name))
			continue;
		symbols_describe(symbols, item->entry, ret);
		return true;
	}
	return false;
}

bool mvmi_symbols_find(const struct mvmi_symbols *symbols, const char *name,
		       struct mvmi_symbol *ret)
{
	const struct symbols_names *n = names_of(symbols);
	uint32_t hash;

	if (!n)
		return scan_name(symbols, name, 0, true, ret);
	hash = hash_name(n->seed, name, strlen(name));
	return names_seek(symbols, n, name, hash, n->starts[hash & n->mask],
			  ret);
}

bool mvmi_symbols_find_next(const struct mvmi_symbols *symbols,
			    const struct mvmi_symbol *previous,
			    struct mvmi_symbol *ret)
{
	const struct symbols_names *n = names_of(symbols);
	size_t i = previous->index;
	const char *name;
	uint32_t at;

	if (i >= symbols->count)
		return false;
	name = symbols->text + symbols->entries[i].name;
	if (!n)
		return scan_name(symbols, name, i + 1,
				 is_global(&symbols->entries[i]), ret);
	at = n->position[i];
	return names_seek(symbols, n, name, n->items[at].hash, at + 1, ret);
}

enum mvmi_status
mvmi_symbols_prepare(const struct mvmi_symbols *symbols, struct mvmi_error *err)
{
	if (!names_of(symbols) || !order_of(symbols))
		return fail(err, MVMI_ERR_NOMEM,
			    "no memory for an index of %zu symbols",
			    symbols->count);
	return MVMI_OK;
}
