/* SPDX-License-Identifier: MIT */
/* What the agent can ask of this QEMU, and what it publishes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

/* How long the vCPUs may take to leave code that is to be dropped. */
#define LEAVE_MS 2000
/* How often one that is parked looks whether the VM is being stopped. */
#define PARK_NS UINT64_C(50000000)
/* An interrupt by message: SDM 3A 11.11. */
#define MSI_ADDRESS UINT64_C(0xfee00000)
/* QEMU's number of a pending NMI, the same since 2011. */
#define INTERRUPT_NMI 0x200
/* RUN_STATE_RESTORE_VM: a snapshot is being loaded. */
#define RUN_STATE_RESTORE 8
#define PAGE		  UINT64_C(4096)
/* Frames of one subscription: each has an entry of its own. */
#define FRAMES_MAX UINT64_C(65536)
#define ACCESS_ALL (MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X)

/** A subscription that changed the translation. */
struct enabled {
	struct enabled *next;
	uint64_t id;
	uint32_t kind;
	uint64_t pc;
	uint64_t span;
	uint32_t access; /**< of memory */
};

static struct enabled *enabled; /* the agent's thread's */
static unsigned steps;
static atomic_uint vcpu_total;
static atomic_bool ending;

static uint32_t host_vcpu_count(void *arg)
{
	(void)arg;
	return atomic_load(&vcpu_total);
}

void host_end(void)
{
	/* QEMU takes itself apart: its functions aren't called any more. */
	atomic_store(&ending, true);
}

/* ---- holds -------------------------------------------------------------- */

/** Whether somebody stops the VM, and waits for its vCPUs. */
static bool is_being_stopped(void)
{
	return qemu.runstate_is_running && !qemu.runstate_is_running();
}

/*
 * Who is parked must not keep QEMU from answering its monitors, nor from
 * stopping the VM: then it goes back to QEMU's loop, which won't let it run.
 * QEMU says that it stops, and asks the vCPUs to, without letting go of the
 * lock in between: so whoever has the lock again has been asked.
 */
void host_park(uint32_t vcpu)
{
	bool locked = qemu.bql_locked && qemu.bql_locked();
	bool runs;

	if (locked)
		qemu.bql_unlock();
	do {
		runs = agent_vcpu_park_for(agent, vcpu, PARK_NS);
	} while (!runs && !(locked && is_being_stopped()));
	if (locked)
		qemu.bql_lock(__FILE__, __LINE__);
	if (!runs)
		agent_vcpu_idle(agent, vcpu);
}

/** An exception for a vCPU outside of QEMU's execution loop. */
static void set_exception(struct vcpu_side *side)
{
	const struct agent_inject *what = &side->injection;
	int32_t vector = (int32_t)what->vector;
	int32_t code = what->has_error_code ? (int32_t)what->error_code : 0;
	int32_t zero = 0;
	char *cpu = side->cpu;

	if (what->vector == 14)
		memcpy(cpu + qemu.at.cr2, &what->cr2, sizeof(what->cr2));
	memcpy(cpu + qemu.at.error_code, &code, sizeof(code));
	memcpy(cpu + qemu.at.is_int, &zero, sizeof(zero));
	memcpy(cpu + qemu.at.exception_index, &vector, sizeof(vector));
}

/** In the vCPU's thread, outside of guest code. */
static void park_work(void *cpu, uint64_t data)
{
	uint32_t vcpu = (uint32_t)data;
	struct vcpu_side *side = &vcpu_sides[vcpu];

	(void)cpu;
	atomic_store(&side->kicked, false);
	host_park(vcpu);
	if (atomic_exchange(&side->injects, false))
		set_exception(side);
}

static void host_kick(void *arg, uint32_t vcpu)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];

	(void)arg;
	if (side->cpu && !atomic_exchange(&side->kicked, true))
		qemu.async_run_on_cpu(side->cpu, park_work, vcpu);
}

/* ---- events ------------------------------------------------------------- */

/** QEMU wants to know of threads that read what it protects by RCU. */
static void introduce_thread(void)
{
	static bool introduced;

	if (!introduced && qemu.rcu_register_thread)
		qemu.rcu_register_thread();
	introduced = true;
}

/** Frames that aren't RAM are never accessed in a way that is seen here. */
static void watch(const struct enabled *what, bool on)
{
	uint64_t first = what->pc / PAGE;
	uint64_t last = (what->pc + what->span - 1) / PAGE;

	for (uint64_t gfn = first; gfn <= last && gfn >= first; gfn++)
		(void)hooks_watch(gfn, what->access, on);
}

