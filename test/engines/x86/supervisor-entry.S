/* Around supervisor.c: the way into it, exceptions, steps. */
        .set CODE0, 0x08
        .set DATA0, 0x10
        .set DATA3, 0x1b
        .set CODE3, 0x23
        .set TASK, 0x30
        .set USER, 0x4000000000

        .section .start, "ax"
        .globl image_start
image_start:
        .long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
        .long image_start, image_start, 0, 0, start32
        .balign 16
        .globl seed
seed:   .quad 1                                 /* At 0x30 from the image's start. */
        .quad start64
        .code32
start32:
        cli
        mov $stack_top, %esp
        mov $first_pml4, %edi
        xor %eax, %eax
        mov $0x3000 / 4, %ecx
        rep stosl
        movl $first_pdpt + 3, first_pml4
        movl $first_pd + 3, first_pdpt
        mov $first_pd, %edi
        mov $0x83, %eax
        mov $512, %ecx
1:      mov %eax, (%edi)
        add $8, %edi
        add $0x200000, %eax
        loop 1b
        mov $first_pml4, %eax
        mov %eax, %cr3
        mov $0x20, %eax
        mov %eax, %cr4
        mov $0xc0000080, %ecx
        mov $0xd01, %eax
        xor %edx, %edx
        wrmsr
        mov $0x80010033, %eax
        mov %eax, %cr0
        lgdt pointer
        ljmp $CODE0, $start64
pointer:
        .word 0x1ff
        .quad gdt
        .code64
        .text
        .globl start64
start64:
        lgdt pointer
        mov $DATA0, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $stack_top, %rsp
        lea 1f(%rip), %rax
        push $CODE0
        push %rax
        lretq
1:
        /* Tables of its own: 1 GiB for the system, and the same for users from USER on. */
        mov $pml4, %rdi
        lea pdpt + 3(%rip), %rax
        mov %rax, (%rdi)
        orq $4, (%rdi)
        mov $pdpt, %rdi
        mov $pd, %rax
        or $3, %rax
        mov %rax, (%rdi)
        mov $user_pd, %rax
        or $7, %rax
        mov %rax, 256 * 8(%rdi)
        mov $pd, %rdi
        mov $user_pd, %rsi
        mov $0x83, %eax
        mov $512, %ecx
1:      mov %rax, (%rdi)
        mov %rax, (%rsi)
        orq $4, (%rsi)
        add $8, %rdi
        add $8, %rsi
        add $0x200000, %rax
        loop 1b
        mov $pml4, %rax
        mov %rax, %cr3
        /* Gates: those of level 3 for 3, 0x40 and 0x80; double faults have a stack of their own. */
        mov $idt, %rdi
        mov $stubs, %rsi
        xor %ecx, %ecx
1:      mov %rsi, %rax
        mov %rsi, %rdx
        and $0xffff, %eax
        or $CODE0 << 16, %eax
        mov %eax, (%rdi)
        movw $0x8e00, 4(%rdi)
        shr $16, %rdx
        mov %dx, 6(%rdi)
        shr $16, %rdx
        mov %edx, 8(%rdi)
        cmp $3, %ecx
        je 2f
        cmp $0x40, %ecx
        je 2f
        cmp $0x80, %ecx
        jne 3f
2:      movw $0xee00, 4(%rdi)
3:      add $16, %rdi
        add $16, %rsi
        inc %ecx
        cmp $256, %ecx
        jb 1b
        movb $1, idt + 8 * 16 + 4
        lidt idt_pointer
        movq $stack0_top, tss + 4
        movq $fault_stack_top, tss + 36
        mov $0x6ffffff000, %rax
        mov %rax, tss + 44
        movw $104, tss + 102
        mov $tss, %rax
        mov %ax, gdt + TASK + 2
        shr $16, %rax
        mov %al, gdt + TASK + 4
        mov $TASK, %eax
        ltr %ax
        mov $0xc0000081, %ecx
        xor %eax, %eax
        mov $(0x10 << 16) | CODE0, %edx
        wrmsr
        mov $0xc0000082, %ecx
        mov $on_syscall, %eax
        xor %edx, %edx
        wrmsr
        mov $0xc0000084, %ecx
        mov $0x4700, %eax
        xor %edx, %edx
        wrmsr
        mov $0xff, %al
        out %al, $0x21
        out %al, $0xa1
        call supervise
        /* Who runs it on an engine reads the text in memory. */
        mov %rax, %rcx
        mov $out, %rsi
        sub %rsi, %rcx
        mov %ecx, %eax
        out %eax, $0x99
        mov $0xe9, %edx
        rep outsb
        mov $0xf4, %edx
        xor %eax, %eax
        out %al, %dx
