/** The helpers for binary128: operands and results are VSX registers; `odd` asks for rounding to odd. */
import { S_fpscr } from "../layout.generated";
import { compare128, inClass128 } from "./compare.as";
import { LONG, UNSIGNED, toExtended, toInteger, toInteger128, toIntegral } from "./convert.as";
import { NEGATE, SUBTRACT, class128, class64 } from "./double.as";
import {
  addExact,
  convertExact,
  divideExact,
  fromInteger,
  fromInteger128,
  multiplyAddExact,
  multiplyExact,
  squareRootExact,
} from "./exact.as";
import { VXCVI, commitCompare, commitScalar, commitVector, exceptions, setExceptions, setRounding } from "./fpscr.as";
import { DOUBLE, QUAD, SIGN, TO_ODD, isNaN128, resultHigh, resultLow, wide64High, wide64Low } from "./wide.as";

// @ts-ignore: decorator
@inline
function high(v: v128): u64 {
  return i64x2.extract_lane(v, 1);
}
// @ts-ignore: decorator
@inline
function low(v: v128): u64 {
  return i64x2.extract_lane(v, 0);
}
function make(h: u64, l: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(l), 1, h);
}

function begin(s: i32): u32 {
  setExceptions(0);
  setRounding(0);
  return load<u32>(s + S_fpscr);
}
function deliver(s: i32): v128 {
  commitScalar(s, class128(resultHigh, resultLow));
  return make(resultHigh, resultLow);
}
function negatedHigh(h: u64, l: u64): u64 {
  return isNaN128(h, l) ? h : h ^ SIGN;
}

/** operation: 0 add, 1 subtract, 2 multiply, 3 divide. */
export function float128Arithmetic(s: i32, a: v128, b: v128, operation: i32, odd: i32): v128 {
  const f = begin(s);
  const mode = odd ? TO_ODD : f & 3;
  if (operation == 0) addExact(high(a), low(a), high(b), low(b), QUAD, f, mode);
  else if (operation == 1) addExact(high(a), low(a), negatedHigh(high(b), low(b)), low(b), QUAD, f, mode);
  else if (operation == 2) multiplyExact(high(a), low(a), high(b), low(b), QUAD, f, mode);
  else divideExact(high(a), low(a), high(b), low(b), QUAD, f, mode);
  return deliver(s);
}

export function float128MulAdd(s: i32, a: v128, b: v128, c: v128, kind: i32, odd: i32): v128 {
  const f = begin(s);
  const ch = kind & SUBTRACT ? negatedHigh(high(c), low(c)) : high(c);
  multiplyAddExact(high(a), low(a), high(b), low(b), ch, low(c), QUAD, f, odd ? TO_ODD : f & 3);
  const h = kind & NEGATE ? negatedHigh(resultHigh, resultLow) : resultHigh;
  commitScalar(s, class128(h, resultLow));
  return make(h, resultLow);
}

export function float128Sqrt(s: i32, a: v128, odd: i32): v128 {
  const f = begin(s);
  squareRootExact(high(a), low(a), QUAD, f, odd ? TO_ODD : f & 3);
  return deliver(s);
}

/** xscvqpdp: the doubleword. */
export function float128ToFloat64(s: i32, a: v128, odd: i32): i64 {
  const f = begin(s);
  convertExact(high(a), low(a), DOUBLE, f, odd ? TO_ODD : f & 3);
  commitScalar(s, class64(resultLow, false));
  return resultLow;
}
/** xscvdpqp. */
export function float64ToFloat128(s: i32, a: i64): v128 {
  begin(s);
  convertExact(wide64High(a), wide64Low(a), QUAD, 0, 0);
  return deliver(s);
}
/** xscvqpsdz and its kin: kind 1 unsigned, 2 64 bits (else 32). Toward zero. */
export function float128ToInteger(s: i32, a: v128, kind: i32): i64 {
  const f = begin(s);
  const r = toInteger(high(a), low(a), kind & (UNSIGNED | LONG), 1);
  commitScalar(s, exceptions & VXCVI ? 0x11000 : f & 0x1f000);
  return kind & (UNSIGNED | LONG) ? r : <i64>(<i32>r);
}
export function float128FromInteger(s: i32, a: i64, unsigned: i32): v128 {
  begin(s);
  fromInteger(a, unsigned == 0, QUAD, 0, 0);
  return deliver(s);
}
/** xscvqpsqz, xscvqpuqz. */
export function float128ToInteger128(s: i32, a: v128, unsigned: i32): v128 {
  const f = begin(s);
  toInteger128(high(a), low(a), unsigned != 0);
  commitScalar(s, exceptions & VXCVI ? 0x11000 : f & 0x1f000);
  return make(resultHigh, resultLow);
}
/** xscvsqqp, xscvuqqp. */
export function float128FromInteger128(s: i32, a: v128, unsigned: i32): v128 {
  const f = begin(s);
  fromInteger128(high(a), low(a), unsigned == 0, QUAD, f, f & 3);
  return deliver(s);
}
/** xscmpeqqp and its kin: a mask. relation: 0 equal, 1 greater, 2 greater or equal. */
export function float128CompareMask(s: i32, a: v128, b: v128, relation: i32): v128 {
  const f = begin(s);
  const order = compare128(high(a), low(a), high(b), low(b), relation != 0, f);
  commitVector(s);
  const holds = relation == 0 ? order == 2 : relation == 1 ? order == 4 : (order & 6) != 0;
  const mask: u64 = holds ? ~(<u64>0) : 0;
  return make(mask, mask);
}
/** xsmaxcqp, xsmincqp: as C's operators choose, b if neither is greater. */
export function float128Extremum(s: i32, a: v128, b: v128, minimum: i32): v128 {
  const f = begin(s);
  const order = compare128(high(a), low(a), high(b), low(b), false, f);
  commitVector(s);
  return order == (minimum ? 8 : 4) ? a : b;
}
/** xsrqpi, xsrqpix. mode as float64Round's: 0 to 3 as RN, 4 ties away; `inexact` for the x form. */
export function float128Round(s: i32, a: v128, mode: i32, inexact: i32): v128 {
  begin(s);
  toIntegral(high(a), low(a), QUAD, mode, inexact != 0);
  return deliver(s);
}
/** xsrqpxp: to the precision of double-extended. */
export function float128RoundToExtended(s: i32, a: v128, mode: i32): v128 {
  begin(s);
  toExtended(high(a), low(a), mode);
  return deliver(s);
}
export function float128Compare(s: i32, a: v128, b: v128, ordered: i32): i32 {
  const f = begin(s);
  const r = compare128(high(a), low(a), high(b), low(b), ordered != 0, f);
  commitCompare(s, r);
  return r;
}
/** xststdcqp: whether the class is one of DCMX. */
export function float128InClass(a: v128, dcmx: i32): i32 {
  return inClass128(high(a), low(a), dcmx) ? 1 : 0;
}
