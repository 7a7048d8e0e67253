/* SPDX-License-Identifier: MIT */
/**
 * @file
 * What the conformance suite runs on: a VM that is open, and the means to make
 * things happen in it and to it. The cases know nothing else of the driver; a
 * real hypervisor joins with a guest that obeys deeds and a table of its own.
 */
#ifndef MICROVMI_CONFORM_SUBJECT_H
#define MICROVMI_CONFORM_SUBJECT_H

#include <microvmi/microvmi.h>

#include "core/vm.h"

/** What the guest is made to do: one instruction. */
enum deed_kind {
	DEED_NOP,
	DEED_CR0_WRITE, /**< value */
	DEED_CR3_WRITE,
	DEED_CR4_WRITE,
	DEED_XCR0_WRITE,
	DEED_DR_WRITE, /**< index, value */
	DEED_MSR_READ, /**< index */
	DEED_MSR_WRITE,
	DEED_INT3,
	DEED_FAULT,	/**< index is the vector */
	DEED_INTERRUPT, /**< likewise */
	DEED_LOAD,	/**< eight bytes at gpa */
	DEED_STORE,	/**< value to gpa */
	DEED_PAGE_WALK, /**< one that writes at gpa */
	DEED_LGDT,	/**< value */
	DEED_CPUID,	/**< index */
	DEED_HYPERCALL,
	DEED_PORT_WRITE, /**< index */
	DEED_PORT_READ,
	DEED_RDTSC,
	DEED_SHUTDOWN,
	DEED_COUNT,
};

struct deed {
	enum deed_kind kind;
	uint32_t index;
	uint64_t value;
	mvmi_gpa gpa;
	uint64_t rip; /**< if not 0, the guest jumps there first */
};

/** How a vCPU fared, as the guest itself knows. */
struct witness {
	unsigned executed; /**< deeds that had their effect */
	unsigned skipped;  /**< deeds that were left out */
	unsigned left;	   /**< deeds that are still before it */
	unsigned trapped;  /**< exceptions and interrupts it took */
	uint32_t vector;   /**< the last of those */
	uint64_t cr2;
	uint64_t value; /**< the last that it read from anywhere */
	uint64_t rip;
	uint64_t cr3;
};

struct subject;

/** What is done behind the library's back. */
struct subject_ops {
	/** @return false if this guest can't do that. */
	bool (*act)(struct subject *s, unsigned vcpu, const struct deed *deed);
	/** Let the guest run until it is held or has nothing to do. */
	void (*run)(struct subject *s);
	struct witness (*ask)(struct subject *s, unsigned vcpu);
	bool (*peek)(struct subject *s, mvmi_gpa gpa, struct mvmi_span dst);
	bool (*page_is_backed)(struct subject *s, mvmi_gpa gpa);
	void (*kill)(struct subject *s);
	void (*reset)(struct subject *s);
	void (*stop)(struct subject *s);
	bool (*is_stopped)(struct subject *s);
	void (*wait)(struct subject *s, uint32_t ms);
	/** The far side ends, or learns of the client's death. */
	void (*drop)(struct subject *s);
	/** Another becomes the VM's controller. @return who: pid, if it can. */
	int64_t (*occupy)(struct subject *s, int64_t pid);
	/** Whether nothing of the client is left in the VM. */
	bool (*is_untouched)(struct subject *s);
	/** Forget the VM; the library has closed it. */
	void (*forget)(struct subject *s);
};

struct subject {
	const struct subject_ops *ops;
	struct mvmi_vm *vm; /**< owned; NULL once closed */
	void *far;	    /**< the ops' own */
	unsigned ring_len;  /**< asynchronous events that a vCPU keeps */
};

/** RAM that every subject has, apart from where its guest's code is. */
#define SUBJECT_PAGE mvmi_gpa_at(0x8000)
/** Where nothing is. */
#define SUBJECT_HOLE mvmi_gpa_at(UINT64_C(0xd0000000))
/** Where a private page is, if the subject has one; else nothing special. */
#define SUBJECT_PRIVATE mvmi_gpa_at(0x40000)

/** Open the mock; two vCPUs. @return false: no such personality. */
bool subject_open_mock(struct subject *s, const char *personality,
		       bool with_private);
/** Open the mock tcg behind an agent in this process. */
bool subject_open_agent(struct subject *s, bool with_private);
/** Close what the library has open and forget it. */
void subject_close(struct subject *s);

#endif /* MICROVMI_CONFORM_SUBJECT_H */
