/**
 * Repeated strings do many elements at once where they can: against a model that does one after the other, with overlaps, both
 * directions, ends of pages, pages that are missing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { random as randomOf } from "../../../src/vfio/random.test-support.js";
import { base, extent, X86Machine } from "./machine.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? Date.now() % 1e9);
const draws = Number(process.env["UNIKVM_DRAWS"] ?? 60);
const code = base + 0x8000n;
const names = { 1: "byte", 2: "word", 4: "dword", 8: "qword" } as const;
type Size = keyof typeof names;

interface Case {
  readonly copies: boolean;
  readonly size: Size;
  readonly from: bigint;
  readonly to: bigint;
  readonly count: bigint;
  readonly back: boolean;
  readonly value: bigint;
}

/** What the processor's manual says: an element, then the next. It stops at the first that is not there. */
function model({ copies, size, from, to, count, back, value }: Case, image: Uint8Array) {
  const view = new DataView(image.buffer);
  const step = back ? -BigInt(size) : BigInt(size);
  const there = (at: bigint) => at >= base && at + BigInt(size) <= base + BigInt(extent);
  const load = (at: bigint) =>
    Array.from({ length: size }, (_, i) => BigInt(view.getUint8(Number(at - base) + i)) << BigInt(8 * i)).reduce(
      (a, b) => a | b,
    );
  let [si, di, left, faulted] = [from, to, count, false];
  while (left > 0n) {
    if ((copies && !there(si)) || !there(di)) {
      faulted = true;
      break;
    }
    const element = copies ? load(si) : value;
    for (let i = 0; i < size; i++) view.setUint8(Number(di - base) + i, Number((element >> BigInt(8 * i)) & 0xffn));
    if (copies) si += step;
    di += step;
    left--;
  }
  return { si, di, left, faulted };
}

for (const [bits, translated] of [64, 32].flatMap((bits) => [false, true].map((way) => [bits, way] as const))) {
  const how = `${bits}-bit rep movs and stos, ${translated ? "translated" : "interpreted"},`;
  test(`${how} are one element after the other`, () => {
    console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
    const random = randomOf(seed);
    let faults = 0;
    for (let draw = 0; draw < draws; draw++) {
      const copies = random(3) > 0;
      const size = ([1, 2, 4, 8] as const)[random(bits === 64 ? 4 : 3)] as Size;
      const back = random(4) === 0;
      const count = BigInt([random(20), random(700), random(6000)][random(3)] as number);
      const place = () => base + BigInt(random(2) ? random(0x7000) : 0x9000 + random(extent - 0x9000));
      const from = place();
      // Often near: behind by less than an element, by some, before.
      const near = from + BigInt([random(9), random(64), -random(64), 4096 + random(9)][random(4)] as number);
      const one: Case = {
        ...{ copies, size, from, back, count },
        to: random(2) ? near : place(),
        value: random(2) ? 0n : BigInt(random(2 ** 31)) * 0x1_0000_0001n,
      };
      // The code stays whole.
      const span = count * BigInt(size);
      const touches = (at: bigint) => (back ? at - span : at) < code + 0x1000n && (back ? at + 8n : at + span) > code;
      if (touches(one.to)) continue;
      const machine = new X86Machine(bits === 64 ? "64" : "32");
      const [di, si] = bits === 64 ? ["rdi", "rsi"] : ["edi", "esi"];
      const image = Uint8Array.from({ length: extent }, () => random(256));
      const lines = [
        back ? "std" : "cld",
        copies
          ? `rep movs ${names[size]} ptr es:[${di}], ${names[size]} ptr [${si}]`
          : `rep stos ${names[size]} ptr es:[${di}], ${{ 1: "al", 2: "ax", 4: "eax", 8: "rax" }[size]}`,
        "ud2",
      ];
      let at = code;
      for (const line of lines) {
        const bytes = assemble(line, bits === 64 ? 64 : 32, at);
        image.set(bytes, Number(at - base));
        at += BigInt(bytes.length);
      }
      machine.image = image;
      const general = Array.from({ length: 16 }, () => 0n);
      Object.assign(general, { 0: one.value, 1: count, 4: base + 0x100n, 6: one.from, 7: one.to });
      machine.registers = { general, flags: 0x202n };
      if (translated) machine.translate([code]);
      const outcome = machine.run(code, false, true);
      const expected = model(one, image);
      const what = `draw ${draw}: ${lines[1]} ${back ? "down" : "up"}, ${JSON.stringify(one, (_, v) => (typeof v === "bigint" ? `0x${v.toString(16)}` : v))}`;
      assert.equal(outcome.vector, expected.faulted ? 14 : 6, what);
      assert.deepEqual(
        [outcome.general[1], outcome.general[6], outcome.general[7]],
        [expected.left, expected.si, expected.di],
        what,
      );
      assert.ok(Buffer.from(machine.image).equals(Buffer.from(image)), what);
      if (translated) assert.ok(machine.regionRuns > 0);
      if (expected.faulted) faults++;
    }
    assert.ok(faults > 0, "some end at a page that is not there");
  });
}
