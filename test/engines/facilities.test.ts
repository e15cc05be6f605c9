/** MSR[FP], [VEC] and [VSX]: which unavailable interrupt each instruction raises, on every engine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { encodeField, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { engines } from "../differential/engines.js";
import type { Case } from "../differential/generate.js";
import { Machine } from "../differential/machine.js";
import { State } from "../differential/record.js";

type Facility = "FP" | "VEC" | "VSX";
const vectors: Readonly<Record<Facility, number>> = { FP: 0x800, VEC: 0xf20, VSX: 0xf40 };

/** Power ISA v3.0B: the first lines of each instruction's description, by the number of its VSR. */
function needed(mnemonic: string, vsr: number): Facility | undefined {
  const high = vsr >= 32;
  if (/^m[tf]vsr(d|wa|wz)$/.test(mnemonic)) return high ? "VEC" : "FP";
  if (/^(p?lxvx?|lxvll?|lxvwsx|p?stxvx?|stxvll?|mfvsrld|mtvsr(dd|ws)|xxspltib)$/.test(mnemonic))
    return high ? "VEC" : "VSX";
  if (/^p?(lx|stx)(sd|ssp)$|^m[tf]vscr$|^st?v[a-z]|^v|^(lv|stv)/.test(mnemonic)) return "VEC";
  if (/^(x[sxv]|pmx|p?lx|p?stx)/.test(mnemonic)) return "VSX";
  if (/^(f|p?lf|p?stf|mff|mtf|mcrfs)/.test(mnemonic)) return "FP";
  return undefined;
}

/** The instruction's words with distinct registers, `vsr` where it names the VSR that decides. */
function wordsOf(variant: Variant, vsr: number): readonly number[] {
  let bits = variant.value;
  Object.entries(variant.fields).forEach(([name, field], i) => {
    const number = /^x[ts]$/.test(name) ? vsr : /^(ra|rb|rt|rs)$/.test(name) ? 3 + i : 0;
    if (number !== 0) bits |= encodeField(field, number);
  });
  return variant.prefix ? [variant.prefix.value, bits >>> 0] : [bits >>> 0];
}

const address = 0x10000;
const caseOf = (variant: Variant, vsr: number): Case => ({
  mnemonic: variant.mnemonic,
  address,
  words: wordsOf(variant, vsr),
  initial: new State(),
});

for (const [name, load] of Object.entries(engines)) {
  test(`${name}: a disabled facility raises its own interrupt and no other`, () => {
    const machine = new Machine(load(), true, "3.1");
    const problems: string[] = [];
    let tried = 0;
    for (const { variant } of instructionSet().variants) {
      for (const vsr of [6, 38]) {
        const facility = needed(variant.mnemonic, vsr);
        if (!facility) continue;
        tried++;
        const one = caseOf(variant, vsr);
        machine.prepare([one]);
        const all = Object.keys(vectors) as Facility[];
        const vector = machine.vectorWithout(one, [facility]);
        if (vector !== vectors[facility]) {
          problems.push(`${variant.mnemonic} (VSR ${vsr}) without ${facility}: 0x${vector.toString(16)}`);
        }
        const others = machine.vectorWithout(
          one,
          all.filter((f) => f !== facility),
        );
        if (Object.values(vectors).includes(others)) {
          problems.push(`${variant.mnemonic} (VSR ${vsr}) with ${facility} alone: 0x${others.toString(16)}`);
        }
      }
    }
    assert.deepEqual(problems, []);
    assert.ok(tried > 600, `${tried} tried`);
  });
}
