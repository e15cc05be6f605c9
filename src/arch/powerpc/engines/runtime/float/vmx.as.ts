/**
 * Vector floating point of the VMX: binary32 lanes, round to nearest, no exceptions. VSCR[NJ] makes denormal operands
 * and results zero. Source: Power ISA v3.0B, Book I "Vector Floating-Point Operations".
 */
import { S_nj, S_sat } from "../layout.generated";
import { toInteger, toIntegral } from "./convert.as";
import { ONE, divide32, multiplyAdd32, reciprocalRoot } from "./double.as";
import { fromInteger } from "./exact.as";
import { UX, VXCVI, exceptions, setExceptions, setRounding } from "./fpscr.as";
import { arithmetic32, gather, gathered, word } from "./lane.as";
import { DOUBLE, DOUBLE_SINGLE, doubleFromSingle, resultLow, singleFromDouble, wide64High, wide64Low } from "./wide.as";

/** In non-Java mode a denormal counts as zero. */
function flush(w: u32, nj: i32): u32 {
  return nj != 0 && (w & 0x7f800000) == 0 ? w & 0x80000000 : w;
}
/** A result: one below the normal numbers before rounding is zero, even if it rounds up to the smallest of them. */
function flushResult(w: u32, nj: i32): u32 {
  return nj != 0 && (exceptions & UX) != 0 ? w & 0x80000000 : flush(w, nj);
}
function isNaN32(w: u32): bool {
  return (w & 0x7fffffff) > 0x7f800000;
}

/** operation: 0 add, 1 subtract, 4 maximum, 5 minimum (of which a NaN operand is the result). */
export function vmxArithmetic(s: i32, a: v128, b: v128, operation: i32): v128 {
  const nj = load<i32>(s + S_nj);
  for (let i = 0; i < 4; i++) {
    const x = flush(word(a, i), nj);
    const y = flush(word(b, i), nj);
    if (operation >= 4 && (isNaN32(x) || isNaN32(y))) gather((isNaN32(x) ? x : y) | 0x00400000);
    else gather(flushResult(arithmetic32(x, y, operation, 0), nj));
  }
  return gathered();
}
/** vmaddfp (kind 0) and vnmsubfp (3): a * b + c. */
export function vmxMulAdd(s: i32, a: v128, b: v128, c: v128, kind: i32): v128 {
  const nj = load<i32>(s + S_nj);
  for (let i = 0; i < 4; i++) {
    const x = doubleFromSingle(flush(word(a, i), nj));
    const y = doubleFromSingle(flush(word(b, i), nj));
    const z = doubleFromSingle(flush(word(c, i), nj));
    gather(flushResult(singleFromDouble(multiplyAdd32(x, y, z, kind, 0)), nj));
  }
  return gathered();
}

/** log2 of a positive normal double, to about 1e-10. */
function logarithm(bits: u64): f64 {
  const x = reinterpret<f64>((bits & 0x000fffffffffffff) | ONE);
  const e = <f64>(<i32>(bits >> 52) - 1023);
  // log2(m) = 2 / ln 2 * atanh((m - 1) / (m + 1)), for m in [sqrt(1/2), sqrt(2)].
  const halved = x > 1.4142135623730951;
  const m = halved ? x * 0.5 : x;
  const z = (m - 1) / (m + 1);
  const z2 = z * z;
  let sum: f64 = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * z2 + 1 / <f64>k;
  return e + (halved ? 1 : 0) + sum * z * 2.8853900817779268;
}
/** 2 to the x, |x| below 200, to about 1e-12. */
function power(x: f64): f64 {
  const n = nearest(x);
  const y = (x - n) * 0.6931471805599453;
  let sum: f64 = 1;
  for (let k = 14; k >= 1; k--) sum = 1 + (sum * y) / <f64>k;
  return sum * reinterpret<f64>((<u64>(<i64>n + 1023)) << 52);
}

/** operation: 1 reciprocal, 2 reciprocal root, 3 log2, 4 power of 2, 8 + mode rounds to an integral value. */
export function vmxUnary(s: i32, a: v128, operation: i32): v128 {
  const nj = load<i32>(s + S_nj);
  for (let i = 0; i < 4; i++) {
    setExceptions(0);
    gather(flushResult(unary(flush(word(a, i), nj), operation), nj));
  }
  return gathered();
}
function unary(w: u32, operation: i32): u32 {
  if (isNaN32(w)) return w | 0x00400000;
  const d = doubleFromSingle(w);
  if (operation >= 8) {
    toIntegral(wide64High(d), wide64Low(d), DOUBLE, operation - 8, false);
    return singleFromDouble(resultLow);
  }
  if (operation == 1) return singleFromDouble(divide32(ONE, d, 0));
  if (operation == 2) return singleFromDouble(reciprocalRoot(d, 0, true, true));
  const x = reinterpret<f64>(d);
  if (operation == 3) {
    if (x == 0) return 0xff800000;
    if (x < 0) return 0x7fc00000;
    if (w == 0x7f800000) return w;
    return reinterpret<u32>(<f32>logarithm(d));
  }
  if (x > 200) return 0x7f800000;
  if (x < -200) return 0;
  return reinterpret<u32>(<f32>power(x));
}

/** vcfsx, vcfux: integers divided by 2 to the `scale`. */
export function vmxFromInteger(a: v128, scale: i32, unsigned: i32): v128 {
  for (let i = 0; i < 4; i++) {
    const w = word(a, i);
    setRounding(0);
    fromInteger(unsigned ? <u64>w : <u64>(<i64>(<i32>w)), unsigned == 0, DOUBLE_SINGLE, 0, 0);
    // The division is exact: nothing comes near the smallest normal.
    const r = resultLow;
    gather(singleFromDouble(r == 0 ? r : r - ((<u64>scale) << 52)));
  }
  return gathered();
}
/** vctsxs, vctuxs: times 2 to the `scale`, toward zero, saturating with VSCR[SAT]; a NaN gives 0. */
export function vmxToInteger(s: i32, a: v128, scale: i32, unsigned: i32): v128 {
  const nj = load<i32>(s + S_nj);
  for (let i = 0; i < 4; i++) {
    const w = flush(word(a, i), nj);
    if (isNaN32(w)) {
      gather(0);
      continue;
    }
    let d = doubleFromSingle(w);
    if ((d & 0x7ff0000000000000) != 0 && (w & 0x7f800000) != 0x7f800000) d += (<u64>scale) << 52;
    setExceptions(0);
    gather(<u32>toInteger(wide64High(d), wide64Low(d), unsigned ? 1 : 0, 1));
    if (exceptions & VXCVI) store<i32>(s + S_sat, 1);
  }
  return gathered();
}

/** relation: 0 equal, 1 greater, 2 greater or equal, 3 vcmpbfp's two bits. */
export function vmxCompare(s: i32, a: v128, b: v128, relation: i32): v128 {
  const nj = load<i32>(s + S_nj);
  for (let i = 0; i < 4; i++) {
    const x = reinterpret<f32>(flush(word(a, i), nj));
    const y = reinterpret<f32>(flush(word(b, i), nj));
    if (relation == 3) gather((x <= y ? 0 : 0x80000000) | (x >= -y ? 0 : 0x40000000));
    else gather((relation == 0 ? x == y : relation == 1 ? x > y : x >= y) ? 0xffffffff : 0);
  }
  return gathered();
}
