/**
 * Arithmetic on binary64, one function an operation: operands and result are bit patterns, `fpscr` is FPSCR's low word,
 * what was found goes to `exceptions` and `rounding`. Each tries the host's arithmetic first, which is exact when
 * rounding is to nearest and operands and result are comfortably normal; the error of the host's result then tells FI
 * and FR. Everything else takes the exact path. `single` rounds to binary32 instead (held as binary64), once.
 */
import { CONTROL, FI, FR, XX, exceptions, rounding, setExceptions, setRounding } from "./fpscr.as";
import { fused, fusedError, moderate } from "../../../../../engine/runtime/fused.as";
import { addExact, divideExact, multiplyAddExact, multiplyExact, squareRootExact } from "./exact.as";
import { DOUBLE, DOUBLE_SINGLE, SIGN, resultLow, wide64High, wide64Low } from "./wide.as";

const SMALLEST_NORMAL: f64 = reinterpret<f64>(<u64>0x0010000000000000);
const HUGE: f64 = reinterpret<f64>(<u64>0x7fd0000000000000);
const FRACTION: u64 = 0x000fffffffffffff;
const ONE_BIT: u64 = 0x0010000000000000;

/** Whether the last fast attempt succeeded; its value is the function's result. */
export let fast: bool = false;

// @ts-ignore: decorator
@inline
function fastDouble(r: f64, inexact: bool, up: bool): u64 {
  setExceptions(inexact ? XX : 0);
  setRounding(inexact ? (up ? FI | FR : FI) : 0);
  fast = true;
  return reinterpret<u64>(r);
}

/**
 * The double `r` is nearest to the exact value, which lies nearer to zero (`up`), farther from it, or is r itself
 * (`inexact` false). Rounds to single if that cannot go wrong.
 */
function fastSingle(r: f64, inexact: bool, up: bool): u64 {
  const bits = reinterpret<u64>(r);
  const magnitude = bits & ~SIGN;
  // Normal in binary32 with room above and below, or zero; and not the midpoint of two singles that hides an error.
  if (magnitude - 0x3810000000000001 >= 0x47d0000000000000 - 0x3810000000000001 && magnitude != 0) return notFast();
  if (inexact && (bits & 0x1fffffff) == 0x10000000) return notFast();
  const rounded = reinterpret<u64>(<f64>(<f32>r));
  if (rounded != bits) {
    inexact = true;
    up = (rounded & ~SIGN) > magnitude;
  }
  setExceptions(inexact ? XX : 0);
  setRounding(inexact ? (up ? FI | FR : FI) : 0);
  fast = true;
  return rounded;
}

function notFast(): u64 {
  fast = false;
  return 0;
}

// @ts-ignore: decorator
@inline
function fastResult(r: f64, inexact: bool, up: bool, single: bool): u64 {
  return single ? fastSingle(r, inexact, up) : fastDouble(r, inexact, up);
}

/** A double rounded to single, or 0 and `fast` unset if that takes the exact path. */
export function tryRoundToSingle(a: u64, fpscr: u32): u64 {
  if ((fpscr & CONTROL) != 0) return notFast();
  return fastSingle(reinterpret<f64>(a), false, false);
}

/** a + b. */
// @ts-ignore: decorator
@inline
function add(a: u64, b: u64, fpscr: u32, single: bool): u64 {
  if ((fpscr & CONTROL) == 0) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    if (abs(x) + abs(y) < HUGE) {
      const r = x + y;
      const t = r - x;
      const error = x - (r - t) + (y - t);
      if (abs(r) > SMALLEST_NORMAL || r == 0) {
        const bits = fastResult(r, error != 0, error < 0 != r < 0, single);
        if (!single || fast) return bits;
      }
    }
  }
  setExceptions(0);
  setRounding(0);
  const format = single ? DOUBLE_SINGLE : DOUBLE;
  addExact(wide64High(a), wide64Low(a), wide64High(b), wide64Low(b), format, fpscr, fpscr & 3);
  return resultLow;
}
export function add64(a: u64, b: u64, fpscr: u32): u64 {
  return add(a, b, fpscr, false);
}
export function add32(a: u64, b: u64, fpscr: u32): u64 {
  return add(a, b, fpscr, true);
}

/** The subtrahend with its sign inverted, unless it is a NaN. */
// @ts-ignore: decorator
@inline
export function negated(b: u64): u64 {
  return (b & ~SIGN) > 0x7ff0000000000000 ? b : b ^ SIGN;
}

/** True if the exponent says neither 0 nor all ones. */
// @ts-ignore: decorator
@inline
function normal(exponent: u64): bool {
  return exponent - 1 < 0x7fe;
}

