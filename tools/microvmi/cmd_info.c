/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/os.h>
#include <microvmi/vm.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "names.h"
#include "number.h"
#include "output.h"
#include "target.h"

static int no_guest;

static struct poptOption options[] = {
	{ "no-guest", '\0', POPT_ARG_NONE, &no_guest, 0,
	  "don't look for the guest's operating system", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_os_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static json_t *os_json(const struct mvmi_os_info *os)
{
	json_t *object = json_object();

	output_put(object, "name", output_text(os->name));
	output_put(object, "release", output_text(os->release));
	output_put(object, "version", output_text(os->version));
	output_put(object, "machine", output_text(os->machine));
	output_put(object, "hostname", output_text(os->hostname));
	output_put(object, "uptime_ns", output_number(os->uptime_ns));
	output_put(object, "cpus", json_integer(os->cpus));
	output_put(object, "build_id", output_text(os->build_id));
	output_put(object, "kernel_base", output_hex(os->kernel_base.val));
	output_put(object, "kernel_end", output_hex(os->kernel_end.val));
	output_put(object, "kernel_physical", output_hex(os->kernel_gpa.val));
	output_put(object, "slide", output_hex(os->slide));
	output_put(object, "paging", json_string(mvmi_paging_name(os->paging)));
	output_put(object, "page_table_isolation",
		   json_boolean(os->page_table_isolation));
	output_put(object, "symbols", output_number(os->symbol_count));
	output_put(object, "types", json_integer(os->type_count));
	output_put(object, "found_by", output_text(os->found_by));
	output_put(object, "checked_by", output_text(os->checked_by));
	output_put(object, "from_profile", json_boolean(os->from_profile));
	return object;
}

static json_t *info_json(const struct mvmi_vm_info *info)
{
	json_t *object = json_object();

	output_put(object, "target", output_text(info->target));
	output_put(object, "driver", output_text(info->driver));
	output_put(object, "name", output_text(info->name));
	output_put(object, "hypervisor", output_text(info->hypervisor));
	output_put(object, "pid", json_integer(info->pid));
	output_put(object, "state", json_string(names_run_state(info->state)));
	output_put(object, "vcpus", json_integer((json_int_t)info->vcpus));
	output_put(object, "ram_size", output_hex(info->ram_len));
	output_put(object, "memory_path", output_text(info->memory_path));
	output_put(object, "incarnation",
		   json_integer((json_int_t)info->incarnation));
	output_put(object, "capabilities",
		   names_of_bits(info->capabilities, names_capabilities));
	output_put(object, "traits", names_of_bits(info->traits, names_traits));
	output_put(object, "readable_registers",
		   names_of_regs(info->readable_regs));
	output_put(object, "writable_registers",
		   names_of_regs(info->writable_regs));
	output_put(object, "note", output_text(info->note));
	return object;
}

/** A line of words, the last of which is "". */
static void print_words(const char *key, const char *const *words)
{
	(void)printf("%-13s ", key);
	for (; **words; words++)
		output_printable(*words);
	(void)putchar('\n');
}

static void print_line(const char *key, const char *value)
{
	if (!*value)
		return;
	(void)printf("%-13s ", key);
	output_printable(value);
	(void)putchar('\n');
}

static void print_bits(const char *key, uint32_t bits, const struct name *names)
{
	if (!bits)
		return;
	(void)printf("%-13s", key);
	for (; names->name; names++) {
		if (bits & names->bit)
			(void)printf(" %s", names->name);
	}
	(void)putchar('\n');
}

/** Registers by exception, for mostly they are all there. */
static void print_regs(const char *key, mvmi_regset set)
{
	mvmi_regset all = mvmi_regset_of_groups(MVMI_REGS_ALL);
	mvmi_regset lacking = mvmi_regset_minus(all, set);
	bool first = true;

	(void)printf("%-13s", key);
	if (mvmi_regset_is_empty(set)) {
		(void)printf(" none\n");
		return;
	}
	(void)printf(" all");
	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		if (!mvmi_regset_has(lacking, (enum mvmi_reg)i))
			continue;
		(void)printf("%s %s", first ? " but" : ",",
			     mvmi_reg_name((enum mvmi_reg)i));
		first = false;
	}
	(void)putchar('\n');
}

/** "2 d 3 h 4 min 5 s", without the zeros before. */
static void print_uptime(uint64_t ns)
{
	uint64_t seconds = ns / 1000000000;
	uint64_t parts[] = { seconds / 86400, seconds / 3600 % 24,
			     seconds / 60 % 60, seconds % 60 };
	static const char *const units[] = { "d", "h", "min", "s" };
	bool begun = false;

	if (!ns)
		return;
	(void)printf("%-13s", "uptime");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		begun = begun || parts[i] || i == 3;
		if (begun)
			(void)printf(" %" PRIu64 " %s", parts[i], units[i]);
	}
	(void)putchar('\n');
}

