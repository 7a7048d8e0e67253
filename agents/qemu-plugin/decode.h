/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Finding the few instructions that are events.
 *
 * Not a disassembler: QEMU tells where an instruction begins and how long it
 * is, and this tells whether it is one that somebody may want to hear of.
 */
#ifndef MICROVMI_QEMU_DECODE_H
#define MICROVMI_QEMU_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_op {
	INSN_OTHER, /**< no event */
	INSN_MOV_TO_CR,
	INSN_LMSW,
	INSN_CLTS,
	INSN_MOV_TO_DR,
	INSN_MOV_FROM_DR,
	INSN_WRMSR,
	INSN_RDMSR,
	INSN_XSETBV,
	INSN_INT3,
	INSN_STORE_TABLE, /**< sgdt sidt sldt str */
	INSN_LOAD_TABLE,  /**< lgdt lidt lldt ltr */
	INSN_CPUID,
	INSN_HYPERCALL, /**< vmcall vmmcall */
	INSN_IN,	/**< in and ins */
	INSN_OUT,	/**< out and outs */
	INSN_RDTSC,
	INSN_RDTSCP,
};

struct insn {
	uint8_t op;	/**< enum insn_op */
	uint8_t len;	/**< bytes */
	uint8_t index;	/**< of the CR or DR; table: 0 GDT 1 IDT 2 LDT 3 TR */
	uint8_t reg;	/**< of the general register at the other end */
	uint8_t span;	/**< IN, OUT: bytes of the port access */
	uint8_t port;	/**< IN, OUT: if it is immediate */
	bool immediate; /**< IN, OUT: the port is not in DX */
	bool string;	/**< IN, OUT: to or from memory */
	bool memory;	/**< LMSW: the operand is in memory */
};

/** Decode one instruction of len bytes, as QEMU delimited it. */
struct insn insn_decode(const uint8_t *code, size_t len);

#endif /* MICROVMI_QEMU_DECODE_H */
