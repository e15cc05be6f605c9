/** Comparisons of strings in vectors. Source: Intel SDM, volume 1, "PCMPxSTRx"; volume 2, "Imm8 Control Byte Operation". */

/** Elements as numbers: where they are, and how. */
let words: bool = false;
let isSigned: bool = false;

// @ts-ignore: decorator
@inline
function element(half0: u64, half1: u64, i: i32): i32 {
  const bits = words ? 16 : 8;
  const at = i * bits;
  const value = (at < 64 ? half0 >> <u64>at : half1 >> <u64>(at - 64)) & (words ? 0xffff : 0xff);
  const plain = <i32>value;
  return isSigned ? (plain << (32 - bits)) >> (32 - bits) : plain;
}

/** Elements before the first that is 0. */
function lengthOf(half0: u64, half1: u64, count: i32): i32 {
  for (let i = 0; i < count; i++) if (element(half0, half1, i) == 0) return i;
  return count;
}

/**
 * What the aggregation and polarity of the immediate make of two vectors, a bit for each element of the second; and from bit 16
 * CF, ZF, SF, OF. Lengths: elements that are valid; -1 for those before the first 0.
 */
export function compareStrings(a: v128, b: v128, how: i32, aLength: i32, bLength: i32): i32 {
  words = (how & 1) != 0;
  isSigned = (how & 2) != 0;
  const count = words ? 8 : 16;
  const a0 = <u64>i64x2.extract_lane(a, 0);
  const a1 = <u64>i64x2.extract_lane(a, 1);
  const b0 = <u64>i64x2.extract_lane(b, 0);
  const b1 = <u64>i64x2.extract_lane(b, 1);
  const la = aLength < 0 ? lengthOf(a0, a1, count) : min(aLength, count);
  const lb = bLength < 0 ? lengthOf(b0, b1, count) : min(bLength, count);
  let found = 0;
  const aggregation = (how >> 2) & 3;
  for (let j = 0; j < count; j++) {
    let is = false;
    const one = element(b0, b1, j);
    if (aggregation == 0) {
      if (j < lb) for (let i = 0; i < la && !is; i++) is = element(a0, a1, i) == one;
    } else if (aggregation == 1) {
      if (j < lb)
        for (let i = 0; i + 1 < la && !is; i += 2) is = element(a0, a1, i) <= one && one <= element(a0, a1, i + 1);
    } else if (aggregation == 2) {
      is = j < la && j < lb ? element(a0, a1, j) == one : j >= la && j >= lb;
    } else {
      is = true;
      for (let i = 0; i < la && i + j < count && is; i++)
        is = i + j < lb && element(a0, a1, i) == element(b0, b1, i + j);
    }
    if (is) found |= 1 << j;
  }
  const all = (1 << count) - 1;
  if (how & 16) found ^= how & 32 ? (1 << lb) - 1 : all;
  return (
    found | (found != 0 ? 1 << 16 : 0) | (lb < count ? 1 << 17 : 0) | (la < count ? 1 << 18 : 0) | ((found & 1) << 19)
  );
}
