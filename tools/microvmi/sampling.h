/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Who has the CPUs, by looking often: a guest's kernel need not count for us,
 * and what a rootkit keeps out of its lists still has to run.
 */
#ifndef MICROVMI_TOOL_SAMPLING_H
#define MICROVMI_TOOL_SAMPLING_H

#include "guest.h"

/** How often a vCPU was seen doing what. */
struct sampling_vcpu {
	unsigned idle;
	unsigned kernel;
	unsigned user;
	uint64_t pid;  /**< of the process it was in last; 0: idle */
	char name[64]; /**< of that */
};

/** How often vCPUs were in a process. */
struct sampling_hit {
	uint64_t process_id;
	unsigned count;
	char name[64];
};

struct sampling {
	unsigned count;		     /**< of looks */
	bool blind;		     /**< the VM shows no registers */
	struct sampling_vcpu *vcpus; /**< owned */
	size_t vcpu_count;
	struct sampling_hit *hits; /**< owned */
	size_t hit_count;
};

/** Look once, while the guest is held. @return An exit code. */
int sampling_look(struct sampling *sampling, struct guest *guest);

/** How often a process was seen on a vCPU. */
unsigned sampling_hits(const struct sampling *sampling, uint64_t process_id);

/** Also of zeros; then it can be used anew. */
void sampling_fini(struct sampling *sampling);

#endif /* MICROVMI_TOOL_SAMPLING_H */
