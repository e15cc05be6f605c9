/**
 * The helpers for VSX vectors of binary64 and binary32, a loop over the lanes of each. Binary32 lanes are computed as
 * binary64 rounded once to single, which holds every binary32 exactly.
 * Lanes are numbered from the least significant end; where a doubleword holds one word that counts, it is its high one.
 */
import { S_fpscr } from "../layout.generated";
import { compare64, inClass64, testDivide, testSquareRoot } from "./compare.as";
import { LONG, UNSIGNED, toInteger, toIntegral } from "./convert.as";
import {
  ONE,
  divide32,
  divide64,
  integral,
  multiplyAdd32,
  multiplyAdd64,
  reciprocalRoot,
  squareRoot32,
  squareRoot64,
} from "./double.as";
import { convertExact, fromInteger } from "./exact.as";
import { OX, UX, VXSNAN, XX, addExceptions, commitVector, exceptions, setExceptions, setRounding } from "./fpscr.as";
import { arithmetic32, arithmetic64, gather, gathered, pair, word } from "./lane.as";
import {
  DOUBLE,
  DOUBLE_SINGLE,
  HALF,
  SIGN,
  doubleFromHalf,
  doubleFromSingle,
  resultLow,
  roundsUp,
  singleFromDouble,
  wide64High,
  wide64Low,
} from "./wide.as";

// @ts-ignore: decorator
@inline
function status(s: i32): u32 {
  return load<u32>(s + S_fpscr);
}
export function float64x2Arithmetic(s: i32, a: v128, b: v128, operation: i32): v128 {
  const f = status(s);
  const l = arithmetic64(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), operation, f);
  const found = exceptions;
  const h = arithmetic64(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), operation, f);
  setExceptions(found | exceptions);
  commitVector(s);
  return pair(h, l);
}
export function float32x4Arithmetic(s: i32, a: v128, b: v128, operation: i32): v128 {
  const f = status(s);
  let found: u32 = 0;
  for (let i = 0; i < 4; i++) {
    gather(arithmetic32(word(a, i), word(b, i), operation, f));
    found |= exceptions;
  }
  setExceptions(found);
  commitVector(s);
  return gathered();
}

export function float64x2MulAdd(s: i32, a: v128, b: v128, c: v128, kind: i32): v128 {
  const f = status(s);
  const l = multiplyAdd64(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), i64x2.extract_lane(c, 0), kind, f);
  const found = exceptions;
  const h = multiplyAdd64(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), i64x2.extract_lane(c, 1), kind, f);
  setExceptions(found | exceptions);
  commitVector(s);
  return pair(h, l);
}
export function float32x4MulAdd(s: i32, a: v128, b: v128, c: v128, kind: i32): v128 {
  const f = status(s);
  let found: u32 = 0;
  for (let i = 0; i < 4; i++) {
    const x = doubleFromSingle(word(a, i));
    const y = doubleFromSingle(word(b, i));
    gather(singleFromDouble(multiplyAdd32(x, y, doubleFromSingle(word(c, i)), kind, f)));
    found |= exceptions;
  }
  setExceptions(found);
  commitVector(s);
  return gathered();
}

/** operation: 0 square root, 1 reciprocal, 2 reciprocal root, 8 + mode rounds as float64Round does. */
function unary(a: u64, operation: i32, f: u32, single: bool): u64 {
  switch (operation) {
    case 0:
      return single ? squareRoot32(a, f) : squareRoot64(a, f);
    case 1:
      return single ? divide32(ONE, a, f) : divide64(ONE, a, f);
    case 2:
      return reciprocalRoot(a, f, single, single);
    default: {
      setExceptions(0);
      const current = operation == 13;
      const x = reinterpret<f64>(a);
      if (x == x) {
        const r = integral(x, current ? f & 3 : operation - 8);
        if (current && r != x) setExceptions(XX);
        return reinterpret<u64>(r);
      }
      // An integral value near a single is a single.
      toIntegral(wide64High(a), wide64Low(a), DOUBLE, current ? f & 3 : operation - 8, current);
      return resultLow;
    }
  }
}
export function float64x2Unary(s: i32, a: v128, operation: i32): v128 {
  const f = status(s);
  const l = unary(i64x2.extract_lane(a, 0), operation, f, false);
  const found = exceptions;
  const h = unary(i64x2.extract_lane(a, 1), operation, f, false);
  setExceptions(found | exceptions);
  commitVector(s);
  return pair(h, l);
}
export function float32x4Unary(s: i32, a: v128, operation: i32): v128 {
  const f = status(s);
  let found: u32 = 0;
  for (let i = 0; i < 4; i++) {
    gather(singleFromDouble(unary(doubleFromSingle(word(a, i)), operation, f, true)));
    found |= exceptions;
  }
  setExceptions(found);
  commitVector(s);
  return gathered();
}

