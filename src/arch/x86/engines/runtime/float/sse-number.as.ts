/** Singles and doubles taken apart and put together, by MXCSR. Source: Intel SDM, volume 1, "SIMD Floating-Point Exceptions". */
import {
  FLOAT_denormal,
  FLOAT_exceptions,
  FLOAT_invalid,
  MXCSR_denormalsAreZero,
  MXCSR_flushToZero,
  MXCSR_masks,
  MXCSR_rounding,
  S_mxcsr,
  S_sseFault,
  SSEPART_first,
  SSEPART_second,
} from "../layout.generated";
import { FINITE, INFINITE, NOT, ordered, ZERO } from "./numbers.as";
import {
  addEarly,
  becomesInfinite,
  early,
  exponent,
  high,
  late,
  low,
  negative,
  noExceptions,
  roundedExponent,
  roundedSignificand,
  roundTo,
  tooLarge,
} from "./round.as";

export let mode: i32 = 0;
export let masked: i32 = 0;
export let flush: bool = false;
export let daz: bool = false;

/** MXCSR masks all, rounds to the nearest, takes nothing for 0, and says already that something was inexact. */
const QUICK = 0x1fa0;
export function isQuick(s: i32): bool {
  return (load<i32>(s, S_mxcsr) & 0xffe0) == QUICK;
}

/** What MXCSR says, before an operation. */
export function begin(s: i32, part: i32 = 0): void {
  const mxcsr = load<i32>(s, S_mxcsr);
  mode = (mxcsr >> MXCSR_rounding) & 3;
  masked = (mxcsr >> MXCSR_masks) & FLOAT_exceptions;
  flush = (mxcsr & MXCSR_flushToZero) != 0;
  daz = (mxcsr & MXCSR_denormalsAreZero) != 0;
  if (part != SSEPART_second) noExceptions();
}

/** Notes what was found. What operands have, not masked, hides what results have. */
export function end(s: i32, part: i32 = 0): void {
  if (part == SSEPART_first) return;
  const found = early & ~masked ? early : early | late;
  store<i32>(s, load<i32>(s, S_mxcsr) | found, S_mxcsr);
  store<i32>(s, found & ~masked, S_sseFault);
}

// What `take` made of a number.
export let n: bool = false;
export let e: i32 = 0;
export let v: u64 = 0;
export let denormal: bool = false;

/** Takes a number apart; returns its kind. */
export function take(bits: u64, double: bool): i32 {
  const places: u64 = double ? 52 : 23;
  const top = double ? 0x7ff : 0xff;
  const bias = double ? 1023 : 127;
  n = (double ? bits >> 63 : (bits >> 31) & 1) != 0;
  const biased = <i32>(bits >> places) & top;
  const fraction = bits & (((<u64>1) << places) - 1);
  denormal = false;
  e = biased - bias;
  if (biased == top) {
    v = fraction;
    return fraction == 0 ? INFINITE : NOT;
  }
  if (biased != 0) {
    v = ((<u64>1) << 63) | (fraction << (63 - places));
    return FINITE;
  }
  if (fraction == 0 || daz) return ZERO;
  denormal = true;
  const up = clz(fraction);
  v = fraction << up;
  e = 1 - bias - <i32>(up - (63 - places));
  return FINITE;
}

// @ts-ignore: decorator
@inline
export function signBit(double: bool): u64 {
  return double ? (<u64>1) << 63 : 0x80000000;
}
export function infinity(sign: bool, double: bool): u64 {
  return (sign ? signBit(double) : 0) | (double ? 0x7ff0000000000000 : 0x7f800000);
}
export function zero(sign: bool, double: bool): u64 {
  return sign ? signBit(double) : 0;
}
export function quietBit(double: bool): u64 {
  return double ? 0x0008000000000000 : 0x00400000;
}

/** What an invalid operation gives. */
export function indefinite(double: bool): u64 {
  addEarly(FLOAT_invalid);
  return double ? 0xfff8000000000000 : 0xffc00000;
}

export function isNaN64(bits: u64, double: bool): bool {
  return double ? (bits & 0x7fffffffffffffff) > 0x7ff0000000000000 : (bits & 0x7fffffff) > 0x7f800000;
}
export function isSignaling(bits: u64, double: bool): bool {
  return isNaN64(bits, double) && !(bits & quietBit(double));
}

/** The result in round.as, rounded and put together. */
export function pack(double: bool): u64 {
  const bias = double ? 1023 : 127;
  roundTo(negative, exponent, high, low, double ? 53 : 24, 1 - bias, bias, mode, masked, flush);
  if (tooLarge) return infinity(negative, double) - (becomesInfinite(mode, negative) ? 0 : 1);
  const sign = zero(negative, double);
  const significand = roundedSignificand;
  const biased: u64 = significand >> 63 ? <u64>(roundedExponent + bias) : 0;
  if (double) return sign | (biased << 52) | ((significand >> 11) & 0xfffffffffffff);
  return sign | (biased << 23) | ((significand >> 40) & 0x7fffff);
}

/** The first operand that is a NaN, quiet; 0 if none is. */
export function propagated(a: u64, b: u64, double: bool): u64 {
  const first = isNaN64(a, double);
  if (!first && !isNaN64(b, double)) return 0;
  if (isSignaling(a, double) || isSignaling(b, double)) addEarly(FLOAT_invalid);
  return (first ? a : b) | quietBit(double);
}

/** -1, 0, 1, or 2: one of them is a NaN. */
export function order(a: u64, b: u64, double: bool): i32 {
  const ka = take(a, double);
  const an = n;
  const ae = e;
  const av = v;
  let denormals = denormal;
  const kb = take(b, double);
  denormals = denormals || denormal;
  if (ka == NOT || kb == NOT) return 2;
  if (denormals) addEarly(FLOAT_denormal);
  return ordered(ka, an, ae, av, kb, n, e, v);
}
