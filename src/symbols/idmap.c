/* SPDX-License-Identifier: MIT */
#include "symbols/idmap.h"

#include <stdlib.h>
#include <string.h>

#define IDMAP_ROOM_FIRST 1024

/** FNV-1a over the name, and a multiplicative hash of the numbers. */
static uint32_t idmap_hash(const struct idmap_key *key)
{
	uint64_t mixed = (key->number + key->kind * UINT64_C(0x100000001b3)) *
			 UINT64_C(0x9e3779b97f4a7c15);
	uint32_t hash = (uint32_t)(mixed >> 32);

	for (const char *c = key->name; c && *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT32_C(0x01000193);
	return hash ^ hash >> 15;
}

static bool idmap_is_equal(const struct idmap_key *a, const struct idmap_key *b)
{
	if (a->kind != b->kind || a->number != b->number)
		return false;
	if (!a->name || !b->name)
		return a->name == b->name;
	return strcmp(a->name, b->name) == 0;
}

/** The slot of a key, or the free one where it belongs. Room is not 0. */
static struct idmap_slot *
idmap_slot(const struct idmap *map, const struct idmap_key *key, uint32_t hash)
{
	size_t i = hash & (map->room - 1);

	/* It ends: a quarter of the slots is free. */
	while (map->slots[i].id && (map->slots[i].hash != hash ||
				    !idmap_is_equal(&map->slots[i].key, key)))
		i = (i + 1) & (map->room - 1);
	return &map->slots[i];
}

uint32_t idmap_find(const struct idmap *map, const struct idmap_key *key)
{
	if (map->room == 0)
		return 0;
	return idmap_slot(map, key, idmap_hash(key))->id;
}

static bool idmap_grow(struct idmap *map)
{
	struct idmap grown = { .room = map->room ? map->room * 2
						 : IDMAP_ROOM_FIRST };

	grown.slots = calloc(grown.room, sizeof(*grown.slots));
	if (!grown.slots)
		return false;
	for (size_t i = 0; i < map->room; i++) {
		const struct idmap_slot *slot = &map->slots[i];

		if (slot->id)
			*idmap_slot(&grown, &slot->key, slot->hash) = *slot;
	}
	grown.count = map->count;
	free(map->slots);
	*map = grown;
	return true;
}

bool idmap_put(struct idmap *map, const struct idmap_key *key, uint32_t id)
{
	uint32_t hash = idmap_hash(key);

	if (map->count >= map->room / 4 * 3 && !idmap_grow(map))
		return false;
	*idmap_slot(map, key, hash) = (struct idmap_slot){ *key, hash, id };
	map->count++;
	return true;
}

void idmap_fini(struct idmap *map)
{
	free(map->slots);
	*map = (struct idmap){ 0 };
}
