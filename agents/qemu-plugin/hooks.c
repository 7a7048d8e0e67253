/* SPDX-License-Identifier: MIT */
/*
 * What is not an instruction: exceptions, interrupts, accesses to memory.
 *
 * QEMU reaches the architecture through a table of functions, which the vCPU's
 * class points to. It is copied, three functions in it are replaced, and the
 * class is pointed to the copy. Which entries they are is told by the values:
 * the functions are exported.
 *
 * A watched frame is never in QEMU's software TLB with the permissions that
 * are watched, but for the one access that was just allowed: an entry for less
 * than a page is looked up anew at each access. So each access comes by here
 * before it is made. Other frames are as fast as ever; accesses of devices are
 * neither seen nor harmed.
 */
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

#define PAGE	   UINT64_C(4096)
#define OPS_WORDS  48
#define OPS_TABLES 4
#define BUCKETS	   1024
/* QEMU's modes of address translation from here on are not the guest's own. */
#define MODE_PHYSICAL 6

/* QEMU's names of accesses and permissions. */
enum {
	FILL_LOAD,
	FILL_STORE,
	FILL_FETCH
};
enum {
	PROT_R = 1,
	PROT_W = 2,
	PROT_X = 4
};

/** A frame that was ever watched: found by vCPUs without a lock. */
struct frame {
	struct frame *_Atomic next;
	uintptr_t host; /**< where QEMU has it */
	uint64_t gfn;
	atomic_uint access; /**< enum mvmi_access that are watched */
	uint32_t allowed;   /**< by the view: the agent's thread's */
	uint16_t wanted[3]; /**< by how many subscriptions: r, w, x */
};

static struct frame *_Atomic frames[BUCKETS];
static atomic_uint watched; /* frames, and of these executable ones */
static atomic_uint watched_x;
static uintptr_t tables[OPS_TABLES][OPS_WORDS];
static void *classes[OPS_TABLES];
static __thread bool within; /* our own lookup in the TLB */

/* ---- frames ------------------------------------------------------------- */