/** relation: 0 equal, 1 greater, 2 greater or equal. The last two are invalid for any NaN. */
function holds(a: u64, b: u64, relation: i32, f: u32): bool {
  const order = compare64(a, b, relation != 0, f);
  return relation == 0 ? order == 2 : relation == 1 ? order == 4 : (order & 6) != 0;
}
export function float64x2Compare(s: i32, a: v128, b: v128, relation: i32): v128 {
  setExceptions(0);
  const f = status(s);
  const l: u64 = holds(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), relation, f) ? ~(<u64>0) : 0;
  const h: u64 = holds(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), relation, f) ? ~(<u64>0) : 0;
  commitVector(s);
  return pair(h, l);
}
export function float32x4Compare(s: i32, a: v128, b: v128, relation: i32): v128 {
  setExceptions(0);
  const f = status(s);
  for (let i = 0; i < 4; i++) {
    gather(holds(doubleFromSingle(word(a, i)), doubleFromSingle(word(b, i)), relation, f) ? 0xffffffff : 0);
  }
  commitVector(s);
  return gathered();
}

/** xscmpeqdp and its kin: a mask of the doubleword. */
export function float64CompareMask(s: i32, a: i64, b: i64, relation: i32): i64 {
  setExceptions(0);
  const mask: i64 = holds(a, b, relation, status(s)) ? -1 : 0;
  commitVector(s);
  return mask;
}

function begin(s: i32): u32 {
  setExceptions(0);
  setRounding(0);
  return status(s);
}
function narrow(a: u64, format: i32, f: u32): u64 {
  convertExact(wide64High(a), wide64Low(a), format, f, f & 3);
  return resultLow;
}
function integer(a: u64, kind: i32, f: u32): u64 {
  return toInteger(wide64High(a), wide64Low(a), kind & (UNSIGNED | LONG), kind & 4 ? 1 : f & 3);
}
function fromLane(a: u64, signed: bool, single: bool, f: u32): u64 {
  fromInteger(a, signed, single ? DOUBLE_SINGLE : DOUBLE, f, f & 3);
  return resultLow;
}

/** xvcvdpsp: each doubleword's result stands in both of its words. */
export function float64x2ToFloat32(s: i32, a: v128): v128 {
  const f = begin(s);
  for (let i = 0; i < 2; i++) {
    const w = singleFromDouble(narrow(i ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0), DOUBLE_SINGLE, f));
    gather(w);
    gather(w);
  }
  commitVector(s);
  return gathered();
}
/** xvcvspdp, from the high words. */
export function float32x2ToFloat64(s: i32, a: v128): v128 {
  begin(s);
  const l = narrow(doubleFromSingle(word(a, 1)), DOUBLE, 0);
  const h = narrow(doubleFromSingle(word(a, 3)), DOUBLE, 0);
  commitVector(s);
  return pair(h, l);
}
/** xvcvsphp: each word's low half, zero-extended. */
export function float32x4ToFloat16(s: i32, a: v128): v128 {
  const f = begin(s);
  for (let i = 0; i < 4; i++) gather(<u32>narrow(doubleFromSingle(word(a, i)), HALF, f));
  commitVector(s);
  return gathered();
}
/** A single, as a bfloat16: its upper half, rounded. */
function bfloat16(x: u32, f: u32): u32 {
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    if (!(x & 0x400000)) addExceptions(VXSNAN);
    return (x >> 16) | 0x40;
  }
  const rest: u64 = (<u64>x) << 48;
  if (rest == 0) return x >> 16;
  const up = roundsUp(f & 3, x >> 31 != 0, ((x >> 16) & 1) != 0, rest, 0x8000000000000000);
  const r = (x >> 16) + <u32>up;
  addExceptions(XX);
  if ((r & 0x7fff) == 0x7f80) addExceptions(OX);
  else if (magnitude < 0x00800000) addExceptions(UX);
  return r;
}
/** xvcvspbf16: each word's low half, zero-extended. */
export function float32x4ToBfloat16(s: i32, a: v128): v128 {
  const f = begin(s);
  for (let i = 0; i < 4; i++) gather(bfloat16(word(a, i), f));
  commitVector(s);
  return gathered();
}
/** xvcvhpsp, from each word's low half. */
export function float16x4ToFloat32(s: i32, a: v128): v128 {
  begin(s);
  for (let i = 0; i < 4; i++) gather(singleFromDouble(narrow(doubleFromHalf(word(a, i) & 0xffff), DOUBLE_SINGLE, 0)));
  commitVector(s);
  return gathered();
}
/** kind as float64ToInteger's; a 32-bit result stands in both words. */
export function float64x2ToInteger(s: i32, a: v128, kind: i32): v128 {
  const f = begin(s);
  let l = integer(i64x2.extract_lane(a, 0), kind, f);
  let h = integer(i64x2.extract_lane(a, 1), kind, f);
  if (!(kind & LONG)) {
    l = (l << 32) | (l & 0xffffffff);
    h = (h << 32) | (h & 0xffffffff);
  }
  commitVector(s);
  return pair(h, l);
}
/** kind as float64ToInteger's; 64-bit results come from the high words. */
export function float32x4ToInteger(s: i32, a: v128, kind: i32): v128 {
  const f = begin(s);
  if (kind & LONG) {
    const l = integer(doubleFromSingle(word(a, 1)), kind, f);
    const h = integer(doubleFromSingle(word(a, 3)), kind, f);
    commitVector(s);
    return pair(h, l);
  }
  for (let i = 0; i < 4; i++) gather(<u32>integer(doubleFromSingle(word(a, i)), kind, f));
  commitVector(s);
  return gathered();
}
function widened(w: u32, unsigned: bool): u64 {
  return unsigned ? <u64>w : <u64>(<i64>(<i32>w));
}
/** kind: 1 unsigned, 2 from doublewords, else from the high words. To binary64. */
export function float64x2FromInteger(s: i32, a: v128, kind: i32): v128 {
  const f = begin(s);
  const unsigned = (kind & 1) != 0;
  const l = kind & 2 ? i64x2.extract_lane(a, 0) : widened(word(a, 1), unsigned);
  const h = kind & 2 ? i64x2.extract_lane(a, 1) : widened(word(a, 3), unsigned);
  const rl = fromLane(l, !unsigned, false, f);
  const rh = fromLane(h, !unsigned, false, f);
  commitVector(s);
  return pair(rh, rl);
}
/** kind: 1 unsigned, 2 from doublewords (each result in both words), else from words. To binary32. */
export function float32x4FromInteger(s: i32, a: v128, kind: i32): v128 {
  const f = begin(s);
  const unsigned = (kind & 1) != 0;
  for (let i = 0; i < 4; i++) {
    const d = i & 2 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
    gather(singleFromDouble(fromLane(kind & 2 ? d : widened(word(a, i), unsigned), !unsigned, true, f)));
  }
  commitVector(s);
  return gathered();
}

