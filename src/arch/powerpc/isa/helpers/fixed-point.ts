import { helper } from "../../../../semantics/signature.js";

/** Fixed point. Implemented in `engines/runtime/fixed-point.as.ts`. */
export const fixedPointHelpers = {
  /** divde: (first << 64) / second, signed; 0 if the quotient does not fit in 64 bits or the divisor is 0. */
  divideExtendedS: helper("pure", ["i64", "i64"], "i64"),
  /** divdeu: (first << 64) / second, unsigned; 0 if the quotient does not fit or the divisor is 0. */
  divideExtendedU: helper("pure", ["i64", "i64"], "i64"),
  /** bpermd: each byte of the first picks a bit of the second by the manual's number; 64 and above give 0. */
  bitPermute: helper("pure", ["i64", "i64"], "i64"),
  /** pdepd: the low bits of the first, in order, at the ones of the second. */
  depositBits: helper("pure", ["i64", "i64"], "i64"),
  /** pextd: the bits of the first at the ones of the second, in order, at the right. */
  extractBits: helper("pure", ["i64", "i64"], "i64"),
  /** vdivesd, vdiveud: (first << 64) / second; the last argument is 1 if signed. */
  divideDoubleword: helper("pure", ["i64", "i64", "i32"], "i64"),
  /** cdtbcd: two declets in each word to six BCD digits. */
  declets: helper("pure", ["i64"], "i64"),
  /** cbcdtd: six BCD digits in each word to two declets. */
  decletsFromDecimal: helper("pure", ["i64"], "i64"),
  /** darn: the argument is L. */
  deliverRandom: helper("state", ["i32"], "i64"),
};
