/**
 * Every x86 instruction that has semantics, in every way that engines have it, against the processor itself: interpreted one
 * instruction at a time, interpreted in the core, translated. UNIKVM_SEED draws other cases, UNIKVM_DRAWS more, UNIKVM_ONLY
 * those of instructions whose names match.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isThere } from "../../../src/arch/x86/isa/assembler.js";
import { disassemble } from "../../../src/arch/x86/isa/disassembler.js";
import { instructionSet } from "../../../src/arch/x86/isa/instruction-set.js";
import { Random } from "../../differential/random.js";
import { definedFlags } from "./defined-flags.js";
import { type Drawn, draw, gsBase, placeOf } from "./draw.js";
import { base, extent, type Outcome, X86Machine } from "./machine.js";
import { complaint, dataAt, type Found, native } from "./native.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_128);
const draws = Number(process.env["UNIKVM_DRAWS"] ?? 1);
/** Of instructions whose names match. */
const only = new RegExp(process.env["UNIKVM_ONLY"] ?? "");
const skip = complaint() ?? false;
/** Transcendental. */
const functions = /^f(sin|cos|sincos|ptan|patan|2xm1|yl2x|yl2xp1)$/;

/** Each handler's cases: so many draws, as far as its bytes can be drawn. Some have many kinds of operands and one handler. */
function cases(random: Random): Drawn[] {
  const out: Drawn[] = [];
  for (const form of instructionSet().forms) {
    if (!form.definition.semantics || !isThere(form, 64) || !only.test(form.mnemonic)) continue;
    const drawn = new Map<string, number>();
    const wanted = draws * (functions.test(form.definition.name) ? 30 : 1);
    for (let n = 0; n < 40 * wanted; n++) {
      const one = draw(random, form, placeOf(out.length));
      const had = one ? (drawn.get(one.kind) ?? 0) : wanted;
      if (!one || had >= wanted) continue;
      drawn.set(one.kind, had + 1);
      out.push(one);
    }
  }
  return out;
}

function sumOf(image: Uint8Array): number {
  let sum = 0;
  for (const word of new Uint32Array(image.buffer)) sum = Math.imul(sum ^ word, 16777619);
  return sum >>> 0;
}

const hex = (value: bigint) => `0x${value.toString(16)}`;
const names = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");

/** Where two images of x87 and SSE differ, but for where the x87's last instruction was. */
function floatingDifferences(theirs: Uint8Array, ours: Uint8Array): string[] {
  const said: string[] = [];
  const compare = (name: string, at: number, length: number) => {
    const part = (of: Uint8Array) =>
      Buffer.from(of.subarray(at, at + length))
        .reverse()
        .toString("hex");
    if (part(theirs) !== part(ours)) said.push(`${name} ${part(theirs)}, here ${part(ours)}`);
  };
  for (const [name, at] of Object.entries({ fcw: 0, fsw: 2, mxcsr: 24 })) compare(name, at, 2);
  compare("tags", 4, 1);
  for (let i = 0; i < 8; i++) compare(`st${i}`, 32 + 16 * i, 10);
  for (let i = 0; i < 16; i++) compare(`xmm${i}`, 160 + 16 * i, 16);
  for (let i = 0; i < 16; i++) compare(`upper half of ymm${i}`, 416 + 16 * i, 16);
  return said;
}

/** Lanes of singles that are approximations, with errors of 1.5 / 2 ** 12 at most: ours, where both can be right. */
function approximated(theirs: Uint8Array, ours: Uint8Array): Uint8Array {
  const image = theirs.slice();
  const [given, made] = [theirs, ours].map((one) => new DataView(one.buffer, one.byteOffset));
  for (let at = 160; at < image.length; at += 4) {
    const [a, b] = [(given as DataView).getFloat32(at, true), (made as DataView).getFloat32(at, true)];
    if (Math.abs(a - b) <= (Math.abs(b) * 3) / 4096) image.set(ours.subarray(at, at + 4), at);
  }
  return image;
}

/**
 * Results of these: ours (transcendental.test.ts judges their values) where the processor's are near, since it
 * errs in the last place, and which way it rounded. Of angles above 1, whatever is a number: its pi has too few bits.
 */
