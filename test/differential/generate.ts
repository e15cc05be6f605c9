/** Makes cases: one instruction, or a straight line of them, with random operands and machine states aimed at the edges. */
import { disassemble } from "../../src/arch/powerpc/isa/disassembler.js";
import type { InstructionSet, ListedVariant } from "../../src/arch/powerpc/isa/instruction-set.js";
import { encodeField, prefixBoundary, type Variant } from "../../src/arch/powerpc/isa/pattern.js";
import { drawDecimals } from "./decimal-float.js";
import { type Description, describe, notUserLevel } from "./describe.js";
import { decimalFloat } from "./exception.js";
import { exceptionsFor } from "./exceptions.js";
import { epilogueWords, prologueWords } from "./loader.js";
import { double, type Flavour, integer, type Random, vector } from "./random.js";
import { addresses, offsets, State, windowSize } from "./record.js";

export interface Case {
  /** Mnemonic that was drawn, or "sequence". */
  readonly mnemonic: string;
  /** Address of the first word. The case is over at the address behind the last, or at a trap. */
  readonly address: number;
  readonly words: readonly number[];
  readonly initial: State;
}

/** An instruction the generator can draw. */
export interface Candidate {
  readonly listed: ListedVariant;
  readonly variant: Variant;
  readonly description: Description;
}

/** Instructions that this harness does not draw, each with the reason. */
export const notDrawn: Readonly<Record<string, string>> = {
  bca: "its target is below 32 KiB, where a user program has no memory: test/engines has it",
  bcla: "as bca",
  mfspr: "which registers a user program has is decided at run time: test/engines has them",
  mtspr: "as mfspr",
  mftb: "reads the clock",
  darn: "gives a random number",
  sc: "would be a system call of Linux",
  scv: "would be a system call of Linux",
  wait: "waits",
  dcbstps: "QEMU does not know it",
  rfebb: "QEMU in user mode has no event-based branches",
  clrbhrb: "QEMU in user mode has no branch history",
  mfbhrbe: "as clrbhrb",
};

/** Those that always end in an Alignment interrupt in little-endian mode, which user-mode QEMU does not survive. */
const bigEndianOnly = /^(lmw|stmw|lsw[ix]|stsw[ix])$/;

/** Why an instruction cannot be drawn, or undefined. */
function reasonNot(variant: Variant, description: Description, littleEndian: boolean): string | undefined {
  const listed = notDrawn[variant.mnemonic] ?? notDrawn[variant.definition.name];
  if (listed) return listed;
  if (littleEndian && bigEndianOnly.test(variant.mnemonic))
    return "raises Alignment, which user-mode QEMU does not survive";
  return notUserLevel(variant, description);
}

/** Every variant that is not drawn, and why. */
export function undrawn(set: InstructionSet, littleEndian: boolean): { mnemonic: string; reason: string }[] {
  return set.variants.flatMap(({ variant }) => {
    const reason = reasonNot(variant, describe(variant, littleEndian), littleEndian);
    return reason === undefined ? [] : [{ mnemonic: variant.mnemonic, reason }];
  });
}

/** What can be drawn in a user program, in the set's order. */
export function candidates(set: InstructionSet, littleEndian: boolean): Candidate[] {
  const list: Candidate[] = [];
  for (const listed of set.variants) {
    const { variant } = listed;
    const description = describe(variant, littleEndian);
    if (reasonNot(variant, description, littleEndian) === undefined) list.push({ listed, variant, description });
  }
  return list;
}

type Fields = Record<string, number>;

/** BO values that the ISA defines. */
const validBo = [0, 2, 4, 6, 7, 8, 10, 12, 14, 15, 16, 18, 20, 24, 25, 26, 27];

