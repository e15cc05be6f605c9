/** Cases for the judges of x86's semantics: an instruction of a form, with registers, flags and data that it has a use for. */
import { handlerName } from "../../../src/arch/x86/engines/handlers.js";
import type { Decoded } from "../../../src/arch/x86/isa/decoder.js";
import { type Form, SizeRule } from "../../../src/arch/x86/isa/encoding.js";
import { instructionSet } from "../../../src/arch/x86/isa/instruction-set.js";
import { mmxKinds, vectorIndexKinds } from "../../../src/arch/x86/isa/operand.js";
import type { Random } from "../../differential/random.js";
import { ofForm } from "../../isa/x86-cases.test-support.js";
import { base, extent } from "./machine.js";
import { type Case, dataAt, dataSize, initialFloating } from "./native.js";

/** A case, and what decoding it gave. */
export interface Drawn extends Case {
  readonly form: Form;
  readonly operandSize: number;
  /** The handler's name, which says everything that is decided of it beforehand. */
  readonly kind: string;
  readonly length: number;
}

/** Base of GS; FS is the host library's. */
export const gsBase = base + 0x2000n;
const middle = dataAt + BigInt(dataSize / 2);
const mask64 = (1n << 64n) - 1n;

const word = (random: Random): bigint => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));

/** Numbers at the edges of sizes more often than chance has them. */
function value(random: Random): bigint {
  switch (random.below(6)) {
    case 0:
      return BigInt(random.below(4));
    case 1:
      return mask64 - BigInt(random.below(3));
    case 2: {
      const edge = 1n << BigInt([7, 8, 15, 16, 31, 32, 63][random.below(7)] as number);
      return (edge + BigInt(random.below(3)) - 1n) & mask64;
    }
    case 3:
      return BigInt(random.below(256));
    default:
      return word(random);
  }
}

const codePlaces = { from: 0x4000, step: 16, count: 2900 } as const;

/** Where the code of the case with this number stands: another place each time, some over the end of a page. */
export const placeOf = (number: number): bigint =>
  base + BigInt(codePlaces.from + (number % codePlaces.count) * codePlaces.step - (number % 7));

/**
 * Instructions whose results are the host's: its tables, its clocks, its identity, what its kernel does about them; and
 * those that would take the signals' ground away from under the judge.
 */
const hosts: ReadonlySet<string> = new Set([
  ...["syscall", "int", "iret", "retf", "popf", "sgdt", "sidt", "sldt", "str", "smsw", "lar", "lsl", "verr", "verw"],
  ...["rdtsc", "rdtscp", "rdpid", "rdpmc", "cpuid", "xgetbv", "vmcall", "vmmcall", "int3", "int1", "pushf"],
  ...["rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase", "rdrand", "rdseed", "rdpkru", "wrpkru"],
  // Which AMD's have outside 64-bit mode only.
  ...["sysenter", "sysexit"],
  // Of which a processor leaves parts alone, or writes what is its own: system.test.ts has these.
  ...["fxsave", "fxrstor"],
  // Whose areas would have to be where they fit: extended-state.test.ts has these.
  ...["xsave", "xsaveopt", "xsavec", "xsaves", "xrstor", "xrstors", "xsetbv"],
]);
/** The same of forms whose name others have. */
const hostsForm = ({ definition: { name }, operands, encoding }: Form): boolean =>
  hosts.has(name) ||
  operands.some(({ kind }) => ["sreg", "es", "cs", "ss", "ds", "fs", "gs"].includes(kind)) ||
  encoding.startsWith("FF /5") ||
  encoding.startsWith("FF /3");

/** Where jumps go that look their target up. */
const landing = (random: Random): bigint => base + 0x1000n + BigInt(random.below(0x800));

