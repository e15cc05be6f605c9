/** Processors of an earlier version of the architecture do not have what a later one brought, on every engine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructions } from "../../src/arch/powerpc/isa/instructions.js";
import { levelOf } from "../../src/arch/powerpc/isa/levels.js";
import { expand, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { engines } from "../differential/engines.js";
import type { Case } from "../differential/generate.js";
import { Machine } from "../differential/machine.js";
import { State } from "../differential/record.js";

const address = 0x10000;
const illegal = 0x700;
const caseOf = ({ mnemonic, value, prefix }: Variant): Case => ({
  mnemonic,
  address,
  words: prefix ? [prefix.value, value] : [value],
  initial: new State(),
});
/** Moves of special purpose registers, which are no others where a register is not there. */
const variants = instructions.flatMap(expand).filter(({ mnemonic }) => !/^m[tf]spr$/.test(mnemonic));

for (const [name, load] of Object.entries(engines)) {
  for (const [level, above] of [
    ["2.07", ["3.0", "3.1"]],
    ["3.0", ["3.1"]],
  ] as const) {
    test(`${name}: what is newer than v${level} is illegal there, and nothing else became it`, () => {
      const machine = new Machine(load(), true, level);
      const vector = (variant: Variant): number => {
        const one = caseOf(variant);
        machine.prepare([one]);
        return machine.vectorWithout(one, []);
      };
      const newer = variants.filter(({ definition }) => above.some((one) => one === levelOf(definition)));
      assert.deepEqual(
        newer.filter((variant) => vector(variant) !== illegal).map(({ mnemonic }) => mnemonic),
        [],
      );
      assert.equal(newer.length > (level === "2.07" ? 200 : -1), true, `${newer.length} newer`);
      const older = variants.filter(({ mnemonic }) => /^(add|lxvd2x|xxlor|vaddudm|vpermxor|mulld)$/.test(mnemonic));
      assert.equal(older.length, 6);
      assert.deepEqual(
        older.filter((variant) => vector(variant) === illegal).map(({ mnemonic }) => mnemonic),
        [],
      );
    });
  }
}
