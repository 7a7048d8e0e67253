/* SPDX-License-Identifier: MIT */
#include "sampling.h"

#include <stdio.h>
#include <stdlib.h>

#include "diag.h"

static void *grow(void *ptr, size_t count, size_t size)
{
	void *more = reallocarray(ptr, count, size);

	if (!more)
		diag_no_memory();
	return more;
}

static struct sampling_vcpu *vcpu_at(struct sampling *sampling, size_t index)
{
	while (sampling->vcpu_count <= index) {
		sampling->vcpus =
			grow(sampling->vcpus, sampling->vcpu_count + 1,
			     sizeof(*sampling->vcpus));
		sampling->vcpus[sampling->vcpu_count++] =
			(struct sampling_vcpu){ .idle = 0 };
	}
	return &sampling->vcpus[index];
}

static void add_hit(struct sampling *sampling, const struct mvmi_task *task)
{
	struct sampling_hit *hit;

	for (size_t i = 0; i < sampling->hit_count; i++) {
		if (sampling->hits[i].process_id == task->process_id) {
			sampling->hits[i].count++;
			return;
		}
	}
	sampling->hits = grow(sampling->hits, sampling->hit_count + 1,
			      sizeof(*sampling->hits));
	hit = &sampling->hits[sampling->hit_count++];
	*hit = (struct sampling_hit){ .process_id = task->process_id };
	hit->count = 1;
	(void)snprintf(hit->name, sizeof(hit->name), "%s", task->name);
}

static void
add_current(struct sampling *sampling, const struct mvmi_current *current)
{
	struct sampling_vcpu *vcpu = vcpu_at(sampling, current->vcpu);
	const struct mvmi_task *task = current->task;

	if (!task)
		return;
	vcpu->pid = task->process_id;
	(void)snprintf(vcpu->name, sizeof(vcpu->name), "%s", task->name);
	if (task->process_id == 0)
		vcpu->idle++;
	else if (current->user_mode)
		vcpu->user++;
	else
		vcpu->kernel++;
	if (task->process_id)
		add_hit(sampling, task);
}

int sampling_look(struct sampling *sampling, struct guest *guest)
{
	const struct mvmi_current_list *list;
	struct mvmi_error err;

	if (sampling->blind)
		return EXIT_OK;
	if (mvmi_os_list_current(guest->os, &list, &err) != MVMI_OK) {
		sampling->blind = err.status == MVMI_ERR_UNSUPPORTED;
		if (sampling->blind)
			return EXIT_OK;
		return diag_plain_error(&err);
	}
	sampling->count++;
	for (size_t i = 0; i < list->count; i++)
		add_current(sampling, list->items[i]);
	mvmi_os_free(list);
	return EXIT_OK;
}

unsigned sampling_hits(const struct sampling *sampling, uint64_t process_id)
{
	for (size_t i = 0; i < sampling->hit_count; i++) {
		if (sampling->hits[i].process_id == process_id)
			return sampling->hits[i].count;
	}
	return 0;
}

void sampling_fini(struct sampling *sampling)
{
	free(sampling->vcpus);
	free(sampling->hits);
	*sampling = (struct sampling){ .count = 0 };
}