/** Operand rules beyond the pattern: a form that breaks them is invalid, and its result undefined. */
function mend({ variant, description }: Candidate, fields: Fields, random: Random): void {
  const name = variant.definition.name;
  const has = (field: string) => field in fields;
  const distinct = (field: string, others: readonly string[], from = 0, step = 1) => {
    while (
      fields[field] === undefined ||
      others.some((o) => fields[o] === fields[field]) ||
      (fields[field] as number) < from
    ) {
      fields[field] = random.below(32 / step) * step;
    }
  };
  if (has("bo")) {
    fields["bo"] = random.pick(name === "bcctr" ? validBo.filter((bo) => (bo & 4) !== 0) : validBo);
  }
  if (/^m[tf]ocrf$/.test(name)) fields["fxm"] = 1 << random.below(8);
  if (/^(p?lq|p?stq|lqarx|stqcx\.?)$/.test(name)) {
    for (const field of ["rt", "rs", "rtp", "rsp"]) if (has(field)) fields[field] = random.below(16) * 2;
    const pair = ["rt", "rtp"].find(has);
    if (pair) {
      const value = fields[pair] as number;
      for (const field of ["ra", "rb"]) {
        while (has(field) && ((fields[field] as number) & ~1) === value) fields[field] = random.below(32);
      }
    }
  }
  // Function codes that POWER9 has; the others are a storage interrupt.
  if (has("fc"))
    fields["fc"] = random.pick(
      /^st/.test(name) ? [0, 1, 2, 3, 4, 5, 6, 7, 24] : [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 25, 28],
    );
  // R with a register is an invalid form.
  if (variant.prefix && has("r") && fields["r"] === 1) {
    fields["ra"] = 0;
    // Which is RTp's number, too: invalid for a pair.
    if (fields["rtp"] === 0) fields["rtp"] = 2;
  }
  // Factors may not lie in the accumulator.
  if (has("at")) {
    for (const factor of ["xa", "xb"]) {
      while (Math.floor((fields[factor] as number) / 4) === fields["at"]) fields[factor] = random.below(32) * 2;
    }
  }
  if (name === "lmw") {
    fields["rt"] = 16 + random.below(16);
    fields["ra"] = 1 + random.below(15);
  }
  if (/^lsw[ix]$/.test(name)) {
    fields["rt"] = 12 + random.below(12);
    fields["ra"] = 1 + random.below(3);
    if (has("rb")) fields["rb"] = 4 + random.below(3);
  }
  // Update forms: not r0, and a load may not update the register that it loads.
  if (description.memory && description.writes.gpr.has("ra")) {
    distinct("ra", description.writes.gpr.has("rt") ? ["rt"] : [], 1);
  }
}

function drawFields(candidate: Candidate, random: Random): Fields {
  const fields: Fields = {};
  // Aliased registers find mistakes in the order of reading and writing.
  const few = random.chance(0.3) ? [random.below(32), random.below(32)] : undefined;
  for (const [name, field] of Object.entries(candidate.variant.fields)) {
    if (field.width > 32) {
      fields[name] = drawWide(random, field.width);
      continue;
    }
    const span = 2 ** field.width;
    let raw = few && field.width >= 5 ? random.pick(few) : random.below(span);
    if (!few && field.width > 6 && random.chance(0.3)) raw = random.pick([0, 1, span - 1, span / 2, span / 2 - 1]);
    // A pair of registers begins with an even one: it has no piece for the last bit.
    raw = (raw & field.pieces.reduce((bits, { width, at }) => bits | ((2 ** width - 1) << at), 0)) >>> 0;
    fields[name] = (field.signed && raw >= span / 2 ? raw - span : raw) * field.scale;
  }
  mend(candidate, fields, random);
  return fields;
}

/** A signed number of more than 32 bits, whose pieces are often all the same. */
function drawWide(random: Random, width: number): number {
  const value = BigInt.asIntN(width, random.u64());
  return Number(random.chance(0.3) ? random.pick([0n, 1n, -1n, value >> 17n, value & -65536n]) : value);
}

/** The words of an instruction. */
function encode(variant: Variant, fields: Fields): readonly number[] {
  let word = variant.value;
  let prefix = variant.prefix?.value ?? 0;
  for (const [name, field] of Object.entries(variant.fields)) {
    word |= encodeField(field, fields[name] ?? 0);
    prefix |= encodeField(field, fields[name] ?? 0, "prefix");
  }
  return variant.prefix ? [prefix >>> 0, word >>> 0] : [word >>> 0];
}

const nop = 0x60000000;

/** How many words must stand before an instruction of two at this address: it may not cross a boundary. */
const padding = (variant: Variant, address: number): number =>
  variant.prefix && address % prefixBoundary === prefixBoundary - 4 ? 1 : 0;

const mask64 = (1n << 64n) - 1n;

/** How many cases have floating-point exceptions enabled. */
const enabledShare = 0.1;

