/*
 * What level 0 of an x86 processor sees: a program that needs nothing below it, for a real processor's stand-in (QEMU, through
 * multiboot) and for unikvm's engines (entered at start64). It does the same things on both, drawn from the seed at `seed`, and
 * writes down what came of each; then it prints that through port 0xe9 and ends at port 0xf4.
 *
 * A step runs a piece of code with three registers given, at level 0 or 3. If that faults, the step ends with the exception.
 */
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

/* What an exception left, as supervisor-entry.S notes it; vector 0x100 is none. */
struct result {
  u64 vector, error, rip, cs, rflags, ss, cr2, rsp;
};

extern volatile u64 seed;
extern char out[];
extern u64 gdt[], idt[][2], tss[];
extern u64 pml4[], test_pdpt[], test_pd[], test_pt[];
extern volatile struct result last;
extern u64 step0(void (*code)(void), u64 a, u64 b, u64 c);
extern u64 step3(void (*code)(void), u64 a, u64 b, u64 c);
extern char image_start[];

enum { CODE0 = 0x08, DATA0 = 0x10, DATA3 = 0x1b, CODE3 = 0x23, TASK = 0x30, FREE = 0x50 };
#define USER 0x4000000000ul
#define AREA 0x310000
#define TEST (0x8000000000ul + 0x300000)

static char *at;
static u64 state;

static u64 draw(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1dul;
}
static u64 below(u64 n) { return (draw() >> 33) % n; }

static void text(const char *s) {
  while (*s) *at++ = *s++;
}
static void hex(u64 value) {
  *at++ = ' ';
  int digits = 1;
  while (digits < 16 && value >> (4 * digits)) digits++;
  while (digits--) *at++ = "0123456789abcdef"[(value >> (4 * digits)) & 15];
}
static void line(void) { *at++ = '\n'; }

