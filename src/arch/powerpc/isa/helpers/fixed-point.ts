import { helper } from "./signature.js";

/** Fixed point. Implemented in `engines/runtime/fixed-point.as.ts`. */
export const fixedPointHelpers = {
  /** The high 64 bits of the signed product. */
  mulHighS: helper("pure", ["i64", "i64"], "i64"),
  /** The high 64 bits of the unsigned product. */
  mulHighU: helper("pure", ["i64", "i64"], "i64"),
};
