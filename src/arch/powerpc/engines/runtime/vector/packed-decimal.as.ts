/**
 * Decimal integers in vector registers. A number is 31 digits of 4 bits and, in the last 4, a sign code: A, C, E and F are
 * positive, B and D negative, and others make it invalid. Below, `h` and `l` are a register's doublewords, the more
 * significant first; a magnitude has 0 in the place of the sign code, so that it is a number of 32 digits.
 *
 * Each operation leaves the value of CR field 6 in the state's `packedCondition`: how its source compares with zero
 * (of an addition: the sum of all its digits), with 1 added where digits were lost, or 1 alone if an operand is invalid.
 * Source: Power ISA v3.0B, Book I "Decimal Integer Instructions".
 */
import { S_packedCondition } from "../layout.generated";

const LT: i32 = 8;
const GT: i32 = 4;
const EQ: i32 = 2;
const SO: i32 = 1;

const EIGHTS: u64 = 0x8888888888888888;
const SIGN_CODE: u64 = 15;
const NEGATIVE: u64 = 0xd;

// @ts-ignore: decorator
@inline
function high(a: v128): u64 {
  return i64x2.extract_lane(a, 1);
}
// @ts-ignore: decorator
@inline
function low(a: v128): u64 {
  return i64x2.extract_lane(a, 0);
}
// @ts-ignore: decorator
@inline
function pair(h: u64, l: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(l), 1, h);
}

// @ts-ignore: decorator
@inline
function digitsValid(x: u64): bool {
  // A digit above 9 has its 8 and its 4 or 2.
  return (x & ((x << 1) | (x << 2)) & EIGHTS) == 0;
}
/** Of a signed number. */
function valid(h: u64, l: u64): bool {
  return digitsValid(h) && digitsValid(l & ~SIGN_CODE) && (l & SIGN_CODE) > 9;
}
// @ts-ignore: decorator
@inline
function isNegative(code: u64): bool {
  return code == 0xb || code == 0xd;
}
/** The sign code that results have. */
// @ts-ignore: decorator
@inline
function signCode(negative: bool, ps: i32): u64 {
  return negative ? NEGATIVE : ps ? 0xf : 0xc;
}

// @ts-ignore: decorator
@inline
function setCondition(s: i32, condition: i32): void {
  store<i32>(s + S_packedCondition, condition);
}
function invalid(s: i32): v128 {
  setCondition(s, SO);
  return pair(0, 0);
}
// @ts-ignore: decorator
@inline
function orderOf(zero: bool, negative: bool): i32 {
  return zero ? EQ : negative ? LT : GT;
}
/** Delivers a signed number; `sourceZero`: its source was 0. */
function deliver(s: i32, h: u64, l: u64, sourceZero: bool, negative: bool, overflow: bool, ps: i32): v128 {
  setCondition(s, orderOf(sourceZero, negative) | (overflow ? SO : 0));
  return pair(h, (l & ~SIGN_CODE) | signCode(negative, ps));
}

// Results of functions beside the value that they return.
let carry: u64 = 0;
let outHigh: u64 = 0;
let outLow: u64 = 0;

/** Sixteen digits added, with `carry` in and out. */
function addDigits(a: u64, b: u64): u64 {
  // With 6 added to each digit a carry out of 10 is one out of 16; digits without one give their 6 back.
  const biased = a + 0x6666666666666666;
  const sum = biased + b + carry;
  const carries = ((biased & b) | ((biased | b) & ~sum)) & EIGHTS;
  carry = carries >> 63;
  const without = ~carries & EIGHTS;
  return sum - ((without >> 1) | (without >> 2));
}

/** Magnitudes added; `carry` is then 1 if the sum needs another digit. */
function addMagnitudes(ah: u64, al: u64, bh: u64, bl: u64, carryIn: u64): void {
  carry = carryIn;
  outLow = addDigits(al, bl);
  outHigh = addDigits(ah, bh);
}

