/** F16C: singles and numbers of 16 bits. Source: Intel SDM, volume 1, "Half-Precision Floating-Point Conversion"; volume 2. */
import { FLOAT_denormal, FLOAT_invalid } from "../layout.generated";
import { INFINITE, NOT, ZERO } from "./numbers.as";
import {
  addEarly,
  becomesInfinite,
  exponent,
  high,
  low,
  negative,
  product,
  roundedExponent,
  roundedSignificand,
  roundTo,
  tooLarge,
} from "./round.as";
import { begin, denormal, e, end, isSignaling, masked, mode, n, take, v } from "./sse-number.as";

const BIAS = 15;

/** Exact, and a denormal is no exception: as a single it is none. */
function widened(half: u32): u32 {
  const sign = (half & 0x8000) << 16;
  const biased = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (biased == 31) {
    if (fraction == 0) return sign | 0x7f800000;
    if (!(fraction & 0x200)) addEarly(FLOAT_invalid);
    return sign | 0x7fc00000 | (fraction << 13);
  }
  if (biased != 0) return sign | ((biased + 127 - BIAS) << 23) | (fraction << 13);
  if (fraction == 0) return sign;
  const up = clz(fraction) - 21;
  return sign | ((127 - BIAS + 1 - up) << 23) | ((fraction << (up + 13)) & 0x7fffff);
}

/** Rounded by a mode. Results are never flushed. */
function narrowed(bits: u32, by: i32): u32 {
  const kind = take(bits, false);
  const sign: u32 = n ? 0x8000 : 0;
  if (kind == NOT) {
    if (isSignaling(bits, false)) addEarly(FLOAT_invalid);
    return sign | 0x7e00 | (<u32>v >> 13);
  }
  if (kind == ZERO) return sign;
  if (denormal) addEarly(FLOAT_denormal);
  if (kind == INFINITE) return sign | 0x7c00;
  product(n, e, v, false, 0, (<u64>1) << 63);
  roundTo(negative, exponent, high, low, 11, 1 - BIAS, BIAS, by, masked, false);
  if (tooLarge) return sign | (0x7c00 - (becomesInfinite(by, negative) ? 0 : 1));
  const biased: u32 = roundedSignificand >> 63 ? <u32>(roundedExponent + BIAS) : 0;
  return sign | (biased << 10) | (<u32>(roundedSignificand >> 53) & 0x3ff);
}

/** The low four, as singles; of the second part the upper four. */
export function sseFromHalves(s: i32, part: i32, a: v128): v128 {
  begin(s, part);
  const four = i64x2.extract_lane(a, 0);
  let result = i32x4.splat(<i32>widened(<u32>four & 0xffff));
  result = i32x4.replace_lane(result, 1, <i32>widened(<u32>(four >> 16) & 0xffff));
  result = i32x4.replace_lane(result, 2, <i32>widened(<u32>(four >> 32) & 0xffff));
  result = i32x4.replace_lane(result, 3, <i32>widened(<u32>(four >> 48) & 0xffff));
  end(s, part);
  return result;
}

/** Four singles, rounded by MXCSR (bit 2 of `how`) or by the two low bits of `how`. */
export function sseToHalves(s: i32, part: i32, how: i32, a: v128): i64 {
  begin(s, part);
  const by = how & 4 ? mode : how & 3;
  let result: u64 = narrowed(<u32>i32x4.extract_lane(a, 0), by);
  result |= (<u64>narrowed(<u32>i32x4.extract_lane(a, 1), by)) << 16;
  result |= (<u64>narrowed(<u32>i32x4.extract_lane(a, 2), by)) << 32;
  result |= (<u64>narrowed(<u32>i32x4.extract_lane(a, 3), by)) << 48;
  end(s, part);
  return result;
}
