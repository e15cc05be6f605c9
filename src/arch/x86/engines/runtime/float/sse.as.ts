/**
 * SSE's arithmetic on singles and doubles, in lanes: exact, by MXCSR. Source: Intel SDM, volume 1, "Programming with SSE" and
 * "SIMD Floating-Point Exceptions"; volume 2.
 */
import {
  FLOAT_denormal,
  FLOAT_invalid,
  FLOAT_zeroDivide,
  S_mxcsr,
  SSE_add,
  SSE_addSubtract,
  SSE_divide,
  SSE_maximum,
  SSE_minimum,
  SSE_multiply,
  SSE_root,
  SSE_subtract,
  SSEPART_scalar,
} from "../layout.generated";
import { FINITE, INFINITE, ZERO } from "./numbers.as";
import { addEarly, DOWN, product, quotient, root, sum } from "./round.as";
import {
  begin,
  denormal,
  e,
  end,
  indefinite,
  infinity,
  isSignaling,
  mode,
  n,
  order,
  pack,
  propagated,
  signBit,
  take,
  v,
  zero,
} from "./sse-number.as";

function arithmetic(operation: i32, a: u64, given: u64, double: bool): u64 {
  let b = given;
  if (operation == SSE_minimum || operation == SSE_maximum) {
    const which = order(a, b, double);
    if (which == 2) addEarly(FLOAT_invalid);
    const first = operation == SSE_minimum ? which < 0 : which == 1;
    const chosen = first ? a : b;
    // A denormal that is taken for 0 is 0 in the result.
    return take(chosen, double) == ZERO ? zero(n, double) : chosen;
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

function double(s: i32, kind: i32, a: u64, b: u64, odd: bool): u64 {
  const operation = kind == SSE_addSubtract ? (odd ? SSE_add : SSE_subtract) : kind;
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

/** An operation on all lanes, or on the first (`SSEPART_scalar`: the others are the first operand's). */
export function sseArithmetic(s: i32, operation: i32, isDouble: i32, part: i32, a: v128, b: v128): v128 {
  begin(s, part);
  let result = a;
  if (isDouble) {
    const first = double(s, operation, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), false);
    result = i64x2.replace_lane(result, 0, first);
    if (part != SSEPART_scalar) {
      const second = double(s, operation, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), true);
      result = i64x2.replace_lane(result, 1, second);
    }
  } else {
    const even = operation == SSE_addSubtract ? SSE_subtract : operation;
    const odd = operation == SSE_addSubtract ? SSE_add : operation;
    result = i32x4.replace_lane(
      result,
      0,
      <i32>arithmetic(even, <u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0), false),
    );
    if (part != SSEPART_scalar) {
      result = i32x4.replace_lane(
        result,
        1,
        <i32>arithmetic(odd, <u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1), false),
      );
      result = i32x4.replace_lane(
        result,
        2,
        <i32>arithmetic(even, <u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2), false),
      );
      result = i32x4.replace_lane(
        result,
        3,
        <i32>arithmetic(odd, <u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3), false),
      );
    }
  }
  end(s, part);
  return result;
}

/**
 * What is true of each predicate, four bits each: less 1, equal 2, greater 4, unordered 8. Source: Intel SDM, volume 2, "Comparison
 * Predicate for VCMPPD and VCMPPS Instructions". Sixteen more differ in which NaNs they take for invalid.
 */
const TRUTHS: u64 = 0xf4650b9a7ced8312;

/** Whether a comparison by a predicate holds. */
function holds(predicate: i32, a: u64, b: u64, double: bool): bool {
  const which = order(a, b, double);
  const truth = (TRUTHS >> <u64>(4 * (predicate & 15))) & 15;
  if (which != 2) return ((truth >> <u64>(which + 1)) & 1) != 0;
  // Those that ask for an order do not like NaNs at all; of the second sixteen, the others.
  const kind = predicate & 3;
  const orders = (kind == 1 || kind == 2) != ((predicate & 16) != 0);
  if (orders || isSignaling(a, double) || isSignaling(b, double)) addEarly(FLOAT_invalid);
  return truth >> 3 != 0;
}

export function sseCompare(s: i32, predicate: i32, isDouble: i32, part: i32, a: v128, b: v128): v128 {
  begin(s, part);
  let result = a;
  if (isDouble) {
    let is = holds(predicate, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), true);
    result = i64x2.replace_lane(result, 0, is ? -1 : 0);
    if (part != SSEPART_scalar) {
      is = holds(predicate, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), true);
      result = i64x2.replace_lane(result, 1, is ? -1 : 0);
    }
  } else {
    let is = holds(predicate, <u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0), false);
    result = i32x4.replace_lane(result, 0, is ? -1 : 0);
    if (part != SSEPART_scalar) {
      is = holds(predicate, <u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1), false);
      result = i32x4.replace_lane(result, 1, is ? -1 : 0);
      is = holds(predicate, <u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2), false);
      result = i32x4.replace_lane(result, 2, is ? -1 : 0);
      is = holds(predicate, <u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3), false);
      result = i32x4.replace_lane(result, 3, is ? -1 : 0);
    }
  }
  end(s, part);
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
