import type { HelperSignature } from "./signature.js";

/** What VMX and VSX need beyond lane operations. Implemented in `engines/runtime/vector/*.as.ts`. */
export const vectorHelpers = {} as const satisfies Record<string, HelperSignature>;
