export {
  aesInverseLastRound,
  aesInverseMixColumns,
  aesLastRound,
  aesRound,
  aesSubBytes,
} from "../../../../../engine/runtime/vectors/aes.as";
export { gatherEveryNth, generatePermutation } from "./bits.as";
export { divideDoubleword, divideQuadword } from "./divide.as";
export * from "./packed-decimal.as";
export {
  polynomialSumBytes,
  polynomialSumDoublewords,
  polynomialSumHalfwords,
  polynomialSumWords,
} from "../../../../../engine/runtime/vectors/polynomial.as";
export { sha256Sigma, sha512Sigma } from "./sigma.as";
export { outerProductRow } from "./outer-product.as";
