/* SPDX-License-Identifier: MIT */
/* The address spaces that breakpoints are in: each once, and counted. */
#include <stdlib.h>

#include "base/error.h"
#include "bp/bp.h"

static bool same_params(const struct mvmi_space_params *a,
			const struct mvmi_space_params *b)
{
	return a->paging == b->paging && a->root == b->root &&
	       a->pse == b->pse && a->nxe == b->nxe &&
	       a->no_1g_pages == b->no_1g_pages &&
	       a->maxphyaddr == b->maxphyaddr &&
	       a->ignored_bits == b->ignored_bits;
}

struct bp_space *
bp_space_ref(struct bp_manager *m, const struct mvmi_space_params *params,
	     struct mvmi_error *err)
{
	struct bp_space *space = calloc(1, sizeof(*space));

	if (!space) {
		(void)fail(err, MVMI_ERR_NOMEM, "no memory for a space");
		return NULL;
	}
	if (mvmi_space_create(m->vm, params, &space->space, err) != MVMI_OK) {
		free(space);
		return NULL;
	}
	/* The new one knows its parameters in full; is there an equal? */
	for (struct bp_space *old = m->spaces; old; old = old->next) {
		if (!same_params(mvmi_space_get_params(old->space),
				 mvmi_space_get_params(space->space)))
			continue;
		mvmi_space_destroy(space->space);
		free(space);
		old->refs++;
		return old;
	}
	space->refs = 1;
	space->next = m->spaces;
	m->spaces = space;
	return space;
}

void bp_space_unref(struct bp_manager *m, struct bp_space *space)
{
	struct bp_space **at = &m->spaces;

	if (!space || --space->refs)
		return;
	while (*at != space)
		at = &(*at)->next;
	*at = space->next;
	mvmi_space_destroy(space->space);
	free(space);
}