/** Draws a case of a form; undefined if the bytes that were drawn are of another, or of what cannot be compared with a host. */
export function draw(random: Random, form: Form, pc: bigint, codeSize: 32 | 64 = 64): Drawn | undefined {
  if (codeSize === 64 && hostsForm(form)) return undefined;
  const bytes = ofForm(random, form, codeSize);
  if (form.definition.options.lock && random.below(4) === 0) bytes.unshift(0xf0);
  const found = instructionSet().decode(bytes, codeSize);
  if (typeof found === "string" || found.of !== form) return undefined;
  if (codeSize === 64 && found.segment === 4) return undefined;
  const general = Array.from({ length: 16 }, () => value(random));
  general[4] = middle + BigInt(random.below(64) - 32);
  const code = bytes.slice(0, found.length);
  const data = Uint8Array.from({ length: dataSize }, () => random.below(256));
  const setData = (at: bigint, number: bigint) =>
    new DataView(data.buffer).setBigUint64(Number(at - dataAt), number, true);
  const { name } = form.definition;
  const target = landing(random);
  if (form.modrm && !found.register) {
    const at = reach(random, found, general, code, pc, someAddress(random, form));
    if (name === "jmp" || name === "call") setData(at, target);
    // Numbers in memory, of any form.
    if (form.map === 0 && form.opcode >> 3 === 0xd8 >> 3 && at >= dataAt && at + 16n <= dataAt + BigInt(dataSize)) {
      const wide = form.operands[0]?.size === 80;
      const extended = [0n, 1n << 63n, (1n << 63n) | word(random), word(random)];
      const other = form.operands[0]?.size === 64 ? float(random, true) : float(random, false);
      setData(at, wide ? (extended[random.below(4)] as bigint) : random.below(3) ? other : value(random));
      if (wide) setData(at + 8n, BigInt([0, 0x7fff, 0xbfff, 0x4001, random.below(0x10000)][random.below(5)] as number));
    }
    // What other digits than ten are is undefined.
    if (name === "fbld" && at >= dataAt && at + 16n <= dataAt + BigInt(dataSize)) {
      for (let i = 0; i < 9; i++) data[Number(at - dataAt) + i] = random.below(10) * 16 + random.below(10);
    }
    // The bit's number is a distance.
    if (name.startsWith("bt") && form.operands.some(({ kind }) => kind === "r")) {
      const distance = BigInt(random.below(512) - 256);
      if (found.reg === found.memory.base || found.reg === found.memory.index) return undefined;
      const cut = (1n << BigInt(found.operandSize)) - 1n;
      general[found.reg] = (word(random) & ~cut & mask64) | (distance & cut);
    }
  } else if (name === "jmp" || name === "call") general[found.rm] = target;
  // Memory that is not where ModRM says.
  if (name.includes("maskmov") && form.operands.some(({ kind }) => kind === "mdi")) {
    const segment = found.segment === 5 ? gsBase : 0n;
    general[7] = (found.addressSize === 32 ? word(random) & ~0xffffffffn : 0n) | (middle - segment);
  }
  if (name === "ret") setData(general[4] as bigint, target);
  // A frame that is no address is #SS on processors, and a page's fault where no stack is near.
  if (name === "leave" || name === "enter") general[5] = middle;
  if (["movs", "cmps", "stos", "lods", "scas"].includes(name)) {
    const upper = found.addressSize === 32 ? word(random) & ~0xffffffffn : 0n;
    const segment = found.segment === 5 ? gsBase : 0n;
    general[6] = upper | (middle - segment + BigInt(random.below(16)));
    general[7] = upper | (middle + BigInt(random.below(64) - 32));
    general[1] = upper | BigInt(random.below(12));
    // So that comparisons go on for a while.
    if (random.below(2) === 0) data.fill(random.below(2) * 0x55, dataSize / 2 - 100);
    if (name === "scas" && random.below(2) === 0) general[0] = 0x5555555555555555n * BigInt(random.below(2));
  }
  if (name === "clzero") {
    const upper = found.addressSize === 32 ? word(random) & ~0xffffffffn : 0n;
    general[0] = upper | (middle - (found.segment === 5 ? gsBase : 0n) + BigInt(random.below(64)));
  }
  if (name === "xlat") general[3] = middle - (found.segment === 5 ? gsBase : 0n) - BigInt(random.below(256)) + 64n;
  if (name === "div" || name === "idiv") {
    if (random.below(4) > 0)
      general[2] = random.below(2) ? BigInt(random.below(100)) : mask64 - BigInt(random.below(100));
  }
  if (name === "cmpxchg" && random.below(2) === 0 && found.register) general[0] = general[found.rm] as bigint;
  if (form.operands.some(({ kind }) => kind === "moffs")) {
    const at = middle - (found.segment === 5 ? gsBase : 0n) + BigInt(random.below(64));
    const size = found.addressSize / 8;
    for (let i = 0; i < size; i++) code[found.length - size + i] = Number((at >> BigInt(8 * i)) & 0xffn);
  }
  // A stack pointer that is no address keeps signals from coming.
  if (((general[4] as bigint) - base) >> 16n !== 0n) return undefined;
  // AMD's processors let 66 make near branches 16 bits wide in 64-bit mode, Intel's, and these, do not.
  if (codeSize === 64 && found.operandPrefix && form.sizeRule === SizeRule.forced64) return undefined;
  // AMD's take 32 bits of an offset there, Intel's, and these, 64; and where the selector is one that can be loaded, what comes
  // after it would have another GS than it is told.
  if (["lss", "lfs", "lgs"].includes(name) && found.operandSize === 64) return undefined;
  // A jump into itself may have no end.
  const distance = found.immediates[0];
  if (form.operands.some(({ kind }) => kind === "rel") && distance < 0n && distance >= -found.length) return undefined;
  // RF and TF are the single step's.
  const flags = (word(random) & 0xcd5n) | 0x302n;
  const { operandSize, length } = found;
  return {
    form,
    operandSize,
    kind: handlerName(found, form),
    length,
    general,
    flags,
    pc,
    code: [...code, ...Array<number>(16).fill(0xcc)].slice(0, 16),
    data,
    floating: masked(random, found, floating(random, form)),
  };
}

