/**
 * Numbers taken apart, and rounded: what SSE and x87 compute with. A number that is finite and not 0 is a sign, an exponent and a
 * significand of 64 bits whose first is set; a result has 64 bits more, of which the last stands for whatever comes after them.
 * Source: Intel SDM, volume 1, "Floating-Point Exception Conditions"; IEEE 754, with tininess detected after rounding.
 */
import { FLOAT_overflow, FLOAT_precision, FLOAT_underflow } from "../layout.generated";

export const NEAREST = 0;
export const DOWN = 1;
export const UP = 2;

/** Exceptions that operands have, and those that results have: the former, not masked, keep the latter from being found. */
export let early: i32 = 0;
export let late: i32 = 0;

export function noExceptions(): void {
  early = 0;
  late = 0;
  roseUp = false;
  tooLarge = false;
}
/** What was rounded elsewhere went up, or did not. */
export function noteRise(up: bool): void {
  roseUp = up;
}
export function addEarly(exceptions: i32): void {
  early |= exceptions;
}
export function addLate(exceptions: i32): void {
  late |= exceptions;
}

// What `cut` found.
export let inexact: bool = false;
/** The magnitude went up. */
export let roseUp: bool = false;
/** It became one bit longer than 64. */
let carried: bool = false;

/** The first 64 - `drop` bits of high:low as an integer, rounded. */
function cut(high: u64, low: u64, drop: i32, mode: i32, negative: bool): u64 {
  let kept: u64 = 0;
  let half: u64 = 0;
  let rest: u64;
  if (drop == 0) {
    kept = high;
    half = low >> 63;
    rest = low << 1;
  } else if (drop < 64) {
    const n = <u64>drop;
    kept = high >> n;
    half = (high >> (n - 1)) & 1;
    rest = (high & (((<u64>1) << (n - 1)) - 1)) | low;
  } else if (drop == 64) {
    half = high >> 63;
    rest = (high << 1) | low;
  } else rest = high | low;
  inexact = (half | rest) != 0;
  if (mode == NEAREST) roseUp = half != 0 && (rest != 0 || (kept & 1) != 0);
  else roseUp = inexact && (mode == DOWN ? negative : mode == UP ? !negative : false);
  carried = false;
  if (roseUp) {
    kept++;
    carried = kept == 0;
  }
  return kept;
}

// What `roundTo` made: a significand as `drop` left it, moved to its first bit; and its exponent, that of its first bit.
export let roundedSignificand: u64 = 0;
export let roundedExponent: i32 = 0;
/** It is beyond the format: what is delivered instead depends on the mode. */
export let tooLarge: bool = false;

/**
 * Rounds high:low, whose first bit is set and counts 2 ** exponent, to so many bits. `masked` are the exceptions that nobody waits
 * for; `flush`: what is tiny becomes 0 then.
 */
export function roundTo(
  negative: bool,
  exponent: i32,
  high: u64,
  low: u64,
  precision: i32,
  lowest: i32,
  highest: i32,
  mode: i32,
  masked: i32,
  flush: bool,
): void {
  const drop = 64 - precision;
  tooLarge = false;
  let kept = cut(high, low, drop, mode, negative);
  let e = exponent;
  if (carried || (kept >> <u64>(precision & 63) == 1 && precision < 64)) {
    e++;
    kept = (<u64>1) << (<u64>(precision - 1));
  }
  if (e < lowest) {
    if (!(masked & FLOAT_underflow)) late |= FLOAT_underflow;
    else if (flush) {
      late |= FLOAT_underflow | FLOAT_precision;
      inexact = true;
      roundedSignificand = 0;
      roundedExponent = lowest;
      return;
    } else {
      const more = drop + lowest - exponent;
      kept = cut(high, low, more > 65 ? 65 : more, mode, negative);
      e = lowest;
      if (inexact) late |= FLOAT_underflow;
    }
  } else if (e > highest) {
    late |= FLOAT_overflow;
    // Who masks it gets what is inexact.
    if (masked & FLOAT_overflow) {
      late |= FLOAT_precision;
      tooLarge = true;
    }
  }
  if (inexact) late |= FLOAT_precision;
  roundedSignificand = kept << (<u64>drop);
  roundedExponent = e;
}

/** What is too large becomes infinite, or the largest number that there is. */
export function becomesInfinite(mode: i32, negative: bool): bool {
  return mode == NEAREST || (mode == DOWN ? negative : mode == UP ? !negative : false);
}

// A result before it is rounded.
export let negative: bool = false;
export let exponent: i32 = 0;
export let high: u64 = 0;
export let low: u64 = 0;

function normalize(): void {
  if (high == 0) {
    high = low;
    low = 0;
    exponent -= 64;
  }
  const n = <u64>clz(high);
  if (n != 0) {
    high = (high << n) | (low >> (64 - n));
    low <<= n;
    exponent -= <i32>n;
  }
}

/** The number itself, whose first bit may be anywhere. */
export function number(n: bool, e: i32, h: u64, l: u64): void {
  negative = n;
  exponent = e;
  high = h;
  low = l;
  normalize();
}

/** a + b. False: they are opposite. */
export function sum(an: bool, ae: i32, a: u64, bn: bool, be: i32, b: u64): bool {
  return sumWide(an, ae, a, 0, bn, be, b, 0);
}

