/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/error.h"
#include "os/linux/check/check.h"
#include "os/linux/member.h"
#include "os/linux/modules.h"
#include "os/linux/walk/links.h"
#include "os/linux/walk/rbtree.h"

static enum mvmi_status
add_listed(const struct object *module, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;

	return set_add(&c->first, module->gva.val, NULL, err);
}

static enum mvmi_status report(struct checking *c, const struct object *module,
			       const char *what, struct mvmi_error *err)
{
	char name[MODULE_NAME_MAX];

	module_name(module, name);
	return check_found(c, module->gva, 0, err, "module %s %s", name, what);
}

/** Take note of a module that a second view has; the list must have it, too. */
static enum mvmi_status visit_module(struct checking *c, uint64_t at,
				     const char *what, struct mvmi_error *err)
{
	struct object module;
	bool is_new;
	enum mvmi_status status = set_add(&c->second, at, &is_new, err);

	/* The tree has one node for each part of a module's memory. */
	if (status != MVMI_OK || !is_new || set_has(&c->first, at))
		return status;
	status = object_read(&module, c->guest->os.space,
			     &c->guest->shapes.module, mvmi_gva_at(at), err);
	if (status != MVMI_OK ||
	    object_u64(&module, MODULE_STATE) == MODULE_UNFORMED)
		return status;
	return report(c, &module, what, err);
}

static enum mvmi_status
visit_tree(mvmi_gva node, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;
	struct mvmi_field field = { 0 };
	uint64_t module = 0;
	enum mvmi_status status = mvmi_types_field(
		c->guest->os.types, "mod_tree_node", "node.node", &field, err);

	if (status == MVMI_OK)
		status = member_read(c->guest, "mod_tree_node", "mod",
				     mvmi_gva_at(node.val - field.offset),
				     &module, err);
	if (status != MVMI_OK)
		return status;
	return visit_module(c, module,
			    "is in the tree of addresses, and not on the list "
			    "of modules",
			    err);
}

static enum mvmi_status
require_tree(const struct object *module, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;

	if (set_has(&c->second, module->gva.val))
		return MVMI_OK;
	return report(c, module,
		      "is on the list of modules, and not in the tree of "
		      "addresses",
		      err);
}

enum mvmi_status check_tree(struct checking *c, struct mvmi_error *err)
{
	struct mvmi_field field = { 0 };
	mvmi_gva tree = { 0 };
	enum mvmi_status status = modules_prepare(c->guest, err);

	if (status == MVMI_OK)
		status = linux_symbol(c->guest, "mod_tree", &tree, err);
	/* The first of two that the kernel keeps equal (latch_tree). */
	if (status == MVMI_OK)
		status = mvmi_types_field(c->guest->os.types, "mod_tree_root",
					  "root.tree", &field, err);
	if (status == MVMI_OK)
		status = modules_walk(c->guest, add_listed, c, err);
	if (status == MVMI_OK)
		status = rbtree_walk(c->guest,
				     mvmi_gva_at(tree.val + field.offset),
				     visit_tree, c, err);
	if (status == MVMI_OK)
		status = modules_walk(c->guest, require_tree, c, err);
	return status;
}

/** A kobject of /sys/module; those that were built in have no module. */
static enum mvmi_status
visit_sysfs(mvmi_gva link, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;
	struct mvmi_field field = { 0 };
	uint64_t module = 0;
	enum mvmi_status status =
		mvmi_types_field(c->guest->os.types, "module_kobject",
				 "kobj.entry", &field, err);

	if (status == MVMI_OK)
		status = member_read(c->guest, "module_kobject", "mod",
				     mvmi_gva_at(link.val - field.offset),
				     &module, err);
	if (status != MVMI_OK || !module)
		return status;
	return visit_module(c, module,
			    "is in sysfs, and not on the list of modules", err);
}

static enum mvmi_status
require_sysfs(const struct object *module, void *arg, struct mvmi_error *err)
{
	struct checking *c = arg;

	if (object_u64(module, MODULE_STATE) != MODULE_LIVE ||
	    set_has(&c->second, module->gva.val))
		return MVMI_OK;
	return report(c, module, "is on the list of modules, and not in sysfs",
		      err);
}

enum mvmi_status check_sysfs(struct checking *c, struct mvmi_error *err)
{
	struct mvmi_field field = { 0 };
	mvmi_gva symbol = { 0 };
	uint64_t kset = 0;
	enum mvmi_status status = modules_prepare(c->guest, err);

	if (status == MVMI_OK)
		status = linux_symbol(c->guest, "module_kset", &symbol, err);
	if (status == MVMI_OK)
		status = mvmi_space_read_u64(c->guest->os.space, symbol, &kset,
					     err);
	if (status == MVMI_OK)
		status = mvmi_types_field(c->guest->os.types, "kset", "list",
					  &field, err);
	if (status == MVMI_OK)
		status = modules_walk(c->guest, add_listed, c, err);
	if (status == MVMI_OK)
		status = links_walk(c->guest->os.space,
				    mvmi_gva_at(kset + field.offset),
				    visit_sysfs, c, err);
	if (status == MVMI_OK)
		status = modules_walk(c->guest, require_sysfs, c, err);
	return status;
}