static size_t bucket(uintptr_t host_page)
{
	return (host_page >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 54;
}

static struct frame *frame_of(uintptr_t host_page)
{
	struct frame *frame = atomic_load(&frames[bucket(host_page)]);

	while (frame && frame->host != host_page)
		frame = atomic_load(&frame->next);
	return frame;
}

/** Where QEMU has a frame; 0: it isn't RAM. */
static uintptr_t host_of(uint64_t gfn)
{
	uint64_t len = PAGE;
	void *at =
		qemu.address_space_map(qemu.memory, gfn * PAGE, &len, false, 0);
	uint64_t ram = at ? qemu.qemu_ram_addr_from_host(at) : UINT64_MAX;

	if (at)
		qemu.address_space_unmap(qemu.memory, at, len, false, 0);
	return ram == UINT64_MAX || len != PAGE ? 0 : (uintptr_t)at;
}

static struct frame *frame_add(uint64_t gfn)
{
	uintptr_t at = host_of(gfn);
	struct frame *frame = at ? frame_of(at) : NULL;

	if (!at || frame)
		return frame;
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		return NULL;
	frame->host = at;
	frame->gfn = gfn;
	frame->allowed = MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X;
	atomic_store(&frame->next, atomic_load(&frames[bucket(at)]));
	atomic_store(&frames[bucket(at)], frame);
	return frame;
}

/** Let what is watched follow from who wants it. @return whether it changed. */
static bool frame_update(struct frame *frame)
{
	uint32_t all = MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X;
	uint32_t access = all & ~frame->allowed;
	uint32_t before = atomic_load(&frame->access);

	for (unsigned i = 0; i < 3; i++)
		access |= frame->wanted[i] ? 1U << i : 0U;
	if (access == before)
		return false;
	atomic_store(&frame->access, access);
	atomic_fetch_add(&watched, (access != 0) - (before != 0));
	atomic_fetch_add(&watched_x, ((access & MVMI_ACCESS_X) != 0) -
					     ((before & MVMI_ACCESS_X) != 0));
	if ((access ^ before) & MVMI_ACCESS_X)
		code_invalidate_host(frame->host);
	return true;
}

/** Under a hold: no vCPU may go on with the permissions of before. */
static void forget_translations(void)
{
	uint32_t count = host.vcpu_count(NULL);

	for (uint32_t i = 0; i < count; i++) {
		if (vcpu_sides[i].cpu)
			qemu.tlb_flush(vcpu_sides[i].cpu);
	}
	code_changed();
}

bool hooks_watch(uint64_t gfn, uint32_t access, bool on)
{
	struct frame *frame = frame_add(gfn);

	if (!frame)
		return false;
	for (unsigned i = 0; i < 3; i++) {
		if (access >> i & 1)
			frame->wanted[i] =
				(uint16_t)(frame->wanted[i] + (on ? 1 : -1));
	}
	if (frame_update(frame))
		forget_translations();
	return true;
}

bool hooks_set_access(uint64_t gfn, uint32_t access)
{
	struct frame *frame = frame_add(gfn);

	if (!frame)
		return false;
	frame->allowed = access;
	if (frame_update(frame))
		forget_translations();
	return true;
}

bool hooks_get_access(uint64_t gfn, uint32_t *ret)
{
	uintptr_t at = host_of(gfn);
	const struct frame *frame = at ? frame_of(at) : NULL;

	*ret = frame ? frame->allowed
		     : MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X;
	return at != 0;
}

void hooks_reset_access(void)
{
	bool changed = false;

	for (size_t i = 0; i < BUCKETS; i++) {
		struct frame *frame = atomic_load(&frames[i]);

		for (; frame; frame = atomic_load(&frame->next)) {
			frame->allowed =
				MVMI_ACCESS_R | MVMI_ACCESS_W | MVMI_ACCESS_X;
			changed |= frame_update(frame);
		}
	}
	if (changed)
		forget_translations();
}

bool hooks_watched_for_execution(uintptr_t at, uint64_t *gpa)
{
	const struct frame *frame;

	if (!atomic_load_explicit(&watched_x, memory_order_relaxed))
		return false;
	frame = frame_of(at & ~(uintptr_t)(PAGE - 1));
	if (!frame || !(atomic_load(&frame->access) & MVMI_ACCESS_X))
		return false;
	*gpa = frame->gfn * PAGE + at % PAGE;
	return true;
}

/* ---- memory ------------------------------------------------------------- */

uint32_t hooks_vcpu_of(const void *cpu)
{
	uint32_t count = host.vcpu_count(NULL);
	uint32_t i = 0;

	while (i < count && vcpu_sides[i].cpu != cpu)
		i++;
	return i < count ? i : UINT32_MAX;
}

/** Leave in the TLB no more than may go by unseen. */
static void restrict_entry(void *cpu, uint64_t addr, int type, int mode,
			   const struct frame *frame)
{
	uint32_t access = atomic_load(&frame->access);
	uint64_t size = PAGE;
	int prot;

	switch (type) {
	case FILL_LOAD:
		prot = PROT_R;
		if (access & MVMI_ACCESS_R)
			size = 1;
		break;
	case FILL_STORE:
		/* QEMU expects that what can be written can be read. */
		prot = PROT_R | PROT_W;
		if (access & (MVMI_ACCESS_R | MVMI_ACCESS_W))
			size = 1;
		break;
	default:
		prot = PROT_X;
		break;
	}
	qemu.tlb_set_page_with_attrs(cpu, addr & ~(PAGE - 1), frame->gfn * PAGE,
				     0, prot, mode, size);
}

/** A watched access is about to be made. */
static void raise_access(uint32_t vcpu, const struct frame *frame,
			 uint64_t addr, int size, int type, uintptr_t ra)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];
	struct agent_event event = {
		.vcpu = vcpu,
		.kind = MVMI_EVENT_MEMORY,
		.phase = MVMI_PHASE_BEFORE,
		.fields = MVMI_FIELD_GVA | MVMI_FIELD_GPA | MVMI_FIELD_ACCESS |
			  MVMI_FIELD_PAGE_WALK,
		.access = type == FILL_LOAD ? MVMI_ACCESS_R : MVMI_ACCESS_W,
		.gva = addr,
		.gpa = frame->gfn * PAGE + addr % PAGE,
		.cr3 = regs_u64(side, qemu.at.cr3),
		.known = AGENT_KNOWS_RIP | AGENT_KNOWS_CR3,
	};

	if (size > 0) {
		event.span = (uint32_t)size;
		event.fields |= MVMI_FIELD_LEN;
	}
	insn_interrupted(vcpu, &event, ra);
}

