/**
 * SSE's arithmetic by the host's, where that gives the same and nothing else comes of it: MXCSR rounds to nearest and says already
 * that something was inexact (`plainFloat`), operands are normal, and results too. Everything else is for the run-time library's
 * routines. Source: Intel SDM, volume 1, "SIMD Floating-Point Exceptions".
 */
import type { I32, I64, V128 } from "../../../semantics/values.js";
import type { X86Machine } from "./machine.js";

/** What the host gives, and whether that is it. */
export interface Quick<T> {
  readonly holds: I32;
  readonly value: T;
}

interface Format {
  readonly bits: bigint;
  /** The smallest normal number, and infinity. */
  readonly least: bigint;
  readonly infinity: bigint;
}
const single: Format = { bits: 32n, least: 0x0080_0000n, infinity: 0x7f80_0000n };
const double: Format = { bits: 64n, least: 0x0010_0000_0000_0000n, infinity: 0x7ff0_0000_0000_0000n };
const formatOf = (isDouble: 0 | 1): Format => (isDouble ? double : single);
const magnitudeOf = ({ bits }: Format): bigint => (1n << (bits - 1n)) - 1n;

export type QuickOperation = "add" | "sub" | "mul" | "div" | "sqrt";

interface Shape {
  readonly double: 0 | 1;
  readonly scalar: 0 | 1;
}

/** Lanes of 128 bits: all, or the first with what is above of the first operand. Which lanes are right is all ones. */
function quickLanes(
  m: X86Machine,
  operation: QuickOperation,
  shape: Shape,
  a: V128,
  b: V128,
): { readonly right: V128; readonly value: V128 } {
  const { v128 } = m;
  const format = formatOf(shape.double);
  const lanes = shape.double ? m.i64x2 : m.i32x4;
  const floats = shape.double ? m.f64x2 : m.f32x4;
  const each = (value: bigint): V128 =>
    v128.const(shape.double ? (value << 64n) | value : value * 0x0000_0001_0000_0001_0000_0001_0000_0001n);
  const magnitude = (x: V128): V128 => v128.and(x, each(magnitudeOf(format)));
  const normal = (x: V128): V128 => lanes.geS(x, each(format.least));
  const result = operation === "sqrt" ? floats.sqrt(b) : floats[operation](a, b);
  const size = magnitude(result);
  // What is near the smallest may have been denormal before it was rounded.
  const plain = v128.and(lanes.gtS(size, each(2n * format.least - 1n)), lanes.ltS(size, each(format.infinity)));
  // Of a negative number there is no root.
  const operands = operation === "sqrt" ? normal(b) : v128.and(normal(magnitude(a)), normal(magnitude(b)));
  const first = (): V128 =>
    shape.double
      ? m.i64x2.replace(a, 0, m.i64x2.extract(result, 0))
      : m.i32x4.replace(a, 0, m.i32x4.extract(result, 0));
  return { right: v128.and(operands, plain), value: shape.scalar ? first() : result };
}

/** Of each half both operands: what becomes of it, which holds if all lanes of all halves are right, or the first. */
export function quickHalves(
  m: X86Machine,
  operation: QuickOperation,
  shape: Shape,
  halves: readonly (readonly [V128, V128])[],
): readonly Quick<V128>[] {
  const made = halves.map(([a, b]) => quickLanes(m, operation, shape, a, b));
  const right = made.map((half) => half.right).reduce((x, y) => m.v128.and(x, y));
  const lanes = shape.double ? m.i64x2.allTrue(right) : m.i32x4.allTrue(right);
  const first = () => m.i32.ne(m.i32x4.extract(right, 0), m.i32.const(0));
  const holds = m.i32.and(m.plainFloat(), shape.scalar ? first() : lanes);
  return made.map(({ value }) => ({ holds, value }));
}

const magnitude = (m: X86Machine, format: Format, value: I64): I64 =>
  m.i64.and(value, m.i64.const(magnitudeOf(format)));
/** Neither denormal nor a NaN. */
function ordinary(m: X86Machine, format: Format, value: I64): I32 {
  const { i32, i64 } = m;
  const size = magnitude(m, format, value);
  const range = i64.leU(i64.sub(size, i64.const(format.least)), i64.const(format.infinity - format.least));
  return i32.or(range, i64.eqz(size));
}
const asDouble = (m: X86Machine, isDouble: 0 | 1, bits: I64) =>
  isDouble ? m.f64.ofBits(bits) : m.f64.fromSingle(m.i32.wrap(bits));

/** -1, 0, 1. */
export function quickOrder(m: X86Machine, isDouble: 0 | 1, a: I64, b: I64): Quick<I32> {
  const format = formatOf(isDouble);
  const [x, y] = [asDouble(m, isDouble, a), asDouble(m, isDouble, b)];
  return {
    holds: m.i32.and(ordinary(m, format, a), ordinary(m, format, b)),
    value: m.i32.sub(m.f64.gt(x, y), m.f64.lt(x, y)),
  };
}

/** Whether -limit <= value < limit. */
const within = (m: X86Machine, value: I64, limit: bigint): I32 =>
  m.i64.ltU(m.i64.add(value, m.i64.const(limit)), m.i64.const(2n * limit));

/** An integer as a double, or as a single: by way of a double, which must have it exactly, so that it is rounded once. */
export function quickFromInteger(m: X86Machine, isDouble: 0 | 1, value: I64): Quick<I64> {
  const exact = within(m, value, 1n << 53n);
  const number = m.f64.fromSigned(value);
  if (isDouble) return { holds: exact, value: m.f64.bits(number) };
  const rounded = m.i32.or(within(m, value, 1n << 24n), m.i32.and(m.plainFloat(), exact));
  return { holds: rounded, value: m.i64.extendU(m.f64.singleBits(number)) };
}

/** Toward zero, to so many bits. */
export function quickTruncate(m: X86Machine, isDouble: 0 | 1, size: number, bits: I64): Quick<I64> {
  const number = asDouble(m, isDouble, bits);
  const fits = m.f64.lt(m.f64.abs(number), m.f64.ofBits(m.i64.const(size === 64 ? 0x43e0n << 48n : 0x41e0n << 48n)));
  return { holds: m.i32.and(m.plainFloat(), fits), value: m.f64.toSigned(number) };
}

/** The other format; `isDouble` is what it is now. */
export function quickConvert(m: X86Machine, isDouble: 0 | 1, bits: I64): Quick<I64> {
  const { i32, i64 } = m;
  if (!isDouble) {
    return { holds: ordinary(m, single, bits), value: m.f64.bits(m.f64.fromSingle(i32.wrap(bits))) };
  }
  const word = i64.extendU(m.f64.singleBits(m.f64.ofBits(bits)));
  const size = magnitude(m, single, word);
  const plain = i64.ltU(i64.sub(size, i64.const(2n * single.least)), i64.const(single.infinity - 2n * single.least));
  return { holds: i32.and(m.plainFloat(), plain), value: word };
}
