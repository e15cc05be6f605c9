/**
 * Reads the patterns of instruction declarations (their language stands at the head of `insn.ts`) and expands the flags:
 * a pattern with `oe?` and `rc?` gives four variants, each with a mask, a value and a mnemonic of its own.
 */
import type { InsnDefinition } from "./insn.js";

/** Some bits of an operand, as they stand in the instruction word. */
export interface FieldPiece {
  /** Right shift that brings the piece to bit 0, counted from the word's least significant bit. */
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

/** A declaration with each of its flags set or clear. */
export interface Variant {
  readonly definition: InsnDefinition;
  /** The declaration's name with the suffixes of the flags that are set. */
  readonly mnemonic: string;
  /** A word is of this variant if (word & mask) >>> 0 equals value. Both unsigned 32-bit numbers. */
  readonly mask: number;
  readonly value: number;
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

interface ParsedPattern {
  mask: number;
  value: number;
  /** Flag name and its bit. */
  flags: [string, number][];
  fields: Record<string, Field>;
}

function parsePattern(definition: InsnDefinition): ParsedPattern {
  const fail = (token: string, why: string): never => {
    throw new Error(`instruction ${definition.name}: pattern token "${token}" ${why}`);
  };
  let mask = 0;
  let value = 0;
  let left = 32;
  const flags: [string, number][] = [];
  const fields: Record<string, MutableField> = {};
  for (const token of definition.pattern.trim().split(/\s+/)) {
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
      flags.push([name, take(1)]);
      continue;
    }
    const operand = /^([a-z]\w*):(s?)(\d+)(?:@(\d+))?(?:\*(\d+))?(?:@(\d+))?$/i.exec(token);
    if (!operand) {
      fail(token, "is not literal bits, name:width, name?, or -");
      continue;
    }
    const name = operand[1] as string;
    if (flags.some(([n]) => n === name)) fail(token, "repeats a flag's name");
    const width = Number(operand[3]);
    const piece = { shift: take(width), width, at: Number(operand[4] ?? operand[6] ?? 0) };
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
    const last = definition.pattern.trim().split(/\s+/).at(-1) ?? "";
    fail(last, `ends the pattern at ${32 - left} bits of 32`);
  }
  const complete: Record<string, Field> = {};
  for (const [name, field] of Object.entries(fields)) {
    const width = Math.max(...field.pieces.map((p) => p.at + p.width));
    complete[name] = { ...field, width };
  }
  return { mask, value, flags, fields: complete };
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
    variants.push({ definition, mnemonic, mask, value, flags, fields: parsed.fields });
  }
  return variants;
}

/** The operand's value in an instruction word: sign-extended if signed, and scaled. */
export function fieldValue(field: Field, word: number): number {
  let raw = 0;
  // Widths stay below 32, so 32-bit arithmetic is exact; `>>> 0` only matters for the word itself.
  for (const { shift, width, at } of field.pieces) raw |= ((word >>> shift) & (2 ** width - 1)) << at;
  if (field.signed) {
    const unused = 32 - field.width;
    raw = (raw << unused) >> unused;
  }
  return raw * field.scale;
}

/** `fieldValue` of one field, for many words. */
export function fieldReader(field: Field): (word: number) => number {
  const [piece, ...others] = field.pieces;
  if (!piece || others.length > 0 || piece.at > 0) return (word) => fieldValue(field, word);
  const { shift, width } = piece;
  const { scale, signed } = field;
  const unused = 32 - width;
  return signed
    ? (word) => (((word >>> shift) << unused) >> unused) * scale
    : (word) => (((word >>> shift) << unused) >>> unused) * scale;
}

/** Bits of the word that an operand consists of (signed 32 bits). */
export function fieldMask({ pieces }: Field): number {
  return pieces.reduce((mask, { shift, width }) => mask | ((2 ** width - 1) << shift), 0);
}

/** Least and greatest value an operand can have, scaled. */
export function fieldRange(field: Field): { min: number; max: number } {
  const span = 2 ** field.width;
  return field.signed
    ? { min: (-span / 2) * field.scale, max: (span / 2 - 1) * field.scale }
    : { min: 0, max: (span - 1) * field.scale };
}

/**
 * The bits that give the operand this value, to be OR-ed into the word (unsigned).
 * Throws a RangeError if the value does not fit or is not a multiple of the scale.
 */
export function encodeField(field: Field, value: number): number {
  const { min, max } = fieldRange(field);
  if (!Number.isInteger(value)) throw new RangeError(`${value} is not an integer`);
  if (value % field.scale !== 0) throw new RangeError(`${value} is not a multiple of ${field.scale}`);
  if (value < min || value > max) throw new RangeError(`${value} is not in ${min}..${max}`);
  const raw = value / field.scale;
  let bits = 0;
  for (const { shift, width, at } of field.pieces) bits |= ((raw >> at) & (2 ** width - 1)) << shift;
  // Bits of the operand that no piece holds must be zero, else the value would silently change.
  const bitsHeld = field.pieces.reduce((held, p) => held | ((2 ** p.width - 1) << p.at), 0);
  if (!field.signed && (raw & ~bitsHeld) !== 0) throw new RangeError(`${value} has bits the instruction cannot hold`);
  return bits >>> 0;
}
