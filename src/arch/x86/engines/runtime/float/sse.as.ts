/**
 * SSE's arithmetic on singles and doubles, in lanes: exact, by MXCSR. Source: Intel SDM, volume 1, "Programming with SSE" and
 * "SIMD Floating-Point Exceptions"; volume 2.
 */
import {
  FLOAT_denormal,
  FLOAT_invalid,
  FLOAT_precision,
  FLOAT_zeroDivide,
  S_mxcsr,
  S_sseFault,
  SSE_add,
  SSE_addSubtract,
  SSE_divide,
  SSE_maximum,
  SSE_minimum,
  SSE_multiply,
  SSE_root,
  SSE_subtract,
  SSEPART_first,
  SSEPART_scalar,
  SSEPART_second,
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

/**
 * The host's arithmetic gives the same where MXCSR rounds to the nearest, hides nothing that is to be told, and nothing comes of
 * it but what is inexact: which MXCSR says already, or it is exact.
 */
const QUICK = 0x1f80;
const QUICK_MASK = 0xffc0;

const MAGNITUDE: u64 = 0x7fffffffffffffff;
const LEAST: u64 = 0x0010000000000000;
const INFINITY: u64 = 0x7ff0000000000000;
const LEAST_SINGLE: u32 = 0x00800000;
const INFINITY_SINGLE: u32 = 0x7f800000;

/** What is near the smallest may have been denormal before it was rounded. */
// @ts-ignore: decorator
@inline
function isPlain(bits: u64): bool {
  const size = bits & MAGNITUDE;
  return size >= 2 * LEAST && size < INFINITY;
}

/** Of a result of these magnitudes: it is 0, and no smaller number has become that. */
function isTrueZero(operation: i32, a: u64, b: u64, r: u64): bool {
  if (r != 0) return false;
  if (operation == SSE_add || operation == SSE_subtract) return true;
  return a == 0 ? operation != SSE_root : operation == SSE_multiply && b == 0;
}

/** Whether the significant bits of both are few enough for all of their product's. */
// @ts-ignore: decorator
@inline
function fits(a: u64, b: u64): bool {
  return ctz(a | LEAST) + ctz(b | LEAST) >= 53 || (a & MAGNITUDE) == 0 || (b & MAGNITUDE) == 0;
}

/** Whether r is what x and y give, not rounded (Knuth, "The Art of Computer Programming", 4.2.2, for sums). */
function isExact(operation: i32, x: f64, y: f64, r: f64): bool {
  if (operation == SSE_multiply) return fits(reinterpret<u64>(x), reinterpret<u64>(y));
  if (operation == SSE_divide) return fits(reinterpret<u64>(r), reinterpret<u64>(y)) && r * y == x;
  if (operation == SSE_root) return fits(reinterpret<u64>(r), reinterpret<u64>(r)) && r * r == y;
  const z = operation == SSE_subtract ? -y : y;
  const part = r - x;
  return x - (r - part) + (z - part) == 0;
}

function byHost(operation: i32, x: f64, y: f64): f64 {
  if (operation == SSE_add) return x + y;
  if (operation == SSE_subtract) return x - y;
  if (operation == SSE_multiply) return x * y;
  if (operation == SSE_divide) return x / y;
  return sqrt<f64>(y);
}

/** Whether the host has such an operation, under this MXCSR. */
function mayBeHosts(operation: i32, control: i32): bool {
  return operation != SSE_minimum && operation != SSE_maximum && (control & QUICK_MASK) == QUICK;
}

/** Whether r is all that there is to say of what the host made of x and y. `told`: MXCSR says already that something was inexact. */
function isAll(operation: i32, x: f64, y: f64, r: f64, told: bool): bool {
  const a = reinterpret<u64>(x) & MAGNITUDE;
  const b = reinterpret<u64>(y) & MAGNITUDE;
  const bits = reinterpret<u64>(r);
  // What is no number gives none, and a denormal is not told by its result.
  if (a - 1 < LEAST - 1 || b - 1 < LEAST - 1) return false;
  if (!isPlain(bits) && !isTrueZero(operation, a, b, bits & MAGNITUDE)) return false;
  return told || isExact(operation, x, y, r);
}

/** The same of singles. By way of a double, which has more than twice the bits, they are rounded as if once. */
function isAllSingle(operation: i32, x: f32, y: f32, r: f32, told: bool): bool {
  const a = reinterpret<u32>(x) & 0x7fffffff;
  const b = reinterpret<u32>(y) & 0x7fffffff;
  const size = reinterpret<u32>(r) & 0x7fffffff;
  if (a - 1 < LEAST_SINGLE - 1 || b - 1 < LEAST_SINGLE - 1) return false;
  if (size - 2 * LEAST_SINGLE >= INFINITY_SINGLE - 2 * LEAST_SINGLE && !isTrueZero(operation, a, b, size)) return false;
  if (told) return true;
  const between = byHost(operation, <f64>x, <f64>y);
  return <f64>r == between && isExact(operation, <f64>x, <f64>y, between);
}

function double(s: i32, kind: i32, a: u64, b: u64, odd: bool): u64 {
  const operation = kind == SSE_addSubtract ? (odd ? SSE_add : SSE_subtract) : kind;
  const control = load<i32>(s, S_mxcsr);
  if (mayBeHosts(operation, control)) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    const r = byHost(operation, x, y);
    if (isAll(operation, x, y, r, (control & FLOAT_precision) != 0)) return reinterpret<u64>(r);
  }
  return arithmetic(operation, a, b, true);
}

