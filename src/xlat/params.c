/* SPDX-License-Identifier: MIT */
/* Which address space a vCPU's control registers say (SDM 3A 4.1.1). */
#include <microvmi/space.h>

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

#define CR0_PG	 (UINT64_C(1) << 31)
#define CR4_PSE	 (UINT64_C(1) << 4)
#define CR4_PAE	 (UINT64_C(1) << 5)
#define CR4_LA57 (UINT64_C(1) << 12)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)
#define EFER_NXE (UINT64_C(1) << 11)

static const char *const paging_names[] = {
	[MVMI_PAGING_NONE] = "none",	  [MVMI_PAGING_32BIT] = "32-bit",
	[MVMI_PAGING_PAE] = "pae",	  [MVMI_PAGING_4LEVEL] = "4-level",
	[MVMI_PAGING_5LEVEL] = "5-level",
};

const char *mvmi_paging_name(enum mvmi_paging paging)
{
	size_t i = (size_t)paging;

	return i < ARRAY_LEN(paging_names) ? paging_names[i] : "unknown";
}

static enum mvmi_status
need(const struct mvmi_regs *regs, enum mvmi_reg reg, struct mvmi_error *err)
{
	if (mvmi_regset_has(regs->valid, reg))
		return MVMI_OK;
	return fail(err, MVMI_ERR_UNSUPPORTED,
		    "%s is not known, so neither is the paging mode; give the "
		    "root and the mode yourself",
		    mvmi_reg_name(reg));
}

/**
 * Whether other registers prove long mode, where EFER is not known: a QEMU
 * dump has none. Bases above 4 GiB can be loaded in 64-bit mode only.
 */
static bool proves_long_mode(const struct mvmi_regs *regs)
{
	if (mvmi_regset_has(regs->valid, MVMI_REG_CS) &&
	    (regs->x86.seg[MVMI_SEG_CS].attributes & MVMI_SEGMENT_LONG))
		return true;
	return (mvmi_regset_has(regs->valid, MVMI_REG_IDTR) &&
		regs->x86.idtr.base > UINT32_MAX) ||
	       (mvmi_regset_has(regs->valid, MVMI_REG_GDTR) &&
		regs->x86.gdtr.base > UINT32_MAX);
}

/** EFER, or what is certain of it; NX is taken for granted in long mode. */
static enum mvmi_status
efer_of(const struct mvmi_regs *regs, uint64_t *ret, struct mvmi_error *err)
{
	if (!mvmi_regset_has(regs->valid, MVMI_REG_EFER) &&
	    proves_long_mode(regs)) {
		*ret = EFER_LMA | EFER_NXE;
		return MVMI_OK;
	}
	*ret = regs->x86.efer;
	return need(regs, MVMI_REG_EFER, err);
}

/** The mode, given that paging is on. */
static enum mvmi_paging mode_of(uint64_t cr4, uint64_t efer)
{
	if (!(cr4 & CR4_PAE))
		return MVMI_PAGING_32BIT;
	if (!(efer & (EFER_LME | EFER_LMA)))
		return MVMI_PAGING_PAE;
	return cr4 & CR4_LA57 ? MVMI_PAGING_5LEVEL : MVMI_PAGING_4LEVEL;
}

enum mvmi_status
mvmi_space_params_of_regs(const struct mvmi_regs *regs,
			  struct mvmi_space_params *ret, struct mvmi_error *err)
{
	struct mvmi_space_params params = { .size = ret->size };
	enum mvmi_status status = need(regs, MVMI_REG_CR0, err);
	uint64_t efer = 0;

	assert(ret->size >= sizeof(size_t));
	if (status == MVMI_OK && (regs->x86.cr0 & CR0_PG)) {
		status = need(regs, MVMI_REG_CR3, err);
		if (status == MVMI_OK)
			status = need(regs, MVMI_REG_CR4, err);
		/* Without PAE no bit of EFER matters. */
		if (status == MVMI_OK && (regs->x86.cr4 & CR4_PAE))
			status = efer_of(regs, &efer, err);
		params.paging = mode_of(regs->x86.cr4, efer);
		params.root = regs->x86.cr3;
		params.pse = (regs->x86.cr4 & CR4_PSE) != 0;
		params.nxe = (efer & EFER_NXE) != 0;
	}
	if (status != MVMI_OK)
		return status;
	memcpy(ret, &params, MIN(ret->size, sizeof(params)));
	return MVMI_OK;
}

enum mvmi_status
mvmi_space_of_vcpu(struct mvmi_vm *vm, unsigned vcpu, struct mvmi_space **ret,
		   struct mvmi_error *err)
{
	struct mvmi_space_params params = { .size = sizeof(params) };
	struct mvmi_regs regs = mvmi_regs_empty();
	enum mvmi_status status =
		mvmi_vcpu_get_regs(vm, vcpu, MVMI_REGS_CONTROL, &regs, err);

	if (status != MVMI_OK)
		return status;
	status = mvmi_space_params_of_regs(&regs, &params, err);
	if (status != MVMI_OK)
		return fail_context(err, status, "address space of vCPU %u",
				    vcpu);
	return mvmi_space_create(vm, &params, ret, err);
}
