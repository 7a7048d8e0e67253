/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/vm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "names.h"
#include "output.h"

static int targets_only;

static struct poptOption options[] = {
	{ "targets", '\0', POPT_ARG_NONE, &targets_only, 0,
	  "print only targets that can be opened, one a line", NULL },
	POPT_TABLEEND,
};

struct note {
	char *reason; /**< owned */
	char *advice; /**< owned */
};

struct listing {
	struct output_table table;
	struct note *notes; /**< owned; one a row, the heading left out */
	size_t count;
	json_t *vms; /**< owned; NULL unless for JSON */
};

static char *copy_printable(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		diag_no_memory();
	output_make_printable(copy);
	return copy;
}

static bool add_row(const struct mvmi_candidate *candidate, void *arg)
{
	struct listing *listing = arg;
	struct note *notes =
		realloc(listing->notes, (listing->count + 1) * sizeof(*notes));

	if (!notes)
		diag_no_memory();
	listing->notes = notes;
	notes[listing->count++] = (struct note){
		copy_printable(candidate->reason),
		copy_printable(candidate->advice),
	};
	output_cell(&listing->table, "%s", candidate->target);
	output_cell(&listing->table, "%s", candidate->driver);
	output_cell(&listing->table, "%s",
		    *candidate->name ? candidate->name : "-");
	if (candidate->pid)
		output_cell(&listing->table, "%" PRId64, candidate->pid);
	else
		output_cell(&listing->table, "-");
	output_cell(&listing->table, "%s", mvmi_status_name(candidate->status));
	return true;
}

static bool add_object(const struct mvmi_candidate *candidate, void *arg)
{
	struct listing *listing = arg;
	json_t *object = json_object();

	output_put(object, "target", output_text(candidate->target));
	output_put(object, "driver", output_text(candidate->driver));
	output_put(object, "name", output_text(candidate->name));
	output_put(object, "pid", json_integer(candidate->pid));
	output_put(object, "status",
		   json_string(mvmi_status_name(candidate->status)));
	output_put(object, "capabilities",
		   names_of_bits(candidate->capabilities, names_capabilities));
	output_put(object, "reason", output_text(candidate->reason));
	output_put(object, "advice", output_text(candidate->advice));
	output_append(listing->vms, object);
	return true;
}

static bool print_target(const struct mvmi_candidate *candidate, void *arg)
{
	(void)arg;
	if (candidate->status == MVMI_OK)
		(void)printf("%s\n", candidate->target);
	return true;
}

static int print_table(struct listing *listing)
{
	if (listing->count == 0) {
		(void)printf("no VM was found on this host\n");
		return output_finish();
	}
	output_row(&listing->table, 0);
	for (size_t i = 0; i < listing->count; i++) {
		output_row(&listing->table, i + 1);
		if (*listing->notes[i].reason)
			(void)printf("    %s\n", listing->notes[i].reason);
		if (*listing->notes[i].advice)
			(void)printf("    -> %s\n", listing->notes[i].advice);
	}
	return output_finish();
}

static int print_document(json_t *vms)
{
	json_t *document = json_object();

	output_put(document, "vms", vms);
	return output_json(document);
}

static void listing_fini(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++) {
		free(listing->notes[i].reason);
		free(listing->notes[i].advice);
	}
	free(listing->notes);
	output_table_fini(&listing->table);
}

static int run(const char *const *operands)
{
	static const char *const heading[] = { "TARGET", "DRIVER", "NAME",
					       "PID", "STATUS" };
	struct listing listing = { .table.columns = 5 };
	mvmi_list_fn fn = targets_only ? print_target : add_row;
	struct mvmi_error err;
	int code;

	(void)operands;
	if (command_json) {
		listing.vms = json_array();
		fn = add_object;
	}
	for (size_t i = 0; i < listing.table.columns && fn == add_row; i++)
		output_cell(&listing.table, "%s", heading[i]);
	if (mvmi_list(fn, &listing, &err) != MVMI_OK) {
		json_decref(listing.vms);
		code = diag_error(&err, "cannot list the VMs");
	} else if (command_json) {
		code = print_document(listing.vms);
	} else if (targets_only) {
		code = output_finish();
	} else {
		code = print_table(&listing);
	}
	listing_fini(&listing);
	return code;
}

const struct command cmd_list = {
	.name = "list",
	.operands = "",
	.summary = "show the VMs of this host, and how to open each",
	.details = "Shows every VM that some driver knows of. Where one can't "
		   "be opened, the lines\nunder it say why, and what to do "
		   "about it. Nothing is changed in any of them.\n",
	.examples = "  microvmi list\n"
		    "  microvmi list --json | jq -r '.vms[].target'\n"
		    "  sudo microvmi list      VMs of other users too\n",
	.options = options,
	.run = run,
};
