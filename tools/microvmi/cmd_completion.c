/* SPDX-License-Identifier: MIT */
/* Completion for shells, made of the tables that options are parsed by. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "output.h"

/* Tables include tables, two deep; one more than that is a mistake. */
#define DEPTH_MAX 3

typedef void (*option_fn)(const struct command *command,
			  const struct poptOption *option);

static bool is_end(const struct poptOption *option)
{
	return !option->longName && !option->shortName && !option->arg;
}

static bool takes_argument(const struct poptOption *option)
{
	return (option->argInfo & POPT_ARG_MASK) != POPT_ARG_NONE &&
	       !(option->argInfo & POPT_ARGFLAG_OPTIONAL);
}

static void walk_table(const struct command *command,
		       const struct poptOption *table, option_fn fn)
{
	const struct poptOption *outer[DEPTH_MAX];
	size_t depth = 0;

	for (const struct poptOption *option = table;;) {
		if (is_end(option)) {
			if (depth == 0)
				return;
			option = outer[--depth];
		} else if ((option->argInfo & POPT_ARG_MASK) !=
			   POPT_ARG_INCLUDE_TABLE) {
			if (!(option->argInfo & POPT_ARGFLAG_DOC_HIDDEN))
				fn(command, option);
			option++;
		} else if (depth < DEPTH_MAX) {
			outer[depth++] = option + 1;
			option = option->arg;
		}
	}
}

static void walk_options(const struct command *command, option_fn fn)
{
	if (command->options)
		walk_table(command, command->options, fn);
	walk_table(command, command_common_options, fn);
}

/** Print s between single quotes; each char of escape after a backslash. */
static void print_quoted(const char *s, const char *escape)
{
	(void)putchar('\'');
	for (; *s; s++) {
		if (*s == '\'')
			(void)fputs("'\\'", stdout);
		else if (strchr(escape, *s))
			(void)putchar('\\');
		(void)putchar(*s);
	}
	(void)putchar('\'');
}

/* ---- bash -------------------------------------------------------------- */

static void
bash_option(const struct command *command, const struct poptOption *option)
{
	(void)command;
	if (option->longName)
		(void)printf(" --%s", option->longName);
	else
		(void)printf(" -%c", option->shortName);
}

