/* SPDX-License-Identifier: MIT */
/** @file Arrays that grow at their end. */
#ifndef MICROVMI_BASE_ARRAY_H
#define MICROVMI_BASE_ARRAY_H

#include <stdbool.h>
#include <stdlib.h>

/**
 * Make room for one more element.
 *
 * @param array  Of count elements that take each bytes, with room for *room;
 *               NULL is one without any.
 * @return false  No memory; the array is as it was.
 */
static inline bool
array_grow(void **array, size_t count, size_t *room, size_t each)
{
	size_t more = *room ? *room * 2 : 256;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, more * each);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

#endif /* MICROVMI_BASE_ARRAY_H */