/** Digits moved to the left (`count` positive) or the right; returns whether others than 0 were lost on the left. */
function shiftDigits(h: u64, l: u64, count: i32): bool {
  if (count >= 32 || count <= -32) {
    outHigh = 0;
    outLow = 0;
    return count > 0 && (h | l) != 0;
  }
  const n = <u64>(abs(count) << 2);
  if (n == 0) {
    outHigh = h;
    outLow = l;
    return false;
  }
  if (count > 0) {
    if (n < 64) {
      outHigh = (h << n) | (l >> (64 - n));
      outLow = l << n;
      return h >> (64 - n) != 0;
    }
    outHigh = l << (n - 64);
    outLow = 0;
    return h != 0 || (n > 64 && l >> (128 - n) != 0);
  }
  if (n < 64) {
    outLow = (l >> n) | (h << (64 - n));
    outHigh = h >> n;
  } else {
    outLow = h >> (n - 64);
    outHigh = 0;
  }
  return false;
}

export function packedAdd(s: i32, a: v128, b: v128, ps: i32, subtract: i32): v128 {
  const ah = high(a);
  const bh = high(b);
  if (!valid(ah, low(a)) || !valid(bh, low(b))) return invalid(s);
  const al = low(a) & ~SIGN_CODE;
  const bl = low(b) & ~SIGN_CODE;
  const na = isNegative(low(a) & SIGN_CODE);
  const nb = isNegative(low(b) & SIGN_CODE) != (subtract != 0);
  if (na == nb) {
    addMagnitudes(ah, al, bh, bl, 0);
    const overflow = carry != 0;
    const zero = !overflow && (outHigh | outLow) == 0;
    return deliver(s, outHigh, outLow, zero, na && !zero, overflow, ps);
  }
  // The lesser magnitude taken from the greater: its digits' complements to 9 added, and one.
  const less = ah < bh || (ah == bh && al < bl);
  const nines: u64 = 0x9999999999999999;
  if (less) addMagnitudes(bh, bl, nines - ah, nines - al, 1);
  else addMagnitudes(ah, al, nines - bh, nines - bl, 1);
  const zero = (outHigh | outLow) == 0;
  return deliver(s, outHigh, outLow, zero, (less ? nb : na) && !zero, false, ps);
}

/** National format: seven characters of 16 bits, "0" to "9", then "+" or "-". */
export function packedFromNational(s: i32, b: v128, ps: i32): v128 {
  const h = high(b);
  const l = low(b);
  const sign = l & 0xffff;
  if (sign != 0x2b && sign != 0x2d) return invalid(s);
  let digits: u64 = 0;
  for (let i = 0; i < 7; i++) {
    const character = ((i < 4 ? h : l) >> <u64>(48 - 16 * (i & 3))) & 0xffff;
    if (character - 0x30 > 9) return invalid(s);
    digits = (digits << 4) | (character & 15);
  }
  return deliver(s, 0, digits << 4, digits == 0, sign == 0x2d, false, ps);
}

export function packedToNational(s: i32, b: v128): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  const negative = isNegative(l & SIGN_CODE);
  const zero = (h | (l & ~SIGN_CODE)) == 0;
  setCondition(s, orderOf(zero, negative) | (h != 0 || l >> 32 != 0 ? SO : 0));
  let rh: u64 = 0;
  let rl: u64 = 0;
  for (let i = 0; i < 4; i++) rh = (rh << 16) | 0x30 | ((l >> <u64>(28 - 4 * i)) & 15);
  for (let i = 4; i < 7; i++) rl = (rl << 16) | 0x30 | ((l >> <u64>(28 - 4 * i)) & 15);
  return pair(rh, (rl << 16) | (negative ? 0x2d : 0x2b));
}

/** Eight zoned bytes to their digits; those whose zone or digit is not right make `zonesValid` false. */
let zonesValid: bool = true;
function digitsOfZones(x: u64, zone: u64): u64 {
  let digits: u64 = 0;
  for (let shift: u64 = 0; shift < 64; shift += 8) {
    const byte = (x >> shift) & 0xff;
    if (byte >> 4 != zone || (byte & 15) > 9) zonesValid = false;
    digits |= (byte & 15) << (shift >> 1);
  }
  return digits;
}
function zonesOfDigits(digits: u64, zone: u64): u64 {
  let x: u64 = 0;
  for (let shift: u64 = 0; shift < 64; shift += 8) {
    x |= ((zone << 4) | ((digits >> (shift >> 1)) & 15)) << shift;
  }
  return x;
}