/** @param os  NULL: the guest is not understood, for this reason. */
static void print_os(const struct mvmi_os_info *os, const char *reason)
{
	if (!os) {
		(void)printf("%-13s not understood: ", "guest OS");
		output_printable(reason);
		(void)putchar('\n');
		return;
	}
	print_words("guest OS",
		    (const char *const[]){ os->name, " ", os->release, " ",
					   os->machine, "" });
	print_line("version", os->version);
	print_line("hostname", os->hostname);
	print_uptime(os->uptime_ns);
	(void)printf("%-13s %u\n", "CPUs", os->cpus);
	(void)printf("%-13s 0x%" PRIx64 "-0x%" PRIx64 ", physical 0x%" PRIx64
		     ", KASLR 0x%" PRIx64 "\n",
		     "kernel", os->kernel_base.val, os->kernel_end.val,
		     os->kernel_gpa.val, os->slide);
	(void)printf("%-13s %s, %s\n", "page tables",
		     mvmi_paging_name(os->paging),
		     os->page_table_isolation ? "isolated (PTI)"
					      : "not isolated (no PTI)");
	print_line("build id", os->build_id);
	(void)printf("%-13s %zu symbols, %" PRIu32 " types\n", "known",
		     os->symbol_count, os->type_count);
	print_words("found by", (const char *const[]){
					os->found_by,
					*os->checked_by ? ", checked by " : "",
					os->checked_by, "" });
	if (os->from_profile)
		print_line("profile", "known from an earlier run");
}

static void print_info(const struct mvmi_vm_info *info)
{
	char text[NUMBER_SIZE_LEN];

	print_line("target", info->target);
	print_line("driver", info->driver);
	print_line("name", info->name);
	print_line("hypervisor", info->hypervisor);
	if (info->pid)
		(void)printf("%-13s %" PRId64 "\n", "pid", info->pid);
	print_line("state", names_run_state(info->state));
	(void)printf("%-13s %u\n", "vCPUs", info->vcpus);
	print_line("RAM", number_format_size(text, info->ram_len));
	print_line("memory path", info->memory_path);
	print_bits("capabilities", info->capabilities, names_capabilities);
	print_bits("traits", info->traits, names_traits);
	print_regs("registers", info->readable_regs);
	if (info->capabilities & MVMI_CAP_SET_REGS)
		print_regs("writable", info->writable_regs);
	print_line("note", info->note);
}

/** Describe the guest's OS, if it is understood; *err says why it is not. */
static bool get_os_info(struct mvmi_vm *vm, struct mvmi_os_info *ret,
			struct mvmi_error *err)
{
	enum mvmi_status status;
	struct mvmi_os *os;

	if (guest_find_os(vm, &os, err) != MVMI_OK)
		return false;
	status = mvmi_os_get_info(os, ret, err);
	mvmi_os_close(os);
	return status == MVMI_OK;
}

static int describe(struct mvmi_vm *vm, const struct mvmi_vm_info *info)
{
	struct mvmi_os_info os = { .size = sizeof(os) };
	struct mvmi_error err = { .status = MVMI_OK };
	json_t *document;
	bool known;

	if (!command_json) {
		/* The VM's lines first: finding the guest may take a moment. */
		print_info(info);
		(void)fflush(stdout);
	}
	known = !no_guest && get_os_info(vm, &os, &err);
	if (command_json) {
		document = info_json(info);
		output_put(document, "os", known ? os_json(&os) : json_null());
		return output_json(document);
	}
	if (!no_guest)
		print_os(known ? &os : NULL, err.msg);
	return output_finish();
}

static int run(const char *const *operands)
{
	struct mvmi_vm_info info = { .size = sizeof(info) };
	struct mvmi_error err;
	struct mvmi_vm *vm;
	int code = target_open(operands[0], false, &vm);

	if (code != EXIT_OK)
		return code;
	if (mvmi_vm_get_info(vm, &info, &err) != MVMI_OK)
		code = diag_error(&err, "cannot describe %s", operands[0]);
	else
		code = describe(vm, &info);
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_info = {
	.name = "info",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "describe a VM: hypervisor, memory, vCPUs, and its guest",
	.details = "Says what the VM is, what can be done with it, and what "
		   "would give more; then\nwhich operating system its guest "
		   "is, where that is understood.\n",
	.examples = "  microvmi info /run/vm.qmp\n"
		    "  microvmi info mem.elf --json\n",
	.options = options,
	.run = run,
};