/*
 * A vCPU that translates right now may have looked before the change, and
 * finish after code was dropped: so none may.
 */
static void change_code(const struct enabled *what, bool on)
{
	bool held;

	if (atomic_load(&ending))
		return;
	introduce_thread();
	held = agent_hold(agent, LEAVE_MS);
	switch (what->kind) {
	case MVMI_EVENT_STEP:
		code_step(on);
		break;
	case MVMI_EVENT_MEMORY:
		watch(what, on);
		break;
	default:
		code_invalidate(what->pc, what->span);
		break;
	}
	if (held)
		agent_release(agent, 1);
}

static void
refuse(struct agent_result *result, enum mvmi_status status, const char *text)
{
	result->status = status;
	(void)snprintf(result->text, sizeof(result->text), "%s", text);
}

/** Reset and shutdown: no vCPU is there to wait. */
static bool is_of_machine(uint32_t kind)
{
	return kind == MVMI_EVENT_RESET || kind == MVMI_EVENT_SHUTDOWN;
}

static bool is_published(uint32_t kind)
{
	for (uint32_t i = 0; i < host.desc_count; i++) {
		if (host.descs[i].kind == kind)
			return true;
	}
	return false;
}

/** Whether a subscription changes what is translated, or looked up. */
static bool changes_code(const struct agent_subscription *what)
{
	return what->kind == MVMI_EVENT_HW_BREAKPOINT ||
	       what->kind == MVMI_EVENT_STEP ||
	       (what->kind == MVMI_EVENT_MEMORY &&
		(what->filters & MVMI_FILTER_RANGE));
}

/** Count it, or no longer. @return whether it is the first, or last, of its. */
static bool counts(const struct enabled *what, bool on)
{
	switch (what->kind) {
	case MVMI_EVENT_STEP:
		return on ? steps++ == 0 : --steps == 0;
	case MVMI_EVENT_MEMORY:
		return true;
	default:
		return on ? code_add_breakpoint(what->pc, what->span)
			  : code_remove_breakpoint(what->pc, what->span);
	}
}

static void host_enable(void *arg, const struct agent_subscription *what,
			uint64_t id, struct agent_result *result)
{
	struct enabled *entry;

	(void)arg;
	if (!is_published(what->kind)) {
		refuse(result, MVMI_ERR_UNSUPPORTED,
		       "this QEMU doesn't tell of such events");
		return;
	}
	if (is_of_machine(what->kind) && !what->async) {
		refuse(result, MVMI_ERR_UNSUPPORTED,
		       "this is told without holding anything");
		return;
	}
	if (!changes_code(what))
		return;
	if (what->kind == MVMI_EVENT_MEMORY && what->span / PAGE > FRAMES_MAX) {
		refuse(result, MVMI_ERR_LIMIT,
		       "no more than 65536 frames can be watched by one "
		       "subscription");
		return;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		refuse(result, MVMI_ERR_NOMEM, "no memory for a breakpoint");
		return;
	}
	*entry = (struct enabled){ enabled,
				   id,
				   what->kind,
				   what->start,
				   what->span ? what->span : 1,
				   what->access ? what->access : ACCESS_ALL };
	enabled = entry;
	if (counts(entry, true))
		change_code(entry, true);
}

static void host_disable(void *arg, uint64_t id)
{
	struct enabled **at = &enabled;
	struct enabled *entry;

	(void)arg;
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	entry = *at;
	if (!entry)
		return;
	*at = entry->next;
	if (counts(entry, false))
		change_code(entry, false);
	free(entry);
}

/* ---- the machine -------------------------------------------------------- */

/** QEMU's Notifier. */
struct notifier {
	void (*notify)(struct notifier *notifier, void *data);
	void *links[2];
};

static void tell_machine(enum mvmi_event_kind kind)
{
	struct agent_event event = { .kind = kind, .phase = MVMI_PHASE_AFTER };

	plugin_tell(&event);
}

/** Also before a snapshot is loaded. */
static void on_reset(void *arg)
{
	(void)arg;
	agent_new_incarnation(agent);
	tell_machine(MVMI_EVENT_RESET);
}

static void on_shutdown(struct notifier *notifier, void *cause)
{
	(void)notifier;
	(void)cause;
	tell_machine(MVMI_EVENT_SHUTDOWN);
}