/** Where data is; of AVX's memory now and then over one of the ends of all that there is, where a fault keeps all of it. */
function someAddress(random: Random, { map, operands }: Form): bigint {
  const size = operands.find(({ kind }) => kind === "xm" || kind === "m")?.size;
  if (map < 4 || size === undefined || size < 128 || random.below(4) > 0) {
    return middle + BigInt(random.below(0x80) - 0x40);
  }
  return (random.below(2) ? base : base + BigInt(extent)) - BigInt(random.below(size / 8));
}

/** Signs in the mask of what moves under one; indices of which most lead to data. */
function masked(random: Random, found: Decoded & { readonly of: Form }, image: Uint8Array): Uint8Array {
  const { operands } = found.of;
  if (!operands.some(({ name, kind }) => name === "mask" && kind === "xv")) return image;
  const view = new DataView(image.buffer, image.byteOffset);
  const setWord = (register: number, word: number, value: number) =>
    view.setUint32((word < 4 ? 160 : 416 - 16) + 16 * register + 4 * word, value >>> 0, true);
  const sign = () => (random.below(3) > 0 ? 0x8000_0000 : 0) | random.below(2 ** 31);
  for (let i = 0; i < 8; i++) setWord(found.vvvv, i, sign());
  if (!operands.some(({ kind }) => vectorIndexKinds.includes(kind))) return image;
  const wide = /^vp?gatherq/.test(found.of.mnemonic);
  const astray = random.below(12);
  for (let i = 0; i < 8; i += wide ? 2 : 1) {
    const index = i === astray ? random.below(2 ** 32) - 2 ** 31 : random.below(32) - 16;
    setWord(found.memory.index, i, index);
    if (wide) setWord(found.memory.index, i + 1, index < 0 ? -1 : 0);
  }
  return image;
}

/** Numbers of 32 or 64 bits as floating point has edges: zeros, the smallest, ones, infinities, NaNs, small whole numbers. */
function float(random: Random, double: boolean): bigint {
  const [bits, fraction] = double ? ([64n, 52n] as const) : ([32n, 23n] as const);
  const cut = (1n << bits) - 1n;
  const sign = BigInt(random.below(2)) << (bits - 1n);
  const top = (1n << (bits - 1n - fraction)) - 1n;
  const low = (1n << fraction) - 1n;
  const some = word(random) & low;
  const middle = top >> 1n;
  switch (random.below(10)) {
    case 0:
      return sign;
    case 1:
      return sign | (some >> BigInt(random.below(Number(fraction))));
    case 2:
      return sign | (top << fraction) | (random.below(2) ? some : 0n);
    case 3:
      return sign | ((random.below(2) ? 1n : top - 1n) << fraction) | some;
    case 4:
      return sign | (middle << fraction);
    case 5:
      return word(random) & cut;
    default:
      return (
        sign | ((middle + BigInt(random.below(40) - 20)) << fraction) | (random.below(2) ? some : some & ~(low >> 6n))
      );
  }
}

/** The x87's stack with numbers of 80 bits at their edges, some of its registers empty, any mode. */
function drawStack(random: Random, view: DataView): void {
  const masks = random.below(4) > 0 ? 63 : random.below(64);
  view.setUint16(0, 0x40 | masks | (([0, 2, 3, 3][random.below(4)] as number) << 8) | (random.below(4) << 10), true);
  view.setUint16(2, (random.below(8) << 11) | (random.below(0x10000) & 0x4700) | (random.below(64) & masks), true);
  view.setUint8(4, [0xff, 0, 0x0f, random.below(256)][random.below(4)] as number);
  for (let i = 0; i < 8; i++) {
    const whole = word(random) >> BigInt(random.below(2) * random.below(64));
    const significand =
      random.below(8) > 0 ? (1n << 63n) | (random.below(2) ? whole << BigInt(random.below(64)) : word(random)) : whole;
    const near = 0x3fff + random.below(80) - 40;
    const exponent = [
      0,
      1,
      0x7fff,
      0x7ffe,
      0x3ffe,
      0x3fff,
      random.below(0x8000),
      0x3c01 + random.below(60) - 58,
      0x3f81 + random.below(30) - 28,
    ];
    const chosen = random.below(2) ? near : (exponent[random.below(exponent.length)] as number);
    const special = [0n, 1n << 63n, 3n << 62n];
    const drawn = random.below(6) === 0 ? (special[random.below(3)] as bigint) : BigInt.asUintN(64, significand);
    view.setBigUint64(32 + 16 * i, drawn, true);
    view.setUint16(40 + 16 * i, (random.below(2) << 15) | (drawn === 0n ? 0 : chosen), true);
  }
}