/** The watched frame that an access which was just looked up leads to. */
static const struct frame *frame_reached(uint32_t vcpu, uint64_t addr, int mode)
{
	const struct frame *frame;
	uintptr_t at;

	within = true;
	at = (uintptr_t)qemu.tlb_vaddr_to_host(regs_env(&vcpu_sides[vcpu]),
					       addr, FILL_LOAD, mode);
	within = false;
	frame = at ? frame_of(at & ~(uintptr_t)(PAGE - 1)) : NULL;
	return frame && atomic_load(&frame->access) ? frame : NULL;
}

/** Whether an access is an event, for it is made by the guest, now. */
static bool is_watched(const struct frame *frame, int type, bool probe)
{
	uint32_t access = atomic_load(&frame->access);

	if (probe || type == FILL_FETCH)
		return false;
	return (access & (type == FILL_LOAD ? MVMI_ACCESS_R : MVMI_ACCESS_W)) !=
	       0;
}

/* QEMU's, with its seven parameters. */
/* NOLINTNEXTLINE(readability-function-size) */
static bool hook_tlb_fill(void *cpu, uint64_t addr, int size, int type,
			  int mode, bool probe, uintptr_t ra)
{
	bool filled =
		qemu.x86_cpu_tlb_fill(cpu, addr, size, type, mode, probe, ra);
	const struct frame *frame;
	uint32_t vcpu;

	if (!filled || within || mode >= MODE_PHYSICAL ||
	    !atomic_load_explicit(&watched, memory_order_relaxed))
		return filled;
	vcpu = hooks_vcpu_of(cpu);
	frame = vcpu == UINT32_MAX ? NULL : frame_reached(vcpu, addr, mode);
	if (!frame)
		return filled;
	if (is_watched(frame, type, probe)) {
		/* If the event ends the access, nothing may be left. */
		restrict_entry(cpu, addr, type, mode, frame);
		raise_access(vcpu, frame, addr, size, type, ra);
		/* And while it waited, the TLB may have been emptied. */
		(void)qemu.x86_cpu_tlb_fill(cpu, addr, size, type, mode, false,
					    ra);
	}
	restrict_entry(cpu, addr, type, mode, frame);
	return filled;
}

/* ---- exceptions and interrupts ------------------------------------------ */

static int32_t i32(const void *cpu, size_t offset)
{
	int32_t value;

	memcpy(&value, (const char *)cpu + offset, sizeof(value));
	return value;
}

static void set_i32(void *cpu, size_t offset, int32_t value)
{
	memcpy((char *)cpu + offset, &value, sizeof(value));
}

/** SDM 3A 6.3.1: those that push an error code. */
static bool has_error_code(uint32_t vector)
{
	return vector < 32 && (UINT32_C(0x60227d00) >> vector & 1) != 0;
}