static u64 cr0(void) { u64 v; asm volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static u64 cr3(void) { u64 v; asm volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static u64 cr4(void) { u64 v; asm volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static void set_cr0(u64 v) { asm volatile("mov %0, %%cr0" :: "r"(v) : "memory"); }
static void set_cr3(u64 v) { asm volatile("mov %0, %%cr3" :: "r"(v) : "memory"); }
static void set_cr4(u64 v) { asm volatile("mov %0, %%cr4" :: "r"(v) : "memory"); }
static void invlpg(u64 v) { asm volatile("invlpg (%0)" :: "r"(v) : "memory"); }
static u64 rdmsr(u32 n) { u32 a, d; asm volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(n)); return a | (u64)d << 32; }
static void wrmsr(u32 n, u64 v) { asm volatile("wrmsr" :: "a"((u32)v), "d"((u32)(v >> 32)), "c"(n) : "memory"); }

/* Says what a step came to: what it returned, and its exception. */
static void said(u64 value) {
  hex(value);
  if (last.vector != 0x100) {
    text(" !");
    hex(last.vector);
    /* Which gate: QEMU 7.2 has it twice as far on as it is. */
    u64 error = last.vector != 14 && last.error & 2 ? last.error & 7 : last.error;
    /* A reserved bit in an entry that is there: QEMU 7.2 does not say that it is there. */
    hex(last.vector == 14 && error & 8 ? error | 1 : error);
    hex(last.cs);
    /* RF: QEMU 7.2 does not set it. */
    hex(last.rflags & 0x24ed00);
    if (last.vector == 14) hex(last.cr2);
  }
  line();
}

#define PIECE(name, code) \
  extern void name(void); \
  asm(".pushsection .text\n" #name ":\n" code "\n ret\n .popsection\n")
/* Both levels: the three registers are RDI, RSI, RDX, the result RAX. */
PIECE(p_read, "mov (%rdi), %eax");
PIECE(p_write, "mov %esi, (%rdi)\n mov %esi, %eax");
/* Read first: QEMU 7.2 faults as reads do, and says so, where one instruction reads and writes. */
PIECE(p_add, "mov (%rdi), %ecx\n addl $1, (%rdi)\n mov $1, %eax");
PIECE(p_cross, "mov %rsi, -3(%rdi)\n mov $1, %eax");
PIECE(p_call, "call *%rdi");
PIECE(p_stac_read, "stac\n mov (%rdi), %eax\n clac");
PIECE(p_stac_write, "stac\n mov %esi, (%rdi)\n clac\n mov %esi, %eax");
PIECE(p_ds, "mov %edi, %ds\n mov %ds, %eax");
PIECE(p_es, "mov %edi, %es\n mov %es, %eax");
PIECE(p_fs, "mov %edi, %fs\n mov %fs, %eax");
PIECE(p_gs, "mov %edi, %gs\n mov %gs, %eax");
PIECE(p_ss, "mov %ss, %ecx\n mov %edi, %ss\n mov %ss, %eax\n mov %ecx, %ss");
PIECE(p_lar, "xor %eax, %eax\n lar %edi, %eax\n setz %cl\n movzbl %cl, %ecx\n shl $32, %rcx\n or %rcx, %rax");
PIECE(p_lsl, "xor %eax, %eax\n lsl %edi, %eax\n setz %cl\n movzbl %cl, %ecx\n shl $32, %rcx\n or %rcx, %rax");
PIECE(p_verr, "verr %di\n setz %al\n movzbl %al, %eax");
PIECE(p_verw, "verw %di\n setz %al\n movzbl %al, %eax");
PIECE(p_popf, "pushfq\n pop %rcx\n push %rdi\n popfq\n pushfq\n pop %rax\n push %rcx\n popfq");
PIECE(p_popfw, "pushfq\n pop %rcx\n push %rdi\n popfw\n pushfq\n pop %rax\n add $6, %rsp\n push %rcx\n popfq");
PIECE(p_cli, "cli\n pushfq\n pop %rax\n");
PIECE(p_sti, "sti\n nop\n pushfq\n pop %rax\n cli");
PIECE(p_hlt3, "hlt");
PIECE(p_in, "mov $0xe9, %dx\n in %dx, %al\n movzbl %al, %eax");
PIECE(p_lgdt, "lgdt (%rdi)");
PIECE(p_cr0r, "mov %cr0, %rax");
PIECE(p_cr0w, "mov %rdi, %cr0\n mov %cr0, %rax");
PIECE(p_cr4w, "mov %rdi, %cr4\n mov %cr4, %rax");
PIECE(p_cr8, "mov %rdi, %cr8\n mov %cr8, %rax");
PIECE(p_dr7, "mov %rdi, %dr7\n mov %dr7, %rax");
PIECE(p_dr6, "mov %rdi, %dr6\n mov %dr6, %rax");
PIECE(p_wrmsr, "mov %edi, %ecx\n mov %esi, %eax\n mov %rsi, %rdx\n shr $32, %rdx\n wrmsr\n rdmsr\n shl $32, %rdx\n or %rdx, %rax");
PIECE(p_rdmsr, "mov %edi, %ecx\n rdmsr\n shl $32, %rdx\n or %rdx, %rax");
PIECE(p_rdtsc, "rdtsc\n xor %eax, %eax");
PIECE(p_swapgs, "swapgs\n swapgs\n mov $7, %eax");
PIECE(p_div, "xor %ecx, %ecx\n mov $1, %eax\n xor %edx, %edx\n div %ecx");
PIECE(p_ud2, "ud2");
PIECE(p_int3, "int3");
PIECE(p_int, "int $0x40");
PIECE(p_int13, "int $13");
PIECE(p_clts, "clts\n mov %cr0, %rax");
PIECE(p_smsw, "smsw %eax");
PIECE(p_lmsw, "lmsw %di\n mov %cr0, %rax");
PIECE(p_lldt, "lldt %di\n sldt %eax");
PIECE(p_ltr, "ltr %di\n str %eax");
PIECE(p_step, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop\n mov $5, %eax");
PIECE(p_load, "mov %fs:0(%rdi), %rax");
PIECE(p_wrfs, "wrfsbase %rdi\n rdfsbase %rax");
PIECE(p_retf, "lea 1f(%rip), %rax\n push %rdi\n push %rax\n lretq\n1: mov %cs, %eax");
PIECE(p_iret, "mov %rsp, %rcx\n lea 1f(%rip), %rax\n push %rdx\n push %rcx\n push %rsi\n push %rdi\n push %rax\n iretq\n1: mov %cs, %eax");
PIECE(p_xsetbv, "mov %edi, %ecx\n mov %esi, %eax\n mov %rsi, %rdx\n shr $32, %rdx\n xsetbv\n xor %ecx, %ecx\n xgetbv");
PIECE(p_xgetbv, "mov %edi, %ecx\n xgetbv\n xor %eax, %eax");
PIECE(p_xsave, "xor %edx, %edx\n xor %eax, %eax\n xsave (%rdi)\n xrstor (%rdi)\n mov %rsi, %rax");
PIECE(p_invlpg, "invlpg (%rdi)");
PIECE(p_sysret, "mov $2, %r11d\n xor %ecx, %ecx\n sysretq");
PIECE(p_sys3, "syscall\n");
PIECE(p_xlat, "mov (%rdi,%rsi,1), %rax");
PIECE(p_rsp, "mov %rsp, %rcx\n mov %rdi, %rsp\n push %rax\n mov %rcx, %rsp");

typedef void (*code)(void);
static code user_of(code piece) { return (code)(USER + (u64)piece); }

/* One at either level. */
static void both(const char *name, void (*piece)(void), u64 a, u64 b) {
  text(name);
  said(step0(piece, a, b, 0));
  text(name);
  text(" user");
  said(step3(user_of(piece), a, b, 0));
}

static void restore(void) {
  set_cr0(0x80010033);
  set_cr4(0x20);
  wrmsr(0xc0000080, 0xd01);
  asm volatile("mov %0, %%ds\n mov %0, %%es\n mov %0, %%fs\n mov %0, %%gs" :: "r"(DATA0));
}

/* The entries of a walk. A page of 1 GiB that faults is accessed for QEMU. */
static void entries(u64 top, u64 pdpte, u64 pde, u64 pte) {
  hex(top), hex(pdpte & 0x80 ? pdpte & ~0x20ul : pdpte), hex(pde), hex(pte);
}

/* Entries at random: mostly what lets an access through. */
static u64 entry(u64 to) {
  u64 e = to | 7;
  switch (below(10)) {
    case 0: e &= ~1ul; break;
    case 1: e &= ~2ul; break;
    case 2: e &= ~4ul; break;
    case 3: e |= 1ul << 63; break;
    case 4: e |= 1ul << (52 + below(7)); break;
    case 5: if (below(4) == 0) e |= 1ul << (41 + below(9)); break;
    case 6: e |= 0x20; break;
    case 7: e |= 0x60; break;
    case 8: e &= below(2) ? ~6ul : ~2ul; break;
  }
  return e;
}

static void pages(int count) {
  for (int i = 0; i < count; i++) {
    u64 *pte = &test_pt[256], *pde = &test_pd[1], *pdpte = &test_pdpt[0], *top = &pml4[1];
    int large = below(8);
    *top = entry((u64)test_pdpt);
    *pdpte = entry((u64)test_pd);
    *pde = entry((u64)test_pt);
    *pte = entry(0x300000);
    if (large == 0) *pdpte = entry(0x80) | (below(8) ? 0 : 1ul << (13 + below(17)));
    else if (large < 3) *pde = entry(0x200080) | (below(8) ? 0 : 1ul << (13 + below(8)));
    else if (large == 3 && below(4) == 0) *top |= 0x80;
    u64 wp = below(2) ? 0x10000 : 0, smep = below(2) ? 0x100000 : 0, smap = below(2) ? 0x200000 : 0, nx = below(4) ? 0x800 : 0;
    set_cr0((cr0() & ~0x10000ul) | wp);
    set_cr4((cr4() & ~0x300000ul) | smep | smap);
    wrmsr(0xc0000080, 0x501 | nx);
    if (below(2)) set_cr3(cr3());
    else invlpg(TEST + below(4096));
    for (int n = 1 + below(3); n > 0; n--) {
      int kind = below(6);
      void (*piece)(void) = kind == 0 ? p_read : kind == 1 ? p_write : kind == 2 ? p_add : kind == 3 ? p_call : kind == 4 ? p_stac_read : p_stac_write;
      text("page");
      entries(*top, *pdpte, *pde, *pte), hex(wp | smep | smap | nx), hex(kind);
      /* Code there: a return. */
      u64 where = TEST + (kind == 3 ? 16 : 64 + 4 * below(32));
      if (kind < 4 && below(2)) {
        text(" user");
        said(step3(user_of(piece), where, i, 0));
      } else {
        if (kind >= 4 && !smap) piece = kind == 4 ? p_read : p_write;
        said(step0(piece, where, i, 0));
      }
      text("  then");
      entries(*top, *pdpte, *pde, *pte);
      line();
    }
    restore();
  }
  pml4[1] = 0;
  set_cr3(cr3());
}

/* A descriptor at random. */
static u64 descriptor(void) {
  u64 access = draw() & 0x7f;
  if (below(4)) access |= 0x10;
  if (below(6)) access |= 0x80;
  u64 flags = below(2) ? 0xa : below(2) ? 0xc : draw() & 0xf;
  u64 limit = draw() & 0xfffff, base = draw() & 0xffffff;
  return (limit & 0xffff) | base << 16 | access << 40 | (limit >> 16) << 48 | flags << 52;
}

static void segments(int count) {
  asm volatile("lldt %w0" :: "r"(0));
  for (int i = 0; i < count; i++) {
    u64 d = descriptor();
    gdt[FREE / 8] = d;
    gdt[FREE / 8 + 1] = below(8);
    u64 selector = below(12) ? FREE | below(4) : below(2) ? below(4) : 0x1f8 | below(8);
    text("segment");
    hex(d), hex(selector);
    line();
    static void (*const pieces[])(void) = {p_ds, p_es, p_fs, p_gs, p_ss, p_lar, p_lsl, p_verr, p_verw};
    for (int n = 0; n < 3; n++) {
      int which = below(9);
      /* What types of system segments LAR and LSL know in long mode is not what QEMU 7.2 takes them to know. */
      if ((which == 5 || which == 6) && !(d >> 44 & 1) && !(0x1204 >> (d >> 40 & 15) & 1)) continue;
      hex(which);
      /* A stack of none is one of this level's, which QEMU 7.2 does not look at. */
      if (which == 4 && !(selector & ~3ul)) selector = 0;
      said(step0(pieces[which], selector, 0, 0));
      hex(which);
      /* A stack of level 3 could not be changed back. */
      if (which != 4) said(step3(user_of(pieces[which]), selector, 0, 0));
      restore();
    }
    text("  then");
    hex(gdt[FREE / 8]);
    line();
  }
  for (int i = 0; i < count / 4; i++) {
    gdt[FREE / 8] = below(2) ? (descriptor() & ~(0x1ful << 40)) | (below(2) ? 2ul : 9ul) << 40 : descriptor();
    gdt[FREE / 8 + 1] = 0;
    u64 selector = below(8) ? FREE | below(4) : below(4);
    text("system segment");
    hex(gdt[FREE / 8]), hex(selector);
    line();
    said(step0(p_lldt, selector, 0, 0));
    /* None at all is no task, which QEMU 7.2 does not say. */
    if (below(2) && selector & ~3ul) {
      said(step0(p_ltr, selector, 0, 0));
      gdt[TASK / 8] &= ~(2ul << 40);
      asm volatile("ltr %w0" :: "r"(TASK));
    }
    asm volatile("lldt %w0" :: "r"(0));
  }
}

static void flags(int count) {
  for (int i = 0; i < count; i++) {
    u64 image = draw() & 0x247ed7;
    image &= ~0x40100ul;
    text("flags");
    hex(image);
    line();
    said(step0(p_popf, image, 0, 0));
    said(step3(user_of(p_popf), image, 0, 0));
    said(step0(p_popfw, image, 0, 0));
    said(step3(user_of(p_popfw), image, 0, 0));
  }
}

static void gates(int count) {
  u64 low = idt[0x40][0];
  for (int i = 0; i < count; i++) {
    u64 g = low;
    switch (below(8)) {
      case 0: g ^= 1ul << 47; break;
      case 1: g = (g & ~(0x1ful << 40)) | (below(32) << 40); break;
      case 2: g = (g & ~(0xfffful << 16)) | (below(4) ? DATA0 : CODE3) << 16; break;
      case 3: g = (g & ~(0xfffful << 16)); break;
      case 4: g |= 1ul << 40; break;
      case 5: g |= 1ul << 32; break;
      case 6: g &= ~(3ul << 45); break;
    }
    idt[0x40][0] = g;
    text("gate");
    hex(g >> 16 & 0xffff), hex(g >> 32 & 0xffff);
    line();
    said(step0(p_int, 0, 0, 0));
    said(step3(user_of(p_int), 0, 0, 0));
  }
  idt[0x40][0] = low;
}

static void returns(int count) {
  for (int i = 0; i < count; i++) {
    u64 d = descriptor() | (below(3) ? 0x1bul << 40 : 0);
    if (below(2)) d = (d & ~(0xful << 52)) | 0xaul << 52;
    /* No 32-bit code: it would run. */
    if ((d >> 43 & 3) == 3) d = (d & ~(0x6ul << 52)) | 0x2ul << 52;
    /* Nor L and D both, which QEMU 7.2 takes. */
    if (d >> 53 & 1) d &= ~(0x4ul << 52);
    gdt[FREE / 8] = d;
    u64 selector = below(4) ? FREE | below(4) : below(2) ? CODE0 : below(4);
    u64 image = (draw() & 0x3ed7) | 2;
    /* None at all only of the level that is returned to: what else is done with that, processors do not agree about. */
    u64 stack = below(3) ? DATA0 : below(2) ? DATA3 : selector & 3;
    /* Level 3 has no way back but a fault, and runs what is not its own. */
    text("return");
    hex(d), hex(selector), hex(image), hex(stack);
    line();
    if (!(selector & 3)) said(step0(p_retf, selector, 0, 0));
    said(step0(p_iret, selector, image, stack));
    said(step3(user_of(p_iret), selector, image, stack));
    asm volatile("cli");
    restore();
  }
}

static void registers(void) {
  static const u32 msrs[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0x174, 0x175, 0x176};
  for (int i = 0; i < 10; i++) {
    u64 old = rdmsr(msrs[i]);
    u64 value = msrs[i] == 0xc0000084 || msrs[i] == 0x174 ? draw() >> 48 : draw() >> 17;
    text("msr");
    hex(msrs[i]);
    said(step0(p_wrmsr, msrs[i], value, 0));
    wrmsr(msrs[i], old);
  }
  both("rdmsr", p_rdmsr, 0xc0000080, 0);
  /* What is not allowed QEMU does not look for. */
  static const u64 c0[] = {0x80010033, 0x80010031, 0xc0010033, 0x8001003b, 0x80000033};
  for (int i = 0; i < 5; i++) {
    both("cr0", p_cr0w, c0[i], 0);
    restore();
  }
  static const u64 c4[] = {0x20, 0xa0, 0x620, 0x2a0};
  for (int i = 0; i < 4; i++) {
    both("cr4", p_cr4w, c4[i], 0);
    restore();
  }
  both("cr8", p_cr8, 5, 0);
  both("cr8", p_cr8, 0, 0);
  both("dr7", p_dr7, 0x400, 0);
  both("dr6", p_dr6, 0, 0);
  both("dr7", p_dr7, 0x100000000, 0);
  /* Which components there are. What is in use QEMU does not look for. */
  for (int on = 0; on < 2; on++) {
    static const u64 components[] = {1, 3, 7, 0, 2, 5, 6, 1ul << 62};
    for (int i = 0; i < 8; i++) {
      set_cr4(on ? 0x40620 : 0x620);
      text("xsetbv");
      said(step0(p_xsetbv, 0, components[i], 0));
      /* Where there is none of it, which fault level 3 has the manual does not say. */
      if (!on) continue;
      text("xsetbv user");
      said(step3(user_of(p_xsetbv), 0, components[i], 0));
    }
    text("xsetbv 1");
    said(step0(p_xsetbv, 1, 7, 0));
    both("xgetbv", p_xgetbv, 0, 0);
    both("xgetbv 2", p_xgetbv, 2, 0);
    both("xsave", p_xsave, AREA, 5);
    both("xsave", p_xsave, AREA + 32, 5);
    text("xsave user");
    said(step3(user_of(p_xsave), USER + AREA, 5, 0));
    restore();
  }
  both("read cr0", p_cr0r, 0, 0);
  both("smsw", p_smsw, 0, 0);
  both("clts", p_clts, 0, 0);
  both("lmsw", p_lmsw, 0x9, 0);
  restore();
}

static void others(void) {
  both("cli", p_cli, 0, 0);
  both("sti", p_sti, 0, 0);
  both("in", p_in, 0, 0);
  both("div", p_div, 0, 0);
  both("ud2", p_ud2, 0, 0);
  both("int3", p_int3, 0, 0);
  both("int", p_int, 0, 0);
  both("int 13", p_int13, 0, 0);
  both("swapgs", p_swapgs, 0, 0);
  both("lgdt", p_lgdt, 0x8000000000000000, 0);
  both("invlpg", p_invlpg, 0x123456789000, 0);
  both("step", p_step, 0, 0);
  both("not canonical", p_read, 0x800000000000, 0);
  both("across", p_xlat, 0x7ffffffffffc, 0);
  both("stack", p_write, 0xffff7fffffffffff, 3);
  both("far away", p_call, 0x900000000000, 0);
  both("sysret", p_sysret, 0, 0);
  text("hlt user");
  said(step3(user_of(p_hlt3), 0, 0, 0));
  set_cr4(cr4() | 4);
  both("rdtsc", p_rdtsc, 0, 0);
  set_cr4(cr4() | 0x10000);
  both("wrfsbase", p_wrfs, 0x1234567, 0);
  restore();
  both("wrfsbase", p_wrfs, 0x1234567, 0);
  wrmsr(0xc0000100, (u64)image_start);
  both("fs", p_load, 8, 0);
  /* A page fault's handler that is not there, and one whose stack is not. */
  u64 gate = idt[14][0];
  idt[14][0] = gate & ~(1ul << 47);
  both("double fault", p_read, 0x7000000000, 0);
  idt[14][0] = gate | 2ul << 32;
  both("double fault", p_read, 0x7000000000, 0);
  idt[14][0] = gate;
  idt[13][0] ^= 1ul << 47;
  both("no handler", p_lgdt, 0x8000000000000000, 0);
  idt[13][0] ^= 1ul << 47;
  text("syscall");
  said(step3(user_of(p_sys3), 0, 0, 0));
  wrmsr(0xc0000080, 0xd00);
  text("syscall");
  said(step3(user_of(p_sys3), 0, 0, 0));
  restore();
  text("bad stack");
  said(step0(p_rsp, 0x7000000008, 0, 0));
  for (int n = 0; n < 6; n++) {
    text("across pages");
    pml4[1] = (u64)test_pdpt | 7;
    test_pdpt[0] = (u64)test_pd | 7;
    test_pd[1] = (u64)test_pt | 7;
    test_pt[256] = 0x300007;
    test_pt[255] = 0x301000 | (n & 1 ? 7 : 5);
    if (n & 2) test_pt[256] &= ~3ul;
    set_cr3(cr3());
    both("", p_cross, TEST, draw());
    hex(*(volatile u64 *)0x300000);
    hex(*(volatile u64 *)0x301ff8);
    line();
  }
  pml4[1] = 0;
  set_cr3(cr3());
}

char *supervise(void) {
  at = out;
  state = seed * 2 + 1;
  for (int i = 0; i < 8; i++) draw();
  *(volatile u8 *)0x300010 = 0xc3;
  restore();
  others();
  registers();
  pages(seed >> 32 ? (int)(seed >> 32) : 300);
  segments(40);
  flags(20);
  gates(40);
  returns(60);
  text("end\n");
  return at;
}