/** FPSCR with its summary bits as the exception bits want them. Source: Power ISA v3.0B, Book I "Floating-Point Status and Control Register". */
function fpscr(random: Random): bigint {
  let value = random.chance(0.5) ? 0 : random.below(4); // RN
  value |= random.below(32) << 12; // FPRF
  const exceptions = [28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 10, 9, 8];
  if (random.chance(0.4)) for (const bit of exceptions) if (random.chance(0.3)) value |= 1 << bit;
  if (random.chance(0.5)) value |= 1 << 31; // FX
  if (random.chance(0.3)) value |= random.below(4) << 17; // FR, FI
  const invalid = [24, 23, 22, 21, 20, 19, 10, 9, 8];
  if (random.chance(enabledShare)) {
    // Enabled exceptions, none of which has happened yet: FEX is 0, and the case ends at the first.
    const enables = random.below(32);
    const classes = [[25], [26], [27], [28], invalid];
    classes.forEach((bits, i) => {
      if ((enables >> i) & 1) for (const bit of bits) value &= ~(1 << bit);
    });
    value |= enables << 3;
  }
  if (invalid.some((bit) => (value >>> bit) & 1)) value |= 1 << 29; // VX
  return BigInt(value >>> 0);
}

/** What the vector registers that an instruction reads should mostly hold. */
function flavours(name: string): readonly Flavour[] {
  if (/^bcdcfn/.test(name)) return ["national", "national", "national", "decimal"];
  if (/^bcdcfz/.test(name)) return ["zoned", "zoned", "zoned", "decimal"];
  if (/^bcdcfsq/.test(name)) return ["wide", "wide", "wide", "random"];
  if (/^bcdu/.test(name)) return ["digits"];
  if (/^bcd|^vmul10/.test(name)) return ["decimal"];
  if (/qp/.test(name)) return ["quad", "quad", "quad", "double", "integer"];
  if (/hp/.test(name)) return ["half", "single", "double"];
  if (/^(f|xs|lf|stf)/.test(name)) return ["double", "double", "double", "integer"];
  if (/^xv.*sp|^v.*fp|^vcf|^vct|^vrfi|^vlog|^vexpt/.test(name)) return ["single", "single", "single", "integer"];
  if (/^xv/.test(name)) return ["double", "double", "single", "integer"];
  return ["integer", "bytes", "bytes", "random", "single", "double", "half"];
}

/** Registers of a state that nobody aims at; drawn once, because most of a case's registers only wait to be clobbered. */
function background(random: Random): State {
  const state = new State();
  for (let n = 0; n < 32; n++) state.setGpr(n, integer(random));
  for (let n = 0; n < 64; n++) state.setVsr(n, vector(random, random.pick(["double", "single", "integer", "random"])));
  return state;
}

/** Register numbers that a case may read: its fields of five bits and more, and their neighbours for pairs. */
function registersOf(fields: Fields): number[] {
  const numbers = new Set<number>();
  for (const value of Object.values(fields)) for (const n of [value, value + 1]) if (n >= 0 && n < 64) numbers.add(n);
  return [...numbers];
}

/** A state on the given background: special registers and the registers with these numbers are random. */
function drawState(random: Random, from: State, name: string, registers: readonly number[]): State {
  const state = from.copy();
  const kinds = flavours(name);
  const main = random.pick(kinds);
  const singles = main === "double" && /^(f|xs).*(sp|s)$/.test(name) && random.chance(0.5);
  const view = new DataView(new ArrayBuffer(8));
  for (const n of registers) {
    if (n < 32) state.setGpr(n, integer(random));
    for (const m of n < 32 ? [n, n + 32] : [n]) {
      let value = vector(random, random.chance(0.7) ? main : random.pick(kinds));
      if (singles) {
        // Operands of single-precision arithmetic that are singles.
        view.setBigUint64(0, double(random));
        view.setFloat64(0, Math.fround(view.getFloat64(0)));
        value = [view.getBigUint64(0), random.u64()];
      }
      state.setVsr(m, value);
    }
  }
  state.set(offsets.cr, BigInt(random.u32()));
  // SO, OV, CA, OV32, CA32 and the string count.
  const xerBits = [31, 30, 29, 19, 18].reduce((bits, bit) => bits | (random.chance(0.5) ? 2 ** bit : 0), 0) >>> 0;
  state.set(offsets.xer, BigInt(xerBits + random.below(random.chance(0.8) ? 33 : 128)));
  state.set(offsets.lr, random.u64());
  state.set(offsets.ctr, random.chance(0.5) ? BigInt(random.below(3)) : integer(random));
  state.set(offsets.fpscr, fpscr(random));
  // VSCR: NJ is bit 16, SAT bit 0 of the last word.
  const vscr = (random.chance(0.2) ? 0x10000n : 0n) | (random.chance(0.3) ? 1n : 0n);
  state.set(offsets.vscr, 0n);
  state.set(offsets.vscr + 8, vscr);
  return state;
}

