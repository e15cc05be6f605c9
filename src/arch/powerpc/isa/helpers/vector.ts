import { helper } from "../../../../semantics/signature.js";

const packed = <const P extends readonly ("i32" | "v128")[]>(...params: P) => helper("state", params, "v128");

/** What VMX and VSX need beyond lane operations. Implemented in `engines/runtime/vector/*.as.ts`. */
export const vectorHelpers = {
  /** SubBytes of AES on 16 bytes. */
  aesSubBytes: helper("pure", ["v128"], "v128"),
  /** ShiftRows, SubBytes and MixColumns; the round key is added by the caller. The first byte is the most significant. */
  aesRound: helper("pure", ["v128"], "v128"),
  /** ShiftRows and SubBytes. */
  aesLastRound: helper("pure", ["v128"], "v128"),
  /** InvShiftRows and InvSubBytes. */
  aesInverseLastRound: helper("pure", ["v128"], "v128"),
  /** InvMixColumns. */
  aesInverseMixColumns: helper("pure", ["v128"], "v128"),
  /** vshasigmaw: ST, SIX. */
  sha256Sigma: helper("pure", ["v128", "i32", "i32"], "v128"),
  /** vshasigmad: ST, SIX. */
  sha512Sigma: helper("pure", ["v128", "i32", "i32"], "v128"),
  /** vpmsumb: carry-less products of bytes, each pair added up. */
  polynomialSumBytes: helper("pure", ["v128", "v128"], "v128"),
  /** vpmsumh. */
  polynomialSumHalfwords: helper("pure", ["v128", "v128"], "v128"),
  /** vpmsumw. */
  polynomialSumWords: helper("pure", ["v128", "v128"], "v128"),
  /** vpmsumd. */
  polynomialSumDoublewords: helper("pure", ["v128", "v128"], "v128"),

  /** Division of 128 bits. Bits of the last argument: 1 signed, 2 the first << 128, 4 the remainder. */
  divideQuadword: helper("pure", ["v128", "v128", "i32"], "v128"),
  /** vgnb: N. */
  gatherEveryNth: helper("pure", ["v128", "i32"], "i64"),
  /** xxgenpcv*m: bytes of an element; 0 big-endian expansion, 1 compression, 2 and 3 little-endian. */
  generatePermutation: helper("pure", ["v128", "i32", "i32"], "v128"),

  /** The accumulator's row, the factors, an OuterProduct (outer-product.ts), which row, PMSK << 8 | XMSK << 4 | YMSK. */
  outerProductRow: helper("state", ["v128", "v128", "v128", "i32", "i32", "i32"], "v128"),

  // Packed decimal: the CR field goes to the register packedCondition. The last argument is PS, which chooses the code of
  // a positive sign. An operand that is no number, or a result out of range where that is undefined, gives 0.
  /** bcdadd., bcdsub.: PS, whether to subtract. */
  packedAdd: packed("v128", "v128", "i32", "i32"),
  packedFromNational: packed("v128", "i32"),
  packedToNational: packed("v128"),
  packedFromZoned: packed("v128", "i32"),
  packedToZoned: packed("v128", "i32"),
  packedFromInteger: packed("v128", "i32"),
  packedToInteger: packed("v128"),
  /** bcdcpsgn.: digits, sign. */
  packedCopySign: packed("v128", "v128"),
  packedSetSign: packed("v128", "i32"),
  /** Shifts and truncations: the register with the count, the number. */
  packedShift: packed("v128", "v128", "i32"),
  packedShiftRound: packed("v128", "v128", "i32"),
  packedShiftUnsigned: packed("v128", "v128"),
  packedTruncate: packed("v128", "v128", "i32"),
  packedTruncateUnsigned: packed("v128", "v128"),
};
