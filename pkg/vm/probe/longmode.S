// SPDX-License-Identifier: Apache-2.0
//
// Firmware of 1 KiB that does what the first moments of a 64-bit kernel do, and tells QEMU's isa-debug-exit that it got through.
// A processor that only pretends (vCPUs of nested or restricted KVM that run 16-bit code and nothing more) hangs or stops on the way:
// paging and long mode, CPUID, model-specific registers, a page fault through the IDT, an interrupt of the local APIC's timer.
//
// It is the last KiB of the firmware image, so it lies at 0xffc00 below 1 MiB and starts at the reset vector, 16 bytes before its end.
// RAM: 0x1000-0x4fff page tables, 0x5000 IDT, stack below 0x8000.

.set BASE, 0xffc00
.set DEBUG_EXIT, 0xf4
.set PASSED, 0x2a		// isa-debug-exit: QEMU ends with 2*PASSED+1

.set EFER, 0xc0000080
.set FS_BASE, 0xc0000100
.set GS_BASE, 0xc0000101
.set KERNEL_GS_BASE, 0xc0000102
.set LAPIC, 0xfee00000
.set TIMER_VECTOR, 0x20
.set PAGE_FAULT, 14
.set UNMAPPED, 0x200000

.code16
image:
start:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x1000, %di
	mov $0x3000, %cx
	rep stosw

	// One 2 MiB page at 0, one uncached for the local APIC.
	movl $0x2003, 0x1000
	movl $0x3003, 0x2000
	movl $0x4003, 0x2000 + 3 * 8
	movl $0x83, 0x3000
	movl $(LAPIC + 0x93), 0x4000 + ((LAPIC >> 21) & 0x1ff) * 8

	mov %cs, %ax
	mov %ax, %ds
	lgdtl gdt_pointer - image

	mov %cr4, %eax
	or $0x620, %eax			// PAE, OSFXSR, OSXMMEXCPT
	mov %eax, %cr4
	mov $0x1000, %eax
	mov %eax, %cr3
	mov $EFER, %ecx
	rdmsr
	or $0x100, %eax			// LME
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax		// PG, PE
	mov %eax, %cr0
	ljmpl $8, $(BASE + long - image)

.code64
long:
	mov $16, %eax
	mov %eax, %ss
	mov $0x8000, %esp

	mov $(0x5000 + PAGE_FAULT * 16), %edi
	mov $(BASE + page_fault - image), %eax
	call set_gate
	mov $(0x5000 + TIMER_VECTOR * 16), %edi
	mov $(BASE + timer - image), %eax
	call set_gate
	lidt BASE + idt_pointer - image

	mov $0x80000001, %eax
	cpuid
	bt $29, %edx			// long mode
	jnc fail

	mov $EFER, %ecx
	rdmsr
	bt $10, %eax			// LMA
	jnc fail

	mov $FS_BASE, %ecx
	mov $0x1000, %eax
	xor %edx, %edx
	wrmsr
	mov %fs:0, %eax			// PML4[0]
	and $0xfffff000, %eax
	cmp $0x2000, %eax
	jne fail

	mov $KERNEL_GS_BASE, %ecx
	mov $0x5000, %eax
	wrmsr
	swapgs
	mov $GS_BASE, %ecx
	rdmsr
	cmp $0x5000, %eax
	jne fail

	movq %rax, %xmm0
	pxor %xmm0, %xmm0
	rdtsc

	mov UNMAPPED, %rax		// page_fault maps it

	mov $LAPIC, %esi
	movl $0x1ff, 0xf0(%rsi)		// enabled, spurious vector 0xff
	movl $0x3, 0x3e0(%rsi)		// divide by 16
	movl $TIMER_VECTOR, 0x320(%rsi)	// one shot
	xor %ebx, %ebx
	movl $10000, 0x380(%rsi)
wait:
	sti
	hlt
	cli
	test %ebx, %ebx
	jz wait

	mov $PASSED, %al
	out %al, $DEBUG_EXIT
fail:
	xor %eax, %eax
	out %al, $DEBUG_EXIT
	hlt
	jmp fail

// set_gate writes an interrupt gate to the handler at %eax, which lies below 4 GiB, to %rdi.
set_gate:
	mov %ax, (%rdi)
	movw $8, 2(%rdi)
	movw $0x8e00, 4(%rdi)
	shr $16, %eax
	mov %ax, 6(%rdi)
	ret

page_fault:
	mov %cr2, %rax
	cmp $UNMAPPED, %rax
	jne fail
	movl $(UNMAPPED + 0x83), 0x3000 + 8
	invlpg UNMAPPED
	add $8, %rsp			// the error code
	iretq

timer:
	mov $1, %ebx
	movl $0, 0xb0(%rsi)		// end of interrupt
	iretq

.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff	// 64-bit code
	.quad 0x00cf93000000ffff	// data
gdt_pointer:
	.word gdt_pointer - gdt - 1
	.long BASE + gdt - image
idt_pointer:
	.word (TIMER_VECTOR + 1) * 16 - 1
	.quad 0x5000

.org 0x3f0
.code16
	ljmpw $(BASE >> 4), $(start - image)
.org 0x400