static void
replace_exception(struct vcpu_side *side, const struct agent_inject *what)
{
	void *cpu = side->cpu;

	if (what->vector == 14)
		memcpy((char *)cpu + qemu.at.cr2, &what->cr2, 8);
	set_i32(cpu, qemu.at.exception_index, (int32_t)what->vector);
	set_i32(cpu, qemu.at.error_code,
		what->has_error_code ? (int32_t)what->error_code : 0);
	set_i32(cpu, qemu.at.is_int, 0);
}

static void raise_exception(uint32_t vcpu)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];
	void *cpu = side->cpu;
	struct agent_event event = {
		.vcpu = vcpu,
		.kind = MVMI_EVENT_EXCEPTION,
		.phase = MVMI_PHASE_BEFORE,
		.fields = MVMI_FIELD_VECTOR | MVMI_FIELD_GVA,
		.vector = (uint32_t)i32(cpu, qemu.at.exception_index),
		.rip = regs_u64(side, qemu.at.eip),
		.cr3 = regs_u64(side, qemu.at.cr3),
		.known = AGENT_KNOWS_RIP | AGENT_KNOWS_CR3,
	};
	struct agent_reply reply;

	event.gva = event.rip + regs_u64(side, qemu.at.segs + 24 + 8);
	if (i32(cpu, qemu.at.is_int)) {
		event.insn_len =
			(uint8_t)(regs_u64(side, qemu.at.next_eip) - event.rip);
		event.fields |= MVMI_FIELD_INSN_LEN;
	} else if (has_error_code(event.vector)) {
		event.error_code = (uint32_t)i32(cpu, qemu.at.error_code);
		event.fields |= MVMI_FIELD_ERROR_CODE;
	}
	if (event.vector == 14) {
		event.value = regs_u64(side, qemu.at.cr2);
		event.fields |= MVMI_FIELD_VALUE;
	}
	side->ra = 0;
	side->in_exec = true;
	if (plugin_raise(vcpu, &event, &reply) &&
	    reply.action == MVMI_ACTION_INJECT)
		replace_exception(side, &reply.inject);
	if (atomic_exchange(&side->injects, false))
		replace_exception(side, &side->injection);
	side->exact = false;
	side->in_exec = false;
}

static void hook_do_interrupt(void *cpu)
{
	uint32_t vcpu = hooks_vcpu_of(cpu);
	int32_t index = i32(cpu, qemu.at.exception_index);

	if (vcpu != UINT32_MAX && index >= 0 && index < 256 &&
	    agent_listens(agent, MVMI_EVENT_EXCEPTION))
		raise_exception(vcpu);
	qemu.x86_cpu_do_interrupt(cpu);
}

/** The gate that leads here: of those that share a handler, the highest. */
static uint32_t vector_of(const struct vcpu_side *side, uint64_t rip)
{
	uint8_t table[4096];
	bool wide = (regs_u64(side, qemu.at.efer) & 0x400) != 0; /* LMA */
	size_t entry = wide ? 16 : 8;
	uint64_t base = regs_u64(side, qemu.at.idt + 8);
	uint32_t limit = (uint32_t)regs_u64(side, qemu.at.idt + 16);
	size_t len = (size_t)limit + 1;

	if (len > 256 * entry)
		len = 256 * entry;
	if (qemu.cpu_memory_rw_debug(side->cpu, base, table, len, false) != 0)
		return UINT32_MAX;
	for (size_t i = len / entry; i-- > 0;) {
		const uint8_t *gate = table + i * entry;
		uint16_t low;
		uint16_t middle;
		uint32_t high = 0;

		memcpy(&low, gate, 2);
		memcpy(&middle, gate + 6, 2);
		if (wide)
			memcpy(&high, gate + 8, 4);
		if (((uint64_t)high << 32 | (uint32_t)middle << 16 | low) ==
			    rip &&
		    (gate[5] & 0x80))
			return (uint32_t)i;
	}
	return UINT32_MAX;
}

