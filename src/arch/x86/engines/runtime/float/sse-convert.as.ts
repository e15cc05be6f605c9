/** SSE's conversions, and roundings to whole numbers. Source: Intel SDM, volume 2. */
import { FLOAT_denormal, FLOAT_invalid, FLOAT_precision, SSEPART_scalar } from "../layout.generated";
import { INFINITE, NOT, ZERO } from "./numbers.as";
import { addEarly, addLate, DOWN, NEAREST, product, UP } from "./round.as";
import { lane, lanesOf, turned, withLane } from "./sse-lanes.as";
import {
  begin,
  denormal,
  e,
  end,
  infinity,
  isSignaling,
  mode,
  n,
  pack,
  quietBit,
  signBit,
  take,
  v,
  zero,
} from "./sse-number.as";

/** An integer as a number of floating point. */
function fromInteger(value: i64, double: bool): u64 {
  if (value == 0) return 0;
  const magnitude: u64 = value < 0 ? 0 - value : value;
  const up = clz(magnitude);
  product(value < 0, 63 - <i32>up, magnitude << up, false, 0, (<u64>1) << 63);
  return pack(double);
}

/** A number as an integer of so many bits; what there is none of is the smallest. */
function toInteger(bits: u64, double: bool, size: i32, truncate: bool): i64 {
  const none: i64 = (<i64>1) << (size - 1);
  const kind = take(bits, double);
  if (kind == ZERO) return 0;
  if (kind == NOT || kind == INFINITE || e > size - 1) {
    addEarly(FLOAT_invalid);
    return none;
  }
  const by = truncate ? 3 : mode;
  // Bits before the point, and what comes after them.
  let whole: u64 = 0;
  let half = false;
  let rest = true;
  if (e >= 0) {
    const drop = 63 - e;
    whole = drop == 0 ? v : v >> drop;
    const after = drop == 0 ? 0 : v << (64 - drop);
    half = after >> 63 != 0;
    rest = after << 1 != 0;
  } else if (e == -1) {
    half = true;
    rest = v << 1 != 0;
  }
  const inexact = half || rest;
  let up = false;
  if (by == NEAREST) up = half && (rest || (whole & 1) != 0);
  else if (by == DOWN) up = n && inexact;
  else if (by == UP) up = !n && inexact;
  if (up) whole++;
  const limit = <u64>none - (n ? 0 : 1);
  if (whole > limit) {
    addEarly(FLOAT_invalid);
    return none;
  }
  if (inexact) addLate(FLOAT_precision);
  return n ? 0 - whole : whole;
}

/** A single as a double (`isDouble` says what it is now), or the other way. */
function converted(bits: u64, isDouble: bool): u64 {
  const kind = take(bits, isDouble);
  const sign = n;
  if (kind == NOT) {
    if (isSignaling(bits, isDouble)) addEarly(FLOAT_invalid);
    const fraction = isDouble ? v >> 29 : v << 29;
    return infinity(sign, !isDouble) | quietBit(!isDouble) | fraction;
  }
  if (kind == ZERO) return zero(sign, !isDouble);
  if (denormal) addEarly(FLOAT_denormal);
  if (kind == INFINITE) return infinity(sign, !isDouble);
  product(sign, e, v, false, 0, (<u64>1) << 63);
  return pack(!isDouble);
}

export function sseFromInteger(s: i32, isDouble: i32, value: i64): i64 {
  begin(s);
  const result = fromInteger(value, isDouble != 0);
  end(s);
  return result;
}

export function sseToInteger(s: i32, isDouble: i32, size: i32, truncate: i32, bits: i64): i64 {
  begin(s);
  const result = toInteger(bits, isDouble != 0, size, truncate != 0);
  end(s);
  return result;
}

/** CVTSS2SD and CVTSD2SS. */
export function sseConvert(s: i32, isDouble: i32, bits: i64): i64 {
  begin(s);
  const result = converted(bits, isDouble != 0);
  end(s);
  return result;
}

/** Two singles as doubles; two doubles as singles, with zeros above. */
export function sseConvertPair(s: i32, part: i32, isDouble: i32, a: v128): v128 {
  begin(s, part);
  let result: v128;
  if (isDouble) {
    const first = converted(i64x2.extract_lane(a, 0), true);
    const second = converted(i64x2.extract_lane(a, 1), true);
    result = i64x2.replace_lane(i64x2(0, 0), 0, first | (second << 32));
  } else {
    result = i64x2.splat(converted(<u32>i32x4.extract_lane(a, 0), false));
    result = i64x2.replace_lane(result, 1, converted(<u32>i32x4.extract_lane(a, 1), false));
  }
  end(s, part);
  return result;
}

