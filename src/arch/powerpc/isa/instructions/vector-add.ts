/**
 * Vector integer addition and subtraction: modulo, carry-out and saturating forms.
 * Source: Power ISA v3.0B, Book I "Vector Integer Arithmetic Instructions".
 */
import type { Machine, V128 } from "../machine.js";
import { vx } from "../vector-forms.js";
import { saturated, splat } from "../vector-lanes.js";

/** `result` saturated where it is not `modulo`: notes that in SAT. */
function noting(m: Machine, result: V128, modulo: V128): V128 {
  saturated(m, m.v128.xor(result, modulo));
  return result;
}

/** a + b, unsigned words, saturating. */
export function addWordsSatU(m: Machine, a: V128, b: V128): V128 {
  const sum = m.i32x4.add(a, b);
  const over = m.i32x4.ltU(sum, a);
  saturated(m, over);
  return m.v128.or(sum, over);
}

/** Where `signs` is negative the words of `modulo` overflowed: saturates them with the sign of `a`. */
function clampWords(m: Machine, signs: V128, modulo: V128, a: V128): V128 {
  const { i32x4, v128 } = m;
  const all = m.i32.const(31);
  const over = i32x4.shrS(signs, all);
  saturated(m, over);
  const limit = v128.xor(i32x4.shrS(a, all), splat(m, 32, 0x7fffffff));
  return v128.bitselect(limit, modulo, over);
}

/** a + b, signed words, saturating. */
export function addWordsSatS(m: Machine, a: V128, b: V128): V128 {
  const { v128 } = m;
  const sum = m.i32x4.add(a, b);
  return clampWords(m, v128.and(v128.xor(a, sum), v128.xor(b, sum)), sum, a);
}

export const vaddubm = vx("vaddubm", 0, (m, a, b) => m.i8x16.add(a, b));
export const vadduhm = vx("vadduhm", 64, (m, a, b) => m.i16x8.add(a, b));
export const vadduwm = vx("vadduwm", 128, (m, a, b) => m.i32x4.add(a, b));
export const vaddudm = vx("vaddudm", 192, (m, a, b) => m.i64x2.add(a, b));
export const vaddubs = vx("vaddubs", 512, (m, a, b) => noting(m, m.i8x16.addSatU(a, b), m.i8x16.add(a, b)));
export const vadduhs = vx("vadduhs", 576, (m, a, b) => noting(m, m.i16x8.addSatU(a, b), m.i16x8.add(a, b)));
export const vadduws = vx("vadduws", 640, addWordsSatU);
export const vaddsbs = vx("vaddsbs", 768, (m, a, b) => noting(m, m.i8x16.addSatS(a, b), m.i8x16.add(a, b)));
export const vaddshs = vx("vaddshs", 832, (m, a, b) => noting(m, m.i16x8.addSatS(a, b), m.i16x8.add(a, b)));
export const vaddsws = vx("vaddsws", 896, addWordsSatS);

export const vsububm = vx("vsububm", 1024, (m, a, b) => m.i8x16.sub(a, b));
export const vsubuhm = vx("vsubuhm", 1088, (m, a, b) => m.i16x8.sub(a, b));
export const vsubuwm = vx("vsubuwm", 1152, (m, a, b) => m.i32x4.sub(a, b));
export const vsubudm = vx("vsubudm", 1216, (m, a, b) => m.i64x2.sub(a, b));
export const vsububs = vx("vsububs", 1536, (m, a, b) => noting(m, m.i8x16.subSatU(a, b), m.i8x16.sub(a, b)));
export const vsubuhs = vx("vsubuhs", 1600, (m, a, b) => noting(m, m.i16x8.subSatU(a, b), m.i16x8.sub(a, b)));
export const vsubuws = vx("vsubuws", 1664, (m, a, b) => {
  const under = m.i32x4.ltU(a, b);
  saturated(m, under);
  return m.v128.andnot(m.i32x4.sub(a, b), under);
});
export const vsubsbs = vx("vsubsbs", 1792, (m, a, b) => noting(m, m.i8x16.subSatS(a, b), m.i8x16.sub(a, b)));
export const vsubshs = vx("vsubshs", 1856, (m, a, b) => noting(m, m.i16x8.subSatS(a, b), m.i16x8.sub(a, b)));
export const vsubsws = vx("vsubsws", 1920, (m, a, b) => {
  const { v128 } = m;
  const difference = m.i32x4.sub(a, b);
  return clampWords(m, v128.and(v128.xor(a, b), v128.xor(a, difference)), difference, a);
});

// The carry out of each word, as 0 or 1; of a subtraction it is 1 if nothing was borrowed.
export const vaddcuw = vx("vaddcuw", 384, (m, a, b) => m.v128.and(m.i32x4.ltU(m.i32x4.add(a, b), a), splat(m, 32, 1)));
export const vsubcuw = vx("vsubcuw", 1408, (m, a, b) => m.v128.and(m.i32x4.geU(a, b), splat(m, 32, 1)));

export const vectorAddInstructions = [
  vaddubm,
  vadduhm,
  vadduwm,
  vaddudm,
  vaddubs,
  vadduhs,
  vadduws,
  vaddsbs,
  vaddshs,
  vaddsws,
  vsububm,
  vsubuhm,
  vsubuwm,
  vsubudm,
  vsububs,
  vsubuhs,
  vsubuws,
  vsubsbs,
  vsubshs,
  vsubsws,
  vaddcuw,
  vsubcuw,
];
