/**
 * SSE's arithmetic on singles and doubles, in lanes: exact, by MXCSR. Source: Intel SDM, volume 1, "Programming with SSE" and
 * "SIMD Floating-Point Exceptions"; volume 2.
 */
import {
  FLOAT_denormal,
  FLOAT_exceptions,
  FLOAT_invalid,
  FLOAT_precision,
  FLOAT_zeroDivide,
  MXCSR_denormalsAreZero,
  MXCSR_flushToZero,
  MXCSR_masks,
  MXCSR_rounding,
  S_mxcsr,
  S_sseFault,
  SSE_add,
  SSE_divide,
  SSE_maximum,
  SSE_minimum,
  SSE_multiply,
  SSE_root,
  SSE_subtract,
} from "../layout.generated";
import {
  addEarly,
  addLate,
  becomesInfinite,
  early,
  exponent,
  high,
  late,
  low,
  NEAREST,
  DOWN,
  negative,
  noExceptions,
  product,
  quotient,
  root,
  roundedExponent,
  roundedSignificand,
  roundTo,
  sum,
  tooLarge,
  UP,
} from "./round.as";

// Kinds of numbers.
const ZERO = 0;
const FINITE = 1;
const INFINITE = 2;
const NOT = 3;

let mode: i32 = 0;
let masked: i32 = 0;
let flush: bool = false;
let daz: bool = false;

/** What MXCSR says, before an operation. */
function begin(s: i32): void {
  const mxcsr = load<i32>(s, S_mxcsr);
  mode = (mxcsr >> MXCSR_rounding) & 3;
  masked = (mxcsr >> MXCSR_masks) & FLOAT_exceptions;
  flush = (mxcsr & MXCSR_flushToZero) != 0;
  daz = (mxcsr & MXCSR_denormalsAreZero) != 0;
  noExceptions();
}

/** Notes what was found. What operands have, not masked, hides what results have. */
function end(s: i32): void {
  const found = early & ~masked ? early : early | late;
  store<i32>(s, load<i32>(s, S_mxcsr) | found, S_mxcsr);
  store<i32>(s, found & ~masked, S_sseFault);
}

// What `take` made of a number.
let n: bool = false;
let e: i32 = 0;
let v: u64 = 0;
let denormal: bool = false;

/** Takes a number apart; returns its kind. */
function take(bits: u64, double: bool): i32 {
  const places: u64 = double ? 52 : 23;
  const top = double ? 0x7ff : 0xff;
  const bias = double ? 1023 : 127;
  n = (double ? bits >> 63 : (bits >> 31) & 1) != 0;
  const biased = <i32>(bits >> places) & top;
  const fraction = bits & (((<u64>1) << places) - 1);
  denormal = false;
  e = biased - bias;
  if (biased == top) {
    v = fraction;
    return fraction == 0 ? INFINITE : NOT;
  }
  if (biased != 0) {
    v = ((<u64>1) << 63) | (fraction << (63 - places));
    return FINITE;
  }
  if (fraction == 0 || daz) return ZERO;
  denormal = true;
  const up = clz(fraction);
  v = fraction << up;
  e = 1 - bias - <i32>(up - (63 - places));
  return FINITE;
}

// @ts-ignore: decorator
@inline
function signBit(double: bool): u64 {
  return double ? (<u64>1) << 63 : 0x80000000;
}
function infinity(sign: bool, double: bool): u64 {
  return (sign ? signBit(double) : 0) | (double ? 0x7ff0000000000000 : 0x7f800000);
}
function zero(sign: bool, double: bool): u64 {
  return sign ? signBit(double) : 0;
}
function quietBit(double: bool): u64 {
  return double ? 0x0008000000000000 : 0x00400000;
}

/** What an invalid operation gives. */
function indefinite(double: bool): u64 {
  addEarly(FLOAT_invalid);
  return double ? 0xfff8000000000000 : 0xffc00000;
}

