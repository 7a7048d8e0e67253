/*
 * A guest that does, round after round, one of each thing that an introspector
 * can hear of, and counts. A multiboot image for QEMU's -kernel, in long mode
 * with the first GiB identity-mapped. Tests know the addresses below.
 *
 *   0x110000  u64 rounds
 *   0x110008  u64[32] exceptions by vector (from 0x110008 + 8 * vector)
 *   0x110108  u64 RIP of the last exception, u64 its error code
 *   0x110200  u64 each: what cpuid gave (eax ebx ecx edx as u64s),
 *   0x110220  u64 what rdmsr LSTAR gave, 0x110228 rdtsc, 0x110230 in
 *   0x110238  u64 CR4, 0x110240 CR0, 0x110248 CR3 as read after the writes
 *   0x110250  u64 what the watched page held
 *   0x110258  u64 rflags right after the breakpoint target
 *   0x112000  the watched page
 *   0x120000  the breakpoint target: inc %rbx; ret
 *   0x140000  top of the stack
 *
 * Labels at_* are the instructions.
 */
	.set	STATE, 0x110000
	.set	EXCEPTIONS, STATE + 8
	.set	FAULT, STATE + 0x108
	.set	SEEN, STATE + 0x200
	.set	WATCHED, 0x112000
	.set	IDT, 0x113000
	.set	PML4, 0x130000
	.set	STACK, 0x140000
	.set	CODE, 0x08
	.set	DATA, 0x10

	.include "long_mode.inc"

	multiboot_start
	clear_tables 3
	map_first_gib
	enter_long_mode
	mov	$STACK, %esp
	set_gates
	say	ready

round:
	incq	STATE
	mov	%cr3, %rax
	.globl	at_cr3
at_cr3:	mov	%rax, %cr3
	mov	%cr3, %rax
	mov	%rax, SEEN + 0x48
	mov	%cr0, %rax
	xor	$4, %rax		/* EM */
at_cr0:	mov	%rax, %cr0
	mov	%cr0, %rax
	mov	%rax, SEEN + 0x40
	mov	%cr4, %rax
	xor	$4, %rax		/* TSD */
at_cr4:	mov	%rax, %cr4
	mov	%cr4, %rax
	mov	%rax, SEEN + 0x38
	mov	$0xc0000082, %ecx
	mov	STATE, %eax
	mov	$0x1234, %edx
at_wrmsr:
	wrmsr
	mov	$0xc0000082, %ecx
at_rdmsr:
	rdmsr
	mov	%eax, SEEN + 0x20
	mov	%edx, SEEN + 0x24
	mov	$0x1111, %eax
	mov	%rax, %dr1
	mov	%dr1, %rbx
	mov	$1, %eax
	xor	%ecx, %ecx
at_cpuid:
	cpuid
	mov	%rax, SEEN
	mov	%rbx, SEEN + 8
	mov	%rcx, SEEN + 0x10
	mov	%rdx, SEEN + 0x18
at_int3:
	int3
at_rdtsc:
	rdtsc
	mov	%eax, SEEN + 0x28
	mov	%edx, SEEN + 0x2c
	sgdt	SEEN + 0x100
	lidt	idt_pointer
	mov	$0x5a, %eax
at_out:	out	%al, $0x80
	mov	$0x61, %edx
	xor	%eax, %eax
at_in:	in	%dx, %al
	mov	%rax, SEEN + 0x30
	ud2
	vmmcall
	mov	STATE, %rax
at_store:
	mov	%rax, WATCHED + 0x10
at_load:
	mov	WATCHED + 0x10, %rax
	mov	%rax, SEEN + 0x50
	xor	%ebx, %ebx
	sub	$1, %rbx		/* -1: CF and SF */
	stc
	call	target
	pushf
	pop	SEEN + 0x58
	mov	$200, %ecx
1:	pause
	loop	1b
	jmp	round

	/* Count, and go on past the instruction if it faulted. */
	exception_stubs common
common:
	push	%rax
	push	%rbx
	mov	16(%rsp), %rbx
	incq	EXCEPTIONS(, %rbx, 8)
	mov	32(%rsp), %rax
	mov	%rax, FAULT
	mov	24(%rsp), %rax
	mov	%rax, FAULT + 8
	cmp	$6, %rbx
	jne	1f
	mov	32(%rsp), %rax
	cmpb	$0x0b, 1(%rax)		/* ud2 has two bytes, */
	jne	2f
	addq	$2, 32(%rsp)
	jmp	1f
2:	addq	$3, 32(%rsp)		/* vmmcall has three */
1:	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq

	.section .target, "ax"
target:	inc	%rbx
	ret

	.section .text
ready:	.asciz	"MICROVMI-READY events\n"
	.balign	8
gdt:	flat_segments
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt
	.long	0
idt_pointer:
	.word	32 * 16 - 1
	.quad	IDT
