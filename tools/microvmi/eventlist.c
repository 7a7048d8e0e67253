/* SPDX-License-Identifier: MIT */
#include "eventlist.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "diag.h"
#include "names.h"
#include "output.h"
#include "target.h"

#define WORDS_LEN 256

const struct mvmi_event_desc *
eventlist_find(const struct mvmi_vm *vm, enum mvmi_event_kind kind)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);

	for (size_t i = 0; i < count; i++) {
		if (descs[i].kind == kind)
			return &descs[i];
	}
	return NULL;
}

static const char *phase_name(enum mvmi_phase phase)
{
	return phase == MVMI_PHASE_BEFORE ? "before" : "after";
}

static const char *holds_name(enum mvmi_hold_scope holds)
{
	switch (holds) {
	case MVMI_HOLDS_NONE:
		break;
	case MVMI_HOLDS_VCPU:
		return "vcpu";
	case MVMI_HOLDS_VM:
		return "vm";
	}
	return "none";
}

static void add_word(char words[WORDS_LEN], const char *word)
{
	size_t len = strlen(words);

	(void)snprintf(words + len, WORDS_LEN - len, "%s%s", len ? "," : "",
		       word);
}

/** "index,value"; "-" if none of the bits is set. */
static const char *
join(char words[WORDS_LEN], uint32_t bits, const struct name *names)
{
	words[0] = '\0';
	for (; names->name; names++) {
		if (bits & names->bit)
			add_word(words, names->name);
	}
	return *words ? words : "-";
}

static void
add_row(struct output_table *table, const struct mvmi_event_desc *desc)
{
	char words[WORDS_LEN];

	output_cell(table, "%s", mvmi_event_kind_name(desc->kind));
	output_cell(table, "%s", phase_name(desc->phase));
	output_cell(table, "%s", holds_name(desc->holds));
	output_cell(table, "%s", desc->async ? "yes" : "no");
	if (desc->limit)
		output_cell(table, "%" PRIu32, desc->limit);
	else
		output_cell(table, "-");
	output_cell(table, "%s",
		    join(words, desc->replies, names_event_replies));
	output_cell(table, "%s",
		    join(words, desc->filters, names_event_filters));
	output_cell(table, "%s", join(words, desc->fields, names_event_fields));
}

static json_t *make_object(const struct mvmi_event_desc *desc)
{
	json_t *object = json_object();

	output_put(object, "kind",
		   output_text(mvmi_event_kind_name(desc->kind)));
	output_put(object, "phase", output_text(phase_name(desc->phase)));
	output_put(object, "holds", output_text(holds_name(desc->holds)));
	output_put(object, "async", json_boolean(desc->async));
	output_put(object, "limit",
		   desc->limit ? output_number(desc->limit) : json_null());
	output_put(object, "replies",
		   names_of_bits(desc->replies, names_event_replies));
	output_put(object, "filters",
		   names_of_bits(desc->filters, names_event_filters));
	output_put(object, "fields",
		   names_of_bits(desc->fields, names_event_fields));
	return object;
}

/** What would give events to a VM that has none. */
static void give_hint(struct mvmi_vm *vm)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };

	if (mvmi_vm_get_info(vm, &info, NULL) == MVMI_OK &&
	    (info.traits & MVMI_TRAIT_STATIC)) {
		diag_hint("nothing happens in a dump");
		return;
	}
	diag_hint("QEMU offers events if it is started with what "
		  "`microvmi qemu-args` prints");
}

int eventlist_print(struct mvmi_vm *vm)
{
	static const char *const heading[] = { "KIND",	  "PHASE",  "HOLDS",
					       "ASYNC",	  "LIMIT",  "REPLIES",
					       "FILTERS", "FIELDS", NULL };
	struct output_table table = { .columns = 8, .right = 1 << 4 };
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);

	if (command_json) {
		json_t *array = json_array();

		for (size_t i = 0; i < count; i++)
			output_append(array, make_object(&descs[i]));
		return output_json(array);
	}
	if (count == 0) {
		diag_say("this VM offers no events");
		give_hint(vm);
		return EXIT_FAILED;
	}
	output_heading(&table, heading);
	for (size_t i = 0; i < count; i++)
		add_row(&table, &descs[i]);
	return output_table(&table);
}

int eventlist_explain(struct mvmi_vm *vm, enum mvmi_event_kind kind)
{
	const struct mvmi_event_desc *descs;
	size_t count = mvmi_event_descs(vm, &descs);
	char words[2 * WORDS_LEN] = "";

	if (count == 0) {
		diag_say("this VM offers no events");
		give_hint(vm);
		return target_explain(vm, MVMI_ERR_UNSUPPORTED, EXIT_FAILED);
	}
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(words);

		(void)snprintf(words + len, sizeof(words) - len, "%s%s",
			       i ? ", " : "",
			       mvmi_event_kind_name(descs[i].kind));
	}
	diag_say("this VM has no %s events; it has %s",
		 mvmi_event_kind_name(kind), words);
	return EXIT_FAILED;
}
