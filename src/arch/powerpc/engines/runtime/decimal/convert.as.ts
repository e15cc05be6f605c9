/**
 * Conversions of decimal numbers between formats, to and from integers and decimal digits, and their parts.
 * Source: Power ISA v3.0B, Book I "DFP Conversion Instructions" and "DFP Format Instructions".
 */
import { S_fpscr } from "../layout.generated";
import { FPRF, VXCVI, VXSNAN, addExceptions, commitScalar } from "../float/fpscr.as";
import {
  EXTENDED,
  FINITE,
  SHORT,
  SIGNALING,
  appendZeros,
  biasOf,
  digitAt,
  dropDigits,
  exponentOf,
  exponentsOf,
  isNaN,
  isNegative,
  keepDigits,
  kindOf,
  lengthOf,
  pack,
  placeB,
  precisionOf,
  setDigit,
  setExponent,
  setFinite,
  setKind,
  setLength,
  unpack,
} from "./number.as";
import { begin, cut, finish, noteInexact, roundToFormat, roundingMode, setInvalid, takeNaN } from "./round.as";

const CURRENT: i32 = 8;

/** From and to DFP short a signaling NaN stays one. */
export function decimalConvert(s: i32, x: v128, from: i32, to: i32): v128 {
  begin();
  const b = placeB(s);
  unpack(b, x, from);
  if (from != SHORT && to != SHORT) takeNaN(b, b);
  if (kindOf(b) == FINITE) roundToFormat(b, to, roundingMode(s, CURRENT), load<u32>(s + S_fpscr));
  return finish(s, b, to);
}

export function decimalFromInteger(s: i32, x: i64, format: i32): v128 {
  begin();
  const b = placeB(s);
  setFinite(b, x < 0, 0);
  let rest = <u64>(x < 0 ? 0 - x : x);
  let length = 0;
  for (; rest != 0; rest /= 10) setDigit(b, length++, <i32>(rest % 10));
  setLength(b, length);
  roundToFormat(b, format, roundingMode(s, CURRENT), load<u32>(s + S_fpscr));
  return finish(s, b, format);
}

/** dcffixqq. */
export function decimalFromInteger128(s: i32, x: v128): v128 {
  begin();
  const b = placeB(s);
  let h = <u64>i64x2.extract_lane(x, 1);
  let l = <u64>i64x2.extract_lane(x, 0);
  const negative = <i64>h < 0;
  if (negative) {
    h = ~h + (l == 0 ? 1 : 0);
    l = 0 - l;
  }
  setFinite(b, negative, 0);
  let length = 0;
  while ((h | l) != 0) {
    // By halves of 32 bits, the remainder going before the next.
    let rest = h % 10;
    h /= 10;
    const upper = (rest << 32) | (l >> 32);
    rest = upper % 10;
    const lower = (rest << 32) | (l & 0xffffffff);
    l = ((upper / 10) << 32) | (lower / 10);
    setDigit(b, length++, <i32>(lower % 10));
  }
  setLength(b, length);
  roundToFormat(b, EXTENDED, roundingMode(s, CURRENT), load<u32>(s + S_fpscr));
  return finish(s, b, EXTENDED);
}

/** dctfixqq: as decimalToInteger, of 128 bits. */
export function decimalToInteger128(s: i32, x: v128): v128 {
  begin();
  const b = placeB(s);
  unpack(b, x, EXTENDED);
  const kind = kindOf(b);
  const negative = isNegative(b);
  let h: u64 = 0;
  let l: u64 = 0;
  let fits = kind == FINITE;
  if (fits) {
    const exponent = exponentOf(b);
    if (exponent < 0) cut(b, -exponent, roundingMode(s, CURRENT));
    // 2^127 has 39 digits.
    else if (lengthOf(b) != 0 && lengthOf(b) + exponent > 39) fits = false;
    else appendZeros(b, exponent);
    for (let i = lengthOf(b) - 1; fits && i >= 0; i--) {
      fits = h <= 0x1999999999999998;
      const lower = (l & 0xffffffff) * 10 + <u64>digitAt(b, i);
      const upper = (l >> 32) * 10 + (lower >> 32);
      l = (upper << 32) | (lower & 0xffffffff);
      h = h * 10 + (upper >> 32);
    }
    if (fits) fits = <i64>h >= 0 || (negative && h == 0x8000000000000000 && l == 0);
    if (fits && exponent < 0) noteInexact();
  }
  if (!fits) addExceptions(kind == SIGNALING ? VXCVI | VXSNAN : VXCVI);
  commitScalar(s, load<u32>(s + S_fpscr) & FPRF);
  if (!fits) {
    const least = negative || isNaN(b);
    h = least ? 0x8000000000000000 : 0x7fffffffffffffff;
    l = least ? 0 : ~(<u64>0);
  } else if (negative) {
    h = ~h + (l == 0 ? 1 : 0);
    l = 0 - l;
  }
  return i64x2.replace_lane(i64x2.splat(l), 1, h);
}

