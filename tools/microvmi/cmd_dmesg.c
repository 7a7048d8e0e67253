/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "number.h"
#include "output.h"

static const char *level_text;
static int decode;
static int raw;

static struct poptOption options[] = {
	{ "level", '\0', POPT_ARG_STRING, &level_text, 0,
	  "only this level and graver ones: emerg, alert, crit, err, warn, "
	  "notice, info or debug",
	  "LEVEL" },
	{ "decode", 'x', POPT_ARG_NONE, &decode, 0,
	  "print facility and level in words", NULL },
	{ "raw", 'r', POPT_ARG_NONE, &raw, 0,
	  "print facility and level as the number in <>", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/* As syslog(3) numbers them, as dmesg(1) calls them. */
static const char *const levels[] = { "emerg", "alert",	 "crit", "err",
				      "warn",  "notice", "info", "debug" };
static const char *const facilities[] = {
	"kern", "user", "mail", "daemon", "auth",     "syslog",
	"lpr",	"news", "uucp", "cron",	  "authpriv", "ftp",
};

#define LEVEL_COUNT    (sizeof(levels) / sizeof(levels[0]))
#define FACILITY_COUNT (sizeof(facilities) / sizeof(facilities[0]))

static const char *level_name(uint32_t level)
{
	return level < LEVEL_COUNT ? levels[level] : "?";
}

static const char *facility_name(uint32_t facility)
{
	return facility < FACILITY_COUNT ? facilities[facility] : "?";
}

static int parse_level(uint32_t *ret)
{
	uint64_t number;

	*ret = UINT32_MAX;
	if (!level_text)
		return EXIT_OK;
	for (uint32_t i = 0; i < LEVEL_COUNT; i++) {
		if (strcmp(level_text, levels[i]) == 0) {
			*ret = i;
			return EXIT_OK;
		}
	}
	if (number_parse(level_text, &number) != NULL || number >= LEVEL_COUNT)
		return diag_usage("--level %s: there are emerg, alert, crit, "
				  "err, warn, notice, info, debug",
				  level_text);
	*ret = (uint32_t)number;
	return EXIT_OK;
}

static int print_json(const struct mvmi_log *log, uint32_t level)
{
	json_t *array = json_array();

	for (size_t i = 0; i < log->count; i++) {
		const struct mvmi_log_record *record = log->items[i];
		json_t *object;

		if (record->level > level)
			continue;
		object = json_object();
		output_put(object, "sequence", output_number(record->sequence));
		output_put(object, "time_ns", output_number(record->time_ns));
		output_put(object, "level", json_integer(record->level));
		output_put(object, "level_name",
			   json_string(level_name(record->level)));
		output_put(object, "facility", json_integer(record->facility));
		output_put(object, "text", output_text(record->text));
		output_append(array, object);
	}
	return output_json(array);
}

/** Print each line of it; the second and further under the first. */
static void print_lines(const char *text, int indent)
{
	char line[1024];

	for (;;) {
		size_t len = strcspn(text, "\n");
		size_t n = len < sizeof(line) ? len : sizeof(line) - 1;

		memcpy(line, text, n);
		line[n] = '\0';
		for (char *tab = line; (tab = strchr(tab, '\t')); tab++)
			*tab = ' ';
		output_printable(line);
		text += n;
		if (n < len)
			continue;
		(void)putchar('\n');
		if (!text[0] || !text[1])
			return;
		text++;
		(void)printf("%*s", indent, "");
	}
}

static void print_record(const struct mvmi_log_record *record)
{
	char head[80];
	int n = 0;

	if (raw)
		n = snprintf(head, sizeof(head), "<%u>",
			     (record->facility << 3 | record->level) & 0x3ff);
	else if (decode)
		n = snprintf(head, sizeof(head),
			     "%-6s:%-6s: ", facility_name(record->facility),
			     level_name(record->level));
	n += snprintf(head + n, sizeof(head) - (size_t)n,
		      "[%5" PRIu64 ".%06" PRIu64 "] ",
		      record->time_ns / 1000000000,
		      record->time_ns / 1000 % 1000000);
	(void)fputs(head, stdout);
	print_lines(record->text, n);
}

static int print_text(const struct mvmi_log *log, uint32_t level)
{
	for (size_t i = 0; i < log->count; i++) {
		if (log->items[i]->level <= level)
			print_record(log->items[i]);
	}
	return output_finish();
}

static int run(const char *const *operands)
{
	const struct mvmi_log *log = NULL;
	struct mvmi_error err;
	struct guest guest;
	uint32_t level;
	int code = parse_level(&level);

	if (code == EXIT_OK)
		code = guest_open_held(&guest, operands[0]);
	if (code != EXIT_OK)
		return code;
	if (mvmi_os_read_log(guest.os, &log, &err) != MVMI_OK)
		code = diag_plain_error(&err);
	code = guest_close(&guest, code);
	if (code == EXIT_OK) {
		guest_doubt(log->doubt);
		code = command_json ? print_json(log, level)
				    : print_text(log, level);
	}
	mvmi_os_free(log);
	return code;
}

const struct command cmd_dmesg = {
	.name = "dmesg",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.about_guest = true,
	.summary = "print the log of the guest's kernel",
	.details = "Prints what dmesg prints in the guest, also where that may "
		   "not be asked any more:\nafter a panic, or from a dump. "
		   "Times are seconds since the guest's boot.\n",
	.examples = "  microvmi dmesg /run/vm.qmp | tail\n"
		    "  microvmi dmesg mem.elf --level err -x\n"
		    "  microvmi dmesg mem.elf --json | jq -r '.[].text'\n",
	.options = options,
	.run = run,
};
