/* SPDX-License-Identifier: MIT */
/* Show where each vCPU is: regs TARGET */
#include <microvmi/microvmi.h>

#include <inttypes.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct mvmi_regs regs = mvmi_regs_empty();
	struct mvmi_error err;
	struct mvmi_vm *vm;
	unsigned i;

	if (argc != 2 || mvmi_vm_open(argv[1], NULL, &vm, &err) != MVMI_OK) {
		fprintf(stderr, "regs: %s\n", argc != 2 ? "TARGET?" : err.msg);
		return 1;
	}
	for (i = 0; i < mvmi_vcpu_count(vm); i++) {
		if (mvmi_vcpu_get_regs(vm, i, MVMI_REGS_ALL, &regs, &err) !=
		    MVMI_OK) {
			fprintf(stderr, "regs: %s\n", err.msg);
			break;
		}
		printf("vCPU %u: rip 0x%" PRIx64 ", cr3 0x%" PRIx64 "\n", i,
		       regs.x86.rip, regs.x86.cr3);
	}
	i = i < mvmi_vcpu_count(vm);
	mvmi_vm_close(vm);
	return (int)i;
}