/** Out of range saturates; a NaN gives the least integer. FPRF, undefined, stays. */
export function decimalToInteger(s: i32, x: v128, format: i32): i64 {
  begin();
  const b = placeB(s);
  unpack(b, x, format);
  const kind = kindOf(b);
  const negative = isNegative(b);
  let magnitude: u64 = 0;
  let fits = kind == FINITE;
  if (fits) {
    const exponent = exponentOf(b);
    if (exponent < 0) cut(b, -exponent, roundingMode(s, CURRENT));
    // 2^63 has 19 digits.
    else if (lengthOf(b) != 0 && lengthOf(b) + exponent > 19) fits = false;
    else appendZeros(b, exponent);
    if (fits && lengthOf(b) <= 19) {
      for (let i = lengthOf(b) - 1; i >= 0; i--) magnitude = magnitude * 10 + <u64>digitAt(b, i);
      fits = negative ? magnitude <= 0x8000000000000000 : magnitude <= 0x7fffffffffffffff;
    } else fits = false;
    if (fits && exponent < 0) noteInexact();
  }
  if (!fits) addExceptions(kind == SIGNALING ? VXCVI | VXSNAN : VXCVI);
  commitScalar(s, load<u32>(s + S_fpscr) & FPRF);
  if (fits) return negative ? 0 - <i64>magnitude : <i64>magnitude;
  return negative || isNaN(b) ? i64.MIN_VALUE : i64.MAX_VALUE;
}

/** ddedpd: the last digits. SP 0 and 1: without a sign; 2 and 3: with one, of which a positive is C or F. */
export function decimalToPacked(s: i32, x: v128, sp: i32, format: i32): v128 {
  const b = placeB(s);
  unpack(b, x, format);
  const nibbles = format == EXTENDED ? 32 : 16;
  const signed = sp >> 1;
  let h: u64 = 0;
  let l: u64 = 0;
  for (let i = nibbles - 1; i >= 0; i--) {
    let digit = digitAt(b, i - signed);
    if (signed && i == 0) digit = isNegative(b) ? 0xd : sp & 1 ? 0xf : 0xc;
    h = (h << 4) | (l >> 60);
    l = (l << 4) | <u64>digit;
  }
  return i64x2.replace_lane(i64x2.splat(l), 1, h);
}

/** denbcd: digits, and with S a sign code behind them. */
export function decimalFromPacked(s: i32, x: v128, signed: i32, format: i32): v128 {
  begin();
  const b = placeB(s);
  const count = (format == EXTENDED ? 32 : 16) - signed;
  let h = <u64>i64x2.extract_lane(x, 1);
  let l = <u64>i64x2.extract_lane(x, 0);
  const sign = <i32>(l & 15);
  let valid = !signed || sign > 9;
  setFinite(b, signed != 0 && (sign == 0xb || sign == 0xd), 0);
  for (let i = -signed; i < count; i++) {
    if (i >= 0) {
      const digit = <i32>(l & 15);
      valid = valid && digit < 10;
      setDigit(b, i, digit);
    }
    l = (l >> 4) | (h << 60);
    h >>= 4;
  }
  setLength(b, count);
  if (!valid) setInvalid(b, VXCVI);
  return finish(s, b, format);
}

/** dxex: the biased exponent; -1 for an infinity, -2 for a quiet NaN, -3 for a signaling one. */
export function decimalExtractExponent(s: i32, x: v128, format: i32): i64 {
  const b = placeB(s);
  unpack(b, x, format);
  return kindOf(b) == FINITE ? <i64>(exponentOf(b) + biasOf(format)) : <i64>-kindOf(b);
}

/** diex: the digits of a number with another exponent, or as what dxex's negative numbers stand for; others a quiet NaN. */
export function decimalInsertExponent(s: i32, exponent: i64, x: v128, format: i32): v128 {
  const b = placeB(s);
  unpack(b, x, format);
  if (exponent >= 0 && exponent < <i64>exponentsOf(format)) {
    setKind(b, FINITE);
    setExponent(b, <i32>exponent - biasOf(format));
    return pack(b, format);
  }
  // What follows the exponent stays as it is.
  const top: u64 = exponent == -1 ? 0x7800000000000000 : exponent == -3 ? 0x7e00000000000000 : 0x7c00000000000000;
  if (format == EXTENDED) {
    const h = (<u64>i64x2.extract_lane(x, 1) & 0x80003fffffffffff) | top;
    return i64x2.replace_lane(x, 1, h);
  }
  return i64x2.replace_lane(x, 0, (<u64>i64x2.extract_lane(x, 0) & 0x8003ffffffffffff) | top);
}

/** dscli, dscri: the digits moved, the exponent staying; those of a NaN are one fewer. */
export function decimalShift(s: i32, x: v128, count: i32, format: i32): v128 {
  const b = placeB(s);
  unpack(b, x, format);
  const digits = precisionOf(format) - (kindOf(b) == FINITE ? 0 : 1);
  if (count < 0) dropDigits(b, -count);
  else if (count >= digits) setLength(b, 0);
  else {
    appendZeros(b, count);
    keepDigits(b, digits);
  }
  return pack(b, format);
}
