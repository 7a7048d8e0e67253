/* SPDX-License-Identifier: MIT */
/* Copy a VM's RAM to stdout: mem-dump TARGET > ram.raw */
#include <microvmi/microvmi.h>

#include <stdio.h>

static int complain(const struct mvmi_error *err)
{
	fprintf(stderr, "mem-dump: %s\n", err->msg);
	return 1;
}

int main(int argc, char **argv)
{
	static struct mvmi_region regions[256];
	static uint8_t page[4096];
	struct mvmi_error err;
	struct mvmi_vm *vm;
	size_t count;

	if (mvmi_vm_open(argc > 1 ? argv[1] : "", NULL, &vm, &err) != MVMI_OK)
		return complain(&err);
	if (mvmi_mem_regions(vm, regions, 256, &count, &err) != MVMI_OK)
		return complain(&err);
	for (size_t i = 0; i < count && i < 256; i++) {
		for (uint64_t at = 0; at < regions[i].len; at += sizeof(page)) {
			mvmi_gpa gpa = mvmi_gpa_at(regions[i].start.val + at);
			struct mvmi_span dst = { page, sizeof(page) };

			if (mvmi_mem_read(vm, gpa, dst, &err) != MVMI_OK)
				return complain(&err);
			fwrite(page, 1, sizeof(page), stdout);
		}
	}
	mvmi_vm_close(vm);
	return fflush(stdout) != 0;
}
