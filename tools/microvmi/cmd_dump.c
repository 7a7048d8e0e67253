/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/vm.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "capture.h"
#include "commands.h"
#include "diag.h"
#include "interrupt.h"
#include "number.h"
#include "output.h"
#include "sink.h"
#include "target.h"

static const char *output_path;
static const char *format_name = "elf";
static int live;
static int quiesce;
static int compress;
static const char *compression;

static struct poptOption options[] = {
	{ "output", 'o', POPT_ARG_STRING, &output_path, 0,
	  "write this file; one of that name is replaced", "FILE" },
	{ "format", 'f', POPT_ARG_STRING, &format_name, 0,
	  "elf (default): with registers; raw: an offset is an address",
	  "elf|raw" },
	{ "live", 'l', POPT_ARG_NONE, &live, 0,
	  "let the VM run meanwhile: pages of different moments", NULL },
	{ "quiesce", 'q', POPT_ARG_NONE, &quiesce, 0,
	  "drain devices too, so that none writes memory meanwhile", NULL },
	{ NULL, 'z', POPT_ARG_NONE | POPT_ARGFLAG_DOC_HIDDEN, &compress, 0,
	  NULL, NULL },
	{ "compress", '\0', POPT_ARG_STRING | POPT_ARGFLAG_OPTIONAL,
	  &compression, COMMAND_OPTION_SEEN, "compress by zstd; or -z",
	  "zstd" },
	POPT_TABLEEND,
};

/** How well the parts of a dump belong together. */
enum consistency {
	CONSISTENCY_LIVE,
	CONSISTENCY_HELD,
	CONSISTENCY_QUIESCED,
	CONSISTENCY_STATIC,
};

static const char *const consistency_names[] = {
	[CONSISTENCY_LIVE] = "live",
	[CONSISTENCY_HELD] = "held",
	[CONSISTENCY_QUIESCED] = "quiesced",
	[CONSISTENCY_STATIC] = "static",
};

static const char *const consistency_words[] = {
	[CONSISTENCY_LIVE] = "live: the VM ran meanwhile, so pages are of "
			     "different moments",
	[CONSISTENCY_HELD] = "held: memory and registers are of one moment, "
			     "but for what devices wrote meanwhile",
	[CONSISTENCY_QUIESCED] = "quiesced: memory and registers are of one "
				 "moment",
	[CONSISTENCY_STATIC] = "static: the source is a dump itself",
};

static int option_seen(void)
{
	if (compression && strcmp(compression, "zstd") != 0)
		return diag_usage("--compress %s: there is only zstd",
				  compression);
	compress = 1;
	return EXIT_OK;
}

/** Make the VM stand still as far as was asked for. */
static int settle(struct mvmi_vm *vm, bool is_static, enum consistency *ret)
{
	struct mvmi_error err;
	int code;

	*ret = is_static ? CONSISTENCY_STATIC : CONSISTENCY_LIVE;
	if (live || is_static)
		return EXIT_OK;
	if (mvmi_vm_hold(vm, &err) != MVMI_OK) {
		code = diag_error(&err, "the dump would not be of one moment");
		diag_hint("--live dumps the VM as it runs");
		return target_explain(vm, err.status, code);
	}
	*ret = CONSISTENCY_HELD;
	if (!quiesce)
		return EXIT_OK;
	if (mvmi_vm_quiesce(vm, &err) != MVMI_OK)
		return diag_error(&err, "cannot drain the devices");
	*ret = CONSISTENCY_QUIESCED;
	return EXIT_OK;
}

static int print_json(const struct capture *capture, const struct stat *st,
		      enum consistency consistency)
{
	json_t *object = json_object();

	output_put(object, "file", output_text(output_path));
	output_put(object, "format", json_string(format_name));
	output_put(object, "compressed", json_boolean(compress));
	output_put(object, "consistency",
		   json_string(consistency_names[consistency]));
	output_put(object, "vcpus",
		   json_integer((json_int_t)capture->vcpu_count));
	output_put(object, "memory_size", output_hex(capture->total));
	output_put(object, "missing_size", output_hex(capture->missing));
	output_put(object, "file_size", output_hex((uint64_t)st->st_size));
	output_put(object, "disk_size",
		   output_hex((uint64_t)st->st_blocks * 512));
	return output_json(object);
}

static int print_text(const struct capture *capture, const struct stat *st,
		      enum consistency consistency)
{
	char memory[NUMBER_SIZE_LEN];
	char disk[NUMBER_SIZE_LEN];
	char missing[NUMBER_SIZE_LEN];
	char path[256];