/** Four integers of 32 bits as singles. */
export function sseFromIntegers(s: i32, part: i32, a: v128): v128 {
  begin(s, part);
  let result = a;
  for (let left = 4; left > 0; left--) {
    result = turned(false, withLane(false, result, fromInteger(i32x4.extract_lane(result, 0), false)));
  }
  end(s, part);
  return result;
}

/** Four singles, or two doubles with zeros above, as integers of 32 bits. */
export function sseToIntegers(s: i32, part: i32, isDouble: i32, truncate: i32, a: v128): v128 {
  begin(s, part);
  const cuts = truncate != 0;
  let result = i64x2(0, 0);
  if (isDouble) {
    result = i32x4.replace_lane(result, 0, <i32>toInteger(i64x2.extract_lane(a, 0), true, 32, cuts));
    result = i32x4.replace_lane(result, 1, <i32>toInteger(i64x2.extract_lane(a, 1), true, 32, cuts));
  } else {
    result = a;
    for (let left = 4; left > 0; left--) {
      result = turned(false, withLane(false, result, toInteger(lane(false, result), false, 32, cuts)));
    }
  }
  end(s, part);
  return result;
}

/** A number rounded to a whole one: by MXCSR or by the two low bits of `how`; bit 3: not being whole is no exception. */
function whole(bits: u64, double: bool, how: i32): u64 {
  const kind = take(bits, double);
  if (kind == NOT) {
    if (isSignaling(bits, double)) addEarly(FLOAT_invalid);
    return bits | quietBit(double);
  }
  if (kind == ZERO) return zero(n, double);
  const places = double ? 52 : 23;
  if (kind == INFINITE || e >= places) return bits;
  const by = how & 4 ? mode : how & 3;
  const bias: u64 = double ? 1023 : 127;
  let up: bool;
  let magnitude: u64 = 0;
  let half = false;
  let rest = true;
  let lowest: u64 = 1;
  if (e >= 0) {
    const drop = <u64>(places - e);
    lowest = (<u64>1) << drop;
    magnitude = bits & ~signBit(double);
    const fraction = magnitude & (lowest - 1);
    magnitude -= fraction;
    half = (fraction & (lowest >> 1)) != 0;
    rest = (fraction & ((lowest >> 1) - 1)) != 0;
  } else if (e == -1) {
    half = true;
    rest = v << 1 != 0;
  }
  if (!half && !rest) return bits;
  if (!(how & 8)) addLate(FLOAT_precision);
  if (by == NEAREST) up = half && (rest || (e >= 0 && (magnitude & lowest) != 0));
  else up = by == DOWN ? n : by == UP ? !n : false;
  // Below one, what goes up becomes it.
  if (e < 0) magnitude = up ? bias << (<u64>places) : 0;
  else if (up) magnitude += lowest;
  return zero(n, double) | magnitude;
}

/** ROUNDPS and the like. */
export function sseRound(s: i32, isDouble: i32, part: i32, how: i32, a: v128, b: v128): v128 {
  begin(s, part);
  const wide = isDouble != 0;
  const scalar = part == SSEPART_scalar;
  let rounded = b;
  for (let left = lanesOf(wide, scalar); left > 0; left--) {
    rounded = withLane(wide, rounded, whole(lane(wide, rounded), wide, how));
    if (!scalar) rounded = turned(wide, rounded);
  }
  end(s, part);
  return scalar ? withLane(wide, a, lane(wide, rounded)) : rounded;
}

/** An approximation that is exact but for the last rounding. No exceptions, denormals are zeros. */
function reciprocal(bits: u32, ofRoot: bool): u32 {
  const sign = bits & 0x80000000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return bits | 0x00400000;
  if (magnitude < 0x00800000) return sign | 0x7f800000;
  if (ofRoot) {
    if (sign) return 0xffc00000;
    if (magnitude == 0x7f800000) return 0;
    return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(<f64>reinterpret<f32>(bits))));
  }
  const result = reinterpret<u32>(<f32>(1.0 / <f64>reinterpret<f32>(bits)));
  return (result & 0x7fffffff) < 0x00800000 ? sign : result;
}

/** RCPPS and RSQRTPS. Source: Intel SDM, volume 2: a relative error of at most 1.5 * 2 ** -12. */
export function sseReciprocal(ofRoot: i32, scalar: i32, a: v128, b: v128): v128 {
  const root = ofRoot != 0;
  if (scalar) return withLane(false, a, reciprocal(<u32>lane(false, b), root));
  let result = b;
  for (let left = 4; left > 0; left--) {
    result = turned(false, withLane(false, result, reciprocal(<u32>lane(false, result), root)));
  }
  return result;
}
