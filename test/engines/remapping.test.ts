/**
 * An effective address that comes to mean other code: calls to it must find the new, whoever remembers where the region of
 * the old began.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";
import { KernelImage, leaf, rights, start, valid } from "./kernel-image.test-support.js";

const processTable = 0x110000;
const caller = 0x160000;
const answer = 0x170000;
/** Tables of two processes, which map the callee to one function each. */
const trees = [
  { root: 0x120000, level1: 0x140000, level2: 0x142000, code: 0x200000 },
  { root: 0x130000, level1: 0x141000, level2: 0x143000, code: 0x400000 },
] as const;
const callee = 0x40000000;
/** Calls between two changes: enough to be translated. */
const calls = 3 << 16;

const page = (at: number) => valid | leaf | BigInt(at) | rights;

const changes = {
  "tlbie names the page": `
    ld 5,8(10)
    std 5,0(11)
    ptesync
    lis 4,${callee >>> 16}
    ori 4,4,0x20
    li 5,0
    tlbie 4,5,0,1,1
    eieio
    tlbsync
    ptesync
    isync`,
  "tlbie names everything": `
    ld 5,8(10)
    std 5,0(11)
    ptesync
    li 4,0xc00
    li 5,0
    tlbie 4,5,2,1,1
    eieio
    tlbsync
    ptesync
    isync`,
  "another process": `
    li 4,1
    mtspr 48,4
    isync`,
};

/** In order: calls, the change, calls, and what they made of r7. */
const program = (change: string) => `
    lis 10,${answer >>> 16}
    lis 11,${trees[0].level2 >>> 16}
    ori 11,11,${trees[0].level2 & 0xffff}
    lis 8,${callee >>> 16}
    li 7,0
    lis 9,${calls >>> 16}
    before: mtctr 8
    bctrl
    addi 9,9,-1
    cmpdi 9,0
    bgt before
    ${change}
    lis 9,${calls >>> 16}
    after: mtctr 8
    bctrl
    addi 9,9,-1
    cmpdi 9,0
    bgt after
    std 7,0(10)
    li 3,0x58
    sc 1
`;

function image(change: string): Uint8Array {
  const kernel = new KernelImage(trees[1].code + 0x1000);
  // A leaf of 1 GiB, one of 2 MiB.
  trees.forEach(({ root, level1, level2, code }, process) => {
    kernel.process(processTable, process, root);
    kernel.double(root, valid | BigInt(level1) | 9n);
    kernel.double(level1, page(0));
    kernel.double(level1 + 8 * (callee >>> 30), valid | BigInt(level2) | 9n);
    kernel.double(level2, page(code));
    kernel.text(code, `addi 7,7,${process === 0 ? 1 : 16}\nblr\n`);
  });
  kernel.double(answer + 8, page(trees[1].code));
  kernel.begin(processTable, caller, 0x30);
  kernel.text(caller, program(change));
  return kernel.bytes;
}

for (const [name, engine] of Object.entries(engines)) {
  for (const [kind, change] of Object.entries(changes)) {
    test(`calls find the code that their target means after a change: ${kind} (${name})`, () => {
      const machine = new Machine(engine(), false);
      machine.loadKernel(image(change), start, [[caller, ...trees.map(({ code }) => code)], []]);
      const memory = machine.runKernel(start, (why) => why);
      const view = new DataView(memory.buffer, memory.byteOffset + answer, 8);
      assert.equal(view.getBigUint64(0), BigInt(calls * (1 + 16)));
    });
  }
}