function drawWindow(random: Random, state: State, name: string): void {
  const kinds = flavours(name);
  const view = new DataView(state.window.buffer, state.window.byteOffset);
  for (let at = 0; at < windowSize; at += 16) {
    const [high, low] = vector(random, random.chance(0.3) ? random.pick(kinds) : "random");
    view.setBigUint64(at, high);
    view.setBigUint64(at + 8, low);
  }
}

/** Instructions that take an address in RA alone, RB being something else. */
const addressInRaAlone = /^(l|st)xvll?$|^(lsw|stsw)i$|^(ld|st|lw)at$|^(lw|ld|stw|std)at$/;

/** Where a storage access goes; `aligned` if the instruction asks for alignment. */
export type Aim = (random: Random, aligned: boolean) => bigint;

const intoWindow: Aim = (random, aligned) => {
  const ea = addresses.window + random.below(windowSize - 128);
  return BigInt(random.chance(aligned ? 0.95 : 0.4) ? ea & ~15 : ea);
};

/**
 * Points the registers of a storage access at a place; `at` is the instruction's address. Returns false if these fields
 * cannot reach it.
 */
function aim(candidate: Candidate, fields: Fields, state: State, random: Random, place: Aim, at: number): boolean {
  const { variant, description, listed } = candidate;
  if (!description.memory) return true;
  const name = variant.definition.name;
  const ea = place(random, description.traps.has("alignment") || /arx$|cx\./.test(name));
  const parts = listed.template.parts;
  const paren = parts.findIndex((p) => p.type === "punctuation" && p.text === "(");
  if (paren > 0) {
    const displacement = parts[paren - 1];
    const base = parts[paren + 1];
    if (displacement?.type !== "operand" || base?.type !== "operand") return false;
    if (fields["r"] === 1) {
      fields[displacement.name] = Number(ea - BigInt(at));
      return true;
    }
    if (fields[base.name] === 0) return false;
    state.setGpr(fields[base.name] as number, (ea - BigInt(fields[displacement.name] ?? 0)) & mask64);
    return true;
  }
  const { ra, rb } = fields;
  if (ra === undefined) return false;
  if (addressInRaAlone.test(name) || rb === undefined || !description.reads.gpr.has("rb")) {
    if (ra === 0) return false;
    state.setGpr(ra, ea);
    if (/xvll?$/.test(name)) {
      if (ra === rb) return false;
      state.setGpr(rb as number, (BigInt(random.below(20)) << 56n) | (random.u64() >> 8n));
    }
    return true;
  }
  if (ra === 0) state.setGpr(rb, ea);
  else if (ra === rb) state.setGpr(ra, ea >> 1n);
  else {
    const index = random.chance(0.5) ? BigInt(random.below(256)) : random.u64();
    const [first, second] = random.chance(0.5) ? [ra, rb] : [rb, ra];
    state.setGpr(first, index);
    state.setGpr(second, (ea - index) & mask64);
  }
  return true;
}

/** For a store conditional: the load and reserve before it, of the same size and address. */
function reservation({ variant }: Candidate, fields: Fields, pool: readonly Candidate[]): readonly number[] {
  // QEMU lets no stqcx. succeed in a program of one thread.
  const size = /^st([bhwd])cx\.$/.exec(variant.mnemonic)?.[1];
  if (size === undefined) return [];
  // Of another size the reservation may or may not hold, and QEMU stores without saying so.
  const load = pool.find((c) => c.variant.mnemonic === `l${size}arx`)?.variant;
  if (!load) return [];
  const { ra = 0, rb = 0 } = fields;
  // The target may not be an address register, nor, in a pair, its neighbour.
  const free = [0, 2, 4, 6, 8].find((n) => (ra & ~1) !== n && (rb & ~1) !== n) as number;
  const target = Object.keys(load.fields).find((name) => /^rtp?$/.test(name)) ?? "rt";
  return encode(load, { ra, rb, [target]: free });
}

