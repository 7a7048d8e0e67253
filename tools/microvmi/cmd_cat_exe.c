/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "output.h"
#include "sink.h"

static const char *output_path;
static int zero;

static struct poptOption options[] = {
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_pid_options, 0, NULL,
	  NULL },
	{ "output", 'o', POPT_ARG_STRING, &output_path, 0,
	  "write this file; one of that name is replaced", "FILE" },
	{ "zero", 'z', POPT_ARG_NONE, &zero, 0,
	  "write zeros for what is not in the guest's memory", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static int write_file(const struct mvmi_content *content)
{
	struct sink sink;
	int code = sink_open(&sink, output_path, false);

	if (code != EXIT_OK)
		return code;
	code = sink_write(&sink, content->bytes);
	if (code == EXIT_OK)
		code = sink_commit(&sink);
	sink_close(&sink);
	return code;
}

static int print_json(const struct mvmi_content *content, uint64_t pid)
{
	json_t *object = json_object();

	output_put(object, "pid", output_number(pid));
	output_put(object, "path", output_text(content->path));
	output_put(object, "file", output_text(output_path));
	output_put(object, "size", output_number(content->bytes.len));
	output_put(object, "missing", output_number(content->missing));
	return output_json(object);
}

/** Nothing that looks whole and isn't may come of it, unless asked for. */
static int put(const struct mvmi_content *content, uint64_t pid)
{
	int code;

	if (content->missing && !zero) {
		diag_say("%" PRIu64 " of the %zu bytes of %s are not in the "
			 "guest's memory; nothing is written",
			 content->missing, content->bytes.len, content->path);
		diag_hint("--zero writes zeros in their place");
		return EXIT_MEMORY;
	}
	if (!output_path)
		code = output_bytes(content->bytes);
	else
		code = write_file(content);
	if (code != EXIT_OK)
		return code;
	if (content->missing)
		diag_say("%" PRIu64 " of the %zu bytes of %s are not in the "
			 "guest's memory: they are zeros",
			 content->missing, content->bytes.len, content->path);
	if (!output_path)
		return EXIT_OK;
	if (command_json)
		return print_json(content, pid);
	output_printable(output_path);
	(void)printf(": %zu bytes of ", content->bytes.len);
	output_printable(content->path);
	(void)putchar('\n');
	return output_finish();
}

static int run(const char *const *operands)
{
	const struct mvmi_content *content = NULL;
	struct mvmi_error err;
	struct guest guest;
	uint64_t pid;
	int code = guest_need_pid(&pid);

	if (code != EXIT_OK)
		return code;
	if (!output_path && command_json)
		return diag_usage("--json needs -o FILE");
	if (!output_path && isatty(STDOUT_FILENO))
		return diag_usage("a program is not for a terminal: want "
				  "-o FILE, or stdout elsewhere");
	code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	if (mvmi_os_read_executable(guest.os, pid, &content, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK)
		code = put(content, pid);
	mvmi_os_free(content);
	return code;
}

const struct command cmd_cat_exe = {
	.name = "cat-exe",
	.operands = "TARGET --pid N [-o FILE]",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "get the executable of a process back from memory",
	.details =
		"Writes the file that the process runs, from the guest's page "
		"cache, also if it was\ndeleted since. Where a part of it is "
		"not in memory nothing is written and the exit\ncode is 4, "
		"unless --zero is given.\n",
	.examples = "  microvmi cat-exe /run/vm.qmp --pid 412 -o suspect\n"
		    "  microvmi cat-exe mem.elf --pid 412 | sha256sum\n",
	.options = options,
	.run = run,
};
