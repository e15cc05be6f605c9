/**
 * Rounding a decimal number to a format, and what a finished result does to FPSCR.
 * Source: Power ISA v3.0B, Book I "DFP Rounding", "DFP Exceptions", "Finite Number Classification".
 */
import { S_fpscr } from "../layout.generated";
import {
  CLASS_NEGATIVE_ZERO,
  CLASS_POSITIVE_ZERO,
  CLASS_QNAN,
  FI,
  FR,
  OE,
  OX,
  UE,
  UX,
  VXSNAN,
  XX,
  addExceptions,
  commitScalar,
  setExceptions,
  setRounding,
} from "../float/fpscr.as";
import {
  FINITE,
  INFINITE,
  LONG,
  QUIET,
  SHORT,
  SIGNALING,
  appendZeros,
  biasOf,
  copyNumber,
  digitAt,
  dropDigits,
  exponentOf,
  exponentsOf,
  increment,
  isNegative,
  isNaN,
  isZero,
  kindOf,
  lengthOf,
  pack,
  precisionOf,
  setDigit,
  setExponent,
  setFinite,
  setKind,
  setLength,
  setSpecial,
} from "./number.as";

/** FPSCR[DRN], or what an instruction gives in its place. */
export const TOWARD_ZERO: i32 = 1;
export const UP: i32 = 2;
export const DOWN: i32 = 3;
const NEAREST_EVEN: i32 = 0;
const NEAREST_AWAY: i32 = 4;
const NEAREST_TOWARD_ZERO: i32 = 5;
const AWAY: i32 = 6;
/** Ready for a rounding to fewer digits: away from zero if the last digit is then 0 or 5. */
const PREPARED: i32 = 7;
const CURRENT: i32 = 8;

export function roundingMode(s: i32, mode: i32): i32 {
  return mode == CURRENT ? <i32>(load<u8>(s + S_fpscr + 4) & 7) : mode;
}

/** Begins an operation. */
// @ts-ignore: decorator
@inline
export function begin(): void {
  setExceptions(0);
  setRounding(0);
}

/** What the last cut lost: whether anything, and whether it was rounded up in magnitude. */
export let inexact: bool = false;
let roundedUp: bool = false;

/** Drops the last `count` digits and rounds; the exponent stays, and a carry may bring a digit more. */
export function cut(n: i32, count: i32, mode: i32): void {
  inexact = false;
  roundedUp = false;
  if (count <= 0) return;
  const first = digitAt(n, count - 1);
  let rest = false;
  const below = min(count - 1, lengthOf(n));
  for (let i = 0; i < below; i++) rest = rest || digitAt(n, i) != 0;
  const last = digitAt(n, count);
  dropDigits(n, count);
  inexact = first != 0 || rest;
  if (!inexact) return;
  const half = first == 5 && !rest;
  const more = first >= 5 && !half;
  if (mode == NEAREST_EVEN) roundedUp = more || (half && (last & 1) != 0);
  else if (mode == UP) roundedUp = !isNegative(n);
  else if (mode == DOWN) roundedUp = isNegative(n);
  else if (mode == NEAREST_AWAY) roundedUp = more || half;
  else if (mode == NEAREST_TOWARD_ZERO) roundedUp = more;
  else if (mode == AWAY) roundedUp = true;
  else if (mode == PREPARED) roundedUp = last == 0 || last == 5;
  if (roundedUp) increment(n);
}

/** Tells of the last cut. */
export function noteInexact(): void {
  if (!inexact) return;
  addExceptions(XX);
  setRounding(roundedUp ? FI | FR : FI);
}

/** How much an enabled overflow or underflow moves the exponent. */
function adjustment(format: i32): i32 {
  return format == SHORT ? 192 : format == LONG ? 576 : 9216;
}