function single(s: i32, operation: i32, a: u32, b: u32): u32 {
  const control = load<i32>(s, S_mxcsr);
  if (mayBeHosts(operation, control)) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    const r = <f32>byHost(operation, <f64>x, <f64>y);
    if (isAllSingle(operation, x, y, r, (control & FLOAT_precision) != 0)) return reinterpret<u32>(r);
  }
  return <u32>arithmetic(operation, a, b, false);
}

/** Whether what the quick way gave last is the result. */
let isQuick: bool = false;

/** What most of it is, past all that takes numbers apart. */
function quickDoubles(operation: i32, scalar: bool, told: bool, a: v128, b: v128): v128 {
  let r: v128;
  if (operation == SSE_add) r = f64x2.add(a, b);
  else if (operation == SSE_subtract) r = f64x2.sub(a, b);
  else if (operation == SSE_multiply) r = f64x2.mul(a, b);
  else r = f64x2.div(a, b);
  isQuick = isAll(operation, f64x2.extract_lane(a, 0), f64x2.extract_lane(b, 0), f64x2.extract_lane(r, 0), told);
  if (scalar) return f64x2.replace_lane(a, 0, f64x2.extract_lane(r, 0));
  isQuick =
    isQuick && isAll(operation, f64x2.extract_lane(a, 1), f64x2.extract_lane(b, 1), f64x2.extract_lane(r, 1), told);
  return r;
}

function quickSingles(operation: i32, scalar: bool, told: bool, a: v128, b: v128): v128 {
  let r: v128;
  if (operation == SSE_add) r = f32x4.add(a, b);
  else if (operation == SSE_subtract) r = f32x4.sub(a, b);
  else if (operation == SSE_multiply) r = f32x4.mul(a, b);
  else r = f32x4.div(a, b);
  isQuick = isAllSingle(operation, f32x4.extract_lane(a, 0), f32x4.extract_lane(b, 0), f32x4.extract_lane(r, 0), told);
  if (scalar) return f32x4.replace_lane(a, 0, f32x4.extract_lane(r, 0));
  isQuick =
    isQuick &&
    isAllSingle(operation, f32x4.extract_lane(a, 1), f32x4.extract_lane(b, 1), f32x4.extract_lane(r, 1), told) &&
    isAllSingle(operation, f32x4.extract_lane(a, 2), f32x4.extract_lane(b, 2), f32x4.extract_lane(r, 2), told) &&
    isAllSingle(operation, f32x4.extract_lane(a, 3), f32x4.extract_lane(b, 3), f32x4.extract_lane(r, 3), told);
  return r;
}

/** An operation on all lanes, or on the first (`SSEPART_scalar`: the others are the first operand's). */
export function sseArithmetic(s: i32, operation: i32, isDouble: i32, part: i32, a: v128, b: v128): v128 {
  const control = load<i32>(s, S_mxcsr);
  const hasLanes =
    operation == SSE_add || operation == SSE_subtract || operation == SSE_multiply || operation == SSE_divide;
  // Halves share what is noted of them.
  const whole = part != SSEPART_first && part != SSEPART_second;
  if (whole && hasLanes && (control & QUICK_MASK) == QUICK) {
    const scalar = part == SSEPART_scalar;
    const told = (control & FLOAT_precision) != 0;
    const quick = isDouble ? quickDoubles(operation, scalar, told, a, b) : quickSingles(operation, scalar, told, a, b);
    if (isQuick) {
      store<i32>(s, 0, S_sseFault);
      return quick;
    }
  }
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
      <i32>single(s, even, <u32>i32x4.extract_lane(a, 0), <u32>i32x4.extract_lane(b, 0)),
    );
    if (part != SSEPART_scalar) {
      result = i32x4.replace_lane(
        result,
        1,
        <i32>single(s, odd, <u32>i32x4.extract_lane(a, 1), <u32>i32x4.extract_lane(b, 1)),
      );
      result = i32x4.replace_lane(
        result,
        2,
        <i32>single(s, even, <u32>i32x4.extract_lane(a, 2), <u32>i32x4.extract_lane(b, 2)),
      );
      result = i32x4.replace_lane(
        result,
        3,
        <i32>single(s, odd, <u32>i32x4.extract_lane(a, 3), <u32>i32x4.extract_lane(b, 3)),
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
