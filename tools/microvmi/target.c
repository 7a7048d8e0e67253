/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <microvmi/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diag.h"
#include "number.h"

struct search {
	const char *name;
	bool found;
};

static bool suggest(const struct mvmi_candidate *candidate, void *arg)
{
	struct search *search = arg;

	if (strcmp(candidate->name, search->name) != 0)
		return true;
	diag_hint("a VM of that name is %s", candidate->target);
	search->found = true;
	return false;
}

/** What people write in place of a target: a pid, a VM's name, a lost file. */
static void give_hint(const char *target)
{
	struct search search = { .name = target };
	uint64_t pid;
	struct stat st;

	if (number_parse(target, &pid) == NULL && stat(target, &st) != 0) {
		diag_hint("a process is qemu:pid=%s", target);
		return;
	}
	if (!strpbrk(target, ":/") && stat(target, &st) != 0 &&
	    mvmi_list(suggest, &search, NULL) == MVMI_OK && search.found)
		return;
	if (!strchr(target, ':') && stat(target, &st) != 0)
		diag_hint("there is no such file; `microvmi list` shows the "
			  "VMs of this host");
	else
		diag_hint("`microvmi list` shows the VMs of this host");
}

/** Whether a message names the target, or its part after the scheme. */
static bool names_target(const char *message, const char *target)
{
	const char *where = strchr(target, ':');

	where = where && where[1] ? where + 1 : target;
	return strstr(message, where) != NULL;
}

int target_open(const char *target, bool read_only, struct mvmi_vm **ret)
{
	struct mvmi_vm_options options = {
		.size = sizeof(options),
		.read_only = read_only,
	};
	struct mvmi_error err;
	int code;

	if (mvmi_vm_open(target, &options, ret, &err) == MVMI_OK)
		return EXIT_OK;
	if (names_target(err.msg, target))
		code = diag_plain_error(&err);
	else
		code = diag_error(&err, "cannot open %s", target);
	if (err.status == MVMI_ERR_INVALID || err.status == MVMI_ERR_SYSTEM)
		give_hint(target);
	return code == EXIT_BUSY || code == EXIT_GONE ? code : EXIT_TARGET;
}

int target_regions(struct mvmi_vm *vm, struct mvmi_region **ret, size_t *count)
{
	struct mvmi_region *regions = NULL;
	struct mvmi_error err;
	size_t capacity = 0;
	size_t got;

	/* The map may grow between the two looks; it seldom does twice. */
	for (;;) {
		if (mvmi_mem_regions(vm, regions, capacity, &got, &err) !=
		    MVMI_OK) {
			free(regions);
			return diag_error(&err, "cannot list the memory");
		}
		if (got <= capacity && regions)
			break;
		free(regions);
		capacity = got ? got : 1;
		regions = calloc(capacity, sizeof(*regions));
		if (!regions)
			diag_no_memory();
	}
	*ret = regions;
	*count = got;
	return EXIT_OK;
}

int target_explain(struct mvmi_vm *vm, enum mvmi_status status, int code)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };

	if (status != MVMI_ERR_UNSUPPORTED ||
	    mvmi_vm_get_info(vm, &info, NULL) != MVMI_OK)
		return code;
	if (info.note[0])
		diag_hint("%s", info.note);
	if (!(info.traits & MVMI_TRAIT_NO_CONTROL))
		return code;
	if (!info.note[0])
		diag_hint("another client holds the VM's control channel");
	return EXIT_BUSY;
}
