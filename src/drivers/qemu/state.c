/* SPDX-License-Identifier: MIT */
/*
 * Finding the vCPUs among the devices of a stream.
 *
 * A section does not tell its length, so the walk from the stream's start, in
 * which every byte is accounted for, ends at the first device that is not
 * known to section.c. On most machines the vCPUs come before it. Where they do
 * not (bridges, an IOMMU or user-mode networking come first, hotplugged vCPUs
 * last), all bytes are searched for headers.
 *
 * Device buffers hold bytes that the guest chose, 64 KiB in a row in some
 * network cards, so a whole section with footer can be imitated. But nothing
 * hides the true header from the search, hence an imitation is a second claim
 * to the same vCPU, and two claims are an error unless the walk saw one.
 */
#include "drivers/qemu/state.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/util.h"
#include "drivers/qemu/section.h"
#include "drivers/qemu/state_cpu.h"

/** "QEVM" and version of QEMU migration/savevm.c. */
#define STREAM_MAGIC   0x5145564d
#define STREAM_VERSION 3
/** A footer and the end mark, in bytes. */
#define STREAM_TAIL_LEN (SECTION_FOOTER_LEN + 1)

/** Sections that claim to be one part of a vCPU. */
struct claim {
	struct section section; /**< the first of them */
	size_t count;
	bool certain; /**< the walk saw it; what the search finds is ignored */
};

struct slot {
	uint32_t index; /**< instance of "cpu_common" and "cpu" */
	struct claim common;
	struct claim cpu;
	struct claim apic;
};

/** One run of qemu_state_parse(). */
struct search {
	struct cursor sections; /**< the stream behind its header */
	struct slot *slots;	/**< owned */
	size_t count;
	size_t next; /**< where the next vCPU is likely to be */
};

/** section_known() for the walk, section_scan() for the search. */
typedef bool next_section(struct cursor *c, struct section *ret);

static void claim(struct claim *c, const struct section *section)
{
	if (!c->certain && c->count++ == 0)
		c->section = *section;
}

/* Keep what the walk saw once, forget the rest. */
static void settle(struct claim *c, bool certain)
{
	if (certain)
		c->certain = true;
	else
		*c = (struct claim){ 0 };
}

/* QEMU writes vCPUs in order, so that this is constant time in practice. */
static struct slot *find_slot(struct search *s, uint32_t index)
{
	for (size_t i = 0; i < s->count; i++) {
		size_t at = (s->next + i) % s->count;

		if (s->slots[at].index == index) {
			s->next = at;
			return &s->slots[at];
		}
	}
	return NULL;
}

/*
 * An APIC has the APIC ID as its instance, which is not the vCPU's index. But
 * QEMU numbers sections as it makes devices: "cpu_common" is N - 1, "cpu" N,
 * then once "kvm-tpr-opt", then "apic".
 */
static struct slot *find_slot_of_apic(struct search *s, uint32_t id)
{
	for (size_t i = 0; i < s->count; i++) {
		size_t at = (s->next + i) % s->count;
		const struct claim *cpu = &s->slots[at].cpu;

		if (cpu->count == 1 && id > cpu->section.id &&
		    id - cpu->section.id <= 2) {
			s->next = at;
			return &s->slots[at];
		}
	}
	return NULL;
}

static void collect_cpus(struct search *s, next_section *next)
{
	struct cursor c = s->sections;
	struct section section;

	while (next(&c, &section)) {
		bool is_cpu = section_is(&section, "cpu");
		struct slot *slot;

		if (!is_cpu && !section_is(&section, "cpu_common"))
			continue;
		slot = find_slot(s, section.instance);
		if (slot)
			claim(is_cpu ? &slot->cpu : &slot->common, &section);
	}
}

static void collect_apics(struct search *s, next_section *next)
{
	struct cursor c = s->sections;
	struct section section;

	while (next(&c, &section)) {
		struct slot *slot;

		if (!section_is(&section, "apic"))
			continue;
		slot = find_slot_of_apic(s, section.id);
		if (slot)
			claim(&slot->apic, &section);
	}
}

static bool is_pair(const struct slot *slot)
{
	return slot->common.count == 1 && slot->cpu.count == 1 &&
	       slot->cpu.section.id - slot->common.section.id == 1;
}

static void collect(struct search *s)
{
	size_t missing = 0;

	collect_cpus(s, section_known);
	for (size_t i = 0; i < s->count; i++) {
		struct slot *slot = &s->slots[i];
		bool certain = is_pair(slot);

		settle(&slot->common, certain);
		settle(&slot->cpu, certain);
		missing += !certain;
	}
	if (missing != 0)
		collect_cpus(s, section_scan);

	missing = 0;
	collect_apics(s, section_known);
	for (size_t i = 0; i < s->count; i++) {
		struct claim *apic = &s->slots[i].apic;

		settle(apic, apic->count == 1);
		missing += !apic->certain;
	}
	if (missing != 0)
		collect_apics(s, section_scan);
}

