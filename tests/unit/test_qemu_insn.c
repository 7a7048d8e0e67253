/* SPDX-License-Identifier: MIT */
/* The QEMU plugin's decoder: each instruction that is an event, and others. */
#include <string.h>

#include "agents/qemu-plugin/decode.h"
#include "harness.h"

#define DECODE(...)                                   \
	insn_decode((const uint8_t[]){ __VA_ARGS__ }, \
		    sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void control_registers_name_both_ends(void)
{
	struct insn insn = DECODE(0x0f, 0x22, 0xd8); /* mov %rax, %cr3 */

	CHECK(insn.op == INSN_MOV_TO_CR && insn.index == 3 && insn.reg == 0);
	CHECK(insn.len == 3);
	insn = DECODE(0x41, 0x0f, 0x22, 0xe7); /* mov %r15, %cr4 */
	CHECK(insn.op == INSN_MOV_TO_CR && insn.index == 4 && insn.reg == 15);
	insn = DECODE(0x44, 0x0f, 0x22, 0xc1); /* mov %rcx, %cr8 */
	CHECK(insn.op == INSN_MOV_TO_CR && insn.index == 8 && insn.reg == 1);
	CHECK(DECODE(0x0f, 0x20, 0xd8).op == INSN_OTHER); /* mov %cr3, %rax */
	CHECK(DECODE(0x0f, 0x06).op == INSN_CLTS);
	insn = DECODE(0x0f, 0x01, 0xf3); /* lmsw %bx */
	CHECK(insn.op == INSN_LMSW && !insn.memory && insn.reg == 3);
	CHECK(DECODE(0x0f, 0x01, 0x33).memory); /* lmsw (%rbx) */
}

static void debug_registers_go_both_ways(void)
{
	struct insn insn = DECODE(0x0f, 0x23, 0xfa); /* mov %rdx, %dr7 */

	CHECK(insn.op == INSN_MOV_TO_DR && insn.index == 7 && insn.reg == 2);
	insn = DECODE(0x41, 0x0f, 0x21, 0xf1); /* mov %dr6, %r9 */
	CHECK(insn.op == INSN_MOV_FROM_DR && insn.index == 6 && insn.reg == 9);
}

static void instructions_without_operands(void)
{
	CHECK(DECODE(0x0f, 0x30).op == INSN_WRMSR);
	CHECK(DECODE(0x0f, 0x32).op == INSN_RDMSR);
	CHECK(DECODE(0x0f, 0x31).op == INSN_RDTSC);
	CHECK(DECODE(0x0f, 0x01, 0xf9).op == INSN_RDTSCP);
	CHECK(DECODE(0x0f, 0xa2).op == INSN_CPUID);
	CHECK(DECODE(0x0f, 0x01, 0xd1).op == INSN_XSETBV);
	CHECK(DECODE(0x0f, 0x01, 0xc1).op == INSN_HYPERCALL);
	CHECK(DECODE(0x0f, 0x01, 0xd9).op == INSN_HYPERCALL);
	CHECK(DECODE(0xcc).op == INSN_INT3);
}

static void tables_are_told_apart(void)
{
	struct insn insn = DECODE(0x0f, 0x01, 0x15, 0, 0, 0, 0); /* lgdt */

	CHECK(insn.op == INSN_LOAD_TABLE && insn.index == 0);
	insn = DECODE(0x0f, 0x01, 0x1c, 0x25, 0, 0, 0, 0); /* lidt */
	CHECK(insn.op == INSN_LOAD_TABLE && insn.index == 1);
	insn = DECODE(0x0f, 0x00, 0xd0); /* lldt %ax */
	CHECK(insn.op == INSN_LOAD_TABLE && insn.index == 2);
	insn = DECODE(0x0f, 0x00, 0xd8); /* ltr %ax */
	CHECK(insn.op == INSN_LOAD_TABLE && insn.index == 3);
	insn = DECODE(0x0f, 0x01, 0x00); /* sgdt (%rax) */
	CHECK(insn.op == INSN_STORE_TABLE && insn.index == 0);
	insn = DECODE(0x0f, 0x00, 0xc8); /* str %eax */
	CHECK(insn.op == INSN_STORE_TABLE && insn.index == 3);
	CHECK(DECODE(0x0f, 0x01, 0xf8).op == INSN_OTHER); /* swapgs */
	CHECK(DECODE(0x0f, 0x01, 0xc8).op == INSN_OTHER); /* monitor */
}

static void ports_are_immediate_or_in_dx(void)
{
	struct insn insn = DECODE(0xe6, 0x80); /* out %al, $0x80 */

	CHECK(insn.op == INSN_OUT && insn.immediate && insn.port == 0x80);
	CHECK(insn.span == 1 && !insn.string);
	insn = DECODE(0xed); /* in (%dx), %eax */
	CHECK(insn.op == INSN_IN && !insn.immediate && insn.span == 4);
	insn = DECODE(0x66, 0xef); /* out %ax, (%dx) */
	CHECK(insn.op == INSN_OUT && insn.span == 2);
	insn = DECODE(0xf3, 0x6d); /* rep insl */
	CHECK(insn.op == INSN_IN && insn.string && insn.span == 4);
	insn = DECODE(0x6e); /* outsb */
	CHECK(insn.op == INSN_OUT && insn.string && insn.span == 1);
}

static void prefixes_do_not_hide_an_instruction(void)
{
	CHECK(DECODE(0x48, 0x0f, 0x30).op == INSN_WRMSR);
	CHECK(DECODE(0x2e, 0x66, 0x0f, 0xa2).op == INSN_CPUID);
	/* REX counts only right before the opcode. */
	CHECK(DECODE(0x41, 0x66, 0x0f, 0x22, 0xd8).reg == 0);
}

static void other_instructions_are_none(void)
{
	CHECK(DECODE(0x90).op == INSN_OTHER);
	CHECK(DECODE(0x40).op == INSN_OTHER); /* REX, or inc %eax */
	CHECK(DECODE(0x66).op == INSN_OTHER);
	CHECK(DECODE(0x0f).op == INSN_OTHER);
	CHECK(DECODE(0x0f, 0x01).op == INSN_OTHER);
	CHECK(DECODE(0x0f, 0x0b).op == INSN_OTHER); /* ud2 */
	CHECK(DECODE(0xcd, 0x03).op == INSN_OTHER); /* int $3 */
	CHECK(DECODE(0x48, 0xb8, 0x0f, 0x30, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc)
		      .op == INSN_OTHER);		  /* movabs */
	CHECK(DECODE(0xc5, 0xf8, 0x77).op == INSN_OTHER); /* vzeroupper */
}

static void survive(const uint8_t code[3], size_t len)
{
	uint8_t copy[3];

	/* At the end of the array, so that a byte too far is seen. */
	memcpy(copy + sizeof(copy) - len, code, len);
	CHECK(insn_decode(copy + sizeof(copy) - len, len).len == len);
}

/* Whatever QEMU hands over: no byte beyond it is looked at. */
static void every_short_string_of_bytes_is_survived(void)
{
	for (unsigned i = 0; i < 1U << 16; i++) {
		const uint8_t code[3] = { (uint8_t)i, (uint8_t)(i >> 8),
					  (uint8_t)(i * 7) };

		for (size_t len = 0; len <= sizeof(code); len++)
			survive(code, len);
	}
}

TESTS(T(control_registers_name_both_ends), T(debug_registers_go_both_ways),
      T(instructions_without_operands), T(tables_are_told_apart),
      T(ports_are_immediate_or_in_dx), T(prefixes_do_not_hide_an_instruction),
      T(other_instructions_are_none),
      T(every_short_string_of_bytes_is_survived))