/** The same of numbers of 128 bits, of which the last may stand for what comes after it. */
export function sumWide(an: bool, ae: i32, ah: u64, al: u64, bn: bool, be: i32, bh: u64, bl: u64): bool {
  if (ae < be || (ae == be && (ah < bh || (ah == bh && al < bl)))) {
    const n = an;
    const e = ae;
    const h = ah;
    const l = al;
    an = bn;
    ae = be;
    ah = bh;
    al = bl;
    bn = n;
    be = e;
    bh = h;
    bl = l;
  }
  // One bit down: room for a carry.
  al = (ah << 63) | (al >> 1) | (al & 1);
  ah >>= 1;
  bl = (bh << 63) | (bl >> 1) | (bl & 1);
  bh >>= 1;
  const distance = ae - be;
  if (distance > 127) {
    bh = 0;
    bl = 1;
  } else if (distance >= 64) {
    const n = <u64>(distance - 64);
    const lost = bl != 0 || (n != 0 && bh << (64 - n) != 0);
    bl = (bh >> n) | (lost ? 1 : 0);
    bh = 0;
  } else if (distance != 0) {
    const n = <u64>distance;
    const lost = bl << (64 - n) != 0;
    bl = (bl >> n) | (bh << (64 - n)) | (lost ? 1 : 0);
    bh >>= n;
  }
  negative = an;
  exponent = ae + 1;
  if (an == bn) {
    low = al + bl;
    high = ah + bh + (low < al ? 1 : 0);
  } else {
    low = al - bl;
    high = ah - bh - (al < bl ? 1 : 0);
    if ((high | low) == 0) return false;
  }
  normalize();
  return true;
}

/** The upper half of a product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const middle = a1 * b0 + ((a0 * b0) >> 32);
  const other = a0 * b1 + (middle & 0xffffffff);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}

export function product(an: bool, ae: i32, a: u64, bn: bool, be: i32, b: u64): void {
  high = multiplyHigh(a, b);
  low = a * b;
  negative = an != bn;
  exponent = ae + be + 1;
  normalize();
}

/** The same of numbers of 128 bits, cut off behind as many; the last bit may be one or two too low. */
export function productWide(an: bool, ae: i32, ah: u64, al: u64, bn: bool, be: i32, bh: u64, bl: u64): void {
  const first = multiplyHigh(ah, bl);
  const second = multiplyHigh(al, bh);
  high = multiplyHigh(ah, bh);
  low = ah * bh + first;
  if (low < first) high++;
  low += second;
  if (low < second) high++;
  negative = an != bn;
  exponent = ae + be + 1;
  normalize();
}

/** a / b. */
export function quotient(an: bool, ae: i32, a: u64, bn: bool, be: i32, b: u64): void {
  let rest = a;
  let over = false;
  let q: u64 = 0;
  negative = an != bn;
  exponent = ae - be;
  if (rest < b) {
    over = rest >> 63 != 0;
    rest <<= 1;
    exponent--;
  }
  // 64 bits, each with what is left doubled.
  for (let i = 0; i < 64; i++) {
    q <<= 1;
    if (over || rest >= b) {
      q |= 1;
      rest -= b;
    }
    over = rest >> 63 != 0;
    rest <<= 1;
  }
  high = q;
  // The next bit, and whether more follows.
  let next: u64 = 0;
  if (over || rest >= b) {
    next = (<u64>1) << 63;
    rest -= b;
  }
  low = next | (rest != 0 ? 1 : 0);
}

/** The same of numbers of 128 bits, cut off behind as many. */
export function quotientWide(an: bool, ae: i32, ah: u64, al: u64, bn: bool, be: i32, bh: u64, bl: u64): void {
  let h = ah;
  let l = al;
  let over = false;
  let qh: u64 = 0;
  let ql: u64 = 0;
  let e = ae - be;
  if (h < bh || (h == bh && l < bl)) {
    over = h >> 63 != 0;
    h = (h << 1) | (l >> 63);
    l <<= 1;
    e--;
  }
  for (let i = 0; i < 128; i++) {
    qh = (qh << 1) | (ql >> 63);
    ql <<= 1;
    if (over || h > bh || (h == bh && l >= bl)) {
      ql |= 1;
      h = h - bh - (l < bl ? 1 : 0);
      l -= bl;
    }
    over = h >> 63 != 0;
    h = (h << 1) | (l >> 63);
    l <<= 1;
  }
  negative = an != bn;
  exponent = e;
  high = qh;
  low = ql;
}

/** The square root of what is positive. */
export function root(ae: i32, a: u64): void {
  let h = a;
  let l: u64 = 0;
  let e = ae;
  // Two bits before the point.
  if (e & 1) e--;
  else {
    l = h << 63;
    h >>= 1;
  }
  let r: u64 = 0;
  let mh: u64 = 0;
  let ml: u64 = 0;
  for (let i = 0; i < 64; i++) {
    mh = (mh << 2) | (ml >> 62);
    ml = (ml << 2) | (h >> 62);
    h = (h << 2) | (l >> 62);
    l <<= 2;
    const th = r >> 62;
    const tl = (r << 2) | 1;
    r <<= 1;
    if (mh > th || (mh == th && ml >= tl)) {
      mh = mh - th - (ml < tl ? 1 : 0);
      ml -= tl;
      r |= 1;
    }
  }
  negative = false;
  exponent = e >> 1;
  high = r;
  // What is left against the root and a half.
  const more = mh != 0 || ml > r;
  low = (more ? (<u64>1) << 63 : 0) | ((mh | ml) != 0 ? 1 : 0);
}
