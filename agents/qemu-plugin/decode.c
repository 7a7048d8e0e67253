/* SPDX-License-Identifier: MIT */
/* The table of instructions that are events (SDM 2A appendix A). */
#include "decode.h"

#define ANY 0xff

enum form {
	MEMORY = 1 << 0,   /**< ModRM names memory */
	REGISTER = 1 << 1, /**< ModRM names a register */
	EITHER = MEMORY | REGISTER,
};

/** One row: an opcode, and what its ModRM byte has to be. */
struct row {
	uint8_t escape; /**< 0x0f before the opcode, or 0 */
	uint8_t opcode;
	uint8_t reg;	/**< ModRM.reg, or ANY: it isn't looked at */
	uint8_t modrm;	/**< the whole byte, or ANY */
	uint8_t form;	/**< enum form; 0: no ModRM */
	uint8_t op;	/**< enum insn_op */
	uint8_t detail; /**< table, or bytes of a port access; 0: by prefix */
};

static const struct row rows[] = {
	{ 0x0f, 0x22, ANY, ANY, EITHER, INSN_MOV_TO_CR, 0 },
	{ 0x0f, 0x23, ANY, ANY, EITHER, INSN_MOV_TO_DR, 0 },
	{ 0x0f, 0x21, ANY, ANY, EITHER, INSN_MOV_FROM_DR, 0 },
	{ 0x0f, 0x06, ANY, ANY, 0, INSN_CLTS, 0 },
	{ 0x0f, 0x30, ANY, ANY, 0, INSN_WRMSR, 0 },
	{ 0x0f, 0x31, ANY, ANY, 0, INSN_RDTSC, 0 },
	{ 0x0f, 0x32, ANY, ANY, 0, INSN_RDMSR, 0 },
	{ 0x0f, 0xa2, ANY, ANY, 0, INSN_CPUID, 0 },
	{ 0x0f, 0x00, 0, ANY, EITHER, INSN_STORE_TABLE, 2 },
	{ 0x0f, 0x00, 1, ANY, EITHER, INSN_STORE_TABLE, 3 },
	{ 0x0f, 0x00, 2, ANY, EITHER, INSN_LOAD_TABLE, 2 },
	{ 0x0f, 0x00, 3, ANY, EITHER, INSN_LOAD_TABLE, 3 },
	{ 0x0f, 0x01, ANY, 0xc1, REGISTER, INSN_HYPERCALL, 0 },
	{ 0x0f, 0x01, ANY, 0xd9, REGISTER, INSN_HYPERCALL, 0 },
	{ 0x0f, 0x01, ANY, 0xc6, REGISTER, INSN_WRMSR, 0 }, /* WRMSRNS */
	{ 0x0f, 0x01, ANY, 0xd1, REGISTER, INSN_XSETBV, 0 },
	{ 0x0f, 0x01, ANY, 0xf9, REGISTER, INSN_RDTSCP, 0 },
	{ 0x0f, 0x01, 0, ANY, MEMORY, INSN_STORE_TABLE, 0 },
	{ 0x0f, 0x01, 1, ANY, MEMORY, INSN_STORE_TABLE, 1 },
	{ 0x0f, 0x01, 2, ANY, MEMORY, INSN_LOAD_TABLE, 0 },
	{ 0x0f, 0x01, 3, ANY, MEMORY, INSN_LOAD_TABLE, 1 },
	{ 0x0f, 0x01, 6, ANY, EITHER, INSN_LMSW, 0 },
	{ 0x00, 0xcc, ANY, ANY, 0, INSN_INT3, 0 },
	{ 0x00, 0xe4, ANY, ANY, 0, INSN_IN, 1 },
	{ 0x00, 0xe5, ANY, ANY, 0, INSN_IN, 0 },
	{ 0x00, 0xec, ANY, ANY, 0, INSN_IN, 1 },
	{ 0x00, 0xed, ANY, ANY, 0, INSN_IN, 0 },
	{ 0x00, 0x6c, ANY, ANY, 0, INSN_IN, 1 },
	{ 0x00, 0x6d, ANY, ANY, 0, INSN_IN, 0 },
	{ 0x00, 0xe6, ANY, ANY, 0, INSN_OUT, 1 },
	{ 0x00, 0xe7, ANY, ANY, 0, INSN_OUT, 0 },
	{ 0x00, 0xee, ANY, ANY, 0, INSN_OUT, 1 },
	{ 0x00, 0xef, ANY, ANY, 0, INSN_OUT, 0 },
	{ 0x00, 0x6e, ANY, ANY, 0, INSN_OUT, 1 },
	{ 0x00, 0x6f, ANY, ANY, 0, INSN_OUT, 0 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/** Opcodes of one byte that are worth a look; the rest is common code. */
static bool is_candidate(uint8_t opcode)
{
	return opcode == 0xcc || (opcode >= 0xe4 && opcode <= 0xe7) ||
	       (opcode >= 0xec && opcode <= 0xef) ||
	       (opcode >= 0x6c && opcode <= 0x6f);
}

struct prefixes {
	size_t len;
	uint8_t rex;
	bool operand_16; /**< the other operand size: 16 bits, as a rule */
};

/*
 * In 16-bit and 32-bit code 0x40 to 0x4f are instructions of one byte, so that
 * in front of anything else they are REX: no mode needs to be known.
 */
static struct prefixes skip_prefixes(const uint8_t *code, size_t len)
{
	struct prefixes found = { .len = 0 };

	for (; found.len + 1 < len; found.len++) {
		uint8_t byte = code[found.len];

		switch (byte) {
		case 0x66:
			found.operand_16 = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x67:
		case 0xf0:
		case 0xf2:
		case 0xf3:
			break;
		default:
			if (byte >> 4 != 4)
				return found;
			/* REX counts only right before the opcode. */
			found.rex = byte;
			continue;
		}
		found.rex = 0;
	}
	return found;
}

static bool row_fits(const struct row *row, uint8_t escape, uint8_t opcode,
		     const uint8_t *modrm)
{
	if (row->escape != escape || row->opcode != opcode)
		return false;
	if (!row->form)
		return true;
	if (!modrm)
		return false;
	if (row->modrm != ANY && row->modrm != *modrm)
		return false;
	if (row->reg != ANY && row->reg != (*modrm >> 3 & 7))
		return false;
	return (row->form & (*modrm >= 0xc0 ? REGISTER : MEMORY)) != 0;
}

static void
fill(struct insn *insn, const struct row *row, const struct prefixes *prefixes,
     const uint8_t *modrm, const uint8_t *rest)
{
	uint8_t extend = prefixes->rex;
	uint8_t byte = modrm ? *modrm : 0;

	insn->op = row->op;
	switch (row->op) {
	case INSN_MOV_TO_CR:
	case INSN_MOV_TO_DR:
	case INSN_MOV_FROM_DR:
		insn->index = (uint8_t)((byte >> 3 & 7) | (extend & 4) << 1);
		insn->reg = (uint8_t)((byte & 7) | (extend & 1) << 3);
		break;
	case INSN_LMSW:
		insn->memory = byte < 0xc0;
		insn->reg = (uint8_t)((byte & 7) | (extend & 1) << 3);
		break;
	case INSN_STORE_TABLE:
	case INSN_LOAD_TABLE:
		insn->index = row->detail;
		break;
	case INSN_IN:
	case INSN_OUT:
		insn->span = row->detail;
		if (!insn->span)
			insn->span = prefixes->operand_16 ? 2 : 4;
		insn->immediate =
			row->opcode >> 4 == 0xe && row->opcode <= 0xe7;
		insn->string = row->opcode >> 4 == 6;
		if (insn->immediate)
			insn->port = *rest;
		break;
	default:
		break;
	}
}

struct insn insn_decode(const uint8_t *code, size_t len)
{
	struct prefixes prefixes;
	struct insn insn = { .op = INSN_OTHER, .len = (uint8_t)len };
	const uint8_t *modrm;
	uint8_t escape = 0;
	uint8_t opcode;
	size_t at;

	if (len == 0 || len > 15)
		return insn;
	prefixes = skip_prefixes(code, len);
	at = prefixes.len;
	if (code[at] == 0x0f && at + 1 < len)
		escape = code[at++];
	opcode = code[at++];
	if (!escape && !is_candidate(opcode))
		return insn;
	modrm = at < len ? &code[at] : NULL;
	for (size_t i = 0; i < ROWS; i++) {
		if (!row_fits(&rows[i], escape, opcode, modrm))
			continue;
		/* A port in the instruction is its last byte. */
		fill(&insn, &rows[i], &prefixes, modrm, &code[len - 1]);
		break;
	}
	return insn;
}
