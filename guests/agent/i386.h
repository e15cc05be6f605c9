/*
 * Entry and system calls: System V ABI for i386, "Process Initialization"; Linux's int $0x80. Of a call that is there twice the one
 * is meant whose numbers are as wide as on 64 bits.
 */

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %esp\n"
	"	call begin\n"
	"	ud2\n");

#undef __NR_mmap
#define __NR_mmap __NR_mmap2
#undef __NR_clock_settime
#define __NR_clock_settime __NR_clock_settime64
#undef __NR_clock_nanosleep
#define __NR_clock_nanosleep __NR_clock_nanosleep_time64
#undef __NR_utimensat
#define __NR_utimensat __NR_utimensat_time64
#undef __NR_fchown
#define __NR_fchown __NR_fchown32
#undef __NR_setgroups
#define __NR_setgroups __NR_setgroups32
#undef __NR_setresuid
#define __NR_setresuid __NR_setresuid32
#undef __NR_setresgid
#define __NR_setresgid __NR_setresgid32

/* The sixth of a call is in the register that may be the frame's. Whoever includes this is compiled as build.ts does, or as usual. */
__attribute__((regparm(3))) long raw_call(long number, long a, long b, long c, long d, long e, long f);
__asm__(".text\n"
	"raw_call:\n"
	"	push %ebp\n"
	"	push %ebx\n"
	"	push %esi\n"
	"	push %edi\n"
	"	mov %edx, %ebx\n"
	"	mov 20(%esp), %edx\n"
	"	mov 24(%esp), %esi\n"
	"	mov 28(%esp), %edi\n"
	"	mov 32(%esp), %ebp\n"
	"	int $0x80\n"
	"	pop %edi\n"
	"	pop %esi\n"
	"	pop %ebx\n"
	"	pop %ebp\n"
	"	ret\n");

static long new_process(void)
{
	return raw_call(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

/* As powerpc64.h says; `run` has its argument in a register, as build.ts tells the compiler. */
static long new_program(void (*run)(void *of), void *of, void *stack)
{
	long result;
	__asm__ volatile("int $0x80\n\ttest %%eax, %%eax\n\tjnz 1f\n\txor %%ebp, %%ebp\n"
			 "\tmov %%edi, %%eax\n\tcall *%%esi\n\tud2\n1:"
			 : "=a"(result)
			 : "a"(__NR_clone), "b"(CLONE_VM | CLONE_VFORK | SIGCHLD), "c"((long)stack & -16), "d"(0), "S"(run), "D"(of)
			 : "memory");
	return result;
}

/* The compiler makes calls of these: its own library for 32 bits is not everywhere. */
u64 __udivmoddi4(u64 n, u64 by, u64 *rest)
{
	u64 result = 0, left = 0;
	for (int bit = 63; bit >= 0; bit--) {
		left = left << 1 | (n >> bit & 1);
		result <<= 1;
		if (left >= by) left -= by, result |= 1;
	}
	if (rest) *rest = left;
	return result;
}

u64 __udivdi3(u64 n, u64 by)
{
	return __udivmoddi4(n, by, 0);
}

u64 __umoddi3(u64 n, u64 by)
{
	u64 rest;
	__udivmoddi4(n, by, &rest);
	return rest;
}
