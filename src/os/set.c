/* SPDX-License-Identifier: MIT */
#include "os/set.h"

#include <stdlib.h>

#include "base/error.h"

#define FIRST_CAPACITY 256

static size_t slot_of(const uint64_t *slots, size_t capacity, uint64_t value)
{
	/* Where the table lies is nothing that a guest could guess. */
	uint64_t hash =
		(value ^ (uintptr_t)slots) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 32) & (capacity - 1);

	while (slots[i] && slots[i] != value)
		i = (i + 1) & (capacity - 1);
	return i;
}

static enum mvmi_status grow(struct set *set, struct mvmi_error *err)
{
	size_t capacity = set->capacity ? set->capacity * 2 : FIRST_CAPACITY;
	uint64_t *slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return fail(err, MVMI_ERR_NOMEM, "no memory for a set of %zu",
			    capacity);
	for (size_t i = 0; i < set->capacity; i++)
		if (set->slots[i])
			slots[slot_of(slots, capacity, set->slots[i])] =
				set->slots[i];
	free(set->slots);
	set->slots = slots;
	set->capacity = capacity;
	return MVMI_OK;
}

enum mvmi_status
set_add(struct set *set, uint64_t value, bool *ret, struct mvmi_error *err)
{
	bool is_new = false;

	if (set->count >= set->capacity / 2) {
		enum mvmi_status status = grow(set, err);

		if (status != MVMI_OK)
			return status;
	}
	if (value) {
		size_t i = slot_of(set->slots, set->capacity, value);

		is_new = set->slots[i] == 0;
		set->count += is_new;
		set->slots[i] = value;
	}
	if (ret)
		*ret = is_new;
	return MVMI_OK;
}

bool set_has(const struct set *set, uint64_t value)
{
	return value && set->capacity &&
	       set->slots[slot_of(set->slots, set->capacity, value)] == value;
}

void set_fini(struct set *set)
{
	free(set->slots);
	*set = (struct set){ .slots = NULL };
}
