/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/space.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "names.h"
#include "number.h"
#include "output.h"
#include "source.h"
#include "target.h"

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, source_space_options, 0, NULL,
	  NULL },
	POPT_TABLEEND,
};

/** What a walk gave. */
struct walked {
	const struct mvmi_space_params *params; /**< borrowed from the space */
	struct mvmi_walk_step steps[MVMI_WALK_STEPS_MAX];
	size_t count;
	struct mvmi_translation result;
	char name[SYMNAME_LEN]; /**< symbol and offset, where known; or "" */
};

static const char *level_name(unsigned level)
{
	static const char *const names[] = { "",      "PTE",   "PDE",
					     "PDPTE", "PML4E", "PML5E" };

	return level < sizeof(names) / sizeof(names[0]) ? names[level] : "";
}

/** Where an entry leads: to a table, a page, or nowhere. */
static void
describe_step(const struct walked *walked, size_t i, char *buf, size_t size)
{
	const struct mvmi_walk_step *step = &walked->steps[i];
	char page[NUMBER_SIZE_LEN];
	uint64_t next;

	if (step->fault != MVMI_WALK_OK) {
		(void)snprintf(buf, size, "%s",
			       mvmi_walk_fault_name(step->fault));
		return;
	}
	if (step->leaf) {
		next = walked->result.gpa.val & ~(walked->result.page_size - 1);
		(void)snprintf(
			buf, size, "%s page at 0x%" PRIx64,
			number_format_size(page, walked->result.page_size),
			next);
		return;
	}
	next = i + 1 < walked->count ? walked->steps[i + 1].entry_gpa.val : 0;
	(void)snprintf(buf, size, "table at 0x%" PRIx64,
		       next & ~(MVMI_PAGE_SIZE - 1));
}

static json_t *step_json(const struct walked *walked, size_t i)
{
	const struct mvmi_walk_step *step = &walked->steps[i];
	json_t *object = json_object();
	char meaning[64];

	describe_step(walked, i, meaning, sizeof(meaning));
	output_put(object, "level", json_integer(step->level));
	output_put(object, "name", json_string(level_name(step->level)));
	output_put(object, "index", json_integer(step->index));
	output_put(object, "entry_address", output_hex(step->entry_gpa.val));
	output_put(object, "entry", output_hex(step->entry));
	output_put(object, "meaning", json_string(meaning));
	return object;
}

static int print_json(const struct walked *walked)
{
	const struct mvmi_translation *result = &walked->result;
	json_t *object = json_object();
	json_t *steps = json_array();

	output_put(object, "virtual", output_hex(result->gva.val));
	if (*walked->name)
		output_put(object, "symbol", output_text(walked->name));
	output_put(object, "paging",
		   json_string(mvmi_paging_name(walked->params->paging)));
	output_put(object, "root", output_hex(walked->params->root));
	for (size_t i = 0; i < walked->count; i++)
		output_append(steps, step_json(walked, i));
	output_put(object, "steps", steps);
	if (result->fault == MVMI_WALK_OK) {
		output_put(object, "physical", output_hex(result->gpa.val));
		output_put(object, "page_size", output_hex(result->page_size));
		output_put(object, "rights",
			   names_of_bits(result->rights, names_page_rights));
	} else {
		output_put(object, "fault",
			   json_string(mvmi_walk_fault_name(result->fault)));
	}
	return output_json(object);
}

static void print_steps(const struct walked *walked)
{
	struct output_table table = { .columns = 4 };

	for (size_t i = 0; i < walked->count; i++) {
		const struct mvmi_walk_step *step = &walked->steps[i];
		char meaning[64];

		describe_step(walked, i, meaning, sizeof(meaning));
		output_cell(&table, "  %-5s %u", level_name(step->level),
			    step->index);
		output_cell(&table, "at 0x%" PRIx64, step->entry_gpa.val);
		output_cell(&table, "0x%016" PRIx64, step->entry);
		output_cell(&table, "%s", meaning);
	}
	for (size_t i = 0; i < walked->count; i++)
		output_row(&table, i);
	output_table_fini(&table);
}

static int print_text(const struct walked *walked)
{
	const struct mvmi_translation *result = &walked->result;
	char page[NUMBER_SIZE_LEN];

	(void)printf("0x%" PRIx64, result->gva.val);
	if (*walked->name) {
		(void)printf(" (");
		output_printable(walked->name);
		(void)putchar(')');
	}
	if (walked->params->paging == MVMI_PAGING_NONE)
		(void)printf(", paging is off\n");
	else
		(void)printf(", %s paging, root 0x%" PRIx64 "\n",
			     mvmi_paging_name(walked->params->paging),
			     walked->params->root);
	print_steps(walked);
	if (result->fault != MVMI_WALK_OK)
		return output_finish();
	(void)printf(
		"0x%" PRIx64 " -> 0x%" PRIx64 ", %s page:", result->gva.val,
		result->gpa.val, number_format_size(page, result->page_size));
	for (const struct name *name = names_page_rights; name->name; name++) {
		if (result->rights & name->bit)
			(void)printf(" %s", name->name);
	}
	(void)putchar('\n');
	return output_finish();
}

/** The walk is printed also when it ends in a fault; the code tells. */
static int walk(struct source *source, uint64_t addr)
{
	struct walked walked = {
		.params = mvmi_space_get_params(source->space),
	};
	struct mvmi_error err;
	int code;

	if (mvmi_space_walk(source->space, mvmi_gva_at(addr), walked.steps,
			    &walked.count, &walked.result, &err) != MVMI_OK)
		return diag_error(&err, "cannot walk the page tables");
	if (source->os)
		(void)symname_of(&source->names, addr, walked.name);
	code = command_json ? print_json(&walked) : print_text(&walked);
	if (code != EXIT_OK || walked.result.fault == MVMI_WALK_OK)
		return code;
	if (walked.result.level)
		diag_say("0x%" PRIx64 " is not mapped: its %s is %s", addr,
			 level_name(walked.result.level),
			 mvmi_walk_fault_name(walked.result.fault));
	else
		diag_say("0x%" PRIx64 " is not mapped: %s", addr,
			 mvmi_walk_fault_name(walked.result.fault));
	return EXIT_MEMORY;
}

static int run(const char *const *operands)
{
	struct source source;
	struct mvmi_vm *vm;
	struct address address;
	const char *wrong = address_parse(operands[1], &address);
	int code;

	if (wrong)
		return diag_usage("ADDR \"%s\": %s", operands[1], wrong);
	code = target_open(operands[0], true, &vm);
	if (code != EXIT_OK)
		return code;
	code = source_open(&source, vm, &address, true);
	if (code == EXIT_OK) {
		code = walk(&source, address.value);
		source_close(&source);
	}
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_translate = {
	.name = "translate",
	.operands = "TARGET ADDR",
	.operands_min = 2,
	.operands_max = 2,
	.summary = "walk the page tables for a virtual address, step by step",
	.details = "Prints each entry on the way, where it is and what it "
		   "means, and where the walk\ncomes to. ADDR is a number, a "
		   "symbol of the guest's kernel or, with --pid, an\naddress "
		   "or symbol of a process. An address that is not mapped ends "
		   "with exit code\n4.\n",
	.examples = "  microvmi translate /run/vm.qmp 0xffffffff81000000\n"
		    "  microvmi translate /run/vm.qmp init_task\n"
		    "  microvmi translate /run/vm.qmp 0x7ffd3c10e000 --pid "
		    "412\n"
		    "  microvmi translate mem.raw 0x400000 --root 0x1aa000\n",
	.options = options,
	.run = run,
};
