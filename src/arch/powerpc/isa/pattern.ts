/**
 * Reads the patterns of instruction declarations (their language stands at the head of `insn.ts`) and expands the flags:
 * a pattern with `oe?` and `rc?` gives four variants, each with a mask, a value and a mnemonic of its own.
 */
import type { InsnDefinition } from "./insn.js";

/** Some bits of an operand, as they stand in the instruction. */
export interface FieldPiece {
  /** Right shift that brings the piece to bit 0, counted from the word's least significant bit; 32 and more: in the prefix. */
  readonly shift: number;
  readonly width: number;
  /** Where the piece's least significant bit stands in the operand. */
  readonly at: number;
}

/** One operand of a variant. Its value is (pieces, sign-extended from `width` bits if `signed`) * scale. */
export interface Field {
  readonly pieces: readonly FieldPiece[];
  readonly signed: boolean;
  /** Bits of the unscaled value. */
  readonly width: number;
  readonly scale: number;
}

/** Bits that tell words apart: those of `mask` are as in `value`. Both unsigned 32-bit numbers. */
export interface WordPattern {
  readonly mask: number;
  readonly value: number;
}

/** A declaration with each of its flags set or clear. `mask` and `value` are of its last word, the suffix if it has two. */
export interface Variant extends WordPattern {
  readonly definition: InsnDefinition;
  /** The declaration's name with the suffixes of the flags that are set. */
  readonly mnemonic: string;
  /** Of a prefixed instruction: what the word in front of it is. */
  readonly prefix?: WordPattern;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly fields: Readonly<Record<string, Field>>;
}

/** What a flag adds to the mnemonic, in the order in which it is added. */
const suffixes = [
  ["oe", "o"],
  ["rc", "."],
  ["lk", "l"],
  ["aa", "a"],
] as const;

interface MutableField {
  pieces: FieldPiece[];
  signed: boolean;
  scale: number;
}

interface ParsedPattern extends WordPattern {
  prefix?: WordPattern;
  /** Flag name and its bit. */
  flags: [string, number][];
  fields: Record<string, Field>;
}

function parsePattern(definition: InsnDefinition): ParsedPattern {
  const flags: [string, number][] = [];
  const fields: Record<string, MutableField> = {};
  const halves = definition.pattern.split("|");
  if (halves.length > 2) throw new Error(`instruction ${definition.name}: its pattern has more than two words`);
  const words = halves.map((half, i) => parseWord(definition, half, i < halves.length - 1 ? 32 : 0, flags, fields));
  const complete: Record<string, Field> = {};
  for (const [name, field] of Object.entries(fields)) {
    const width = Math.max(...field.pieces.map((p) => p.at + p.width));
    complete[name] = { ...field, width };
  }
  const [prefix] = words.length > 1 ? words : [];
  return { ...(words.at(-1) as WordPattern), ...(prefix ? { prefix } : {}), flags, fields: complete };
}

/** One word of a pattern; `base` is added to the shifts of its fields. */
function parseWord(
  definition: InsnDefinition,
  text: string,
  base: number,
  flags: [string, number][],
  fields: Record<string, MutableField>,
): WordPattern {
  const fail = (token: string, why: string): never => {
    throw new Error(`instruction ${definition.name}: pattern token "${token}" ${why}`);
  };
  let mask = 0;
  let value = 0;
  let left = 32;
  for (const token of text.trim().split(/\s+/)) {
    const take = (width: number): number => {
      if (width < 1 || width > left) fail(token, `needs ${width} bits but ${left} of 32 are left`);
      left -= width;
      return left;
    };
    if (/^[01-]*[01][01-]*$/.test(token)) {
      const shift = take(token.length);
      mask += Number.parseInt(token.replaceAll("0", "1").replaceAll("-", "0"), 2) * 2 ** shift;
      value += Number.parseInt(token.replaceAll("-", "0"), 2) * 2 ** shift;
      continue;
    }
    const reserved = /^-(?::(\d+))?$/.exec(token);
    if (reserved) {
      take(Number(reserved[1] ?? 1));
      continue;
    }
    const flag = /^([a-z]\w*)\?$/i.exec(token);
    if (flag) {
      const name = flag[1] as string;
      if (name in fields || flags.some(([n]) => n === name)) fail(token, "repeats a name");
      if (base !== 0) fail(token, "is a flag, which only the last word can have");
      flags.push([name, take(1)]);
      continue;
    }
    const operand = /^([a-z]\w*):([sw]?)(\d+)(?:@(\d+))?(?:\*(\d+))?(?:@(\d+))?$/i.exec(token);
    if (!operand) {
      fail(token, "is not literal bits, name:width, name?, or -");
      continue;
    }
    const name = operand[1] as string;
    if (flags.some(([n]) => n === name)) fail(token, "repeats a flag's name");
    const width = Number(operand[3]);
    const piece = { shift: base + take(width), width, at: Number(operand[4] ?? operand[6] ?? 0) };
    fields[name] ??= { pieces: [], signed: false, scale: 1 };
    const field = fields[name];
    if (field.pieces.some((p) => p.at < piece.at + width && piece.at < p.at + p.width)) {
      fail(token, "overlaps another piece of the same operand: say where it stands with @");
    }
    field.pieces.push(piece);
    if (operand[2]) field.signed = true;
    if (operand[5]) field.scale = Number(operand[5]);
  }
  if (left !== 0) {
    const last = text.trim().split(/\s+/).at(-1) ?? "";
    fail(last, `ends the pattern at ${32 - left} bits of 32`);
  }
  return { mask, value };
}

