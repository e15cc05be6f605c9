/** When V8 compiles a function for the second time. */
import { setFlagsFromString } from "node:v8";

/**
 * Bytes of a function's quickly made code that run before V8 optimises it. By default 1.8 million (Node 20) or 13 million
 * (Node 26) in a function: less than a millisecond, for which it spends five to ten milliseconds of another thread. Regions
 * come by the thousand, and on two cores that thread takes the time from the guest. This is some ten milliseconds.
 */
const budget = 300_000_000;

/** Has V8 optimise later, for modules compiled from now on, on all threads. */
export function optimiseLater(): void {
  setFlagsFromString(`--wasm-tiering-budget=${budget}`);
}