/* A snapshot's state is there when the VM runs again, at the latest. */
static void on_run_state(void *arg, bool running, int state)
{
	static bool restores;

	(void)arg;
	if (!running && state == RUN_STATE_RESTORE)
		restores = true;
	else if (running && restores) {
		restores = false;
		agent_new_incarnation(agent);
	}
}

void host_listen_to_machine(void)
{
	static struct notifier shutdown = { .notify = on_shutdown };

	if (!qemu.usable)
		return;
	if (qemu.qemu_register_reset)
		qemu.qemu_register_reset(on_reset, NULL);
	if (qemu.qemu_register_shutdown_notifier)
		qemu.qemu_register_shutdown_notifier(&shutdown);
	if (qemu.qemu_add_vm_change_state_handler)
		(void)qemu.qemu_add_vm_change_state_handler(on_run_state, NULL);
}

void host_vcpu_appeared(uint32_t vcpu)
{
	unsigned total = atomic_load(&vcpu_total);

	while (total < vcpu + 1 &&
	       !atomic_compare_exchange_weak(&vcpu_total, &total, vcpu + 1))
		continue;
}

/* ---- registers, memory, injection --------------------------------------- */

static void host_regs_get(void *arg, uint32_t vcpu, uint32_t groups,
			  struct agent_regs *regs, struct agent_result *result)
{
	(void)arg;
	(void)result;
	regs_read(&vcpu_sides[vcpu], groups, regs);
}

static void
host_regs_set(void *arg, uint32_t vcpu, const struct agent_regs *regs,
	      struct agent_result *result)
{
	(void)arg;
	(void)result;
	introduce_thread();
	regs_write(&vcpu_sides[vcpu], regs);
	atomic_store(&vcpu_sides[vcpu].touched, true);
}

static void
host_write(void *arg, uint64_t gpa, const uint8_t *src, uint32_t len,
	   enum mvmi_write_mode mode, struct agent_result *result)
{
	(void)arg;
	(void)mode;
	introduce_thread();
	if (qemu.address_space_write(qemu.memory, gpa, 0, src, len) != 0)
		refuse(result, MVMI_ERR_FAULT, "QEMU can't write there");
	code_changed();
}

static void host_inject(void *arg, const struct agent_inject *what,
			struct agent_result *result)
{
	struct vcpu_side *side = &vcpu_sides[what->vcpu];
	uint32_t message = what->vector & 0xff;

	(void)arg;
	introduce_thread();
	switch (what->kind) {
	case MVMI_INJECT_EXCEPTION:
		if (atomic_load(&side->injects)) {
			refuse(result, MVMI_ERR_BUSY,
			       "another exception waits for delivery");
			return;
		}
		side->injection = *what;
		atomic_store(&side->injects, true);
		break;
	case MVMI_INJECT_INTERRUPT:
		if (qemu.address_space_write(qemu.memory,
					     MSI_ADDRESS | (uint64_t)what->vcpu
								   << 12,
					     0, &message, sizeof(message)) != 0)
			refuse(result, MVMI_ERR_FAULT, "there is no APIC");
		break;
	case MVMI_INJECT_NMI:
		qemu.bql_lock(__FILE__, __LINE__);
		qemu.cpu_interrupt(side->cpu, INTERRUPT_NMI);
		qemu.bql_unlock();
		break;
	default:
		refuse(result, MVMI_ERR_INVALID, "no such injection");
		break;
	}
}

/* ---- access ------------------------------------------------------------- */

static void host_access_set(void *arg, uint64_t gfn, uint32_t access,
			    struct agent_result *result)
{
	bool held;
	bool set;

	(void)arg;
	introduce_thread();
	held = agent_hold(agent, LEAVE_MS);
	set = hooks_set_access(gfn, access);
	if (held)
		agent_release(agent, 1);
	if (!set)
		refuse(result, MVMI_ERR_FAULT, "there is no RAM");
}

static void host_access_get(void *arg, uint64_t gfn, uint32_t *ret,
			    struct agent_result *result)
{
	(void)arg;
	introduce_thread();
	if (!hooks_get_access(gfn, ret))
		refuse(result, MVMI_ERR_FAULT, "there is no RAM");
}

static void host_access_reset(void *arg)
{
	bool held;

	(void)arg;
	if (atomic_load(&ending))
		return;
	introduce_thread();
	held = agent_hold(agent, LEAVE_MS);
	hooks_reset_access();
	if (held)
		agent_release(agent, 1);
}

/* ---- what is published -------------------------------------------------- */

