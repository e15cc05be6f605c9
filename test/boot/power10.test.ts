/** A program that was compiled for POWER10 runs on one: its own prefixed instructions and accumulators, and what its C library chooses. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { missing } from "../oracles/oracles.js";
import { boot, implementations, noGuest } from "./booting.test-support.js";

/** Sums products of 1 to 4 and 5 to 8 in an accumulator; strings at many alignments; __int128 to __float128 and back. */
const source = `
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
typedef vector unsigned char octets;
static char from[100000], to[100000];
int main(void) {
  float a[4] = {1, 2, 3, 4}, b[4] = {5, 6, 7, 8}, r[4][4];
  octets va, vb;
  __vector_quad sum;
  memcpy(&va, a, 16);
  memcpy(&vb, b, 16);
  __builtin_mma_xxsetaccz(&sum);
  for (int i = 0; i < 1000; i++) __builtin_mma_xvf32gerpp(&sum, va, vb);
  __builtin_mma_disassemble_acc(r, &sum);
  unsigned long features = getauxval(AT_HWCAP2);
  printf("v3.1 %d, accumulators %d: %g %g\\n", (features & 0x40000) != 0, (features & 0x20000) != 0, r[0][0], r[3][3]);
  memset(from, 'x', 99999);
  size_t n = 0;
  for (int i = 0; i < 200; i++) {
    from[i] = 0;
    n += strlen(from + i % 7);
    from[i] = 'x';
    memcpy(to + i, from, 90000);
    n += strlen(from + i) + memcmp(to + i, from, 90000) + ((char *)memchr(from, 0, 100000) - from);
    n += (strrchr(from, 'x') - from) + ((char *)rawmemchr(from + i, 0) - from) + strnlen(from, 50000 + i);
  }
  printf("strings %zu\\n", n);
  __int128 big = 1;
  for (int i = 0; i < 70; i++) big *= 3;
  __float128 q = big;
  printf("integers %.20g %d\\n", (double)q, (int)((__int128)(q / 7) % 1000003));
  return 0;
}
`;

const skip = noGuest || missing("littleEndianLibrary");
for (const type of implementations) {
  test(`a program for POWER10 and Debian's C library on --cpu POWER10, ${type}`, { skip }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "unikvm-power10-"));
    try {
      const [text, program] = [join(folder, "program.c"), join(folder, "program")];
      writeFileSync(text, source);
      const options = ["-O2", "-mcpu=power10", "-static", "-o", program, text];
      const compiled = spawnSync("powerpc64le-linux-gnu-gcc", options, { encoding: "utf8" });
      assert.equal(compiled.status, 0, compiled.stderr);
      const { status, stdout, stderr } = await boot({
        type,
        append: "quiet unikvm.run=/program",
        args: ["--cpu", "POWER10"],
        files: [{ path: "program", type: "file", mode: 0o755, data: readFileSync(program) }],
      });
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^v3\.1 1, accumulators 1: 5000 32000$/m);
      assert.match(stdout, /^strings 90018306$/m);
      // 3^70 is a quad; the last number is what is left of a seventh of it, rounded to a quad, cut, modulo 1000003.
      assert.match(stdout, /^integers 2\.5031555049932416141e\+33 135978$/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