static enum mvmi_status
check_claims(const struct slot *slot, struct mvmi_error *err)
{
	size_t most = MAX(slot->cpu.count, slot->common.count);

	if (most > 1)
		return fail(err, MVMI_ERR_CORRUPT,
			    "%zu places in QEMU's device state claim to be "
			    "vCPU %" PRIu32
			    "; its guest may have put an imitation into the "
			    "buffer of a device",
			    most, slot->index);
	if (slot->cpu.count == 0 || slot->common.count == 0)
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's device state lacks vCPU %" PRIu32,
			    slot->index);
	if (!is_pair(slot))
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's device state: the parts of vCPU %" PRIu32
			    " do not belong together",
			    slot->index);
	return MVMI_OK;
}

static enum mvmi_status
split(const struct claim *c, struct section_parts *ret, struct mvmi_error *err)
{
	struct cursor body = c->section.body;

	return section_split(&c->section, &body, ret, err);
}

static enum mvmi_status
decode(const struct slot *slot, bool kvm, struct qemu_state_vcpu *ret,
       struct mvmi_error *err)
{
	struct qemu_state_vcpu vcpu = { .index = slot->index };
	struct section_parts parts = { 0 };
	enum mvmi_status status = check_claims(slot, err);
	struct cursor c;

	if (status != MVMI_OK)
		return status;
	status = split(&slot->common, &parts, err);
	if (status != MVMI_OK)
		return status;
	c = cursor_of(parts.fields);
	vcpu.halted = cursor_be(&c, 4) != 0;

	vcpu.regs = mvmi_regs_empty();
	status = split(&slot->cpu, &parts, err);
	if (status == MVMI_OK)
		status = state_cpu_decode(&parts, kvm, &vcpu.regs, err);
	if (status != MVMI_OK)
		return status;
	if (slot->apic.count == 1 &&
	    split(&slot->apic, &parts, NULL) == MVMI_OK)
		state_apic_decode(&parts, &vcpu.regs);
	*ret = vcpu;
	return MVMI_OK;
}

/*
 * Whether the stream ends in the footer of one of its sections and the end
 * mark. One that was cut short does so if the cut is at a zero behind bytes
 * that happen to look like a footer; so "globalstate" has to be there as well,
 * which QEMU writes behind all devices but hotplugged ones.
 */
static bool is_whole(struct mvmi_bytes stream)
{
	struct cursor c = cursor_of(stream), tail = c;
	bool has_last = false, has_state = false;
	struct section section;
	uint32_t id;

	if (stream.len < STREAM_TAIL_LEN)
		return false;
	(void)cursor_take(&tail, stream.len - STREAM_TAIL_LEN);
	if (cursor_u8(&tail) != SECTION_FOOTER)
		return false;
	id = (uint32_t)cursor_be(&tail, 4);
	if (cursor_u8(&tail) != SECTION_END)
		return false;
	while (section_scan(&c, &section)) {
		has_last |= section.id == id;
		has_state |= section_is(&section, "globalstate");
		if (has_last && has_state)
			return true;
	}
	return false;
}

static enum mvmi_status check_stream(struct mvmi_bytes stream,
				     struct cursor *ret, struct mvmi_error *err)
{
	struct cursor c = cursor_of(stream);
	uint64_t magic = cursor_be(&c, 4);
	uint64_t version = cursor_be(&c, 4);

	if (!cursor_ok(&c) || magic != STREAM_MAGIC)
		return fail(err, MVMI_ERR_CORRUPT,
			    "this is no device state of QEMU");
	if (version != STREAM_VERSION)
		return fail(err, MVMI_ERR_UNSUPPORTED,
			    "QEMU's device state is version %" PRIu64
			    ", only 3 is known",
			    version);
	if (!is_whole(stream))
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's device state is cut short at %zu bytes",
			    stream.len);
	*ret = c;
	return MVMI_OK;
}

static enum mvmi_status
decode_all(const struct search *s, bool kvm, struct qemu_state_vcpu *vcpus,
	   struct mvmi_error *err)
{
	struct qemu_state_vcpu vcpu;

	/* First into the void: the caller's vCPUs change all or not at all. */
	for (size_t i = 0; i < s->count; i++) {
		enum mvmi_status status = decode(&s->slots[i], kvm, &vcpu, err);

		if (status != MVMI_OK)
			return status;
	}
	for (size_t i = 0; i < s->count; i++)
		(void)decode(&s->slots[i], kvm, &vcpus[i], NULL);
	return MVMI_OK;
}

enum mvmi_status
qemu_state_parse(struct mvmi_bytes stream, bool kvm, size_t count,
		 struct qemu_state_vcpu *vcpus, struct mvmi_error *err)
{
	struct search s = { .count = count };
	enum mvmi_status status = check_stream(stream, &s.sections, err);

	if (status != MVMI_OK || count == 0)
		return status;
	s.slots = calloc(count, sizeof(*s.slots));
	if (!s.slots)
		return fail(err, MVMI_ERR_NOMEM, "%zu vCPUs", count);
	for (size_t i = 0; i < count; i++)
		s.slots[i].index = vcpus[i].index;
	collect(&s);
	status = decode_all(&s, kvm, vcpus, err);
	free(s.slots);
	return status;
}
