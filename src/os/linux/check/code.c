/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <microvmi/vcpu.h>

#include "base/error.h"
#include "base/util.h"
#include "os/linux/check/check.h"
#include "os/linux/code.h"
#include "os/linux/member.h"

/** Vectors that x86 has. */
#define GATES 256
/** Vectors of exceptions, which are the first. */
#define EXCEPTIONS 32
/** Bytes of a gate in 64-bit mode (SDM 3A 6.14.1). */
#define GATE_LEN 16

static enum mvmi_status
require_code(struct checking *c, const struct code *code, uint64_t handler,
	     const char *what, unsigned number, struct mvmi_error *err)
{
	char text[CODE_TEXT_MAX];

	if (code_has(code, handler))
		return MVMI_OK;
	code_describe(c->guest, handler, text);
	return check_found(c, mvmi_gva_at(handler), 0, err,
			   "%s %u leads to %s, outside of the kernel's code",
			   what, number, text);
}

static enum mvmi_status check_table(struct checking *c, const char *symbol,
				    const char *what, struct mvmi_error *err)
{
	struct code_table table;
	struct code code;
	enum mvmi_status status = code_find(c->guest, &code, err);

	if (status == MVMI_OK)
		status = code_table(c->guest, symbol, &table, err);
	if (status != MVMI_OK)
		return status;
	for (size_t i = 0; i < table.count && status == MVMI_OK; i++)
		status = require_code(c, &code, table.handlers[i], what,
				      (unsigned)i, err);
	return status;
}

enum mvmi_status check_syscalls(struct checking *c, struct mvmi_error *err)
{
	return check_table(c, "sys_call_table", "system call", err);
}

enum mvmi_status check_compat(struct checking *c, struct mvmi_error *err)
{
	return check_table(c, "ia32_sys_call_table", "32-bit system call", err);
}

enum {
	GATE_LOW,
	GATE_MIDDLE,
	GATE_HIGH,
	GATE_PRESENT,
	GATE_FIELDS
};

static const char *const gate_paths[GATE_FIELDS] = {
	[GATE_LOW] = "offset_low",
	[GATE_MIDDLE] = "offset_middle",
	[GATE_HIGH] = "offset_high",
	[GATE_PRESENT] = "bits.p",
};

static const struct shape_spec gate_spec = { "gate_struct", gate_paths,
					     GATE_FIELDS };

/**
 * Exceptions that a CPU of today does not have lead where they led in early
 * boot, to code that was freed since.
 */
static bool
is_left_over(const struct checking *c, unsigned vector, uint64_t handler)
{
	struct mvmi_symbol symbol;

	return vector < EXCEPTIONS &&
	       mvmi_symbols_find(c->guest->os.symbols,
				 "early_idt_handler_array", &symbol) &&
	       handler - symbol.addr < symbol.size;
}

enum mvmi_status check_gates(struct checking *c, struct mvmi_error *err)
{
	struct linux_os *guest = c->guest;
	const struct shape *shape = &guest->shapes.gate;
	uint8_t bytes[GATES * GATE_LEN];
	struct code code;
	mvmi_gva table = { 0 };
	enum mvmi_status status = code_find(guest, &code, err);

	if (status == MVMI_OK)
		status = linux_symbol(guest, "idt_table", &table, err);
	if (status == MVMI_OK)
		status = shape_resolve(&guest->shapes.gate, &gate_spec,
				       guest->os.types, err);
	if (status == MVMI_OK && shape->size != GATE_LEN)
		return fail(err, MVMI_ERR_CORRUPT,
			    "the guest's types make a gate of %" PRIu64
			    " bytes",
			    shape->size);
	if (status == MVMI_OK)
		status = mvmi_space_read(
			guest->os.space, table,
			(struct mvmi_span){ bytes, sizeof(bytes) }, err);
	for (unsigned i = 0; i < GATES && status == MVMI_OK; i++) {
		const uint8_t *gate = bytes + (size_t)i * GATE_LEN;
		uint64_t handler = member_u64(shape, gate, GATE_LOW) |
				   member_u64(shape, gate, GATE_MIDDLE) << 16 |
				   member_u64(shape, gate, GATE_HIGH) << 32;

		if (member_u64(shape, gate, GATE_PRESENT) &&
		    !is_left_over(c, i, handler))
			status = require_code(c, &code, handler, "interrupt", i,
					      err);
	}
	return status;
}

enum mvmi_status check_entries(struct checking *c, struct mvmi_error *err)
{
	unsigned count = mvmi_vcpu_count(c->guest->os.vm);
	struct code code;
	enum mvmi_status status = code_find(c->guest, &code, err);

	for (unsigned i = 0; i < count && status == MVMI_OK; i++) {
		struct mvmi_regs regs = { .size = sizeof(regs) };
		const struct {
			enum mvmi_reg reg;
			const uint64_t *value;
			const char *what;
		} entries[] = {
			{ MVMI_REG_LSTAR, &regs.x86.lstar, "LSTAR of vCPU" },
			{ MVMI_REG_CSTAR, &regs.x86.cstar, "CSTAR of vCPU" },
			{ MVMI_REG_SYSENTER_EIP, &regs.x86.sysenter_eip,
			  "SYSENTER_EIP of vCPU" },
		};

		status = mvmi_vcpu_get_regs(c->guest->os.vm, i, MVMI_REGS_MSR,
					    &regs, err);
		/* 0 is unused: under FRED, or by a vCPU that never started. */
		for (size_t k = 0; status == MVMI_OK && k < ARRAY_LEN(entries);
		     k++)
			if (mvmi_regset_has(regs.valid, entries[k].reg) &&
			    *entries[k].value)
				status = require_code(c, &code,
						      *entries[k].value,
						      entries[k].what, i, err);
	}
	return status;
}
