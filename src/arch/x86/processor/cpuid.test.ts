/** CPUID against the instructions that there are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "../isa/instruction-set.js";
import { omitted } from "../isa/omitted.js";
import { offeredFeatures } from "./cpuid.js";

test("a feature is offered if all its instructions are there, and not if one is left out", () => {
  const { forms } = instructionSet();
  for (const name of offeredFeatures) {
    const own = forms.filter(({ feature }) => feature === name);
    assert.ok(own.length > 0, `nothing is declared of ${name}`);
    const unfinished = own.filter(({ definition }) => !definition.semantics).map(({ mnemonic }) => mnemonic);
    assert.deepEqual(unfinished, [], `${name} is offered`);
    assert.deepEqual(
      omitted.filter(({ feature }) => feature === name).map(({ mnemonic }) => mnemonic),
      [],
      `${name} is offered`,
    );
  }
});