	(void)snprintf(path, sizeof(path), "%s", output_path);
	output_make_printable(path);
	(void)printf("%s: %s of memory", path,
		     number_format_size(memory, capture->total));
	if (strcmp(format_name, "raw") == 0)
		(void)printf(", no registers (raw)");
	else if (capture->vcpu_count)
		(void)printf(", registers of %u vCPU%s", capture->vcpu_count,
			     capture->vcpu_count > 1 ? "s" : "");
	else
		(void)printf(", no registers");
	(void)printf("; %s on the disk\n",
		     number_format_size(disk, (uint64_t)st->st_blocks * 512));
	(void)printf("%s\n", consistency_words[consistency]);
	if (capture->missing)
		(void)printf("%s could not be read and are zeros, the first at "
			     "0x%" PRIx64 "\n",
			     number_format_size(missing, capture->missing),
			     capture->first_missing);
	return output_finish();
}

/** Fill the sink; on return the VM runs again, whatever happened. */
static int fill(struct mvmi_vm *vm, struct sink *sink, struct capture *capture,
		enum consistency *consistency)
{
	struct mvmi_error err;
	bool is_static = false;
	struct mvmi_vm_info info = { .size = sizeof(info) };
	int code;

	if (mvmi_vm_get_info(vm, &info, &err) != MVMI_OK)
		return diag_error(&err, "cannot describe the VM");
	is_static = (info.traits & MVMI_TRAIT_STATIC) != 0;
	code = settle(vm, is_static, consistency);
	if (code == EXIT_OK)
		code = capture_init(capture, vm);
	if (code == EXIT_OK)
		code = capture_run(capture, sink,
				   strcmp(format_name, "raw") == 0
					   ? CAPTURE_RAW
					   : CAPTURE_ELF);
	if ((*consistency == CONSISTENCY_HELD ||
	     *consistency == CONSISTENCY_QUIESCED) &&
	    mvmi_vm_release(vm, &err) != MVMI_OK && code == EXIT_OK)
		code = diag_error(&err, "the memory was copied");
	return code;
}

static int dump(struct mvmi_vm *vm)
{
	struct capture capture = { .vm = vm };
	enum consistency consistency = CONSISTENCY_LIVE;
	struct sink sink;
	struct stat st;
	int code = sink_open(&sink, output_path, compress);

	if (code != EXIT_OK)
		return code;
	interrupt_catch();
	code = fill(vm, &sink, &capture, &consistency);
	if (code == EXIT_OK)
		code = sink_commit(&sink);
	if (code == EXIT_OK && fstat(sink.fd, &st) != 0)
		code = diag_sys("cannot look at %s", output_path);
	sink_close(&sink);
	if (interrupt_came() && code != EXIT_OK) {
		diag_say("interrupted; the VM goes on as it was, and %s was "
			 "not written",
			 output_path);
		code = EXIT_INTERRUPTED;
	} else if (code == EXIT_OK) {
		code = command_json ? print_json(&capture, &st, consistency)
				    : print_text(&capture, &st, consistency);
	}
	capture_fini(&capture);
	return code;
}

static int run(const char *const *operands)
{
	struct mvmi_vm *vm;
	int code;

	if (!output_path)
		return diag_usage("-o FILE is missing");
	if (strcmp(format_name, "elf") != 0 && strcmp(format_name, "raw") != 0)
		return diag_usage("--format %s: there are elf, raw",
				  format_name);
	if (live && quiesce)
		return diag_usage("--live and --quiesce exclude each other");
	code = target_open(operands[0], true, &vm);
	if (code != EXIT_OK)
		return code;
	code = dump(vm);
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_dump = {
	.name = "dump",
	.operands = "TARGET -o FILE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "save memory and registers to a file",
	.details =
		"Holds the VM meanwhile, and lets it go on every way out, ^C "
		"included. Memory that\nnobody touched stays a hole, in the "
		"VM and in FILE. FILE appears once it is whole;\nuntil then "
		"it is FILE.partial-XXXXXX. Only its owner can read it: it "
		"holds what\nthe VM's memory holds. An ELF core can be opened "
		"by gdb, drgn, crash and\nmicrovmi; a compressed one after "
		"zstd -d.\n",
	.examples = "  microvmi dump /run/vm.qmp -o mem.elf\n"
		    "  microvmi dump qemu:pid=4711 -o mem.raw --format raw "
		    "--live\n"
		    "  microvmi dump /run/vm.qmp -o mem.elf.zst -z\n",
	.options = options,
	.option_seen = option_seen,
	.run = run,
};
