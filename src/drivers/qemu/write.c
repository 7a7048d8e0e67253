/* SPDX-License-Identifier: MIT */
/*
 * Writing memory and registers.
 *
 * TCG keeps translated code, and only a write that goes through QEMU throws it
 * away: such a write goes by the gdb stub, under a hold. KVM has no such code,
 * and a write straight into the process is all that is needed, but while a
 * migration looks at dirty pages.
 */
#include <string.h>

#include "base/error.h"
#include "drivers/qemu/qemu.h"

static enum mvmi_status
qemu_with_stub(struct qemu_conn *q, struct mvmi_error *err)
{
	if (q->stub.fd >= 0)
		return MVMI_OK;
	return stub_open(&q->stub, &q->qmp, err);
}

/** RAM all the way? The stub would pass over the rest without a word. */
static enum mvmi_status qemu_check_ram(struct qemu_conn *q, mvmi_gpa gpa,
				       size_t len, struct mvmi_error *err)
{
	uint64_t bad;

	return ram_is_writable(&q->ram, gpa.val, len, &bad)
		       ? MVMI_OK
		       : fail_fault(err, bad);
}

static bool qemu_migrates(struct qemu_conn *q)
{
	json_t *migration;
	const char *status;
	bool migrates;

	if (qmp_call(&q->qmp, "query-migrate", NULL, &migration, NULL) !=
	    MVMI_OK)
		return true;
	status = json_string_value(json_object_get(migration, "status"));
	migrates = status && strcmp(status, "none") != 0 &&
		   strcmp(status, "completed") != 0 &&
		   strcmp(status, "failed") != 0 &&
		   strcmp(status, "cancelled") != 0;
	json_decref(migration);
	return migrates;
}

static enum mvmi_status
qemu_write_coherent(struct qemu_conn *q, mvmi_gpa gpa, struct mvmi_bytes src,
		    struct mvmi_error *err)
{
	bool held = q->run.held;
	enum mvmi_status status = qemu_check_ram(q, gpa, src.len, err);

	if (status != MVMI_OK)
		return status;
	if (qemu_agent_writes(q))
		return qemu_agent_write(q, gpa, src, err);
	if (!held)
		status = qemu_run_ops.hold(&q->conn, err);
	if (status != MVMI_OK)
		return status;
	status = qemu_with_stub(q, err);
	if (status == MVMI_OK)
		status = stub_write_memory(&q->stub, gpa.val, src, err);
	if (!held) {
		enum mvmi_status released = qemu_run_ops.release(
			&q->conn, status == MVMI_OK ? err : NULL);

		status = status == MVMI_OK ? released : status;
	}
	return status;
}

static enum mvmi_status
qemu_write(struct mvmi_conn *conn, mvmi_gpa gpa, struct mvmi_bytes src,
	   enum mvmi_write_mode mode, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);

	if (mode == MVMI_WRITE_COHERENT &&
	    (!q->kvm || qemu_agent_writes(q) || qemu_migrates(q)))
		return qemu_judge(q, qemu_write_coherent(q, gpa, src, err),
				  err);
	return ram_write(&q->ram, gpa, src, err);
}

const struct mvmi_write_ops qemu_write_ops = {
	.write = qemu_write,
};

/* ---- registers --------------------------------------------------------- */

/**
 * What the stub writes, by its numbers (docs/decisions/0003-qemu-state.md);
 * the order is that of writing. EFER and CR4 come before CR0, for a processor
 * enters long mode by CR0.PG with the other two in place.
 */