function isNaN64(bits: u64, double: bool): bool {
  return double ? (bits & 0x7fffffffffffffff) > 0x7ff0000000000000 : (bits & 0x7fffffff) > 0x7f800000;
}
function isSignaling(bits: u64, double: bool): bool {
  return isNaN64(bits, double) && !(bits & quietBit(double));
}

/** The result in round.as, rounded and put together. */
function pack(double: bool): u64 {
  const bias = double ? 1023 : 127;
  roundTo(negative, exponent, high, low, double ? 53 : 24, 1 - bias, bias, mode, masked, flush);
  if (tooLarge) return infinity(negative, double) - (becomesInfinite(mode, negative) ? 0 : 1);
  const sign = zero(negative, double);
  const significand = roundedSignificand;
  const biased: u64 = significand >> 63 ? <u64>(roundedExponent + bias) : 0;
  if (double) return sign | (biased << 52) | ((significand >> 11) & 0xfffffffffffff);
  return sign | (biased << 23) | ((significand >> 40) & 0x7fffff);
}

/** The first operand that is a NaN, quiet; 0 if none is. */
function propagated(a: u64, b: u64, double: bool): u64 {
  const first = isNaN64(a, double);
  if (!first && !isNaN64(b, double)) return 0;
  if (isSignaling(a, double) || isSignaling(b, double)) addEarly(FLOAT_invalid);
  return (first ? a : b) | quietBit(double);
}

/** -1, 0, 1, or 2: one of them is a NaN. */
function order(a: u64, b: u64, double: bool): i32 {
  const ka = take(a, double);
  const an = n;
  const ae = e;
  const av = v;
  let denormals = denormal;
  const kb = take(b, double);
  denormals = denormals || denormal;
  if (ka == NOT || kb == NOT) return 2;
  if (denormals) addEarly(FLOAT_denormal);
  if (ka == ZERO && kb == ZERO) return 0;
  if (ka == ZERO) return n ? 1 : -1;
  if (kb == ZERO) return an ? -1 : 1;
  if (an != n) return an ? -1 : 1;
  let above: i32;
  if (ka == INFINITE || kb == INFINITE) above = i32(ka == INFINITE) - i32(kb == INFINITE);
  else if (ae != e) above = ae > e ? 1 : -1;
  else above = av > v ? 1 : av < v ? -1 : 0;
  return an ? -above : above;
}

function arithmetic(operation: i32, a: u64, given: u64, double: bool): u64 {
  let b = given;
  if (operation == SSE_minimum || operation == SSE_maximum) {
    const which = order(a, b, double);
    if (which == 2) {
      addEarly(FLOAT_invalid);
      return b;
    }
    return (operation == SSE_minimum ? which < 0 : which > 0) ? a : b;
  }
  if (operation == SSE_root) a = b;
  const not = propagated(a, b, double);
  if (not != 0) return not;
  if (operation == SSE_subtract) b ^= signBit(double);
  const ka = take(a, double);
  const an = n;
  const ae = e;
  const av = v;
  let denormals = denormal;
  if (operation == SSE_root) {
    if (ka == ZERO) return zero(an, double);
    if (an) return indefinite(double);
    if (denormals) addEarly(FLOAT_denormal);
    if (ka == INFINITE) return a;
    root(ae, av);
    return pack(double);
  }
  const kb = take(b, double);
  denormals = denormals || denormal;
  const sign = an != n;
  if (operation == SSE_multiply) {
    if ((ka == INFINITE && kb == ZERO) || (ka == ZERO && kb == INFINITE)) return indefinite(double);
    if (denormals) addEarly(FLOAT_denormal);
    if (ka == INFINITE || kb == INFINITE) return infinity(sign, double);
    if (ka == ZERO || kb == ZERO) return zero(sign, double);
    product(an, ae, av, n, e, v);
    return pack(double);
  }
  if (operation == SSE_divide) {
    if ((ka == INFINITE && kb == INFINITE) || (ka == ZERO && kb == ZERO)) return indefinite(double);
    if (ka == FINITE && kb == ZERO) {
      addEarly(FLOAT_zeroDivide);
      return infinity(sign, double);
    }
    if (denormals) addEarly(FLOAT_denormal);
    if (ka == INFINITE) return infinity(sign, double);
    if (kb == INFINITE || ka == ZERO) return zero(sign, double);
    if (kb == ZERO) return infinity(sign, double);
    quotient(an, ae, av, n, e, v);
    return pack(double);
  }
  if (ka == INFINITE && kb == INFINITE && sign) return indefinite(double);
  if (denormals) addEarly(FLOAT_denormal);
  if (ka == INFINITE) return infinity(an, double);
  if (kb == INFINITE) return infinity(n, double);
  if (ka == ZERO && kb == ZERO) return zero(sign ? mode == DOWN : an, double);
  if (ka == ZERO || kb == ZERO) {
    // It may be tiny, and be flushed.
    if (ka == ZERO) product(n, e, v, false, 0, (<u64>1) << 63);
    else product(an, ae, av, false, 0, (<u64>1) << 63);
    return pack(double);
  }
  if (!sum(an, ae, av, n, e, v)) return zero(mode == DOWN, double);
  return pack(double);
}

