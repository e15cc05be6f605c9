/**
 * Rounding to integers and conversions from and to them, for all formats, on binary128 operands.
 * Source: Power ISA v3.0B, Book I "Floating-Point Rounding and Conversion Instructions" and "VSX Floating-Point".
 */
import { FI, FR, VXCVI, VXSNAN, XX, addExceptions, setRounding } from "./fpscr.as";
import {
  QUAD,
  QUIET_HIGH,
  SIGN,
  deliverSpecial,
  isInfinity,
  isNaN128,
  isSignaling,
  isZero,
  roundPack,
  roundsUp,
  setResult,
  split,
  splitExponent,
  splitHigh,
  splitLow,
} from "./wide.as";

/** What an integer conversion yields: bit 0 unsigned, bit 1 64 bits (else 32). */
export const UNSIGNED: i32 = 1;
export const LONG: i32 = 2;

// The operand last cut: its integer part, and the rest as 0 none, 1 less than, 2 exactly, 3 more than one half.
let integerHigh: u64 = 0;
let integerLow: u64 = 0;
let rest: u64 = 0;

/** Cuts h:l, worth (h:l) / 2^shift, into integer and rest. */
function cut(h: u64, l: u64, shift: i32): void {
  if (shift > 128) {
    integerHigh = 0;
    integerLow = 0;
    rest = (h | l) != 0 ? 1 : 0;
    return;
  }
  if (shift <= 0) {
    integerHigh = h;
    integerLow = l;
    rest = 0;
    return;
  }
  // What is shifted out, its most significant bit at bit 63, the rest sticky.
  let out: u64;
  if (shift >= 64) {
    const n = <u64>(shift - 64);
    out = n == 0 ? l : n == 64 ? h : (h << (64 - n)) | (l >> n);
    if (n != 0 && (n == 64 ? l : l << (64 - n)) != 0) out |= 1;
    integerHigh = 0;
    integerLow = n == 64 ? 0 : h >> n;
  } else {
    const n = <u64>shift;
    out = l << (64 - n);
    integerHigh = h >> n;
    integerLow = (l >> n) | (h << (64 - n));
  }
  rest = out == 0 ? 0 : out < SIGN ? 1 : out == SIGN ? 2 : 3;
}

function roundCut(sign: bool, mode: u32): bool {
  if (!roundsUp(mode, sign, (integerLow & 1) != 0, rest, 2)) return false;
  if (++integerLow == 0) integerHigh++;
  return true;
}

/** To an integer of `kind`. Out of range saturates with VXCVI; NaN gives the smallest integer of the kind. */
export function toInteger(h: u64, l: u64, kind: i32, mode: u32): u64 {
  const sign = h >> 63 != 0;
  const smallest: u64 = kind & UNSIGNED ? 0 : kind & LONG ? SIGN : 0xffffffff80000000;
  if (isNaN128(h, l)) {
    addExceptions(isSignaling(h, l) ? VXCVI | VXSNAN : VXCVI);
    // A word's high half is undefined: zero here, as emulators have it.
    return kind & (UNSIGNED | LONG) ? smallest : 0x80000000;
  }
  if (isZero(h, l)) return 0;
  const limit: u64 = kind & LONG ? (kind & UNSIGNED ? ~(<u64>0) : ~SIGN) : kind & UNSIGNED ? 0xffffffff : 0x7fffffff;
  let fits = false;
  let up = false;
  if (!isInfinity(h, l)) {
    split(h, l);
    if (splitExponent < 66) {
      cut(splitHigh, splitLow, 127 - splitExponent);
      up = roundCut(sign, mode);
      if (integerHigh == 0) {
        if (!sign) fits = integerLow <= limit;
        else fits = kind & UNSIGNED ? integerLow == 0 : integerLow <= limit + 1;
      }
    }
  }
  if (!fits) {
    addExceptions(VXCVI);
    return sign ? smallest : limit;
  }
  if (rest != 0) {
    addExceptions(XX);
    setRounding(up ? FI | FR : FI);
  }
  return sign ? 0 - integerLow : integerLow;
}

