/* Entry and system calls: 64-bit ELF V2 ABI, "Process Initialization"; Power Architecture 64-bit system call convention. */

/* The stack pointer is argc's address; r2 is made from where this lies, whatever the kernel left in r12. */
__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	mr 3, 1\n"
	"	clrrdi 1, 1, 4\n"
	"	li 0, 0\n"
	"	stdu 0, -64(1)\n"
	"	mtlr 0\n"
	"	bcl 20, 31, 1f\n"
	"1:	mflr 12\n"
	"	addis 2, 12, .TOC.-1b@ha\n"
	"	addi 2, 2, .TOC.-1b@l\n"
	"	bl begin\n"
	"	nop\n"
	"	trap\n");

static long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r0 __asm__("r0") = number;
	register long r3 __asm__("r3") = a;
	register long r4 __asm__("r4") = b;
	register long r5 __asm__("r5") = c;
	register long r6 __asm__("r6") = d;
	register long r7 __asm__("r7") = e;
	register long r8 __asm__("r8") = f;
	__asm__ volatile("sc\n\tbns+ 1f\n\tneg 3, 3\n1:"
			 : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7), "+r"(r8)
			 :
			 : "memory", "cr0", "r9", "r10", "r11", "r12", "ctr");
	return r3;
}

static long new_process(void)
{
	return raw_call(__NR_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

/* A process in this one's memory, on a stack of its own, in which `run(of)` never returns; this one waits until it has become
 * a program or has ended. */
static long new_program(void (*run)(void *of), void *of, void *stack)
{
	register long r0 __asm__("r0") = __NR_clone;
	register long r3 __asm__("r3") = CLONE_VM | CLONE_VFORK | SIGCHLD;
	register long r4 __asm__("r4") = (long)stack - 64;
	register long r5 __asm__("r5") = 0;
	register long r6 __asm__("r6") = 0;
	register long r7 __asm__("r7") = 0;
	register void *r30 __asm__("r30") = (void *)run;
	register void *r31 __asm__("r31") = of;
	__asm__ volatile("sc\n\tbns+ 1f\n\tneg 3, 3\n\tb 2f\n"
			 "1:\tcmpdi 3, 0\n\tbne 2f\n"
			 "\tli 0, 0\n\tstd 0, 0(1)\n\tmr 12, 30\n\tmtctr 12\n\tmr 3, 31\n\tbctrl\n\ttrap\n2:"
			 : "+r"(r0), "+r"(r3), "+r"(r4), "+r"(r5), "+r"(r6), "+r"(r7)
			 : "r"(r30), "r"(r31)
			 : "memory", "cr0", "r8", "r9", "r10", "r11", "r12", "ctr", "lr");
	return r3;
}
