/*
 * Runs single instructions on the processor itself: cases on stdin, what it found on stdout, both as the structures below.
 * A signal's context gives the registers, the trap flag makes one step of it; faults come back as their vectors.
 * An instruction that repeats is stepped until it is over. A whole program (vector -2) runs without steps until it faults,
 * or comes to its int3.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define BASE 0x20000000ul
#define EXTENT 0x10000ul
#define DATA_AT (BASE + 0x2e00)
#define DATA_SIZE 0x400ul

struct state {
  uint64_t general[16];
  uint64_t flags, pc;
  int64_t vector;
  uint8_t code[1024];
  uint8_t data[DATA_SIZE];
  /* As FXSAVE has it: x87, MXCSR, XMM. */
  uint8_t floating[416];
  /* Bits 128 to 255 of YMM0 to YMM15. */
  uint8_t high[256];
  uint64_t beside;
};

static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static struct state now;
static gregset_t home;
static uint64_t start;
static int steps;

static void begin(int signal, siginfo_t *info, void *context) {
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  memcpy(home, g, sizeof home);
  for (int i = 0; i < 16; i++) g[places[i]] = now.general[i];
  g[REG_EFL] = now.vector == -2 ? now.flags & ~0x100ul : now.flags | 0x100;
  g[REG_RIP] = start = now.pc;
  /* The rest of it is the kernel's own: it says that x87 and SSE are in use. */
  uint8_t *image = (uint8_t *)((ucontext_t *)context)->uc_mcontext.fpregs;
  memcpy(image, now.floating, sizeof now.floating);
  if (*(uint32_t *)(image + 464) == 0x46505853) {
    uint64_t there = *(uint64_t *)(image + 472);
    *(uint64_t *)(image + 512) |= 3 | (there & 4);
    if (there & 4) memcpy(image + 576, now.high, sizeof now.high);
  }
  steps = 0;
}

static void end(int signal, siginfo_t *info, void *context) {
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (signal == SIGTRAP && g[REG_TRAPNO] == 1 && (uint64_t)g[REG_RIP] == start && ++steps < 1000) return;
  for (int i = 0; i < 16; i++) now.general[i] = g[places[i]];
  uint8_t *image = (uint8_t *)((ucontext_t *)context)->uc_mcontext.fpregs;
  memcpy(now.floating, image, sizeof now.floating);
  /* What is as it was in the beginning is not written. */
  memset(now.high, 0, sizeof now.high);
  if (*(uint32_t *)(image + 464) == 0x46505853 && *(uint64_t *)(image + 512) & *(uint64_t *)(image + 472) & 4)
    memcpy(now.high, image + 576, sizeof now.high);
  now.flags = g[REG_EFL];
  now.pc = g[REG_RIP];
  now.vector = signal == SIGTRAP && g[REG_TRAPNO] == 1 ? -1 : g[REG_TRAPNO];
  memcpy(g, home, sizeof home);
}

static int whole(FILE *file, int writes) {
  return (writes ? fwrite(&now, sizeof now, 1, file) : fread(&now, sizeof now, 1, file)) == 1;
}

int main(void) {
  static uint8_t stack[65536];
  stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternative, 0);
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  action.sa_sigaction = begin;
  sigaction(SIGUSR1, &action, 0);
  action.sa_sigaction = end;
  int faults[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (int i = 0; i < 5; i++) sigaction(faults[i], &action, 0);
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  uint8_t *area = mmap((void *)BASE, EXTENT, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
  if (area != (uint8_t *)BASE) return 3;
  /* GS is free for programs; FS has the library's own data. */
  if (syscall(SYS_arch_prctl, 0x1001, BASE + 0x2000)) return 4;
  while (whole(stdin, 0)) {
    memset(area, 0xcc, EXTENT);
    memcpy((void *)now.pc, now.code, sizeof now.code);
    memcpy((void *)DATA_AT, now.data, DATA_SIZE);
    raise(SIGUSR1);
    memcpy(now.data, (void *)DATA_AT, DATA_SIZE);
    uint32_t sum = 0;
    for (uint32_t *word = (uint32_t *)BASE; word < (uint32_t *)(BASE + EXTENT); word++) sum = (sum ^ *word) * 16777619u;
    now.beside = sum;
    if (!whole(stdout, 1)) return 5;
  }
  return 0;
}