function near(one: Drawn, theirs: Uint8Array, ours: Uint8Array): Uint8Array {
  const image = theirs.slice();
  const view = new DataView(image.buffer);
  const made = new DataView(ours.buffer, ours.byteOffset);
  const rounding = made.getUint16(2, true) & 0x200;
  if (view.getUint16(2, true) & 0x20) view.setUint16(2, (view.getUint16(2, true) & ~0x200) | rounding, true);
  const angle = new DataView(one.floating?.buffer as ArrayBuffer).getUint16(40, true) & 0x7fff;
  const reduces = /^f(sin|cos|sincos|ptan)$/.test(one.form.definition.name) && angle >= 0x3fff;
  const ordered = (of: DataView, at: number) =>
    (BigInt(of.getUint16(at + 8, true)) << 63n) | (of.getBigUint64(at, true) & ((1n << 63n) - 1n));
  for (let i = 0; i < 8; i++) {
    const at = 32 + 16 * i;
    const distance = ordered(view, at) - ordered(made, at);
    const isNumber = (of: DataView) => (of.getUint16(at + 8, true) & 0x7fff) < 0x7fff;
    const close = distance >= -1n && distance <= 1n;
    if (close || (reduces && isNumber(view) && isNumber(made))) image.set(ours.subarray(at, at + 10), at);
  }
  return image;
}

/** What is different, in words; undefined if nothing is. */
function difference(one: Drawn, theirs: Found, ours: Outcome, sum: number, mask: bigint): string | undefined {
  const fault = (vector: number, pc: bigint) => (pc === one.pc ? (vector === 13 ? 14 : vector) : -1);
  const [a, b] = [fault(theirs.vector, theirs.pc), fault(ours.vector, ours.pc)];
  const said: string[] = [];
  if (a !== b) said.push(`exception ${a}, here ${b}`);
  if (theirs.pc !== ours.pc) said.push(`rip ${hex(theirs.pc)}, here ${hex(ours.pc)}`);
  names.forEach((name, i) => {
    const [x, y] = [theirs.general[i] as bigint, ours.general[i] as bigint];
    if (x !== y) said.push(`${name} ${hex(x)}, here ${hex(y)}`);
  });
  if (a < 0 && (theirs.flags & mask) !== (ours.flags & mask))
    said.push(`flags ${hex(theirs.flags & mask)}, here ${hex(ours.flags & mask)}`);
  if (theirs.sum !== sum) said.push("memory");
  const approximates = /^v?(rcp|rsqrt)/.test(one.form.definition.name);
  const expected = approximates
    ? approximated(theirs.floating, ours.floating)
    : functions.test(one.form.definition.name)
      ? near(one, theirs.floating, ours.floating)
      : theirs.floating;
  said.push(...floatingDifferences(expected, ours.floating));
  return said.length === 0 ? undefined : said.join("; ");
}

test("instructions do what the processor does, stepped, in the core and translated", { skip }, (t) => {
  const all = cases(new Random(seed));
  const judged = native(all);
  let machine = new X86Machine();
  const wrong = new Map<string, string>();
  let left = 0;
  let absent = 0;
  const blank = new Uint8Array(extent).fill(0xcc);
  for (const [i, one] of all.entries()) {
    if (i % 2900 === 2899) machine = new X86Machine();
    const theirs = judged[i] as Found;
    const mask = definedFlags(one);
    if (mask === undefined) {
      left++;
      continue;
    }
    if (theirs.vector === 6 && one.form.feature) {
      absent++;
      continue;
    }
    const image = blank.slice();
    image.set(one.code, Number(one.pc - base));
    image.set(one.data, Number(dataAt - base));
    const ways = {
      stepped: () => machine.run(one.pc, true),
      core: () => machine.run(one.pc, false),
      translated: () => {
        machine.translate([one.pc]);
        return machine.run(one.pc, false);
      },
    };
    for (const [way, run] of Object.entries(ways)) {
      machine.image = image;
      machine.registers = one;
      machine.setBase(5, gsBase);
      const said = difference(one, theirs, run(), sumOf(machine.image), mask);
      if (!said) continue;
      const read = disassemble(one.code, 64, one.pc);
      const text = typeof read === "string" ? read : read.text;
      const key = `${way} ${one.form.definition.name}`;
      if (wrong.has(key)) continue;
      const bytes = one.code.slice(0, one.length).map((byte) => byte.toString(16).padStart(2, "0"));
      const registers = names.map((name, n) => `${name}=${hex(one.general[n] as bigint)}`).join(" ");
      wrong.set(
        key,
        `${way}: ${bytes.join(" ")} ${text} at ${hex(one.pc)} with flags ${hex(one.flags)} ${registers}: ${said}`,
      );
    }
  }
  t.diagnostic(
    `x86 against the processor: ${all.length} cases, ${left} with undefined results, ${absent} not in this processor`,
  );
  assert.deepEqual([...wrong.values()], [], `UNIKVM_SEED=${seed}`);
});