/** The host's arithmetic gives the same where nothing but what is inexact can come of it, and MXCSR says so already. */
const QUICK = 0x1fa0;

// @ts-ignore: decorator
@inline
function isPlain(bits: u64): bool {
  const biased = (bits >> 52) & 0x7ff;
  return biased > 0 && biased < 0x7ff;
}

function double(s: i32, operation: i32, a: u64, b: u64): u64 {
  if ((load<i32>(s, S_mxcsr) & 0xffe0) == QUICK && isPlain(a) && isPlain(b)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    let r: f64 = 0;
    if (operation == SSE_add) r = x + y;
    else if (operation == SSE_subtract) r = x - y;
    else if (operation == SSE_multiply) r = x * y;
    else if (operation == SSE_divide) r = x / y;
    else if (operation == SSE_root && y > 0) r = sqrt<f64>(y);
    const bits = reinterpret<u64>(r);
    // What is near the smallest may have been denormal before it was rounded.
    const biased = (bits >> 52) & 0x7ff;
    if (biased > 1 && biased < 0x7ff) return bits;
  }
  return arithmetic(operation, a, b, true);
}

/** An operation on all lanes, or on the first (`scalar`: the others are the first operand's). */
export function sseArithmetic(s: i32, operation: i32, isDouble: i32, scalar: i32, a: v128, b: v128): v128 {
  begin(s);
  let result = a;
  if (isDouble) {
    const first = double(s, operation, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0));
    result = i64x2.replace_lane(result, 0, first);
    if (!scalar) {
      const second = double(s, operation, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1));
      result = i64x2.replace_lane(result, 1, second);
    }
  } else {
    result = i32x4.replace_lane(
      result,
      0,
      <i32>arithmetic(operation, <u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0), false),
    );
    if (!scalar) {
      result = i32x4.replace_lane(
        result,
        1,
        <i32>arithmetic(operation, <u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1), false),
      );
      result = i32x4.replace_lane(
        result,
        2,
        <i32>arithmetic(operation, <u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2), false),
      );
      result = i32x4.replace_lane(
        result,
        3,
        <i32>arithmetic(operation, <u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3), false),
      );
    }
  }
  end(s);
  return result;
}

/** Whether a comparison by one of the eight predicates holds. */
function holds(predicate: i32, a: u64, b: u64, double: bool): bool {
  const which = order(a, b, double);
  const kind = predicate & 3;
  let is: bool;
  if (which == 2) {
    // Those that ask for an order do not like NaNs at all.
    const ordered = kind == 1 || kind == 2;
    if (ordered || isSignaling(a, double) || isSignaling(b, double)) addEarly(FLOAT_invalid);
    is = kind == 3;
  } else is = kind == 0 ? which == 0 : kind == 1 ? which < 0 : kind == 2 ? which <= 0 : false;
  return predicate & 4 ? !is : is;
}

