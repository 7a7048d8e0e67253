/* SPDX-License-Identifier: MIT */
#include "regfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "output.h"

#define VECTORS 16

static bool has(struct mvmi_regs *regs, enum mvmi_reg reg)
{
	return mvmi_regset_has(regs->valid, reg);
}

/** The value of any register of at most eight bytes. */
static bool scalar(struct mvmi_regs *regs, enum mvmi_reg reg, uint64_t *ret)
{
	const uint64_t *value = mvmi_regs_scalar(regs, reg);

	if (reg == MVMI_REG_MXCSR)
		*ret = regs->x86.mxcsr;
	else if (value)
		*ret = *value;
	return value || reg == MVMI_REG_MXCSR;
}

static struct mvmi_segment *
segment_of(struct mvmi_regs *regs, enum mvmi_reg reg)
{
	if (reg < MVMI_REG_ES || reg > MVMI_REG_TR)
		return NULL;
	return &regs->x86.seg[reg - MVMI_REG_ES];
}

/** Both halves of a YMM register, low first. */
static void ymm_of(struct mvmi_regs *regs, size_t i, uint8_t ret[32])
{
	memcpy(ret, regs->x86.xmm[i], 16);
	memcpy(ret + 16, regs->x86.ymm_high[i], 16);
}

/* ---- JSON -------------------------------------------------------------- */

static json_t *segment_json(const struct mvmi_segment *seg)
{
	json_t *object = json_object();

	output_put(object, "selector", output_hex(seg->selector));
	output_put(object, "base", output_hex(seg->base));
	output_put(object, "limit", output_hex(seg->limit));
	output_put(object, "attributes", output_hex(seg->attributes));
	return object;
}

static json_t *table_json(const struct mvmi_table *table)
{
	json_t *object = json_object();

	output_put(object, "base", output_hex(table->base));
	output_put(object, "limit", output_hex(table->limit));
	return object;
}

static json_t *x87_json(const struct mvmi_x87 *x87)
{
	json_t *object = json_object();
	json_t *st = json_array();

	output_put(object, "fcw", output_hex(x87->fcw));
	output_put(object, "fsw", output_hex(x87->fsw));
	output_put(object, "ftw", output_hex(x87->ftw));
	output_put(object, "fop", output_hex(x87->fop));
	output_put(object, "fip", output_hex(x87->fip));
	output_put(object, "fdp", output_hex(x87->fdp));
	for (size_t i = 0; i < 8; i++)
		output_append(
			st, output_wide((struct mvmi_bytes){ x87->st[i], 10 }));
	output_put(object, "st", st);
	return object;
}

static json_t *vectors_json(struct mvmi_regs *regs, bool wide)
{
	json_t *array = json_array();

	for (size_t i = 0; i < VECTORS; i++) {
		uint8_t ymm[32];

		ymm_of(regs, i, ymm);
		output_append(array, output_wide((struct mvmi_bytes){
					     ymm, wide ? 32 : 16 }));
	}
	return array;
}

static json_t *reg_json(struct mvmi_regs *regs, enum mvmi_reg reg)
{
	uint64_t value;

	if (scalar(regs, reg, &value))
		return output_hex(value);
	if (reg >= MVMI_REG_ES && reg <= MVMI_REG_TR)
		return segment_json(&regs->x86.seg[reg - MVMI_REG_ES]);
	if (reg == MVMI_REG_GDTR)
		return table_json(&regs->x86.gdtr);
	if (reg == MVMI_REG_IDTR)
		return table_json(&regs->x86.idtr);
	if (reg == MVMI_REG_X87)
		return x87_json(&regs->x86.x87);
	return vectors_json(regs, reg == MVMI_REG_YMM);
}

/** A YMM register is whole or unknown: its upper half alone misleads. */
static bool is_shown(struct mvmi_regs *regs, enum mvmi_reg reg)
{
	return has(regs, reg) &&
	       (reg != MVMI_REG_YMM || has(regs, MVMI_REG_XMM));
}

