/*
 * A program for a guest of x86: processes that share processors, each with numbers of its own in every register that XSAVE or FXSAVE
 * keeps, which it looks at again after having been switched away from, signalled and moved to another processor. One fault of the
 * kernel's or of the processor's, and a process has what another one wrote. Compiled without the use of these registers
 * (-mgeneral-regs-only): what is in them between two statements nobody but the kernel touches.
 */
#include "../../guests/agent/system.h"

#ifdef __x86_64__
#define ALL "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
#define REGISTERS 16
__asm__("restore:\n\tmov $15, %eax\n\tsyscall\n");
#else
#define ALL "0, 1, 2, 3, 4, 5, 6, 7"
#define REGISTERS 8
#undef __NR_clock_gettime
#define __NR_clock_gettime __NR_clock_gettime64
__asm__("restore:\n\tmov $173, %eax\n\tint $0x80\n");
#endif

#define PROCESSES 6
/* These stay together on the first processor; the others go around. */
#define TOGETHER 4
#define MILLISECONDS 400
#define SPIN 20000

struct state {
	u64 vectors[REGISTERS][4];
	u64 x87[8];
	u32 mxcsr;
	u32 keys;
};

static volatile struct result {
	u32 rounds, wrong, switched, signals;
} *results;

static bool avx, protection_keys;
static int own;

static void cpuid(u32 leaf, u32 of[4])
{
	__asm__ volatile("cpuid" : "=a"(of[0]), "=b"(of[1]), "=c"(of[2]), "=d"(of[3]) : "a"(leaf), "c"(0));
}

static void look_for_features(void)
{
	u32 of[4], low, high;
	cpuid(1, of);
	if ((of[2] >> 27 & 3) == 3) {
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
		avx = (low & 6) == 6;
	}
	cpuid(0, of);
	if (of[0] < 7) return;
	cpuid(7, of);
	protection_keys = of[2] >> 4 & 1;
}

/* With `lower`, the upper halves are as XSAVE finds them before their first use. */
static void load(const struct state *s, bool lower)
{
	if (avx && !lower) {
		__asm__ volatile(".irp r, " ALL "\n\tvmovdqu \\r * 32(%0), %%ymm\\r\n\t.endr" : : "r"(s->vectors) : "memory");
	} else {
		if (avx) __asm__ volatile("vzeroall");
		__asm__ volatile(".irp r, " ALL "\n\tmovdqu \\r * 32(%0), %%xmm\\r\n\t.endr" : : "r"(s->vectors) : "memory");
	}
	__asm__ volatile("fninit\n\t.irp r, 0, 1, 2, 3, 4, 5, 6, 7\n\tfildll \\r * 8(%0)\n\t.endr" : : "r"(s->x87) : "memory");
	__asm__ volatile("ldmxcsr %0" : : "m"(s->mxcsr));
	if (protection_keys) __asm__ volatile("wrpkru" : : "a"(s->keys), "c"(0), "d"(0) : "memory");
}

static void store(struct state *s)
{
	if (avx) __asm__ volatile(".irp r, " ALL "\n\tvmovdqu %%ymm\\r, \\r * 32(%0)\n\t.endr" : : "r"(s->vectors) : "memory");
	else __asm__ volatile(".irp r, " ALL "\n\tmovdqu %%xmm\\r, \\r * 32(%0)\n\t.endr" : : "r"(s->vectors) : "memory");
	__asm__ volatile(".irp r, 7, 6, 5, 4, 3, 2, 1, 0\n\tfistpll \\r * 8(%0)\n\t.endr" : : "r"(s->x87) : "memory");
	__asm__ volatile("stmxcsr %0" : "=m"(s->mxcsr));
	if (protection_keys) __asm__ volatile("rdpkru" : "=a"(s->keys) : "c"(0) : "edx");
}

/* Processors that this process may be on. */
static int processors(void)
{
	unsigned long mask = 0;
	int count = 0;
	call(sched_getaffinity, 0, sizeof mask, &mask);
	for (; mask; mask &= mask - 1) count++;
	return count;
}