export function sseCompare(s: i32, given: i32, isDouble: i32, scalar: i32, a: v128, b: v128): v128 {
  begin(s);
  const predicate = given & 7;
  let result = a;
  if (isDouble) {
    let is = holds(predicate, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), true);
    result = i64x2.replace_lane(result, 0, is ? -1 : 0);
    if (!scalar) {
      is = holds(predicate, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), true);
      result = i64x2.replace_lane(result, 1, is ? -1 : 0);
    }
  } else {
    let is = holds(predicate, <u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0), false);
    result = i32x4.replace_lane(result, 0, is ? -1 : 0);
    if (!scalar) {
      is = holds(predicate, <u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1), false);
      result = i32x4.replace_lane(result, 1, is ? -1 : 0);
      is = holds(predicate, <u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2), false);
      result = i32x4.replace_lane(result, 2, is ? -1 : 0);
      is = holds(predicate, <u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3), false);
      result = i32x4.replace_lane(result, 3, is ? -1 : 0);
    }
  }
  end(s);
  return result;
}

/** COMISD and the like: -1, 0, 1, or 2 for no order. `quiet`: only NaNs that signal are invalid. */
export function sseOrder(s: i32, quiet: i32, isDouble: i32, a: i64, b: i64): i32 {
  begin(s);
  const wide = isDouble != 0;
  const which = order(a, b, wide);
  if (which == 2 && (!quiet || isSignaling(a, wide) || isSignaling(b, wide))) addEarly(FLOAT_invalid);
  end(s);
  return which;
}

// Conversions.

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
export function sseConvertPair(s: i32, isDouble: i32, a: v128): v128 {
  begin(s);
  let result: v128;
  if (isDouble) {
    const first = converted(i64x2.extract_lane(a, 0), true);
    const second = converted(i64x2.extract_lane(a, 1), true);
    result = i64x2.replace_lane(i64x2(0, 0), 0, first | (second << 32));
  } else {
    result = i64x2.splat(converted(<u32>i32x4.extract_lane(a, 0), false));
    result = i64x2.replace_lane(result, 1, converted(<u32>i32x4.extract_lane(a, 1), false));
  }
  end(s);
  return result;
}

/** Four integers of 32 bits as singles. */
export function sseFromIntegers(s: i32, a: v128): v128 {
  begin(s);
  let result = i32x4.splat(<i32>fromInteger(i32x4.extract_lane(a, 0), false));
  result = i32x4.replace_lane(result, 1, <i32>fromInteger(i32x4.extract_lane(a, 1), false));
  result = i32x4.replace_lane(result, 2, <i32>fromInteger(i32x4.extract_lane(a, 2), false));
  result = i32x4.replace_lane(result, 3, <i32>fromInteger(i32x4.extract_lane(a, 3), false));
  end(s);
  return result;
}

/** Four singles, or two doubles with zeros above, as integers of 32 bits. */
export function sseToIntegers(s: i32, isDouble: i32, truncate: i32, a: v128): v128 {
  begin(s);
  const cuts = truncate != 0;
  let result = i64x2(0, 0);
  if (isDouble) {
    result = i32x4.replace_lane(result, 0, <i32>toInteger(i64x2.extract_lane(a, 0), true, 32, cuts));
    result = i32x4.replace_lane(result, 1, <i32>toInteger(i64x2.extract_lane(a, 1), true, 32, cuts));
  } else {
    result = i32x4.replace_lane(result, 0, <i32>toInteger(<u32>i32x4.extract_lane(a, 0), false, 32, cuts));
    result = i32x4.replace_lane(result, 1, <i32>toInteger(<u32>i32x4.extract_lane(a, 1), false, 32, cuts));
    result = i32x4.replace_lane(result, 2, <i32>toInteger(<u32>i32x4.extract_lane(a, 2), false, 32, cuts));
    result = i32x4.replace_lane(result, 3, <i32>toInteger(<u32>i32x4.extract_lane(a, 3), false, 32, cuts));
  }
  end(s);
  return result;
}
