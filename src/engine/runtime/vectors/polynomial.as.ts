/**
 * Carry-less (polynomial over GF(2)) products, the products of neighbouring elements added.
 * Source: Power ISA v3.0B, Book I "Vector Binary Polynomial Multiplication Instructions".
 */

/**
 * The low 64 bits of a carry-less product. Each operand is taken in four parts of every fourth bit: the integer products
 * of such parts carry at most 16 ones into a place, which the three empty bits above it take up, but for a 16th at the
 * top, which leaves the doubleword.
 */
function multiplyLow(a: u64, b: u64): u64 {
  const m0: u64 = 0x1111111111111111;
  const m1: u64 = 0x2222222222222222;
  const m2: u64 = 0x4444444444444444;
  const m3: u64 = 0x8888888888888888;
  const a0 = a & m0;
  const a1 = a & m1;
  const a2 = a & m2;
  const a3 = a & m3;
  const b0 = b & m0;
  const b1 = b & m1;
  const b2 = b & m2;
  const b3 = b & m3;
  return (
    (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & m0) |
    (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & m1) |
    (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & m2) |
    (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & m3)
  );
}

/** The 64 bits in the opposite order. */
function reverse(x: u64): u64 {
  x = ((x >> 1) & 0x5555555555555555) | ((x & 0x5555555555555555) << 1);
  x = ((x >> 2) & 0x3333333333333333) | ((x & 0x3333333333333333) << 2);
  x = ((x >> 4) & 0x0f0f0f0f0f0f0f0f) | ((x & 0x0f0f0f0f0f0f0f0f) << 4);
  return bswap(x);
}

export function polynomialSumDoublewords(a: v128, b: v128): v128 {
  const a0 = <u64>i64x2.extract_lane(a, 0);
  const a1 = <u64>i64x2.extract_lane(a, 1);
  const b0 = <u64>i64x2.extract_lane(b, 0);
  const b1 = <u64>i64x2.extract_lane(b, 1);
  const low = multiplyLow(a0, b0) ^ multiplyLow(a1, b1);
  // The product of the operands read backwards is the product read backwards, 127 bits long.
  const turned = multiplyLow(reverse(a0), reverse(b0)) ^ multiplyLow(reverse(a1), reverse(b1));
  return i64x2.replace_lane(i64x2.splat(low), 1, reverse(turned) >> 1);
}

export function polynomialSumWords(a: v128, b: v128): v128 {
  const a0 = <u64>i64x2.extract_lane(a, 0);
  const a1 = <u64>i64x2.extract_lane(a, 1);
  const b0 = <u64>i64x2.extract_lane(b, 0);
  const b1 = <u64>i64x2.extract_lane(b, 1);
  const w: u64 = 0xffffffff;
  const low = multiplyLow(a0 & w, b0 & w) ^ multiplyLow(a0 >> 32, b0 >> 32);
  const high = multiplyLow(a1 & w, b1 & w) ^ multiplyLow(a1 >> 32, b1 >> 32);
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

export function polynomialSumHalfwords(a: v128, b: v128): v128 {
  const oddA = v128.and(a, i32x4.splat(0xffff));
  const evenA = i32x4.shr_u(a, 16);
  let odd = b;
  let even = i32x4.shr_u(b, 16);
  const one = i32x4.splat(1);
  let sum = i32x4.splat(0);
  for (let bit = 0; bit < 16; bit++) {
    const byOdd = i32x4.neg(v128.and(odd, one));
    const byEven = i32x4.neg(v128.and(even, one));
    const term = v128.xor(v128.and(oddA, byOdd), v128.and(evenA, byEven));
    sum = v128.xor(sum, i32x4.shl(term, bit));
    odd = i32x4.shr_u(odd, 1);
    even = i32x4.shr_u(even, 1);
  }
  return sum;
}

export function polynomialSumBytes(a: v128, b: v128): v128 {
  const oddA = v128.and(a, i16x8.splat(0xff));
  const evenA = i16x8.shr_u(a, 8);
  let odd = b;
  let even = i16x8.shr_u(b, 8);
  const one = i16x8.splat(1);
  let sum = i16x8.splat(0);
  for (let bit = 0; bit < 8; bit++) {
    const byOdd = i16x8.neg(v128.and(odd, one));
    const byEven = i16x8.neg(v128.and(even, one));
    const term = v128.xor(v128.and(oddA, byOdd), v128.and(evenA, byEven));
    sum = v128.xor(sum, i16x8.shl(term, bit));
    odd = i16x8.shr_u(odd, 1);
    even = i16x8.shr_u(even, 1);
  }
  return sum;
}
