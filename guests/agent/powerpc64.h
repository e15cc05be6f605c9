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
