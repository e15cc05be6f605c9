/** Without KVM_EXTERNAL_WRITE_TRACKING nothing is exported; with it tracking-symbols.ts stands here. */
import type { Exports } from "../../../modules/define-module.js";

/** By the names under which init returns their values. */
export const exported: Exports = {};
