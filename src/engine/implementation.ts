/** What the kvm module knows of an implementation before it fetches its engine: hv and pr fill in one row each. */
import type { Engine, ThreadBeside } from "../kvm/engine.js";

export const implementationNames = ["hv", "pr"] as const;
export type ImplementationName = (typeof implementationNames)[number];

/** The two modules that the build makes, compiled, for the kind of memory (shared or not) of the VM. */
export interface EngineModules {
  readonly runtime: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
}

export interface EngineAssets extends EngineModules {
  /** The same with ordered accesses, if several vCPUs of a VM are to have these (ordering.ts). */
  readonly ordered?: EngineModules;
}

export interface ImplementationRow {
  readonly name: ImplementationName;
  /** KVM_CREATE_VM's type. */
  readonly type: number;
  /** As the kernel's messages and module aliases have it. */
  readonly title: string;
  readonly alias: string;
  /** Throws if the platform cannot run it. */
  readonly require: () => void;
  /** Fetches its code, which `engine` needs. */
  readonly preload: () => Promise<void>;
  /** No page loads what it does not run. */
  readonly engine: (assets: EngineAssets, beside?: ThreadBeside) => Promise<Engine>;
  /** Fetches what a thread beside a vCPU's does for it: told each request, it posts answers. Undefined: nothing. */
  readonly serveBeside?: () => Promise<
    (memory: WebAssembly.Memory, post: (answer: unknown) => void) => (request: never) => void
  >;
}
