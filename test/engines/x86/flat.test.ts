/**
 * Every x86 instruction of 32-bit code in flat segments - stepped, in the core, translated - against the general interpreter, whose
 * judge is QEMU (general.test.ts): a segment that is not flat makes it run the same code. UNIKVM_SEED draws other cases, UNIKVM_DRAWS
 * more, UNIKVM_ONLY those of instructions whose names match.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble, isThere } from "../../../src/arch/x86/isa/assembler.js";
import { disassemble } from "../../../src/arch/x86/isa/disassembler.js";
import { instructionSet } from "../../../src/arch/x86/isa/instruction-set.js";
import { Random } from "../../differential/random.js";
import { type Drawn, draw, gsBase, placeOf } from "./draw.js";
import { base, extent, type Outcome, X86Machine } from "./machine.js";
import { dataAt, dataSize } from "./native.js";
import { Access } from "./processor.js";
import { program } from "./random-program.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_129);
const draws = Number(process.env["UNIKVM_DRAWS"] ?? 1);
const only = new RegExp(process.env["UNIKVM_ONLY"] ?? "");
/** What is another number each time, or is the user side's. */
const left: ReadonlySet<string> = new Set(["rdtsc", "rdtscp", "rdrand", "rdseed", "vmcall", "vmmcall"]);

/** What FS and GS are: flat, with a limit, read only, none. */
const kinds = [
  { limit: -1, access: Access.data | Access.user },
  { limit: 0xfff, access: Access.data | Access.user },
  { limit: -1, access: (Access.data | Access.user) & ~2 },
  { limit: 0, access: 0 },
] as const;

interface Case extends Drawn {
  readonly segment: (typeof kinds)[number];
}

/** Each handler's cases; of vectors and floating point, which have handlers for all modes, each form's. */
function cases(random: Random): Case[] {
  const out: Case[] = [];
  for (const form of instructionSet().forms) {
    const { definition, feature, mnemonic } = form;
    if (!definition.semantics || !isThere(form, 32) || !only.test(mnemonic) || left.has(definition.name)) continue;
    const drawn = new Map<string, number>();
    for (let n = 0; n < 40 * draws; n++) {
      const one = draw(random, form, placeOf(out.length), 32);
      if (!one) continue;
      const kind = feature === undefined ? one.kind : "";
      const had = drawn.get(kind) ?? 0;
      if (had >= draws) continue;
      drawn.set(kind, had + 1);
      const segment = kinds[random.below(2) ? 0 : random.below(kinds.length)] as Case["segment"];
      out.push({ ...one, segment });
    }
  }
  return out;
}

interface Result extends Outcome {
  readonly image: Uint8Array;
  readonly faultAddress: bigint;
}

const hex = (value: bigint | number) => value.toString(16);

function difference(a: Result, b: Result): string | undefined {
  const said: string[] = [];
  const compare = (name: string, x: bigint | number, y: bigint | number) => {
    if (x !== y) said.push(`${name} ${hex(x)}, flat ${hex(y)}`);
  };
  compare("exception", a.vector, b.vector);
  compare("eip", a.pc, b.pc);
  a.general.forEach((value, i) => compare(`register ${i}`, value, b.general[i] as bigint));
  compare("flags", a.flags, b.flags);
  if (a.vector === 14) compare("cr2", a.faultAddress, b.faultAddress);
  if (Buffer.compare(a.floating, b.floating) !== 0) said.push("x87 or SSE");
  if (Buffer.compare(a.image, b.image) !== 0) said.push("memory");
  return said.length === 0 ? undefined : said.join("; ");
}

test("32-bit code in flat segments does what it does in others, stepped, in the core and translated", (t) => {
  const all = cases(new Random(seed));
  const blank = new Uint8Array(extent).fill(0xcc);
  const wrong = new Map<string, string>();
  const vectors = new Map<number, number>();
  let regionRuns = 0;
  const begin = () => ({ general: new X86Machine("32 in segments"), flat: new X86Machine("32") });
  let machines = begin();
  const run = (machine: X86Machine, one: Case, image: Uint8Array, step: boolean, translate: boolean): Result => {
    machine.image = image;
    machine.registers = one;
    machine.setBase(5, gsBase);
    machine.setBase(4, 0n);
    for (const segment of [4, 5]) machine.setLimit(segment, one.segment.limit, one.segment.access);
    if (translate) machine.translate([one.pc]);
    const outcome = machine.run(one.pc, step);
    return { ...outcome, image: machine.image, faultAddress: machine.faultAddress };
  };
  for (const [i, one] of all.entries()) {
    if (i % 2900 === 2899) {
      regionRuns += machines.flat.regionRuns;
      assert.equal(machines.general.regionRuns, 0, "what is not flat is not translated");
      machines = begin();
    }
    const image = blank.slice();
    image.set(one.code, Number(one.pc - base));
    image.set(one.data, Number(dataAt - base));
    const whole = run(machines.general, one, image, false, true);
    const single = run(machines.general, one, image, true, false);
    vectors.set(whole.vector, (vectors.get(whole.vector) ?? 0) + 1);
    for (const way of ["stepped", "core", "translated"] as const) {
      const found = run(machines.flat, one, image, way === "stepped", way === "translated");
      const said = difference(way === "stepped" ? single : whole, found);
      const key = `${way} ${one.form.definition.name}`;
      if (!said || wrong.has(key)) continue;
      const read = disassemble(one.code, 32, one.pc);
      const text = typeof read === "string" ? read : read.text;
      const bytes = one.code.slice(0, one.length).map((byte) => byte.toString(16).padStart(2, "0"));
      wrong.set(
        key,
        `${way}: ${bytes.join(" ")} ${text} at ${hex(one.pc)}, flags ${hex(one.flags)}, registers ${one.general.map(hex).join(" ")}, limit of FS and GS ${hex(one.segment.limit)}: ${said}`,
      );
    }
  }
  regionRuns += machines.flat.regionRuns;
  const ends = [...vectors].map(([vector, count]) => `${vector}: ${count}`).join(", ");
  t.diagnostic(
    `${all.length} cases, ${regionRuns} ran translated, by exception (-1 none) ${ends}; UNIKVM_SEED=${seed}`,
  );
  assert.deepEqual([...wrong.values()], [], `UNIKVM_SEED=${seed}`);
  if (only.source === "(?:)") assert.ok(regionRuns > all.length / 4, `${regionRuns} of ${all.length} ran translated`);
});

