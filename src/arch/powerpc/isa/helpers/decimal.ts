import { statusHelper } from "./float.js";

/**
 * Decimal floating point with FPSCR. Implemented in `engines/runtime/decimal/*.as.ts`; exceptions as in `float.ts`.
 *
 * A number of any format is a v128, in its least significant bits. The last parameter is its format: 0 DFP short, 1 long,
 * 2 extended. A rounding `mode` is FPSCR[DRN]'s, or 8 for what that says.
 */
export const decimalHelpers = {
  /** Operation: 0 add, 1 subtract, 2 multiply, 3 divide. */
  decimalArithmetic: statusHelper(["v128", "v128", "i32", "i32"], "v128"),
  /** The CR field, also put in FPCC; 1: ordered. So do the tests. */
  decimalCompare: statusHelper(["v128", "v128", "i32", "i32"], "i32"),
  /** DCM. */
  decimalTestClass: statusHelper(["v128", "i32", "i32"], "i32"),
  /** DGM. */
  decimalTestGroup: statusHelper(["v128", "i32", "i32"], "i32"),
  decimalTestExponent: statusHelper(["v128", "v128", "i32"], "i32"),
  /** A number of digits. */
  decimalTestSignificance: statusHelper(["i32", "v128", "i32"], "i32"),

  /** The number that gives the exponent, the number, mode. */
  decimalQuantize: statusHelper(["v128", "v128", "i32", "i32"], "v128"),
  /** The exponent, the number, mode. */
  decimalQuantizeTo: statusHelper(["i32", "v128", "i32", "i32"], "v128"),
  /** How many digits, the number, mode. */
  decimalReround: statusHelper(["i32", "v128", "i32", "i32"], "v128"),
  /** The number, mode, whether inexactness counts. */
  decimalToIntegral: statusHelper(["v128", "i32", "i32", "i32"], "v128"),

  /** From the format before the last. */
  decimalConvert: statusHelper(["v128", "i32", "i32"], "v128"),
  decimalFromInteger: statusHelper(["i64", "i32"], "v128"),
  decimalToInteger: statusHelper(["v128", "i32"], "i64"),
  decimalFromInteger128: statusHelper(["v128"], "v128"),
  decimalToInteger128: statusHelper(["v128"], "v128"),
  /** ddedpd: SP. */
  decimalToPacked: statusHelper(["v128", "i32", "i32"], "v128"),
  /** denbcd: S. */
  decimalFromPacked: statusHelper(["v128", "i32", "i32"], "v128"),
  decimalExtractExponent: statusHelper(["v128", "i32"], "i64"),
  decimalInsertExponent: statusHelper(["i64", "v128", "i32"], "v128"),
  /** To the left, or if negative to the right. */
  decimalShift: statusHelper(["v128", "i32", "i32"], "v128"),
};
