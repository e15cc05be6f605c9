/** The comparison itself, where QEMU is known to err: its fault is recognised by its answer, whatever host it runs on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assembleWord } from "../../src/arch/powerpc/isa/assembler.js";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { compare } from "./compare.js";
import type { Case } from "./generate.js";
import { State } from "./record.js";

/** vrldmi v4, v5, v6 with these registers before; and the states after it in which v4 is one of the answers. */
function rotation(target: bigint, source: bigint, control: bigint) {
  const initial = new State();
  initial.setVsr(36, [target, target]);
  initial.setVsr(37, [source, source]);
  initial.setVsr(38, [control, control]);
  const one: Case = { mnemonic: "vrldmi", address: 0, words: [assembleWord("vrldmi v4, v5, v6")], initial };
  const after = (high: bigint, low: bigint) => {
    const state = initial.copy();
    state.setVsr(36, [high, low]);
    return state;
  };
  return { after, compare: (theirs: State, ours: State) => compare(one, theirs, ours, instructionSet()) };
}

for (const { what, control, right, wrong } of [
  { what: "bits 8 to 15", control: 0x08_0f_04n, right: 0x1123_1111_1111_1111n, wrong: 0x0023_0000_0000_0000n },
  { what: "around the end", control: 0x3c_03_00n, right: 0x0111_1111_1111_111fn, wrong: 0x0000_0000_0000_000fn },
]) {
  test(`QEMU's vrldmi is corrected where it lost the target: ${what}`, () => {
    const { after, compare } = rotation(0x1111_1111_1111_1111n, 0x0012_3456_789a_bcdfn, control);
    const good = after(right, right);
    const faulty = after(wrong, wrong);
    assert.deepEqual(compare(good, good), { found: [], setAside: new Set(), whole: false });
    const recognised = compare(faulty, good);
    assert.deepEqual(recognised.found, []);
    assert.equal(recognised.setAside.size, 1);
    // Agreement with a wrong answer is a mistake of ours, and QEMU's other answers are believed.
    assert.deepEqual(
      compare(faulty, faulty).found.map(({ register, expected }) => [register, expected]),
      [
        ["vs36.0", right],
        ["vs36.1", right],
      ],
    );
    assert.equal(compare(after(right, 5n), good).found.length, 1);
    assert.equal(compare(after(right, wrong), good).found.length, 0);
  });
}