test("random programs of 32 bits in flat segments do what they do in others", () => {
  const count = 24 * draws;
  const machines = { general: new X86Machine("32 in segments"), flat: new X86Machine("32") };
  const wrong: string[] = [];
  for (let n = 0; n < count; n++) {
    const random = new Random(seed + n);
    const word = () => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
    // Over the end of a page.
    const pc = base + 0x4f80n + BigInt(random.below(0x80));
    const { code, places } = program(random, pc, 32);
    const general = Array.from({ length: 16 }, () => word() >> BigInt(random.below(64)));
    // Of what is above 32 bits, nothing counts.
    general[6] = (word() & ~0xffffffffn) | (dataAt + 0x1c0n);
    general[4] = dataAt + 0x300n;
    const flags = 0x202n | (word() & 0x8d5n);
    const image = new Uint8Array(extent).fill(0xcc);
    image.set(code, Number(pc - base));
    image.set(
      Array.from({ length: dataSize }, () => random.below(256)),
      Number(dataAt - base),
    );
    const run = (machine: X86Machine, translated: readonly bigint[], step = false): Result => {
      machine.image = image;
      machine.registers = { general, flags };
      machine.translate(translated);
      const outcome = machine.run(pc, step, true);
      return { ...outcome, image: machine.image, faultAddress: machine.faultAddress };
    };
    const expected = run(machines.general, []);
    for (const [way, found] of [
      ["stepped", run(machines.flat, [], true)],
      ["core", run(machines.flat, [])],
      ["translated at its beginning", run(machines.flat, [pc])],
      [
        "translated everywhere",
        run(
          machines.flat,
          places.map((place) => pc + BigInt(place)),
        ),
      ],
    ] as const) {
      const said = difference(expected, found);
      if (said) wrong.push(`UNIKVM_SEED=${seed + n} ${way}: ${said}`);
    }
  }
  assert.deepEqual(wrong.slice(0, 8), []);
  assert.ok(machines.flat.regionRuns > count, `${machines.flat.regionRuns} runs of regions`);
});

test("behind a check that failed, what is translated still reaches FS and GS", () => {
  const machine = new X86Machine("32");
  const pc = base + 0x1000n;
  const frame = base + 0x3000n - 0x10n;
  const rounds = 400_000;
  const lines = [`mov ecx, ${rounds}`];
  const start = pc + BigInt(assemble(lines[0] as string, 32, pc).length);
  // The frame lies over the end of a page: the check of both accesses at once fails each time.
  const pair = ["add esi, dword ptr [ebx]", "add edi, dword ptr gs:[0x8]", "add esi, dword ptr [ebx+0x20]"];
  lines.push(...Array.from({ length: 4 }, () => pair).flat(), "sub ecx, 0x1", `jne 0x${hex(start)}`, "int3");
  const image = new Uint8Array(extent);
  let at = Number(pc - base);
  for (const line of lines) {
    const bytes = assemble(line, 32, base + BigInt(at));
    image.set(bytes, at);
    at += bytes.length;
  }
  const view = new DataView(image.buffer);
  view.setUint32(Number(frame - base), 1, true);
  view.setUint32(Number(frame - base) + 0x20, 10, true);
  view.setUint32(0x7008, 100, true);
  machine.image = image;
  machine.registers = { general: Array.from({ length: 16 }, (_, i) => (i === 3 ? frame : 0n)), flags: 2n };
  machine.setBase(5, base + 0x7000n);
  machine.setLimit(5, -1, Access.data | Access.user);
  const { general, vector } = machine.run(pc, false, true);
  assert.deepEqual([vector, general[6], general[7]], [3, BigInt(44 * rounds), BigInt(400 * rounds)]);
  assert.ok(machine.regionRuns < rounds / 2, `${machine.regionRuns} runs of regions`);
});