/** a * b. */
// @ts-ignore: decorator
@inline
function multiply(a: u64, b: u64, fpscr: u32, single: bool): u64 {
  if ((fpscr & CONTROL) == 0) {
    const r = reinterpret<f64>(a) * reinterpret<f64>(b);
    const bits = reinterpret<u64>(r);
    const ea = (a >> 52) & 0x7ff;
    const eb = (b >> 52) & 0x7ff;
    const er = (bits >> 52) & 0x7ff;
    if (normal(ea) && normal(eb) && er - 2 < 0x7fd) {
      // Exact product less rounded product, as integers: it is below 2^53, so 64 bits of both are enough.
      const product = ((a & FRACTION) | ONE_BIT) * ((b & FRACTION) | ONE_BIT);
      const error = <i64>(product - (((bits & FRACTION) | ONE_BIT) << (er - ea - eb + 1075)));
      const value = fastResult(r, error != 0, error < 0, single);
      if (!single || fast) return value;
    }
  }
  setExceptions(0);
  setRounding(0);
  const format = single ? DOUBLE_SINGLE : DOUBLE;
  multiplyExact(wide64High(a), wide64Low(a), wide64High(b), wide64Low(b), format, fpscr, fpscr & 3);
  return resultLow;
}
export function multiply64(a: u64, b: u64, fpscr: u32): u64 {
  return multiply(a, b, fpscr, false);
}
export function multiply32(a: u64, b: u64, fpscr: u32): u64 {
  return multiply(a, b, fpscr, true);
}

/** a / b. */
// @ts-ignore: decorator
@inline
function divide(a: u64, b: u64, fpscr: u32, single: bool): u64 {
  if ((fpscr & CONTROL) == 0) {
    const r = reinterpret<f64>(a) / reinterpret<f64>(b);
    const bits = reinterpret<u64>(r);
    const ea = (a >> 52) & 0x7ff;
    const eb = (b >> 52) & 0x7ff;
    const er = (bits >> 52) & 0x7ff;
    if (normal(ea) && normal(eb) && er - 2 < 0x7fd) {
      const product = ((bits & FRACTION) | ONE_BIT) * ((b & FRACTION) | ONE_BIT);
      const error = <i64>((((a & FRACTION) | ONE_BIT) << (ea - er - eb + 1075)) - product);
      const value = fastResult(r, error != 0, error < 0, single);
      if (!single || fast) return value;
    }
  }
  setExceptions(0);
  setRounding(0);
  const format = single ? DOUBLE_SINGLE : DOUBLE;
  divideExact(wide64High(a), wide64Low(a), wide64High(b), wide64Low(b), format, fpscr, fpscr & 3);
  return resultLow;
}
export function divide64(a: u64, b: u64, fpscr: u32): u64 {
  return divide(a, b, fpscr, false);
}
export function divide32(a: u64, b: u64, fpscr: u32): u64 {
  return divide(a, b, fpscr, true);
}

/** Square root of a. */
// @ts-ignore: decorator
@inline
function squareRoot(a: u64, fpscr: u32, single: bool): u64 {
  if ((fpscr & CONTROL) == 0) {
    const ea = a >> 52; // With the sign: a negative operand is not fast.
    if (normal(ea)) {
      const r = sqrt(reinterpret<f64>(a));
      const bits = reinterpret<u64>(r);
      const er = bits >> 52;
      const root = (bits & FRACTION) | ONE_BIT;
      const error = <i64>((((a & FRACTION) | ONE_BIT) << (ea - er - er + 1075)) - root * root);
      const value = fastResult(r, error != 0, error < 0, single);
      if (!single || fast) return value;
    }
  }
  setExceptions(0);
  setRounding(0);
  const format = single ? DOUBLE_SINGLE : DOUBLE;
  squareRootExact(wide64High(a), wide64Low(a), format, fpscr, fpscr & 3);
  return resultLow;
}
export function squareRoot64(a: u64, fpscr: u32): u64 {
  return squareRoot(a, fpscr, false);
}
export function squareRoot32(a: u64, fpscr: u32): u64 {
  return squareRoot(a, fpscr, true);
}

/** kind bit 0: the addend is subtracted; bit 1: the result's sign is inverted, unless it is a NaN. */
export const SUBTRACT: i32 = 1;
export const NEGATE: i32 = 2;

/** a * b + c, rounded once. */
// @ts-ignore: decorator
@inline
function multiplyAdd(a: u64, b: u64, c: u64, kind: i32, fpscr: u32, single: bool): u64 {
  if ((fpscr & CONTROL) == 0 && moderate(a) && moderate(b) && (moderate(c) || (c & ~SIGN) == 0)) {
    const r = fused(a, b, reinterpret<f64>(kind & SUBTRACT ? c ^ SIGN : c));
    // The sign of an exact zero is left to the exact path.
    if (abs(r) > SMALLEST_NORMAL) {
      const error = fusedError;
      const signed = kind & NEGATE ? -r : r;
      const value = fastResult(signed, error != 0, error < 0 != r < 0, single);
      if (!single || fast) return value;
    }
  }
  return multiplyAddSlow(a, b, c, kind, fpscr, single ? DOUBLE_SINGLE : DOUBLE);
}

function multiplyAddSlow(a: u64, b: u64, c: u64, kind: i32, fpscr: u32, format: i32): u64 {
  setExceptions(0);
  setRounding(0);
  if (kind & SUBTRACT) c = negated(c);
  multiplyAddExact(
    wide64High(a),
    wide64Low(a),
    wide64High(b),
    wide64Low(b),
    wide64High(c),
    wide64Low(c),
    format,
    fpscr,
    fpscr & 3,
  );
  return kind & NEGATE ? negated(resultLow) : resultLow;
}
export function multiplyAdd64(a: u64, b: u64, c: u64, kind: i32, fpscr: u32): u64 {
  return multiplyAdd(a, b, c, kind, fpscr, false);
}
export function multiplyAdd32(a: u64, b: u64, c: u64, kind: i32, fpscr: u32): u64 {
  return multiplyAdd(a, b, c, kind, fpscr, true);
}

export const ONE: u64 = 0x3ff0000000000000;

/**
 * 1 / sqrt(a): an estimate to the manual, here the reciprocal, rounded, of the square root, rounded (to single already
 * if `singleRoot`). FI stands for either step.
 */
export function reciprocalRoot(a: u64, fpscr: u32, single: bool, singleRoot: bool): u64 {
  const root = singleRoot ? squareRoot32(a, fpscr) : squareRoot64(a, fpscr);
  const found = exceptions;
  const r = single ? divide32(ONE, root, fpscr) : divide64(ONE, root, fpscr);
  if (found & XX) setRounding(rounding | FI);
  setExceptions(found | exceptions);
  return r;
}

/** FPRF of a result; `single`: as binary32 would class it. */
// @ts-ignore: decorator
@inline
export function class64(r: u64, single: bool): u32 {
  const magnitude = r & ~SIGN;
  const first: u64 = single ? 0x3810000000000000 : ONE_BIT;
  if (magnitude - first < 0x7ff0000000000000 - first) return (<u32>0x4000) << (<u32>(r >> 63));
  return otherClass(r);
}
function otherClass(r: u64): u32 {
  const magnitude = r & ~SIGN;
  const negative = r >> 63 != 0;
  if (magnitude == 0) return negative ? 0x12000 : 0x2000;
  if (magnitude < 0x3810000000000000) return negative ? 0x18000 : 0x14000;
  if (magnitude == 0x7ff0000000000000) return negative ? 0x9000 : 0x5000;
  return 0x11000;
}

/** FPRF of a binary128. */
export function class128(h: u64, l: u64): u32 {
  const e = (h >> 48) & 0x7fff;
  const fraction = (h & 0x0000ffffffffffff) | l;
  const negative = h >> 63 != 0;
  if (e == 0x7fff) return fraction != 0 ? 0x11000 : negative ? 0x9000 : 0x5000;
  if (e != 0) return negative ? 0x8000 : 0x4000;
  if (fraction != 0) return negative ? 0x18000 : 0x14000;
  return negative ? 0x12000 : 0x2000;
}

/** FPRF of a binary16. */
export function class16(x: u64): u32 {
  const magnitude = x & 0x7fff;
  const negative = (x & 0x8000) != 0;
  if (magnitude == 0) return negative ? 0x12000 : 0x2000;
  if (magnitude < 0x400) return negative ? 0x18000 : 0x14000;
  if (magnitude < 0x7c00) return negative ? 0x8000 : 0x4000;
  return magnitude > 0x7c00 ? 0x11000 : negative ? 0x9000 : 0x5000;
}

/** The double below 1/2. */
const BELOW_HALF: f64 = reinterpret<f64>(<u64>0x3fdfffffffffffff);

/** x rounded by the host to an integral value; x is no NaN. */
export function integral(x: f64, mode: u32): f64 {
  switch (mode) {
    case 0:
      return nearest(x);
    case 1:
      return trunc(x);
    case 2:
      return ceil(x);
    case 3:
      return floor(x);
    default:
      // From 2^52 on there is nothing to round, and the sum would not be exact.
      return abs(x) < 4503599627370496 ? copysign(trunc(x + copysign(BELOW_HALF, x)), x) : x;
  }
}