/** xvtdivdp: the lanes' conditions joined. */
export function float64x2TestDivide(a: v128, b: v128): i32 {
  return (
    testDivide(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), false) |
    testDivide(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), false)
  );
}
export function float64x2TestSqrt(a: v128): i32 {
  return testSquareRoot(i64x2.extract_lane(a, 0), false) | testSquareRoot(i64x2.extract_lane(a, 1), false);
}
export function float32x4TestDivide(a: v128, b: v128): i32 {
  let r = 0;
  for (let i = 0; i < 4; i++) r |= testDivide(doubleFromSingle(word(a, i)), doubleFromSingle(word(b, i)), true);
  return r;
}
export function float32x4TestSqrt(a: v128): i32 {
  let r = 0;
  for (let i = 0; i < 4; i++) r |= testSquareRoot(doubleFromSingle(word(a, i)), true);
  return r;
}

/** xvtstdcdp, xvtstdcsp: masks. */
export function float64x2InClass(a: v128, dcmx: i32): v128 {
  const l: u64 = inClass64(i64x2.extract_lane(a, 0), dcmx, 0x0010000000000000) ? ~(<u64>0) : 0;
  const h: u64 = inClass64(i64x2.extract_lane(a, 1), dcmx, 0x0010000000000000) ? ~(<u64>0) : 0;
  return pair(h, l);
}
export function float32x4InClass(a: v128, dcmx: i32): v128 {
  for (let i = 0; i < 4; i++) {
    gather(inClass64(doubleFromSingle(word(a, i)), dcmx, 0x3810000000000000) ? 0xffffffff : 0);
  }
  return gathered();
}
/** xststdcdp: sign and match as a CR field. xststdcsp also says (1) that no single has this value. */
export function float64InClass(a: i64, dcmx: i32): i32 {
  return (<u64>a & SIGN ? 8 : 0) | (inClass64(a, dcmx, 0x0010000000000000) ? 2 : 0);
}
export function float32InClass(a: i64, dcmx: i32): i32 {
  const exact = doubleFromSingle(singleFromDouble(a)) == a;
  return (<u64>a & SIGN ? 8 : 0) | (inClass64(a, dcmx, 0x3810000000000000) ? 2 : 0) | (exact ? 0 : 1);
}