/** To an integer of 128 bits, as a result of two halves, toward zero. As toInteger; of a NaN the smallest. */
export function toInteger128(h: u64, l: u64, unsigned: bool): void {
  const sign = h >> 63 != 0;
  const nan = isNaN128(h, l);
  let fits = false;
  if (nan) addExceptions(isSignaling(h, l) ? VXCVI | VXSNAN : VXCVI);
  else if (isZero(h, l)) {
    setResult(0, 0);
    return;
  } else if (!isInfinity(h, l)) {
    split(h, l);
    if (splitExponent < 128) {
      cut(splitHigh, splitLow, 127 - splitExponent);
      if (unsigned) fits = !sign || (integerHigh | integerLow) == 0;
      else fits = integerHigh < SIGN || (sign && integerHigh == SIGN && integerLow == 0);
    }
  }
  if (!fits) {
    if (!nan) addExceptions(VXCVI);
    if (sign || nan) setResult(unsigned ? 0 : SIGN, 0);
    else setResult(unsigned ? ~(<u64>0) : ~SIGN, ~(<u64>0));
    return;
  }
  if (rest != 0) {
    addExceptions(XX);
    setRounding(FI);
  }
  if (sign) setResult(~integerHigh + (integerLow == 0 ? 1 : 0), 0 - integerLow);
  else setResult(integerHigh, integerLow);
}

/** To an integral value of the same format. `inexact`: with XX, FR and FI. */
export function toIntegral(h: u64, l: u64, format: i32, mode: u32, inexact: bool): void {
  if (isNaN128(h, l)) {
    if (isSignaling(h, l)) addExceptions(VXSNAN);
    deliverSpecial(h | QUIET_HIGH, l, format);
    return;
  }
  if (isInfinity(h, l) || isZero(h, l)) {
    deliverSpecial(h, l, format);
    return;
  }
  const sign = h >> 63 != 0;
  split(h, l);
  if (splitExponent >= 112) {
    roundPack(sign, splitExponent, splitHigh, splitLow, format, 0, 0);
    return;
  }
  cut(splitHigh, splitLow, 127 - splitExponent);
  const up = roundCut(sign, mode);
  const any = rest != 0;
  deliverInteger(sign, 0, format);
  if (any && inexact) {
    addExceptions(XX);
    setRounding(up ? FI | FR : FI);
  }
}

/** Delivers the cut integer times 2^exponent, which the format holds exactly (or overflows). */
function deliverInteger(sign: bool, exponent: i32, format: i32): void {
  let h = integerHigh;
  let l = integerLow;
  let e = 127 + exponent;
  if ((h | l) == 0) {
    deliverSpecial(sign ? SIGN : 0, 0, format);
    return;
  }
  if (h == 0) {
    h = l;
    l = 0;
    e -= 64;
  }
  const n = <u64>clz(h);
  if (n != 0) {
    h = (h << n) | (l >> (64 - n));
    l <<= n;
  }
  roundPack(sign, e - <i32>n, h, l, format, 0, sign ? 3 : 2);
}

/** xsrqpxp: a binary128 rounded to the 64-bit significand and the range of double-extended precision. */
export function toExtended(h: u64, l: u64, mode: u32): void {
  if (isNaN128(h, l)) {
    if (isSignaling(h, l)) addExceptions(VXSNAN);
    // Of a NaN's fraction 63 bits are kept.
    deliverSpecial(h | QUIET_HIGH, l & ~(<u64>0x1ffffffffffff), QUAD);
    return;
  }
  if (isInfinity(h, l) || isZero(h, l)) {
    deliverSpecial(h, l, QUAD);
    return;
  }
  const sign = h >> 63 != 0;
  split(h, l);
  const e = splitExponent;
  const shift = e < -16382 ? 64 + (-16382 - e) : 64;
  cut(splitHigh, splitLow, shift);
  const up = roundCut(sign, mode);
  const any = rest != 0;
  deliverInteger(sign, e - 127 + shift, QUAD);
  if (any) {
    addExceptions(XX);
    setRounding(up ? FI | FR : FI);
  }
}
