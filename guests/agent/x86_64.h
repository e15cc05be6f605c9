/* Entry and system calls: System V ABI for AMD64, "Process Initialization" and "AMD64 Linux Kernel Conventions". */

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call begin\n"
	"	ud2\n");

static long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "memory", "rcx", "r11");
	return result;
}

static long new_process(void)
{
	return raw_call(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

/* As powerpc64.h says. */
static long new_program(void (*run)(void *of), void *of, void *stack)
{
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	register void *r12 __asm__("r12") = (void *)run;
	register void *r13 __asm__("r13") = of;
	long result;
	__asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r13, %%rdi\n\tcall *%%r12\n\tud2\n1:"
			 : "=a"(result)
			 : "a"(__NR_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"((long)stack & -16), "d"(0), "r"(r10), "r"(r8),
			   "r"(r12), "r"(r13)
			 : "memory", "rcx", "r11");
	return result;
}
