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
import { lane, lanesOf, turned, withLane } from "./sse-lanes.as";
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
const LEAST_SINGLE: u64 = 0x00800000;
const INFINITY_SINGLE: u64 = 0x7f800000;

/** Lanes that are all ones where x is 0 or `least` <= x <= `most`; none is negative. */
function isWithin(double: bool, x: v128, least: u64, most: u64): v128 {
  return double
    ? v128.or(
        i64x2.eq(x, i64x2.splat(0)),
        v128.and(i64x2.ge_s(x, i64x2.splat(least)), i64x2.le_s(x, i64x2.splat(most))),
      )
    : v128.or(
        i32x4.eq(x, i32x4.splat(0)),
        v128.and(i32x4.ge_s(x, i32x4.splat(<i32>least)), i32x4.le_s(x, i32x4.splat(<i32>most))),
      );
}

function magnitude(double: bool, x: v128): v128 {
  return v128.and(x, double ? i64x2.splat(MAGNITUDE) : i32x4.splat(0x7fffffff));
}

/** Where x is neither denormal nor a NaN. */
function isOrdinary(double: bool, x: v128): v128 {
  return isWithin(double, magnitude(double, x), double ? LEAST : LEAST_SINGLE, double ? INFINITY : INFINITY_SINGLE);
}

function isZero(double: bool, x: v128): v128 {
  return double ? f64x2.eq(x, i64x2.splat(0)) : f32x4.eq(x, i64x2.splat(0));
}

/** Lanes are all ones or all zeros: in the first, or in all. */
function isIn(scalar: bool, lanes: v128): bool {
  return scalar ? i32x4.extract_lane(lanes, 0) != 0 : i32x4.all_true(lanes);
}

function byHost(operation: i32, double: bool, a: v128, b: v128): v128 {
  if (operation == SSE_add) return double ? f64x2.add(a, b) : f32x4.add(a, b);
  if (operation == SSE_multiply) return double ? f64x2.mul(a, b) : f32x4.mul(a, b);
  if (operation == SSE_divide) return double ? f64x2.div(a, b) : f32x4.div(a, b);
  if (operation == SSE_root) return double ? f64x2.sqrt(a) : f32x4.sqrt(a);
  // The second operand, unless the first is less, or greater.
  if (operation == SSE_minimum) return double ? f64x2.pmin(b, a) : f32x4.pmin(b, a);
  return double ? f64x2.pmax(b, a) : f32x4.pmax(b, a);
}

/** Where r is finite and not tiny, also before it was rounded, and 0 only if no smaller number has become that. */
function isPlain(operation: i32, double: bool, a: v128, b: v128, r: v128): v128 {
  const least = double ? 2 * LEAST : 2 * LEAST_SINGLE;
  const plain = isWithin(double, magnitude(double, r), least, (double ? INFINITY : INFINITY_SINGLE) - 1);
  if (operation == SSE_add) return plain;
  const zero = operation == SSE_multiply ? v128.or(isZero(double, a), isZero(double, b)) : isZero(double, a);
  return v128.and(plain, v128.or(zero, v128.not(isZero(double, r))));
}

/** Whether x times y is not rounded: their significant bits are few enough. */
function isProduct(x: f64, y: f64): bool {
  return ctz(reinterpret<u64>(x) | LEAST) + ctz(reinterpret<u64>(y) | LEAST) >= 53 || x == 0 || y == 0;
}

/** Of two singles, of which a double always has the product. */
function areProducts(x: v128, y: v128, z: v128): v128 {
  return f64x2.eq(f64x2.mul(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(y)), f64x2.promote_low_f32x4(z));
}

// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return i64x2.splat(i64x2.extract_lane(x, 1));
}

/**
 * Where r is what comes of a and b, not rounded (Knuth, "The Art of Computer Programming", 4.2.2, for sums). Of quotients and roots
 * few are, and after the first other one nobody asks.
 */