#define DO(action)   (UINT32_C(1) << MVMI_ACTION_##action)
#define FILTER(name) MVMI_FILTER_##name
#define FIELD(name)  MVMI_FIELD_##name
#define COMMON	     (FILTER(VCPU) | FILTER(CR3))

/* Replies by which an instruction isn't executed, or not as it is. */
#define BEFORE_REPLIES \
	(DO(CONTINUE) | DO(SKIP) | DO(REINJECT) | DO(INJECT) | DO(STEP))

#define MACHINE_OFFER(kind)                                                   \
	{                                                                     \
		MVMI_EVENT_##kind, MVMI_PHASE_AFTER, true, DO(CONTINUE), 0, 0 \
	}

/** One row; what only internals make possible is left out without them. */
struct offer {
	uint8_t kind;
	uint8_t phase;
	bool internal; /**< isn't had without internals */
	uint32_t replies;
	uint32_t filters;
	uint32_t fields;
};

static const struct offer offers[] = {
#define WRITE_OFFER(kind, index)                                      \
	{                                                             \
		MVMI_EVENT_##kind, MVMI_PHASE_BEFORE, false,          \
			BEFORE_REPLIES | DO(DENY),                    \
			COMMON | FILTER(VALUE) | (index),             \
			FIELD(GVA) | FIELD(INSN_LEN) | FIELD(VALUE) | \
				FIELD(OLD_VALUE) |                    \
				((index) ? FIELD(INDEX) : 0U)         \
	}
	WRITE_OFFER(CR0_WRITE, 0),
	WRITE_OFFER(CR3_WRITE, 0),
	WRITE_OFFER(CR4_WRITE, 0),
	WRITE_OFFER(XCR0_WRITE, 0),
	WRITE_OFFER(MSR_WRITE, FILTER(INDEX)),
	{ MVMI_EVENT_DR_ACCESS, MVMI_PHASE_BEFORE, false,
	  BEFORE_REPLIES | DO(DENY) | DO(EMULATE),
	  COMMON | FILTER(INDEX) | FILTER(VALUE),
	  FIELD(GVA) | FIELD(INSN_LEN) | FIELD(INDEX) | FIELD(ACCESS) |
		  FIELD(VALUE) },
	{ MVMI_EVENT_MSR_READ, MVMI_PHASE_BEFORE, false,
	  BEFORE_REPLIES | DO(EMULATE), COMMON | FILTER(INDEX),
	  FIELD(GVA) | FIELD(INSN_LEN) | FIELD(INDEX) },
	{ MVMI_EVENT_INT3, MVMI_PHASE_BEFORE, false, BEFORE_REPLIES, COMMON,
	  FIELD(GVA) | FIELD(INSN_LEN) },
	{ MVMI_EVENT_HW_BREAKPOINT, MVMI_PHASE_BEFORE, true, BEFORE_REPLIES,
	  COMMON | FILTER(RANGE), FIELD(GVA) | FIELD(INSN_LEN) },
	{ MVMI_EVENT_STEP, MVMI_PHASE_AFTER, true, DO(CONTINUE) | DO(INJECT),
	  COMMON, FIELD(GVA) },
	{ MVMI_EVENT_MEMORY, MVMI_PHASE_BEFORE, true,
	  DO(CONTINUE) | DO(INJECT) | DO(STEP),
	  COMMON | FILTER(RANGE) | FILTER(PAGE_WALK),
	  FIELD(GVA) | FIELD(GPA) | FIELD(ACCESS) | FIELD(LEN) |
		  FIELD(PAGE_WALK) },
	{ MVMI_EVENT_EXCEPTION, MVMI_PHASE_BEFORE, true,
	  DO(CONTINUE) | DO(REINJECT) | DO(INJECT), COMMON | FILTER(VECTOR),
	  FIELD(GVA) | FIELD(VECTOR) | FIELD(ERROR_CODE) | FIELD(VALUE) |
		  FIELD(INSN_LEN) },
	{ MVMI_EVENT_INTERRUPT, MVMI_PHASE_AFTER, true, DO(CONTINUE),
	  COMMON | FILTER(VECTOR), FIELD(GVA) | FIELD(VECTOR) },
	{ MVMI_EVENT_DESCRIPTOR, MVMI_PHASE_BEFORE, false,
	  BEFORE_REPLIES | DO(DENY), COMMON | FILTER(INDEX),
	  FIELD(GVA) | FIELD(INSN_LEN) | FIELD(INDEX) | FIELD(ACCESS) },
	{ MVMI_EVENT_CPUID, MVMI_PHASE_BEFORE, false,
	  BEFORE_REPLIES | DO(EMULATE), COMMON | FILTER(INDEX) | FILTER(VALUE),
	  FIELD(GVA) | FIELD(INSN_LEN) | FIELD(INDEX) | FIELD(VALUE) },
	{ MVMI_EVENT_HYPERCALL, MVMI_PHASE_BEFORE, false, BEFORE_REPLIES,
	  COMMON, FIELD(GVA) | FIELD(INSN_LEN) },
	{ MVMI_EVENT_PORT_IO, MVMI_PHASE_BEFORE, false,
	  BEFORE_REPLIES | DO(DENY) | DO(EMULATE),
	  COMMON | FILTER(INDEX) | FILTER(VALUE),
	  FIELD(GVA) | FIELD(INSN_LEN) | FIELD(INDEX) | FIELD(ACCESS) |
		  FIELD(LEN) | FIELD(VALUE) },
	{ MVMI_EVENT_RDTSC, MVMI_PHASE_BEFORE, false,
	  BEFORE_REPLIES | DO(EMULATE), COMMON, FIELD(GVA) | FIELD(INSN_LEN) },
	MACHINE_OFFER(RESET),
	MACHINE_OFFER(SHUTDOWN),
};

