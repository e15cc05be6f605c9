/** How a kvm module is loaded, of whatever architecture. */
import { callback, listOf, oneOf, optional } from "../base/takes.js";
import type { LoadAsset } from "./assets.js";
import { type ImplementationName, implementationNames } from "./implementation.js";

/** How kvm is loaded. */
export interface KvmConfig {
  /** What is configured in. Default: both. */
  readonly implementations?: readonly ImplementationName[];
  /** Which VMs can be made. Default: shared where the platform has shared memory, else unshared. */
  readonly memory?: "shared" | "unshared" | "both";
  /** How the built WebAssembly is got: bytes, or compiled modules where the platform forbids compiling bytes. */
  readonly loadAsset?: LoadAsset;
}

/** What openKvm takes, with more. */
export const configFields = {
  implementations: optional(listOf(oneOf(...implementationNames))),
  memory: optional(oneOf("shared", "unshared", "both")),
  loadAsset: optional(callback),
};