/** Zoned format: sixteen digits, each in a byte behind a zone of 3 (PS = 0) or F; the last byte's zone is the sign. */
export function packedFromZoned(s: i32, b: v128, ps: i32): v128 {
  const zone: u64 = ps ? 0xf : 3;
  const code = (low(b) >> 4) & 15;
  zonesValid = true;
  const upper = digitsOfZones(high(b), zone);
  const lower = digitsOfZones((low(b) & ~(<u64>0xf0)) | (zone << 4), zone);
  if (!zonesValid || (ps && code < 10)) return invalid(s);
  const negative = ps ? isNegative(code) : (code & 4) != 0;
  const digits = (upper << 32) | lower;
  // PS is the zones' here: a positive sign is always C.
  return deliver(s, digits >> 60, digits << 4, digits == 0, negative, false, 0);
}

export function packedToZoned(s: i32, b: v128, ps: i32): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  const negative = isNegative(l & SIGN_CODE);
  const zero = (h | (l & ~SIGN_CODE)) == 0;
  // Sixteen digits are kept. (The manual's figure tests one of them, digit 15, as if it were lost.)
  setCondition(s, orderOf(zero, negative) | (h >> 4 != 0 ? SO : 0));
  const digits = (h << 60) | (l >> 4);
  const zone: u64 = ps ? 0xf : 3;
  const sign: u64 = ps ? (negative ? 0xd : 0xc) : negative ? 7 : 3;
  const lower = zonesOfDigits(digits & 0xffffffff, zone);
  return pair(zonesOfDigits(digits >> 32, zone), (lower & ~(<u64>0xf0)) | (sign << 4));
}

/** From a signed 128-bit integer; one of more than 31 digits gives 0, the manual leaves it undefined. */
export function packedFromInteger(s: i32, b: v128, ps: i32): v128 {
  let h = high(b);
  let l = low(b);
  const negative = h >> 63 != 0;
  if (negative) {
    l = 0 - l;
    h = ~h + (l == 0 ? 1 : 0);
  }
  // 10^31 - 1.
  const greatestHigh: u64 = 0x7e37be2022;
  const greatestLow: u64 = 0xc0914b267fffffff;
  if (h > greatestHigh || (h == greatestHigh && l > greatestLow)) {
    setCondition(s, orderOf(false, negative) | SO);
    return pair(0, 0);
  }
  // Doubled bit by bit, from the most significant of 103.
  outHigh = 0;
  outLow = 0;
  for (let bit = 102; bit >= 0; bit--) {
    const one = ((bit >= 64 ? h : l) >> <u64>(bit & 63)) & 1;
    addMagnitudes(outHigh, outLow, outHigh, outLow, one);
  }
  shiftDigits(outHigh, outLow, 1);
  return deliver(s, outHigh, outLow, (h | l) == 0, negative, false, ps);
}

export function packedToInteger(s: i32, b: v128): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  const negative = isNegative(l & SIGN_CODE);
  setCondition(s, orderOf((h | (l & ~SIGN_CODE)) == 0, negative));
  let rh: u64 = 0;
  let rl: u64 = 0;
  for (let i = 31; i > 0; i--) {
    const digit = ((i >= 16 ? h : l) >> <u64>((i & 15) << 2)) & 15;
    // Times 10: times 8 and times 2.
    const twice = rl << 1;
    const eightTimes = rl << 3;
    rh = ((rh << 3) | (rl >> 61)) + ((rh << 1) | (rl >> 63));
    rl = eightTimes + twice;
    if (rl < twice) rh++;
    rl += digit;
    if (rl < digit) rh++;
  }
  if (negative) {
    rl = 0 - rl;
    rh = ~rh + (rl == 0 ? 1 : 0);
  }
  return pair(rh, rl);
}

