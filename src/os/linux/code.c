/* SPDX-License-Identifier: MIT */
#include "os/linux/code.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/le.h"
#include "base/util.h"
#include "os/linux/modules.h"

/** Modules that one address is looked for in. */
#define MODULES_MAX 4096

enum mvmi_status code_find(const struct linux_os *guest, struct code *ret,
			   struct mvmi_error *err)
{
	mvmi_gva start = { 0 };
	mvmi_gva end = { 0 };
	enum mvmi_status status = linux_symbol(guest, "_stext", &start, err);

	if (status == MVMI_OK)
		status = linux_symbol(guest, "_etext", &end, err);
	if (status == MVMI_OK && start.val >= end.val)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the kernel's code ends at 0x%" PRIx64
			    " before it begins at 0x%" PRIx64,
			    end.val, start.val);
	if (status == MVMI_OK)
		*ret = (struct code){ start.val, end.val };
	return status;
}

/** The module that holds an address. */
struct module_search {
	struct linux_os *guest;
	uint64_t addr;
	char *text;	 /**< where to describe it */
	unsigned passed; /**< modules so far */
};

static enum mvmi_status
search_module(const struct object *module, void *arg, struct mvmi_error *err)
{
	struct module_search *search = arg;
	struct module_layout layout;
	char name[MODULE_NAME_MAX];

	if (++search->passed > MODULES_MAX)
		return fail(err, MVMI_ERR_LIMIT, "too many modules");
	if (module_layout(search->guest, module, &layout, err) != MVMI_OK)
		return MVMI_OK;
	for (size_t i = 0; i < layout.count; i++) {
		uint64_t off = search->addr - layout.parts[i].base;

		if (off >= layout.parts[i].len)
			continue;
		module_name(module, name);
		(void)snprintf(search->text, CODE_TEXT_MAX, "[%s]+0x%" PRIx64,
			       name, off);
		/* Any failure ends the walk. */
		return fail(err, MVMI_ERR_BUSY, "found");
	}
	return MVMI_OK;
}

void code_describe(struct linux_os *guest, uint64_t addr,
		   char text[CODE_TEXT_MAX])
{
	struct module_search search = { guest, addr, text, 0 };
	struct mvmi_symbol symbol;

	if (addr >= guest->kernel.base.val && addr < guest->kernel.end.val &&
	    mvmi_symbols_find_addr(guest->os.symbols, mvmi_gva_at(addr),
				   &symbol)) {
		(void)snprintf(text, CODE_TEXT_MAX, "%.200s+0x%" PRIx64,
			       symbol.name, addr - symbol.addr);
		return;
	}
	(void)snprintf(text, CODE_TEXT_MAX, "0x%" PRIx64, addr);
	(void)modules_walk(guest, search_module, &search, NULL);
}

enum mvmi_status code_table(const struct linux_os *guest, const char *name,
			    struct code_table *ret, struct mvmi_error *err)
{
	uint8_t bytes[CODE_TABLE_MAX * 8];
	struct mvmi_symbol symbol;
	size_t count;
	enum mvmi_status status;

	if (!mvmi_symbols_find(guest->os.symbols, name, &symbol))
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "the guest's kernel has no symbol %s", name);
	count = (size_t)MIN(symbol.size / 8, (uint64_t)CODE_TABLE_MAX);
	status = mvmi_space_read(guest->os.space, mvmi_gva_at(symbol.addr),
				 (struct mvmi_span){ bytes, count * 8 }, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "%s", name);
	for (size_t i = 0; i < count; i++)
		ret->handlers[i] = load_le64(bytes + i * 8);
	/* What follows the last one is padding: it is no kernel address. */
	while (count && ret->handlers[count - 1] >> 63 == 0)
		count--;
	ret->at = mvmi_gva_at(symbol.addr);
	ret->count = count;
	return MVMI_OK;
}
