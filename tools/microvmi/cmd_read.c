/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "number.h"
#include "output.h"
#include "source.h"
#include "target.h"

/* Large enough that calls cost nothing, small enough to stay in a cache. */
#define CHUNK_LEN ((size_t)1 << 20)

/* As text, JSON holds each byte twice, and a reader needs all of it. */
#define JSON_LEN_MAX (UINT64_C(64) << 20)

#define ROW_LEN	     16

static int raw;
static int zero;

static struct poptOption options[] = {
	{ "raw", 'r', POPT_ARG_NONE, &raw, 0,
	  "write the bytes themselves to stdout", NULL },
	{ "zero", 'z', POPT_ARG_NONE, &zero, 0,
	  "read zeros where there is no memory", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, source_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

/** Where the bytes of one read go. */
struct reading {
	struct source source;
	struct address address; /**< as it was given */
	uint64_t addr;
	uint64_t len;
	uint8_t *chunk; /**< owned, CHUNK_LEN bytes */
	char *hex;	/**< owned, all of it, for JSON; else NULL */
};

static void print_row(uint64_t addr, int width, struct mvmi_bytes row)
{
	char text[ROW_LEN + 1];

	(void)printf("%0*" PRIx64 " ", width, addr);
	for (size_t i = 0; i < ROW_LEN; i++) {
		if (i % 8 == 0)
			(void)putchar(' ');
		if (i < row.len)
			(void)printf("%02x ", row.ptr[i]);
		else
			(void)printf("   ");
	}
	for (size_t i = 0; i < row.len; i++) {
		bool plain = row.ptr[i] >= ' ' && row.ptr[i] < 0x7f;

		text[i] = '.';
		if (plain)
			text[i] = (char)row.ptr[i];
	}
	text[row.len] = '\0';
	(void)printf(" |%s|\n", text);
}

static int print_text(const struct reading *reading, uint64_t addr, size_t len)
{
	uint64_t last = reading->addr + (reading->len - 1);
	int width = last > UINT32_MAX ? 16 : 8;

	for (size_t at = 0; at < len; at += ROW_LEN) {
		size_t n = len - at < ROW_LEN ? len - at : ROW_LEN;

		print_row(addr + at, width,
			  (struct mvmi_bytes){ reading->chunk + at, n });
	}
	return ferror(stdout) ? output_finish() : EXIT_OK;
}

static void add_hex(const struct reading *reading, uint64_t addr, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *out = reading->hex + 2 * (addr - reading->addr);

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[reading->chunk[i] >> 4];
		*out++ = digits[reading->chunk[i] & 15];
	}
	*out = '\0';
}

static int put_chunk(const struct reading *reading, uint64_t addr, size_t len)
{
	if (raw)
		return output_bytes((struct mvmi_bytes){ reading->chunk, len });
	if (!reading->hex)
		return print_text(reading, addr, len);
	add_hex(reading, addr, len);
	return EXIT_OK;
}

static int read_all(struct reading *reading)
{
	uint64_t done = 0;

	while (done < reading->len) {
		uint64_t left = reading->len - done;
		uint64_t addr = reading->addr + done;
		struct mvmi_error err = { .status = MVMI_OK };
		struct mvmi_span dst = {
			reading->chunk,
			left < CHUNK_LEN ? (size_t)left : CHUNK_LEN,
		};
		size_t n = source_read(&reading->source, addr, dst, &err);
		int code = n ? put_chunk(reading, addr, n) : EXIT_OK;

		if (code != EXIT_OK)
			return code;
		done += n;
		if (n < dst.len)
			return diag_error(&err,
					  "cannot read the byte at 0x%" PRIx64,
					  reading->addr + done);
	}
	return EXIT_OK;
}

static int print_json(struct reading *reading)
{
	json_t *object = json_object();

	output_put(object, "address", output_hex(reading->addr));
	output_put(object, "size", output_hex(reading->len));
	output_put(object, "data", json_string(reading->hex));
	return output_json(object);
}

static int read_and_print(struct reading *reading)
{
	int code;

	reading->chunk = malloc(CHUNK_LEN);
	if (command_json)
		reading->hex = calloc(1, 2 * (size_t)reading->len + 1);
	if (!reading->chunk || (command_json && !reading->hex))
		diag_no_memory();
	code = read_all(reading);
	if (code == EXIT_OK)
		code = command_json ? print_json(reading) : output_finish();
	free(reading->hex);
	free(reading->chunk);
	return code;
}

static int check(const char *const *operands, struct reading *ret)
{
	const char *wrong = address_parse(operands[1], &ret->address);

	if (wrong)
		return diag_usage("ADDR \"%s\": %s", operands[1], wrong);
	wrong = number_parse_len(operands[2], &ret->len);
	if (wrong)
		return diag_usage("LEN \"%s\": %s", operands[2], wrong);
	if (raw && command_json)
		return diag_usage("--raw and --json exclude each other");
	if (command_json && ret->len > JSON_LEN_MAX)
		return diag_usage("--json prints at most 64 MiB; --raw has no "
				  "limit");
	return EXIT_OK;
}

/** A number is checked before the target is opened, a symbol after. */
static int check_range(const char *const *operands, struct reading *reading)
{
	reading->addr = reading->address.value;
	if (reading->len && reading->len - 1 > UINT64_MAX - reading->addr)
		return diag_usage("%s bytes at %s reach beyond 2^64",
				  operands[2], operands[1]);
	return EXIT_OK;
}

static int open_and_read(const char *const *operands, struct mvmi_vm *vm,
			 struct reading *reading)
{
	int code = source_open(&reading->source, vm, &reading->address, false);

	if (code != EXIT_OK)
		return code;
	reading->source.zero = zero;
	code = check_range(operands, reading);
	if (code == EXIT_OK)
		code = read_and_print(reading);
	source_close(&reading->source);
	return code;
}

static int run(const char *const *operands)
{
	struct reading reading = { .chunk = NULL };
	struct mvmi_vm *vm;
	int code = check(operands, &reading);

	if (code == EXIT_OK && !*reading.address.name)
		code = check_range(operands, &reading);
	if (code == EXIT_OK)
		code = target_open(operands[0], true, &vm);
	if (code != EXIT_OK)
		return code;
	code = open_and_read(operands, vm, &reading);
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_read = {
	.name = "read",
	.operands = "TARGET ADDR LEN",
	.operands_min = 3,
	.operands_max = 3,
	.summary = "read memory, physical or virtual",
	.details =
		"Prints LEN bytes at the guest-physical address ADDR, or at "
		"the virtual one with\n--virt, in hexadecimal and "
		"ASCII. ADDR may be a symbol of the guest's kernel,\n"
		"such as init_task or jiffies+8; with --pid it is an address "
		"or a symbol of that\nprocess.\nNumbers are decimal, or "
		"hexadecimal after 0x; LEN may end in K, M, G or T.\nA "
		"byte that is not there ends the output with an error that "
		"names it.\n",
	.examples = "  microvmi read /run/vm.qmp 0x1000 256\n"
		    "  microvmi read mem.elf 0 16M --raw --zero > low.bin\n"
		    "  microvmi read /run/vm.qmp linux_banner 128\n"
		    "  microvmi read /run/vm.qmp 0x7ffd3c10e000 4K --pid 412\n"
		    "  microvmi read /run/vm.qmp --virt 0xffffffff81000000 64\n"
		    "  microvmi read mem.raw --virt --root 0x1aa000 0x400000 "
		    "4K\n",
	.options = options,
	.run = run,
};
