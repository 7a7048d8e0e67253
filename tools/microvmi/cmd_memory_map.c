/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/mem.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "diag.h"
#include "names.h"
#include "number.h"
#include "output.h"
#include "target.h"

static int print_json(const struct mvmi_region *regions, size_t count)
{
	json_t *document = json_object();
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *object = json_object();
		uint64_t start = regions[i].start.val;

		output_put(object, "start", output_hex(start));
		output_put(object, "last",
			   output_hex(start + regions[i].len - 1));
		output_put(object, "size", output_hex(regions[i].len));
		output_put(object, "kind",
			   json_string(names_region_kind(regions[i].kind)));
		output_put(object, "name", output_text(regions[i].name));
		output_append(array, object);
	}
	output_put(document, "regions", array);
	return output_json(document);
}

static int print_text(const struct mvmi_region *regions, size_t count)
{
	struct output_table table = { .columns = 5 };
	char size[NUMBER_SIZE_LEN];

	output_cell(&table, "START");
	output_cell(&table, "LAST BYTE");
	output_cell(&table, "SIZE");
	output_cell(&table, "KIND");
	output_cell(&table, "NAME");
	for (size_t i = 0; i < count; i++) {
		uint64_t start = regions[i].start.val;

		output_cell(&table, "0x%012" PRIx64, start);
		output_cell(&table, "0x%012" PRIx64,
			    start + regions[i].len - 1);
		output_cell(&table, "%s",
			    number_format_size(size, regions[i].len));
		output_cell(&table, "%s", names_region_kind(regions[i].kind));
		output_cell(&table, "%s",
			    regions[i].name[0] ? regions[i].name : "-");
	}
	return output_table(&table);
}

static int run(const char *const *operands)
{
	struct mvmi_region *regions;
	struct mvmi_vm *vm;
	size_t count;
	int code = target_open(operands[0], true, &vm);

	if (code != EXIT_OK)
		return code;
	code = target_regions(vm, &regions, &count);
	if (code == EXIT_OK) {
		code = command_json ? print_json(regions, count)
				    : print_text(regions, count);
		free(regions);
	}
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_memory_map = {
	.name = "memory-map",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "show where guest-physical memory is",
	.details = "Lists RAM and ROM by guest-physical address. What lies "
		   "between is devices or\nnothing, and reading it is an "
		   "error.\n",
	.examples = "  microvmi memory-map /run/vm.qmp\n"
		    "  microvmi memory-map mem.elf --json\n",
	.run = run,
};
