/* SPDX-License-Identifier: MIT */
/** @file A map from what a type is known by, to its id. */
#ifndef MICROVMI_SYMBOLS_IDMAP_H
#define MICROVMI_SYMBOLS_IDMAP_H

#include <microvmi/types.h>

#define idmap_find mvmi__idmap_find
#define idmap_put  mvmi__idmap_put
#define idmap_fini mvmi__idmap_fini

/**
 * A key: kind tells what the rest means. Name is compared as a string; it is
 * borrowed and has to outlive the map. It may be NULL.
 */
struct idmap_key {
	const char *name;
	uint64_t number;
	uint32_t kind;
};

struct idmap_slot {
	struct idmap_key key;
	uint32_t hash;
	uint32_t id; /**< 0: the slot is free */
};

/** Grows; open addressing. Zeroed is empty. */
struct idmap {
	struct idmap_slot *slots; /**< owned */
	size_t room;		  /**< power of two, or 0 */
	size_t count;
};

/** @return 0 if there is none */
uint32_t idmap_find(const struct idmap *map, const struct idmap_key *key);

/** Add a key that is not there. @return false  No memory. */
bool idmap_put(struct idmap *map, const struct idmap_key *key, uint32_t id);

void idmap_fini(struct idmap *map);

#endif /* MICROVMI_SYMBOLS_IDMAP_H */