static void print_bash(void)
{
	(void)printf(
		"# bash completion for microvmi: microvmi completion bash\n"
		"_microvmi()\n"
		"{\n"
		"\tlocal cur prefix words=\n"
		"\t# The whole word: bash breaks qemu:pid=1 at the colon.\n"
		"\tcur=${COMP_LINE:0:COMP_POINT}\n"
		"\tcur=${cur##*[[:space:]]}\n"
		"\tprefix=${cur%%\"${cur##*[:=]}\"}\n"
		"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		"\t\twords='--help --version help");
	for (size_t i = 0; commands[i]; i++)
		(void)printf(" %s", commands[i]->name);
	(void)printf("'\n"
		     "\telif [ \"${cur:0:1}\" = - ]; then\n"
		     "\t\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; commands[i]; i++) {
		(void)printf("\t\t%s) words='", commands[i]->name);
		walk_options(commands[i], bash_option);
		(void)printf("' ;;\n");
	}
	(void)printf(
		"\t\tesac\n"
		"\telse\n"
		"\t\twords=$(microvmi list --targets 2>/dev/null)\n"
		"\tfi\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
		"\"$cur\"\n"
		"\t\t[ \"$COMP_CWORD\" -gt 1 ] && compgen -f -- \"$cur\")\n"
		"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$prefix\"}\")\n"
		"}\n"
		"complete -o filenames -F _microvmi microvmi\n");
}

/* ---- zsh --------------------------------------------------------------- */

static void
zsh_option(const struct command *command, const struct poptOption *option)
{
	char text[256];

	(void)command;
	for (int is_long = 0; is_long < 2; is_long++) {
		if (is_long ? !option->longName : !option->shortName)
			continue;
		if (is_long)
			(void)snprintf(text, sizeof(text), "--%s%s[%s]",
				       option->longName,
				       takes_argument(option) ? "=" : "",
				       option->descrip);
		else
			(void)snprintf(text, sizeof(text), "-%c[%s]",
				       option->shortName, option->descrip);
		(void)printf(" \\\n\t\t");
		print_quoted(text, ":");
		if (takes_argument(option))
			(void)printf("':%s:_files'", option->argDescrip);
	}
}

static void print_zsh(void)
{
	(void)printf("#compdef microvmi\n"
		     "# zsh completion for microvmi: microvmi completion zsh\n"
		     "_microvmi_target() {\n"
		     "\tlocal -a targets\n"
		     "\ttargets=(${(f)\"$(microvmi list --targets "
		     "2>/dev/null)\"})\n"
		     "\tcompadd -a targets\n"
		     "\t_files\n"
		     "}\n"
		     "_microvmi() {\n"
		     "\tlocal -a commands\n"
		     "\tcommands=(\n");
	for (size_t i = 0; commands[i]; i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "%s:%s", commands[i]->name,
			       commands[i]->summary);
		(void)printf("\t\t");
		print_quoted(text, "");
		(void)putchar('\n');
	}
	(void)printf("\t)\n"
		     "\tif (( CURRENT == 2 )); then\n"
		     "\t\t_describe command commands\n"
		     "\t\treturn\n"
		     "\tfi\n"
		     "\tshift words\n"
		     "\t(( CURRENT-- ))\n"
		     "\tcase $words[1] in\n");
	for (size_t i = 0; commands[i]; i++) {
		(void)printf("\t%s) _arguments", commands[i]->name);
		walk_options(commands[i], zsh_option);
		(void)printf(" \\\n\t\t'1:target:_microvmi_target' "
			     "'*:argument:_files' ;;\n");
	}
	(void)printf("\tesac\n"
		     "}\n"
		     "_microvmi \"$@\"\n");
}

/* ---- fish -------------------------------------------------------------- */

static void
fish_option(const struct command *command, const struct poptOption *option)
{
	(void)printf("complete -c microvmi -n "
		     "'__fish_seen_subcommand_from %s'",
		     command->name);
	if (option->longName)
		(void)printf(" -l %s", option->longName);
	if (option->shortName)
		(void)printf(" -s %c", option->shortName);
	if (takes_argument(option))
		(void)printf(" -r");
	(void)printf(" -d ");
	print_quoted(option->descrip, "\\");
	(void)putchar('\n');
}

static void print_fish(void)
{
	(void)printf("# fish completion for microvmi: microvmi completion "
		     "fish\n"
		     "complete -c microvmi -n 'not __fish_use_subcommand' -a "
		     "'(microvmi list --targets 2>/dev/null)'\n");
	for (size_t i = 0; commands[i]; i++) {
		(void)printf("complete -c microvmi -n __fish_use_subcommand -f "
			     "-a %s -d ",
			     commands[i]->name);
		print_quoted(commands[i]->summary, "\\");
		(void)putchar('\n');
		walk_options(commands[i], fish_option);
	}
}

/* ------------------------------------------------------------------------ */

static int run(const char *const *operands)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].name, operands[0]) == 0) {
			shells[i].print();
			return output_finish();
		}
	}
	return diag_usage("SHELL \"%s\": there are bash, zsh, fish",
			  operands[0]);
}

const struct command cmd_completion = {
	.name = "completion",
	.operands = "SHELL",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "print what makes a shell complete commands and targets",
	.details = "SHELL is bash, zsh or fish.\n",
	.examples = "  . <(microvmi completion bash)\n"
		    "  microvmi completion zsh > ~/.zfunc/_microvmi\n"
		    "  microvmi completion fish > "
		    "~/.config/fish/completions/microvmi.fish\n",
	.run = run,
};
