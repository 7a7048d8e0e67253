/* SPDX-License-Identifier: MIT */
#include "symname.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/** Symbols of modules too; NULL if the guest's modules can't be read. */
static const struct mvmi_symbols *full_of(struct symname *names)
{
	if (!names->tried &&
	    mvmi_os_symbols(names->os, &names->full, NULL) != MVMI_OK)
		names->full = NULL;
	names->tried = true;
	return names->full;
}

bool symname_find_addr(struct symname *names, uint64_t addr,
		       struct mvmi_symbol *ret)
{
	const struct mvmi_symbols *symbols = mvmi_os_kernel_symbols(names->os);

	if (mvmi_symbols_find_addr(symbols, mvmi_gva_at(addr), ret))
		return true;
	symbols = full_of(names);
	return symbols &&
	       mvmi_symbols_find_addr(symbols, mvmi_gva_at(addr), ret);
}

void symname_format(const struct mvmi_symbol *symbol, uint64_t addr,
		    char buf[SYMNAME_LEN])
{
	char offset[24] = "";
	const char *module = symbol->module;

	if (addr != symbol->addr)
		(void)snprintf(offset, sizeof(offset), "+0x%" PRIx64,
			       addr - symbol->addr);
	(void)snprintf(buf, SYMNAME_LEN, "%.511s%s%s%.64s%s", symbol->name,
		       offset, *module ? " [" : "", module, *module ? "]" : "");
}

bool symname_of(struct symname *names, uint64_t addr, char buf[SYMNAME_LEN])
{
	struct mvmi_symbol symbol;

	buf[0] = '\0';
	if (!symname_find_addr(names, addr, &symbol))
		return false;
	symname_format(&symbol, addr, buf);
	return true;
}

/** The first symbol of that name that a module has; any, if module is "". */
static bool find_in(const struct mvmi_symbols *symbols, const char *module,
		    const char *name, struct mvmi_symbol *ret)
{
	struct mvmi_symbol symbol;
	bool found = mvmi_symbols_find(symbols, name, &symbol);

	while (found && *module && strcmp(symbol.module, module) != 0)
		found = mvmi_symbols_find_next(symbols, &symbol, &symbol);
	if (found)
		*ret = symbol;
	return found;
}

bool symname_find(struct symname *names, const char *name,
		  struct mvmi_symbol *ret)
{
	const struct mvmi_symbols *symbols = mvmi_os_kernel_symbols(names->os);
	const char *colon = strchr(name, ':');
	char module[64] = "";

	if (colon && (size_t)(colon - name) < sizeof(module)) {
		memcpy(module, name, (size_t)(colon - name));
		name = colon + 1;
	}
	if (!*module && find_in(symbols, "", name, ret))
		return true;
	symbols = full_of(names);
	return symbols && find_in(symbols, module, name, ret);
}

void symname_fini(struct symname *names)
{
	mvmi_symbols_destroy(names->full);
	names->full = NULL;
}
