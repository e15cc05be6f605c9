/** Which processor has which instruction: binutils is the judge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructions } from "../../src/arch/powerpc/isa/instructions.js";
import { type IsaLevel, levelOf, unknownNames } from "../../src/arch/powerpc/isa/levels.js";
import { expand, fieldMask } from "../../src/arch/powerpc/isa/pattern.js";
import { Random } from "../differential/random.js";
import { missing } from "../oracles/oracles.js";
import { objdump, type Processor } from "./objdump.js";

test("what levels.ts names is declared", () => {
  assert.deepEqual(unknownNames(new Set(instructions.map(({ name }) => name))), []);
});

/** What binutils knows by another name or form only, whatever the processor; wait and vabsdu* it knows of others' first. */
const otherwise = /^(mtocrf|mfocrf|rnop\d+|lfdpx?|stfdpx?|mftb|mfspr|mtspr|wait|vabsdu[bhw])$/;

test("an instruction is of the version of which objdump first knows it", { skip: missing("objdump") }, () => {
  const random = new Random(3);
  const variants = instructions.flatMap(expand).filter(({ mnemonic }) => !otherwise.test(mnemonic));
  const draws = 8;
  const words = variants.flatMap(({ fields, value, prefix }) => {
    const open = Object.values(fields).reduce((bits, field) => bits | fieldMask(field), 0);
    // The first with all operands 0: others may be invalid forms. Prefixes only so.
    return Array.from({ length: draws }, (_, i) => [
      ...(prefix ? [prefix.value] : []),
      i === 0 ? value : (value | (random.u32() & open)) >>> 0,
    ]);
  });
  const processors: readonly (readonly [IsaLevel, Processor])[] = [
    ["2.07", "power8"],
    ["3.0", "power9"],
    ["3.1", "power10"],
  ];
  const knows = processors.map(([, processor]) =>
    objdump(words, true, processor).map((text) => !text.startsWith(".long")),
  );
  const wrong: string[] = [];
  variants.forEach((variant, v) => {
    const first = processors.find((_, p) => knows[p]?.slice(v * draws, (v + 1) * draws).some(Boolean))?.[0];
    const declared = levelOf(variant.definition);
    if (first !== declared) wrong.push(`${variant.mnemonic}: declared ${declared}, objdump ${first}`);
  });
  assert.deepEqual(wrong, []);
});