/** MMX's registers, which are the x87's, with integers or singles in them; now and then an exception of the x87's waits. */
function drawMmx(random: Random, view: DataView): void {
  drawStack(random, view);
  if (random.below(8) > 0) view.setUint16(2, view.getUint16(2, true) & 0x7f00, true);
  for (let i = 0; i < 8; i++) {
    const singles = float(random, false) | (float(random, false) << 32n);
    const counts = BigInt(random.below(70));
    view.setBigUint64(32 + 16 * i, [value(random), value(random), singles, counts][random.below(4)] as bigint, true);
    view.setUint16(40 + 16 * i, 0xffff, true);
  }
}

/** Registers of vectors with integers or floating point in them, MXCSR as most programs have it or any. */
function floating(random: Random, form: Form): Uint8Array {
  const image = initialFloating();
  const view = new DataView(image.buffer);
  const { name } = form.definition;
  if (form.map === 0 && form.opcode >> 3 === 0xd8 >> 3) drawStack(random, view);
  const floats = random.below(8) > 0 && /(p|s)[sd]$|2|^v?rc|^v?rs/.test(name);
  if (form.operands.some(({ kind }) => mmxKinds.includes(kind))) drawMmx(random, view);
  for (let i = 0; i < 32; i++) {
    const double = random.below(2) === 1;
    for (let half = 0; half < 2; half++) {
      const one = !floats
        ? value(random)
        : double
          ? float(random, true)
          : float(random, false) | (float(random, false) << 32n);
      view.setBigUint64(160 + 16 * i + 8 * half, one, true);
    }
  }
  if (/^v?ps[lr][lad]/.test(name) && random.below(3) > 0) {
    for (let i = 0; i < 16; i++) view.setBigUint64(160 + 16 * i, BigInt(random.below(70)), true);
  }
  if (random.below(3) > 0) {
    const masks = random.below(4) > 0 ? 0x1f80 : random.below(64) << 7;
    view.setUint32(
      24,
      masks |
        (random.below(4) << 13) |
        (random.below(4) === 0 ? 0x8000 : 0) |
        (random.below(4) === 0 ? 0x40 : 0) |
        (random.below(2) ? random.below(64) : 0),
      true,
    );
  }
  // As it is in most programs after a while: something was inexact.
  else if (random.below(2)) view.setUint32(24, 0x1fa0, true);
  return image;
}

/** Makes the memory operand lie at an address, or a little below, by its base or its displacement. Returns where it lies. */
function reach(
  random: Random,
  found: Decoded & { readonly of: Form },
  general: bigint[],
  code: number[],
  pc: bigint,
  at: bigint,
): bigint {
  const { base: first, index: any, scale, displacement, ripRelative } = found.memory;
  // Vectors that index it have elements near 0.
  const index = found.of.operands.some(({ kind }) => vectorIndexKinds.includes(kind)) ? -1 : any;
  const target = at - (found.segment === 5 && !["lea"].includes(found.of.definition.name) ? gsBase : 0n);
  const upper = found.addressSize === 32 ? word(random) & ~0xffffffffn : 0n;
  if (first < 0) {
    if (index >= 0) general[index] = BigInt(random.below(8));
    const rest =
      target -
      (ripRelative ? pc + BigInt(found.length) : 0n) -
      (index < 0 ? 0n : (general[index] as bigint) << BigInt(scale));
    const immediates = found.of.immediates.reduce(
      (sum, kind) => sum + [0, 1, 2, found.operandSize === 16 ? 2 : 4][kind]!,
      0,
    );
    const bytes = found.addressSize === 16 ? 2 : 4;
    const place = found.length - immediates - bytes;
    for (let i = 0; i < bytes; i++) code[place + i] = Number((rest >> BigInt(8 * i)) & 0xffn);
    return at;
  }
  if (index === first) {
    // Twice and more of it, which hardly divides the address.
    const factor = 1n + (1n << BigInt(scale));
    const rest = target - BigInt(displacement);
    general[first] = rest / factor;
    return at - (rest % factor);
  }
  if (index >= 0) general[index] = BigInt(random.below(16));
  const start = target - BigInt(displacement) - (index < 0 ? 0n : (general[index] as bigint) << BigInt(scale));
  general[first] = upper | (start & (found.addressSize === 32 ? 0xffffffffn : mask64));
  return at;
}