json_t *regfile_json(struct mvmi_regs *regs, unsigned vcpu)
{
	json_t *document = json_object();
	json_t *registers = json_object();
	json_t *unknown = json_array();

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		const char *name = mvmi_reg_name(reg);

		if (is_shown(regs, reg))
			output_put(registers, name, reg_json(regs, reg));
		else
			output_append(unknown, json_string(name));
	}
	output_put(document, "vcpu", json_integer((json_int_t)vcpu));
	output_put(document, "registers", registers);
	output_put(document, "unknown", unknown);
	return document;
}

/* ---- text -------------------------------------------------------------- */

/** Scalars from first to last, as many a line as the screen holds. */
static void print_scalars(struct mvmi_regs *regs, unsigned first, unsigned last)
{
	unsigned column = 0;

	for (unsigned i = first; i <= last; i++) {
		enum mvmi_reg reg = (enum mvmi_reg)i;
		uint64_t value;

		if (!has(regs, reg) || !scalar(regs, reg, &value))
			continue;
		(void)printf("  %-14s 0x%016" PRIx64, mvmi_reg_name(reg),
			     value);
		column = (column + 1) % 2;
		if (column == 0)
			(void)putchar('\n');
	}
	if (column)
		(void)putchar('\n');
}

static void print_segments(struct mvmi_regs *regs)
{
	for (unsigned i = MVMI_REG_ES; i <= MVMI_REG_TR; i++) {
		const struct mvmi_segment *seg =
			&regs->x86.seg[i - MVMI_REG_ES];

		if (!has(regs, (enum mvmi_reg)i))
			continue;
		(void)printf("  %-5s %04x  base 0x%016" PRIx64
			     "  limit 0x%08" PRIx32 "  attributes 0x%05" PRIx32
			     "\n",
			     mvmi_reg_name((enum mvmi_reg)i), seg->selector,
			     seg->base, seg->limit, seg->attributes);
	}
	if (has(regs, MVMI_REG_GDTR))
		(void)printf("  gdtr        base 0x%016" PRIx64
			     "  limit 0x%08" PRIx32 "\n",
			     regs->x86.gdtr.base, regs->x86.gdtr.limit);
	if (has(regs, MVMI_REG_IDTR))
		(void)printf("  idtr        base 0x%016" PRIx64
			     "  limit 0x%08" PRIx32 "\n",
			     regs->x86.idtr.base, regs->x86.idtr.limit);
}

/** One wide register; @return false if it is zero, and so not shown. */
static bool print_wide(const char *name, size_t i, struct mvmi_bytes bytes)
{
	size_t n = bytes.len;

	while (n > 0 && bytes.ptr[n - 1] == 0)
		n--;
	if (n == 0)
		return false;
	(void)printf("  %s%-*zu 0x", name, name[0] == 's' ? 3 : 2, i);
	for (n = bytes.len; n > 0; n--)
		(void)printf("%02x", bytes.ptr[n - 1]);
	(void)putchar('\n');
	return true;
}

static void print_zeros(const char *name, size_t shown, size_t count)
{
	if (shown == 0)
		(void)printf("  %-5s all zero\n", name);
	else if (shown < count)
		(void)printf("  %-5s zero in the others\n", name);
}

static void print_x87(const struct mvmi_x87 *x87)
{
	size_t shown = 0;

	(void)printf("  fcw %04x  fsw %04x  ftw %02x  fop %04x"
		     "  fip 0x%" PRIx64 "  fdp 0x%" PRIx64 "\n",
		     x87->fcw, x87->fsw, x87->ftw, x87->fop, x87->fip,
		     x87->fdp);
	for (size_t i = 0; i < 8; i++)
		shown += print_wide("st", i,
				    (struct mvmi_bytes){ x87->st[i], 10 });
	print_zeros("st", shown, 8);
}

static void print_vectors(struct mvmi_regs *regs)
{
	bool wide = has(regs, MVMI_REG_YMM);
	const char *name = wide ? "ymm" : "xmm";
	size_t shown = 0;

	for (size_t i = 0; i < VECTORS; i++) {
		uint8_t ymm[32];

		ymm_of(regs, i, ymm);
		shown += print_wide(name, i,
				    (struct mvmi_bytes){ ymm, wide ? 32 : 16 });
	}
	print_zeros(name, shown, VECTORS);
}

