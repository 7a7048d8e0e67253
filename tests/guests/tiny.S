/*
 * A guest that is up in a fraction of a second.  It is a multiboot image for
 * QEMU's -kernel: it enters long mode, gives every register a value of its
 * own, says so on the serial port and then loops, calling patch_me and
 * counting.  Tests know the addresses and values below (tests/live/tiny.py).
 *
 *   0x110000  u64 counter, one more each round
 *   0x110008  u64 what patch_me returned last
 *   0x110010  16 bytes "microvmi tiny ok"
 *   0x120000  patch_me: mov $1, %eax; ret (the immediate is at 0x120001)
 *   0x130000  PML4; 0x131000.. the other tables
 *   0x160000  u8, set by QEMU's loader device: not 0 to leave x87, SSE and
 *             AVX alone, which a KVM that emulates instructions needs
 *
 * Virtual memory: the first GiB is identity-mapped with 2 MiB pages, and the
 * page at 0x110000 is also at 0xffff900000000000, as a 4 KiB page, read-only
 * and no-execute.
 */
	.set	STATE, 0x110000
	.set	PATCH, 0x120000
	.set	PML4, 0x130000
	.set	PDPT_HIGH, 0x133000
	.set	PD_HIGH, 0x134000
	.set	PT_HIGH, 0x135000
	.set	TSS, 0x111000
	.set	LDT, 0x112000
	.set	IDT, 0x113000
	.set	STACK, 0x140000
	.set	PLAIN, 0x160000

	.set	CODE, 0x08
	.set	DATA, 0x10
	.set	TSS_SEL, 0x18
	.set	LDT_SEL, 0x28

	.macro	msr index, high, low
	mov	$\index, %ecx
	mov	$\high, %edx
	mov	$\low, %eax
	wrmsr
	.endm

	.include "long_mode.inc"

	multiboot_start
	clear_tables 6
	map_first_gib
	movl	$(PDPT_HIGH + 3), PML4 + 288 * 8
	movl	$(PD_HIGH + 3), PDPT_HIGH
	movl	$(PT_HIGH + 3), PD_HIGH
	movl	$(STATE + 1), PT_HIGH	/* present, read-only, */
	movl	$0x80000000, PT_HIGH + 4	/* no-execute */

	enter_long_mode
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$STACK, %esp
	lidt	idt_pointer
	mov	$TSS_SEL, %eax
	ltr	%ax
	mov	$LDT_SEL, %eax
	lldt	%ax

	msr	0xc0000100, 0x00007f11, 0x22334455	/* FS base */
	msr	0xc0000101, 0xffff8811, 0x22334466	/* GS base */
	msr	0xc0000102, 0xffff8911, 0x22334477	/* kernel GS base */
	msr	0xc0000081, 0x00230010, 0x00000000	/* STAR */
	msr	0xc0000082, 0xffffffff, 0x81c00080	/* LSTAR */
	msr	0xc0000083, 0xffffffff, 0x81c00200	/* CSTAR */
	msr	0xc0000084, 0x00000000, 0x00257fd5	/* SFMASK */
	msr	0x174, 0, 0x10				/* SYSENTER CS, */
	msr	0x175, 0xfffffe00, 0x00003000		/* ESP, */
	msr	0x176, 0xffffffff, 0x81c01430		/* EIP */
	msr	0x277, 0x00070406, 0x00070106		/* PAT: WC in PA1, */
							/* PA5 left alone */
	mov	$0x1111, %eax
	mov	%rax, %dr0
	mov	$0x2222, %eax
	mov	%rax, %dr1
	mov	$0x3333, %eax
	mov	%rax, %dr2
	mov	$0x4444, %eax
	mov	%rax, %dr3
	mov	$5, %eax
	mov	%rax, %cr8
	mov	$0xcafe000, %eax
	mov	%rax, %cr2

	cmpb	$0, PLAIN
	jne	no_simd
	mov	$1, %eax		/* AVX and its XCR0, if there */
	cpuid
	and	$0x14000000, %ecx
	cmp	$0x14000000, %ecx
	jne	2f
	mov	%cr4, %rax
	or	$0x40000, %eax
	mov	%rax, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	mov	$7, %eax
	xsetbv
	vbroadcastf128 pattern, %ymm1
2:	movdqu	pattern, %xmm0
	fninit
	fldl2e				/* two, so that ST0 is no register 7 */
	fldpi

no_simd:
	mov	$0x80000001, %eax	/* TSC_AUX, if there is RDTSCP */
	cpuid
	test	$0x8000000, %edx
	jz	5f
	msr	0xc0000103, 0, 0x2a
5:
	say	ready

	movabs	$0xb0b0b0b0b0b0b0b0, %rbx
	movabs	$0xc0c0c0c0c0c0c0c0, %rcx
	movabs	$0xd0d0d0d0d0d0d0d0, %rdx
	movabs	$0x5151515151515151, %rsi
	movabs	$0xd1d1d1d1d1d1d1d1, %rdi
	movabs	$0xbbbbbbbbbbbbbbbb, %rbp
	movabs	$0x0808080808080808, %r8
	movabs	$0x0909090909090909, %r9
	movabs	$0x1010101010101010, %r10
	movabs	$0x1111111111111111, %r11
	movabs	$0x1212121212121212, %r12
	movabs	$0x1313131313131313, %r13
	movabs	$0x1414141414141414, %r14
	movabs	$0x1515151515151515, %r15
loop_for_ever:
	incq	STATE
	mov	$PATCH, %eax
	call	*%rax
	mov	%rax, STATE + 8
	jmp	loop_for_ever

	.balign	16
pattern:
	.quad	0x0123456789abcdef, 0xfedcba9876543210
ready:
	.asciz	"MICROVMI-READY mode=tiny\n"

	.balign	8
gdt:
	flat_segments
	.quad	0x0000890000000067 | (TSS & 0xffff) << 16 | (TSS >> 16) << 32
	.quad	0
	.quad	0x0000820000000017 | (LDT & 0xffff) << 16 | (LDT >> 16) << 32
	.quad	0
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt
idt_pointer:
	.word	0xfff
	.quad	IDT

	.section .state, "aw"
	.quad	0, 0
	.ascii	"microvmi tiny ok"

	.section .patch, "ax"
	mov	$1, %eax
	ret
