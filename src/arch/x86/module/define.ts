/** What is known of a vendor's module before it is loaded: one file each says which it is, and imports its code on demand. */

import { thisPackage } from "../../../base/package.js";
import type { KvmConfig } from "../../../engine/kvm-config.js";
import type { ThreadBeside } from "../../../kvm/engine.js";
import type { AttachedVm, SharedVm } from "../../../kvm/uapi.js";
import { defineModule, type ModuleDefinition } from "../../../modules/define-module.js";
import { vacJoin } from "../../../vac/module.js";
import type { X86Kvm, X86Vm } from "../uapi.js";
import { loadAssetHere } from "./assets.js";
import { x86Parameters } from "./parameters.js";
import { exported } from "./untracked-symbols.js";

/** What the module offers once it is live: /dev/kvm. */
export interface X86KvmOffer {
  open(): X86Kvm;
}

/** One vendor's module, before its code is there. */
export interface VendorModule {
  /** The module's. */
  readonly name: string;
  /** The vendor's. */
  readonly title: string;
  /** Its code: what whole.ts is with this vendor. */
  readonly load: () => Promise<typeof import("../whole.js")>;
  /** The module's own, with which other threads attach. */
  readonly url: string;
}

/** Either vendor's stands for the other: `alternative`. */
export function defineX86Kvm({ name, title, load, url }: VendorModule, config: KvmConfig = {}): ModuleDefinition {
  const { implementations, loadAsset = loadAssetHere, memory } = config;
  return defineModule({
    name,
    description: `Kernel-based virtual machines for x86 guests on processors of ${title}'s`,
    license: "MIT",
    version: thisPackage.version,
    inTree: true,
    alternative: "kvm-x86",
    imports: { join: vacJoin },
    exports: exported,
    params: x86Parameters,
    init: async (context) => (await load()).initialise(context, implementations, { loadAsset, memory, module: url }),
  });
}

/** What other threads attach with, for VMs of this vendor's. */
export const attaching = ({ load }: VendorModule) => ({
  prepareAttachVm: async (shared: SharedVm, beside?: ThreadBeside): Promise<() => AttachedVm<X86Vm>> =>
    (await load()).prepareAttachVm(shared, beside),
  preload: async (implementation: string): Promise<void> => (await load()).preload(implementation),
  serveBesideVm: async (
    shared: SharedVm,
    post: (answer: unknown) => void,
  ): Promise<((request: unknown) => void) | undefined> => (await load()).serveBesideVm(shared, post),
  /** Nothing of x86's tells instructions to the trace yet. */
  loadDisassembler: async () => (word: number) => `.long 0x${(word >>> 0).toString(16).padStart(8, "0")}`,
});
