/** Node 20 has relaxed SIMD behind a flag of V8's that can be set while it runs. */
import { setFlagsFromString } from "node:v8";
import { detectWasmFeatures } from "../features.js";

/** Turns relaxed SIMD on for modules compiled from now on, on all threads; true if it is there (by now or before). */
export function enableRelaxedSimd(): boolean {
  if (detectWasmFeatures().relaxedSimd) return true;
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return detectWasmFeatures().relaxedSimd;
}
