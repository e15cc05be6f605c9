import { helper } from "./signature.js";

/** Exact binary floating point with FPSCR. Implemented in `engines/runtime/float/*.as.ts`. */
export const floatHelpers = {
  /** fadd: doublewords in and out; sets FPSCR. */
  float64Add: helper("faults", ["i64", "i64"], "i64"),
};
