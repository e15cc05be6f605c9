/**
 * Random x86 programs - loops, branches, calls, flags that go from one instruction to a later one - against the processor
 * itself: stepped, in the core, translated at their beginning and everywhere. UNIKVM_SEED draws others, UNIKVM_DRAWS more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { registerName } from "../../../src/arch/x86/isa/registers.js";
import { Random } from "../../differential/random.js";
import { base, extent, X86Machine } from "./machine.js";
import { type Case, complaint, dataAt, dataSize, type Found, native } from "./native.js";
import { type Program, program } from "./random-program.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_128);
const count = 24 * Number(process.env["UNIKVM_DRAWS"] ?? 1);
const skip = complaint() ?? false;

/** AF after logic and shifts is undefined, and no program here looks at it. */
const compared = 0x8c5n;

function sumOf(image: Uint8Array): number {
  let sum = 0;
  for (const word of new Uint32Array(image.buffer)) sum = Math.imul(sum ^ word, 16777619);
  return sum >>> 0;
}

test("programs do what they do on the processor, stepped, in the core and translated", { skip }, () => {
  const drawn = Array.from({ length: count }, (_, n): Case & Program => {
    const random = new Random(seed + n);
    const word = () => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
    // Over the end of a page.
    const pc = base + 0x4f80n + BigInt(random.below(0x80));
    const { code, places } = program(random, pc, 64);
    const general = Array.from({ length: 16 }, () => word() >> BigInt(random.below(64)));
    general[8] = dataAt + 0x1c0n;
    general[4] = dataAt + 0x300n;
    const data = Uint8Array.from({ length: dataSize }, () => random.below(256));
    return { code, places, pc, general, flags: (word() & compared) | 0x202n, data, program: true };
  });
  const judged = native(drawn);
  const wrong: string[] = [];
  const machine = new X86Machine();
  drawn.forEach((one, n) => {
    const theirs = judged[n] as Found;
    const image = new Uint8Array(extent).fill(0xcc);
    image.set(one.code, Number(one.pc - base));
    image.set(one.data, Number(dataAt - base));
    const run = (way: string, prepare: (m: X86Machine) => void, step = false) => {
      machine.image = image;
      machine.registers = one;
      prepare(machine);
      const ours = machine.run(one.pc, step, true);
      const said = ours.general.flatMap((value, i) =>
        value === theirs.general[i]
          ? []
          : [`${registerName(i, 64)} ${theirs.general[i]?.toString(16)}, here ${value.toString(16)}`],
      );
      if (theirs.vector !== ours.vector || theirs.pc !== ours.pc)
        said.push(`end ${theirs.pc.toString(16)}, here ${ours.pc.toString(16)}`);
      if (((theirs.flags ^ ours.flags) & compared) !== 0n)
        said.push(`flags ${theirs.flags.toString(16)}, here ${ours.flags.toString(16)}`);
      if (sumOf(machine.image) !== theirs.sum) said.push("memory");
      if (said.length > 0) wrong.push(`UNIKVM_SEED=${seed + n} ${way}: ${said.join("; ")}`);
    };
    run("stepped", () => {}, true);
    run("core", () => {});
    run("translated at its beginning", (m) => m.translate([one.pc]));
    run("translated everywhere", (m) => m.translate(one.places.map((place) => one.pc + BigInt(place))));
  });
  assert.deepEqual(wrong.slice(0, 8), []);
  assert.ok(machine.regionRuns > count);
});
