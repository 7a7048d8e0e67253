/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/vcpu.h>
#include <microvmi/vm.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "diag.h"
#include "guest.h"
#include "number.h"
#include "output.h"
#include "regfile.h"
#include "symname.h"
#include "target.h"

static const char *vcpu_text;
static const char **assignments;
static int show_names;

static struct poptOption options[] = {
	{ "vcpu", 'c', POPT_ARG_STRING, &vcpu_text, 0, "only this vCPU", "N" },
	{ "set", 's', POPT_ARG_ARGV, &assignments, 0,
	  "first write a register; may be given several times", "NAME=VALUE" },
	{ "names", 'n', POPT_ARG_NONE, &show_names, 0,
	  "name where rip is, if the guest's kernel is understood", NULL },
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, guest_os_options, 0, NULL, NULL },
	POPT_TABLEEND,
};

static int get_regs(struct mvmi_vm *vm, unsigned vcpu, struct mvmi_regs *ret)
{
	struct mvmi_error err;

	*ret = mvmi_regs_empty();
	if (mvmi_vcpu_get_regs(vm, vcpu, MVMI_REGS_ALL, ret, &err) != MVMI_OK)
		return target_explain(
			vm, err.status,
			diag_error(&err, "cannot read the registers"));
	return EXIT_OK;
}

static int set_regs(struct mvmi_vm *vm, unsigned vcpu)
{
	struct mvmi_regs regs;
	struct mvmi_error err;
	int code = get_regs(vm, vcpu, &regs);

	for (size_t i = 0; code == EXIT_OK && assignments[i]; i++) {
		const char *wrong = regfile_assign(&regs, assignments[i]);

		if (wrong)
			code = diag_usage("--set %s: %s", assignments[i],
					  wrong);
	}
	if (code != EXIT_OK)
		return code;
	if (mvmi_vcpu_set_regs(vm, vcpu, &regs, &err) != MVMI_OK)
		return diag_error(&err, "cannot write the registers");
	return EXIT_OK;
}

/** Name rip in a document, or on a line under the registers. */
static void
name_rip(const struct mvmi_regs *regs, struct symname *names, json_t *object)
{
	char name[SYMNAME_LEN];

	if (!names->os || !mvmi_regset_has(regs->valid, MVMI_REG_RIP) ||
	    !symname_of(names, regs->x86.rip, name))
		return;
	if (object) {
		output_put(object, "rip_symbol", output_text(name));
		return;
	}
	(void)printf("rip is in ");
	output_printable(name);
	(void)putchar('\n');
}

static int print_one(struct mvmi_vm *vm, unsigned vcpu, struct symname *names,
		     json_t *document)
{
	struct mvmi_regs regs;
	json_t *object = NULL;
	int code = get_regs(vm, vcpu, &regs);

	if (code != EXIT_OK)
		return code;
	if (document) {
		object = regfile_json(&regs, vcpu);
		output_append(document, object);
	} else {
		regfile_print(&regs, vcpu);
	}
	name_rip(&regs, names, object);
	return EXIT_OK;
}

/** Which vCPUs are meant: [*first, *end). */
static int choose(struct mvmi_vm *vm, unsigned *first, unsigned *end)
{
	unsigned count = mvmi_vcpu_count(vm);
	uint64_t vcpu;
	const char *wrong;

	*first = 0;
	/* Of a VM without registers, the library says why. */
	*end = count ? count : 1;
	if (!vcpu_text)
		return assignments && count > 1
			       ? diag_usage("--set needs --vcpu: there are %u",
					    count)
			       : EXIT_OK;
	wrong = number_parse(vcpu_text, &vcpu);
	if (wrong)
		return diag_usage("--vcpu %s: %s", vcpu_text, wrong);
	if (vcpu >= *end)
		return diag_usage("there is no vCPU %s; they are 0 to %u",
				  vcpu_text, *end - 1);
	*first = (unsigned)vcpu;
	*end = *first + 1;
	return EXIT_OK;
}

/** All vCPUs of one moment, where the VM can be held. */
static int print_all(struct mvmi_vm *vm, unsigned first, unsigned end,
		     struct symname *names)
{
	bool hold =
		end - first > 1 && (mvmi_vm_capabilities(vm) & MVMI_CAP_RUN);
	json_t *document = command_json ? json_array() : NULL;
	struct mvmi_error err;
	int code = EXIT_OK;

	if (hold && mvmi_vm_hold(vm, &err) != MVMI_OK) {
		json_decref(document);
		return diag_error(&err, "cannot read the registers");
	}
	for (unsigned vcpu = first; code == EXIT_OK && vcpu < end; vcpu++) {
		if (vcpu > first && !document)
			(void)putchar('\n');
		code = print_one(vm, vcpu, names, document);
	}
	if (hold && mvmi_vm_release(vm, &err) != MVMI_OK && code == EXIT_OK)
		code = diag_error(&err, "the registers were read");
	if (code != EXIT_OK) {
		json_decref(document);
		return code;
	}
	return document ? output_json(document) : output_finish();
}

static int print_chosen(struct mvmi_vm *vm, unsigned first, unsigned end)
{
	struct symname names = { .os = NULL };
	int code = EXIT_OK;

	if (show_names)
		code = guest_open_os(vm, &names.os);
	if (code == EXIT_OK)
		code = print_all(vm, first, end, &names);
	symname_fini(&names);
	mvmi_os_close(names.os);
	return code;
}

static int run(const char *const *operands)
{
	unsigned first;
	unsigned end;
	struct mvmi_vm *vm;
	int code = target_open(operands[0], assignments == NULL, &vm);

	if (code != EXIT_OK)
		return code;
	code = choose(vm, &first, &end);
	if (code == EXIT_OK && assignments)
		code = set_regs(vm, first);
	if (code == EXIT_OK)
		code = print_chosen(vm, first, end);
	mvmi_vm_close(vm);
	return code;
}

const struct command cmd_regs = {
	.name = "regs",
	.operands = "TARGET",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "show or set the registers of vCPUs",
	.details =
		"Prints every register that is known; the others are named. A "
		"running VM is held\nfor the moment of reading. NAME is a "
		"register as printed, or a member of one:\ncs.selector, "
		"gdtr.base. After --set the registers are read back and "
		"printed.\n",
	.examples = "  microvmi regs /run/vm.qmp\n"
		    "  microvmi regs mem.elf --vcpu 1 --json\n"
		    "  microvmi regs /run/vm.qmp --vcpu 0 --set rip=0x1000 "
		    "--set rax=0\n"
		    "  microvmi regs /run/vm.qmp --names\n",
	.options = options,
	.run = run,
};
