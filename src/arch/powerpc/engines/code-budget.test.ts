/** Translated code and the process's budget for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openKvm } from "../../../kernel.js";
import { ProcessPage } from "../../../vac/page.js";
import { programVm } from "../program.test-support.js";
import type { PpcVcpu, PpcVm } from "../uapi.js";

const page = ProcessPage.here();
const kvm = await openKvm({ implementations: ["hv"], memory: "unshared" });

/** Hot loops one after the other, each of which becomes a region; ends with r5 loops' sums in r6 and a hypercall. */
const loops = 24;
const source = `${Array.from({ length: loops }, (_, i) => `lis 7, 6\nmtctr 7\nl${i}: addi 6, 6, 1\nxor 8, 8, 6\nbdnz l${i}\n`).join("")}li 3, 0x58\nsc 1\n`;

/** Runs a program to its hypercall; r6 must then be `sum`. */
function runToEnd(text = source, sum = BigInt(loops) * 0x60000n): { readonly vm: PpcVm; readonly cpu: PpcVcpu } {
  const { vm, cpu } = programVm(kvm, text);
  const end = performance.now() + 60_000;
  for (;;) {
    const { reason } = cpu.run({ deadline: performance.now() + 1000 });
    if (reason === "papr_hcall") break;
    assert.ok(reason === "intr" && performance.now() < end, reason);
  }
  assert.equal(cpu.getRegs().gpr[6], sum);
  return { vm, cpu };
}

test("generated code is counted while it is there, and given back with its VM", () => {
  const before = page.codeBytes;
  const { vm, cpu } = runToEnd();
  const { codeBytes, regionsLive } = cpu.stats();
  assert.ok((regionsLive ?? 0) > 4 && (codeBytes ?? 0) > 0, JSON.stringify(cpu.stats()));
  assert.equal(page.codeBytes, before + (codeBytes ?? 0));
  cpu.close();
  vm.close();
  assert.equal(page.codeBytes, before);
});

test("over the budget the oldest code goes, and what there is no room for is interpreted", () => {
  const { codeLimit, codeBytes } = page;
  try {
    const roomy = runToEnd();
    const whole = roomy.cpu.stats()["codeBytes"] ?? 0;
    for (const part of [roomy.cpu, roomy.vm]) part.close();
    page.codeLimit = codeBytes + Math.floor(whole / 2);
    const tight = runToEnd();
    const stats = tight.cpu.stats();
    assert.ok((stats["regionsDropped"] ?? 0) > 0, JSON.stringify(stats));
    assert.ok(page.codeBytes <= page.codeLimit, `${page.codeBytes} of ${page.codeLimit}`);
    page.codeLimit = 0;
    // Another VM has all of it.
    page.accountCode(1);
    const none = runToEnd();
    assert.equal(none.cpu.stats()["regionsLive"], 0);
    page.accountCode(-1);
    for (const { vm, cpu } of [tight, none]) for (const part of [cpu, vm]) part.close();
    assert.equal(page.codeBytes, codeBytes);
  } finally {
    page.codeLimit = codeLimit;
  }
});

test("a guest whose code always goes again makes no table grow", () => {
  const { codeLimit, codeBytes } = page;
  try {
    // No room for more than some regions at a time, so that each round translates all loops anew.
    page.codeLimit = codeBytes + 4096;
    const rounds = 8;
    const text = `li 9, ${rounds}\nround: ${source.replace("li 3, 0x58", "addi 9, 9, -1\ncmpdi 9, 0\nbne round\nli 3, 0x58")}`;
    const { vm, cpu } = runToEnd(text, BigInt(rounds * loops) * 0x60000n);
    const { regions, regionSlots } = cpu.stats();
    assert.ok((regions ?? 0) > 130, JSON.stringify(cpu.stats()));
    // Places in the table that were ever taken: those of regions that are gone are taken again.
    assert.ok((regionSlots ?? 0) > 0 && (regionSlots ?? 0) <= 65, JSON.stringify(cpu.stats()));
    for (const part of [cpu, vm]) part.close();
  } finally {
    page.codeLimit = codeLimit;
  }
});

test("more regions live than the table has places for at first", () => {
  // Each is hot by itself while it runs, some ten samples: of those that alternate with 600 none would be.
  const [many, turns] = [600, 0x1_4000];
  // Each is reached by a computed jump alone, and so a region of its own.
  const functions = `lis 7, ${turns >> 16}\nori 7, 7, ${turns & 0xffff}\nmtctr 7\nm\0: addi 6, 6, 1\nbdnz m\0\nblr\n`;
  const size = 24;
  const text = `
    li 9, 2
    round: lis 10, 2
    li 11, ${many}
    next: mtctr 10
    bctrl
    addi 10, 10, ${size}
    addi 11, 11, -1
    cmpdi 11, 0
    bne next
    addi 9, 9, -1
    cmpdi 9, 0
    bne round
    li 3, 0x58
    sc 1
    .org 0x20000
    ${Array.from({ length: many }, (_, i) => functions.replaceAll("\0", String(i))).join("")}`;
  const { vm, cpu } = runToEnd(text, BigInt(2 * many * turns));
  const { regionsLive, modules } = cpu.stats();
  assert.ok((regionsLive ?? 0) > 512, JSON.stringify(cpu.stats()));
  assert.ok((modules ?? 0) < (regionsLive ?? 0) / 2, JSON.stringify(cpu.stats()));
  cpu.close();
  vm.close();
});

test("a loop longer than a region is translated once, in pieces", () => {
  const [length, turns] = [515, 100_000];
  const body = "addi 6, 6, 1\n".repeat(length);
  const text = `lis 7, ${turns >> 16}\nori 7, 7, ${turns & 0xffff}\nmtctr 7\nlong: ${body}bdnz long\nli 3, 0x58\nsc 1\n`;
  const { vm, cpu } = runToEnd(text, BigInt(length * turns));
  const { regions, translated, instructions } = cpu.stats();
  assert.ok((translated ?? 0) > (8 * (instructions ?? 0)) / 2, JSON.stringify(cpu.stats()));
  // Two pieces, and one of each more that was entered before the other was there.
  assert.ok((regions ?? 0) <= 4, JSON.stringify(cpu.stats()));
  cpu.close();
  vm.close();
});