static void raise_interrupt(uint32_t vcpu)
{
	struct vcpu_side *side = &vcpu_sides[vcpu];
	struct agent_event event = {
		.vcpu = vcpu,
		.kind = MVMI_EVENT_INTERRUPT,
		.phase = MVMI_PHASE_AFTER,
		.fields = MVMI_FIELD_VECTOR | MVMI_FIELD_GVA,
		.rip = regs_u64(side, qemu.at.eip),
		.cr3 = regs_u64(side, qemu.at.cr3),
		.known = AGENT_KNOWS_RIP | AGENT_KNOWS_CR3,
	};
	struct agent_reply reply;

	event.gva = event.rip;
	event.vector = vector_of(side, event.rip);
	/* INIT, SIPI and SMI come this way, too, and have no gate. */
	if (event.vector == UINT32_MAX)
		return;
	side->ra = 0;
	side->in_exec = true;
	(void)plugin_raise(vcpu, &event, &reply);
	side->exact = false;
	side->in_exec = false;
}

static bool hook_exec_interrupt(void *cpu, int request)
{
	uint32_t vcpu = hooks_vcpu_of(cpu);
	uint64_t before = vcpu == UINT32_MAX
				  ? 0
				  : regs_u64(&vcpu_sides[vcpu], qemu.at.eip);
	bool taken = qemu.x86_cpu_exec_interrupt(cpu, request);

	/* It is "taken", too, if the APIC was only asked to look again. */
	if (taken && vcpu != UINT32_MAX &&
	    agent_listens(agent, MVMI_EVENT_INTERRUPT) &&
	    regs_u64(&vcpu_sides[vcpu], qemu.at.eip) != before)
		raise_interrupt(vcpu);
	return taken;
}

/* ---- installation ------------------------------------------------------- */

bool hooks_exceptions(void)
{
	return qemu.usable && qemu.object_get_class &&
	       qemu.at.exception_index != NOWHERE &&
	       qemu.x86_cpu_do_interrupt && qemu.x86_cpu_exec_interrupt &&
	       qemu.cpu_memory_rw_debug;
}

bool hooks_memory(void)
{
	return hooks_exceptions() && qemu.x86_cpu_tlb_fill &&
	       qemu.tlb_vaddr_to_host && qemu.tlb_flush &&
	       qemu.tlb_set_page_with_attrs && qemu.address_space_map &&
	       qemu.address_space_unmap && qemu.qemu_ram_addr_from_host &&
	       qemu.tb_invalidate_phys_range;
}

/** Replace a function in a copied table. */
static void replace(uintptr_t table[OPS_WORDS], uintptr_t old, uintptr_t new)
{
	for (size_t i = 0; i < OPS_WORDS; i++) {
		if (table[i] == old)
			table[i] = new;
	}
}

void hooks_install(void *cpu)
{
	uintptr_t *class;
	size_t i = 0;

	if (!hooks_exceptions())
		return;
	class = qemu.object_get_class(cpu);
	while (i < OPS_TABLES && classes[i] && classes[i] != class)
		i++;
	internals_probe_class(cpu);
	if (i == OPS_TABLES || classes[i] || qemu.at.ops == NOWHERE)
		return;
	class = (uintptr_t *)(void *)((char *)class + qemu.at.ops);
	if (!internals_peek(*class, tables[i], sizeof(tables[i])))
		return;
	replace(tables[i], (uintptr_t)qemu.x86_cpu_do_interrupt,
		(uintptr_t)hook_do_interrupt);
	replace(tables[i], (uintptr_t)qemu.x86_cpu_exec_interrupt,
		(uintptr_t)hook_exec_interrupt);
	if (hooks_memory())
		replace(tables[i], (uintptr_t)qemu.x86_cpu_tlb_fill,
			(uintptr_t)hook_tlb_fill);
	classes[i] = qemu.object_get_class(cpu);
	__atomic_store_n(class, (uintptr_t)tables[i], __ATOMIC_SEQ_CST);
}
