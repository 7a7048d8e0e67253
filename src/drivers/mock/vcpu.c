/* SPDX-License-Identifier: MIT */
/* The registers of the mock's vCPUs. */
#include "drivers/mock/state.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"

#define MOCK_RESET_RIP UINT64_C(0x1000)

void mock_vcpu_reset(struct mock_vcpu *vcpu)
{
	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->regs.rip = MOCK_RESET_RIP;
	vcpu->regs.rflags = 2;
	vcpu->regs.cr0 = 0x11;
	vcpu->regs.xcr0 = 1;
	vcpu->regs.apic_base = 0xfee00900;
	vcpu->regs.pat = 0x0007040600070406;
	vcpu->regs.mxcsr = 0x1f80;
	vcpu->regs.x87.fcw = 0x37f;
	for (int i = 0; i < MVMI_SEG_COUNT; i++) {
		vcpu->regs.seg[i].limit = UINT32_MAX;
		vcpu->regs.seg[i].attributes = 0xc093;
	}
	vcpu->regs.seg[MVMI_SEG_CS].attributes = 0xc09b;
}

/** Segment registers are numbered alike in both enumerations. */
static void apply_other(struct mvmi_regs_x86 *to,
			const struct mvmi_regs_x86 *from, enum mvmi_reg reg)
{
	if (reg >= MVMI_REG_ES && reg <= MVMI_REG_TR)
		to->seg[reg - MVMI_REG_ES] = from->seg[reg - MVMI_REG_ES];
	else if (reg == MVMI_REG_GDTR)
		to->gdtr = from->gdtr;
	else if (reg == MVMI_REG_IDTR)
		to->idtr = from->idtr;
	else if (reg == MVMI_REG_X87)
		to->x87 = from->x87;
	else if (reg == MVMI_REG_MXCSR)
		to->mxcsr = from->mxcsr;
	else if (reg == MVMI_REG_XMM)
		memcpy(to->xmm, from->xmm, sizeof(to->xmm));
	else if (reg == MVMI_REG_YMM)
		memcpy(to->ymm_high, from->ymm_high, sizeof(to->ymm_high));
}

static void
copy_regs(struct mvmi_regs *to, const struct mvmi_regs *from, mvmi_regset which)
{
	struct mvmi_regs source = *from;

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		uint64_t *scalar = mvmi_regs_scalar(to, reg);

		if (!mvmi_regset_has(which, reg))
			continue;
		if (scalar)
			*scalar = *mvmi_regs_scalar(&source, reg);
		else
			apply_other(&to->x86, &source.x86, reg);
	}
}

void mock_vcpu_apply(struct mock_vcpu *vcpu, const struct mvmi_regs *regs)
{
	struct mvmi_regs now = mvmi_regs_empty();

	now.x86 = vcpu->regs;
	copy_regs(&now, regs, regs->dirty);
	vcpu->regs = now.x86;
}

void mock_vcpu_snapshot(const struct mock_vm *vm, unsigned vcpu,
			unsigned groups, struct mvmi_regs *ret)
{
	struct mvmi_regs now = mvmi_regs_empty();

	now.x86 = vm->vcpus[vcpu].regs;
	now.valid = mvmi_regset_of_groups(groups);
	now.valid.bits[0] &= vm->personality->readable;
	*ret = mvmi_regs_empty();
	ret->valid = now.valid;
	copy_regs(ret, &now, now.valid);
}

/* ---- the tables -------------------------------------------------------- */

static unsigned mock_count(struct mvmi_conn *conn)
{
	return container_of(conn, struct mock_conn, base)->vm->vcpu_count;
}

static enum mvmi_status
mock_get(struct mvmi_conn *conn, unsigned vcpu, unsigned groups,
	 struct mvmi_regs *regs, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (!mock_vcpu_is_held(vm, vcpu))
		return fail(err, MVMI_ERR_BUSY, "vCPU %u is not held", vcpu);
	mock_vcpu_snapshot(vm, vcpu, groups, regs);
	return MVMI_OK;
}

const struct mvmi_vcpu_ops mock_vcpu_ops = { mock_count, mock_get };

static enum mvmi_status
mock_set(struct mvmi_conn *conn, unsigned vcpu, const struct mvmi_regs *regs,
	 struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (!mock_vcpu_is_held(vm, vcpu))
		return fail(err, MVMI_ERR_BUSY, "vCPU %u is not held", vcpu);
	mock_vcpu_apply(&vm->vcpus[vcpu], regs);
	return MVMI_OK;
}

const struct mvmi_vcpu_set_ops mock_vcpu_set_ops = { mock_set };

static enum mvmi_status
mock_inject(struct mvmi_conn *conn, unsigned vcpu,
	    const struct mvmi_injection *injection, struct mvmi_error *err)
{
	struct mock_vm *vm = NULL;
	enum mvmi_status status = mock_enter(conn, &vm, err);

	if (status != MVMI_OK)
		return status;
	if (vm->vcpus[vcpu].has_injection)
		return fail(err, MVMI_ERR_BUSY,
			    "an injection into vCPU %u is pending", vcpu);
	vm->vcpus[vcpu].has_injection = true;
	vm->vcpus[vcpu].injection = *injection;
	return MVMI_OK;
}

const struct mvmi_inject_ops mock_inject_ops = { mock_inject };