#define OFFERS (sizeof(offers) / sizeof(offers[0]))

static struct agent_desc descs[OFFERS];

struct agent_host host = { .vcpu_count = host_vcpu_count };

static bool is_possible(uint8_t kind)
{
	switch (kind) {
	case MVMI_EVENT_MEMORY:
		return hooks_memory();
	case MVMI_EVENT_EXCEPTION:
	case MVMI_EVENT_INTERRUPT:
		return hooks_exceptions();
	case MVMI_EVENT_RESET:
		return qemu.qemu_register_reset != NULL;
	case MVMI_EVENT_SHUTDOWN:
		return qemu.qemu_register_shutdown_notifier != NULL;
	default:
		return qemu.usable && qemu.tb_invalidate_phys_range &&
		       qemu.qemu_ram_addr_from_host;
	}
}

static void publish(void)
{
	/* Without registers nothing can be told but the place. */
	uint32_t fields =
		qemu.usable ? UINT32_MAX : FIELD(GVA) | FIELD(INSN_LEN);
	uint32_t filters = qemu.usable ? UINT32_MAX : FILTER(VCPU);
	uint32_t replies = qemu.usable ? UINT32_MAX : DO(CONTINUE);

	if (!qemu.raise_exception_err_ra)
		replies &= ~DO(INJECT);
	for (size_t i = 0; i < OFFERS; i++) {
		if (offers[i].internal && !is_possible(offers[i].kind))
			continue;
		if (is_of_machine(offers[i].kind)) {
			descs[host.desc_count++] = (struct agent_desc){
				.kind = offers[i].kind,
				.phase = offers[i].phase,
				.holds = MVMI_HOLDS_NONE,
				.async = 1,
				.replies = DO(CONTINUE),
			};
			continue;
		}
		descs[host.desc_count++] = (struct agent_desc){
			.kind = offers[i].kind,
			.phase = offers[i].phase,
			.holds = MVMI_HOLDS_VCPU,
			.async = 1,
			.replies = offers[i].replies & replies,
			.filters = offers[i].filters & filters,
			.fields = offers[i].fields & fields,
		};
	}
}

void host_init(const char *vmm, int max_vcpus)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "microvmi %s, QEMU plugin API %d%s",
		       MVMI_VERSION, api.version,
		       qemu.usable ? "" : ", no internals");
	host.agent = name;
	host.vmm = vmm;
	host.vcpu_limit = max_vcpus > 0 && max_vcpus < AGENT_VCPUS_MAX
				  ? (uint32_t)max_vcpus
				  : AGENT_VCPUS_MAX;
	host.descs = descs;
	host.enable = host_enable;
	host.disable = host_disable;
	publish();
	if (!qemu.usable)
		return;
	regs_masks(host.readable_regs, host.writable_regs);
	host.kick = host_kick;
	if (hooks_memory()) {
		host.access_set = host_access_set;
		host.access_get = host_access_get;
		host.access_reset = host_access_reset;
	}
	host.regs_get = host_regs_get;
	host.regs_set = host_regs_set;
	if (qemu.address_space_write && qemu.memory) {
		host.write = host_write;
		if (qemu.at.exception_index != NOWHERE && qemu.cpu_interrupt &&
		    qemu.raise_exception_err_ra)
			host.inject = host_inject;
	}
}