1:      hlt
        jmp 1b
idt_pointer:
        .word 0xfff
        .quad idt

        /* (code, a, b, c): runs it at level 0. */
        .globl step0
step0:
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        mov %rsp, saved_rsp
        movq $0x100, last
        mov %rdi, %r11
        mov %rsi, %rdi
        mov %rdx, %rsi
        mov %rcx, %rdx
        xor %eax, %eax
        call *%r11
        jmp done
        /* The same at level 3. It ends with an exception, of int 0x80 if with nothing else. */
        .globl step3
step3:
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        mov %rsp, saved_rsp
        movq $0x100, last
        mov %rdi, %r11
        mov %rsi, %rdi
        mov %rdx, %rsi
        mov %rcx, %rdx
        mov $user_stack_top, %rax
        mov $USER, %rcx
        add %rcx, %rax
        lea user_end(%rip), %rbx
        add %rcx, %rbx
        sub $8, %rax
        mov %rbx, user_stack_top - 8
        push $DATA3
        push %rax
        push $0x2
        push $CODE3
        push %r11
        xor %eax, %eax
        iretq
user_end:
        int $0x80
on_syscall:
        mov %r11, %rax
        mov %rsp, syscall_rsp
        mov saved_rsp, %rsp
        jmp done
done:
        mov saved_rsp, %rsp
        cld
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        ret

        .balign 16
        .globl stubs
stubs:
        .set n, 0
        .rept 256
        .balign 16
        .if n == 8 || n == 10 || n == 11 || n == 12 || n == 13 || n == 14 || n == 17
        nop
        nop
        .else
        push $0
        .endif
        pushq $n
        jmp common
        .set n, n + 1
        .endr
common:
        cmpq $0x80, (%rsp)
        je 1f
        /* Traps of single steps are counted, and it goes on. */
        cmpq $1, (%rsp)
        je 2f
        push %rax
        mov 8(%rsp), %rax
        mov %rax, last
        mov 16(%rsp), %rax
        mov %rax, last + 8
        mov 24(%rsp), %rax
        mov %rax, last + 16
        mov 32(%rsp), %rax
        mov %rax, last + 24
        mov 40(%rsp), %rax
        mov %rax, last + 32
        mov 48(%rsp), %rax
        mov %rax, last + 56
        mov 56(%rsp), %rax
        mov %rax, last + 40
        mov %cr2, %rax
        mov %rax, last + 48
        xor %eax, %eax
        mov saved_rsp, %rsp
        jmp 3f
1:      mov saved_rsp, %rsp
3:      push %rax
        mov $DATA0, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        pop %rax
        jmp done
2:      add $16, %rsp
        addq $0x100, steps
        mov steps, %rax
        andq $~0x100, 16(%rsp)
        cmpq $0x500, steps
        jae 4f
        orq $0x100, 16(%rsp)
4:      iretq

        .bss
        .balign 4096
        .globl pml4, test_pdpt, test_pd, test_pt, gdt, idt, tss, last, out
pml4:   .skip 4096
pdpt:   .skip 4096
pd:     .skip 4096
user_pd: .skip 4096
test_pdpt: .skip 4096
test_pd: .skip 4096
test_pt: .skip 4096
idt:    .skip 4096
first_pml4: .skip 4096
first_pdpt: .skip 4096
first_pd: .skip 4096
stack:  .skip 8192
stack_top:
        .skip 4096
stack0_top:
        .skip 4096
fault_stack_top:
        .skip 4096
user_stack_top:
last:   .skip 64
saved_rsp: .skip 8
syscall_rsp: .skip 8
steps:  .skip 8
tss:    .skip 128
        .data
        .balign 16
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0
        .quad 0x0000890000000067, 0, 0, 0
        .skip 0x200 - 80
