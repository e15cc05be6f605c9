/**
 * Division of 128 bits, and of 256 by 128, bit by bit.
 * Source: Power ISA v3.1B, Book I "Vector Integer Divide Instructions", "Vector Integer Modulo Instructions".
 */

const SIGNED = 1;
const EXTENDED = 2;
const REMAINDER = 4;

function make(high: u64, low: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high);
}
function highOf(x: v128): u64 {
  return <u64>i64x2.extract_lane(x, 1);
}
function lowOf(x: v128): u64 {
  return <u64>i64x2.extract_lane(x, 0);
}
function negate(x: v128): v128 {
  const low = lowOf(x);
  return make(~highOf(x) + u64(low == 0), -low);
}
function isNegative(x: v128): bool {
  return <i64>highOf(x) < 0;
}
/** Of numbers without sign. */
function isLess(a: v128, b: v128): bool {
  return highOf(a) < highOf(b) || (highOf(a) == highOf(b) && lowOf(a) < lowOf(b));
}

/**
 * The quotient of (high:low) by a number that is larger than `high`, or with `remainder` what is left. 128 steps: the dividend
 * moves out at the left, the quotient in at the right.
 */
function divide(high: v128, low: v128, by: v128, remainder: bool): v128 {
  let restHigh = highOf(high);
  let restLow = lowOf(high);
  let quotientHigh = highOf(low);
  let quotientLow = lowOf(low);
  const byHigh = highOf(by);
  const byLow = lowOf(by);
  for (let i = 0; i < 128; i++) {
    const over = restHigh >> 63;
    restHigh = (restHigh << 1) | (restLow >> 63);
    restLow = (restLow << 1) | (quotientHigh >> 63);
    quotientHigh = (quotientHigh << 1) | (quotientLow >> 63);
    quotientLow <<= 1;
    if (over || restHigh > byHigh || (restHigh == byHigh && restLow >= byLow)) {
      restHigh -= byHigh + u64(restLow < byLow);
      restLow -= byLow;
      quotientLow |= 1;
    }
  }
  return remainder ? make(restHigh, restLow) : make(quotientHigh, quotientLow);
}

/** What is undefined: by zero, and the signed quotient that overflows, is as by 1; an extended quotient too large is cut off. */
export function divideQuadword(a: v128, b: v128, kind: i32): v128 {
  const zero = i64x2.splat(0);
  const signed = (kind & SIGNED) != 0;
  const x = signed && isNegative(a) ? negate(a) : a;
  const y = signed && isNegative(b) ? negate(b) : b;
  const remainder = (kind & REMAINDER) != 0;
  let result: v128;
  if (kind & EXTENDED) {
    if (!v128.any_true(b)) return a;
    result = divide(isLess(x, y) ? x : divide(zero, x, y, true), zero, y, false);
  } else {
    if (!v128.any_true(b)) return remainder ? zero : a;
    result = divide(zero, x, y, remainder);
  }
  // The least number by -1 comes out right: it is its own negative.
  const negative = signed && (remainder ? isNegative(a) : isNegative(a) != isNegative(b));
  return negative ? negate(result) : result;
}

/** (a << 64) / b. */
export function divideDoubleword(a: i64, b: i64, signed: i32): i64 {
  const x: u64 = signed && a < 0 ? -a : a;
  const y: u64 = signed && b < 0 ? -b : b;
  if (y == 0) return a;
  const quotient = lowOf(divide(i64x2.splat(0), make(x, 0), make(0, y), false));
  return signed && a < 0 != b < 0 ? -(<i64>quotient) : <i64>quotient;
}