static void print_unknown(struct mvmi_regs *regs)
{
	bool first = true;

	for (unsigned i = 0; i < MVMI_REG_COUNT; i++) {
		if (is_shown(regs, (enum mvmi_reg)i))
			continue;
		(void)printf("%s%s", first ? "  unknown: " : ", ",
			     mvmi_reg_name((enum mvmi_reg)i));
		first = false;
	}
	if (!first)
		(void)putchar('\n');
}

void regfile_print(struct mvmi_regs *regs, unsigned vcpu)
{
	(void)printf("vCPU %u\n", vcpu);
	print_scalars(regs, MVMI_REG_RAX, MVMI_REG_RFLAGS);
	print_segments(regs);
	print_scalars(regs, MVMI_REG_CR0, MVMI_REG_XCR0);
	print_scalars(regs, MVMI_REG_DR0, MVMI_REG_DR7);
	print_scalars(regs, MVMI_REG_EFER, MVMI_REG_TSC_AUX);
	print_scalars(regs, MVMI_REG_MXCSR, MVMI_REG_MXCSR);
	if (has(regs, MVMI_REG_X87))
		print_x87(&regs->x86.x87);
	if (has(regs, MVMI_REG_XMM))
		print_vectors(regs);
	print_unknown(regs);
}

/* ---- NAME=VALUE -------------------------------------------------------- */

static const char *assign_u32(uint32_t *dst, uint64_t value)
{
	if (value > UINT32_MAX)
		return "more than 32 bits";
	*dst = (uint32_t)value;
	return NULL;
}

static const char *
assign_segment(struct mvmi_segment *seg, const char *member, uint64_t value)
{
	if (strcmp(member, "base") == 0) {
		seg->base = value;
		return NULL;
	}
	if (strcmp(member, "limit") == 0)
		return assign_u32(&seg->limit, value);
	if (strcmp(member, "attributes") == 0)
		return assign_u32(&seg->attributes, value);
	if (strcmp(member, "selector") != 0)
		return "its members are selector, base, limit, attributes";
	if (value > UINT16_MAX)
		return "more than 16 bits";
	seg->selector = (uint16_t)value;
	return NULL;
}

static const char *
assign_table(struct mvmi_table *table, const char *member, uint64_t value)
{
	if (strcmp(member, "limit") == 0)
		return assign_u32(&table->limit, value);
	if (strcmp(member, "base") != 0)
		return "its members are base, limit";
	table->base = value;
	return NULL;
}

static const char *assign(struct mvmi_regs *regs, enum mvmi_reg reg,
			  const char *member, uint64_t value)
{
	uint64_t *dst = mvmi_regs_scalar(regs, reg);
	struct mvmi_segment *seg = segment_of(regs, reg);

	if (reg == MVMI_REG_X87 || reg == MVMI_REG_XMM || reg == MVMI_REG_YMM)
		return "vector and x87 registers can't be set here";
	if ((dst || reg == MVMI_REG_MXCSR) && *member)
		return "it has no members";
	if (dst) {
		*dst = value;
		return NULL;
	}
	if (reg == MVMI_REG_MXCSR)
		return assign_u32(&regs->x86.mxcsr, value);
	if (!has(regs, reg))
		return "its other members are unknown here";
	if (seg)
		return assign_segment(seg, member, value);
	return assign_table(reg == MVMI_REG_GDTR ? &regs->x86.gdtr
						 : &regs->x86.idtr,
			    member, value);
}

const char *regfile_assign(struct mvmi_regs *regs, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	char name[32] = "";
	const char *member = "";
	enum mvmi_reg reg;
	uint64_t value;
	const char *wrong;
	char *dot;

	if (!equals)
		return "want NAME=VALUE";
	if ((size_t)(equals - assignment) < sizeof(name))
		memcpy(name, assignment, (size_t)(equals - assignment));
	dot = strchr(name, '.');
	if (dot) {
		*dot = '\0';
		member = dot + 1;
	}
	if (!mvmi_reg_find(name, &reg))
		return "there is no such register";
	wrong = number_parse(equals + 1, &value);
	if (!wrong)
		wrong = assign(regs, reg, member, value);
	if (!wrong)
		mvmi_regset_add(&regs->dirty, reg);
	return wrong;
}
