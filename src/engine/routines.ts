/** Routines of the run-time library that emitted code calls. */
import type { HelperSignature } from "../semantics/signature.js";
import type { ValueType } from "../wasm/function-builder.js";

/** Types of routines of the run-time library, by name. */
export type Routines = Readonly<Record<string, readonly [params: readonly ValueType[], results: readonly ValueType[]]>>;

/** Routines of the run-time library that the engine calls, whatever the architecture. */
export const engineRoutines = {
  fetch: [["i32"], ["i32"]],
  decode: [["i32", "i32"], []],
  instructionAt: [["i32", "i32"], ["i64"]],
  service: [["i32"], ["i32"]],
  serveAgain: [["i32"], []],
  regionLeft: [["i32"], []],
  stopsHere: [["i32"], ["i32"]],
  runAlone: [["i32"], ["i32"]],
  ranAlone: [["i32", "i32"], []],
  loadSlow: [["i32", "i64", "i32", "i32"], ["i64"]],
  storeSlow: [["i32", "i64", "i32", "i64", "i32"], []],
  loadQuadSlow: [["i32", "i64", "i32"], ["v128"]],
  storeQuadSlow: [["i32", "i64", "v128", "i32"], []],
} as const satisfies Routines;

/** The type of a helper of the instruction set: it gets the state's address first, unless it needs nothing but its arguments. */
export function helperType({ effect, params, result }: HelperSignature): Routines[string] {
  return [effect === "pure" ? params : ["i32", ...params], result === "void" ? [] : [result]];
}
