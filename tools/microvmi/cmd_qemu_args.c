/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "diag.h"
#include "output.h"
#include "plugin.h"

#include <stdio.h>
#include <string.h>

static int libvirt;
static const char *qemu_path;

static struct poptOption options[] = {
	{ "libvirt", 'l', POPT_ARG_NONE, &libvirt, 0,
	  "print what goes into a domain's XML", NULL },
	{ "qemu", 'q', POPT_ARG_STRING, &qemu_path, 0,
	  "try this QEMU, and say on stderr what events it will offer",
	  "PROGRAM" },
	POPT_TABLEEND,
};

/** Whether a shell takes it as one word that means itself. */
static bool is_plain(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789+,-./:=@_%";

	return *s && s[strspn(s, plain)] == '\0';
}

static void print_word(const char *s)
{
	if (is_plain(s)) {
		(void)fputs(s, stdout);
		return;
	}
	(void)putchar('\'');
	for (; *s; s++) {
		if (*s == '\'')
			(void)fputs("'\\''", stdout);
		else
			(void)putchar(*s);
	}
	(void)putchar('\'');
}

static void print_xml(const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			(void)fputs("&amp;", stdout);
			break;
		case '<':
			(void)fputs("&lt;", stdout);
			break;
		case '\'':
			(void)fputs("&apos;", stdout);
			break;
		default:
			(void)putchar(*s);
		}
	}
}

static void print_libvirt(const char *path, const char *argument)
{
	(void)printf("<!-- The domain is of TCG: type='qemu'; its first line "
		     "names the schema:\n"
		     "<domain type='qemu' "
		     "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
		     "\n-->\n"
		     "<qemu:commandline>\n"
		     "  <qemu:arg value='-plugin'/>\n"
		     "  <qemu:arg value='");
	print_xml(argument);
	(void)printf("'/>\n"
		     "</qemu:commandline>\n"
		     "<!-- AppArmor: in "
		     "/etc/apparmor.d/local/abstractions/libvirt-qemu\n"
		     "  \"");
	print_xml(path);
	(void)printf("\" mr,\n"
		     "  unix (create, bind, listen, accept, getattr, getopt, "
		     "setopt, shutdown, send, receive) type=seqpacket,\n"
		     "SELinux: once, as root\n"
		     "  semanage fcontext -a -t lib_t '");
	print_xml(path);
	(void)printf("'\n"
		     "  restorecon '");
	print_xml(path);
	(void)printf("'\n"
		     "microvmi must run as root, or as the user that QEMU runs "
		     "as.\n"
		     "-->\n");
}

static int print_json(const char *path, const char *argument)
{
	json_t *object = json_object();
	json_t *args = json_array();

	output_append(args, output_text("-accel"));
	output_append(args, output_text("tcg"));
	output_append(args, output_text("-plugin"));
	output_append(args, output_text(argument));
	output_put(object, "plugin", output_text(path));
	output_put(object, "args", args);
	return output_json(object);
}

static int run(const char *const *operands)
{
	char path[PLUGIN_PATH_LEN];
	char argument[2 * PLUGIN_PATH_LEN];
	int code = plugin_find(path);

	(void)operands;
	if (code != EXIT_OK)
		return code;
	plugin_argument(path, argument);
	if (qemu_path)
		code = plugin_try(qemu_path, argument);
	if (code != EXIT_OK)
		return code;
	if (command_json)
		return print_json(path, argument);
	if (libvirt) {
		print_libvirt(path, argument);
		return output_finish();
	}
	(void)fputs("-accel tcg -plugin ", stdout);
	print_word(argument);
	(void)putchar('\n');
	return output_finish();
}

const struct command cmd_qemu_args = {
	.name = "qemu-args",
	.operands = "",
	.operands_min = 0,
	.operands_max = 0,
	.summary = "print what makes a QEMU offer events",
	.details =
		"Prints arguments for a QEMU that is to be started; they are "
		"the same for any number\nof VMs. They load a plugin into it, "
		"which `microvmi events` finds by QEMU's process.\nA guest "
		"with them runs on TCG, not on KVM.\n",
	.examples = "  eval qemu-system-x86_64 -m 1G -hda vm.img "
		    "$(microvmi qemu-args)\n"
		    "  microvmi qemu-args --qemu /usr/bin/qemu-system-x86_64\n"
		    "  microvmi qemu-args --libvirt\n",
	.options = options,
	.run = run,
};
