/* SPDX-License-Identifier: MIT */
#include "drivers/qemu/section.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/util.h"

/* QEMU migration/savevm.h: QEMU_VM_SECTION_FULL, QEMU_VM_SUBSECTION. */
#define SECTION_FULL 0x04
#define SECTION_SUB  0x05

/** Longest name that is printed. */
#define NAME_SHOWN 48

/*
 * What is known of a section or subsection: the length of its own fields.
 *
 * The lists of QEMU 7.2, 10.0 and 11.1 are the same but for additions, marked
 * here (vmstate_x86_cpu and its subsections in target/i386/machine.c,
 * vmstate_cpu_common in the vCPU base class, vmstate_apic_common in
 * hw/intc/apic_common.c). A QEMU with another list gets another name or
 * version by its own rules for migration, and is refused.
 *
 * A subsection of a subsection follows it in the stream, so one flat list does.
 */
static const struct known {
	const char *name;
	uint32_t version;
	uint32_t len; /* bytes */
} known[] = {
	/* The sections first. */
	{ "cpu", 12, 1817 },
	{ "cpu_common", 1, 8 },
	{ "apic", 3, 181 },
	{ "kvm-tpr-opt", 1, 144 },
	{ "timer", 2, 24 },
	/* The subsections. */
	{ "cpu_common/exception_index", 1, 4 },
	{ "cpu_common/crash_occurred", 1, 1 },
	{ "apic_sipi", 1, 8 },
	{ "cpu/exception_info", 1, 11 },
	{ "cpu/error_code", 1, 4 }, /* 11.1 */
	{ "cpu/async_pf_msr", 1, 8 },
	{ "cpu/async_pf_int_msr", 1, 8 },
	{ "cpu/async_pv_eoi_msr", 1, 8 },
	{ "cpu/steal_time_msr", 1, 8 },
	{ "cpu/poll_control_msr", 1, 8 },
	{ "cpu/fpop_ip_dp", 1, 18 },
	{ "cpu/msr_tsc_adjust", 1, 8 },
	{ "cpu/msr_tscdeadline", 1, 8 },
	{ "cpu/msr_ia32_misc_enable", 1, 8 },
	{ "cpu/msr_ia32_feature_control", 1, 8 },
	{ "cpu/msr_architectural_pmu", 1, 344 },
	{ "cpu/mpx", 1, 88 },
	{ "cpu/msr_hyperv_hypercall", 1, 16 },
	{ "cpu/msr_hyperv_vapic", 1, 8 },
	{ "cpu/msr_hyperv_time", 1, 8 },
	{ "cpu/msr_hyperv_crash", 1, 40 },
	{ "cpu/msr_hyperv_runtime", 1, 8 },
	{ "cpu/msr_hyperv_synic", 1, 152 },
	{ "cpu/msr_hyperv_stimer", 1, 64 },
	{ "cpu/msr_hyperv_reenlightenment", 1, 24 },
	{ "cpu/avx512", 1, 1600 },
	{ "cpu/xss", 1, 8 },
	{ "cpu/umwait", 1, 4 },
	{ "cpu/tsc_khz", 1, 8 },
	{ "cpu/msr_smi_count", 1, 8 },
	{ "cpu/pkru", 1, 4 },
	{ "cpu/pkrs", 1, 4 },
	{ "cpu/spec_ctrl", 1, 8 },
	{ "cpu/amd_tsc_scale_msr", 1, 8 },
	{ "cpu/mcg_ext_ctl", 1, 8 },
	{ "cpu/intel_pt", 1, 104 },
	{ "cpu/virt_ssbd", 1, 8 },
	{ "cpu/svn_npt", 1, 12 },
	{ "cpu/svm_guest", 1, 4 },
	{ "cpu/nested_state", 1, 8 },
	{ "cpu/kvm_nested_state/vmx", 1, 18 },
	{ "cpu/kvm_nested_state/vmx/vmcs12", 1, 4096 },
	{ "cpu/kvm_nested_state/vmx/shadow_vmcs12", 1, 4096 },
	{ "cpu/kvm_nested_state/svm", 1, 4104 },
	{ "cpu/xen_vcpu", 1, 97 }, /* 10.0 */
	{ "cpu/msr_tsx_ctrl", 1, 4 },
	{ "cpu/intel_sgx", 1, 32 },
	{ "cpu/pdptrs", 1, 32 },
	{ "cpu/msr_xfd", 1, 16 },
	{ "cpu/msr_hwcr", 1, 8 }, /* 10.0 */
	{ "cpu/fred", 1, 72 },	  /* 10.0 */
	{ "cpu/intel_amx_xtile", 1, 8256 },
	{ "cpu/arch_lbr", 1, 784 },
	{ "cpu/triple_fault", 1, 1 },
	{ "cpu/msr_pl0_ssp", 1, 8 }, /* 11.1 */
	{ "cpu/cet", 1, 16 },	     /* 11.1 */
	{ "cpu/cet_shstk", 1, 40 },  /* 11.1 */
	{ "cpu/apx", 1, 128 },	     /* 11.1 */
};