/**
 * The concrete instructions that a declaration stands for, one per setting of its flags, all clear first.
 * Throws an Error that names declaration and token if the pattern is not 32 bits or not in the language.
 */
export function expand(definition: InsnDefinition): Variant[] {
  const parsed = parsePattern(definition);
  const variants: Variant[] = [];
  for (let setting = 0; setting < 2 ** parsed.flags.length; setting++) {
    const flags: Record<string, boolean> = {};
    let { mask, value } = parsed;
    parsed.flags.forEach(([name, bit], i) => {
      const set = ((setting >> i) & 1) === 1;
      flags[name] = set;
      mask += 2 ** bit;
      if (set) value += 2 ** bit;
    });
    let mnemonic = definition.name;
    for (const [flag, suffix] of suffixes) if (flags[flag]) mnemonic += suffix;
    const { prefix, fields } = parsed;
    variants.push({ definition, mnemonic, mask, value, ...(prefix ? { prefix } : {}), flags, fields });
  }
  return variants;
}

/** Whether a word is the first of two, on processors that have prefixes: primary opcode 1. */
export const isPrefix = (word: number): boolean => word >>> 26 === 1;

/** A prefixed instruction crosses no multiple of this, bytes: it is an Alignment interrupt. */
export const prefixBoundary = 64;

/** Bytes of a variant's instructions. */
export const lengthOf = ({ prefix }: Variant): number => (prefix ? 8 : 4);

/** The operand's value in an instruction: sign-extended if signed, and scaled. `prefix` is the word in front, if there is one. */
export function fieldValue(field: Field, word: number, prefix = 0): number {
  if (field.width > 32) return wideValue(field, word, prefix);
  let raw = 0;
  // In 32-bit arithmetic; a field of 32 bits is a signed number.
  for (const { shift, width, at } of field.pieces) {
    const from = shift < 32 ? word >>> shift : prefix >>> (shift - 32);
    raw |= (from & (2 ** width - 1)) << at;
  }
  if (field.signed) {
    const unused = 32 - field.width;
    raw = (raw << unused) >> unused;
  }
  return raw * field.scale;
}

/** Doubles are exact up to 53 bits. */
function wideValue({ pieces, signed, width, scale }: Field, word: number, prefix: number): number {
  let raw = 0;
  for (const piece of pieces) {
    const from = piece.shift < 32 ? word >>> piece.shift : prefix >>> (piece.shift - 32);
    raw += ((from & (2 ** piece.width - 1)) >>> 0) * 2 ** piece.at;
  }
  return (signed && raw >= 2 ** (width - 1) ? raw - 2 ** width : raw) * scale;
}

/** `fieldValue` of one field, for many words behind the same prefix. */
export function fieldReader(field: Field, prefix = 0): (word: number) => number {
  const [piece, ...others] = field.pieces;
  if (!piece || others.length > 0 || piece.at > 0 || piece.shift >= 32)
    return (word) => fieldValue(field, word, prefix);
  const { shift, width } = piece;
  const { scale, signed } = field;
  const unused = 32 - width;
  return signed
    ? (word) => (((word >>> shift) << unused) >> unused) * scale
    : (word) => (((word >>> shift) << unused) >>> unused) * scale;
}

/** Bits of the last word that an operand consists of (signed 32 bits). */
export function fieldMask({ pieces }: Field): number {
  return pieces.reduce((mask, { shift, width }) => (shift < 32 ? mask | ((2 ** width - 1) << shift) : mask), 0);
}

/** Least and greatest value an operand can have, scaled. */
export function fieldRange(field: Field): { min: number; max: number } {
  const span = 2 ** field.width;
  return field.signed
    ? { min: (-span / 2) * field.scale, max: (span / 2 - 1) * field.scale }
    : { min: 0, max: (span - 1) * field.scale };
}

/**
 * The bits that give the operand this value, to be OR-ed into the word (unsigned), or into the prefix if that is asked for.
 * Throws a RangeError if the value does not fit or is not a multiple of the scale.
 */
export function encodeField(field: Field, value: number, into: "word" | "prefix" = "word"): number {
  const { min, max } = fieldRange(field);
  if (!Number.isInteger(value)) throw new RangeError(`${value} is not an integer`);
  if (value % field.scale !== 0) throw new RangeError(`${value} is not a multiple of ${field.scale}`);
  if (value < min || value > max) throw new RangeError(`${value} is not in ${min}..${max}`);
  const raw = value / field.scale;
  // Not by shifts: an operand may have more than 32 bits.
  const part = (at: number, width: number) => Math.floor(raw / 2 ** at) & (2 ** width - 1);
  const base = into === "prefix" ? 32 : 0;
  let bits = 0;
  for (const { shift, width, at } of field.pieces) {
    if (shift >= base && shift < base + 32) bits |= part(at, width) << (shift - base);
  }
  // Bits of the operand that no piece holds must be zero, else the value would silently change.
  const held = field.pieces.reduce((sum, { at, width }) => sum + part(at, width) * 2 ** at, 0);
  if (!field.signed && held >>> 0 !== raw) throw new RangeError(`${value} has bits the instruction cannot hold`);
  return bits >>> 0;
}
