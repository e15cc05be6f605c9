/** What V8 is told before guests run. */
import { setFlagsFromString } from "node:v8";
import { enableRelaxedSimd } from "./relaxed-simd.js";

/**
 * Bytes of a function's quickly made code that run before V8 optimises it. By default 1.8 million (Node 20) or 13 million
 * (Node 26): less than a millisecond, for which it spends five to ten milliseconds of another thread. Regions come by the
 * thousand, and on two cores that thread takes the time from the guest. The optimiser of V8 11 takes twice the time of newer ones.
 */
const budget = Number.parseInt(process.versions.v8, 10) < 12 ? 300_000_000 : 30_000_000;

/**
 * For modules compiled from now on, on all threads: a fused multiply-add in one instruction, which Node 20 has behind a flag;
 * and functions optimised later.
 */
export function prepareV8(): void {
  enableRelaxedSimd();
  setFlagsFromString(`--wasm-tiering-budget=${budget}`);
}
