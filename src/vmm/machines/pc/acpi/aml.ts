/**
 * AML: the bytes of ACPI's definition blocks, as much of the language as a machine without surprises needs. A term is its bytes.
 * Source: Advanced Configuration and Power Interface Specification, "ACPI Machine Language (AML) Specification".
 */
import type { PortRange } from "../memory-map.js";

/** Bytes of a term. */
export type Aml = readonly number[];

const ascii = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));

/** So many bytes of a number, the lowest first. */
export const little = (value: number | bigint, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));

/** A name of up to four letters. RangeError: it is none. */
function segment(name: string): number[] {
  if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(name)) throw new RangeError(`"${name}" is no name of ACPI's`);
  return ascii(name.padEnd(4, "_"));
}

/** Names separated by dots, from the root on behind a backslash. */
function path(text: string): number[] {
  const root = text.startsWith("\\");
  const names = (root ? text.slice(1) : text).split(".");
  const [only, second] = names;
  const segments = names.flatMap(segment);
  const prefix = second === undefined ? [] : names.length === 2 ? [0x2e] : [0x2f, names.length];
  if (only === undefined) throw new RangeError(`"${text}" is no path of ACPI's`);
  return [...(root ? [0x5c] : []), ...prefix, ...segments];
}

/** With its length in front, which counts itself. */
function sized(body: Aml): number[] {
  const [least, most] = [body.length, 0x0fff_ffff];
  for (const more of [0, 1, 2, 3]) {
    const length = least + 1 + more;
    if (more === 0 ? length > 0x3f : length >= 2 ** (4 + 8 * more)) continue;
    const lead = more === 0 ? length : (more << 6) | (length & 15);
    return [lead, ...little(length >> 4, more), ...body];
  }
  throw new RangeError(`a term of ${least} bytes; there are at most ${most}`);
}

export function integer(value: number | bigint): Aml {
  const whole = BigInt(value);
  if (whole === 0n) return [0];
  if (whole === 1n) return [1];
  if (whole < 0x100n) return [0x0a, ...little(whole, 1)];
  if (whole < 0x1_0000n) return [0x0b, ...little(whole, 2)];
  return whole < 0x1_0000_0000n ? [0x0c, ...little(whole, 4)] : [0x0e, ...little(whole, 8)];
}

/** Three letters and four hexadecimal digits, as devices have them. RangeError: it is none. */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new RangeError(`"${id}" is no identifier of EISA's`);
  const [a = 0, b = 0, c = 0] = ascii(id).map((letter) => letter & 31);
  const number = Number.parseInt(id.slice(3), 16);
  return [0x0c, (a << 2) | (b >> 3), ((b & 7) << 5) | c, number >> 8, number & 0xff];
}

export const name = (at: string, value: Aml): Aml => [0x08, ...path(at), ...value];
/** What says how long it is. */
const block = (code: Aml, ...parts: readonly Aml[]): Aml => [...code, ...sized(parts.flat())];
export const scope = (at: string, ...terms: readonly Aml[]): Aml => block([0x10], path(at), ...terms);
export const device = (at: string, ...terms: readonly Aml[]): Aml => block([0x5b, 0x82], path(at), ...terms);
/** What is called, with so many arguments. */
export const method = (at: string, args: number, ...terms: readonly Aml[]): Aml =>
  block([0x14], path(at), [args], ...terms);
/** Puts a method's first argument into a variable. */
export const keepArgument = (at: string): Aml => [0x70, 0x68, ...path(at)];
/** Does the terms if the variable is not 0. */
export const when = (at: string, ...terms: readonly Aml[]): Aml => block([0xa0], path(at), ...terms);
export const answer = (value: Aml): Aml => [0xa4, ...value];
/** Up to 255 elements. */
export const list = (...elements: readonly Aml[]): Aml => block([0x12], [elements.length], ...elements);
const buffer = (bytes: Aml): Aml => block([0x11], integer(bytes.length), bytes);

/** Descriptors of resources, with their end. */
export const resources = (...descriptors: readonly Aml[]): Aml => buffer([...descriptors.flat(), 0x79, 0]);

/** Ports, decoded with 16 bits. */
export const ports = ({ first, count }: PortRange): Aml => [
  0x47,
  1,
  ...little(first, 2),
  ...little(first, 2),
  1,
  count,
];
/** A line of the older controllers, edge-triggered. */
export const line = (number: number): Aml => [0x22, ...little(1 << number, 2)];
export const fixedMemory = (start: number, size: number): Aml => [
  0x86,
  9,
  0,
  1,
  ...little(start, 4),
  ...little(size, 4),
];

/** What a bridge hands on: the ranges are fixed, and the bridge is who produces. */
const Kind = { memory: 0, io: 1, bus: 2 } as const;
const fixedEnds = 0x0c;
function window(kind: number, flags: number, width: 2 | 4 | 8, first: bigint, size: bigint): Aml {
  const tag = { 2: 0x88, 4: 0x87, 8: 0x8a }[width];
  const words = [0n, first, first + size - 1n, 0n, size].flatMap((value) => little(value, width));
  return [tag, ...little(3 + words.length, 2), kind, fixedEnds, flags, ...words];
}
export const busNumbers = (first: number, count: number): Aml => window(Kind.bus, 0, 2, BigInt(first), BigInt(count));
/** All of it, not what ISA aliases. */
export const portWindow = (first: number, count: number): Aml => window(Kind.io, 3, 2, BigInt(first), BigInt(count));
/** That can be read and written, not cached. */
export const memoryWindow = (start: bigint, size: bigint): Aml =>
  window(Kind.memory, 1, start + size > 0x1_0000_0000n ? 8 : 4, start, size);
