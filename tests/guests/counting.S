/*
 * A guest that counts what it does, for a count from outside to be compared
 * with. A multiboot image for QEMU's -kernel, in long mode with the first GiB
 * identity-mapped.
 *
 * It waits at a gate, and says so by a byte to port 0xed now and then. Once a
 * test has written a number to the gate, it does that many rounds, counts
 * each thing right after it was done, and closes the gate again.
 *
 *   0x110000  u64 the gate: rounds that are left
 *   0x110008  u64 rounds that were done
 *   0x110040  u64 each, the counters, in the order of the names below
 *   0x112000  the watched page
 *   0x120000  the breakpoint target: inc %rbx; ret
 */
	.set	GATE, 0x110000
	.set	ROUNDS, 0x110008
	.set	CR3_WRITES, 0x110040
	.set	CR0_WRITES, 0x110048
	.set	CR4_WRITES, 0x110050
	.set	MSR_WRITES, 0x110058
	.set	MSR_READS, 0x110060
	.set	INT3S, 0x110068
	.set	CPUIDS, 0x110070
	.set	OUTS, 0x110078
	.set	INS, 0x110080
	.set	RDTSCS, 0x110088
	.set	TABLES, 0x110090
	.set	HYPERCALLS, 0x110098
	.set	BREAKPOINTS, 0x1100a0
	.set	STORES, 0x1100a8
	.set	LOADS, 0x1100b0
	.set	UNDEFINED, 0x1100b8
	.set	PAGE_FAULTS, 0x1100c0
	.set	DR_WRITES, 0x1100c8
	.set	WATCHED, 0x112000
	.set	IDT, 0x113000
	.set	PML4, 0x130000
	.set	STACK, 0x140000
	.set	CODE, 0x08
	.set	DATA, 0x10

	/* Where no page is mapped. */
	.set	NOWHERE, 0x50000000

	.include "long_mode.inc"

	multiboot_start
	clear_tables 3
	map_first_gib
	enter_long_mode
	mov	$STACK, %esp
	set_gates
	say	ready

gate:
	out	%al, $0xed
	mov	$20000, %ecx
1:	pause
	cmpq	$0, GATE
	jne	round
	loop	1b
	jmp	gate

round:
	mov	%cr3, %rax		/* 1 */
	mov	%rax, %cr3
	incq	CR3_WRITES
	mov	%cr0, %rax		/* 1 */
	xor	$4, %rax
	mov	%rax, %cr0
	incq	CR0_WRITES
	mov	%cr4, %rax		/* 1 */
	xor	$4, %rax
	mov	%rax, %cr4
	incq	CR4_WRITES
	mov	$0xc0000082, %ecx	/* 2 */
	mov	GATE, %eax
	mov	$0x1234, %edx
	wrmsr
	incq	MSR_WRITES
	wrmsr
	incq	MSR_WRITES
	rdmsr				/* 3 */
	incq	MSR_READS
	rdmsr
	incq	MSR_READS
	rdmsr
	incq	MSR_READS
	mov	%rax, %dr1		/* 1 */
	incq	DR_WRITES
	int3				/* 2, counted where they arrive */
	int3
	mov	$1, %eax		/* 2 */
	xor	%ecx, %ecx
	cpuid
	incq	CPUIDS
	mov	$0x80000000, %eax
	cpuid
	incq	CPUIDS
	mov	$0x5a, %eax		/* 1 */
	out	%al, $0x80
	incq	OUTS
	mov	$0x61, %edx		/* 2 */
	in	%dx, %al
	incq	INS
	in	%dx, %al
	incq	INS
	rdtsc				/* 1 */
	incq	RDTSCS
	lgdt	gdt_pointer_64		/* 3 */
	incq	TABLES
	lidt	idt_pointer
	incq	TABLES
	sgdt	scratch
	incq	TABLES
	vmmcall				/* 1 */
	incq	HYPERCALLS
	mov	$4, %esi		/* 4 */
1:	call	target
	incq	BREAKPOINTS
	dec	%esi
	jnz	1b
	mov	%rax, WATCHED + 0x10	/* 2 */
	incq	STORES
	movb	$1, WATCHED + 0xfff
	incq	STORES
	mov	WATCHED + 0x10, %rax	/* 1 */
	incq	LOADS
	ud2				/* 1, counted where it arrives */
	mov	$NOWHERE, %eax		/* 1, the same */
	mov	(%rax), %ebx
	incq	ROUNDS
	decq	GATE
	jnz	round
	jmp	gate

	/* Count, and go on past the instruction if it faulted. */
	exception_stubs common
common:
	push	%rax
	mov	8(%rsp), %eax
	cmp	$3, %eax
	jne	1f
	incq	INT3S
	jmp	4f
1:	cmp	$14, %eax
	jne	2f
	incq	PAGE_FAULTS
	addq	$2, 24(%rsp)		/* mov (%rax), %ebx */
	jmp	4f
2:	cmp	$6, %eax
	jne	.			/* no other one is expected */
	mov	24(%rsp), %rax
	cmpb	$0x0b, 1(%rax)		/* ud2 has two bytes, */
	jne	3f
	incq	UNDEFINED
	addq	$2, 24(%rsp)
	jmp	4f
3:	addq	$3, 24(%rsp)		/* vmmcall has three */
4:	pop	%rax
	add	$16, %rsp
	iretq

	.section .target, "ax"
target:	inc	%rbx
	ret

	.section .text
ready:
	.asciz	"MICROVMI-READY mode=counting\n"

	.balign	8
gdt:	flat_segments
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt
	.long	0
gdt_pointer_64:
	.word	gdt_end - gdt - 1
	.quad	gdt
idt_pointer:
	.word	32 * 16 - 1
	.quad	IDT
	.balign	16
scratch:
	.quad	0, 0
