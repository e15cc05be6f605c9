import { helper } from "../../../../semantics/signature.js";

const state = <const P extends readonly ("i32" | "i64" | "v128")[], const R extends "i32" | "i64" | "v128">(
  params: P,
  result: R,
) => helper("state", params, result);

/**
 * Decimal floating point with FPSCR. Implemented in `engines/runtime/decimal/*.as.ts`; exceptions as in `float.ts`.
 *
 * A number of any format is a v128, in its least significant bits. The last parameter is its format: 0 DFP short, 1 long,
 * 2 extended. A rounding `mode` is FPSCR[DRN]'s, or 8 for what that says.
 */
export const decimalHelpers = {
  /** Operation: 0 add, 1 subtract, 2 multiply, 3 divide. */
  decimalArithmetic: state(["v128", "v128", "i32", "i32"], "v128"),
  /** The CR field, also put in FPCC; 1: ordered. So do the tests. */
  decimalCompare: state(["v128", "v128", "i32", "i32"], "i32"),
  /** DCM. */
  decimalTestClass: state(["v128", "i32", "i32"], "i32"),
  /** DGM. */
  decimalTestGroup: state(["v128", "i32", "i32"], "i32"),
  decimalTestExponent: state(["v128", "v128", "i32"], "i32"),
  /** A number of digits. */
  decimalTestSignificance: state(["i32", "v128", "i32"], "i32"),

  /** The number that gives the exponent, the number, mode. */
  decimalQuantize: state(["v128", "v128", "i32", "i32"], "v128"),
  /** The exponent, the number, mode. */
  decimalQuantizeTo: state(["i32", "v128", "i32", "i32"], "v128"),
  /** How many digits, the number, mode. */
  decimalReround: state(["i32", "v128", "i32", "i32"], "v128"),
  /** The number, mode, whether inexactness counts. */
  decimalToIntegral: state(["v128", "i32", "i32", "i32"], "v128"),

  /** From the format before the last. */
  decimalConvert: state(["v128", "i32", "i32"], "v128"),
  decimalFromInteger: state(["i64", "i32"], "v128"),
  decimalToInteger: state(["v128", "i32"], "i64"),
  /** ddedpd: SP. */
  decimalToPacked: state(["v128", "i32", "i32"], "v128"),
  /** denbcd: S. */
  decimalFromPacked: state(["v128", "i32", "i32"], "v128"),
  decimalExtractExponent: state(["v128", "i32"], "i64"),
  decimalInsertExponent: state(["i64", "v128", "i32"], "v128"),
  /** To the left, or if negative to the right. */
  decimalShift: state(["v128", "i32", "i32"], "v128"),
};
