/** Numbers of 80 bits taken apart and put together. Source: Intel SDM, volume 1, "x87 FPU Data Types", "Unsupported Formats". */
import { FLOAT_precision } from "../layout.generated";
import { FINITE, INFINITE, NOT, ZERO } from "./numbers.as";
import {
  addLate,
  becomesInfinite,
  exponent,
  high,
  low,
  negative,
  noteRise,
  roundedExponent,
  roundedSignificand,
  roundTo,
  tooLarge,
} from "./round.as";

/** What no processor since the 387 takes for a number. */
export const UNSUPPORTED = 4;

const BIAS = 16383;
const TOP = 0x7fff;
/** By how much the exponent of a result is moved whose overflow or underflow is not masked. */
const MOVED = 24576;
export const FIRST: u64 = 0x8000000000000000;
const QUIET: u64 = 0x4000000000000000;

// What `take` made of a number.
export let sign: bool = false;
export let power: i32 = 0;
export let digits: u64 = 0;
export let denormal: bool = false;

export function take(significand: u64, head: i32): i32 {
  const biased = head & TOP;
  sign = (head & 0x8000) != 0;
  digits = significand;
  power = biased - BIAS;
  denormal = false;
  if (biased == 0) {
    if (significand == 0) return ZERO;
    denormal = true;
    const up = clz(significand);
    digits = significand << up;
    power = 1 - BIAS - <i32>up;
    return FINITE;
  }
  if (!(significand & FIRST)) return UNSUPPORTED;
  if (biased != TOP) return FINITE;
  return significand == FIRST ? INFINITE : NOT;
}

export function isQuiet(significand: u64): bool {
  return (significand & QUIET) != 0;
}
export function quiet(significand: u64): u64 {
  return significand | QUIET;
}

// A number of 80 bits: a result.
export let body: u64 = 0;
export let head: i32 = 0;

export function put(significand: u64, signAndExponent: i32): void {
  body = significand;
  head = signAndExponent;
}
export function putIndefinite(): void {
  put(0xc000000000000000, 0xffff);
}
export function putInfinity(minus: bool): void {
  put(FIRST, minus ? 0xffff : TOP);
}
export function putZero(minus: bool): void {
  put(0, minus ? 0x8000 : 0);
}

/** The result in round.as, rounded to so many bits. */
export function pack(precision: i32, mode: i32, masked: i32): void {
  roundTo(negative, exponent, high, low, precision, 1 - BIAS, BIAS, mode, masked, false);
  const minus = negative ? 0x8000 : 0;
  if (tooLarge) {
    if (becomesInfinite(mode, negative)) putInfinity(negative);
    else put(~(<u64>0) << (<u64>(64 - precision)), minus | (TOP - 1));
    return;
  }
  let e = roundedExponent;
  if (e > BIAS) e -= MOVED;
  else if (e < 1 - BIAS) e += MOVED;
  // FSCALE goes further than that.
  if (e > BIAS || e < 1 - BIAS) {
    addLate(FLOAT_precision);
    noteRise(e > BIAS);
    if (e > BIAS) putInfinity(negative);
    else putZero(negative);
    return;
  }
  put(roundedSignificand, minus | (roundedSignificand & FIRST ? e + BIAS : 0));
}
