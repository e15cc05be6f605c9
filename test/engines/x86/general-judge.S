/*
 * Runs cases of code that is not 64-bit - 32 bits at level 3, 16 bits in segments with limits, virtual-8086 mode - at the same
 * addresses wherever it runs, and writes down what came of each: registers, the exception, a sum of memory. general-judge.ts
 * makes the cases, behind the image, and reads the records.
 */
        .set CODE0, 0x08
        .set DATA0, 0x10
        .set TASK, 0x28
        .set WINDOW, 0x20000
        .set DATA, 0x21000
        .set CASES, 0x200000
        .set RECORDS, 0x1000000
        /* Words of a record, and bytes of a case. */
        .set RECORD, 28
        .set CASE, 128

        .section .start, "ax"
        .globl image_start
        .code32
image_start:
        .long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
        .long image_start, image_start, 0, 0, start32
start32:
        cli
        mov $stack_top, %esp
        lgdt gdt_pointer
        ljmp $CODE0, $1f
1:      mov $0xff, %al
        out %al, $0x21
        out %al, $0xa1
        mov $DATA0, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        /* 4 MiB by pages of 4 KiB, of which a program has the window; above them large ones of the system's. */
        xor %ecx, %ecx
2:      mov %ecx, %eax
        shl $12, %eax
        or $3, %eax
        cmp $WINDOW >> 12, %ecx
        jb 3f
        cmp $(WINDOW >> 12) + 4, %ecx
        jae 3f
        or $4, %eax
3:      mov %eax, page_table(, %ecx, 4)
        inc %ecx
        cmp $1024, %ecx
        jb 2b
        movl $page_table + 7, page_directory
        mov $1, %ecx
4:      mov %ecx, %eax
        shl $22, %eax
        or $0x83, %eax
        mov %eax, page_directory(, %ecx, 4)
        inc %ecx
        cmp $16, %ecx
        jb 4b
        mov $0x10, %eax
        mov %eax, %cr4
        mov $page_directory, %eax
        mov %eax, %cr3
        mov %cr0, %eax
        or $0x80010020, %eax
        mov %eax, %cr0
        /* Gates, that of int3 for programs too; the task's stack. */
        xor %ecx, %ecx
        mov $stubs, %edx
5:      mov %edx, %eax
        and $0xffff, %eax
        or $CODE0 << 16, %eax
        mov %eax, idt(, %ecx, 8)
        mov %edx, %eax
        mov $0x8e00, %ax
        cmp $3, %ecx
        jne 6f
        mov $0xee00, %ax
6:      mov %eax, idt + 4(, %ecx, 8)
        add $16, %edx
        inc %ecx
        cmp $32, %ecx
        jb 5b
        lidt idt_pointer
        movl $stack_top, task + 4
        movl $DATA0, task + 8
        movw $0x68, task + 102
        mov $task, %eax
        mov %ax, gdt + TASK + 2
        shr $16, %eax
        mov %al, gdt + TASK + 4
        mov $TASK, %eax
        ltr %ax
        xor %eax, %eax
        lldt %ax
        movl $CASES + 4, case
        movl $RECORDS, record

next_case:
        mov $stack_top, %esp
        mov case, %ebp
        mov CASES, %eax
        dec %eax
        js finished
        mov %eax, CASES
        movl $0, steps
        /* Code among int3; data from a seed. */
        mov $WINDOW, %edi
        mov $0xcccccccc, %eax
        mov $1024, %ecx
        rep stosl
        mov 4(%ebp), %edi
        lea 64(%ebp), %esi
        mov $4, %ecx
        rep movsl
        mov $DATA, %edi
        mov 8(%ebp), %eax
        mov $2048, %ecx
1:      imul $1664525, %eax, %eax
        add $1013904223, %eax
        mov %eax, (%edi)
        add $4, %edi
        loop 1b
        /* What lies on the stack of instructions that take something from there. */
        mov 80(%ebp), %edi
        test %edi, %edi
        jz 2f
        lea 84(%ebp), %esi
        mov $6, %ecx
        rep movsl
