/**
 * One row of an outer product, which the matrix-multiply instructions add to an accumulator.
 * Elements are numbered as the manual does, from the left; lanes of words from the right.
 * Source: Power ISA v3.1B, Book I "VSX Matrix-Multiply Assist Instructions".
 */
import { multiply32, multiply64, multiplyAdd32, multiplyAdd64, add32, negated } from "../float/double.as";
import { OE, UE, VE, XE, ZE, commitVector, exceptions, setExceptions } from "../float/fpscr.as";
import { gather, gathered, pair, word } from "../float/lane.as";
import { doubleFromHalf, doubleFromSingle, singleFromDouble } from "../float/wide.as";
import {
  OUTERPRODUCT_accumulate,
  OUTERPRODUCT_bfloat16,
  OUTERPRODUCT_float16,
  OUTERPRODUCT_float32,
  OUTERPRODUCT_float64,
  OUTERPRODUCT_int16,
  OUTERPRODUCT_int4,
  OUTERPRODUCT_negate,
  OUTERPRODUCT_saturate,
  OUTERPRODUCT_subtract,
  S_fpscr,
  S_sat,
} from "../layout.generated";

/** The kind, without what is done with the accumulator. */
const KIND = 7;

/** The products of the parts of two words, as many as are chosen. */
function integerProducts(x: u32, y: u32, kind: i32, chosen: i32): i64 {
  const size = kind == OUTERPRODUCT_int4 ? 4 : kind == OUTERPRODUCT_int16 ? 16 : 8;
  const signedSecond = size != 8;
  let sum: i64 = 0;
  // The last part is the right one, and the last bit of the mask its.
  for (let at = 0; at < 32; at += size) {
    if (chosen & 1) {
      const a = <i32>(x << (32 - size - at)) >> (32 - size);
      const b = signedSecond ? <i32>(y << (32 - size - at)) >> (32 - size) : <i32>((y >> at) & 0xff);
      sum += <i64>a * <i64>b;
    }
    chosen >>= 1;
  }
  return sum;
}

function integerElement(s: i32, before: u32, x: u32, y: u32, operation: i32, chosen: i32): u32 {
  let sum = integerProducts(x, y, operation & KIND, chosen);
  if (operation & OUTERPRODUCT_accumulate) sum += <i64>(<i32>before);
  if (operation & OUTERPRODUCT_saturate && sum != <i64>(<i32>sum)) {
    store<i32>(s, 1, S_sat);
    return sum < 0 ? 0x80000000 : 0x7fffffff;
  }
  return <u32>sum;
}

/** What the elements of a row have found so far. */
let found: u32 = 0;

function half(x: u32, kind: i32): u64 {
  return kind == OUTERPRODUCT_float16 ? doubleFromHalf(x) : doubleFromSingle(x << 16);
}

/** Of two pairs of halves: the products are exact; their sum is rounded, and then the sum with the accumulator. */
function halvesElement(before: u32, x: u32, y: u32, operation: i32, chosen: i32, f: u32): u32 {
  const kind = operation & KIND;
  let first: u64 = 0;
  if (chosen & 2) {
    first = multiply64(half(x >> 16, kind), half(y >> 16, kind), f);
    found |= exceptions;
  }
  const a: u64 = chosen & 1 ? half(x & 0xffff, kind) : 0;
  const b: u64 = chosen & 1 ? half(y & 0xffff, kind) : 0;
  let sum = multiplyAdd32(a, b, first, 0, f);
  found |= exceptions;
  if (operation & OUTERPRODUCT_accumulate) {
    // -(p - acc) is -p + acc, rounded as that.
    const inverted = (operation & OUTERPRODUCT_negate) != 0;
    const subtracted = (operation & OUTERPRODUCT_subtract) != 0;
    const acc = doubleFromSingle(before);
    sum = add32(inverted ? negated(sum) : sum, subtracted != inverted ? negated(acc) : acc, f);
    found |= exceptions;
  }
  return singleFromDouble(sum);
}

// @ts-ignore: decorator
@inline
function addition(operation: i32): i32 {
  return (operation & OUTERPRODUCT_subtract ? 1 : 0) | (operation & OUTERPRODUCT_negate ? 2 : 0);
}

function singleElement(before: u32, x: u32, y: u32, operation: i32, f: u32): u32 {
  const a = doubleFromSingle(x);
  const b = doubleFromSingle(y);
  const r =
    operation & OUTERPRODUCT_accumulate
      ? multiplyAdd32(a, b, doubleFromSingle(before), addition(operation), f)
      : multiply32(a, b, f);
  found |= exceptions;
  return singleFromDouble(r);
}

function doubleElement(before: u64, x: u64, y: u64, operation: i32, f: u32): u64 {
  const r =
    operation & OUTERPRODUCT_accumulate ? multiplyAdd64(x, y, before, addition(operation), f) : multiply64(x, y, f);
  found |= exceptions;
  return r;
}

/**
 * Row `row` of the accumulator, which was `before`: `operation` is an OuterProduct (isa/outer-product.ts), `chosen` are
 * YMSK in bits 0 to 3 (0 and 1 for doubles), XMSK in bits 4 to 7, PMSK above. What is not chosen becomes 0.
 */
export function outerProductRow(s: i32, before: v128, a: v128, b: v128, operation: i32, row: i32, chosen: i32): v128 {
  const kind = operation & KIND;
  if (!(chosen & (0x80 >> row))) return i64x2.splat(0);
  // Results are those of disabled exceptions, whatever is enabled.
  const f = load<u32>(s, S_fpscr) & ~(VE | OE | UE | ZE | XE);
  found = 0;
  let result: v128;
  if (kind == OUTERPRODUCT_float64) {
    const x = row & 1 ? i64x2.extract_lane(a, 0) : i64x2.extract_lane(a, 1);
    const high: u64 =
      chosen & 2 ? doubleElement(i64x2.extract_lane(before, 1), x, i64x2.extract_lane(b, 1), operation, f) : 0;
    const low: u64 =
      chosen & 1 ? doubleElement(i64x2.extract_lane(before, 0), x, i64x2.extract_lane(b, 0), operation, f) : 0;
    result = pair(high, low);
  } else {
    const x = word(a, 3 - row);
    const products = chosen >> 8;
    for (let lane = 0; lane < 4; lane++) {
      const y = word(b, lane);
      const old = word(before, lane);
      if (!((chosen >> lane) & 1)) gather(0);
      else if (kind == OUTERPRODUCT_float32) gather(singleElement(old, x, y, operation, f));
      else if (kind == OUTERPRODUCT_float16 || kind == OUTERPRODUCT_bfloat16) {
        gather(halvesElement(old, x, y, operation, products, f));
      } else gather(integerElement(s, old, x, y, operation, products));
    }
    result = gathered();
  }
  if (kind > OUTERPRODUCT_int16) {
    setExceptions(found);
    commitVector(s);
  }
  return result;
}
