/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <ctype.h>
#include <string.h>

#include "diag.h"
#include "number.h"

static bool begins_name(char c)
{
	return isalpha((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

const char *address_parse(const char *s, struct address *ret)
{
	const char *plus = strrchr(s, '+');
	size_t len = plus ? (size_t)(plus - s) : strlen(s);
	struct address address = { .value = 0 };
	const char *wrong = NULL;

	if (!begins_name(*s))
		wrong = number_parse(s, &address.value);
	else if (len >= sizeof(address.name))
		wrong = "no symbol has so long a name";
	else
		memcpy(address.name, s, len);
	if (!wrong && *address.name && plus)
		wrong = number_parse(plus + 1, &address.value);
	if (!wrong)
		*ret = address;
	return wrong;
}

/** Look for a symbol in all images of a process. */
static bool find_in_images(struct mvmi_os *os, uint64_t pid, const char *name,
			   uint64_t *ret)
{
	const struct mvmi_image_list *list;
	struct mvmi_symbol symbol;
	bool found = false;

	if (mvmi_os_list_images(os, pid, &list, NULL) != MVMI_OK)
		return false;
	for (size_t i = 0; !found && i < list->count; i++) {
		struct mvmi_symbols *symbols;

		if (mvmi_os_image_symbols(os, pid, list->items[i]->base,
					  &symbols, NULL) != MVMI_OK)
			continue;
		found = mvmi_symbols_find(symbols, name, &symbol);
		*ret = found ? symbol.addr : *ret;
		mvmi_symbols_destroy(symbols);
	}
	mvmi_os_free(list);
	return found;
}

int address_resolve(struct address *address, struct symname *names,
		    uint64_t pid)
{
	struct mvmi_symbol symbol;
	uint64_t base = 0;
	bool found = false;

	if (!*address->name)
		return EXIT_OK;
	if (pid != MVMI_OS_ALL)
		found = find_in_images(names->os, pid, address->name, &base);
	if (!found) {
		found = symname_find(names, address->name, &symbol);
		base = found ? symbol.addr : 0;
	}
	if (!found) {
		diag_say("neither %s has a symbol \"%s\"",
			 pid == MVMI_OS_ALL ? "the kernel nor a module"
					    : "that process nor the kernel",
			 address->name);
		if (strspn(address->name, "0123456789abcdefABCDEF") ==
		    strlen(address->name))
			diag_hint("hexadecimal numbers begin with 0x");
		return EXIT_FAILED;
	}
	if (address->value > UINT64_MAX - base) {
		diag_say("%s and that offset are more than 64 bits",
			 address->name);
		return EXIT_FAILED;
	}
	address->value += base;
	return EXIT_OK;
}