static bool bytes_are(struct mvmi_bytes bytes, const char *text)
{
	return bytes.ptr && bytes.len == strlen(text) &&
	       memcmp(bytes.ptr, text, bytes.len) == 0;
}

static bool is_printable(struct mvmi_bytes name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < 0x20 || name.ptr[i] > 0x7e)
			return false;
	}
	return name.len != 0;
}

static enum mvmi_status
refuse(struct mvmi_bytes name, uint32_t version, struct mvmi_error *err)
{
	int shown = (int)MIN(name.len, (size_t)NAME_SHOWN);

	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "QEMU's device state has \"%.*s\" version %" PRIu32
		    ", which this libmicrovmi does not know; use one made for "
		    "this QEMU",
		    shown, (const char *)name.ptr, version);
}

static const struct known *find_known(struct mvmi_bytes name, uint32_t version)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].version == version &&
		    bytes_are(name, known[i].name))
			return &known[i];
	}
	return NULL;
}

static struct mvmi_bytes take_name(struct cursor *c)
{
	return cursor_take(c, cursor_u8(c));
}

bool section_open(struct cursor *c, struct section *ret)
{
	if (cursor_u8(c) != SECTION_FULL)
		return false;
	ret->id = (uint32_t)cursor_be(c, 4);
	ret->name = take_name(c);
	ret->instance = (uint32_t)cursor_be(c, 4);
	ret->version = (uint32_t)cursor_be(c, 4);
	ret->body = *c;
	return cursor_ok(c) && is_printable(ret->name);
}

bool section_is(const struct section *section, const char *name)
{
	return bytes_are(section->name, name);
}

/* Read one subsection behind its type byte. */
static enum mvmi_status
take_sub(struct cursor *c, bool *seen, struct section_parts *parts,
	 struct mvmi_error *err)
{
	struct mvmi_bytes name = take_name(c), fields;
	uint32_t version = (uint32_t)cursor_be(c, 4);
	const struct known *sub;

	if (!cursor_ok(c) || !is_printable(name))
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's device state: a subsection has no name");
	sub = find_known(name, version);
	if (!sub)
		return refuse(name, version, err);
	if (seen[sub - known])
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's device state: %s is there twice",
			    sub->name);
	seen[sub - known] = true;
	fields = cursor_take(c, sub->len);
	if (bytes_are(name, "cpu/fpop_ip_dp"))
		parts->fpop = fields;
	return MVMI_OK;
}

enum mvmi_status
section_split(const struct section *section, struct cursor *c,
	      struct section_parts *ret, struct mvmi_error *err)
{
	const struct known *self = find_known(section->name, section->version);
	struct section_parts parts = { 0 };
	bool seen[ARRAY_LEN(known)] = { false };
	enum mvmi_status status;
	uint8_t type;

	if (!self)
		return refuse(section->name, section->version, err);
	parts.fields = cursor_take(c, self->len);
	/* Ends: each round takes a part that was not seen before. */
	while ((type = cursor_u8(c)) == SECTION_SUB) {
		status = take_sub(c, seen, &parts, err);
		if (status != MVMI_OK)
			return status;
	}
	if (type != SECTION_FOOTER || cursor_be(c, 4) != section->id ||
	    !cursor_ok(c))
		return fail(err, MVMI_ERR_CORRUPT,
			    "QEMU's device state: %s does not end in a footer "
			    "(cut short, a 32-bit QEMU, or a machine type "
			    "older than 2.4)",
			    self->name);
	*ret = parts;
	return MVMI_OK;
}

bool section_known(struct cursor *c, struct section *ret)
{
	struct section_parts parts;

	return section_open(c, ret) &&
	       section_split(ret, c, &parts, NULL) == MVMI_OK;
}

bool section_scan(struct cursor *c, struct section *ret)
{
	while (c->rest.len != 0) {
		const uint8_t *found =
			memchr(c->rest.ptr, SECTION_FULL, c->rest.len);
		struct cursor at;

		if (!found)
			return false;
		(void)cursor_take(c, (size_t)(found - c->rest.ptr));
		at = *c;
		(void)cursor_take(c, 1);
		if (section_open(&at, ret))
			return true;
	}
	return false;
}
