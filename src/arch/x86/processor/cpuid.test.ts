/** CPUID against the instructions that there are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "../isa/instruction-set.js";
import { omitted } from "../isa/omitted.js";
import { offeredFeatures, supportedCpuid } from "./cpuid.js";

test("a feature is offered if all its instructions are there, and not if one is left out", () => {
  const { forms } = instructionSet();
  for (const name of offeredFeatures) {
    const own = forms.filter(({ feature }) => feature === name);
    assert.ok(own.length > 0, `nothing is declared of ${name}`);
    assert.deepEqual(
      omitted.filter(({ feature }) => feature === name).map(({ mnemonic }) => mnemonic),
      [],
      `${name} is offered`,
    );
  }
});

test("protection keys are said with their component of XSAVE's, where its place is and how large areas are with it", () => {
  const entries = supportedCpuid();
  const said = (leaf: number, index: number) => {
    const one = entries.find((entry) => entry.function === leaf && entry.index === index);
    assert.ok(one, `CPUID 0x${leaf.toString(16)}, ${index}`);
    return [one.eax, one.ebx, one.ecx, one.edx];
  };
  assert.equal((said(7, 0)[2] ?? 0) & 8, 8);
  assert.deepEqual(said(0xd, 0), [0x207, 2696, 2696, 0]);
  assert.deepEqual(said(0xd, 1).slice(0, 2), [0xf, 840]);
  assert.deepEqual(said(0xd, 2), [256, 576, 0, 0]);
  assert.deepEqual(said(0xd, 9), [8, 2688, 0, 0]);
});

test("machine checks are said, whose banks IA32_MCG_CAP counts: there is none", () => {
  const one = supportedCpuid().find((entry) => entry.function === 1);
  assert.equal((one?.edx ?? 0) & 0x4080, 0x4080);
});