/** Rounds a finite number, of any length and exponent, to a format: overflow, underflow and inexactness with it. */
export function roundToFormat(n: i32, format: i32, mode: i32, fpscr: u32): void {
  const precision = precisionOf(format);
  const least = -biasOf(format);
  const greatest = least + exponentsOf(format) - 1;
  const length = lengthOf(n);
  let exponent = exponentOf(n);
  if (length == 0) {
    setExponent(n, min(max(exponent, least), greatest));
    return;
  }
  let tiny = exponent + length < least + precision;
  let excess = max(length - precision, 0);
  if (tiny && (fpscr & UE) != 0) {
    addExceptions(UX);
    exponent += adjustment(format);
    tiny = false;
  } else if (exponent + excess < least) excess = least - exponent;
  cut(n, excess, mode);
  exponent += excess;
  if (lengthOf(n) > precision) {
    dropDigits(n, 1);
    exponent++;
  }
  noteInexact();
  if (tiny && inexact) addExceptions(UX);
  if (lengthOf(n) > 0 && exponent + lengthOf(n) > greatest + precision) {
    addExceptions(OX);
    if (fpscr & OE) exponent -= adjustment(format);
    else {
      addExceptions(XX);
      setRounding(FI);
      overflow(n, precision, greatest, mode);
      return;
    }
  }
  if (exponent > greatest) {
    const zeros = min(exponent - greatest, precision - lengthOf(n));
    appendZeros(n, zeros);
    exponent -= zeros;
  }
  // Of drsp the adjustment may not suffice.
  setExponent(n, min(max(exponent, least), greatest));
}

function overflow(n: i32, precision: i32, greatest: i32, mode: i32): void {
  const negative = isNegative(n);
  const finite = mode == TOWARD_ZERO || mode == PREPARED || (mode == UP && negative) || (mode == DOWN && !negative);
  if (!finite) {
    setSpecial(n, INFINITE, negative);
    return;
  }
  setFinite(n, negative, greatest);
  for (let i = 0; i < precision; i++) setDigit(n, i, 9);
  setLength(n, precision);
}

/** FPRF, in its place. */
function classOf(n: i32, format: i32): u32 {
  const kind = kindOf(n);
  if (kind == QUIET) return CLASS_QNAN;
  if (kind == SIGNALING) return 0x01000;
  const negative = isNegative(n);
  if (kind == INFINITE) return negative ? 0x09000 : 0x05000;
  if (isZero(n)) return negative ? CLASS_NEGATIVE_ZERO : CLASS_POSITIVE_ZERO;
  if (isSubnormal(n, format)) return negative ? 0x18000 : 0x14000;
  return negative ? 0x08000 : 0x04000;
}
export function isSubnormal(n: i32, format: i32): bool {
  const tiny = exponentOf(n) + lengthOf(n) < precisionOf(format) - biasOf(format);
  return kindOf(n) == FINITE && lengthOf(n) != 0 && tiny;
}

/** Delivers a result that fits its format. */
export function finish(s: i32, n: i32, format: i32): v128 {
  commitScalar(s, classOf(n, format));
  return pack(n, format);
}

/** The default quiet NaN, because of an invalid operation. */
export function setInvalid(n: i32, cause: u32): void {
  addExceptions(cause);
  setRounding(0);
  setSpecial(n, QUIET, false);
}
/** A NaN of an operand as the result, quiet; false if it is none. */
export function takeNaN(t: i32, n: i32): bool {
  if (!isNaN(n)) return false;
  if (kindOf(n) == SIGNALING) addExceptions(VXSNAN);
  if (t != n) copyNumber(t, n);
  setKind(t, QUIET);
  return true;
}
/** The same of two operands: signaling ones first. */
export function takeNaNs(t: i32, a: i32, b: i32): bool {
  const second = kindOf(a) != SIGNALING && kindOf(b) == SIGNALING;
  if (second) return takeNaN(t, b);
  return takeNaN(t, a) || takeNaN(t, b);
}
