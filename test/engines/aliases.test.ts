/**
 * The same code through pages of different sizes: what was translated where 64 KiB lie together must not run where only its
 * 4 KiB are mapped, at another distance from the 64 KiB's start.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";
import { KernelImage, leaf, rights, start, valid } from "./kernel-image.test-support.js";

const [processTable, root, level1, level2, level3] = [0x110000, 0x120000, 0x130000, 0x140000, 0x150000] as const;
const code = 0x163000;
const answer = 0x170000;
/** Code that ends without an answer, mapped where the 64 KiB translation would go on. */
const astray = 0x171000;
/** Where the 4 KiB at `code` are mapped. */
const alias = 0x40007000;

function image(): Uint8Array {
  const kernel = new KernelImage(astray + 0x1000);
  kernel.process(processTable, 0, root);
  kernel.double(root + 8 * ((alias / 2 ** 39) | 0), valid | BigInt(level1) | 9n);
  kernel.double(level1 + 8 * ((alias >>> 30) & 511), valid | BigInt(level2) | 9n);
  kernel.double(level2 + 8 * ((alias >>> 21) & 511), valid | BigInt(level3) | 9n);
  kernel.double(level3 + 8 * ((alias >>> 12) & 511), valid | leaf | BigInt(code) | rights);
  const beside = (alias & ~0xffff) | (code & 0xffff);
  kernel.double(level3 + 8 * ((beside >>> 12) & 511), valid | leaf | BigInt(astray) | rights);
  kernel.text(astray, "li 3,0x58\nsc 1\n".repeat(512));
  kernel.begin(processTable, alias, 0x20);
  kernel.text(code, `bcl 20,31,.+4\nmflr 4\nlis 5,${answer >>> 16}\nstd 4,0(5)\nli 3,0x58\nsc 1\n`);
  return kernel.bytes;
}

for (const [name, engine] of Object.entries(engines)) {
  test(`code known by 64 KiB runs where only its 4 KiB are mapped (${name})`, () => {
    const machine = new Machine(engine(), false);
    // Translated in real mode, whose pages are large.
    machine.loadKernel(image(), start, [[code], []]);
    const memory = machine.runKernel(start, (why) => why);
    const view = new DataView(memory.buffer, memory.byteOffset + answer, 8);
    assert.equal(view.getBigUint64(0).toString(16), (alias + 4).toString(16));
  });
}
