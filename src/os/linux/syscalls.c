/* SPDX-License-Identifier: MIT */
/*
 * System calls.  Since 6.9 the kernel finds a handler by x64_sys_call(), which
 * is code, and keeps the table for those who trace; a table that was changed is
 * worth knowing about all the same.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/code.h"
#include "os/linux/listing.h"

/** What the kernel's macros put before a call's name. */
static const char *const prefixes[] = {
	"__x64_sys_", "__ia32_sys_", "__x64_compat_sys_",
	"__se_sys_",  "__do_sys_",   "stub_",
	"SyS_",	      "sys_",
};

/** The name of a call, of which its handler's has more; "" if it isn't told. */
static const char *call_name(const char *symbol)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(symbol, prefixes[i], len) != 0)
			continue;
		symbol += len;
		/* All numbers without a call share this one. */
		return strcmp(symbol, "ni_syscall") == 0 ? "" : symbol;
	}
	return "";
}

/**
 * The name of a handler by which the table has it: one that takes no arguments
 * serves 32-bit calls too, and goes by both names.
 */
static const char *
handler_name(const struct mvmi_symbols *symbols, struct mvmi_symbol *symbol)
{
	const char *call = call_name(symbol->name);
	char name[128];
	struct mvmi_symbol other;
	int n = snprintf(name, sizeof(name), "%s%s", prefixes[0], call);

	if (*call && n > 0 && (size_t)n < sizeof(name) &&
	    mvmi_symbols_find(symbols, name, &other) &&
	    other.addr == symbol->addr)
		*symbol = other;
	return symbol->name;
}

static enum mvmi_status
list_one(struct listing *l, const struct code *code, uint32_t number,
	 uint64_t handler, struct mvmi_error *err)
{
	struct mvmi_syscall *record = list_add(&l->list, sizeof(*record));
	char text[CODE_TEXT_MAX];
	const char *name = text;
	struct mvmi_symbol symbol;

	if (!record)
		return fail(err, MVMI_ERR_LIMIT, "the list is full");
	*record = (struct mvmi_syscall){
		.number = number,
		.is_foreign = !code_has(code, handler),
		.handler = mvmi_gva_at(handler),
		.name = "",
		.symbol = "",
	};
	if (!record->is_foreign &&
	    mvmi_symbols_find_addr(l->guest->os.symbols, record->handler,
				   &symbol) &&
	    symbol.addr == handler)
		name = handler_name(l->guest->os.symbols, &symbol);
	else
		code_describe(l->guest, handler, text);
	record->symbol = list_string(&l->list, name, strlen(name));
	name = call_name(name);
	record->name = list_string(&l->list, name, strlen(name));
	return MVMI_OK;
}

static enum mvmi_status list_once(struct listing *l, struct mvmi_error *err)
{
	struct code_table table;
	struct code code;
	enum mvmi_status status = code_find(l->guest, &code, err);

	if (status == MVMI_OK)
		status = code_table(l->guest, "sys_call_table", &table, err);
	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < table.count && status == MVMI_OK; i++)
		status =
			list_one(l, &code, (uint32_t)i, table.handlers[i], err);
	return status;
}

enum mvmi_status
linux_list_syscalls(struct mvmi_os *os, const struct mvmi_syscall_list **ret,
		    struct mvmi_error *err)
{
	struct listing l = { .guest = linux_of(os) };

	return listing_make(&l, list_once, sizeof(**ret), (const void **)ret,
			    err);
}
