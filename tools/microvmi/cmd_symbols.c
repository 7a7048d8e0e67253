/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"

static int all;
static const char *module_name;

static struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &all, 0, "all, in the guest's own order",
	  NULL },
	{ "module", 'm', POPT_ARG_STRING, &module_name, 0,
	  "only symbols of this module or, with --pid, of this image; implies "
	  "--all where there is no NAME or ADDR",
	  "NAME" },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** The symbols of the kernel with its modules, or of one image. */
struct table {
	const struct mvmi_symbols *symbols; /**< owned, or the OS's */
	struct mvmi_symbols *owned;	    /**< NULL: the OS's */
	char *image;			    /**< owned; NULL: the kernel's */
};

struct tables {
	struct table *items; /**< owned */
	size_t count;
};

static void tables_fini(struct tables *tables)
{
	for (size_t i = 0; i < tables->count; i++) {
		mvmi_symbols_destroy(tables->items[i].owned);
		free(tables->items[i].image);
	}
	free(tables->items);
}

/** @param symbols  Is taken over. */
static void add_table(struct tables *tables, struct mvmi_symbols *symbols,
		      const char *image)
{
	struct table *items =
		realloc(tables->items, (tables->count + 1) * sizeof(*items));

	if (!items)
		diag_no_memory();
	tables->items = items;
	items[tables->count] = (struct table){ symbols, symbols, NULL };
	if (image) {
		items[tables->count].image = strdup(image);
		if (!items[tables->count].image)
			diag_no_memory();
	}
	tables->count++;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int read_images(struct guest *guest, uint64_t pid, struct tables *tables)
{
	const struct mvmi_image_list *list;
	struct mvmi_symbols *symbols;
	struct mvmi_error err;

	if (mvmi_os_list_images(guest->os, pid, &list, &err) != MVMI_OK)
		return diag_plain_error(&err);
	for (size_t i = 0; i < list->count; i++) {
		const struct mvmi_image *image = list->items[i];

		if (module_name && strcmp(module_name, image->path) != 0 &&
		    strcmp(module_name, base_name(image->path)) != 0)
			continue;
		if (mvmi_os_image_symbols(guest->os, pid, image->base, &symbols,
					  &err) == MVMI_OK)
			add_table(tables, symbols, image->path);
		else
			diag_say("in doubt: symbols of %s: %s", image->path,
				 err.msg);
	}
	mvmi_os_free(list);
	return EXIT_OK;
}

static int read_tables(struct guest *guest, uint64_t pid, struct tables *tables)
{
	struct mvmi_symbols *symbols;
	struct mvmi_error err;

	if (pid != MVMI_OS_ALL)
		return read_images(guest, pid, tables);
	if (mvmi_os_symbols(guest->os, &symbols, &err) != MVMI_OK) {
		if (err.status == MVMI_ERR_GONE)
			return diag_plain_error(&err);
		/* The kernel's own are known already. */
		diag_say("in doubt: no symbols of modules: %s", err.msg);
		add_table(tables, NULL, NULL);
		tables->items[0].symbols = mvmi_os_kernel_symbols(guest->os);
		return EXIT_OK;
	}
	add_table(tables, symbols, NULL);
	return EXIT_OK;
}

static const char *
module_of(const struct table *table, const struct mvmi_symbol *symbol)
{
	return table->image ? table->image : symbol->module;
}

static bool
is_wanted(const struct table *table, const struct mvmi_symbol *symbol)
{
	return !module_name || table->image ||
	       strcmp(module_name, symbol->module) == 0;
}

/* ---- all --------------------------------------------------------------- */

/* Guests have 200,000: each is written at once, not kept for a document. */
static void print_member(const struct table *table,
			 const struct mvmi_symbol *symbol, bool first)
{
	char type[] = { symbol->type, '\0' };

	(void)printf("%s\n  {\"name\": ", first ? "" : ",");
	output_quoted(symbol->name);
	(void)printf(", \"addr\": \"0x%" PRIx64 "\", \"type\": ", symbol->addr);
	output_quoted(type);
	(void)printf(", \"module\": ");
	output_quoted(module_of(table, symbol));
	(void)putchar('}');
}

static void
print_line(const struct table *table, const struct mvmi_symbol *symbol)
{
	const char *module = module_of(table, symbol);

	(void)printf("%016" PRIx64 " %c ", symbol->addr, symbol->type);
	output_printable(symbol->name);
	if (*module) {
		bool is_bare = *module != '[';

		(void)printf("\t%s", is_bare ? "[" : "");
		output_printable(module);
		(void)printf("%s", is_bare ? "]" : "");
	}
	(void)putchar('\n');
}

static int print_all(const struct tables *tables)
{
	struct mvmi_symbol symbol;
	bool first = true;

	if (command_json)
		(void)putchar('[');
	for (size_t i = 0; i < tables->count; i++) {
		const struct table *table = &tables->items[i];
		size_t count = mvmi_symbols_count(table->symbols);

		for (size_t j = 0; j < count && !ferror(stdout); j++) {
			if (!mvmi_symbols_get(table->symbols, j, &symbol) ||
			    !is_wanted(table, &symbol))
				continue;
			if (command_json)
				print_member(table, &symbol, first);
			else
				print_line(table, &symbol);
			first = false;
		}
	}
	if (command_json)
		(void)fputs(first ? "]\n" : "\n]\n", stdout);
	if (!first || !module_name)
		return output_finish();
	diag_say("no module or image is called \"%s\", or it has no symbols",
		 module_name);
	return EXIT_FAILED;
}

/* ---- looking up -------------------------------------------------------- */

/** What was found, as text or JSON. */
struct answer {
	struct output_table table;
	json_t *array; /**< owned; NULL unless for JSON */
};

static void add_answer(struct answer *answer, const struct table *table,
		       const struct mvmi_symbol *symbol, uint64_t addr)
{
	char type[] = { symbol->type, '\0' };
	const char *module = module_of(table, symbol);
	json_t *object;

	if (!answer->array) {
		char name[SYMNAME_LEN];

		symname_format(symbol, addr, name);
		output_cell(&answer->table, "0x%" PRIx64, addr);
		output_cell(&answer->table, "%c", symbol->type);
		output_cell(&answer->table, "%" PRIu64, symbol->size);
		output_cell(&answer->table, "%s%s%s%s", name,
			    table->image ? " [" : "",
			    table->image ? table->image : "",
			    table->image ? "]" : "");
		return;
	}
	object = json_object();
	output_put(object, "name", output_text(symbol->name));
	output_put(object, "addr", output_hex(symbol->addr));
	output_put(object, "type", output_text(type));
	output_put(object, "size", output_number(symbol->size));
	output_put(object, "module", output_text(module));
	output_put(object, "offset", output_number(addr - symbol->addr));
	output_append(answer->array, object);
}

static bool find_name(const struct table *table, const struct address *address,
		      struct answer *answer)
{
	struct mvmi_symbol symbol;
	bool any = false;
	bool found = mvmi_symbols_find(table->symbols, address->name, &symbol);

	while (found) {
		if (is_wanted(table, &symbol)) {
			add_answer(answer, table, &symbol,
				   symbol.addr + address->value);
			any = true;
		}
		found = mvmi_symbols_find_next(table->symbols, &symbol,
					       &symbol);
	}
	return any;
}

static bool find_addr(const struct table *table, const struct address *address,
		      struct answer *answer)
{
	struct mvmi_symbol symbol;

	if (!mvmi_symbols_find_addr(table->symbols, mvmi_gva_at(address->value),
				    &symbol) ||
	    !is_wanted(table, &symbol))
		return false;
	add_answer(answer, table, &symbol, address->value);
	return true;
}

static int
look_up(const struct tables *tables, const char *operand, struct answer *answer)
{
	struct address address;
	bool found = false;

	if (address_parse(operand, &address) != NULL)
		return EXIT_USAGE;
	for (size_t i = 0; i < tables->count; i++) {
		const struct table *table = &tables->items[i];

		if (*address.name ? find_name(table, &address, answer)
				  : find_addr(table, &address, answer))
			found = true;
	}
	if (found)
		return EXIT_OK;
	if (*address.name)
		diag_say("no symbol is called \"%s\"", address.name);
	else
		diag_say("no symbol covers %s", operand);
	return EXIT_FAILED;
}

/** What isn't found doesn't keep the others from being printed. */
static int print_found(const struct tables *tables, const char *const *operands)
{
	static const char *const heading[] = { "ADDRESS", "TYPE", "SIZE",
					       "SYMBOL", NULL };
	struct answer answer = {
		.table = { .columns = 4, .right = 1 << 2 },
		.array = command_json ? json_array() : NULL,
	};
	int code = EXIT_OK;
	int printed = EXIT_OK;

	output_heading(&answer.table, heading);
	for (size_t i = 0; operands[i]; i++) {
		int one = look_up(tables, operands[i], &answer);

		code = code == EXIT_OK ? one : code;
	}
	if (answer.array)
		printed = output_json(answer.array);
	if (!answer.array && answer.table.count > answer.table.columns)
		printed = output_table(&answer.table);
	else
		output_table_fini(&answer.table);
	return printed == EXIT_OK ? code : printed;
}

/* ------------------------------------------------------------------------ */

static int check(const char *const *operands)
{
	struct address address;

	for (size_t i = 0; operands[i]; i++) {
		const char *wrong = address_parse(operands[i], &address);

		if (wrong)
			return diag_usage("\"%s\": %s", operands[i], wrong);
	}
	if (all && operands[0])
		return diag_usage(
			"--all and a NAME or ADDR exclude each other");
	if (!all && !operands[0] && !module_name)
		return diag_usage("want a NAME or ADDR, or --all");
	return EXIT_OK;
}

static int run(const char *const *operands)
{
	struct tables tables = { .count = 0 };
	struct guest guest;
	uint64_t pid;
	int code = guest_pid(&pid);

	if (code == EXIT_OK)
		code = check(operands + 1);
	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	code = read_tables(&guest, pid, &tables);
	code = guest_release(&guest, code);
	if (code == EXIT_OK)
		code = operands[1] ? print_found(&tables, operands + 1)
				   : print_all(&tables);
	tables_fini(&tables);
	return guest_close(&guest, code);
}

const struct command cmd_symbols = {
	.name = "symbols",
	.operands = "TARGET [NAME|ADDR]...",
	.operands_min = 1,
	.operands_max = INT_MAX,
	.about_guest = true,
	.summary = "look up or list the symbols of kernel, modules, processes",
	.details =
		"Prints each symbol of that NAME, or the one that covers ADDR. "
		"They are read from\nthe guest's memory; no System.map is "
		"needed. With --pid, from the images of a\nprocess. --all "
		"prints what /proc/kallsyms shows to root in the guest.\n",
	.examples = "  microvmi symbols /run/vm.qmp init_task "
		    "0xffffffff81000040\n"
		    "  microvmi symbols mem.elf --all > System.map\n"
		    "  microvmi symbols mem.elf --module ext4\n"
		    "  microvmi symbols mem.elf --pid 412 malloc\n",
	.options = options,
	.run = run,
};
