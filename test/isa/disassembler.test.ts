/** The disassembler and the assembler against GNU objdump, on random words of every declared instruction. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { disassemble } from "../../src/arch/powerpc/isa/disassembler.js";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { levelOf } from "../../src/arch/powerpc/isa/levels.js";
import { encodeField, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { Random } from "../differential/random.js";
import { missing } from "../oracles/oracles.js";
import { objdumpDepartures } from "./departures.js";
import { distance, normalise, objdump } from "./objdump.js";

const wordsPerVariant = 24;
/** BO values that the ISA defines; binutils has its own opinion of the others. */
const validBo = [0, 2, 4, 6, 7, 8, 10, 12, 14, 15, 16, 18, 20, 24, 25, 26, 27];

function randomWords(variant: Variant, random: Random): readonly number[] {
  let word = variant.value;
  let prefix = variant.prefix?.value ?? 0;
  // With R, RA is 0.
  const relative = "r" in variant.fields && variant.prefix !== undefined && random.chance(0.5);
  // bcctr does not count; a BO that looks at no CR bit wants BI 0.
  const bo = random.pick(variant.mnemonic.startsWith("bcctr") ? validBo.filter((b) => (b & 4) !== 0) : validBo);
  for (const [name, field] of Object.entries(variant.fields)) {
    if (name === "bo") word |= encodeField(field, bo);
    else if (name === "bi" && (bo & 16) !== 0) continue;
    else if (name === "bh" || name === "suffix") continue;
    else if (name === "fxm" && (variant.mask & 0x100000) !== 0) word |= encodeField(field, 1 << random.below(8));
    else if (name === "target" && variant.flags["aa"]) word |= encodeField(field, random.below(1 << 13) * 4);
    else if (variant.prefix && name === "r") prefix |= encodeField(field, relative ? 1 : 0, "prefix");
    else if (relative && name === "ra") continue;
    else {
      for (const { shift, width } of field.pieces) {
        const part = random.u32() & (2 ** width - 1);
        if (shift < 32) word |= part << shift;
        else prefix |= part << (shift - 32);
      }
    }
  }
  return variant.prefix ? [prefix >>> 0, word >>> 0] : [word >>> 0];
}

/** binutils has a newer name for what works on accumulators; the architecture, and compilers, this one. */
const older = (text: string): string =>
  text.replace(/^(pm)?dm(?=xv)/, "$1").replace(/^dm(?:xx)?(setaccz|m[ft]acc)/, "xx$1");

/** Operands of 0 at the end may be left out; and the mnemonics where we and binutils print a default differently. */
function comparable(text: string): string {
  return normalise(text)
    .replace(/^(sync|wait|slbia) 0$/, "$1")
    .replace(/^(hwsync|sync 2)$/, (other) => (other === "hwsync" ? "sync" : "ptesync"))
    .replace(/^dcbf (\d+),(\d+),3$/, "dcbflp $1,$2")
    .replace(/^dcbf (\d+),(\d+),6$/, "dcbstps $1,$2")
    .replace(/^m([ft])(xer|lr|ctr) (\d+)$/, (_, way: string, name: string, r: string) => {
      const number = { xer: 1, lr: 8, ctr: 9 }[name];
      return way === "f" ? `mfspr ${r},${number}` : `mtspr ${number},${r}`;
    })
    .replace(/^(bc\w*|l[bhwd]arx|darn|[a-z.]+) (.*?)(,0)+$/, "$1 $2")
    .replace(/^(mfcr \d+),-1$/, "$1")
    .replace(/^(stswi|lswi) (\d+),(\d+),32$/, "$1 $2,$3");
}

test("every instruction disassembles as objdump prints it, and assembles back", { skip: missing("objdump") }, () => {
  const random = new Random(1);
  const drawn = instructionSet().variants.flatMap(({ variant }) =>
    Array.from({ length: wordsPerVariant }, () => ({ variant, words: randomWords(variant, random) })),
  );
  const all = drawn.map((d) => d.words);
  const problems: string[] = [];
  const agreed = new Set<string>();
  for (const raw of [true, false]) {
    const theirs = objdump(all, raw);
    assert.equal(theirs.length, all.length);
    // What v3.1 brought, as objdump has it for a Power10; of older words it prints operands that v3.1 added.
    objdump(all, raw, "power10").forEach((text, i) => {
      if (levelOf((drawn[i] as { variant: Variant }).variant.definition) === "3.1") theirs[i] = text;
    });
    drawn.forEach(({ variant, words }, i) => {
      const [word = 0, suffix] = words;
      const shown = words.map((one) => one.toString(16)).join(" ");
      const address = BigInt(distance * i);
      const expected = older(theirs[i] as string);
      // Forms that the ISA calls invalid (an update of r0, say) are data to objdump.
      if (expected.startsWith(".long")) return;
      const ours = disassemble(word, { address, aliases: !raw, ...(suffix === undefined ? {} : { suffix }) });
      if (comparable(ours) === comparable(expected)) agreed.add(variant.mnemonic);
      else if (!(variant.mnemonic in objdumpDepartures))
        problems.push(`${shown}: ours "${ours}", objdump "${expected}"`);
      for (const text of [ours, expected]) {
        if (text === expected && (raw || variant.mnemonic in objdumpDepartures)) continue;
        try {
          const { bytes } = assemble(text, { origin: address, littleEndian: false });
          const back = Buffer.from(bytes).toString("hex");
          const forth = words.map((one) => one.toString(16).padStart(8, "0")).join("");
          if (back !== forth) problems.push(`"${text}" (${shown}) assembles to ${back}`);
        } catch (error) {
          problems.push(`"${text}" (${shown}): ${error instanceof Error ? error.message : error}`);
        }
      }
    });
  }
  for (const { variant } of instructionSet().variants) {
    if (!agreed.has(variant.mnemonic) && !(variant.mnemonic in objdumpDepartures)) {
      problems.push(`${variant.mnemonic}: no word on which objdump agrees`);
    }
  }
  assert.deepEqual([...new Set(problems)].slice(0, 400), []);
});
