/**
 * dcbz over and over, as a kernel clears pages: what the engines do in line must clear the block that the address lies in and
 * nothing else. The expected sums come from a model in TypeScript.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";
import { Random } from "../differential/random.js";
import { offsets, State } from "../differential/record.js";

const origin = 0x100000;
/** Where it clears: in the middle of the record's memory, over several pages of 4 KiB. */
const base = 0x80000;
const doublewords = 2048;

/** Fills, clears r5 times the block at (r6 + offset) with the offset stepping by r7, then sums what is left by its place. */
const program = (littleEndian: boolean) =>
  assemble(
    [
      `li 8,${doublewords}`,
      "mtctr 8",
      "addi 9,6,-8",
      "li 10,1",
      "fill: stdu 10,8(9)",
      "bdnz fill",
      "mtctr 5",
      "li 11,0",
      "clear: dcbz 6,11",
      "add 11,11,7",
      `rldicl 11,11,0,${64 - 14}`,
      "bdnz clear",
      `li 8,${doublewords}`,
      "mtctr 8",
      "addi 9,6,-8",
      "li 3,0",
      "li 4,0",
      "sum: ldu 10,8(9)",
      "mulld 12,10,8",
      "addi 8,8,-1",
      "add 3,3,12",
      "add 4,4,10",
      "bdnz sum",
      "nop",
      "",
    ].join("\n"),
    { littleEndian, origin: BigInt(origin) },
  );

function expected(times: number, step: number): { weighted: number; count: number } {
  const kept = new Uint8Array(doublewords).fill(1);
  let offset = 0;
  for (let i = 0; i < times; i++) {
    kept.fill(0, (offset >> 7) * 16, ((offset >> 7) + 1) * 16);
    offset = (offset + step) % (doublewords * 8);
  }
  let weighted = 0;
  let count = 0;
  kept.forEach((one, i) => {
    weighted += one * (doublewords - i);
    count += one;
  });
  return { weighted, count };
}

for (const [name, load] of Object.entries(engines)) {
  for (const littleEndian of [true, false]) {
    test(`dcbz clears its block and no more: ${name}, ${littleEndian ? "little" : "big"}-endian`, () => {
      const seed = Number(process.env.UNIKVM_SEED ?? Date.now() % 2 ** 31);
      console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
      const random = new Random(seed);
      const machine = new Machine(load(), littleEndian);
      const bytes = program(littleEndian).bytes;
      const view = new DataView(bytes.slice().buffer);
      const words = Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, littleEndian));
      for (let n = 0; n < 60; n++) {
        const times = 1 + random.below(n < 50 ? 100 : 3000);
        const step = random.below(4096);
        const initial = new State();
        initial.set(offsets.gpr + 8 * 5, BigInt(times));
        initial.set(offsets.gpr + 8 * 6, BigInt(base));
        initial.set(offsets.gpr + 8 * 7, BigInt(step));
        const one = { mnemonic: "dcbz", address: origin, words, initial };
        machine.prepare([one]);
        const after = machine.run(one);
        const { weighted, count } = expected(times, step);
        const shown = `seed ${seed}, ${times} times by ${step}`;
        assert.equal(after.get(offsets.gpr + 8 * 3), BigInt(weighted), shown);
        assert.equal(after.get(offsets.gpr + 8 * 4), BigInt(count), shown);
      }
    });
  }
}
