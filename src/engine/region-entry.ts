/** How regions are entered: what the interpreter, which calls them, and the translator, which makes them, agree on. */
import type { ValueType } from "../wasm/function-builder.js";

/** (state, which way in, calls that may still nest) -> 1 if it ends with a jump to pc, 0 if more may have changed. */
export const regionSignature = [["i32", "i32", "i32"], ["i32"]] as const satisfies readonly [ValueType[], ValueType[]];
/** The word of a decoded entry that leads to a region: its place in the table, and above these bits which way in. */
export const tableBits = 16;
/** Guest calls that nest in the host's stack: beyond, a return looks up where it goes. */
export const callDepth = 64;