/* Nobody else has these numbers, nor has this process in another round. Steele, Lea, Flood: "Fast splittable pseudorandom number generators". */
static u64 mixed(u64 n)
{
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
	n = (n ^ n >> 27) * 0x94d049bb133111eb;
	return n ^ n >> 31;
}

static void make(struct state *s, u64 seed, bool lower)
{
	memset(s, 0, sizeof *s);
	for (int r = 0; r < REGISTERS; r++)
		for (int i = 0; i < (avx && !lower ? 4 : 2); i++) s->vectors[r][i] = mixed(seed + r * 4 + i);
	for (int r = 0; r < 8; r++) s->x87[r] = mixed(seed + 64 + r);
	/* Rounding, flushing, and exceptions that were, all masked. */
	s->mxcsr = 0x1f80 | (mixed(seed + 72) & 0xe03f);
	/* The first key is that of all memory there is. */
	if (protection_keys) s->keys = mixed(seed + 73) & ~3u;
}

static void on_signal(int signal)
{
	static struct state other;
	make(&other, 0x5160000 + results[own].signals++, false);
	load(&other, false);
}

void restore(void);

static void signal_often(void)
{
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		u64 mask;
	} action = { on_signal, SA_SIGINFO | SA_RESTORER, restore, 0 };
	const long timer[4] = { 0, 7000, 0, 7000 };
	call(rt_sigaction, SIGALRM, &action, 0, sizeof action.mask);
	call(setitimer, 0 /* ITIMER_REAL */, timer, 0);
}

/* In 32 bits, which the compiler can divide without a library. */
static u32 milliseconds(void)
{
	struct __kernel_timespec time;
	call(clock_gettime, 1 /* CLOCK_MONOTONIC */, &time);
	return (u32)time.tv_sec * 1000 + (u32)time.tv_nsec / 1000000;
}

static void stay_on(int processor)
{
	const unsigned long mask = 1UL << processor;
	call(sched_setaffinity, 0, sizeof mask, &mask);
}

static void work(int count)
{
	static struct state put, found;
	const u32 begin = milliseconds();
	struct rusage usage;
	stay_on(own < TOGETHER ? 0 : own % count);
	signal_often();
	u32 round = 0;
	do {
		const bool lower = (round + own) % 3 == 2;
		if (own >= TOGETHER && round % 8 == 0) stay_on((round / 8 + own) % count);
		make(&put, (u64)(own + 1) << 48 | (u64)round << 8, lower);
		load(&put, lower);
		for (int i = 0; i < SPIN; i++) __asm__ volatile("");
		if (round % 5 == 0) call(sched_yield, 0);
		store(&found);
		if (memcmp(&put, &found, sizeof put) != 0) results[own].wrong++;
		round++;
	} while (milliseconds() - begin < MILLISECONDS);
	call(getrusage, 0 /* RUSAGE_SELF */, &usage);
	results[own].switched = usage.ru_nivcsw;
	results[own].rounds = round;
	call(exit_group, 0);
}

static void say(const char *what, unsigned long count)
{
	char line[64] = "";
	append(line, sizeof line, what);
	append_number(line, sizeof line, count);
	write_all(1, line, strlen(line));
}

__attribute__((noreturn)) void begin(void)
{
	struct result sum = { 0, 0, 0, 0 };
	const int count = processors();
	int died = 0, status;
	look_for_features();
	results = (void *)call(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (own = 0; own < PROCESSES; own++)
		if (new_process() == 0) work(count);
	while (call(wait4, -1, &status, 0, 0) > 0) died += status != 0;
	for (own = 0; own < PROCESSES; own++) {
		sum.rounds += results[own].rounds;
		sum.wrong += results[own].wrong;
		sum.switched += results[own].switched;
		sum.signals += results[own].signals;
	}
	say(avx ? "vectors ymm, processors " : "vectors xmm, processors ", count);
	say(", died ", died);
	say(", wrong ", sum.wrong);
	say(", rounds ", sum.rounds);
	say(", switched ", sum.switched);
	say(", signals ", sum.signals);
	write_all(1, "\n", 1);
	call(exit_group, 0);
	__builtin_unreachable();
}
