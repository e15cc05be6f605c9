/**
 * FMA: products and sums rounded once, in lanes, by MXCSR. Source: Intel SDM, volume 1, "FMA Instruction Numeric Behavior";
 * volume 2.
 */
import {
  FLOAT_denormal,
  FLOAT_invalid,
  FUSED_negate,
  FUSED_subtractEven,
  FUSED_subtractOdd,
  SSEPART_scalar,
} from "../layout.generated";
import { fused, moderate } from "../../../../../engine/runtime/fused.as";
import { INFINITE, ZERO } from "./numbers.as";
import { addEarly, DOWN, exponent, high, low, negative, product, sumWide } from "./round.as";
import {
  begin,
  denormal,
  e,
  end,
  indefinite,
  infinity,
  isNaN64,
  isQuick,
  isSignaling,
  mode,
  n,
  pack,
  quietBit,
  take,
  v,
  zero,
} from "./sse-number.as";

/** x * y + z, whatever they are. The signs that the operation gives product and addend are no NaN's. */
function exact(x: u64, y: u64, z: u64, negates: bool, subtracts: bool, double: bool): u64 {
  const nan = isNaN64(x, double) ? x : isNaN64(y, double) ? y : z;
  if (isNaN64(nan, double)) {
    if (isSignaling(x, double) || isSignaling(y, double) || isSignaling(z, double)) addEarly(FLOAT_invalid);
    return nan | quietBit(double);
  }
  const kx = take(x, double);
  const xn = n;
  const xe = e;
  const xv = v;
  let denormals = denormal;
  const ky = take(y, double);
  const pn = (xn != n) != negates;
  const ye = e;
  const yv = v;
  denormals = denormals || denormal;
  const kz = take(z, double);
  const zn = n != subtracts;
  denormals = denormals || denormal;
  if ((kx == INFINITE && ky == ZERO) || (kx == ZERO && ky == INFINITE)) return indefinite(double);
  const infinite = kx == INFINITE || ky == INFINITE;
  if (infinite && kz == INFINITE && pn != zn) return indefinite(double);
  if (denormals) addEarly(FLOAT_denormal);
  if (infinite) return infinity(pn, double);
  if (kz == INFINITE) return infinity(zn, double);
  if (kx == ZERO || ky == ZERO) {
    if (kz == ZERO) return zero(pn == zn ? pn : mode == DOWN, double);
    product(zn, e, v, false, 0, (<u64>1) << 63);
    return pack(double);
  }
  product(pn, xe, xv, false, ye, yv);
  if (kz != ZERO && !sumWide(negative, exponent, high, low, zn, e, v, 0)) return zero(mode == DOWN, double);
  return pack(double);
}

/** Whether MXCSR asks for nothing but what the host's arithmetic gives. */
let quick: bool = false;

function double(x: u64, y: u64, z: u64, negates: bool, subtracts: bool): u64 {
  const sign: u64 = (<u64>1) << 63;
  if (quick && moderate(x) && moderate(y) && (moderate(z) || z << 1 == 0)) {
    const addend = reinterpret<f64>(subtracts ? z ^ sign : z);
    const bits = reinterpret<u64>(fused(negates ? x ^ sign : x, y, addend));
    // What is near the smallest may have been denormal before it was rounded.
    const biased = (bits >> 52) & 0x7ff;
    if (biased > 1 && biased < 0x7ff) return bits;
  }
  return exact(x, y, z, negates, subtracts, true);
}

/** Neither infinite nor a NaN nor a denormal. */
// @ts-ignore: decorator
@inline
function isPlainSingle(bits: u32): bool {
  const biased = (bits >> 23) & 0xff;
  return biased < 0xff && (biased > 0 || bits << 1 == 0);
}

function single(x: u32, y: u32, z: u32, negates: bool, subtracts: bool): u32 {
  const sign: u32 = 0x80000000;
  if (quick && isPlainSingle(x) && isPlainSingle(y) && isPlainSingle(z)) {
    // As doubles, the product is exact, and the sum, rounded to odd, has enough bits more to be rounded once more.
    const p = <f64>reinterpret<f32>(negates ? x ^ sign : x) * <f64>reinterpret<f32>(y);
    const addend = <f64>reinterpret<f32>(subtracts ? z ^ sign : z);
    let s = p + addend;
    const t = s - p;
    const lost = p - (s - t) + (addend - t);
    if (lost != 0) {
      const bits = reinterpret<u64>(s);
      if ((bits & 1) == 0) s = reinterpret<f64>(lost > 0 == s > 0 ? bits + 1 : bits - 1);
    }
    const bits = reinterpret<u32>(<f32>s);
    const biased = (bits >> 23) & 0xff;
    if (biased > 1 && biased < 0xff) return bits;
  }
  return <u32>exact(x, y, z, negates, subtracts, false);
}

/** x * y + z in all lanes, or in the first, with 0 in the others. `how`: which of product and addend changes its sign (`SseFused`). */
export function sseFused(s: i32, how: i32, isDouble: i32, part: i32, x: v128, y: v128, z: v128): v128 {
  begin(s, part);
  quick = isQuick(s);
  const negates = (how & FUSED_negate) != 0;
  const even = (how & FUSED_subtractEven) != 0;
  const odd = (how & FUSED_subtractOdd) != 0;
  let result = i64x2(0, 0);
  if (isDouble) {
    const first = double(i64x2.extract_lane(x, 0), i64x2.extract_lane(y, 0), i64x2.extract_lane(z, 0), negates, even);
    result = i64x2.replace_lane(result, 0, first);
    if (part != SSEPART_scalar) {
      const second = double(i64x2.extract_lane(x, 1), i64x2.extract_lane(y, 1), i64x2.extract_lane(z, 1), negates, odd);
      result = i64x2.replace_lane(result, 1, second);
    }
  } else {
    const x0 = i64x2.extract_lane(x, 0);
    const y0 = i64x2.extract_lane(y, 0);
    const z0 = i64x2.extract_lane(z, 0);
    let pair: u64 = single(<u32>x0, <u32>y0, <u32>z0, negates, even);
    if (part != SSEPART_scalar) {
      pair |= (<u64>single(<u32>(x0 >> 32), <u32>(y0 >> 32), <u32>(z0 >> 32), negates, odd)) << 32;
      const x1 = i64x2.extract_lane(x, 1);
      const y1 = i64x2.extract_lane(y, 1);
      const z1 = i64x2.extract_lane(z, 1);
      let upper: u64 = single(<u32>x1, <u32>y1, <u32>z1, negates, even);
      upper |= (<u64>single(<u32>(x1 >> 32), <u32>(y1 >> 32), <u32>(z1 >> 32), negates, odd)) << 32;
      result = i64x2.replace_lane(result, 1, upper);
    }
    result = i64x2.replace_lane(result, 0, pair);
  }
  end(s, part);
  return result;
}
