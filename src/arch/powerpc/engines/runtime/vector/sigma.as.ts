/**
 * The sigma functions of SHA-256 and SHA-512, one choice per element.
 * Source: FIPS 180-4; Power ISA v3.0B, Book I "Vector SHA-512/SHA-256 Sigma Instructions".
 */

// @ts-ignore: decorator
@inline
function rotateWords(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}

// @ts-ignore: decorator
@inline
function rotateDoublewords(x: v128, n: i32): v128 {
  return v128.or(i64x2.shr_u(x, n), i64x2.shl(x, 64 - n));
}

// @ts-ignore: decorator
@inline
function xor3(a: v128, b: v128, c: v128): v128 {
  return v128.xor(v128.xor(a, b), c);
}

/** ST 0: the small sigmas of the message schedule; 1: the large ones. Bit i of SIX (from the left) chooses word i's. */
export function sha256Sigma(x: v128, st: i32, six: i32): v128 {
  // Word i from the left is lane 3 - i, and bit i from the left is bit 3 - i.
  const chosen = v128.and(i32x4.splat(six), i32x4(1, 2, 4, 8));
  const one = i32x4.ne(chosen, i32x4.splat(0));
  if (st) {
    const sum0 = xor3(rotateWords(x, 2), rotateWords(x, 13), rotateWords(x, 22));
    const sum1 = xor3(rotateWords(x, 6), rotateWords(x, 11), rotateWords(x, 25));
    return v128.bitselect(sum1, sum0, one);
  }
  const sigma0 = xor3(rotateWords(x, 7), rotateWords(x, 18), i32x4.shr_u(x, 3));
  const sigma1 = xor3(rotateWords(x, 17), rotateWords(x, 19), i32x4.shr_u(x, 10));
  return v128.bitselect(sigma1, sigma0, one);
}

/** As sha256Sigma; bit 2i of SIX (from the left) chooses doubleword i's. */
export function sha512Sigma(x: v128, st: i32, six: i32): v128 {
  const chosen = v128.and(i64x2.splat(<i64>six), i64x2(2, 8));
  const one = i64x2.ne(chosen, i64x2.splat(0));
  if (st) {
    const sum0 = xor3(rotateDoublewords(x, 28), rotateDoublewords(x, 34), rotateDoublewords(x, 39));
    const sum1 = xor3(rotateDoublewords(x, 14), rotateDoublewords(x, 18), rotateDoublewords(x, 41));
    return v128.bitselect(sum1, sum0, one);
  }
  const sigma0 = xor3(rotateDoublewords(x, 1), rotateDoublewords(x, 8), i64x2.shr_u(x, 7));
  const sigma1 = xor3(rotateDoublewords(x, 19), rotateDoublewords(x, 61), i64x2.shr_u(x, 6));
  return v128.bitselect(sigma1, sigma0, one);
}
