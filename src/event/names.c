/* SPDX-License-Identifier: MIT */
/* The fixed names of event kinds and actions. */
#include <microvmi/event.h>

static const char *const kind_names[MVMI_EVENT_KIND_COUNT] = {
	[MVMI_EVENT_CR0_WRITE] = "cr0-write",
	[MVMI_EVENT_CR3_WRITE] = "cr3-write",
	[MVMI_EVENT_CR4_WRITE] = "cr4-write",
	[MVMI_EVENT_XCR0_WRITE] = "xcr0-write",
	[MVMI_EVENT_DR_ACCESS] = "dr-access",
	[MVMI_EVENT_MSR_READ] = "msr-read",
	[MVMI_EVENT_MSR_WRITE] = "msr-write",
	[MVMI_EVENT_EXCEPTION] = "exception",
	[MVMI_EVENT_INTERRUPT] = "interrupt",
	[MVMI_EVENT_INT3] = "int3",
	[MVMI_EVENT_HW_BREAKPOINT] = "hw-breakpoint",
	[MVMI_EVENT_STEP] = "step",
	[MVMI_EVENT_MEMORY] = "memory",
	[MVMI_EVENT_DESCRIPTOR] = "descriptor",
	[MVMI_EVENT_CPUID] = "cpuid",
	[MVMI_EVENT_HYPERCALL] = "hypercall",
	[MVMI_EVENT_PORT_IO] = "port-io",
	[MVMI_EVENT_RDTSC] = "rdtsc",
	[MVMI_EVENT_RESET] = "reset",
	[MVMI_EVENT_SHUTDOWN] = "shutdown",
	[MVMI_EVENT_GONE] = "gone",
};

static const char *const action_names[MVMI_ACTION_COUNT] = {
	[MVMI_ACTION_CONTINUE] = "continue",
	[MVMI_ACTION_SKIP] = "skip",
	[MVMI_ACTION_EMULATE] = "emulate",
	[MVMI_ACTION_DENY] = "deny",
	[MVMI_ACTION_REINJECT] = "reinject",
	[MVMI_ACTION_INJECT] = "inject",
	[MVMI_ACTION_STEP] = "step",
	[MVMI_ACTION_SWITCH_VIEW] = "switch-view",
};

const char *mvmi_event_kind_name(enum mvmi_event_kind kind)
{
	return (unsigned)kind < MVMI_EVENT_KIND_COUNT ? kind_names[kind] : NULL;
}

const char *mvmi_action_name(enum mvmi_action action)
{
	return (unsigned)action < MVMI_ACTION_COUNT ? action_names[action]
						    : NULL;
}
