/**
 * The run-time library that semantics may call (`Machine.call`), as signatures. Each routine is implemented once, in
 * AssemblyScript (`*.as.ts`), exported under the same name, and shared by both engines. The first parameter of every
 * implementation but a `pure` one is the address of the vCPU's state; it is not listed in the signature.
 */

import type { HelperSignature } from "../../../semantics/signature.js";
import type { I32, I64, V128 } from "../../../semantics/values.js";
import { decimalHelpers } from "./helpers/decimal.js";
import { fixedPointHelpers } from "./helpers/fixed-point.js";
import { floatHelpers } from "./helpers/float.js";
import { storageHelpers } from "./helpers/storage.js";
import { systemHelpers } from "./helpers/system.js";
import { vectorHelpers } from "./helpers/vector.js";

export const helpers = {
  ...fixedPointHelpers,
  ...floatHelpers,
  ...decimalHelpers,
  ...vectorHelpers,
  ...storageHelpers,
  ...systemHelpers,
} as const satisfies Record<string, HelperSignature>;

export type HelperName = keyof typeof helpers;
type ValueOf<T> = T extends "i32" ? I32 : T extends "i64" ? I64 : T extends "v128" ? V128 : void;
type ValuesOf<P extends readonly unknown[]> = P extends readonly [infer Head, ...infer Rest]
  ? [ValueOf<Head>, ...ValuesOf<Rest>]
  : [];
export type HelperArguments<N extends HelperName> = ValuesOf<(typeof helpers)[N]["params"]>;
export type HelperResult<N extends HelperName> = ValueOf<(typeof helpers)[N]["result"]>;