2:      testl $0x20000, 12(%ebp)
        jz 3f
        /* GS, FS, DS, ES of virtual-8086 mode. */
        pushl 60(%ebp)
        pushl 56(%ebp)
        pushl 48(%ebp)
        pushl 52(%ebp)
        jmp 4f
3:      mov 52(%ebp), %es
        mov 56(%ebp), %fs
        mov 60(%ebp), %gs
4:      pushl 108(%ebp)
        pushl 32(%ebp)
        pushl 12(%ebp)
        pushl 112(%ebp)
        pushl (%ebp)
        mov (%ebp), %eax
        mov %eax, begin
        mov 16(%ebp), %eax
        mov 20(%ebp), %ecx
        mov 24(%ebp), %edx
        mov 28(%ebp), %ebx
        mov 40(%ebp), %esi
        mov 44(%ebp), %edi
        push %eax
        mov 48(%ebp), %eax
        testl $0x20000, 12(%ebp)
        mov 36(%ebp), %ebp
        jnz 5f
        mov %eax, %ds
5:      pop %eax
        iret

common:
        pushal
        mov %ds, %eax
        push %eax
        mov %es, %eax
        push %eax
        mov %fs, %eax
        push %eax
        mov %gs, %eax
        push %eax
        mov $DATA0, %eax
        mov %eax, %ds
        mov %eax, %es
        cld
        /* A step of a string instruction that goes on. */
        cmpl $1, 48(%esp)
        jne 1f
        mov 56(%esp), %eax
        cmp begin, %eax
        jne 1f
        incl steps
        cmpl $1000, steps
        ja 1f
        pop %gs
        pop %fs
        pop %es
        pop %ds
        popal
        add $8, %esp
        iret
1:      mov %esp, %esi
        mov record, %edi
        mov $25, %ecx
        rep movsl
        mov %cr2, %eax
        cmpl $14, 48(%esp)
        je 2f
        xor %eax, %eax
2:      mov %eax, (%edi)
        mov $DATA, %esi
        xor %eax, %eax
        mov $2048, %ecx
3:      xor (%esi), %eax
        rol $5, %eax
        add $0x9e3779b9, %eax
        add $4, %esi
        loop 3b
        mov %eax, 4(%edi)
        movl $0, 8(%edi)
        addl $4 * RECORD, record
        addl $CASE, case
        jmp next_case

finished:
        mov record, %ecx
        sub $RECORDS, %ecx
        mov %ecx, %eax
        out %eax, $0x99
        mov $RECORDS, %esi
        mov $0xe9, %edx
        rep outsb
        mov $0xf4, %edx
        xor %eax, %eax
        out %al, %dx
        hlt

        .balign 16
stubs:
        .set vector, 0
        .rept 32
        .balign 16
        .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
        push $0
        .endif
        push $vector
        jmp common
        .set vector, vector + 1
        .endr

        .data
        .balign 16
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
        /* 0x1b and 0x23: flat, of level 3. */
        .quad 0x00cffb000000ffff, 0x00cff3000000ffff
        .quad 0x0000890000000067
        /* 0x33 and 0x3b: 16 bits from the window on. */
        .quad 0x008ffb020000ffff, 0x008ff3020000ffff
        /* 0x43: of 32 bits from the window on. 0x4b: what is beyond 4 KiB. 0x53: read only. 0x5b: code that cannot be read. 0x63: absent. */
        .quad 0x00cff3020000ffff, 0x0000f70200000fff, 0x0000f1020000ffff, 0x0040f9020000ffff, 0x000073020000ffff
        /* 0x6b: conforming code. 0x70: data of level 0. 0x78: an LDT, of level 0. 0x83: code of 32 bits from the window on. */
        .quad 0x0040fe020000ffff, 0x00cf93000000ffff, 0x0000820000000000, 0x00cffb020000ffff
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .long gdt
idt_pointer:
        .word 0xff
        .long idt
case:   .long 0
record: .long 0
begin:  .long 0
steps:  .long 0
        .bss
        .balign 4096
page_directory: .skip 4096
page_table: .skip 4096
idt:    .skip 256
task:   .skip 128
        .skip 4096
stack_top:
