/**
 * The helpers of `isa/helpers/float.ts` for scalar operands: binary64 bit patterns in and out (binary32 results are held
 * as binary64), FPSCR updated, enabled exceptions left in `floatOutcome`.
 */
import { S_fpscr } from "../layout.generated";
import { compare64, extremum64, testDivide, testSquareRoot } from "./compare.as";
import { LONG, UNSIGNED, toInteger, toIntegral } from "./convert.as";
import {
  ONE,
  add32,
  add64,
  class16,
  class64,
  divide32,
  divide64,
  fast,
  integral,
  multiply32,
  multiply64,
  multiplyAdd32,
  multiplyAdd64,
  negated,
  reciprocalRoot,
  squareRoot32,
  squareRoot64,
  tryRoundToSingle,
} from "./double.as";
import { convertExact, fromInteger } from "./exact.as";
import {
  CONTROL,
  FI,
  FPRF,
  FR,
  VXCVI,
  XX,
  commitCompare,
  commitResult,
  commitScalar,
  commitVector,
  exceptions,
  setExceptions,
  setRounding,
} from "./fpscr.as";
import {
  DOUBLE,
  DOUBLE_SINGLE,
  HALF,
  doubleFromHalf,
  doubleFromSingle,
  resultLow,
  singleFromDouble,
  wide64High,
  wide64Low,
} from "./wide.as";

// @ts-ignore: decorator
@inline
function status(s: i32): u32 {
  return load<u32>(s + S_fpscr);
}

// @ts-ignore: decorator
@inline
function deliver(s: i32, fpscr: u32, r: u64, single: bool): i64 {
  commitResult(s, fpscr, class64(r, single));
  return r;
}

export function float64Add(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, add64(a, b, f), false);
}
export function float64Sub(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, add64(a, negated(b), f), false);
}
export function float64Mul(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, multiply64(a, b, f), false);
}
export function float64Div(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, divide64(a, b, f), false);
}
export function float64Sqrt(s: i32, a: i64): i64 {
  const f = status(s);
  return deliver(s, f, squareRoot64(a, f), false);
}
export function float64MulAdd(s: i32, a: i64, b: i64, c: i64, kind: i32): i64 {
  const f = status(s);
  return deliver(s, f, multiplyAdd64(a, b, c, kind, f), false);
}
export function float32Add(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, add32(a, b, f), true);
}
export function float32Sub(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, add32(a, negated(b), f), true);
}
export function float32Mul(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, multiply32(a, b, f), true);
}
export function float32Div(s: i32, a: i64, b: i64): i64 {
  const f = status(s);
  return deliver(s, f, divide32(a, b, f), true);
}
export function float32Sqrt(s: i32, a: i64): i64 {
  const f = status(s);
  return deliver(s, f, squareRoot32(a, f), true);
}
export function float32MulAdd(s: i32, a: i64, b: i64, c: i64, kind: i32): i64 {
  const f = status(s);
  return deliver(s, f, multiplyAdd32(a, b, c, kind, f), true);
}

/** fre and fres: within the manual's precision because correctly rounded. */
export function float64Reciprocal(s: i32, a: i64): i64 {
  const f = status(s);
  return deliver(s, f, divide64(ONE, a, f), false);
}
export function float32Reciprocal(s: i32, a: i64): i64 {
  const f = status(s);
  return deliver(s, f, divide32(ONE, a, f), true);
}
export function float64ReciprocalRoot(s: i32, a: i64): i64 {
  const f = status(s);
  return deliver(s, f, reciprocalRoot(a, f, false, false), false);
}
export function float32ReciprocalRoot(s: i32, a: i64): i64 {
  const f = status(s);
  return deliver(s, f, reciprocalRoot(a, f, true, false), true);
}

function clear(): void {
  setExceptions(0);
  setRounding(0);
}

/** frsp, xsrsp. */
export function float64ToSingle(s: i32, a: i64): i64 {
  const f = status(s);
  const r = tryRoundToSingle(a, f);
  if (fast) return deliver(s, f, r, true);
  clear();
  convertExact(wide64High(a), wide64Low(a), DOUBLE_SINGLE, f, f & 3);
  return deliver(s, f, resultLow, true);
}
/** xscvdpsp: the word. */
export function float64ToFloat32(s: i32, a: i64): i64 {
  return singleFromDouble(float64ToSingle(s, a));
}
/** xscvspdp: the low word of the operand. */
export function float32ToFloat64(s: i32, a: i64): i64 {
  clear();
  const d = doubleFromSingle(<u32>a);
  convertExact(wide64High(d), wide64Low(d), DOUBLE, 0, 0);
  return deliver(s, status(s), resultLow, false);
}
/** xscvdphp: the halfword. */
export function float64ToFloat16(s: i32, a: i64): i64 {
  const f = status(s);
  clear();
  convertExact(wide64High(a), wide64Low(a), HALF, f, f & 3);
  commitScalar(s, class16(resultLow));
  return resultLow;
}
/** xscvhpdp: the low halfword of the operand. */
export function float16ToFloat64(s: i32, a: i64): i64 {
  clear();
  const d = doubleFromHalf(<u32>a & 0xffff);
  convertExact(wide64High(d), wide64Low(d), DOUBLE, 0, 0);
  return deliver(s, status(s), resultLow, false);
}
/** Below this magnitude the host's conversions are those wanted, as long as rounding is to nearest or toward zero. */
const CONVERTIBLE: f64 = 2147483647;
/** 2^53: integers up to it are doubles. */
const EXACT: i64 = 0x20000000000000;

/** FR and FI for `r`, which x was rounded to. */
function setInexact(x: f64, r: f64): void {
  setExceptions(x == r ? 0 : XX);
  setRounding(x == r ? 0 : abs(r) > abs(x) ? FI | FR : FI);
}

/** kind: 1 unsigned, 2 64 bits (else 32, sign-extended if signed), 4 toward zero. */
export function float64ToInteger(s: i32, a: i64, kind: i32): i64 {
  const f = status(s);
  const x = reinterpret<f64>(a);
  if ((f & CONTROL) == 0 && abs(x) < CONVERTIBLE && ((kind & UNSIGNED) == 0 || x >= 0)) {
    const integral = kind & 4 ? trunc(x) : nearest(x);
    setInexact(x, integral);
    commitResult(s, f, f & FPRF);
    return <i64>integral;
  }
  clear();
  const r = toInteger(wide64High(a), wide64Low(a), kind & (UNSIGNED | LONG), kind & 4 ? 1 : f & 3);
  // FPRF is undefined; an invalid conversion shows as a NaN.
  commitScalar(s, exceptions & VXCVI ? 0x11000 : f & FPRF);
  return r;
}
/** kind: 1 unsigned, 2 rounded to single. */
export function float64FromInteger(s: i32, a: i64, kind: i32): i64 {
  const f = status(s);
  const single = (kind & 2) != 0;
  clear();
  if ((f & CONTROL) == 0 && a <= EXACT && a >= (kind & UNSIGNED ? 0 : -EXACT)) {
    const d = <f64>a;
    const r = single ? <f64>(<f32>d) : d;
    setInexact(d, r);
    return deliver(s, f, reinterpret<u64>(r), single);
  }
  fromInteger(a, (kind & UNSIGNED) == 0, single ? DOUBLE_SINGLE : DOUBLE, f, f & 3);
  return deliver(s, f, resultLow, single);
}

/** mode: 0 to 3 as RN, 4 nearest with ties away, 5 as FPSCR says and with inexactness. */
export function float64Round(s: i32, a: i64, mode: i32): i64 {
  const f = status(s);
  const x = reinterpret<f64>(a);
  const current = mode == 5;
  clear();
  if (x == x) {
    const r = integral(x, current ? f & 3 : mode);
    if (current) setInexact(x, r);
    return deliver(s, f, reinterpret<u64>(r), false);
  }
  toIntegral(wide64High(a), wide64Low(a), DOUBLE, current ? f & 3 : mode, current);
  return deliver(s, f, resultLow, false);
}

/** The CR field; `ordered` for fcmpo. */
export function float64Compare(s: i32, a: i64, b: i64, ordered: i32): i32 {
  setExceptions(0);
  const r = compare64(a, b, ordered != 0, status(s));
  commitCompare(s, r);
  return r;
}
/** FPCC alone, for what compares without exceptions. */
export function floatSetFpcc(s: i32, fpcc: i32): void {
  setExceptions(0);
  commitCompare(s, fpcc);
}
/** kind: 1 minimum, 2 as C's operator, 4 as Java's. */
export function float64Extremum(s: i32, a: i64, b: i64, kind: i32): i64 {
  setExceptions(0);
  const r = extremum64(a, b, kind);
  commitVector(s);
  return r;
}
export function float64TestDivide(a: i64, b: i64): i32 {
  return testDivide(a, b, false);
}
export function float64TestSqrt(a: i64): i32 {
  return testSquareRoot(a, false);
}