/** The digits of `a` with the sign code of `b`, as it stands. */
export function packedCopySign(s: i32, a: v128, b: v128): v128 {
  const ah = high(a);
  const al = low(a);
  if (!valid(ah, al) || !valid(high(b), low(b))) return invalid(s);
  const code = low(b) & SIGN_CODE;
  setCondition(s, orderOf((ah | (al & ~SIGN_CODE)) == 0, isNegative(code)));
  return pair(ah, (al & ~SIGN_CODE) | code);
}

export function packedSetSign(s: i32, b: v128, ps: i32): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  return deliver(s, h, l, (h | (l & ~SIGN_CODE)) == 0, isNegative(l & SIGN_CODE), false, ps);
}

/** Byte 7 of a register, signed: how far to shift, to the left if positive. */
// @ts-ignore: decorator
@inline
function shiftCount(a: v128): i32 {
  return <i32>(<i8>high(a));
}

export function packedShift(s: i32, a: v128, b: v128, ps: i32): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  const magnitude = l & ~SIGN_CODE;
  // The sign's place takes no digit: those that a right shift brings there are dropped.
  const lost = shiftDigits(h, magnitude, shiftCount(a));
  return deliver(s, outHigh, outLow, (h | magnitude) == 0, isNegative(l & SIGN_CODE), lost, ps);
}

/** A shift to the right rounds to nearest, ties away from zero. */
export function packedShiftRound(s: i32, a: v128, b: v128, ps: i32): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  const magnitude = l & ~SIGN_CODE;
  const lost = shiftDigits(h, magnitude, max(shiftCount(a), -31));
  // The digit last shifted out stands in the sign's place.
  const up = (outLow & SIGN_CODE) >= 5;
  outLow &= ~SIGN_CODE;
  if (up) addMagnitudes(outHigh, outLow, 0, 0x10, 0);
  return deliver(s, outHigh, outLow, (h | magnitude) == 0, isNegative(l & SIGN_CODE), lost, ps);
}

export function packedShiftUnsigned(s: i32, a: v128, b: v128): v128 {
  const h = high(b);
  const l = low(b);
  if (!digitsValid(h) || !digitsValid(l)) return invalid(s);
  const lost = shiftDigits(h, l, shiftCount(a));
  setCondition(s, orderOf((h | l) == 0, false) | (lost ? SO : 0));
  return pair(outHigh, outLow);
}

/** All but the last `count` of 32 digits cleared; returns whether any of those were not 0. */
function keepDigits(h: u64, l: u64, count: i32): bool {
  outHigh = h;
  outLow = l;
  if (count >= 32) return false;
  const mask: u64 = count == 0 || count == 16 ? 0 : ((<u64>1) << (<u64>((count & 15) << 2))) - 1;
  if (count >= 16) outHigh &= mask;
  else {
    outHigh = 0;
    outLow &= mask;
  }
  return outHigh != h || outLow != l;
}

/** Bits 48 to 63 of a register: how many digits to keep. */
// @ts-ignore: decorator
@inline
function digitsToKeep(a: v128): i32 {
  return <i32>(high(a) & 0xffff);
}

export function packedTruncate(s: i32, a: v128, b: v128, ps: i32): v128 {
  const h = high(b);
  const l = low(b);
  if (!valid(h, l)) return invalid(s);
  const magnitude = l & ~SIGN_CODE;
  const lost = keepDigits(h, magnitude, digitsToKeep(a) + 1);
  return deliver(s, outHigh, outLow, (h | magnitude) == 0, isNegative(l & SIGN_CODE), lost, ps);
}

export function packedTruncateUnsigned(s: i32, a: v128, b: v128): v128 {
  const h = high(b);
  const l = low(b);
  if (!digitsValid(h) || !digitsValid(l)) return invalid(s);
  const lost = keepDigits(h, l, digitsToKeep(a));
  setCondition(s, orderOf((h | l) == 0, false) | (lost ? SO : 0));
  return pair(outHigh, outLow);
}
