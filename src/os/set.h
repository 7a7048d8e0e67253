/* SPDX-License-Identifier: MIT */
/** @file Sets of guest addresses. */
#ifndef MICROVMI_OS_SET_H
#define MICROVMI_OS_SET_H

#include <microvmi/types.h>

#define set_add	 mvmi__set_add
#define set_has	 mvmi__set_has
#define set_fini mvmi__set_fini

/** A hash table. Zeroed is empty; 0 is in no set. */
struct set {
	uint64_t *slots; /**< owned; 0: free */
	size_t capacity; /**< power of two, or 0 */
	size_t count;
};

/**
 * Add a value.
 *
 * @param ret  Whether it was not there yet; may be NULL.
 * @retval MVMI_ERR_NOMEM
 */
enum mvmi_status
set_add(struct set *set, uint64_t value, bool *ret, struct mvmi_error *err);

bool set_has(const struct set *set, uint64_t value);

/** Empty it, and free what it holds. */
void set_fini(struct set *set);

#endif /* MICROVMI_OS_SET_H */
