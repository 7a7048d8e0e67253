/* SPDX-License-Identifier: MIT */
/*
 * Hostile device states: a compromised QEMU, or a guest's imitations.
 *
 * The first byte picks KVM's x87 order and how many vCPUs are asked for. Apart
 * from no crash: the outcome of one run is that of the next, and failure leaves
 * the vCPUs alone.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers/qemu/state.h"

#define VCPUS_MAX 4

/* Padding is compared too: what is left alone is left alone to the byte. */
static bool is_same(const void *a, const void *b, size_t len)
{
	return memcmp(a, b, len) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qemu_state_vcpu before[VCPUS_MAX], once[VCPUS_MAX];
	struct mvmi_error err;
	enum mvmi_status status;
	struct mvmi_bytes stream;
	size_t count;
	bool kvm;

	if (size == 0)
		return 0;
	stream = (struct mvmi_bytes){ data + 1, size - 1 };
	kvm = data[0] & 1;
	count = (data[0] >> 1) % (VCPUS_MAX + 1);
	memset(before, 0x5a, sizeof(before));
	for (uint32_t i = 0; i < VCPUS_MAX; i++)
		before[i].index = i;
	memcpy(once, before, sizeof(once));

	status = qemu_state_parse(stream, kvm, count, once, &err);
	if (status != MVMI_OK) {
		if (err.status != status ||
		    !memchr(err.msg, 0, sizeof(err.msg)))
			abort();
		if (!is_same(once, before, sizeof(once)))
			abort();
		return 0;
	}
	if (qemu_state_parse(stream, kvm, count, before, NULL) != MVMI_OK)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (!is_same(&once[i].regs.x86, &before[i].regs.x86,
			     sizeof(once[i].regs.x86)) ||
		    once[i].halted != before[i].halted)
			abort();
	}
	return 0;
}
