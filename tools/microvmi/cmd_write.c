/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "diag.h"
#include "number.h"
#include "output.h"
#include "source.h"
#include "target.h"

/* A file to write into a guest is code or data, hardly all of its memory. */
#define FILE_LEN_MAX ((size_t)1 << 30)

static const char *file_path;
static const char *string_text;
static int data_only;

static struct poptOption options[] = {
	{ "file", 'f', POPT_ARG_STRING, &file_path, 0,
	  "write what is in this file; - is stdin", "FILE" },
	{ "string", 's', POPT_ARG_STRING, &string_text, 0,
	  "write this text, without a NUL at its end", "TEXT" },
	{ "data-only", 'd', POPT_ARG_NONE, &data_only, 0,
	  "it is enough that data reads see it: not for code", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, source_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** Parse pairs of hexadecimal digits; blanks may stand between them. */
static int parse_bytes(const char *s, struct mvmi_span *ret)
{
	uint8_t *bytes = malloc(strlen(s) / 2 + 1);
	size_t n = 0;

	if (!bytes)
		diag_no_memory();
	while (*s) {
		int high;
		int low;

		if (*s == ' ') {
			s++;
			continue;
		}
		high = number_digit(s[0]);
		low = high < 0 ? -1 : number_digit(s[1]);
		if (low < 0) {
			free(bytes);
			return diag_usage("BYTES \"%s\": want pairs of "
					  "hexadecimal digits in memory order, "
					  "such as 90c3 or \"90 c3\"",
					  s);
		}
		bytes[n++] = (uint8_t)(high * 16 + low);
		s += 2;
	}
	*ret = (struct mvmi_span){ bytes, n };
	return EXIT_OK;
}

/** Read fd to its end. */
static int slurp(int fd, struct mvmi_span *ret)
{
	size_t room = (size_t)1 << 16;
	uint8_t *bytes = malloc(room);
	size_t len = 0;
	ssize_t n;

	if (!bytes)
		diag_no_memory();
	while ((n = read(fd, bytes + len, room - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || len + (size_t)n > FILE_LEN_MAX) {
			int code = EXIT_FAILED;

			if (n < 0)
				code = diag_sys("cannot read %s", file_path);
			else
				diag_say("%s is larger than 1 GiB", file_path);
			free(bytes);
			return code;
		}
		len += (size_t)n;
		if (len == room) {
			uint8_t *more = realloc(bytes, room *= 2);

			if (!more)
				diag_no_memory();
			bytes = more;
		}
	}
	*ret = (struct mvmi_span){ bytes, len };
	return EXIT_OK;
}

static int read_file(struct mvmi_span *ret)
{
	int fd;
	int code;

	if (strcmp(file_path, "-") == 0)
		return slurp(STDIN_FILENO, ret);
	fd = open(file_path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return diag_sys("cannot open %s", file_path);
	code = slurp(fd, ret);
	(void)close(fd);
	return code;
}

static int copy_string(struct mvmi_span *ret)
{
	ret->len = strlen(string_text);
	ret->ptr = malloc(ret->len + 1);
	if (!ret->ptr)
		diag_no_memory();
	memcpy(ret->ptr, string_text, ret->len);
	return EXIT_OK;
}

/** @param ret  Release ret->ptr with free(). */
static int get_bytes(const char *operand, struct mvmi_span *ret)
{
	int sources =
		(operand != NULL) + (file_path != NULL) + (string_text != NULL);

	if (sources != 1)
		return diag_usage("want one of BYTES, --file, --string");
	if (operand)
		return parse_bytes(operand, ret);
	return file_path ? read_file(ret) : copy_string(ret);
}

static int print_done(uint64_t addr, size_t len)
{
	json_t *object;

	if (command_json) {
		object = json_object();
		output_put(object, "address", output_hex(addr));
		output_put(object, "size", output_hex(len));
		return output_json(object);
	}
	(void)printf("%zu byte%s written at 0x%" PRIx64 "\n", len,
		     len == 1 ? "" : "s", addr);
	return output_finish();
}

static int
write_all(struct mvmi_vm *vm, struct address *address, struct mvmi_span bytes)
{
	enum mvmi_write_mode mode =
		data_only ? MVMI_WRITE_DATA_ONLY : MVMI_WRITE_COHERENT;
	struct mvmi_error err;
	struct source source;
	uint64_t addr;
	int code = source_open(&source, vm, address, false);

	if (code != EXIT_OK)
		return code;
	addr = address->value;
	if (source_write(&source, addr,
			 (struct mvmi_bytes){ bytes.ptr, bytes.len }, mode,
			 &err) == MVMI_OK) {
		code = print_done(addr, bytes.len);
	} else {
		code = diag_error(&err, "cannot write %zu bytes at 0x%" PRIx64,
				  bytes.len, addr);
		if (err.status == MVMI_ERR_UNSUPPORTED && !data_only &&
		    (mvmi_vm_capabilities(vm) & MVMI_CAP_WRITE))
			diag_hint("--data-only writes what data reads see");
	}
	source_close(&source);
	return code;
}

static int run(const char *const *operands)
{
	struct mvmi_span bytes = { NULL, 0 };
	struct mvmi_vm *vm;
	struct address address;
	const char *wrong = address_parse(operands[1], &address);
	int code;

	if (wrong)
		return diag_usage("ADDR \"%s\": %s", operands[1], wrong);
	code = get_bytes(operands[2], &bytes);
	if (code != EXIT_OK)
		return code;
	code = target_open(operands[0], false, &vm);
	if (code == EXIT_OK) {
		code = write_all(vm, &address, bytes);
		mvmi_vm_close(vm);
	}
	free(bytes.ptr);
	return code;
}

const struct command cmd_write = {
	.name = "write",
	.operands = "TARGET ADDR [BYTES]",
	.operands_min = 2,
	.operands_max = 3,
	.summary = "write memory, physical or virtual",
	.details =
		"Writes BYTES, pairs of hexadecimal digits in memory order, "
		"at ADDR: a number, a\nsymbol of the guest's kernel or, with "
		"--pid, an address or symbol of a process. Once\nit returns, "
		"data reads and instruction fetches of every vCPU see them. "
		"Page\nprotection is not looked at. What was written stays "
		"when "
		"the command ends.\n",
	.examples = "  microvmi write /run/vm.qmp 0x1000 'de ad be ef'\n"
		    "  microvmi write /run/vm.qmp --virt 0xffffffff81000000 "
		    "90\n"
		    "  microvmi write /run/vm.qmp 0x7000 --file code.bin\n",
	.options = options,
	.run = run,
};
