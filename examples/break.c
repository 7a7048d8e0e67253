/* SPDX-License-Identifier: MIT */
/* Tell of calls of a function and their returns: break TARGET ADDRESS COUNT */
#include <microvmi/microvmi.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long long returns;

static int complain(const struct mvmi_error *err)
{
	fprintf(stderr, "break: %s\n", err->msg);
	return 1;
}

static void tell(struct mvmi_vm *vm, const struct mvmi_bp_hit *hit,
		 struct mvmi_reply *reply, void *arg)
{
	const uint64_t *gpr = hit->regs->x86.gpr;

	(void)vm;
	(void)reply;
	(void)arg;
	if (hit->is_return) {
		returns++;
		printf("return rax=0x%" PRIx64 "\n", gpr[MVMI_REG_RAX]);
	} else {
		printf("call   rdi=0x%" PRIx64 " rsi=0x%" PRIx64 "\n",
		       gpr[MVMI_REG_RDI], gpr[MVMI_REG_RSI]);
	}
}

int main(int argc, char **argv)
{
	struct mvmi_bp_options options = { .size = sizeof(options) };
	enum mvmi_status status = MVMI_OK;
	unsigned long long count;
	struct mvmi_error err;
	struct mvmi_vm *vm;
	uint64_t bp;

	if (argc != 4)
		return 2;
	if (mvmi_vm_open(argv[1], NULL, &vm, &err) != MVMI_OK)
		return complain(&err);
	options.gva = mvmi_gva_at(strtoull(argv[2], NULL, 0));
	options.on_return = true;
	count = strtoull(argv[3], NULL, 0);
	if (mvmi_bp_add(vm, &options, tell, NULL, &bp, &err) != MVMI_OK)
		status = err.status;
	else
		puts("armed");
	fflush(stdout);
	while (status == MVMI_OK && returns < count)
		status = mvmi_vm_dispatch(vm, -1, &err);
	/* What was put into the guest is taken out again. */
	mvmi_vm_close(vm);
	return status == MVMI_OK ? 0 : complain(&err);
}
