/* SPDX-License-Identifier: MIT */
/* Print the text at a virtual address: virt-read TARGET 0xADDR */
#include <microvmi/microvmi.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	char text[64];
	struct mvmi_span dst = { (uint8_t *)text, sizeof(text) };
	struct mvmi_space *space;
	struct mvmi_error err;
	struct mvmi_vm *vm;
	enum mvmi_status status;

	if (argc != 3)
		return fprintf(stderr, "usage: virt-read TARGET 0xADDR\n"), 2;
	status = mvmi_vm_open(argv[1], NULL, &vm, &err);
	if (status != MVMI_OK)
		return fprintf(stderr, "virt-read: %s\n", err.msg), 1;
	status = mvmi_space_of_vcpu(vm, 0, &space, &err);
	if (status == MVMI_OK) {
		mvmi_gva gva = mvmi_gva_at(strtoull(argv[2], NULL, 0));

		status = mvmi_space_read(space, gva, dst, &err);
		mvmi_space_destroy(space);
	}
	if (status == MVMI_OK)
		printf("%.*s\n", (int)sizeof(text), text);
	else
		fprintf(stderr, "virt-read: %s\n", err.msg);
	mvmi_vm_close(vm);
	return status != MVMI_OK;
}
