/* SPDX-License-Identifier: MIT */
#include "os/linux/modules.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/listing.h"
#include "os/linux/member.h"
#include "os/linux/text.h"
#include "os/linux/walk/links.h"

/** MODULE_REF_BASE: a module that nobody uses counts this. */
#define REFCOUNT_BASE 1

static const char *const module_paths[MODULE_FIELDS] = {
	[MODULE_STATE] = "state",
	[MODULE_LIST] = "list",
	[MODULE_NAME] = "name",
	[MODULE_REFCOUNT] = "?refcnt.counter",
	[MODULE_SYMS] = "?syms",
	[MODULE_SYMS_COUNT] = "?num_syms",
	[MODULE_KALLSYMS] = "?kallsyms",
	[MODULE_MEMORY] = "?mem",
	[MODULE_CORE] = "?core_layout.base|module_core",
	[MODULE_CORE_SIZE] = "?core_layout.size|core_size",
	[MODULE_INIT] = "?init_layout.base|module_init",
	[MODULE_INIT_SIZE] = "?init_layout.size|init_size",
};

static const struct shape_spec module_spec = { "module", module_paths,
					       MODULE_FIELDS };

enum {
	MEMORY_BASE,
	MEMORY_SIZE,
	MEMORY_FIELDS
};

static const char *const memory_paths[MEMORY_FIELDS] = {
	[MEMORY_BASE] = "base",
	[MEMORY_SIZE] = "size",
};

static const struct shape_spec memory_spec = { "module_memory", memory_paths,
					       MEMORY_FIELDS };

enum mvmi_status modules_prepare(struct linux_os *guest, struct mvmi_error *err)
{
	enum mvmi_status status = shape_resolve(
		&guest->shapes.module, &module_spec, guest->os.types, err);

	if (status == MVMI_OK &&
	    shape_has(&guest->shapes.module, MODULE_MEMORY))
		status = shape_resolve(&guest->shapes.module_memory,
				       &memory_spec, guest->os.types, err);
	return status;
}

void module_name(const struct object *module, char name[MODULE_NAME_MAX])
{
	text_of_bytes(object_bytes(module, MODULE_NAME), name, MODULE_NAME_MAX);
}

static void add_part(struct module_layout *layout, uint64_t base, uint64_t len)
{
	layout->parts[layout->count++] = (struct module_part){ base, len };
	layout->len += len;
}

enum mvmi_status
module_layout(struct linux_os *guest, const struct object *module,
	      struct module_layout *ret, struct mvmi_error *err)
{
	const struct shape *memory = &guest->shapes.module_memory;
	struct mvmi_bytes bytes = object_bytes(module, MODULE_MEMORY);
	struct module_layout layout = { .count = 0 };
	size_t each = (size_t)memory->size;

	if (!shape_has(module->shape, MODULE_MEMORY)) {
		add_part(&layout, object_u64(module, MODULE_CORE),
			 object_u64(module, MODULE_CORE_SIZE));
		add_part(&layout, object_u64(module, MODULE_INIT),
			 object_u64(module, MODULE_INIT_SIZE));
		*ret = layout;
		return MVMI_OK;
	}
	if (each == 0 || bytes.len / each > MODULE_PARTS_MAX)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the guest's types give a module %zu parts of "
			    "memory",
			    each ? bytes.len / each : 0);
	for (; bytes.len >= each; bytes.ptr += each, bytes.len -= each)
		add_part(&layout, member_u64(memory, bytes.ptr, MEMORY_BASE),
			 member_u64(memory, bytes.ptr, MEMORY_SIZE));
	*ret = layout;
	return MVMI_OK;
}

struct modules_visit {
	struct linux_os *guest;
	modules_fn fn;
	void *arg;
	struct object module;
};

static enum mvmi_status
visit_one(mvmi_gva link, void *arg, struct mvmi_error *err)
{
	struct modules_visit *visit = arg;
	const struct shape *shape = &visit->guest->shapes.module;
	enum mvmi_status status =
		object_read(&visit->module, visit->guest->os.space, shape,
			    shape_container(shape, MODULE_LIST, link), err);

	if (status != MVMI_OK ||
	    object_u64(&visit->module, MODULE_STATE) == MODULE_UNFORMED)
		return status;
	return visit->fn(&visit->module, visit->arg, err);
}

enum mvmi_status modules_walk(struct linux_os *guest, modules_fn fn, void *arg,
			      struct mvmi_error *err)
{
	struct modules_visit visit = { .guest = guest, .fn = fn, .arg = arg };
	enum mvmi_status status = modules_prepare(guest, err);
	mvmi_gva head = { 0 };

	if (status == MVMI_OK)
		status = linux_symbol(guest, "modules", &head, err);
	if (status != MVMI_OK)
		return status;
	status = links_walk(guest->os.space, head, visit_one, &visit, err);
	return fail_context(err, status, "list of modules");
}

static const char *state_name(uint64_t state)
{
	switch (state) {
	case MODULE_LIVE:
		return "live";
	case MODULE_COMING:
		return "loading";
	case MODULE_GOING:
		return "unloading";
	default:
		return "";
	}
}

static enum mvmi_status
list_one(const struct object *module, void *arg, struct mvmi_error *err)
{
	struct listing *l = arg;
	struct mvmi_module *record = list_add(&l->list, sizeof(*record));
	struct module_layout layout;
	char name[MODULE_NAME_MAX];
	enum mvmi_status status;

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	status = module_layout(l->guest, module, &layout, err);
	if (status != MVMI_OK)
		return status;
	module_name(module, name);
	*record = (struct mvmi_module){
		.name = list_string(&l->list, name, strlen(name)),
		.base = mvmi_gva_at(layout.parts[0].base),
		.len = layout.len,
		.state = state_name(object_u64(module, MODULE_STATE)),
		.use_count = -1,
		.path = "",
		.object = module->gva,
	};
	if (shape_has(module->shape, MODULE_REFCOUNT))
		record->use_count =
			(int32_t)object_u64(module, MODULE_REFCOUNT) -
			REFCOUNT_BASE;
	return MVMI_OK;
}

static enum mvmi_status list_once(struct listing *l, struct mvmi_error *err)
{
	return modules_walk(l->guest, list_one, l, err);
}

enum mvmi_status
linux_list_modules(struct mvmi_os *os, const struct mvmi_module_list **ret,
		   struct mvmi_error *err)
{
	struct listing l = { .guest = linux_of(os) };

	return listing_make(&l, list_once, sizeof(**ret), (const void **)ret,
			    err);
}
