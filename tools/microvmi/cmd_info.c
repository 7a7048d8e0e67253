/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/vm.h>
#include <stdio.h>

#include "commands.h"
#include "diag.h"
#include "names.h"
#include "number.h"
#include "output.h"
#include "target.h"

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

static void print_line(const char *key, const char *value)
{
	char line[512];

	if (!*value)
		return;
	(void)snprintf(line, sizeof(line), "%-13s %s", key, value);
	output_make_printable(line);
	(void)puts(line);
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

static int print_info(const struct mvmi_vm_info *info)
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
	else if (command_json)
		code = output_json(info_json(&info));
	else
		code = print_info(&info);
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_info = {
	.name = "info",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "describe a VM: hypervisor, memory, vCPUs, capabilities",
	.details = "Says what the VM is, what can be done with it, and what "
		   "would give more.\n",
	.examples = "  microvmi info /run/vm.qmp\n"
		    "  microvmi info mem.elf --json\n",
	.run = run,
};
