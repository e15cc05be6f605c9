/**
 * Vector averages, absolute differences, minimum, maximum, negation.
 * Source: Power ISA v3.0B, Book I "Vector Integer Average Instructions", "Vector Integer Absolute Difference
 * Instructions", "Vector Integer Maximum and Minimum Instructions", "Vector Integer Negate Instructions".
 */
import type { Machine, V128 } from "../machine.js";
import { vx, vxUnary } from "../vector-forms.js";
import { splat } from "../vector-lanes.js";

/** The signed rounding average through the unsigned one, both operands shifted by half the range. */
function averageNarrowS(m: Machine, width: 8 | 16, a: V128, b: V128): V128 {
  const half = splat(m, width, 1 << (width - 1));
  const lanes = width === 8 ? m.i8x16 : m.i16x8;
  return m.v128.xor(lanes.avgrU(m.v128.xor(a, half), m.v128.xor(b, half)), half);
}

/** (a + b + 1) >> 1 without the carry being lost. */
function averageWords(m: Machine, shift: "shrU" | "shrS", a: V128, b: V128): V128 {
  const { i32x4, v128 } = m;
  return i32x4.sub(v128.or(a, b), i32x4[shift](v128.xor(a, b), m.i32.const(1)));
}

export const vavgub = vx("vavgub", 1026, (m, a, b) => m.i8x16.avgrU(a, b));
export const vavguh = vx("vavguh", 1090, (m, a, b) => m.i16x8.avgrU(a, b));
export const vavguw = vx("vavguw", 1154, (m, a, b) => averageWords(m, "shrU", a, b));
export const vavgsb = vx("vavgsb", 1282, (m, a, b) => averageNarrowS(m, 8, a, b));
export const vavgsh = vx("vavgsh", 1346, (m, a, b) => averageNarrowS(m, 16, a, b));
export const vavgsw = vx("vavgsw", 1410, (m, a, b) => averageWords(m, "shrS", a, b));

export const vabsdub = vx("vabsdub", 1027, (m, a, b) => m.v128.or(m.i8x16.subSatU(a, b), m.i8x16.subSatU(b, a)));
export const vabsduh = vx("vabsduh", 1091, (m, a, b) => m.v128.or(m.i16x8.subSatU(a, b), m.i16x8.subSatU(b, a)));
export const vabsduw = vx("vabsduw", 1155, (m, a, b) => m.i32x4.sub(m.i32x4.maxU(a, b), m.i32x4.minU(a, b)));

/** a > b as unsigned doublewords, which WebAssembly does not compare: the sign bits turned make it a signed order. */
export function gtDoublewordsU(m: Machine, a: V128, b: V128): V128 {
  const half = splat(m, 64, 1n << 63n);
  return m.i64x2.gtS(m.v128.xor(a, half), m.v128.xor(b, half));
}

export const vmaxub = vx("vmaxub", 2, (m, a, b) => m.i8x16.maxU(a, b));
export const vmaxuh = vx("vmaxuh", 66, (m, a, b) => m.i16x8.maxU(a, b));
export const vmaxuw = vx("vmaxuw", 130, (m, a, b) => m.i32x4.maxU(a, b));
export const vmaxud = vx("vmaxud", 194, (m, a, b) => m.v128.bitselect(a, b, gtDoublewordsU(m, a, b)));
export const vmaxsb = vx("vmaxsb", 258, (m, a, b) => m.i8x16.maxS(a, b));
export const vmaxsh = vx("vmaxsh", 322, (m, a, b) => m.i16x8.maxS(a, b));
export const vmaxsw = vx("vmaxsw", 386, (m, a, b) => m.i32x4.maxS(a, b));
export const vmaxsd = vx("vmaxsd", 450, (m, a, b) => m.v128.bitselect(a, b, m.i64x2.gtS(a, b)));
export const vminub = vx("vminub", 514, (m, a, b) => m.i8x16.minU(a, b));
export const vminuh = vx("vminuh", 578, (m, a, b) => m.i16x8.minU(a, b));
export const vminuw = vx("vminuw", 642, (m, a, b) => m.i32x4.minU(a, b));
export const vminud = vx("vminud", 706, (m, a, b) => m.v128.bitselect(b, a, gtDoublewordsU(m, a, b)));
export const vminsb = vx("vminsb", 770, (m, a, b) => m.i8x16.minS(a, b));
export const vminsh = vx("vminsh", 834, (m, a, b) => m.i16x8.minS(a, b));
export const vminsw = vx("vminsw", 898, (m, a, b) => m.i32x4.minS(a, b));
export const vminsd = vx("vminsd", 962, (m, a, b) => m.v128.bitselect(b, a, m.i64x2.gtS(a, b)));

export const vnegw = vxUnary("vnegw", 1538, (m, b) => m.i32x4.neg(b), 6);
export const vnegd = vxUnary("vnegd", 1538, (m, b) => m.i64x2.neg(b), 7);

export const vectorMinMaxInstructions = [
  vavgub,
  vavguh,
  vavguw,
  vavgsb,
  vavgsh,
  vavgsw,
  vabsdub,
  vabsduh,
  vabsduw,
  vmaxub,
  vmaxuh,
  vmaxuw,
  vmaxud,
  vmaxsb,
  vmaxsh,
  vmaxsw,
  vmaxsd,
  vminub,
  vminuh,
  vminuw,
  vminud,
  vminsb,
  vminsh,
  vminsw,
  vminsd,
  vnegw,
  vnegd,
];
