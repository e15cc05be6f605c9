/** Comparisons of strings in vectors. Source: Intel SDM, volume 1, "PCMPxSTRx"; volume 2, "Imm8 Control Byte Operation". */

/** The low so many bits. */
// @ts-ignore: decorator
@inline
function low(bits: i32): i32 {
  return (1 << bits) - 1;
}

/** A bit for each element of the two that is equal. */
// @ts-ignore: decorator
@inline
function equal(words: bool, a: v128, b: v128): i32 {
  return words ? i16x8.bitmask(i16x8.eq(a, b)) : i8x16.bitmask(i8x16.eq(a, b));
}

/** A bit for each element of `a` that is no less than the other's, as signed or unsigned numbers. */
function noLess(words: bool, isSigned: bool, a: v128, b: v128): i32 {
  if (words) return i16x8.bitmask(isSigned ? i16x8.ge_s(a, b) : i16x8.ge_u(a, b));
  return i8x16.bitmask(isSigned ? i8x16.ge_s(a, b) : i8x16.ge_u(a, b));
}

/** One element in all places. */
// @ts-ignore: decorator
@inline
function everywhere(words: bool, a: v128, i: i32): v128 {
  return i8x16.swizzle(a, words ? i16x8.splat(<i16>(i * 0x202 + 0x100)) : i8x16.splat(<i8>i));
}

/** Elements before the first that is 0. */
function lengthOf(words: bool, a: v128, count: i32): i32 {
  return ctz(equal(words, a, i64x2.splat(0)) | (1 << count));
}

/**
 * What the aggregation and polarity of the immediate make of two vectors, a bit for each element of the second; and from bit 16
 * CF, ZF, SF, OF. Lengths: elements that are valid; -1 for those before the first 0.
 */
export function compareStrings(a: v128, b: v128, how: i32, aLength: i32, bLength: i32): i32 {
  const words = (how & 1) != 0;
  const isSigned = (how & 2) != 0;
  const count = words ? 8 : 16;
  const all = low(count);
  const la = aLength < 0 ? lengthOf(words, a, count) : min(aLength, count);
  const lb = bLength < 0 ? lengthOf(words, b, count) : min(bLength, count);
  const aggregation = (how >> 2) & 3;
  let found = 0;
  if (aggregation == 0) {
    for (let i = 0; i < la; i++) found |= equal(words, everywhere(words, a, i), b);
    found &= low(lb);
  } else if (aggregation == 1) {
    for (let i = 0; i + 1 < la; i += 2) {
      const fromFirst = noLess(words, isSigned, b, everywhere(words, a, i));
      found |= fromFirst & noLess(words, isSigned, everywhere(words, a, i + 1), b);
    }
    found &= low(lb);
  } else if (aggregation == 2) {
    // Where both have ended they are equal.
    found = (equal(words, a, b) & low(min(la, lb))) | (all & ~low(max(la, lb)));
  } else {
    found = all;
    // What would stand behind the vector's end counts as found.
    for (let i = 0; i < la; i++)
      found &= ((equal(words, everywhere(words, a, i), b) & low(lb)) >> i) | (all & ~low(count - i));
  }
  if (how & 16) found ^= how & 32 ? low(lb) : all;
  return (
    found | (found != 0 ? 1 << 16 : 0) | (lb < count ? 1 << 17 : 0) | (la < count ? 1 << 18 : 0) | ((found & 1) << 19)
  );
}
