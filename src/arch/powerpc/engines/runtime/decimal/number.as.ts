/**
 * Decimal floating-point numbers taken apart: digit by digit, in three places of the vCPU's state. A number's address is
 * `n`; its digits are bytes from the least significant, as many as `lengthOf` says, without zeros in front, so that zero has
 * none. A NaN's digits are its payload.
 * Source: Power ISA v3.0B, Book I "DFP Number Representation".
 */
import { declet, decletOf } from "../fixed-point.as";
import { S_decimalNumbers } from "../layout.generated";

const LENGTH: i32 = 128;
const EXPONENT: i32 = 132;
const SIGN: i32 = 136;
const KIND: i32 = 140;
const SIZE: i32 = 144;

export const FINITE: i32 = 0;
export const INFINITE: i32 = 1;
export const QUIET: i32 = 2;
export const SIGNALING: i32 = 3;

/** Formats. */
export const SHORT: i32 = 0;
export const LONG: i32 = 1;
export const EXTENDED: i32 = 2;

// @ts-ignore: decorator
@inline
export function precisionOf(format: i32): i32 {
  return format == SHORT ? 7 : format == LONG ? 16 : 34;
}
// @ts-ignore: decorator
@inline
export function biasOf(format: i32): i32 {
  return format == SHORT ? 101 : format == LONG ? 398 : 6176;
}
/** Three times two to the power of the bits behind the combination field: the count of exponents. */
// @ts-ignore: decorator
@inline
export function exponentsOf(format: i32): i32 {
  return 3 << continuationOf(format);
}
// @ts-ignore: decorator
@inline
function continuationOf(format: i32): i32 {
  return format == SHORT ? 6 : format == LONG ? 8 : 12;
}
// @ts-ignore: decorator
@inline
function decletsOf(format: i32): i32 {
  return format == SHORT ? 2 : format == LONG ? 5 : 11;
}

/** The places: two operands and a result. */
// @ts-ignore: decorator
@inline
export function placeA(s: i32): i32 {
  return s + S_decimalNumbers;
}
// @ts-ignore: decorator
@inline
export function placeB(s: i32): i32 {
  return s + S_decimalNumbers + SIZE;
}
// @ts-ignore: decorator
@inline
export function placeT(s: i32): i32 {
  return s + S_decimalNumbers + 2 * SIZE;
}

// @ts-ignore: decorator
@inline
export function lengthOf(n: i32): i32 {
  return load<i32>(n + LENGTH);
}
// @ts-ignore: decorator
@inline
export function exponentOf(n: i32): i32 {
  return load<i32>(n + EXPONENT);
}
// @ts-ignore: decorator
@inline
export function setExponent(n: i32, exponent: i32): void {
  store<i32>(n + EXPONENT, exponent);
}
// @ts-ignore: decorator
@inline
export function isNegative(n: i32): bool {
  return load<i32>(n + SIGN) != 0;
}
// @ts-ignore: decorator
@inline
export function setNegative(n: i32, negative: bool): void {
  store<i32>(n + SIGN, negative);
}
// @ts-ignore: decorator
@inline
export function kindOf(n: i32): i32 {
  return load<i32>(n + KIND);
}
// @ts-ignore: decorator
@inline
export function setKind(n: i32, kind: i32): void {
  store<i32>(n + KIND, kind);
}
// @ts-ignore: decorator
@inline
export function isNaN(n: i32): bool {
  return kindOf(n) >= QUIET;
}
// @ts-ignore: decorator
@inline
export function isZero(n: i32): bool {
  return kindOf(n) == FINITE && lengthOf(n) == 0;
}

/** Digit `i` from the least significant; 0 beyond those there are. */
// @ts-ignore: decorator
@inline
export function digitAt(n: i32, i: i32): i32 {
  return i < lengthOf(n) ? <i32>load<u8>(n + i) : 0;
}
// @ts-ignore: decorator
@inline
export function setDigit(n: i32, i: i32, digit: i32): void {
  store<u8>(n + i, digit);
}

/** Says how many digits were stored, and drops zeros in front. */
export function setLength(n: i32, length: i32): void {
  while (length > 0 && load<u8>(n + length - 1) == 0) length--;
  store<i32>(n + LENGTH, length);
}

export function setFinite(n: i32, negative: bool, exponent: i32): void {
  setKind(n, FINITE);
  setNegative(n, negative);
  setExponent(n, exponent);
  store<i32>(n + LENGTH, 0);
}
export function setSpecial(n: i32, kind: i32, negative: bool): void {
  setFinite(n, negative, 0);
  setKind(n, kind);
}
export function copyNumber(to: i32, from: i32): void {
  memory.copy(<usize>to, <usize>from, SIZE);
}