static const struct {
	enum mvmi_reg reg;
	uint8_t number;
	uint8_t len;
} qemu_stub_regs[] = {
	{ MVMI_REG_EFER, 32, 8 },    { MVMI_REG_CR4, 30, 8 },
	{ MVMI_REG_CR3, 29, 8 },     { MVMI_REG_CR0, 27, 8 },
	{ MVMI_REG_CR2, 28, 8 },     { MVMI_REG_CR8, 31, 8 },
	{ MVMI_REG_RAX, 0, 8 },	     { MVMI_REG_RBX, 1, 8 },
	{ MVMI_REG_RCX, 2, 8 },	     { MVMI_REG_RDX, 3, 8 },
	{ MVMI_REG_RSI, 4, 8 },	     { MVMI_REG_RDI, 5, 8 },
	{ MVMI_REG_RBP, 6, 8 },	     { MVMI_REG_RSP, 7, 8 },
	{ MVMI_REG_R8, 8, 8 },	     { MVMI_REG_R9, 9, 8 },
	{ MVMI_REG_R10, 10, 8 },     { MVMI_REG_R11, 11, 8 },
	{ MVMI_REG_R12, 12, 8 },     { MVMI_REG_R13, 13, 8 },
	{ MVMI_REG_R14, 14, 8 },     { MVMI_REG_R15, 15, 8 },
	{ MVMI_REG_RIP, 16, 8 },     { MVMI_REG_RFLAGS, 17, 4 },
	{ MVMI_REG_FS_BASE, 24, 8 }, { MVMI_REG_GS_BASE, 25, 8 },
	{ MVMI_REG_MXCSR, 65, 4 },   { MVMI_REG_KERNEL_GS_BASE, 26, 8 },
};

#define QEMU_STUB_XMM0 49

static enum mvmi_status
qemu_set_scalar(struct qemu_conn *q, size_t i, const struct mvmi_regs *regs,
		struct mvmi_error *err)
{
	struct mvmi_regs copy = *regs;
	uint64_t *place = mvmi_regs_scalar(&copy, qemu_stub_regs[i].reg);
	uint64_t value = place ? *place : copy.x86.mxcsr;
	uint8_t raw[8];

	for (size_t k = 0; k < sizeof(raw); k++)
		raw[k] = (uint8_t)(value >> (8 * k));
	return stub_write_reg(&q->stub, qemu_stub_regs[i].number,
			      (struct mvmi_bytes){ raw, qemu_stub_regs[i].len },
			      err);
}

static enum mvmi_status
qemu_vcpu_set(struct mvmi_conn *conn, unsigned vcpu,
	      const struct mvmi_regs *regs, struct mvmi_error *err)
{
	struct qemu_conn *q = qemu_of(conn);
	enum mvmi_status status = qemu_with_stub(q, err);

	if (status == MVMI_OK)
		status = stub_select_vcpu(&q->stub, vcpu, err);
	for (size_t i = 0; status == MVMI_OK && i < ARRAY_LEN(qemu_stub_regs);
	     i++) {
		if (mvmi_regset_has(regs->dirty, qemu_stub_regs[i].reg))
			status = qemu_set_scalar(q, i, regs, err);
	}
	for (unsigned i = 0; status == MVMI_OK && i < 16 &&
			     mvmi_regset_has(regs->dirty, MVMI_REG_XMM);
	     i++)
		status = stub_write_reg(
			&q->stub, QEMU_STUB_XMM0 + i,
			(struct mvmi_bytes){ regs->x86.xmm[i], 16 }, err);
	qemu_regs_forget(q);
	return qemu_judge(q, status, err);
}

static const struct mvmi_vcpu_set_ops qemu_vcpu_set_ops = {
	.set = qemu_vcpu_set,
};

void qemu_write_init(struct qemu_conn *q, bool stub_taken)
{
	q->conn.write = &qemu_write_ops;
	if (stub_taken || !stub_is_free(&q->qmp)) {
		if (!q->kvm)
			q->conn.traits |= MVMI_TRAIT_DATA_ONLY_WRITES;
		return;
	}
	if (!q->conn.vcpu)
		return;
	q->conn.vcpu_set = &qemu_vcpu_set_ops;
	for (size_t i = 0; i < ARRAY_LEN(qemu_stub_regs); i++)
		mvmi_regset_add(&q->conn.writable_regs, qemu_stub_regs[i].reg);
	mvmi_regset_add(&q->conn.writable_regs, MVMI_REG_XMM);
}
