/**
 * Comparisons, classes, minimum and maximum, and the tests before software division and square root.
 * Source: Power ISA v3.0B, Book I "Floating-Point Compare Instructions" and "VSX Floating-Point".
 */
import { VE, VXSNAN, VXVC, addExceptions } from "./fpscr.as";
import { INF_HIGH, SIGN, isNaN128, isSignaling } from "./wide.as";

const INF64: u64 = 0x7ff0000000000000;
const QUIET64: u64 = 0x0008000000000000;

// @ts-ignore: decorator
@inline
export function isNaN64(a: u64): bool {
  return (a & ~SIGN) > INF64;
}
// @ts-ignore: decorator
@inline
export function isSignaling64(a: u64): bool {
  return isNaN64(a) && (a & QUIET64) == 0;
}

/** CR field of an order: 8 less, 4 greater, 2 equal, 1 unordered. Adds VXSNAN, and VXVC if `ordered`. */
export function compare64(a: u64, b: u64, ordered: bool, fpscr: u32): i32 {
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  if (x < y) return 8;
  if (x > y) return 4;
  if (x == y) return 2;
  unordered(isSignaling64(a) || isSignaling64(b), ordered, fpscr);
  return 1;
}

function unordered(signaling: bool, ordered: bool, fpscr: u32): void {
  if (signaling) {
    addExceptions(VXSNAN);
    if (ordered && (fpscr & VE) == 0) addExceptions(VXVC);
  } else if (ordered) addExceptions(VXVC);
}

export function compare128(ah: u64, al: u64, bh: u64, bl: u64, ordered: bool, fpscr: u32): i32 {
  if (isNaN128(ah, al) || isNaN128(bh, bl)) {
    unordered(isSignaling(ah, al) || isSignaling(bh, bl), ordered, fpscr);
    return 1;
  }
  if (((ah | bh) & ~SIGN) == 0 && (al | bl) == 0) return 2;
  const sa = ah >> 63 != 0;
  if (sa != (bh >> 63 != 0)) return sa ? 8 : 4;
  if (ah == bh && al == bl) return 2;
  const below = ah < bh || (ah == bh && al < bl);
  return below != sa ? 8 : 4;
}

/** Which of max and min, in which flavour. */
export const MINIMUM: i32 = 1;
export const C_STYLE: i32 = 2;
export const JAVA_STYLE: i32 = 4;

/** xsmaxdp, xsmindp and their C and J kin. Adds VXSNAN. */
export function extremum64(a: u64, b: u64, kind: i32): u64 {
  const na = isNaN64(a);
  const nb = isNaN64(b);
  const minimum = (kind & MINIMUM) != 0;
  if (na || nb) {
    const sa = isSignaling64(a);
    const sb = isSignaling64(b);
    if (kind & JAVA_STYLE) {
      if (na ? sa : sb) addExceptions(VXSNAN);
      return na ? a : b;
    }
    if (sa || sb) addExceptions(VXSNAN);
    if (kind & C_STYLE) return b;
    if (sa || sb || (na && nb)) return (na ? a : b) | QUIET64;
    return na ? b : a;
  }
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  if (kind & C_STYLE) return (minimum ? x < y : x > y) ? a : b;
  if (x == y) {
    // Only zeros can be equal and differ.
    return minimum ? a | b : a & b;
  }
  return x < y == minimum ? a : b;
}

/** Whether the class of a number is one of those in DCMX: NaN, +inf, -inf, +0, -0, +denormal, -denormal. */
export function inClass(dcmx: i32, sign: bool, nan: bool, infinity: bool, zero: bool, denormal: bool): bool {
  const pair = infinity ? 0x20 : zero ? 0x08 : denormal ? 0x02 : 0;
  return (dcmx & (nan ? 0x40 : sign ? pair >> 1 : pair)) != 0;
}
export function inClass64(a: u64, dcmx: i32, firstNormal: u64): bool {
  const magnitude = a & ~SIGN;
  const denormal = magnitude != 0 && magnitude < firstNormal;
  return inClass(dcmx, a >> 63 != 0, magnitude > INF64, magnitude == INF64, magnitude == 0, denormal);
}
export function inClass128(h: u64, l: u64, dcmx: i32): bool {
  const m = h & ~SIGN;
  const zero = (m | l) == 0;
  const denormal = !zero && m >> 48 == 0;
  return inClass(dcmx, h >> 63 != 0, isNaN128(h, l), m == INF_HIGH && l == 0, zero, denormal);
}

/** ftdiv and its kin: CR field 8 | FG << 2 | FE << 1. Exponents as of `single`'s format; operands as doubles. */
export function testDivide(a: u64, b: u64, single: bool): i32 {
  const emin = single ? -126 : -1022;
  const emax = single ? 127 : 1023;
  const fraction = single ? 23 : 52;
  const ma = a & ~SIGN;
  const mb = b & ~SIGN;
  if (ma == INF64 || mb == INF64 || mb == 0) return 14;
  const ea = exponentOf(ma, emin);
  const eb = exponentOf(mb, emin);
  let fe = false;
  if (ma > INF64 || mb > INF64) fe = true;
  else if (eb <= emin || eb >= emax - 2) fe = true;
  else if (ma != 0) fe = ea - eb >= emax || ea - eb <= emin + 1 || ea <= emin + fraction;
  return 8 | (mb < (<u64>(emin + 1023)) << 52 ? 4 : 0) | (fe ? 2 : 0);
}

/** The unbiased exponent field: of denormals one below the smallest normal's. */
function exponentOf(magnitude: u64, emin: i32): i32 {
  const e = <i32>(magnitude >> 52) - 1023;
  return e < emin ? emin - 1 : e;
}

/** ftsqrt and its kin. */
export function testSquareRoot(b: u64, single: bool): i32 {
  const emin = single ? -126 : -1022;
  const fraction = single ? 23 : 52;
  const mb = b & ~SIGN;
  if (mb == INF64 || mb == 0) return 14;
  const fe = mb > INF64 || b >> 63 != 0 || exponentOf(mb, emin) <= emin + fraction;
  return 8 | (mb < (<u64>(emin + 1023)) << 52 ? 4 : 0) | (fe ? 2 : 0);
}
