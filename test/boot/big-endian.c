/*
 * A big-endian program that runs on the bare machine, without a kernel: computes things whose bytes depend on the byte
 * order, prints them through H_PUT_TERM_CHAR, and powers off through RTAS. Compiled with -DUSER it is a Linux program
 * that prints the same: qemu-ppc64 tells what to expect.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#ifdef USER
#include <stdio.h>
static void put(const char *text) { fputs(text, stdout); }
#else
extern u64 hcall(u64 number, u64 a, u64 b, u64 c, u64 d);
extern u64 run_code(const u32 *code);

/* The compiler calls these by itself. */
void *memcpy(void *to, const void *from, u64 n) {
  for (u64 i = 0; i < n; i++) ((volatile u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}
void *memset(void *to, int value, u64 n) {
  for (u64 i = 0; i < n; i++) ((volatile u8 *)to)[i] = value;
  return to;
}

static void put(const char *text) {
  while (*text) {
    u64 words[2] = {0, 0};
    u64 n = 0;
    while (n < 16 && text[n]) {
      ((u8 *)words)[n] = text[n];
      n++;
    }
    while (hcall(0x58, 0, n, words[0], words[1]) == 1) /* H_BUSY */;
    text += n;
  }
}
#endif

static void show(const char *name, u64 value) {
  char line[64];
  int n = 0;
  while (*name) line[n++] = *name++;
  line[n++] = ' ';
  for (int shift = 60; shift >= 0; shift -= 4) line[n++] = "0123456789abcdef"[value >> shift & 15];
  line[n++] = '\n';
  line[n] = 0;
  put(line);
}

static u64 hash(const void *data, u64 length) {
  u64 h = 0xcbf29ce484222325;
  for (u64 i = 0; i < length; i++) h = (h ^ ((const u8 *)data)[i]) * 0x100000001b3;
  return h;
}

static u64 seed = 88172645463325252;
static u64 next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

struct __attribute__((packed)) mixed {
  u8 a;
  u16 b;
  u32 c;
  u64 d;
  float e;
  double f;
};

static u64 add(u64 a, u64 b) { return a + b; }
static u64 multiply(u64 a, u64 b) { return a * b; }
static u64 high(u64 a, u64 b) { return (unsigned __int128)a * b >> 64; }
static u64 divide(u64 a, u64 b) { return (long)a / (long)(b >> 32 | 1); }
static u64 remainder64(u64 a, u64 b) { return a % (b >> 40 | 1); }
static u64 swap(u64 a, u64 b) { return __builtin_bswap64(a) ^ __builtin_bswap32(b) ^ __builtin_bswap16(b); }
static u64 count(u64 a, u64 b) { return __builtin_clzl(a | 1) << 8 | __builtin_popcountl(b); }
static u64 (*const functions[])(u64, u64) = {add, multiply, high, divide, remainder64, swap, count};

typedef u32 words __attribute__((vector_size(16)));
typedef double doubles __attribute__((vector_size(16)));

static void compute(void) {
  u32 order = 0x01020304;
  show("first byte", *(volatile u8 *)&order);

  static struct mixed records[257];
  for (int i = 0; i < 257; i++) {
    struct mixed *r = &records[i];
    r->a = next(), r->b = next(), r->c = next(), r->d = next();
    r->e = (float)(int)next() / 3, r->f = (double)(long)next() / 7;
  }
  show("unaligned", hash(records, sizeof records));

  u64 sum = 0;
  for (int i = 0; i < 7000; i++) sum = (sum ^ functions[next() % 7](next(), next())) * 31;
  show("integers", sum);

  double x = 0, y = 1, z = 0.25;
  for (int i = 0; i < 5000; i++) {
    double dx = y - x * 1.5, dy = x * (2 - z) - y, dz = x * y - z / 3;
    x += dx / 512, y += dy / 512, z += dz / 512;
  }
  u64 bits[3];
  __builtin_memcpy(bits, (double[]){x, y, z}, 24);
  show("doubles", hash(bits, 24));

  words v = {1, 2, 3, 4}, w = {0x80000000, 0x7fffffff, 0xdeadbeef, 5};
  doubles d = {1.5, -2.25};
  for (int i = 0; i < 1000; i++) {
    v = v * 1664525 + w, w ^= v >> 3, w += v << (words){1, 2, 3, 4};
    d = d * (doubles){0.999, 1.001} + (doubles){0.125, -0.5};
  }
  show("vector", hash(&v, 16) ^ hash(&w, 16) ^ hash(&d, 16));

  static u64 cell;
  static u8 byte_cell;
  for (int i = 0; i < 1000; i++) {
    __atomic_fetch_add(&cell, i, __ATOMIC_SEQ_CST);
    __atomic_fetch_xor(&byte_cell, i * 7, __ATOMIC_SEQ_CST);
  }
  show("atomics", cell << 8 | byte_cell);
}

#ifdef USER
int main(void) {
  compute();
  return 0;
}
#else
static u32 code[32] __attribute__((aligned(128)));

/* Writes over its own code, as the architecture asks for it. */
static void modify(void) {
  u64 sum = 0;
  for (u32 i = 0; i < 200; i++) {
    code[0] = 0x38600000 | i; /* li r3, i */
    code[1] = 0x4e800020;     /* blr */
    __asm__ volatile("dcbst 0,%0; sync; icbi 0,%0; sync; isync" : : "r"(code) : "memory");
    sum += run_code(code);
  }
  show("rewritten", sum);
}

/* The token of an RTAS call: the property of that name, found without looking at nodes. */
static u32 token(const u8 *tree, const char *name) {
  const u32 *header = (const u32 *)tree;
  const u32 *at = (const u32 *)(tree + header[2]);
  const char *strings = (const char *)(tree + header[3]);
  for (;;) {
    switch (*at++) {
    case 1: { /* FDT_BEGIN_NODE */
      const char *text = (const char *)at;
      u64 n = 0;
      while (text[n]) n++;
      at += (n + 4) / 4;
      break;
    }
    case 3: { /* FDT_PROP */
      u32 length = at[0];
      const char *found = strings + at[1];
      int i = 0;
      while (found[i] && found[i] == name[i]) i++;
      if (found[i] == name[i]) return at[2];
      at += 2 + (length + 3) / 4;
      break;
    }
    case 9: /* FDT_END */
      return 0;
    }
  }
}

void start(const u8 *tree) {
  compute();
  modify();
  put("powering off\n");
  u32 call[6] = {token(tree, "power-off"), 2, 1, 0, 0, 0};
  hcall(0xf000, (u64)call, 0, 0, 0);
  put("still here\n");
}
#endif