function isExact(operation: i32, double: bool, a: v128, b: v128, r: v128): v128 {
  if (operation == SSE_add) {
    const part = double ? f64x2.sub(r, a) : f32x4.sub(r, a);
    const lost = double
      ? f64x2.add(f64x2.sub(a, f64x2.sub(r, part)), f64x2.sub(b, part))
      : f32x4.add(f32x4.sub(a, f32x4.sub(r, part)), f32x4.sub(b, part));
    return isZero(double, lost);
  }
  if (operation != SSE_multiply) return i64x2.splat(0);
  if (!double) {
    const high = areProducts(upper(a), upper(b), upper(r));
    return i8x16.shuffle(areProducts(a, b, r), high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  }
  const first = isProduct(f64x2.extract_lane(a, 0), f64x2.extract_lane(b, 0));
  const second = isProduct(f64x2.extract_lane(a, 1), f64x2.extract_lane(b, 1));
  return i64x2.replace_lane(i64x2.splat(-i64(first)), 1, -i64(second));
}

/** Whether what the quick way gave last is the result. */
let isQuick: bool = false;

/** What most of it is, past all that takes numbers apart. `told`: MXCSR says already that something was inexact. */
function quickly(given: i32, double: bool, scalar: bool, told: bool, first: v128, second: v128): v128 {
  let operation = given;
  let a = first;
  let b = second;
  if (operation == SSE_root) a = b;
  // A difference is the sum with the other's negative; of both kinds the even lanes are differences.
  if (operation == SSE_subtract) b = v128.xor(b, double ? f64x2.splat(-0.0) : f32x4.splat(-0.0));
  if (operation == SSE_addSubtract) b = v128.xor(b, double ? i64x2(i64.MIN_VALUE, 0) : i64x2.splat(0x80000000));
  if (operation == SSE_subtract || operation == SSE_addSubtract) operation = SSE_add;
  const r = byHost(operation, double, a, b);
  let right = v128.and(isOrdinary(double, a), isOrdinary(double, b));
  if (operation != SSE_minimum && operation != SSE_maximum) {
    right = v128.and(right, isPlain(operation, double, a, b, r));
    if (!told) right = v128.and(right, isExact(operation, double, a, b, r));
  }
  isQuick = isIn(scalar, right);
  return scalar ? withLane(double, first, lane(double, r)) : r;
}

function arithmeticOf(kind: i32, a: u64, b: u64, double: bool, odd: bool): u64 {
  const operation = kind == SSE_addSubtract ? (odd ? SSE_add : SSE_subtract) : kind;
  return arithmetic(operation, a, b, double);
}

/** An operation on all lanes, or on the first (`SSEPART_scalar`: the others are the first operand's). */
export function sseArithmetic(s: i32, operation: i32, isDouble: i32, part: i32, a: v128, b: v128): v128 {
  begin(s, part);
  const control = load<i32>(s, S_mxcsr);
  const scalar = part == SSEPART_scalar;
  const wide = isDouble != 0;
  if ((control & QUICK_MASK) == QUICK) {
    const quick = quickly(operation, wide, scalar, (control & FLOAT_precision) != 0, a, b);
    if (isQuick) {
      end(s, part);
      return quick;
    }
  }
  let x = a;
  let y = b;
  let result = a;
  for (let left = lanesOf(wide, scalar); left > 0; left--) {
    result = withLane(wide, result, arithmeticOf(operation, lane(wide, x), lane(wide, y), wide, (left & 1) != 0));
    if (scalar) break;
    x = turned(wide, x);
    y = turned(wide, y);
    result = turned(wide, result);
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

/** In which lanes it does. None is of a NaN or of a denormal, of which something would be to tell. */
function compared(predicate: i32, double: bool, a: v128, b: v128): v128 {
  const truth = TRUTHS >> <u64>(4 * (predicate & 15));
  let result = i64x2.splat(0);
  if (truth & 1) result = double ? f64x2.lt(a, b) : f32x4.lt(a, b);
  if (truth & 2) result = v128.or(result, double ? f64x2.eq(a, b) : f32x4.eq(a, b));
  if (truth & 4) result = v128.or(result, double ? f64x2.gt(a, b) : f32x4.gt(a, b));
  return result;
}

export function sseCompare(s: i32, predicate: i32, isDouble: i32, part: i32, a: v128, b: v128): v128 {
  begin(s, part);
  const wide = isDouble != 0;
  const scalar = part == SSEPART_scalar;
  const quick = isIn(scalar, v128.and(isOrdinary(wide, a), isOrdinary(wide, b)));
  let x = a;
  let y = b;
  let result = compared(predicate, wide, a, b);
  for (let left = quick ? 0 : lanesOf(wide, scalar); left > 0; left--) {
    result = withLane(wide, result, holds(predicate, lane(wide, x), lane(wide, y), wide) ? -1 : 0);
    if (scalar) break;
    x = turned(wide, x);
    y = turned(wide, y);
    result = turned(wide, result);
  }
  end(s, part);
  return scalar ? withLane(wide, a, lane(wide, result)) : result;
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