/** VRA's count of digits, in byte 7 and halfword 3: mostly one that leaves some. */
function aimCount(fields: Fields, state: State, random: Random): void {
  const register = (fields["vra"] as number) + 32;
  const [high, low] = state.vsr(register);
  const count = random.chance(0.7) ? random.below(34) : random.below(300);
  const signed = BigInt.asUintN(16, BigInt(random.chance(0.4) ? -count : count));
  state.setVsr(register, [(high & ~0xffffn) | signed, low]);
}

const addR30 = 0x3bde0001; // addi r30, r30, 1: shows that a branch fell through
const mttarR3 = 0x7c6fcba6; // mtspr 815, r3

/** One instruction. Undefined if these operands do not make a fair case; the caller draws again. */
function single(
  candidate: Candidate,
  random: Random,
  from: State,
  address: number,
  pool: readonly Candidate[],
  place: Aim,
): Case | undefined {
  const { variant, description } = candidate;
  const fields = drawFields(candidate, random);
  const pad = padding(variant, address);
  const state = drawState(random, from, variant.mnemonic, registersOf(fields));
  if (/^bcd(u?s|sr|u?trunc)\.$/.test(variant.mnemonic) && fields["vra"] !== fields["vrb"])
    aimCount(fields, state, random);
  if (decimalFloat.test(variant.mnemonic)) drawDecimals(variant, fields, state, random);
  if (description.memory) drawWindow(random, state, variant.mnemonic);
  if (!aim(candidate, fields, state, random, place, address + 4 * pad)) return undefined;
  const words: number[] = new Array(pad).fill(nop);
  if (description.jumps) {
    const viaTar = description.gets.has("tar");
    if (viaTar) words.push(mttarR3);
    const at = address + 4 * words.length;
    const end = at + 8;
    if ("target" in fields) fields["target"] = variant.flags["aa"] ? end : 8;
    const loose = BigInt(end + random.below(4));
    if (viaTar) state.setGpr(3, loose);
    else if (description.gets.has("lr")) state.set(offsets.lr, loose);
    else if (variant.definition.name === "bcctr") state.set(offsets.ctr, loose);
    words.push(...encode(variant, fields), addR30);
  } else {
    if (random.chance(0.6)) words.push(...reservation(candidate, fields, pool));
    words.push(...encode(variant, fields));
  }
  return { mnemonic: variant.mnemonic, address, words, initial: state };
}

/** In sequences these registers hold addresses and are not written: bases in 26..28, indexes in 29..31. */
const firstBase = 26;

const inSequence = ({ variant, description }: Candidate): boolean =>
  !description.jumps &&
  // What is exempt from comparison would spread; FPSCR is not read by what follows.
  exceptionsFor(variant).every((e) => e.enabledOnly || (typeof e.ignore === "object" && "fpscr" in e.ignore)) &&
  !/^(mffs|mcrfs|mtfsf|f.*\.$)/.test(variant.mnemonic) &&
  description.traps.size === 0 &&
  !(
    description.memory &&
    (description.writes.gpr.has("ra") || /^(lm|stm|lsw|stsw|lq|stq)|arx|cx\.|xvll?$|at$/.test(variant.definition.name))
  );

/** A conditional branch forward by some instructions: bc without counting, or with. */
function forwardBranch(random: Random, distance: number): number {
  const bo = random.pick([4, 12, 16, 18, 0, 8]);
  return ((16 << 26) | (bo << 21) | (random.below(32) << 16) | (4 * distance)) >>> 0;
}

