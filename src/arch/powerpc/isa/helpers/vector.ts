import { helper } from "./signature.js";

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
};
