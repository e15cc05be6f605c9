import assert from "node:assert/strict";
import { test } from "node:test";
import type { X86CpuidEntry } from "../../../arch/x86/uapi.js";
import { VmmError } from "../../errors.js";
import { cpuidOf, modelCpuid } from "./cpu-models.js";

const entry = (leaf: number, words: Partial<X86CpuidEntry>): X86CpuidEntry => ({
  ...{ function: leaf, index: 0, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 },
  ...words,
});
const all = 0xffff_ffff;
const everything = [
  entry(1, { ebx: 0x10800, ecx: all }),
  entry(7, { ebx: all, ecx: all }),
  entry(0x80000001, { ecx: all }),
  entry(0xb, {}),
];
const word = (entries: readonly X86CpuidEntry[], leaf: number, output: "ebx" | "ecx"): number =>
  entries.find((one) => one.function === leaf)?.[output] ?? 0;

test("a level hides what the higher ones have, and nothing else", () => {
  const [v1, v2, v3] = [1, 2, 3].map((level) => modelCpuid(everything, `x86-64-v${level}`));
  assert.ok(v1 && v2 && v3);
  assert.equal(word(v1, 1, "ecx"), (all & ~0x76d8_3203) >>> 0);
  assert.equal(word(v2, 1, "ecx"), (all & ~0x3440_1000) >>> 0);
  assert.deepEqual(v3, everything);
  assert.equal(word(v1, 7, "ebx"), (all & ~0x200c_0128) >>> 0);
  assert.equal(word(v2, 7, "ecx"), (all & ~0x708) >>> 0);
  assert.deepEqual(
    [v1, v2, v3].map((one) => word(one, 0x80000001, "ecx") & 0x21),
    [0, 1, 0x21],
  );
  assert.equal(modelCpuid(everything, "max"), everything);
});

test("a level that KVM lacks something of is refused by what it lacks; so is one that there is not", () => {
  const lesser = everything.map((one) => (one.function === 1 ? { ...one, ecx: all & ~((1 << 13) | (1 << 28)) } : one));
  assert.ok(modelCpuid(lesser, "x86-64-v1"));
  const refused = (model: string, message: RegExp) =>
    assert.throws(
      () => modelCpuid(lesser, model),
      (error) => error instanceof VmmError && message.test(error.message),
    );
  refused("x86-64-v2", /no x86-64-v2: it lacks cx16$/);
  refused("x86-64-v3", /lacks cx16, avx$/);
  refused("x86-64-v4", /no CPU model "x86-64-v4"; it has max, x86-64-v1/);
});

test("processors say their number and how many there are", () => {
  const third = cpuidOf(everything, 2, 4);
  assert.equal(word(third, 1, "ebx"), 0x0204_0800);
  const topology = third.filter((one) => one.function === 0xb);
  assert.deepEqual(
    topology.map(({ index, eax, ebx, ecx, edx }) => [index, eax, ebx, ecx, edx]),
    [
      [0, 0, 1, 0x100, 2],
      [1, 2, 4, 0x201, 2],
      [2, 0, 0, 2, 2],
    ],
  );
  const edx = (cpus: number) => (cpuidOf(everything, 0, cpus)[0]?.edx ?? 0) >>> 28;
  assert.deepEqual([edx(1), edx(2)], [0, 1]);
});