/** Times 10 to the power of `count`, the exponent staying. */
export function appendZeros(n: i32, count: i32): void {
  const length = lengthOf(n);
  if (count <= 0 || length == 0) return;
  memory.copy(<usize>(n + count), <usize>n, length);
  memory.fill(<usize>n, 0, count);
  store<i32>(n + LENGTH, length + count);
}
/** The last `count` digits dropped, the exponent staying. */
export function dropDigits(n: i32, count: i32): void {
  const length = lengthOf(n);
  if (count >= length) {
    store<i32>(n + LENGTH, 0);
    return;
  }
  memory.copy(<usize>n, <usize>(n + count), length - count);
  store<i32>(n + LENGTH, length - count);
}
/** All but the last `count` digits dropped. */
export function keepDigits(n: i32, count: i32): void {
  if (lengthOf(n) > count) setLength(n, count);
}
/** Adds 1 to the digits. */
export function increment(n: i32): void {
  const length = lengthOf(n);
  let i = 0;
  while (i < length && load<u8>(n + i) == 9) setDigit(n, i++, 0);
  if (i == length) {
    setDigit(n, i, 1);
    store<i32>(n + LENGTH, length + 1);
  } else setDigit(n, i, <i32>load<u8>(n + i) + 1);
}

/** Ten bits of h:l, from bit `at`, counted from the least significant. */
function bitsAt(h: u64, l: u64, at: i32): u64 {
  if (at >= 64) return (h >> <u64>(at - 64)) & 0x3ff;
  let value = l >> <u64>at;
  if (at > 54) value |= h << (<u64>(64 - at));
  return value & 0x3ff;
}

/** Takes a number apart. Infinities have the digits that stand in their trailing field, which means nothing. */
export function unpack(n: i32, value: v128, format: i32): void {
  const h = <u64>i64x2.extract_lane(value, 1);
  const l = <u64>i64x2.extract_lane(value, 0);
  const declets = decletsOf(format);
  const width = continuationOf(format);
  const shift = <u64>(10 * declets);
  const top = <i32>(format == EXTENDED ? h >> (shift - 64) : l >> shift);
  const combination = (top >> width) & 31;
  const continuation = top & ((1 << width) - 1);
  let upper = combination >> 3;
  let lead = combination & 7;
  let kind = FINITE;
  if (upper == 3) {
    upper = (combination >> 1) & 3;
    lead = 8 | (combination & 1);
    if (upper == 3) {
      lead = 0;
      if ((combination & 1) == 0) kind = INFINITE;
      else kind = continuation >> (width - 1) ? SIGNALING : QUIET;
    }
  }
  setKind(n, kind);
  setNegative(n, ((top >> (width + 5)) & 1) != 0);
  setExponent(n, ((upper << width) | continuation) - biasOf(format));
  for (let i = 0; i < declets; i++) {
    const digits = <i32>declet(bitsAt(h, l, 10 * i));
    setDigit(n, 3 * i, digits & 15);
    setDigit(n, 3 * i + 1, (digits >> 4) & 15);
    setDigit(n, 3 * i + 2, digits >> 8);
  }
  setDigit(n, 3 * declets, lead);
  setLength(n, 3 * declets + 1);
}

/** Puts a number together whose digits and exponent fit the format; of a NaN's payload the last digits that do. */
export function pack(n: i32, format: i32): v128 {
  const declets = decletsOf(format);
  const width = continuationOf(format);
  const kind = kindOf(n);
  let h: u64 = 0;
  let l: u64 = 0;
  if (kind != INFINITE) {
    for (let i = 0; i < declets; i++) {
      const digits = (digitAt(n, 3 * i + 2) << 8) | (digitAt(n, 3 * i + 1) << 4) | digitAt(n, 3 * i);
      const bits = decletOf(<u64>digits);
      const at = 10 * i;
      if (at >= 64) h |= bits << (<u64>(at - 64));
      else {
        l |= bits << (<u64>at);
        if (at > 54) h |= bits >> <u64>(64 - at);
      }
    }
  }
  let combination: i32;
  let continuation = 0;
  if (kind == FINITE) {
    const lead = digitAt(n, 3 * declets);
    const biased = exponentOf(n) + biasOf(format);
    const upper = biased >> width;
    continuation = biased & ((1 << width) - 1);
    combination = lead < 8 ? (upper << 3) | lead : 24 | (upper << 1) | (lead & 1);
  } else {
    combination = kind == INFINITE ? 30 : 31;
    if (kind == SIGNALING) continuation = 1 << (width - 1);
  }
  const sign = isNegative(n) ? 1 : 0;
  const top = <u64>((sign << (width + 5)) | (combination << width) | continuation);
  if (format == EXTENDED) h |= top << 46;
  else l |= top << (<u64>(10 * declets));
  return i64x2.replace_lane(i64x2.splat(l), 1, h);
}
