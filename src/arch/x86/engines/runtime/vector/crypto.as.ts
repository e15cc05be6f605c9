/** AES's steps and carry-less products, whose bytes x86 has in the other order than where they are made. Source: Intel SDM, volume 2. */
import {
  aesInverseLastRound,
  aesInverseMixColumns,
  aesLastRound,
  aesRound,
  aesSubBytes,
} from "../../../../../engine/runtime/vectors/aes.as";
import { polynomialSumDoublewords } from "../../../../../engine/runtime/vectors/polynomial.as";

function turned(x: v128): v128 {
  return i8x16.shuffle(x, x, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

export function aesEncode(state: v128, key: v128): v128 {
  return v128.xor(turned(aesRound(turned(state))), key);
}
export function aesEncodeLast(state: v128, key: v128): v128 {
  return v128.xor(turned(aesLastRound(turned(state))), key);
}
export function aesDecode(state: v128, key: v128): v128 {
  return v128.xor(turned(aesInverseMixColumns(aesInverseLastRound(turned(state)))), key);
}
export function aesDecodeLast(state: v128, key: v128): v128 {
  return v128.xor(turned(aesInverseLastRound(turned(state))), key);
}
export function aesInverseMix(state: v128): v128 {
  return turned(aesInverseMixColumns(turned(state)));
}

/** AESKEYGENASSIST: words 1 and 3, substituted, and each turned as well with the round's constant. */
export function aesKeyAssist(a: v128, constant: i32): v128 {
  const words = aesSubBytes(i8x16.shuffle(a, a, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15));
  const rotated = i8x16.shuffle(words, words, 0, 1, 2, 3, 5, 6, 7, 4, 8, 9, 10, 11, 13, 14, 15, 12);
  const round = i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(0), 1, constant), 3, constant);
  return v128.xor(rotated, round);
}

/** PCLMULQDQ: of the halves that bits 0 and 4 name. */
export function carrylessProduct(a: v128, b: v128, which: i32): v128 {
  const first = which & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
  const second = which & 16 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0);
  return polynomialSumDoublewords(
    i64x2.replace_lane(i64x2.splat(0), 0, first),
    i64x2.replace_lane(i64x2.splat(0), 0, second),
  );
}
