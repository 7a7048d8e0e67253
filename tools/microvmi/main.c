/* SPDX-License-Identifier: MIT */
/* microvmi: look into virtual machines from the command line. */
#include <microvmi/vm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "commands.h"
#include "diag.h"
#include "output.h"

int command_json;

struct poptOption command_common_options[] = {
	{ "json", 'j', POPT_ARG_NONE, &command_json, 0,
	  "print one JSON document", NULL },
	{ "help", 'h', POPT_ARG_NONE, NULL, 'h', "show this help", NULL },
	POPT_TABLEEND,
};

const struct command *const commands[] = {
	&cmd_list,    &cmd_info,   &cmd_memory_map, &cmd_regs,
	&cmd_read,    &cmd_write,  &cmd_translate,  &cmd_pause,
	&cmd_resume,  &cmd_dump,   &cmd_events,	    &cmd_qemu_args,
	&cmd_ps,      &cmd_maps,   &cmd_images,	    &cmd_files,
	&cmd_sockets, &cmd_mounts, &cmd_cat_exe,    &cmd_modules,
	&cmd_symbols, &cmd_types,  &cmd_syscalls,   &cmd_dmesg,
	&cmd_check,   &cmd_top,	   &cmd_completion, NULL,
};

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static const char exit_codes[] =
	"Exit codes:\n"
	"  0    done\n"
	"  1    the operation failed\n"
	"  2    the command line is wrong\n"
	"  3    TARGET can't be opened\n"
	"  4    memory that is not there: a hole, or a page not present\n"
	"  5    someone else has it, or this user may not\n"
	"  6    the VM ended\n"
	"  7    `check` found something\n"
	"  130  interrupted\n";

static void print_commands(bool about_guest)
{
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->about_guest == about_guest)
			(void)printf("  %-11s  %s\n", commands[i]->name,
				     commands[i]->summary);
	}
}

static int print_overview(void)
{
	(void)printf("Usage: microvmi COMMAND TARGET [ARGUMENT...]\n"
		     "\n"
		     "Look into a virtual machine that was started with no "
		     "preparation, or a dump of one.\n"
		     "\n"
		     "Commands about the VM:\n");
	print_commands(false);
	(void)printf("\n"
		     "Commands about its guest, a Linux, found by its memory "
		     "alone:\n");
	print_commands(true);
	(void)printf(
		"\n"
		"Targets:\n"
		"  /run/vm.qmp     QMP socket of a QEMU\n"
		"  qemu:pid=4711   QEMU process, where there is no socket\n"
		"  mem.elf         ELF core or raw memory dump\n"
		"\n"
		"%s"
		"\n"
		"Examples:\n"
		"  microvmi list\n"
		"  microvmi regs /run/vm.qmp\n"
		"  microvmi dump /run/vm.qmp -o mem.elf\n"
		"  microvmi ps mem.elf --tree\n"
		"\n"
		"`microvmi COMMAND --help` says more about each; "
		"microvmi(1) has it all.\n",
		exit_codes);
	return output_finish();
}

/** The command's options and the common ones, as popt wants them. */
static poptContext
make_context(const struct command *command, int argc, const char **argv)
{
	/* popt keeps the table: it must outlive this call. */
	static struct poptOption table[3];
	static const struct poptOption end = POPT_TABLEEND;
	poptContext context;
	size_t n = 0;

	if (command->options)
		table[n++] = (struct poptOption){
			NULL, '\0', POPT_ARG_INCLUDE_TABLE, command->options, 0,
			NULL, NULL,
		};
	table[n++] = (struct poptOption){
		NULL, '\0', POPT_ARG_INCLUDE_TABLE, command_common_options, 0,
		NULL, NULL,
	};
	table[n] = end;
	context = poptGetContext(NULL, argc, argv, table, 0);
	if (!context)
		diag_no_memory();
	return context;
}

void command_print_help(const struct command *command)
{
	char name[64];
	const char *argv[] = { name, NULL };
	poptContext context;

	(void)snprintf(name, sizeof(name), "microvmi %s", command->name);
	context = make_context(command, 1, argv);
	poptSetOtherOptionHelp(context, command->operands);
	poptPrintHelp(context, stdout, 0);
	poptFreeContext(context);
	(void)printf("\n%s\nExamples:\n%s", command->details,
		     command->examples);
}

static int check_count(const struct command *command, int count)
{
	if (count < command->operands_min)
		return diag_usage("%s: want %s",
				  count ? "too few arguments"
					: "arguments are missing",
				  command->operands);
	if (count > command->operands_max)
		return diag_usage("too many arguments: want %s",
				  *command->operands ? command->operands
						     : "none");
	return EXIT_OK;
}

/** Take the options in. *ret_help: nothing else is wanted. */
static int
take_options(const struct command *command, poptContext context, bool *ret_help)
{
	int code = EXIT_OK;
	int option;

	*ret_help = false;
	while (code == EXIT_OK && (option = poptGetNextOpt(context)) != -1) {
		if (option == 'h') {
			*ret_help = true;
			return EXIT_OK;
		}
		if (option == COMMAND_OPTION_SEEN)
			code = command->option_seen();
		else
			code = diag_usage("%s: %s", poptBadOption(context, 0),
					  poptStrerror(option));
	}
	return code;
}

/** Check the operands' number, then do it. */
static int run_operands(const struct command *command, poptContext context)
{
	static const char *const none[] = { NULL };
	const char *const *operands = (const char *const *)poptGetArgs(context);
	int count = 0;
	int code;

	operands = operands ? operands : none;
	while (operands[count])
		count++;
	code = check_count(command, count);
	return code == EXIT_OK ? command->run(operands) : code;
}

/** @param argv  Begins with the command's name. */
static int run(const struct command *command, int argc, const char **argv)
{
	poptContext context = make_context(command, argc, argv);
	bool help;
	int code = take_options(command, context, &help);

	if (code == EXIT_OK && help) {
		command_print_help(command);
		code = output_finish();
	} else if (code == EXIT_OK) {
		code = run_operands(command, context);
	}
	poptFreeContext(context);
	return code;
}

static int print_version(void)
{
	(void)printf("microvmi %s\n", mvmi_version());
	return output_finish();
}

int main(int argc, char **argv)
{
	const char **args = (const char **)(void *)argv;
	const struct command *command;

	/* A reader that goes away is seen as EPIPE, and holds are lifted. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* A file that may not grow is seen as EFBIG, and tidied up. */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		(void)diag_usage("a command is missing");
		return EXIT_USAGE;
	}
	if (strcmp(args[1], "--help") == 0 || strcmp(args[1], "-h") == 0)
		return print_overview();
	if (strcmp(args[1], "--version") == 0)
		return print_version();
	if (strcmp(args[1], "help") == 0 && argc == 2)
		return print_overview();
	if (strcmp(args[1], "help") == 0) {
		command = command_find(args[2]);
		if (!command)
			return diag_usage("no command is called \"%s\"",
					  args[2]);
		command_print_help(command);
		return output_finish();
	}
	command = command_find(args[1]);
	if (!command)
		return diag_usage("no command is called \"%s\"", args[1]);
	diag_set_command(command->name);
	return run(command, argc - 1, args + 1);
}
