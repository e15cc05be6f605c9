/**
 * The same code through pages of different sizes: what was translated where 64 KiB lie together must not run where only its
 * 4 KiB are mapped, at another distance from the 64 KiB's start.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";

const start = 0x100000;
const [processTable, root, level1, level2, level3] = [0x110000, 0x120000, 0x130000, 0x140000, 0x150000] as const;
const code = 0x163000;
const answer = 0x170000;
/** Code that ends without an answer, mapped where the 64 KiB translation would go on. */
const astray = 0x171000;
/** Where the 4 KiB at `code` are mapped. */
const alias = 0x40007000;

const valid = 1n << 63n;
const leaf = 1n << 62n;
const rights = 0x18fn;

function image(): Uint8Array {
  const bytes = new Uint8Array(astray + 0x1000 - start);
  const view = new DataView(bytes.buffer);
  const double = (at: number, value: bigint) => view.setBigUint64(at - start, value);
  const text = (at: number, source: string) =>
    bytes.set(assemble(source, { littleEndian: false, origin: BigInt(at) }).bytes, at - start);
  // Power ISA v3.0B, Book III "Radix Tree Translation": levels of 13, 9, 9, and 9 bits.
  double(processTable, (2n << 61n) | (5n << 5n) | BigInt(root) | 13n);
  double(root + 8 * ((alias / 2 ** 39) | 0), valid | BigInt(level1) | 9n);
  double(level1 + 8 * ((alias >>> 30) & 511), valid | BigInt(level2) | 9n);
  double(level2 + 8 * ((alias >>> 21) & 511), valid | BigInt(level3) | 9n);
  double(level3 + 8 * ((alias >>> 12) & 511), valid | leaf | BigInt(code) | rights);
  const beside = (alias & ~0xffff) | (code & 0xffff);
  double(level3 + 8 * ((beside >>> 12) & 511), valid | leaf | BigInt(astray) | rights);
  text(astray, "li 3,0x58\nsc 1\n".repeat(512));
  text(
    start,
    `
    li 3,0x37c
    li 4,0
    lis 5,${processTable >>> 16}
    li 6,0
    li 7,4
    sc 1
    lis 4,${alias >>> 16}
    ori 4,4,${alias & 0xffff}
    mtspr 26,4
    mfmsr 5
    ori 5,5,0x20
    mtspr 27,5
    rfid
    `,
  );
  text(code, `bcl 20,31,.+4\nmflr 4\nlis 5,${answer >>> 16}\nstd 4,0(5)\nli 3,0x58\nsc 1\n`);
  return bytes;
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