function sequence(pool: readonly Candidate[], random: Random, from: State, address: number): Case {
  const length = 3 + random.below(12);
  const everyRegister = Array.from({ length: 64 }, (_, n) => n);
  const state = drawState(random, from, random.chance(0.5) ? "fadd" : "add", everyRegister);
  drawWindow(random, state, "add");
  state.set(offsets.fpscr, state.get(offsets.fpscr) & ~0xf8n);
  for (let n = firstBase; n < 29; n++) state.setGpr(n, BigInt(addresses.window + 192 + 16 * random.below(4)));
  for (let n = 29; n < 32; n++) state.setGpr(n, BigInt(random.below(9) * 8 - 32) & mask64);
  const words: number[] = [];
  /** Where branches go to, in words. */
  const targets = new Set<number>();
  while (words.length < length) {
    const left = length - words.length;
    if (left > 1 && random.chance(0.12)) {
      const distance = 1 + random.below(left);
      targets.add(words.length + distance);
      words.push(forwardBranch(random, distance));
      continue;
    }
    const candidate = random.pick(pool);
    const { variant, description, listed } = candidate;
    const begin = words.length + padding(variant, address + 4 * words.length);
    // Nothing may jump to a suffix, nor may one stand behind the end that branches know.
    if (variant.prefix && (targets.has(begin + 1) || begin + 2 > length)) continue;
    while (words.length < begin) words.push(nop);
    const fields = drawFields(candidate, random);
    for (const name of description.writes.gpr) {
      if ((fields[name] ?? 0) >= firstBase - 1) fields[name] = random.below(firstBase - 1);
    }
    if (description.memory) {
      fields["ra"] = firstBase + random.below(3);
      if ("rb" in fields) fields["rb"] = 29 + random.below(3);
      const paren = listed.template.parts.findIndex((p) => p.type === "punctuation" && p.text === "(");
      const displacement = listed.template.parts[paren - 1];
      if (paren > 0 && displacement?.type === "operand") fields[displacement.name] = random.below(16) * 16 - 128;
    }
    words.push(...encode(variant, fields));
  }
  return { mnemonic: "sequence", address, words, initial: state };
}

/** A source of cases, placed one behind the other as the guest program wants them. */
export class CaseGenerator {
  #at: number;
  #random: Random;
  readonly #sequencePool: readonly Candidate[];
  readonly #backgrounds: readonly State[];

  /** `start`: address of the first case's code block. */
  constructor(
    random: Random,
    readonly pool: readonly Candidate[],
    start: number,
  ) {
    this.#at = start;
    this.#random = random;
    this.#sequencePool = pool.filter(inSequence);
    this.#backgrounds = Array.from({ length: 8 }, () => background(random));
  }

  get random(): Random {
    return this.#random;
  }

  /** The next case has a source of its own and this place, so that it can be had again without those before it. */
  restart(random: Random, address: number): void {
    this.#random = random;
    this.#at = address - 4 * prologueWords;
  }

  #place(make: (address: number) => Case | undefined): Case | undefined {
    const made = make(this.#at + 4 * prologueWords);
    if (made) this.#at += 4 * (prologueWords + made.words.length + epilogueWords);
    return made;
  }

  /** Throws if no fair operands are found: the instruction then needs a rule of its own. */
  single(candidate: Candidate, place: Aim = intoWindow): Case {
    const from = this.random.pick(this.#backgrounds);
    for (let attempt = 0; attempt < 200; attempt++) {
      const made = this.#place((address) => single(candidate, this.random, from, address, this.pool, place));
      if (made) return made;
    }
    throw new Error(`no operands found for ${candidate.variant.mnemonic}`);
  }

  /** A case of the caller's own making, on a random state, or one that the caller makes of it. */
  custom(make: (state: State) => { mnemonic: string; words: readonly number[]; initial: State }): Case {
    const from = this.random.pick(this.#backgrounds);
    return this.#place((address) => ({ ...make(drawState(this.random, from, "add", [])), address })) as Case;
  }

  sequence(): Case {
    const from = this.random.pick(this.#backgrounds);
    return this.#place((address) => sequence(this.#sequencePool, this.random, from, address)) as Case;
  }
}

/** The instructions of a case. */
export function* decoded(
  one: Case,
  set: InstructionSet,
): Generator<{
  readonly variant: Variant;
  readonly at: bigint;
  readonly word: number;
  readonly prefix: number | undefined;
}> {
  for (let i = 0; i < one.words.length; i++) {
    const [word, suffix] = one.words.slice(i, i + 2) as [number, number | undefined];
    const variant = set.decode(word, suffix)?.variant;
    const at = BigInt(one.address + 4 * i);
    if (variant?.prefix) {
      yield { variant, at, word: suffix as number, prefix: word };
      i++;
    } else if (variant) yield { variant, at, word, prefix: undefined };
  }
}

/** The case's code as text, one line a word. */
export function listing(one: Case): string {
  return one.words
    .map((word, i) => {
      const address = one.address + 4 * i;
      const suffix = one.words[i + 1];
      const text = disassemble(word, { address: BigInt(address), ...(suffix === undefined ? {} : { suffix }) });
      return `  ${address.toString(16)}: ${(word >>> 0).toString(16).padStart(8, "0")}  ${text}`;
    })
    .join("\n");
}
